//! Text that several commands print.

use std::fmt::Write as _;

use wimforge_core::archive::{Archive, Blob, Place};
use wimforge_core::format::ResourceFlags;
use wimforge_core::time::FileTime;

use crate::failure::Failure;
use crate::host::Host;

/// Writes to standard output; failure ends the command.
pub fn write_out(host: &dyn Host, text: &[u8]) -> Result<(), Failure> {
    host.console().out(text).map_err(Failure::Output)
}

/// A time such as `Thu Jan 02 03:04:05 2020 UTC`.
pub fn show_time(time: FileTime) -> String {
    let (seconds, _) = time.to_unix();
    match jiff::Timestamp::from_second(seconds) {
        Ok(timestamp) => timestamp.strftime("%a %b %d %H:%M:%S %Y UTC").to_string(),
        Err(_) => format!("{} * 100 ns since 1601", time.0),
    }
}

/// What is known of a blob, a line each.
pub fn push_blob(out: &mut String, archive: &Archive, blob: &Blob) {
    let _ = writeln!(out, "Hash              = 0x{}", blob.hash);
    let _ = writeln!(out, "Uncompressed size = {} bytes", blob.size);
    let (file, flags) = match blob.place {
        Place::Alone { file, resource } => {
            let _ = writeln!(out, "Compressed size   = {} bytes", resource.size);
            let _ = writeln!(out, "Offset in WIM     = {} bytes", resource.offset);
            (file, resource.flags)
        }
        Place::Solid { solid, offset } => {
            let solid = &archive.blobs.solids[solid as usize];
            let _ = writeln!(
                out,
                "Solid resource    = {} => {} bytes @ offset {}",
                solid.chunks.total(),
                solid.resource.size,
                solid.resource.offset
            );
            let _ = writeln!(out, "Solid offset      = {offset} bytes");
            (solid.file, ResourceFlags::SOLID)
        }
        Place::Claimed | Place::Elsewhere | Place::Lost => return,
    };
    let part = archive
        .files
        .get(usize::from(file))
        .map_or(1, |file| file.header.part);
    let _ = writeln!(out, "Part Number       = {part}");
    let _ = writeln!(out, "Reference Count   = {}", blob.references);
    out.push_str("Flags             = ");
    for (name, _) in flags.iter_names() {
        let _ = write!(out, "WIM_RESHDR_FLAG_{name}  ");
    }
    out.push('\n');
}
