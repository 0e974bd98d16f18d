//! What commands that change archives have in common.

use std::path::Path;

use clap::ArgMatches;
use wimforge_codec::Format;
use wimforge_core::archive::Archive;
use wimforge_core::format::{Compression, Layout};
use wimforge_core::port::{OnUnreadable, Workers};
use wimforge_core::write::{
    Draft, IntegrityChoice, Rebuild, Recompress, WriteOptions, check_appendable,
};
use wimforge_core::{Error, ErrorKind, Result};

use super::archive;
use crate::choices;
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

    /// Workers for it.
    pub fn workers(&self, host: &dyn Host) -> Box<dyn Workers> {
        host.workers(self.threads)
    }
}

/// Opens an archive to be changed. The lock on its file is held as long as the archive lives.
/// Verifies its integrity table if that was asked for.
pub fn open(
    host: &dyn Host,
    path: &Path,
    matches: &ArgMatches,
    reporter: &Reporter<'_>,
) -> Result<Archive> {
    let archive = archive::open_storage(host.modify_archive(path)?, path, reporter)?;
    if matches.get_flag("check") {
        archive::check(&archive, path, reporter)?;
    }
    Ok(archive)
}

/// Changes an archive in place; where the arrangement of the file does not allow that, by writing it
/// anew.
pub fn edit(
    host: &dyn Host,
    path: &Path,
    archive: Archive,
    options: &WriteOptions,
    workers: &dyn Workers,
    reporter: &Reporter<'_>,
    change: impl FnOnce(&mut Draft, &dyn wimforge_core::port::Storage) -> Result<()>,
) -> Result<u64> {
    match check_appendable(&archive) {
        Err(error) if error.kind() == ErrorKind::ResourceOrder => {
            let plan = Rebuild::default();
            warn_if_pipable(&archive, reporter);
            rebuild(
                host, path, &archive, &plan, options, workers, reporter, change,
            )
        }
        Err(error) => Err(error),
        Ok(()) => {
            let storage = std::sync::Arc::clone(archive.storage());
            let mut draft = Draft::append(archive, options)?;
            if let Err(error) = change(&mut draft, &*storage) {
                draft.abandon(&*storage)?;
                return Err(error);
            }
            draft.finish(&*storage, reporter)
        }
    }
}

/// Says that an archive does not stay pipable.
pub fn warn_if_pipable(archive: &Archive, reporter: &Reporter<'_>) {
    if archive.header().layout == Layout::Pipable {
        reporter.warning(
            "the WIM was pipable; what is written now is not (optimize --pipable makes it so again)",
        );
    }
}

/// Writes an archive anew, changes it, and puts it in the place of the old one, whose lock the caller
/// holds.
#[allow(
    clippy::too_many_arguments,
    reason = "what is written, where, and how, joined here"
)]
pub fn rebuild(
    host: &dyn Host,
    path: &Path,
    archive: &Archive,
    plan: &Rebuild,
    options: &WriteOptions,
    workers: &dyn Workers,
    reporter: &Reporter<'_>,
    change: impl FnOnce(&mut Draft, &dyn wimforge_core::port::Storage) -> Result<()>,
) -> Result<u64> {
    let new = host.create_archive(path, Lock::Held)?;
    let storage = new.storage();
    choices::announce(options, workers.threads(), reporter);
    let mut draft = Draft::rebuild(archive, plan, storage, options, workers, reporter)?;
    change(&mut draft, storage)?;
    let size = draft.finish(storage, reporter)?;
    if host.cancelled() {
        let what = "stopped before the archive was put in place";
        return Err(Error::new(ErrorKind::Cancelled, what));
    }
    new.commit()?;
    Ok(size)
}
