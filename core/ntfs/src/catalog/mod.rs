//! A catalogue of all files, made by one pass over `$MFT`.
//!
//! `$MFT` is read once, from start to end, in large pieces, and of every file what a listing with
//! details needs is kept in about 100 bytes: times, attributes, streams with sizes and places. Names
//! are not kept but only their fingerprints, since the directory indexes have the names anyway; with
//! them an entry is checked against the file it names. What few files have (reparse data, extended
//! attributes, object ids) is only marked and read from the record when wanted.
//!
//! A file whose attributes are spread over several records is put together at the end of the pass.

mod scan;

use std::collections::HashSet;
use std::sync::Arc;

use crate::directory::{Entry, Listing};
use crate::error::{At as _, Fault, Result};
use crate::record::FileReference;
use crate::standard_information::{Times, file_attributes};
use crate::volume::Volume;

pub use scan::Scan;

/// What is known about every file of a volume.
pub struct Catalog {
    /// For each record the index of its file in `files`, or one of the marks below.
    slots: Vec<u32>,
    files: Vec<Slot>,
    streams: Vec<StreamSlot>,
    /// Fingerprints of the names of all files.
    names: Vec<u64>,
    /// Names of streams, each once; the first is empty.
    stream_names: Vec<Arc<[u16]>>,
    /// Descriptors that lie in records, each once.
    descriptors: Vec<Arc<[u8]>>,
    broken: usize,
}

/// In `Catalog::slots`: no base record in use.
const FREE: u32 = u32::MAX;
/// In `Catalog::slots`: a record that cannot be read.
const BROKEN: u32 = u32::MAX - 1;

/// A file.
struct Slot {
    times: Times,
    attributes: u32,
    security: u32,
    first_stream: u32,
    first_name: u32,
    /// The directory that has its first name.
    parent: u32,
    streams: u16,
    names: u16,
    /// Names that are not DOS names.
    links: u16,
    sequence: u16,
    flags: u16,
}

/// In `Slot::flags`.
mod flag {
    pub const DIRECTORY: u16 = 1;
    pub const REPARSE_POINT: u16 = 2;
    pub const OBJECT_ID: u16 = 4;
    pub const EXTENDED_ATTRIBUTES: u16 = 8;
    /// `security` is a number in `$Secure`.
    pub const SECURITY_ID: u16 = 0x10;
    /// `security` is an index of `Catalog::descriptors`.
    pub const SECURITY_INLINE: u16 = 0x20;
    /// The descriptor is in clusters.
    pub const SECURITY_ELSEWHERE: u16 = 0x40;
    /// An attribute that its attribute list does not name.
    pub const UNLISTED: u16 = 0x80;
    /// Bit 0 of the version: names in the directory may differ in case only.
    pub const CASE_SENSITIVE: u16 = 0x100;
}

/// A stream.
struct StreamSlot {
    size: u64,
    /// `NOWHERE` if nothing is stored.
    offset: u64,
    name: u32,
    flags: u8,
}

const NOWHERE: u64 = u64::MAX;

/// In `StreamSlot::flags`.
mod stream_flag {
    pub const RESIDENT: u8 = 1;
    pub const COMPRESSED: u8 = 2;
    pub const SPARSE: u8 = 4;
    pub const ENCRYPTED: u8 = 8;
}

/// Where the security descriptor of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// It has none.
    None,
    /// In `$Secure`: ask [`Volume::descriptor`].
    Id(u32),
    /// In the file's record: ask [`Catalog::descriptor`]. Equal descriptors have equal numbers.
    Inline(u32),
    /// In clusters of the file's own: ask [`Volume::security_descriptor`].
    Elsewhere,
}

/// What the catalogue knows about a file.
#[derive(Clone, Copy)]
pub struct FileInfo<'a> {
    catalog: &'a Catalog,
    slot: &'a Slot,
    /// The file.
    pub reference: FileReference,
}

/// A stream of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEntry<'a> {
    /// Its name; empty for the contents proper.
    pub name: &'a [u16],
    /// Bytes.
    pub size: u64,
    /// Where its first stored byte is on the device, if any is stored.
    pub physical_offset: Option<u64>,
    /// In a record, not in clusters.
    pub is_resident: bool,
    /// Compressed by the file system.
    pub is_compressed: bool,
    /// May have holes.
    pub is_sparse: bool,
    /// Encrypted by the file system.
    pub is_encrypted: bool,
}

impl Catalog {
    /// Reads all of `$MFT`. [`Volume::scan`] does the same in steps.
    ///
    /// # Errors
    /// Only what concerns no single file; a record that cannot be read is an error for whoever asks
    /// for it.
    pub fn read(volume: &Volume) -> Result<Self> {
        let mut scan = volume.scan();
        while scan.step()? {}
        Ok(scan.finish())
    }

    /// What is known about a file.
    ///
    /// # Errors
    /// The record does not exist, is not in use, belongs to another file by now, or is damaged;
    /// [`Volume::file`] tells more about the damage.
    pub fn get(&self, reference: FileReference) -> Result<FileInfo<'_>> {
        let record = u32::try_from(reference.number()).unwrap_or(u32::MAX);
        let slot = match self.slots.get(record as usize) {
            None => return Err(Fault::BeyondMft.at(record)),
            Some(&FREE) => return Err(Fault::NotInUse.at(record)),
            Some(&BROKEN) => return Err(Fault::Unreadable.at(record)),
            Some(index) => &self.files[*index as usize],
        };
        reference.check(slot.sequence).at(record)?;
        Ok(FileInfo {
            catalog: self,
            slot,
            reference: FileReference::new(record, slot.sequence),
        })
    }

    /// Reads a directory and checks every entry against the file it names. The file must exist; and a
    /// directory is listed only where its first name says it is, and once. So whoever follows the
    /// listings from the root comes to an end, however the volume is damaged.
    ///
    /// An entry of a file that does not have this name any more is listed: see
    /// [`FileInfo::has_name`].
    ///
    /// # Errors
    /// Damage of the directory; damaged entries are in [`Listing::refused`].
    pub fn list(&self, volume: &Volume, directory: FileReference) -> Result<Listing> {
        let mut listing = volume.list(directory)?;
        let parent = listing.directory().number();
        let mut directories = HashSet::new();
        listing.check(|entry| {
            let info = self.get(entry.reference).map_err(|error| {
                // The catalogue only knows that something is wrong.
                let file = volume.file(entry.reference);
                let damage = file.and_then(|file| file.standard_information());
                damage.err().unwrap_or(error)
            })?;
            let record = info.reference.number() as u32;
            let at_home = || u64::from(info.slot.parent) == parent;
            if info.is_directory() && !(at_home() && directories.insert(record)) {
                return Err(Fault::ForeignDirectory.at(record));
            }
            Ok(())
        });
        Ok(listing)
    }

    /// A descriptor that lies in a record.
    #[must_use]
    pub fn descriptor(&self, inline: u32) -> Option<&Arc<[u8]>> {
        self.descriptors.get(inline as usize)
    }

    /// All files, by record number: also those that no directory lists.
    pub fn files(&self) -> impl Iterator<Item = FileInfo<'_>> {
        self.slots.iter().enumerate().filter_map(|(record, index)| {
            let slot = self.files.get(*index as usize)?;
            Some(FileInfo {
                catalog: self,
                slot,
                reference: FileReference::new(record as u32, slot.sequence),
            })
        })
    }

    /// Number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Records that look like files but cannot be read.
    #[must_use]
    pub fn broken(&self) -> usize {
        self.broken
    }

    /// Bytes of memory that the catalogue takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        let descriptors: usize = self.descriptors.iter().map(|bytes| bytes.len()).sum();
        self.slots.capacity() * size_of::<u32>()
            + self.files.capacity() * size_of::<Slot>()
            + self.streams.capacity() * size_of::<StreamSlot>()
            + self.names.capacity() * size_of::<u64>()
            + descriptors
    }
}

impl<'a> FileInfo<'a> {
    fn has(&self, flag: u16) -> bool {
        self.slot.flags & flag != 0
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.has(flag::DIRECTORY)
    }

    /// Attributes as programs see them.
    #[must_use]
    pub fn attributes(&self) -> u32 {
        self.slot.attributes
    }

    /// Encrypted by the file system: the attribute decides.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.slot.attributes & file_attributes::ENCRYPTED != 0
    }

    /// Its times.
    #[must_use]
    pub fn times(&self) -> &'a Times {
        &self.slot.times
    }

    /// Where its security descriptor is.
    #[must_use]
    pub fn security(&self) -> Security {
        if self.has(flag::SECURITY_ID) {
            Security::Id(self.slot.security)
        } else if self.has(flag::SECURITY_INLINE) {
            Security::Inline(self.slot.security)
        } else if self.has(flag::SECURITY_ELSEWHERE) {
            Security::Elsewhere
        } else {
            Security::None
        }
    }

    /// The descriptor of [`Security::Inline`].
    #[must_use]
    pub fn inline_descriptor(&self, inline: u32) -> Option<&'a Arc<[u8]>> {
        self.catalog.descriptor(inline)
    }

    /// Whether [`File::reparse_point`](crate::File::reparse_point) has something.
    #[must_use]
    pub fn is_reparse_point(&self) -> bool {
        self.has(flag::REPARSE_POINT)
    }

    /// Whether [`Volume::object_id`] has something.
    #[must_use]
    pub fn has_object_id(&self) -> bool {
        self.has(flag::OBJECT_ID)
    }

    /// Whether [`File::extended_attributes`](crate::File::extended_attributes) has something.
    #[must_use]
    pub fn has_extended_attributes(&self) -> bool {
        self.has(flag::EXTENDED_ATTRIBUTES)
    }

    /// Whether names in this directory may differ in case only.
    #[must_use]
    pub fn is_case_sensitive(&self) -> bool {
        self.has(flag::CASE_SENSITIVE)
    }

    /// Whether its records have attributes that its attribute list does not name.
    #[must_use]
    pub fn has_unlisted_attributes(&self) -> bool {
        self.has(flag::UNLISTED)
    }

    /// Number of names, short twins not counted: more than one are hard links.
    #[must_use]
    pub fn links(&self) -> usize {
        usize::from(self.slot.links)
    }

    /// Whether the file has the name of a directory entry. If not the entry is out of date.
    #[must_use]
    pub fn has_name(&self, entry: &Entry<'_>) -> bool {
        let first = self.slot.first_name as usize;
        self.catalog.names[first..first + usize::from(self.slot.names)].contains(&entry.fingerprint)
    }

    /// Its streams, unnamed first.
    pub fn streams(&self) -> impl Iterator<Item = StreamEntry<'a>> + use<'a> {
        let catalog = self.catalog;
        let first = self.slot.first_stream as usize;
        let slots = &catalog.streams[first..first + usize::from(self.slot.streams)];
        slots.iter().map(|slot| StreamEntry {
            name: &catalog.stream_names[slot.name as usize],
            size: slot.size,
            physical_offset: (slot.offset != NOWHERE).then_some(slot.offset),
            is_resident: slot.flags & stream_flag::RESIDENT != 0,
            is_compressed: slot.flags & stream_flag::COMPRESSED != 0,
            is_sparse: slot.flags & stream_flag::SPARSE != 0,
            is_encrypted: slot.flags & stream_flag::ENCRYPTED != 0,
        })
    }
}
