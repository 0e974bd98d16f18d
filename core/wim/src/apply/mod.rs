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
pub use self::names::Renamed;
pub use self::stream::stream_piped;

use self::data::Writer;
use self::plan::{FileNumber, Plan};
use crate::archive::Archive;
use crate::archive::sweep::sweep;
use crate::format::metadata::Finding;
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

/// Restores images: where to, how, who does the work, and who watches.
#[derive(Clone, Copy)]
pub struct Restorer<'a> {
    /// Where to.
    pub target: &'a dyn Target,
    /// How.
    pub options: &'a ApplyOptions,
    /// Who reads, decodes, hashes and writes.
    pub workers: &'a dyn Workers,
    /// Who is told, and may stop it.
    pub observer: &'a dyn Observer,
}

impl Restorer<'_> {
    /// Restores an image, from 1.
    ///
    /// # Errors
    /// As [`Archive::read_image`] and [`Self::restore`].
    pub fn apply(&self, archive: &Archive, index: u32) -> Result<ApplySummary> {
        let image = archive.read_image(index, &mut |finding| self.tell(index, &finding))?;
        self.restore(archive, &image, &whole(&image))
    }

    /// Restores parts of an image. Directories above them are made as needed.
    ///
    /// # Errors
    /// [`ErrorKind::MissingBlob`], [`ErrorKind::HashMismatch`] and [`ErrorKind::Decompression`] for data
    /// that is not there or damaged, unless it is to be recovered; [`ErrorKind::Cancelled`]; what the
    /// target and the archive's storage return.
    pub fn restore(
        &self,
        archive: &Archive,
        image: &Image,
        selected: &[Selected],
    ) -> Result<ApplySummary> {
        let plan = Plan::new(archive, image, selected, self)?;
        let size = |index: usize, id| plan.bytes_written(index, archive.blobs.get(id).size);
        let sizes = plan
            .blobs
            .iter()
            .enumerate()
            .map(|(index, &id)| size(index, id));
        let total = sizes.fold(0, u64::saturating_add);
        self.options.check_size(total)?;
        if let Some(free) = self.target.free_space().filter(|&free| free < total) {
            self.observer.event(&Event::Warning(&format!(
                "the files have {total} bytes, but only {free} are free in {}",
                self.target.name()
            )));
        }
        let writer = Writer::new(archive, image, &plan, self);
        let run = Run::begin(&plan, &writer, self)?;
        let mut damaged = 0;
        sweep(
            archive,
            &plan.blobs,
            &writer,
            Phase::ExtractData,
            self.workers,
            self.observer,
            &mut |index, damage| match damage {
                None => Ok(()),
                Some(error) => {
                    let files = plan.files_of_blob(index);
                    damaged += files.len() as u64;
                    self.damaged(error.at(run.show_files(files)))
                }
            },
        )?;
        let bytes = plan.blobs.iter().map(|&id| archive.blobs.get(id).size);
        run.end(ApplySummary {
            bytes: bytes.fold(0, u64::saturating_add),
            damaged,
            ..ApplySummary::default()
        })
    }

    /// Tells of what was mended in the metadata of an image.
    fn tell(&self, index: u32, finding: &Finding) {
        if finding.mended {
            let what = &finding.what;
            self.observer
                .event(&Event::Warning(&format!("image {index}: {what}")));
        }
    }

    /// Data is damaged: an error, unless as much as possible is wanted.
    fn damaged(&self, error: Error) -> Result<()> {
        if !self.options.recover_data {
            return Err(error);
        }
        self.observer.event(&Event::Warning(&format!(
            "restored as far as possible: {error}"
        )));
        Ok(())
    }
}

/// All of an image, to be restored to the root of the target.
fn whole(image: &Image) -> Vec<Selected> {
    let root = image.root().map(|dentry| Selected {
        dentry,
        path: Vec::new(),
    });
    Vec::from_iter(root)
}

/// Files that one task makes.
const BATCH: usize = 64;

/// A restoration under way.
struct Run<'a, 'w> {
    plan: &'a Plan<'a>,
    writer: &'a Writer<'w>,
    to: &'a Restorer<'a>,
    created: AtomicU64,
}

impl<'a, 'w> Run<'a, 'w> {
    /// Makes everything that needs no data.
    fn begin(plan: &'a Plan<'a>, writer: &'a Writer<'w>, to: &'a Restorer<'a>) -> Result<Self> {
        let run = Self {
            plan,
            writer,
            to,
            created: AtomicU64::new(0),
        };
        run.make_directories()?;
        run.make_files_without_data()?;
        to.observer.event(&Event::Finished {
            phase: Phase::CreateFiles,
        });
        Ok(run)
    }

    /// Does what is left when all data is there. `data` says what became of that.
    fn end(&self, data: ApplySummary) -> Result<ApplySummary> {
        self.set_directory_metadata()?;
        self.writer.warn(self.to.observer);
        Ok(ApplySummary {
            directories: self.plan.directories.len() as u64,
            files: self.plan.files.len() as u64,
            hard_links: (self.plan.names.len() - self.plan.files.len()) as u64,
            skipped: self.plan.skipped,
            ..data
        })
    }

    fn check_cancelled(&self) -> Result<()> {
        match self.to.observer.cancelled() {
            true => Err(Error::new(ErrorKind::Cancelled, "stopped while restoring")),
            false => Ok(()),
        }
    }

    fn progress(&self, phase: Phase, done: u64, total: usize) {
        self.to.observer.event(&Event::Progress {
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
        self.to.target.make_directory(b"")?;
        for path in &self.plan.parents {
            self.to.target.make_directory(path)?;
        }
        for (done, &name) in (1u64..).zip(&self.plan.directories) {
            let path = self.plan.paths.path(name);
            if !path.is_empty() {
                self.to.target.make_directory(&path)?;
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
        self.to.workers.scope(Box::new(move |pool| {
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
        self.to.observer.event(&Event::Finished {
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
