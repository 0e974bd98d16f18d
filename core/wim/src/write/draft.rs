//! An archive being written, from its first byte to its header.
//!
//! A draft is everything about it but its bytes, so it can be kept between calls; the storage is given
//! to each of them. Adding an image writes data behind what is there; the header that makes it part
//! of the archive comes last, in [`Draft::finish`].

use super::capture::{CaptureSummary, NewImage, WriteOptions, add_image, guid_of};
use super::commit::{self, Commit};
use super::means::Means;
use super::output::Output;
use crate::archive::{Archive, BlobPool, MetadataResource};
use crate::format::integrity::{PIECE_SIZE, Recorder};
use crate::format::{Compression, Header, HeaderFlags, ResourceHeader, Version};
use crate::port::{Observer, Storage, read_vec_at};
use crate::xml::WimXml;
use crate::{Error, ErrorKind, Result};

/// See the module.
pub struct Draft {
    pub(super) header: Header,
    pub(super) xml: WimXml,
    pub(super) images: Vec<MetadataResource>,
    pub(super) blobs: BlobPool,
    /// Where the next byte goes.
    pub(super) position: u64,
    pub(super) recorder: Option<Recorder>,
    /// Piece size of the integrity table, if there is to be one.
    pub(super) piece_size: Option<u32>,
    /// The GUID is made from the images.
    pub(super) guid_of_images: bool,
    /// The blob table of the file, as long as it says everything.
    pub(super) kept_table: Option<ResourceHeader>,
    /// What the file was, if there was one.
    pub(super) before: Option<Before>,
    /// Something failed, and the file is again what it was.
    pub(super) is_undone: bool,
}

/// What it takes to make a file again what it was before an append.
pub(super) struct Before {
    header: Vec<u8>,
    size: u64,
}

impl Before {
    pub fn read(storage: &dyn Storage, size: u64) -> Result<Self> {
        let header = read_vec_at(storage, 0, Header::SIZE)?;
        Ok(Self { header, size })
    }

    /// The header goes first: the file may be cut off only when nothing speaks of the new data.
    fn restore(&self, storage: &dyn Storage) -> Result<()> {
        storage.write_at(0, &self.header)?;
        storage.sync()?;
        storage.set_len(self.size)?;
        storage.sync()
    }
}

impl Draft {
    /// Begins a new archive in an empty storage.
    ///
    /// # Errors
    /// What the storage returns.
    pub fn create(storage: &dyn Storage, options: &WriteOptions) -> Result<Self> {
        let header = Header {
            version: Version::least(options.compression),
            compression: options.compression,
            guid: options.guid.unwrap_or_default(),
            part: 1,
            parts: 1,
            ..Header::default()
        };
        let with_table = options.integrity.includes(false);
        let draft = Self::begin(storage, header, WimXml::default(), with_table)?;
        Ok(Self {
            guid_of_images: options.guid.is_none(),
            ..draft
        })
    }

    /// Begins an archive with this header and XML data in an empty storage.
    pub(super) fn begin(
        storage: &dyn Storage,
        mut header: Header,
        xml: WimXml,
        with_table: bool,
    ) -> Result<Self> {
        header.flags |= HeaderFlags::WRITE_IN_PROGRESS;
        storage.write_at(0, &header.encode())?;
        let position = Header::SIZE as u64;
        Ok(Self {
            header,
            xml,
            images: Vec::new(),
            blobs: BlobPool::default(),
            position,
            recorder: with_table.then(|| Recorder::new(PIECE_SIZE, &[], position)),
            piece_size: with_table.then_some(PIECE_SIZE),
            guid_of_images: false,
            before: None,
            kept_table: None,
            is_undone: false,
        })
    }

    /// The compression of the archive.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.header.compression
    }

    /// The XML data so far.
    #[must_use]
    pub fn xml(&self) -> &WimXml {
        &self.xml
    }

    /// Writes the data and the metadata of an image. After a failure the draft can only be dropped.
    ///
    /// # Errors
    /// As [`super::capture()`] and [`super::append()`]. What was there before is valid then.
    pub fn add(
        &mut self,
        storage: &dyn Storage,
        new: NewImage<'_>,
        means: &Means<'_>,
    ) -> Result<CaptureSummary> {
        self.write(storage, |draft, output| {
            let (pool, xml) = (&mut draft.blobs, &mut draft.xml);
            let added = add_image(new, output, pool, xml, &mut draft.header, means)?;
            draft.images.push(added.metadata);
            Ok(added.summary)
        })
    }

    /// Writes at the end. After a failure everything is undone.
    pub(super) fn write<T>(
        &mut self,
        storage: &dyn Storage,
        act: impl FnOnce(&mut Self, &mut Output<'_>) -> Result<T>,
    ) -> Result<T> {
        self.check_usable()?;
        self.kept_table = None;
        let mut output = Output::new(storage, self.position, self.recorder.take());
        let written = act(self, &mut output).and_then(|value| {
            output.flush()?;
            Ok(value)
        });
        self.position = output.position();
        self.recorder = output.take_recorder();
        written.map_err(|error| self.undo(storage, error))
    }

    /// Completes the archive: tables, then, when all is on the medium, the header. Returns its size in
    /// bytes.
    ///
    /// # Errors
    /// What the storage returns. What was there before is valid then.
    pub fn finish(mut self, storage: &dyn Storage, observer: &dyn Observer) -> Result<u64> {
        self.check_usable()?;
        let finished = self.commit(storage, observer);
        finished.map_err(|error| self.undo(storage, error))
    }

    fn commit(&mut self, storage: &dyn Storage, observer: &dyn Observer) -> Result<u64> {
        let mut header = self.header.clone();
        header.flags.remove(HeaderFlags::WRITE_IN_PROGRESS);
        header.images = self.xml.image_count() as u32;
        header.boot_metadata = (header.boot_index as usize)
            .checked_sub(1)
            .and_then(|slot| self.images.get(slot))
            .map_or(ResourceHeader::default(), |metadata| metadata.resource);
        if self.blobs.solids.iter().any(|solid| solid.file == 0) {
            header.version = Version::Solid;
        }
        if self.guid_of_images {
            header.guid = guid_of(self.images.iter().map(|metadata| metadata.hash));
        }
        commit::finish(Commit {
            output: Output::new(storage, self.position, self.recorder.take()),
            header,
            images: &self.images,
            pool: &self.blobs,
            kept_table: self.kept_table,
            xml: std::mem::take(&mut self.xml),
            piece_size: self.piece_size,
            observer,
        })
    }

    /// Gives up: makes the storage what it was before.
    ///
    /// # Errors
    /// What the storage returns.
    pub fn abandon(mut self, storage: &dyn Storage) -> Result<()> {
        self.restore(storage)
    }

    fn restore(&mut self, storage: &dyn Storage) -> Result<()> {
        match &self.before {
            Some(before) if !std::mem::replace(&mut self.is_undone, true) => {
                before.restore(storage)
            }
            _ => Ok(()),
        }
    }

    /// The first error is the one to report.
    pub(super) fn undo(&mut self, storage: &dyn Storage, error: Error) -> Error {
        let restored = self.restore(storage);
        self.is_undone = true;
        match restored {
            Ok(()) => error,
            Err(second) => error.because(second),
        }
    }

    fn check_usable(&self) -> Result<()> {
        match self.is_undone {
            false => Ok(()),
            true => Err(Error::new(
                ErrorKind::Parameter,
                "the archive was given up after a failure",
            )),
        }
    }
}

/// Begins to append to an archive in place. The caller holds the lock on the file.
impl Draft {
    /// See [`super::append()`].
    ///
    /// # Errors
    /// [`ErrorKind::ReadOnly`], [`ErrorKind::ResourceOrder`]; what the storage returns.
    pub fn append(archive: Archive, options: &WriteOptions) -> Result<Self> {
        super::append::begin(archive, options)
    }
}
