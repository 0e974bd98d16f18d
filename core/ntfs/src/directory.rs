//! Directories: what their indexes list.
//!
//! The index decides what is in a directory. A file that says it has a name there, but is not in the
//! index, is an orphan that no program sees; an entry whose file does not exist any more is an error
//! of that entry. Names of the DOS space are no entries of their own: they become the short names
//! of the long names they belong to. The first 16 records are the file system's own files, which no
//! listing shows.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::Range;

use crate::attribute::AttributeType;
use crate::error::{Error, Fault, Place, Result};
use crate::file::File;
use crate::file_name::{FileName, NameSpace};
use crate::index::{self, Index};
use crate::name::{ascii, to_vec};
use crate::record::FileReference;
use crate::upcase::UpCase;
use wimforge_core::order::sort_by;

/// The name of the index of a directory.
pub(crate) const I30: [u16; 4] = ascii(b"$I30");

/// Records below are system files.
pub(crate) const FIRST_LISTED: u64 = 16;

/// The contents of a directory.
pub struct Listing {
    directory: FileReference,
    units: Vec<u16>,
    slots: Vec<Slot>,
    refused: Vec<Refused>,
    in_order: bool,
}

struct Slot {
    reference: FileReference,
    fingerprint: u64,
    name: Range<u32>,
    short: Range<u32>,
    space: NameSpace,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The file.
    pub reference: FileReference,
    /// Its name.
    pub name: &'a [u16],
    /// Its short name; empty if it has none. A name that is both is here too.
    pub short_name: &'a [u16],
    /// The name space of `name`; never DOS alone.
    pub space: NameSpace,
    /// Identifies the name among those of the file.
    pub(crate) fingerprint: u64,
}

/// An entry that cannot be shown, and why.
#[derive(Debug)]
pub struct Refused {
    /// The file it names.
    pub reference: FileReference,
    /// The name, perhaps empty.
    pub name: Vec<u16>,
    /// What is wrong.
    pub error: Error,
}

impl Listing {
    /// Reads the index of a directory.
    pub(crate) fn read(file: &File, upcase: &UpCase) -> Result<Self> {
        let record = file.record();
        if !file.is_directory() {
            return Err(Fault::NotDirectory.at(record));
        }
        let mut reading = Reading {
            most: file.context().limits.directory_entries,
            most_refused: file.context().limits.refused_entries,
            short_names: Vec::new(),
            listing: Self {
                directory: file.reference(),
                units: Vec::new(),
                slots: Vec::new(),
                refused: Vec::new(),
                in_order: true,
            },
        };
        Index::open(file, &I30, index::DIRECTORY)?
            .walk(|entry| reading.take(FileReference(entry.head), entry.key, upcase))?;
        Ok(reading.finish())
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> FileReference {
        self.directory
    }

    /// Whether the index is in its order; if not, Windows may not find every file by name.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        self.in_order
    }

    /// The entries, by name without regard to case.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.slots.iter().map(|slot| self.entry(slot))
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Entries that cannot be shown.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    fn entry(&self, slot: &Slot) -> Entry<'_> {
        Entry {
            reference: slot.reference,
            name: self.units(&slot.name),
            short_name: self.units(&slot.short),
            space: slot.space,
            fingerprint: slot.fingerprint,
        }
    }

    fn units(&self, range: &Range<u32>) -> &[u16] {
        &self.units[range.start as usize..range.end as usize]
    }

    /// Moves entries that `check` refuses out of the listing.
    pub(crate) fn check(&mut self, mut check: impl FnMut(Entry<'_>) -> Result<()>) {
        let slots = std::mem::take(&mut self.slots);
        for slot in slots {
            let entry = self.entry(&slot);
            match check(entry) {
                Ok(()) => self.slots.push(slot),
                Err(error) => {
                    let refused = Refused {
                        reference: entry.reference,
                        name: entry.name.to_vec(),
                        error,
                    };
                    self.refused.push(refused);
                }
            }
        }
    }
}

/// A listing that is being read.
struct Reading {
    most: usize,
    most_refused: usize,
    listing: Listing,
    short_names: Vec<(FileReference, Range<u32>)>,
}

impl Reading {
    fn place(&self) -> Place {
        let record = self.listing.directory.number() as u32;
        Place::attribute(record, AttributeType::INDEX_ROOT, &I30)
    }

    fn take(&mut self, reference: FileReference, key: &[u8], upcase: &UpCase) -> Result<()> {
        let taken = self.short_names.len() + self.listing.slots.len() + self.listing.refused.len();
        if taken >= self.most {
            return Err(Error::Limit {
                place: self.place(),
                what: "entries",
                most: self.most as u64,
            });
        }
        let file_name = match FileName::parse(key) {
            Ok(file_name) => file_name,
            Err(fault) => return self.refuse(reference, Vec::new(), fault),
        };
        let parent = file_name.parent.number();
        if parent != self.listing.directory.number() {
            let name = to_vec(file_name.name);
            return self.refuse(reference, name, Fault::ForeignEntry(parent));
        }
        if reference.number() < FIRST_LISTED {
            return Ok(());
        }
        if !file_name.is_possible() {
            let name = to_vec(file_name.name);
            return self.refuse(reference, name, Fault::ImpossibleName);
        }
        let units = &mut self.listing.units;
        let start = units.len() as u32;
        units.extend(file_name.name.iter().map(|unit| unit.get()));
        let name = start..units.len() as u32;
        if file_name.space == NameSpace::Dos {
            self.short_names.push((reference, name));
            return Ok(());
        }
        if let Some(last) = self.listing.slots.last() {
            let (last, this) = (self.listing.units(&last.name), self.listing.units(&name));
            if upcase.compare(last, this) != Ordering::Less {
                self.listing.in_order = false;
            }
        }
        self.listing.slots.push(Slot {
            reference,
            fingerprint: file_name.fingerprint(),
            short: match file_name.space {
                NameSpace::Win32AndDos => name.clone(),
                _ => 0..0,
            },
            name,
            space: file_name.space,
        });
        Ok(())
    }

    /// Leaves an entry out. An index that has many such entries is not this directory's: it could be
    /// one that a thousand directories share, to keep the reader busy.
    fn refuse(&mut self, reference: FileReference, name: Vec<u16>, fault: Fault) -> Result<()> {
        let place = self.place();
        if self.listing.refused.len() >= self.most_refused {
            return Err(Error::Limit {
                place,
                what: "entries that make no sense",
                most: self.most_refused as u64,
            });
        }
        self.listing.refused.push(Refused {
            reference,
            name,
            error: fault.at(place),
        });
        Ok(())
    }

    fn finish(mut self) -> Listing {
        // A file has at most one short name in a directory; two contradict each other.
        sort_by(&mut self.short_names, |a, b| a.0.cmp(&b.0));
        for slot in &mut self.listing.slots {
            if slot.space == NameSpace::Win32 {
                let found = |from: usize| {
                    let short_name = self.short_names.get(from);
                    short_name.filter(|(reference, _)| *reference == slot.reference)
                };
                let first = self
                    .short_names
                    .partition_point(|(reference, _)| *reference < slot.reference);
                if let (Some((_, short)), None) = (found(first), found(first + 1)) {
                    slot.short = short.clone();
                }
            }
        }
        if !self.listing.in_order {
            self.refuse_duplicates();
        }
        self.listing
    }

    /// In an index that is in order no name is there twice.
    fn refuse_duplicates(&mut self) {
        let place = self.place();
        let mut seen = HashSet::new();
        self.listing.check(|entry| {
            if seen.insert(entry.name.to_vec()) {
                Ok(())
            } else {
                Err(Fault::DuplicateName.at(&place))
            }
        });
    }
}
