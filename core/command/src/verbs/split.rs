//! `split` and `join`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use wimforge_core::archive::Archive;
use wimforge_core::port::{Event, Observer, Silent};
use wimforge_core::write::{Change, Means, Rebuild, Scope, Split};
use wimforge_core::{Error, ErrorKind, Result};

use super::archive;
use super::destination::Destination;
use super::modify::{Beginning, NewWriter, Writing};
use crate::failure::Failure;
use crate::host::{Host, Lock, NewArchive};
use crate::invocation::Invocation;
use crate::report::Reporter;
use crate::values::amount;

/// Stops when the user wants to; the progress of the parts is shown by the command itself.
struct Quiet<'a>(&'a Reporter<'a>);

impl Observer for Quiet<'_> {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Warning(_) => self.0.event(event),
            _ => Silent.event(event),
        }
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

/// Runs `split`.
pub fn split(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let reporter = Reporter::new(host, invocation);
    let (source, first) = (invocation.path("WIMFILE"), invocation.path("FIRST_PART"));
    let part_size = matches.get_one::<u64>("PART_SIZE").copied().unwrap_or(0);
    let writing = Writing::of(matches)?;
    let archive = archive::open(host, &source, &reporter)?;
    if matches.get_flag("check") {
        archive::check(&archive, &source, &reporter)?;
    }
    let options = writing.options(host, &archive)?;
    let guid = options.guid.unwrap_or(archive.header().guid);
    let split =
        Split::plan(&archive, part_size, guid).map_err(|error| error.at(source.display()))?;
    let means = Means {
        options: &options,
        workers: &*writing.workers(host),
        observer: &Quiet(&reporter),
    };
    let total: u64 = (1..=split.parts())
        .map(|part| split.bytes(part))
        .fold(0, u64::saturating_add);
    // No part has a name before all are complete.
    let mut parts: Vec<Box<dyn NewArchive>> = Vec::new();
    let mut done = 0u64;
    for number in 1..=split.parts() {
        let part = host.create_archive(&part_name(&first, number), Lock::Take)?;
        split.write(number, part.storage(), &means)?;
        done = done.saturating_add(split.bytes(number));
        let percent = (done * 100).checked_div(total).unwrap_or(100);
        reporter.line(&format!(
            "Splitting WIM: {} of {} ({percent}%) written, part {number} of {}",
            amount(done, total),
            amount(total, total),
            split.parts()
        ));
        parts.push(part);
    }
    for part in parts {
        part.commit()?;
    }
    reporter.line(&format!("Finished splitting \"{}\"", source.display()));
    Ok(0)
}

/// `x.swm`, `x2.swm`, `x3.swm`: the number stands in front of the last dot.
fn part_name(first: &Path, number: u16) -> PathBuf {
    if number == 1 {
        return first.to_owned();
    }
    let mut name = OsString::from(first.file_stem().unwrap_or_default());
    name.push(number.to_string());
    if let Some(extension) = first.extension() {
        name.push(".");
        name.push(extension);
    }
    first.with_file_name(name)
}

/// Runs `join`.
pub fn join(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let reporter = Reporter::new(host, invocation);
    let destination = invocation.path("OUT_WIMFILE");
    let parts: Vec<&PathBuf> = matches
        .get_many::<PathBuf>("PART")
        .into_iter()
        .flatten()
        .collect();
    let writing = Writing::of(matches)?;
    let archive = open_parts(host, &parts, matches.get_flag("check"), &reporter)?;
    archive.check_complete()?;
    let plan = Rebuild {
        scope: Scope::WholeSet,
        ..Rebuild::default()
    };
    let to = Destination::open(host, &destination, writing.layout, Lock::Take)?;
    let writer = NewWriter {
        host,
        reporter: &reporter,
        options: &writing.options(host, &archive)?,
        workers: &*writing.workers(host),
    };
    writer.write(to, Beginning::Archive(&archive, &plan), Change::Nothing)?;
    reporter.end_line();
    Ok(0)
}

/// Opens the parts in any order; the first part comes first.
fn open_parts(
    host: &dyn Host,
    paths: &[&PathBuf],
    is_checked: bool,
    reporter: &Reporter<'_>,
) -> Result<Archive> {
    let mut first = None;
    let mut others = Vec::new();
    for path in paths {
        let archive = archive::open(host, path, reporter)?;
        if is_checked {
            archive::check(&archive, path, reporter)?;
        }
        match archive.header().part {
            1 if first.is_none() => first = Some(archive),
            _ => others.push(std::sync::Arc::clone(archive.storage())),
        }
    }
    let mut archive = first.ok_or_else(|| {
        Error::new(
            ErrorKind::SplitInvalid,
            "the first part of the split WIM was not given",
        )
    })?;
    for storage in others {
        archive.add_file(storage)?;
    }
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts() {
        let name = |first: &str, number| part_name(Path::new(first), number).display().to_string();
        assert_eq!(name("d/x.swm", 1), "d/x.swm");
        assert_eq!(name("d/x.swm", 2), "d/x2.swm");
        assert_eq!(name("a.b.c", 12), "a.b12.c");
        assert_eq!(name("noext", 3), "noext3");
    }
}
