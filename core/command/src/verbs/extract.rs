//! `extract`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use wimforge_core::apply::{
    ApplyOptions, ApplySummary, Renamed, Restorer, Selected, Wildcards, drop_nested, find,
    stream_piped,
};
use wimforge_core::archive::{Archive, PipedArchive};
use wimforge_core::hash::Sha1;
use wimforge_core::image::{DentryId, Image, StreamKind};
use wimforge_core::port::{Sink, Target, WorkerState, Workers};
use wimforge_core::scan::config::{decode_text, unquote};
use wimforge_core::scan::glob::Case;
use wimforge_core::text::{BadNames, Show};
use wimforge_core::{Error, ErrorKind, Result};

use super::sources::read_standard_input;
use super::{apply, archive};
use crate::choices;
use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::report::Reporter;

/// Most bytes of a list of paths.
const LIST_LIMIT: u64 = 256 << 20;

/// Runs the command.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let to_stdout = matches.get_flag("to-stdout");
    let mut reporter = Reporter::new(host, invocation);
    if to_stdout {
        reporter = reporter.on_stderr();
    }
    let path = invocation.path("WIMFILE");
    let operand = invocation.text("IMAGE");
    let request = Request {
        host,
        to_stdout,
        wanted: Wanted::of(host, matches)?,
        options: apply::options(matches)?,
        directory: matches.get_one::<PathBuf>("dest-dir").cloned(),
        bad_names: choices::bad_names(matches),
        workers: invocation.workers(host),
        reporter: &reporter,
    };
    if archive::is_pipe(&path) {
        archive::refuse_in_pipe(&[
            ("check", matches.get_flag("check")),
            ("ref", matches.contains_id("ref")),
        ])?;
        archive::from_pipe(host, |piped, mut known| {
            let index = archive::select_one(&known, operand, &path)?;
            let image = archive::read_piped_image(piped, &mut known, index, &reporter)?;
            request.take_from_pipe(piped, &known, &image, index)
        })?;
        return Ok(0);
    }
    let archive = archive::open_set(host, &path, matches, &reporter)?;
    if matches.get_flag("check") {
        archive::check(&archive, &path, &reporter)?;
    }
    let index = archive::select_one(&archive, operand, &path)?;
    let image = archive::read_image(&archive, index, &reporter)?;
    request.take_from(&archive, &image, index)?;
    Ok(0)
}

/// The command line, understood.
struct Request<'a> {
    host: &'a dyn Host,
    to_stdout: bool,
    wanted: Wanted,
    options: ApplyOptions,
    directory: Option<PathBuf>,
    bad_names: BadNames,
    workers: Box<dyn Workers>,
    reporter: &'a Reporter<'a>,
}

impl Request<'_> {
    fn take_from(&self, archive: &Archive, image: &Image, index: u32) -> Result<()> {
        let found = self.find(image, index)?;
        if self.to_stdout {
            let mut out = self.host.stdout()?;
            return write_files(archive, image, &found, &mut *out);
        }
        let target = self.open_target()?;
        let restorer = self.restorer(&*target);
        let mut summary = ApplySummary::default();
        for round in self.rounds(image, found, &*target) {
            summary += restorer.restore(archive, image, &round)?;
        }
        self.finish(&summary);
        Ok(())
    }

    /// The same where data comes once, and in an order of its own.
    fn take_from_pipe(
        &self,
        piped: &mut PipedArchive<'_>,
        known: &Archive,
        image: &Image,
        index: u32,
    ) -> Result<(), Failure> {
        let found = self.find(image, index)?;
        if self.to_stdout {
            let blobs = file_blobs(image, &found)?.into_iter();
            let blobs: Vec<Sha1> = blobs.map(|(_, hash)| hash).collect();
            let mut out = self.host.stdout()?;
            stream_piped(piped, &blobs, &mut *out)?;
            return Ok(out.flush()?);
        }
        let target = self.open_target()?;
        let rounds = self.rounds(image, found, &*target);
        let [round] = &rounds[..] else {
            return match rounds.is_empty() {
                true => Ok(()),
                false => Err(Error::new(
                    ErrorKind::Parameter,
                    "some of the files have the same name, and from a pipe they cannot be restored one \
                     after the other; --preserve-dir-structure keeps them apart",
                )
                .into()),
            };
        };
        let restorer = self.restorer(&*target);
        let summary = restorer.restore_piped(piped, known, image, round)?;
        self.finish(&summary);
        Ok(())
    }

    fn find(&self, image: &Image, index: u32) -> Result<Vec<DentryId>> {
        let case = archive::name_case(self.host, self.reporter);
        self.wanted.find(image, index, case, self.reporter)
    }

    fn open_target(&self) -> Result<Box<dyn Target>> {
        let here = Path::new(".");
        let directory = self.directory.as_deref().unwrap_or(here);
        self.host.open_target(directory, self.bad_names)
    }

    fn restorer<'a>(&'a self, target: &'a dyn Target) -> Restorer<'a> {
        Restorer {
            target,
            options: &self.options,
            workers: &*self.workers,
            observer: self.reporter,
        }
    }

    /// Says where each file goes. Files from different directories may have the same name; the later one
    /// takes the place of the earlier one, so they are restored one after the other.
    fn rounds(
        &self,
        image: &Image,
        found: Vec<DentryId>,
        target: &dyn Target,
    ) -> Vec<Vec<Selected>> {
        let mut rounds: Vec<Vec<Selected>> = Vec::new();
        let mut taken: HashSet<Vec<u8>> = HashSet::new();
        let mut renamed = Renamed::default();
        for dentry in found {
            let Some(path) = self.path(image, dentry, &mut renamed, target) else {
                continue;
            };
            if !taken.insert(path.clone()) || rounds.is_empty() {
                taken = HashSet::from([path.clone()]);
                rounds.push(Vec::new());
            }
            if let Some(round) = rounds.last_mut() {
                round.push(Selected { dentry, path });
            }
        }
        rounds
    }

    /// Where a file goes; `None` if a name of its path is not allowed there.
    fn path(
        &self,
        image: &Image,
        dentry: DentryId,
        renamed: &mut Renamed,
        target: &dyn Target,
    ) -> Option<Vec<u8>> {
        let names = std::iter::successors(Some(dentry), |&at| image.parent(at))
            .filter(|&at| image.parent(at).is_some());
        let mut names: Vec<DentryId> = match self.wanted.layout {
            Placing::AsInImage => names.collect(),
            Placing::Flat => names.take(1).collect(),
        };
        names.reverse();
        for &at in &names {
            let is_allowed = target.allows_name(image.name(at))
                || self.options.include_invalid_names && renamed.rename(image, at, target);
            if !is_allowed {
                self.reporter.warning(&format!(
                    "\"{}\" is left out: {:?} is not allowed as a name here",
                    Show(&image.path(dentry)),
                    Show(image.name(at)).to_string()
                ));
                return None;
            }
        }
        let names: Vec<&[u8]> = names.iter().map(|&at| renamed.name(image, at)).collect();
        Some(names.join(&b'/'))
    }

    fn finish(&self, summary: &ApplySummary) {
        self.reporter.end_line();
        apply::summarise(summary, self.reporter);
        self.reporter.line("Done extracting files.");
    }
}

/// Where files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placing {
    /// All into the destination itself.
    Flat,
    /// Where they are in the image.
    AsInImage,
}

/// What was asked for.
struct Wanted {
    paths: Vec<String>,
    wildcards: Wildcards,
    layout: Placing,
    /// Whether a path that matches nothing is only worth a warning.
    may_be_missing: bool,
}

impl Wanted {
    fn of(host: &dyn Host, matches: &ArgMatches) -> Result<Self, Failure> {
        let operands: Vec<&String> = matches
            .get_many::<String>("PATH")
            .into_iter()
            .flatten()
            .collect();
        let lists = operands.iter().filter(|path| path.starts_with('@')).count();
        if lists > 0 && operands.len() > 1 {
            return Err(Failure::usage(
                "a list of paths (@FILE) cannot be given together with other paths",
            ));
        }
        let layout = match lists > 0 || matches.get_flag("preserve-dir-structure") {
            true => Placing::AsInImage,
            false => Placing::Flat,
        };
        let paths = match operands[..] {
            [] => vec!["/".to_owned()],
            [only] if lists > 0 => read_list(host, &only[1..])?,
            _ => operands.into_iter().cloned().collect(),
        };
        Ok(Self {
            paths,
            wildcards: match matches.get_flag("no-wildcards") {
                true => Wildcards::Literal,
                false => Wildcards::Match,
            },
            layout,
            may_be_missing: matches.get_flag("nullglob"),
        })
    }

    /// The files and directories that are meant; nothing twice.
    fn find(
        &self,
        image: &Image,
        index: u32,
        case: Case,
        reporter: &Reporter<'_>,
    ) -> Result<Vec<DentryId>> {
        let mut all = Vec::new();
        for path in &self.paths {
            let found = find(image, path.as_bytes(), self.wildcards, case);
            if found.is_empty() {
                let is_root = wimforge_core::image::path::components(path.as_bytes())
                    .next()
                    .is_none();
                if is_root {
                    // An image without anything in it, not even a root.
                    continue;
                }
                if !self.may_be_missing {
                    return Err(Error::new(
                        ErrorKind::NoSuchPath,
                        format!(
                            "nothing in image {index} matches \"{path}\" (`dir` lists what there is; \
                             --nullglob makes this a warning)"
                        ),
                    ));
                }
                reporter.warning(&format!("No matches for path pattern \"{path}\""));
            }
            all.extend(found);
        }
        drop_nested(image, &mut all);
        Ok(all)
    }
}

/// Paths of a list: one a line, quotes around them if need be, `#` and `;` for comments.
fn read_list(host: &dyn Host, name: &str) -> Result<Vec<String>, Failure> {
    let cannot_read = |error: std::io::Error| {
        Error::new(ErrorKind::Open, format!("cannot read the list \"{name}\"")).because(error)
    };
    let bytes = match name {
        "-" => read_standard_input(host)?,
        _ => host
            .read_file(Path::new(name), LIST_LIMIT)
            .map_err(cannot_read)?,
    };
    let text = decode_text(&bytes).ok_or_else(|| {
        Error::new(
            ErrorKind::Utf8,
            format!("the list \"{name}\" is neither UTF-8 nor UTF-16LE"),
        )
    })?;
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    Ok(lines.map(|line| unquote(line).to_owned()).collect())
}

/// Writes the data of files one behind the other.
fn write_files(
    archive: &Archive,
    image: &Image,
    found: &[DentryId],
    out: &mut dyn Sink,
) -> Result<()> {
    for (dentry, hash) in file_blobs(image, found)? {
        write_file(archive, &hash, out).map_err(|error| error.at(Show(&image.path(dentry))))?;
    }
    out.flush()
}

/// The blobs of files that are not empty. Everything is looked at before anything is written.
fn file_blobs(image: &Image, found: &[DentryId]) -> Result<Vec<(DentryId, Sha1)>> {
    let blobs = found.iter().map(|&dentry| {
        let inode = image.inode_of(dentry);
        let is_file = !inode.attributes.is_directory() && !inode.attributes.is_reparse_point();
        let stream = image.unnamed_stream(inode, StreamKind::Data);
        let hash = stream.map_or(Sha1::ZERO, |stream| image.content(stream.content).hash);
        match is_file {
            true => Ok((dentry, hash)),
            false => Err(Error::new(
                ErrorKind::NotRegularFile,
                format!(
                    "\"{}\" is not a regular file and cannot be written to standard output",
                    Show(&image.path(dentry))
                ),
            )),
        }
    });
    let mut blobs: Vec<(DentryId, Sha1)> = blobs.collect::<Result<_>>()?;
    blobs.retain(|entry| !entry.1.is_zero());
    Ok(blobs)
}

fn write_file(archive: &Archive, hash: &Sha1, out: &mut dyn Sink) -> Result<()> {
    let blob = archive.blobs.find(hash);
    let blob = blob.ok_or_else(|| archive.missing(hash))?;
    let reader = archive.reader(archive.blobs.get(blob))?;
    reader.read_all(&mut WorkerState::default(), &mut |piece| out.write(piece))
}
