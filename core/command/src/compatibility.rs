//! Which of Microsoft's programs cannot read what is written.
//!
//! WIM files of before Windows 8 have chunks of 32 KiB. Smaller ones came with WIMBoot, LZMS and solid
//! resources with the ESD files of Windows 8.1; no version is documented to read LZX or XPRESS in larger
//! chunks. UNIX data is known to wimlib and wimforge only. Whoever asks for one of these should know. (Pipable archives
//! have a warning of their own.)

use wimforge_codec::Format;
use wimforge_core::archive::Archive;
use wimforge_core::format::Compression;
use wimforge_core::write::WriteOptions;

use crate::report::Reporter;

/// What every version reads, in bytes.
const OLD_CHUNK: u32 = 32 << 10;

/// Whether files get owner, group and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnixData {
    /// No, or those that are there stay.
    Unchanged,
    /// Yes.
    Added,
}

/// Warns, in one line, of choices that make an archive unreadable for some of Microsoft's programs. What
/// the archive is already is no choice. Not under wimlib's names: it does not warn, and scripts may
/// take any output for trouble.
pub fn warn(
    before: Option<&Archive>,
    options: &WriteOptions,
    unix_data: UnixData,
    reporter: &Reporter<'_>,
) {
    let old = before.map(|archive| archive.header().compression);
    let had_solid = before.is_some_and(|archive| !archive.blobs.solids.is_empty());
    let mut needs: Vec<String> = Vec::new();
    if old != Some(options.compression) {
        needs.extend(reason(options.compression));
    }
    if options.solid.is_some() && !had_solid {
        needs.push("solid resources need Windows 8.1 or later".into());
    }
    if unix_data == UnixData::Added {
        needs.push("UNIX data is known to wimlib and wimforge only".into());
    }
    if !needs.is_empty() {
        let needs = needs.join("; ");
        reporter.caution(&format!(
            "Microsoft's software may not read this WIM: {needs}"
        ));
    }
}

fn reason(compression: Compression) -> Option<String> {
    match compression {
        Compression::None | Compression::Chunked(Format::Xpress | Format::Lzx, OLD_CHUNK) => None,
        Compression::Chunked(Format::Lzms, _) => Some("LZMS needs Windows 8.1 or later".into()),
        Compression::Chunked(Format::Xpress, size @ 0..OLD_CHUNK) => Some(format!(
            "chunks of {} KiB need Windows 8.1 or later",
            size >> 10
        )),
        Compression::Chunked(_, size) => Some(format!(
            "{} is known to be read in chunks of 32 KiB, not of {} KiB",
            compression.name(),
            size >> 10
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_version_reads_needs_no_warning() {
        let said = |format, kib: u32| reason(Compression::Chunked(format, kib << 10));
        assert_eq!(reason(Compression::None), None);
        assert_eq!(said(Format::Lzx, 32), None);
        assert_eq!(said(Format::Xpress, 32), None);
        assert!(said(Format::Xpress, 4).is_some_and(|text| text.contains("8.1")));
        assert!(said(Format::Xpress, 64).is_some_and(|text| text.contains("64 KiB")));
        assert!(said(Format::Lzx, 64).is_some_and(|text| text.contains("64 KiB")));
        assert!(said(Format::Lzms, 128).is_some_and(|text| text.contains("8.1")));
    }
}
