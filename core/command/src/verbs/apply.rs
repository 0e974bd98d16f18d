//! `apply`.

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use wimforge_core::apply::{ApplyOptions, ApplySummary, LinkFixing, Restorer};
use wimforge_core::archive::Archive;
use wimforge_core::port::Workers;
use wimforge_core::text::BadNames;
use wimforge_core::{Error, ErrorKind};

use super::archive::{self, Selected};
use crate::choices;
use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::report::Reporter;
use crate::values::{amount, count};

/// Runs the command.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let reporter = Reporter::new(host, invocation);
    let path = invocation.path("WIMFILE");
    let first = matches
        .get_one::<String>("IMAGE_OR_TARGET")
        .cloned()
        .unwrap_or_default();
    let (operand, target) = match matches.get_one::<PathBuf>("TARGET") {
        Some(target) => (Some(first), target.clone()),
        None => (None, PathBuf::from(first)),
    };
    let options = options(matches)?;
    if archive::is_pipe(&path) {
        let operand = operand.as_deref();
        return from_pipe(host, invocation, operand, &target, &options, &reporter);
    }
    let archive = archive::open_set(host, &path, matches, &reporter)?;
    if matches.get_flag("check") {
        archive::check(&archive, &path, &reporter)?;
    }
    let restore = Restore {
        host,
        archive: &archive,
        path: &path,
        options,
        bad_names: choices::bad_names(matches),
        workers: invocation.workers(host),
        reporter: &reporter,
    };
    match archive::select(&archive, operand.as_deref(), &path)? {
        Selected::One(index) => restore.image(index, &target)?,
        Selected::All => {
            for (index, name) in (1..).zip(directory_names(&archive)) {
                restore.image(index, &target.join(name))?;
            }
        }
    }
    reporter.line("Done applying WIM image.");
    Ok(0)
}

/// Restores an image from standard input, in one pass.
fn from_pipe(
    host: &dyn Host,
    invocation: &Invocation,
    operand: Option<&str>,
    target: &Path,
    options: &ApplyOptions,
    reporter: &Reporter<'_>,
) -> Result<u8, Failure> {
    let flag = |name| (name, invocation.matches.get_flag(name));
    let ref_given = invocation.matches.contains_id("ref");
    archive::refuse_in_pipe(&[flag("check"), ("ref", ref_given)])?;
    let summary = archive::from_pipe(host, |piped, known| {
        let index = match archive::select(&known, operand, Path::new("-"))? {
            Selected::One(index) => index,
            Selected::All => {
                let what = "only one image can be restored from a pipe";
                return Err(Error::new(ErrorKind::Parameter, what).into());
            }
        };
        let name = known.xml.name(index);
        reporter.line(&format!(
            "Applying image {index} (\"{name}\") from standard input to directory \"{}\"",
            target.display()
        ));
        let bad_names = choices::bad_names(&invocation.matches);
        let target = host.open_target(target, bad_names)?;
        let restorer = Restorer {
            target: &*target,
            options,
            workers: &*invocation.workers(host),
            observer: reporter,
        };
        Ok(restorer.apply_piped(piped, known, index)?)
    })?;
    reporter.end_line();
    summarise(&summary, reporter);
    reporter.line("Done applying WIM image.");
    Ok(0)
}

/// What only Windows can do.
fn refuse_windows_only(matches: &ArgMatches) -> Result<(), Failure> {
    let what = match (matches.get_flag("wimboot"), matches.contains_id("compact")) {
        (true, _) => "--wimboot: files that point into the WIM are possible on Windows only",
        (_, true) => "--compact: files that the system compresses are possible on Windows only",
        (false, false) => return Ok(()),
    };
    Err(Error::new(ErrorKind::Unsupported, what).into())
}

/// How to restore.
pub(super) fn options(matches: &ArgMatches) -> Result<ApplyOptions, Failure> {
    refuse_windows_only(matches)?;
    let links = match (matches.get_flag("rpfix"), matches.get_flag("norpfix")) {
        (true, true) => {
            let what = "--rpfix and --norpfix contradict each other";
            return Err(Error::new(ErrorKind::Parameter, what).into());
        }
        (true, false) => LinkFixing::Fix,
        (false, true) => LinkFixing::Keep,
        (false, false) => LinkFixing::AsArchive,
    };
    Ok(ApplyOptions {
        unix_data: matches.get_flag("unix-data"),
        links,
        include_invalid_names: matches.get_flag("include-invalid-names"),
        strict: matches.get_flag("strict-acls"),
        no_acls: matches.get_flag("no-acls"),
        recover_data: matches.get_flag("recover-data"),
        no_attributes: matches.get_flag("no-attributes"),
        max_size: matches.get_one::<u64>("max-size").copied(),
    })
}

/// The directories that images go to when all are restored, no two the same: the name of each, if that
/// can be a file name, else its index, with something behind it if another image has that name.
fn directory_names(archive: &Archive) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for index in 1..=archive.image_count() {
        let name = archive.xml.name(index);
        let is_usable = !matches!(&name[..], "" | "." | "..") && !name.contains(['/', '\\', '\0']);
        let base = match is_usable {
            true => name,
            false => index.to_string(),
        };
        let numbered = (index..).map(|number| format!("{base} ({number})"));
        let mut wanted = std::iter::once(base.clone()).chain(numbered);
        names.extend(wanted.find(|name| !names.contains(name)));
    }
    names
}

struct Restore<'a> {
    host: &'a dyn Host,
    archive: &'a Archive,
    path: &'a Path,
    options: ApplyOptions,
    bad_names: BadNames,
    workers: Box<dyn Workers>,
    reporter: &'a Reporter<'a>,
}

impl Restore<'_> {
    fn image(&self, index: u32, directory: &Path) -> Result<(), Failure> {
        let name = self.archive.xml.name(index);
        self.reporter.line(&format!(
            "Applying image {index} (\"{name}\") from \"{}\" to directory \"{}\"",
            self.path.display(),
            directory.display()
        ));
        let target = self.host.open_target(directory, self.bad_names)?;
        let restorer = Restorer {
            target: &*target,
            options: &self.options,
            workers: &*self.workers,
            observer: self.reporter,
        };
        let summary = restorer.apply(self.archive, index)?;
        self.reporter.end_line();
        summarise(&summary, self.reporter);
        Ok(())
    }
}

/// Says what was restored, and what not.
pub(super) fn summarise(summary: &ApplySummary, reporter: &Reporter<'_>) {
    if summary.skipped > 0 {
        reporter.warning(&format!(
            "{} left out",
            count(summary.skipped, "name was", "names were")
        ));
    }
    if summary.damaged > 0 {
        reporter.warning(&format!(
            "{} damaged and restored as far as possible",
            count(summary.damaged, "file is", "files are")
        ));
    }
    reporter.detail(&format!(
        "Restored {} and {}, {} of data",
        count(summary.directories, "directory", "directories"),
        count(summary.files + summary.hard_links, "file", "files"),
        amount(summary.bytes, summary.bytes)
    ));
}
