//! File records: the entries of `$MFT`.
//!
//! Every file has a *base record* whose number is the file's identity. Attributes that do not fit
//! go into *extension records*, which name their base. A record number is used again after its file
//! was deleted; the sequence number tells the files apart, and a [`FileReference`] carries both.

use std::fmt;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::attribute::{self, Attribute};
use crate::error::Fault;
use crate::fixup;

/// A record number with the sequence number of the file it was given to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileReference(pub u64);

impl FileReference {
    /// The root directory, whatever its sequence number.
    pub const ROOT: Self = Self(5);

    /// Puts a reference together.
    #[must_use]
    pub fn new(number: u32, sequence: u16) -> Self {
        Self(u64::from(number) | u64::from(sequence) << 48)
    }

    /// The record number, 48 bits wide on the volume.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0 & 0xFFFF_FFFF_FFFF
    }

    /// The sequence number; 0 says that any will do.
    #[must_use]
    pub fn sequence(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// Checks the sequence number of a record against this reference.
    pub(crate) fn check(self, found: u16) -> Result<(), Fault> {
        let expected = self.sequence();
        if expected == 0 || expected == found {
            Ok(())
        } else {
            Err(Fault::Stale { expected, found })
        }
    }
}

impl fmt::Debug for FileReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.number(), self.sequence())
    }
}

/// The first bytes of a file record. Volumes older than Windows XP end at `next_id`, and the fix-up
/// array begins there.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    signature: [u8; 4],
    fix_up_offset: U16,
    fix_up_count: U16,
    log_sequence_number: U64,
    sequence: U16,
    links: U16,
    first_attribute: U16,
    flags: U16,
    used: U32,
    allocated: U32,
    base: U64,
    next_id: U16,
    reserved: U16,
    /// Only where the fix-up array begins behind it.
    number: U32,
}

const IN_USE: u16 = 1;
const DIRECTORY: u16 = 2;

/// The signature of a record.
pub(crate) const FILE: [u8; 4] = *b"FILE";

/// A file record whose fix-ups are undone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub sequence: u16,
    pub links: u16,
    /// Log sequence number of the last change.
    pub lsn: u64,
    /// 0 for a base record.
    pub base: FileReference,
    flags: u16,
    /// From the first attribute to the end of what is used.
    attributes: &'a [u8],
    /// Where `attributes` begins in the block.
    offset: usize,
}

impl<'a> Record<'a> {
    /// Undoes the fix-ups of `block` and reads its header.
    pub fn open(block: &'a mut [u8], number: u32) -> Result<Self, Fault> {
        fixup::undo(block, FILE)?;
        Self::parse(block, number)
    }

    /// Reads the header of a block whose fix-ups are undone.
    pub fn parse(block: &'a [u8], number: u32) -> Result<Self, Fault> {
        let (header, _) = Header::ref_from_prefix(block).map_err(|_| Fault::TooShort)?;
        let flags = header.flags.get();
        let has_number = usize::from(header.fix_up_offset.get()) >= size_of::<Header>();
        // Unused records may say anything.
        if has_number && flags & IN_USE != 0 && header.number.get() != number {
            return Err(Fault::OwnNumber(header.number.get()));
        }
        let allocated = header.allocated.get();
        if allocated as usize != block.len() {
            return Err(Fault::RecordAllocated(allocated));
        }
        let (used, first) = (header.used.get(), header.first_attribute.get());
        let offset = usize::from(first);
        let attributes = block
            .get(..used as usize)
            .and_then(|used| used.get(offset..))
            .filter(|_| offset % 8 == 0 && offset >= 40)
            .ok_or(Fault::RecordUsed { used, first })?;
        Ok(Self {
            sequence: header.sequence.get(),
            links: header.links.get(),
            lsn: header.log_sequence_number.get(),
            base: FileReference(header.base.get()),
            flags,
            attributes,
            offset,
        })
    }

    pub fn in_use(&self) -> bool {
        self.flags & IN_USE != 0
    }

    pub fn is_directory(&self) -> bool {
        self.flags & DIRECTORY != 0
    }

    pub fn is_base(&self) -> bool {
        self.base.0 == 0
    }

    /// Checks that this is the base record of a file in use.
    pub fn check_base(&self) -> Result<(), Fault> {
        if !self.in_use() {
            Err(Fault::NotInUse)
        } else if !self.is_base() {
            Err(Fault::IsExtension(self.base.number()))
        } else {
            Ok(())
        }
    }

    /// The attributes, each with its offset in the block. Ends after the first fault.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes {
            rest: Some(self.attributes),
            offset: self.offset,
            previous: 0,
        }
    }
}

/// Iterator over the attributes of a record.
pub(crate) struct Attributes<'a> {
    rest: Option<&'a [u8]>,
    offset: usize,
    previous: u32,
}

impl<'a> Attributes<'a> {
    fn step(&mut self, rest: &'a [u8]) -> Result<Option<(usize, Attribute<'a>)>, Fault> {
        let Some((kind, length)) = attribute::peek(rest)? else {
            return Ok(None);
        };
        if kind.0 < 0x10 || kind.0 < self.previous {
            return Err(Fault::AttributeOrder {
                kind: kind.0,
                previous: self.previous,
            });
        }
        let (bytes, behind) = rest.split_at(length);
        let attribute = Attribute::parse(bytes)?;
        let at = self.offset;
        self.previous = kind.0;
        self.offset += length;
        self.rest = Some(behind);
        Ok(Some((at, attribute)))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(usize, Attribute<'a>), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        self.step(rest).transpose()
    }
}

/// Reads again an attribute that a record iterator found at `offset`.
pub(crate) fn attribute_at(block: &[u8], offset: usize) -> Result<Attribute<'_>, Fault> {
    let rest = block.get(offset..).ok_or(Fault::NoEndMark)?;
    let (_, length) = attribute::peek(rest)?.ok_or(Fault::NoEndMark)?;
    Attribute::parse(&rest[..length])
}
