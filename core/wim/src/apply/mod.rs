//! Image to target: restoring files.
//!
//! ```text
//! plan      which names go where, which file needs which blob
//! create    directories, parents before children; empty files and special files
//! data      every blob once, in archive order, in parallel: files, their hard links, symbolic links
//! metadata  of directories, children before parents
//! ```
//!
//! A file is created, written and given its times by one worker in one go, while its data is at hand.
//! Nothing here knows what the target is; what it cannot hold is left out and reported.

mod data;
mod find;
mod metadata;
mod names;
mod piped;
mod plan;
mod stream;

use std::sync::atomic::AtomicU64;

pub use self::find::{Wildcards, drop_nested, find};
pub use self::piped::{apply_piped, restore_piped};
pub use self::stream::stream_piped;

use self::data::Writer;
use self::plan::{FileNumber, Plan};
use crate::archive::Archive;
use crate::archive::sweep::sweep;
use crate::format::{Header, HeaderFlags};
use crate::image::{DentryId, Image};
use crate::port::{Event, Observer, Ordered, Phase, Target, Unit, Workers};
use crate::{Error, ErrorKind, Result, text};

/// What to do with absolute links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LinkFixing {
    /// As the archive's header says.
    #[default]
    AsArchive,
    /// Links that were made relative to the image's root lead into the target.
    Fix,
    /// Links stay as they are stored.
    Keep,
}

/// How to restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ApplyOptions {
    /// Restore owners, modes, device nodes and extended attributes of POSIX systems.
    pub unix_data: bool,
    /// Absolute links.
    pub links: LinkFixing,
    /// Restore files whose names the target does not allow, under other names.
    pub include_invalid_names: bool,
    /// Owners and permissions that cannot be set are an error.
    pub strict: bool,
    /// Security descriptors are not wanted, so it is not reported that they are left out.
    pub no_acls: bool,
    /// Restore what can be read of damaged files.
    pub recover_data: bool,
    /// DOS attributes are not set.
    pub no_attributes: bool,
    /// Most bytes of file data that may be written: a small archive can hold a very large image.
    pub max_size: Option<u64>,
}

impl ApplyOptions {
    /// Refuses to write so many bytes of file data.
    fn check_size(&self, bytes: u64) -> Result<()> {
        match self.max_size {
            Some(most) if bytes > most => Err(Error::new(
                ErrorKind::Write,
                format!("the files have {bytes} bytes or more, of which {most} are allowed"),
            )),
            _ => Ok(()),
        }
    }

    /// Whether links are fixed when they come from an archive with this header.
    fn fixes_links(&self, header: &Header) -> bool {
        match self.links {
            LinkFixing::Fix => true,
            LinkFixing::Keep => false,
            LinkFixing::AsArchive => header.flags.contains(HeaderFlags::RP_FIX),
        }
    }
}

/// A part of an image and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The file or directory, with all below it.
    pub dentry: DentryId,
    /// Its path in the target; empty is the target's root.
    pub path: Vec<u8>,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ApplySummary {
    /// Directories.
    pub directories: u64,
    /// Files of every other kind; hard links count once.
    pub files: u64,
    /// Further names of files.
    pub hard_links: u64,
    /// Distinct bytes of file data.
    pub bytes: u64,
    /// Names that were left out.
    pub skipped: u64,
    /// Files whose data is damaged; they were restored as far as possible.
    pub damaged: u64,
}

impl std::ops::AddAssign for ApplySummary {
    fn add_assign(&mut self, other: Self) {
        self.directories += other.directories;
        self.files += other.files;
        self.hard_links += other.hard_links;
        self.bytes += other.bytes;
        self.skipped += other.skipped;
        self.damaged += other.damaged;
    }
}

/// Restores an image, from 1, to a target.
///
/// # Errors
/// As [`Archive::read_image`] and [`restore`].
pub fn apply(
    archive: &Archive,
    index: u32,
    target: &dyn Target,
    options: &ApplyOptions,
    workers: &dyn Workers,
    observer: &dyn Observer,
) -> Result<ApplySummary> {
    let image = archive.read_image(index, &mut |finding| {
        if finding.mended {
            let what = &finding.what;
            observer.event(&Event::Warning(&format!("image {index}: {what}")));
        }
    })?;
    let root = image.root().map(|dentry| Selected {
        dentry,
        path: Vec::new(),
    });
    let selected = Vec::from_iter(root);
    restore(
        archive, &image, &selected, target, options, workers, observer,
    )
}

/// Restores parts of an image to a target. Directories above them are made as needed.
///
/// # Errors
/// [`ErrorKind::MissingBlob`], [`ErrorKind::HashMismatch`] and [`ErrorKind::Decompression`] for data
/// that is not there or damaged, unless it is to be recovered; [`ErrorKind::Cancelled`]; what the
/// target and the archive's storage return.
pub fn restore(
    archive: &Archive,
    image: &Image,
    selected: &[Selected],
    target: &dyn Target,
    options: &ApplyOptions,
    workers: &dyn Workers,
    observer: &dyn Observer,
) -> Result<ApplySummary> {
    let plan = Plan::new(archive, image, selected, target, options, observer)?;
    let size = |index: usize, id| plan.bytes_written(index, archive.blobs.get(id).size);
    let sizes = plan
        .blobs
        .iter()
        .enumerate()
        .map(|(index, &id)| size(index, id));
    let total = sizes.fold(0, u64::saturating_add);
    options.check_size(total)?;
    if let Some(free) = target.free_space().filter(|&free| free < total) {
        observer.event(&Event::Warning(&format!(
            "the files have {total} bytes, but only {free} are free in {}",
            target.name()
        )));
    }
    let fix_links = options.fixes_links(archive.header());
    let writer = Writer::new(archive, image, &plan, target, options, fix_links);
    let run = Run {
        plan: &plan,
        writer: &writer,
        target,
        workers,
        observer,
        created: AtomicU64::new(0),
    };
    run.begin()?;
    let mut damaged = 0;
    sweep(
        archive,
        &plan.blobs,
        &writer,
        Phase::ExtractData,
        workers,
        observer,
        &mut |index, damage| match damage {
            None => Ok(()),
            Some(error) => {
                let files = plan.files_of_blob(index);
                damaged += files.len() as u64;
                let error = error.at(run.show_files(files));
                if !options.recover_data {
                    return Err(error);
                }
                observer.event(&Event::Warning(&format!(
                    "restored as far as possible: {error}"
                )));
                Ok(())
            }
        },
    )?;
    run.set_directory_metadata()?;
    writer.warn(observer);
    Ok(ApplySummary {
        bytes: plan
            .blobs
            .iter()
            .fold(0, |sum, &id| archive.blobs.get(id).size.saturating_add(sum)),
        damaged,
        ..run.summary()
    })
}

/// Files that one task makes.
const BATCH: usize = 64;

/// A restoration under way.
struct Run<'a, 'w> {
    plan: &'a Plan<'a>,
    writer: &'a Writer<'w>,
    target: &'a dyn Target,
    workers: &'a dyn Workers,
    observer: &'a dyn Observer,
    created: AtomicU64,
}

impl Run<'_, '_> {
    /// Makes everything that needs no data.
    fn begin(&self) -> Result<()> {
        self.make_directories()?;
        self.make_files_without_data()?;
        self.observer.event(&Event::Finished {
            phase: Phase::CreateFiles,
        });
        Ok(())
    }

    /// What the plan says; nothing of the data.
    fn summary(&self) -> ApplySummary {
        ApplySummary {
            directories: self.plan.directories.len() as u64,
            files: self.plan.files.len() as u64,
            hard_links: (self.plan.names.len() - self.plan.files.len()) as u64,
            skipped: self.plan.skipped,
            ..ApplySummary::default()
        }
    }

    fn check_cancelled(&self) -> Result<()> {
        match self.observer.cancelled() {
            true => Err(Error::new(ErrorKind::Cancelled, "stopped while restoring")),
            false => Ok(()),
        }
    }

    fn progress(&self, phase: Phase, done: u64, total: usize) {
        self.observer.event(&Event::Progress {
            phase,
            unit: Unit::Items,
            done,
            total: total as u64,
        });
    }

    fn total_to_create(&self) -> usize {
        self.plan.directories.len() + self.plan.without_data.len()
    }

    fn make_directories(&self) -> Result<()> {
        use std::sync::atomic::Ordering::Relaxed;
        self.target.make_directory(b"")?;
        for path in &self.plan.parents {
            self.target.make_directory(path)?;
        }
        for (done, &name) in (1u64..).zip(&self.plan.directories) {
            let path = self.plan.paths.path(name);
            if !path.is_empty() {
                self.target.make_directory(&path)?;
            }
            self.created.store(done, Relaxed);
            if done.is_multiple_of(BATCH as u64) {
                self.check_cancelled()?;
                self.progress(Phase::CreateFiles, done, self.total_to_create());
            }
        }
        Ok(())
    }

    /// Makes empty files and special files.
    fn make_files_without_data(&self) -> Result<()> {
        let mut result = Ok(());
        let slot = &mut result;
        let writer = self.writer;
        let batches = self.plan.without_data.chunks(BATCH);
        let directories = self.plan.directories.len() as u64;
        let total = self.total_to_create();
        self.workers.scope(Box::new(move |pool| {
            let mut queue = Ordered::new(pool);
            for batch in batches {
                queue.submit(move |_| batch.iter().try_for_each(|&file| writer.without_data(file)));
            }
            let mut done = directories;
            *slot = loop {
                if let Err(error) = self.check_cancelled() {
                    break Err(error);
                }
                match queue.oldest() {
                    Ok(Some(Ok(()))) => {
                        done = (done + BATCH as u64).min(total as u64);
                        self.progress(Phase::CreateFiles, done, total);
                    }
                    Ok(None) => break Ok(()),
                    Ok(Some(Err(error))) | Err(error) => break Err(error),
                }
            };
        }));
        result
    }

    /// Sets the metadata of directories, which creating files in them has changed.
    fn set_directory_metadata(&self) -> Result<()> {
        let total = self.plan.directories.len();
        for (done, &name) in (1u64..).zip(self.plan.directories.iter().rev()) {
            self.writer.directory_metadata(name)?;
            if done.is_multiple_of(BATCH as u64) || done == total as u64 {
                self.check_cancelled()?;
                self.progress(Phase::ApplyMetadata, done, total);
            }
        }
        self.observer.event(&Event::Finished {
            phase: Phase::ApplyMetadata,
        });
        Ok(())
    }

    /// Names files for a message.
    fn show_files(&self, files: &[FileNumber]) -> String {
        const SHOWN: usize = 3;
        let names = files.iter().flat_map(|&file| self.plan.names_of(file));
        let count = names.clone().count();
        let shown: Vec<_> = names
            .take(SHOWN)
            .map(|name| text::Show(&self.plan.image_path(*name)).to_string())
            .collect();
        match count.saturating_sub(SHOWN) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests;
