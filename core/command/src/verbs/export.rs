//! `export`.

use std::path::PathBuf;

use wimforge_core::archive::Archive;
use wimforge_core::format::Layout;
use wimforge_core::port::{Storage, Workers};
use wimforge_core::write::pipable::{self, Contents};
use wimforge_core::write::{Draft, Existing, Rebuild, WriteOptions};
use wimforge_core::{Error, ErrorKind, Result};

use super::archive::{self, Selected};
use super::destination::Destination;
use super::modify::{self, PIPABLE_WARNING, Writing};
use crate::choices::announce;
use crate::failure::Failure;
use crate::host::{Host, Lock};
use crate::invocation::Invocation;
use crate::report::Reporter;

/// Runs the command.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let mut reporter = Reporter::new(host, invocation);
    let path = |name: &str| {
        matches
            .get_one::<PathBuf>(name)
            .cloned()
            .unwrap_or_default()
    };
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let (source, destination) = (path("SRC_WIMFILE"), path("DEST_WIMFILE"));
    if destination.as_os_str() == "-" {
        reporter = reporter.on_stderr();
    }
    let mut writing = Writing::of(matches)?;
    writing.is_new = !host.exists(&destination);
    let from = archive::open_set(host, &source, matches, &reporter)?;
    if matches.get_flag("check") {
        archive::check(&from, &source, &reporter)?;
    }
    let selected = archive::select(&from, text("SRC_IMAGE").as_deref(), &source)?;
    let exported = Exported {
        from: &from,
        images: images(&from, selected),
        name: text("DEST_IMAGE_NAME"),
        description: text("DEST_IMAGE_DESCRIPTION"),
        boot: boot(&from, selected, matches.get_flag("boot"))?,
        wimboot: matches.get_flag("wimboot"),
        writing: &writing,
    };
    if selected == Selected::All && (exported.name.is_some() || exported.description.is_some()) {
        let what = "a name or description can be given for a single image only, not for all";
        return Err(Error::new(ErrorKind::Parameter, what).into());
    }
    let workers = writing.workers(host);
    let to_pipe = destination.as_os_str() == "-";
    if to_pipe || (writing.layout == Some(Layout::Pipable) && !host.exists(&destination)) {
        let options = writing.options(host, &from)?;
        let mut contents = Contents::default();
        for existing in exported.all() {
            contents.add_existing(&existing)?;
        }
        let mut to = Destination::open(host, &destination, Some(Layout::Pipable), Lock::Take)?;
        reporter.warning(PIPABLE_WARNING);
        pipable::write(to.pipable(), contents, &options, &*workers, &reporter)?;
        to.commit(host)?;
        reporter.end_line();
        return Ok(0);
    }
    if !host.exists(&destination) {
        let options = writing.options(host, &from)?;
        let new = host.create_archive(&destination, Lock::Take)?;
        announce(&options, workers.threads(), &reporter);
        let mut draft = Draft::create(new.storage(), &options)?;
        exported.add_to(&mut draft, new.storage(), &options, &*workers, &reporter)?;
        draft.finish(new.storage(), &reporter)?;
        if host.cancelled() {
            let what = "stopped before the archive was put in place";
            return Err(Error::new(ErrorKind::Cancelled, what).into());
        }
        new.commit()?;
        reporter.end_line();
        return Ok(0);
    }
    let archive = modify::open(host, &destination, matches, &reporter)?;
    let old = archive.header().compression;
    let wanted = writing.compression(old)?;
    if wanted.number() != old.number() {
        return Err(Failure::usage(format!(
            "\"{}\" is compressed with {}; a different --compress is possible for a new WIM only \
             (optimize changes the compression of one that exists)",
            destination.display(),
            old.name()
        )));
    }
    let options = writing.options(host, &archive)?;
    let change = |draft: &mut Draft, storage: &dyn Storage| {
        exported.add_to(draft, storage, &options, &*workers, &reporter)
    };
    let is_rebuilt = matches.get_flag("rebuild") || matches.get_flag("unsafe-compact");
    if is_rebuilt || wanted != old {
        modify::warn_if_pipable(&archive, &reporter);
        modify::rebuild(
            host,
            &destination,
            &archive,
            &Rebuild::default(),
            &options,
            &*workers,
            &reporter,
            change,
        )?;
    } else {
        announce(&options, workers.threads(), &reporter);
        modify::edit(
            host,
            &destination,
            archive,
            &options,
            &*workers,
            &reporter,
            change,
        )?;
    }
    reporter.end_line();
    Ok(0)
}

fn images(from: &Archive, selected: Selected) -> Vec<u32> {
    match selected {
        Selected::One(index) => vec![index],
        Selected::All => (1..=from.image_count()).collect(),
    }
}

/// The image that becomes the boot image; of several the one that was it before.
fn boot(from: &Archive, selected: Selected, wanted: bool) -> Result<Option<u32>, Failure> {
    match (wanted, selected) {
        (false, _) => Ok(None),
        (true, Selected::One(index)) => Ok(Some(index)),
        (true, Selected::All) => match from.header().boot_index {
            0 => Err(Failure::usage(
                "--boot with all images makes sense only if one of them is the boot image already",
            )),
            index => Ok(Some(index)),
        },
    }
}

/// What is added to the destination.
struct Exported<'a> {
    from: &'a Archive,
    images: Vec<u32>,
    name: Option<String>,
    description: Option<String>,
    boot: Option<u32>,
    wimboot: bool,
    writing: &'a Writing,
}

impl Exported<'_> {
    fn add_to(
        &self,
        draft: &mut Draft,
        storage: &dyn Storage,
        options: &WriteOptions,
        workers: &dyn Workers,
        reporter: &Reporter<'_>,
    ) -> Result<()> {
        let existing: Vec<Existing<'_>> = self.all().collect();
        draft.add_existing(storage, &existing, options, workers, reporter)?;
        Ok(())
    }

    fn all(&self) -> impl Iterator<Item = Existing<'_>> {
        self.images.iter().map(|&index| {
            let wimboot = self.wimboot.then(|| ("WIMBOOT".to_owned(), "1".to_owned()));
            Existing {
                from: self.from,
                index,
                name: self.name.clone(),
                description: self.description.clone(),
                properties: wimboot.into_iter().collect(),
                boot: self.boot == Some(index),
                recompress: self.writing.recompress,
            }
        })
    }
}
