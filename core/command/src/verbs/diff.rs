//! `diff`.

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use serde_json::json;
use wimforge_core::archive::Archive;
use wimforge_core::format::HeaderFlags;
use wimforge_core::image::diff::{Aspects, Difference, diff};
use wimforge_core::image::{DentryId, Image};
use wimforge_core::port::Wanted;
use wimforge_core::scan::{OutsideLinks, ScanOptions, Scanned, Scanner, UnixDataForm};
use wimforge_core::text::Show;
use wimforge_core::write::hash_contents;

use super::archive;
use super::text::write_out;
use crate::choices;
use crate::failure::Failure;
use crate::host::{Host, SourceKind, SourceOptions};
use crate::invocation::Invocation;
use crate::report::Reporter;

/// Exit code if there are differences, as that of other programs that compare.
const DIFFERENT: u8 = 1;

/// Runs the command.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let reporter = Reporter::new(host, invocation).on_stderr();
    let (first, second) = (invocation.path("A"), invocation.path("B"));
    let (archive, old) = open(host, &first, &reporter)?;
    let (new, aspects) = match host.is_directory(&second) {
        true => {
            let new = scan(host, &second, &archive, &old, invocation, &reporter)?;
            (new, restored(matches))
        }
        false => (open(host, &second, &reporter)?.1, Aspects::all()),
    };
    reporter.end_line();
    let aspects = match matches.get_flag("no-times") {
        true => aspects - (Aspects::WRITE_TIME | Aspects::CREATION_TIME),
        false => aspects,
    };
    let found = diff(&old, &new, aspects);
    let is_json = matches.get_flag("json");
    let mut out = String::new();
    for difference in &found {
        match is_json {
            true => out.push_str(&format!("{}\n", as_json(&old, &new, difference))),
            false => push_line(&mut out, &old, &new, difference),
        }
    }
    write_out(host, out.as_bytes())?;
    Ok(if found.is_empty() { 0 } else { DIFFERENT })
}

/// What a restoration sets.
fn restored(matches: &ArgMatches) -> Aspects {
    let unix = match matches.get_flag("unix-data") {
        true => Aspects::UNIX | Aspects::XATTRS,
        false => Aspects::empty(),
    };
    Aspects::KIND | Aspects::DATA | Aspects::TARGET | Aspects::WRITE_TIME | unix
}

/// Opens `ARCHIVE` or `ARCHIVE:IMAGE`.
fn open(
    host: &dyn Host,
    operand: &Path,
    reporter: &Reporter<'_>,
) -> Result<(Archive, Image), Failure> {
    let text = operand.to_str().unwrap_or_default();
    let (path, image) = match text.rsplit_once(':') {
        Some((path, image)) if !host.exists(operand) => (PathBuf::from(path), Some(image)),
        _ => (operand.to_owned(), None),
    };
    let archive = archive::open(host, &path, reporter)?;
    let index = archive::select_one(&archive, image, &path)?;
    let image = archive::read_image(&archive, index, reporter)?;
    Ok((archive, image))
}

/// The tree of a directory, with the hashes of all data.
fn scan(
    host: &dyn Host,
    path: &Path,
    archive: &Archive,
    old: &Image,
    invocation: &Invocation,
    reporter: &Reporter<'_>,
) -> Result<Image, Failure> {
    let unix_data = invocation.matches.get_flag("unix-data");
    if !old.walk_all().any(|dentry| old.parent(dentry).is_none()) {
        reporter.warning("the image is empty");
    }
    let source = host
        .open_source(
            path,
            SourceOptions {
                kind: SourceKind::Tree,
                ..SourceOptions::default()
            },
        )?
        .source;
    let fixed = archive.header().flags.contains(HeaderFlags::RP_FIX);
    let options = ScanOptions {
        fix_links: fixed.then_some(OutsideLinks::Keep),
        unix_data: match unix_data {
            true => UnixDataForm::Item,
            false => UnixDataForm::None,
        },
        wanted: Wanted {
            xattrs: unix_data,
            ..Wanted::default()
        },
        latest_time: choices::epoch(host)?,
        ..ScanOptions::default()
    };
    let workers = invocation.workers(host);
    let mut scanner = Scanner::new(&options, reporter).read_ahead(&*workers);
    scanner.add_root(&*source)?;
    reporter.end_line();
    let mut scanned: Scanned = scanner.finish()?;
    hash_contents(&mut scanned, &[&*source], &*workers, reporter)?;
    Ok(scanned.image)
}

/// What `difference` is, where, and which aspects.
fn describe<'i>(
    old: &'i Image,
    new: &'i Image,
    difference: &Difference,
) -> (&'static str, &'i Image, DentryId, Aspects) {
    match *difference {
        Difference::Removed(dentry) => ("removed", old, dentry, Aspects::empty()),
        Difference::Added(dentry) => ("added", new, dentry, Aspects::empty()),
        Difference::Changed(_, dentry, aspects) => ("changed", new, dentry, aspects),
    }
}

fn push_line(out: &mut String, old: &Image, new: &Image, difference: &Difference) {
    let (change, image, dentry, aspects) = describe(old, new, difference);
    let sign = match change {
        "removed" => '-',
        "added" => '+',
        _ => '~',
    };
    let path = image.path(dentry);
    let slash = match image.inode_of(dentry).attributes.is_directory() && path != b"/" {
        true => "/",
        false => "",
    };
    let aspects: Vec<&str> = aspects.names().collect();
    let aspects = match aspects[..] {
        [] => String::new(),
        _ => format!("  ({})", aspects.join(", ")),
    };
    out.push_str(&format!("{sign} {}{slash}{aspects}\n", Show(&path)));
}

fn as_json(old: &Image, new: &Image, difference: &Difference) -> serde_json::Value {
    let (change, image, dentry, aspects) = describe(old, new, difference);
    json!({
        "event": "difference",
        "change": change,
        "path": Show(&image.path(dentry)).to_string(),
        "directory": image.inode_of(dentry).attributes.is_directory(),
        "aspects": aspects.names().collect::<Vec<_>>(),
    })
}
