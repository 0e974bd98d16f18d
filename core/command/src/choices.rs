//! Choices that several commands offer about the archive they write, and how they are typed.

use std::sync::Arc;

use clap::ArgMatches;
use wimforge_codec::Format;
use wimforge_core::archive::{Archive, OpenOptions};
use wimforge_core::format::{Compression, Layout};
use wimforge_core::port::{Event, Observer, Storage};
use wimforge_core::text::BadNames;
use wimforge_core::time::FileTime;
use wimforge_core::write::{self, IntegrityChoice, WriteOptions};
use wimforge_core::{Error, ErrorKind, Result};

use crate::failure::Failure;
use crate::host::Host;
use crate::report::Reporter;

/// The layout that was asked for with `--pipable` or `--not-pipable`.
///
/// # Errors
/// A contradiction.
pub fn layout(matches: &ArgMatches) -> Result<Option<Layout>, Failure> {
    let chosen = either(matches, "pipable", "not-pipable")?;
    Ok(chosen.map(|pipable| match pipable {
        true => Layout::Pipable,
        false => Layout::Seekable,
    }))
}

/// What becomes of file names that the format or the host cannot hold as they are.
pub fn bad_names(matches: &ArgMatches) -> BadNames {
    match is_set(matches, "escape-names") {
        true => BadNames::Escape,
        false => BadNames::Refuse,
    }
}

/// Whether the result has an integrity table.
///
/// # Errors
/// A contradiction.
pub fn integrity(matches: &ArgMatches) -> Result<IntegrityChoice, Failure> {
    let include = is_set(matches, "check") || is_set(matches, "include-integrity");
    match (include, is_set(matches, "nocheck")) {
        (true, true) => Err(contradiction("check", "nocheck")),
        (true, false) => Ok(IntegrityChoice::Include),
        (false, true) => Ok(IntegrityChoice::Omit),
        (false, false) => Ok(IntegrityChoice::Keep),
    }
}

/// What becomes of the space that is not used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// It stays; the change is fast and safe.
    Left,
    /// A whole new file is written without it.
    Rebuilt,
    /// The file is packed together where it is, which is not safe.
    Compacted,
}

/// What was asked for with `--unsafe-compact` or `--rebuild`.
pub fn space(matches: &ArgMatches) -> Space {
    match (
        is_set(matches, "unsafe-compact"),
        is_set(matches, "rebuild"),
    ) {
        (true, _) => Space::Compacted,
        (false, true) => Space::Rebuilt,
        (false, false) => Space::Left,
    }
}

/// What cannot be packed together where it is, because it has to be written anew.
///
/// # Errors
/// [`ErrorKind::CannotCompact`]; so that nothing is begun that cannot be ended.
pub fn check_compactable(archive: &Archive, layout: Layout, wanted: Compression) -> Result<()> {
    let impossible = |what| Err(Error::new(ErrorKind::CannotCompact, what));
    let header = archive.header();
    match (header.layout, layout) {
        (Layout::Seekable, Layout::Seekable) if wanted == header.compression => {
            write::check_compactable(archive)
        }
        (Layout::Seekable, Layout::Seekable) => {
            impossible("other compression and --unsafe-compact do not go together")
        }
        _ => impossible("a pipable WIM cannot be compacted in place"),
    }
}

/// Packs an archive together, all of which was changed before and is safe until then.
///
/// # Errors
/// What the storage returns; the archive is damaged then.
pub fn compact(storage: Arc<dyn Storage + Send>, reporter: &Reporter<'_>) -> Result<u64> {
    let archive = Archive::open(storage, &OpenOptions::default())?;
    write::compact(archive, IntegrityChoice::Keep, reporter)
}

/// A flag that says yes, or its opposite that says no.
///
/// # Errors
/// A contradiction if both were given.
pub fn either(matches: &ArgMatches, yes: &str, no: &str) -> Result<Option<bool>, Failure> {
    match (is_set(matches, yes), is_set(matches, no)) {
        (true, true) => Err(contradiction(yes, no)),
        (true, false) => Ok(Some(true)),
        (false, true) => Ok(Some(false)),
        (false, false) => Ok(None),
    }
}

/// Whether a flag was given; not every command has every flag.
fn is_set(matches: &ArgMatches, name: &str) -> bool {
    matches!(matches.try_get_one::<bool>(name), Ok(Some(true)))
}

/// Two options, or an option and an operand, of which only one can be meant.
pub fn contradiction(a: &str, b: &str) -> Failure {
    let dashed = |name: &str| match name.contains(' ') {
        true => name.to_owned(),
        false => format!("--{name}"),
    };
    let (a, b) = (dashed(a), dashed(b));
    let what = format!("{a} and {b} contradict each other");
    Failure::Core(Error::new(ErrorKind::Parameter, what))
}

/// Chunks of this format: of the size that was asked for, or else as in `like` if that has the same
/// format, or else of the format's usual size.
///
/// # Errors
/// [`ErrorKind::ChunkSize`].
pub fn compression(
    format: Option<Format>,
    chunk_size: Option<u32>,
    like: Compression,
) -> Result<Compression> {
    match (format, chunk_size) {
        (None, Some(_)) => Err(Error::new(
            ErrorKind::ChunkSize,
            "a chunk size makes no sense without compression",
        )),
        (None, None) => Ok(Compression::None),
        (Some(format), Some(size)) => {
            format.check_chunk_size(size)?;
            Ok(Compression::Chunked(format, size))
        }
        (Some(format), None) if like.format() == Some(format) => Ok(like),
        (Some(format), None) => {
            let size = Compression::default_chunk_size(format);
            Ok(Compression::Chunked(format, size))
        }
    }
}

/// The moment of `SOURCE_DATE_EPOCH`, for reproducible archives.
///
/// # Errors
/// Usage, if it is not a number.
pub fn epoch(host: &dyn Host) -> Result<Option<FileTime>, Failure> {
    let Some(value) = host.variable("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    let seconds = value.to_str().and_then(|text| text.trim().parse().ok());
    let seconds =
        seconds.ok_or_else(|| Failure::usage("SOURCE_DATE_EPOCH is not a number of seconds"))?;
    Ok(Some(FileTime::from_unix(seconds, 0)))
}

/// Says how data is going to be compressed.
pub fn announce(options: &WriteOptions, threads: usize, reporter: &Reporter<'_>) {
    let compression = match options.solid {
        Some(solid) => Compression::Chunked(solid.format, solid.chunk_size),
        None => options.compression,
    };
    if compression != Compression::None {
        let format = compression.name();
        reporter.event(&Event::Compressing { format, threads });
    }
}
