//! What commands that change archives have in common.

use std::path::PathBuf;

use clap::ArgMatches;
use wimforge_codec::Format;
use wimforge_core::archive::Archive;
use wimforge_core::format::{Compression, Layout};
use wimforge_core::port::{FileIdentity, OnUnreadable, Workers};
use wimforge_core::write::pipable::{self, Contents};
use wimforge_core::write::{
    Change, Draft, IntegrityChoice, Means, Rebuild, Recompress, WriteOptions, check_appendable,
};
use wimforge_core::{Error, ErrorKind, Result};

use super::archive;
use super::destination::Destination;
use crate::choices::{self, Space};
use crate::compatibility::{self, UnixData};
use crate::failure::Failure;
use crate::host::{Host, Lock};
use crate::report::Reporter;
use crate::solid::SolidChoice;
use crate::values::CompressionChoice;

/// What everybody who writes a pipable archive is told.
pub const PIPABLE_WARNING: &str = "Creating a pipable WIM, which will be incompatible\nwith Microsoft's \
                                   software (WIMGAPI/ImageX/DISM).";

/// What the command line says about writing.
pub struct Writing {
    /// Integrity table of the result.
    pub integrity: IntegrityChoice,
    /// Layout of the result; as it was without.
    pub layout: Option<Layout>,
    /// Whether data is compressed again without need.
    pub recompress: Recompress,
    compression: Option<CompressionChoice>,
    chunk_size: Option<u32>,
    solid: SolidChoice,
    /// The result is a new archive, not one that has a compression type already.
    pub is_new: bool,
    threads: usize,
}

impl Writing {
    /// Reads the options that a command has.
    pub fn of(matches: &ArgMatches) -> Result<Self, Failure> {
        let has = |name: &str| matches!(matches.try_get_one::<bool>(name), Ok(Some(true)));
        // Only unoptimised builds of the parser tell that a command has no such option.
        let has_solid = matches!(matches.try_get_one::<bool>("solid"), Ok(Some(_)));
        let compression = matches.try_get_one::<CompressionChoice>("compress");
        let chunk_size = matches.try_get_one::<u64>("chunk-size");
        let chunk_size = chunk_size.ok().flatten().copied();
        Ok(Self {
            integrity: choices::integrity(matches)?,
            layout: choices::layout(matches)?,
            recompress: match (has("recompress"), has("solid")) {
                (true, _) => Recompress::All,
                (false, true) => Recompress::IntoSolid,
                (false, false) => Recompress::WhereNeeded,
            },
            solid: match has_solid {
                true => SolidChoice::of(matches),
                false => SolidChoice::default(),
            },
            is_new: false,
            compression: compression.ok().flatten().copied(),
            chunk_size: chunk_size.map(|size| u32::try_from(size).unwrap_or(u32::MAX)),
            threads: matches.get_one::<usize>("threads").copied().unwrap_or(0),
        })
    }

    /// The compression that was asked for, instead of the one that is there.
    pub fn compression(&self, old: Compression) -> Result<Compression> {
        let is_solid = self.solid.is_wanted();
        let format = match self.compression {
            Some(choice) => choice.format,
            None if is_solid && self.is_new => Some(Format::Lzms),
            None => old.format(),
        };
        choices::compression(format, self.chunk_size, old)
    }

    /// How an archive is written that is made from `from` or is to be added to it: as that one is,
    /// unless the command line says otherwise.
    pub fn options(&self, host: &dyn Host, from: &Archive) -> Result<WriteOptions, Failure> {
        let epoch = choices::epoch(host)?;
        Ok(WriteOptions {
            compression: self.compression(from.header().compression)?,
            solid: match self.compression {
                // Another type for all data, so that nothing stays solid unless that is wanted.
                Some(_) => self.solid.for_new()?,
                None => self.solid.for_archive(from)?,
            },
            level: self
                .compression
                .and_then(|choice| choice.level)
                .unwrap_or_default(),
            integrity: self.integrity,
            guid: match epoch {
                Some(_) => None,
                None => Some(host.random_guid()?),
            },
            now: epoch.unwrap_or_else(|| host.now()),
            on_unreadable: OnUnreadable::Fail,
        })
    }

    /// Refuses a layout that cannot hold what was asked for.
    pub fn check_layout(&self, layout: Layout) -> Result<()> {
        match self.solid.is_wanted() && layout == Layout::Pipable {
            true => Err(Error::new(
                ErrorKind::Parameter,
                "solid compression is not possible in a pipable WIM (--not-pipable makes it an \
                 ordinary one)",
            )),
            false => Ok(()),
        }
    }

    /// Workers for it.
    pub fn workers(&self, host: &dyn Host) -> Box<dyn Workers> {
        host.workers(self.threads)
    }
}

/// A command that changes an archive: what it has in hand from opening the archive to putting it back.
pub struct Session<'a> {
    host: &'a dyn Host,
    reporter: &'a Reporter<'a>,
    /// Where the archive is.
    pub path: PathBuf,
    /// The archive. The lock on its file is held as long as it lives.
    pub archive: Archive,
    /// Which file it is, where the host can tell.
    pub identity: Option<FileIdentity>,
    /// What the command line says about writing.
    pub writing: Writing,
    /// How it is written.
    pub options: WriteOptions,
    /// Who does the work.
    pub workers: Box<dyn Workers>,
}

impl<'a> Session<'a> {
    /// Opens the archive to be changed; verifies its integrity table if that was asked for.
    pub fn open(
        host: &'a dyn Host,
        path: PathBuf,
        matches: &ArgMatches,
        reporter: &'a Reporter<'a>,
    ) -> Result<Self, Failure> {
        let writing = Writing::of(matches)?;
        let opened = host.modify_archive(&path)?;
        let identity = opened.identity;
        let archive = archive::open_storage(opened, &path, reporter)?;
        if matches.get_flag("check") {
            archive::check(&archive, &path, reporter)?;
        }
        Ok(Self {
            host,
            reporter,
            identity,
            options: writing.options(host, &archive)?,
            workers: writing.workers(host),
            path,
            archive,
            writing,
        })
    }

    /// Changes the archive in place; where the arrangement of the file does not allow that, or another
    /// layout is wanted, by writing it anew. Returns its size.
    pub fn change(self, change: Change<'_>) -> Result<u64> {
        let is_rearranged = self.layout() != self.archive.header().layout;
        match check_appendable(&self.archive) {
            Err(error) if error.kind() == ErrorKind::ResourceOrder => {
                self.rebuild(&Rebuild::default(), change)
            }
            Err(error) => Err(error),
            Ok(()) if is_rearranged => self.rebuild(&Rebuild::default(), change),
            Ok(()) => {
                let storage = std::sync::Arc::clone(self.archive.storage());
                let means = Means {
                    options: &self.options,
                    workers: &*self.workers,
                    observer: self.reporter,
                };
                if matches!(change, Change::Add(_) | Change::Replace(_)) {
                    choices::announce(means.options, means.workers.threads(), self.reporter);
                }
                let mut draft = Draft::append(self.archive, &self.options)?;
                draft.make(&*storage, change, &means)?;
                draft.finish(&*storage, self.reporter)
            }
        }
    }

    /// Changes the archive, and leaves no more unused space in it than was asked for.
    pub fn change_with(self, space: Space, change: Change<'_>) -> Result<u64> {
        match space {
            Space::Left => self.change(change),
            Space::Rebuilt => self.rebuild(&Rebuild::default(), change),
            Space::Compacted => self.change_and_compact(change),
        }
    }

    /// Changes the archive in place, and then packs it together where it is.
    fn change_and_compact(self, change: Change<'_>) -> Result<u64> {
        if self.writing.recompress != Recompress::WhereNeeded {
            let what = "--unsafe-compact cannot compress anything again";
            return Err(Error::new(ErrorKind::CannotCompact, what));
        }
        choices::check_compactable(&self.archive, self.layout(), self.options.compression)?;
        let storage = std::sync::Arc::clone(self.archive.storage());
        let (reporter, integrity) = (self.reporter, self.options.integrity);
        match (&change, integrity) {
            (Change::Nothing, IntegrityChoice::Keep) => drop(self),
            _ => {
                self.change(change)?;
            }
        }
        choices::compact(storage, reporter)
    }

    /// Writes the archive anew, in the layout that it has unless another one is wanted, changes it, and
    /// puts it in its place. Returns its size.
    pub fn rebuild(&self, plan: &Rebuild, change: Change<'_>) -> Result<u64> {
        let layout = self.layout();
        self.writing.check_layout(layout)?;
        if layout == Layout::Pipable && self.archive.header().layout != layout {
            self.reporter.warning(PIPABLE_WARNING);
        }
        let to = Destination::open(self.host, &self.path, Some(layout), Lock::Held)?;
        let beginning = Beginning::Archive(&self.archive, plan);
        self.writer().write(to, beginning, change)
    }

    fn layout(&self) -> Layout {
        self.writing.layout.unwrap_or(self.archive.header().layout)
    }

    fn writer(&self) -> NewWriter<'_> {
        NewWriter {
            host: self.host,
            reporter: self.reporter,
            options: &self.options,
            workers: &*self.workers,
        }
    }
}

/// What a new archive begins with.
#[derive(Clone, Copy)]
pub enum Beginning<'a> {
    /// Nothing.
    Empty,
    /// What is left of another archive.
    Archive(&'a Archive, &'a Rebuild),
}

/// Writes new archives made of others.
pub struct NewWriter<'a> {
    /// Where they go.
    pub host: &'a dyn Host,
    /// Who is told.
    pub reporter: &'a Reporter<'a>,
    /// How they are written.
    pub options: &'a WriteOptions,
    /// Who does the work.
    pub workers: &'a dyn Workers,
}

impl NewWriter<'_> {
    /// Writes a new archive, and gives it its name when it is complete. Returns its size.
    pub fn write<'c>(
        &self,
        mut to: Destination,
        from: Beginning<'c>,
        change: Change<'c>,
    ) -> Result<u64> {
        let means = Means {
            options: self.options,
            workers: self.workers,
            observer: self.reporter,
        };
        let before = match from {
            Beginning::Empty => None,
            Beginning::Archive(archive, _) => Some(archive),
        };
        compatibility::warn(before, self.options, UnixData::Unchanged, self.reporter);
        choices::announce(means.options, means.workers.threads(), self.reporter);
        let size = match to.layout() {
            Layout::Pipable => {
                let mut contents = match from {
                    Beginning::Empty => Contents::default(),
                    Beginning::Archive(archive, plan) => Contents::rebuild(archive, plan)?,
                };
                contents.make(change)?;
                let to = to.pipable();
                pipable::write(to, contents, &means)?.size
            }
            Layout::Seekable => {
                let storage = to.storage()?;
                let mut draft = match from {
                    Beginning::Empty => Draft::create(storage, self.options)?,
                    Beginning::Archive(archive, plan) => {
                        Draft::rebuild(archive, plan, storage, &means)?
                    }
                };
                draft.make(storage, change, &means)?;
                draft.finish(storage, self.reporter)?
            }
        };
        to.commit(self.host)?;
        Ok(size)
    }
}
