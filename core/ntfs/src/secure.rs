//! `$Secure`: each security descriptor of the volume once, by number.
//!
//! The stream `$SDS` has the descriptors, each behind a header of 20 bytes, at multiples of 16. It is
//! cut into blocks of 256 KiB, of which every second repeats the one before it. The index `$SII`
//! finds an entry by its number, `$SDH` by its hash; both hold a copy of the entry's header.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::attribute::AttributeType;
use crate::error::{At as _, Error, Fault, Place, Result};
use crate::file::File;
use crate::index::{Index, Rules};
use crate::name::ascii;
use crate::stream::Stream;
use wimforge_core::order::sort_by;

/// The record of `$Secure`; of another file on volumes older than Windows 2000.
pub(crate) const SECURE: u32 = 9;

const SDS: [u16; 4] = ascii(b"$SDS");
const SII: [u16; 4] = ascii(b"$SII");
const SDH: [u16; 4] = ascii(b"$SDH");

/// `$SII` is ordered by the number.
const BY_ID: Rules = Rules {
    kind: 0,
    collation: 0x10,
};
/// `$SDH` is ordered by hash, then number.
const BY_HASH: Rules = Rules {
    kind: 0,
    collation: 0x12,
};

/// Bytes of a block of `$SDS`; the copy of an entry is as far behind it.
const BLOCK: u64 = 256 << 10;

/// The header of an entry in `$SDS` and the data of both indexes.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    hash: U32,
    id: U32,
    offset: U64,
    /// With this header.
    length: U32,
}

const HEADER: usize = size_of::<Header>();

/// Where a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    id: u32,
    hash: u32,
    offset: u64,
    length: u32,
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, _) = Header::ref_from_prefix(bytes).ok()?;
        Some(Self {
            id: header.id.get(),
            hash: header.hash.get(),
            offset: header.offset.get(),
            length: header.length.get(),
        })
    }

    fn is_possible(&self, most: u64) -> bool {
        let length = u64::from(self.length);
        length > HEADER as u64
            && length - HEADER as u64 <= most
            && self.offset.is_multiple_of(16)
            && (self.offset / BLOCK).is_multiple_of(2)
            && self.offset % BLOCK + length <= BLOCK
    }
}

/// The descriptors of a volume.
pub(crate) struct Secure {
    descriptors: Stream,
    /// By number.
    entries: Vec<Entry>,
    most: u64,
}

impl Secure {
    /// Reads the index, by hash if the one by number is damaged; the error tells of the latter.
    /// `None` if the file has no descriptors, as before Windows 2000.
    pub fn load(file: &File) -> Result<Option<(Self, Option<Error>)>> {
        let Some(descriptors) = file.open(AttributeType::DATA, &SDS)? else {
            return Ok(None);
        };
        let (entries, error) = match read_index(file, &SII, BY_ID) {
            Ok(entries) => (entries, None),
            Err(error) => match read_index(file, &SDH, BY_HASH) {
                Ok(entries) => (entries, Some(error)),
                Err(_) => return Err(error),
            },
        };
        let secure = Self {
            descriptors,
            entries,
            most: file.context().limits.descriptor,
        };
        Ok(Some((secure, error)))
    }

    /// Number of descriptors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The descriptor with a number; of its two copies the first that is whole.
    pub fn descriptor(&self, id: u32) -> Result<Vec<u8>> {
        let place = Place::attribute(SECURE, AttributeType::DATA, &SDS);
        let found = self.entries.binary_search_by_key(&id, |entry| entry.id);
        let entry = match found {
            Ok(index) => self.entries[index],
            Err(_) => return Err(Fault::NoSecurityId(id).at(place)),
        };
        if !entry.is_possible(self.most) {
            return Err(Fault::SecurityEntry(id).at(place));
        }
        let mut data = vec![0; entry.length as usize];
        for offset in [entry.offset, entry.offset + BLOCK] {
            if self.descriptors.read_exact(offset, &mut data).is_ok()
                && Entry::parse(&data) == Some(entry)
                && hash(&data[HEADER..]) == entry.hash
            {
                data.drain(..HEADER);
                return Ok(data);
            }
        }
        Err(Fault::SecurityEntry(id).at(place))
    }
}

fn read_index(file: &File, name: &[u16], rules: Rules) -> Result<Vec<Entry>> {
    let place = || Place::attribute(SECURE, AttributeType::INDEX_ROOT, name);
    let mut entries = Vec::new();
    Index::open(file, name, rules)?.walk(|found| {
        let size = found.data.len() as u64;
        let entry = Entry::parse(found.data).ok_or(Fault::ValueSize(size));
        entries.push(entry.at(place())?);
        Ok(())
    })?;
    sort_by(&mut entries, |a, b| a.id.cmp(&b.id));
    Ok(entries)
}

/// The hash of a descriptor: its words, added and rotated. Bytes behind the last word do not count.
#[must_use]
pub fn hash(descriptor: &[u8]) -> u32 {
    descriptor.chunks_exact(4).fold(0u32, |hash, word| {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        hash.rotate_left(3).wrapping_add(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn possible_places() {
        let entry = |offset, length| Entry {
            id: 256,
            hash: 0,
            offset,
            length,
        };
        let possible = |offset, length| entry(offset, length).is_possible(BLOCK);
        assert!(possible(0, 21));
        assert!(!possible(0, 20));
        assert!(!possible(8, 100));
        assert!(possible(2 * BLOCK, 0x40000));
        assert!(!possible(BLOCK, 100));
        assert!(!possible(BLOCK - 16, 100));
        assert!(!possible(u64::MAX - 15, 100));
        assert!(!entry(0, 200).is_possible(100));
    }

    #[test]
    fn the_hash_rotates() {
        assert_eq!(hash(&[1, 0, 0, 0, 2, 0, 0, 0, 9]), 10);
        assert_eq!(hash(&[0, 0, 0, 0x80, 0, 0, 0, 0]), 4);
    }
}
