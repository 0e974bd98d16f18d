//! Opening archives and naming images, as every command does it.

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use wimforge_core::archive::{Archive, IntegrityState, OpenOptions, PipedArchive, check_integrity};
use wimforge_core::port::FileIdentity;
use wimforge_core::scan::glob::Case;
use wimforge_core::{Error, ErrorKind, Limits, Result};

use crate::failure::Failure;
use crate::host::{Host, OpenedArchive};
use crate::report::Reporter;
use crate::values::parse_switch;

/// Opens an archive to be read, and passes its warnings on.
pub fn open(host: &dyn Host, path: &Path, reporter: &Reporter<'_>) -> Result<Archive> {
    open_storage(host.open_archive(path)?, path, reporter)
}

/// Opens an archive with the other files that `--ref` names.
pub fn open_set(
    host: &dyn Host,
    path: &Path,
    matches: &ArgMatches,
    reporter: &Reporter<'_>,
) -> Result<Archive> {
    let opened = host.open_archive(path)?;
    let main = opened.identity;
    let mut archive = open_storage(opened, path, reporter)?;
    add_references(host, &mut archive, main, matches, reporter)?;
    Ok(archive)
}

/// Adds the files that `--ref` names. A pattern may well match the archive itself, and two patterns
/// the same file.
pub fn add_references(
    host: &dyn Host,
    archive: &mut Archive,
    main: Option<FileIdentity>,
    matches: &ArgMatches,
    reporter: &Reporter<'_>,
) -> Result<()> {
    let mut known: Vec<FileIdentity> = main.into_iter().collect();
    for pattern in matches.get_many::<PathBuf>("ref").into_iter().flatten() {
        for path in host.expand(pattern)? {
            let opened = host.open_archive(&path)?;
            if let Some(identity) = opened.identity {
                if known.contains(&identity) {
                    continue;
                }
                known.push(identity);
            }
            for warning in archive.add_file(opened.storage)? {
                reporter.warning(&format!("\"{}\": {warning}", path.display()));
            }
        }
    }
    Ok(())
}

/// Whether an operand is standard input.
pub fn is_pipe(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads a pipable archive from standard input, in one pass and to its end, so that whoever writes it
/// can end in peace.
pub fn from_pipe<T>(
    host: &dyn Host,
    act: impl FnOnce(&mut PipedArchive<'_>, Archive) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut input = host.stdin()?;
    let (mut piped, known) = PipedArchive::open(&mut *input, &Limits::default())?;
    let done = act(&mut piped, known)?;
    piped.drain();
    Ok(done)
}

/// Refuses options that need random access.
pub fn refuse_in_pipe(options: &[(&str, bool)]) -> Result<()> {
    match options.iter().find(|option| option.1) {
        None => Ok(()),
        Some((option, _)) => {
            let what = format!("--{option} is not possible for a WIM that comes from a pipe");
            Err(Error::new(ErrorKind::Parameter, what))
        }
    }
}

/// Makes an archive of an open file.
pub fn open_storage(
    opened: OpenedArchive,
    path: &Path,
    reporter: &Reporter<'_>,
) -> Result<Archive> {
    let archive = Archive::open(opened.storage, &OpenOptions::default())?;
    for warning in &archive.warnings {
        reporter.warning(&format!("\"{}\": {warning}", path.display()));
    }
    Ok(archive)
}

/// Compares an archive with its integrity table; without one there is only a warning.
pub fn check(archive: &Archive, path: &Path, reporter: &Reporter<'_>) -> Result<()> {
    if check_integrity(archive, reporter)? == IntegrityState::Absent {
        reporter.warning(&format!(
            "\"{}\" does not contain integrity information.  Skipping integrity check.",
            path.display()
        ));
    }
    reporter.end_line();
    Ok(())
}

/// Images that an operand can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selected {
    /// This one, from 1.
    One(u32),
    /// Every image.
    All,
}

/// Finds the image that an operand means: see [`named`]. Without an operand the only image there is.
pub fn select(archive: &Archive, operand: Option<&str>, path: &Path) -> Result<Selected, Failure> {
    let count = archive.xml.image_count() as u32;
    match operand {
        Some(operand) => Ok(named(archive, operand, path)?),
        None if count == 1 => Ok(Selected::One(1)),
        // wimlib takes this for wrong usage too, not for an image that is not there.
        None => Err(Failure::usage(format!(
            "\"{}\" contains {count} images; please say which one",
            path.display()
        ))),
    }
}

/// Finds the image that is named by its index, its exact name, or `all`.
pub fn named(archive: &Archive, operand: &str, path: &Path) -> Result<Selected> {
    let count = archive.xml.image_count() as u32;
    if operand.eq_ignore_ascii_case("all") || operand == "*" {
        return Ok(Selected::All);
    }
    if let Some(index) = archive.xml.find(operand) {
        return Ok(Selected::One(index));
    }
    if let Ok(index) = operand.parse::<u32>()
        && (1..=count).contains(&index)
    {
        return Ok(Selected::One(index));
    }
    Err(Error::new(
        ErrorKind::NoSuchImage,
        format!(
            "\"{operand}\" is not a valid image in \"{}\"! Images are named by their index (1 to \
             {count}) or their exact name; `wimforge info` lists them",
            path.display()
        ),
    ))
}

/// As [`select`] where only one image makes sense.
pub fn select_one(archive: &Archive, operand: Option<&str>, path: &Path) -> Result<u32, Failure> {
    match select(archive, operand, path)? {
        Selected::One(index) => Ok(index),
        Selected::All => Err(Error::new(
            ErrorKind::NoSuchImage,
            "this command needs a single image, not all of them",
        )
        .into()),
    }
}

/// How `WIMLIB_IMAGEX_IGNORE_CASE` wants names to be compared; `None` if its words mean nothing.
pub fn asked_case(host: &dyn Host) -> Option<Case> {
    let wanted = host.variable("WIMLIB_IMAGEX_IGNORE_CASE");
    match wanted.map(|value| parse_switch(&value)) {
        Some(Some(true)) => Some(Case::Insensitive),
        Some(None) => None,
        Some(Some(false)) | None => Some(Case::Sensitive),
    }
}

/// How names in paths and patterns are compared.
pub fn name_case(host: &dyn Host, reporter: &Reporter<'_>) -> Case {
    asked_case(host).unwrap_or_else(|| {
        reporter.warning("WIMLIB_IMAGEX_IGNORE_CASE is neither \"yes\" nor \"no\"; it is ignored");
        Case::Sensitive
    })
}

/// The tree of an image; what was mended in it is a warning.
pub fn read_image(
    archive: &Archive,
    index: u32,
    reporter: &Reporter<'_>,
) -> Result<wimforge_core::image::Image> {
    archive.read_image(index, &mut |finding| {
        if finding.mended {
            reporter.warning(&format!(
                "image {index}, metadata at byte {}: {}",
                finding.offset, finding.what
            ));
        }
    })
}

/// The same from a pipe.
pub fn read_piped_image(
    piped: &mut PipedArchive<'_>,
    known: &mut Archive,
    index: u32,
    reporter: &Reporter<'_>,
) -> Result<wimforge_core::image::Image> {
    piped.read_image(known, index, &mut |finding| {
        if finding.mended {
            reporter.warning(&format!("image {index}: {}", finding.what));
        }
    })
}
