//! The blob table: 50 bytes for each blob.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 24 | resource header |
//! | 24 | 2 | part number |
//! | 26 | 4 | reference count |
//! | 30 | 20 | SHA-1 |
//!
//! Order as written: one entry per image with the METADATA flag (the n-th is image n), then blobs
//! that have a resource of their own by offset, then *solid runs*: the entry of each solid resource
//! followed by those of the blobs in it. In solid entries the fields of the resource header mean
//! something else:
//!
//! | | size | offset | uncompressed size |
//! |---|---|---|---|
//! | solid resource | of the resource in the file | in the file | [`SolidMarker::MAGIC`] |
//! | blob in it | uncompressed size of the blob | in the concatenated data of the run | 0 |
//!
//! A run is a longest sequence of solid entries; blob offsets count through the data of all its
//! resources in order. Solid entries exist only in files of version 0xe00.

use zerocopy::byteorder::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::resource::{RawResourceHeader, ResourceFlags, ResourceHeader};
use crate::hash::Sha1;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    /// Where the data lies.
    pub resource: ResourceHeader,
    /// Part of the split WIM that holds it.
    pub part: u16,
    /// References from all images.
    pub references: u32,
    /// SHA-1 of the data; zero for the entry of a solid resource.
    pub hash: Sha1,
}

/// How the entry of a solid resource is told from those of blobs.
#[derive(Clone, Copy, Debug)]
pub struct SolidMarker;

impl SolidMarker {
    /// The uncompressed size field of a solid resource's entry.
    pub const MAGIC: u64 = 0x1_0000_0000;
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    resource: RawResourceHeader,
    part: U16,
    references: U32,
    hash: Sha1,
}

impl BlobEntry {
    /// Bytes of an entry.
    pub const SIZE: usize = size_of::<Raw>();

    /// Decodes a table. Bytes that do not fill an entry are ignored.
    pub fn decode_all(table: &[u8]) -> impl Iterator<Item = BlobEntry> + '_ {
        table.chunks_exact(Self::SIZE).filter_map(|bytes| {
            let raw = Raw::ref_from_bytes(bytes).ok()?;
            Some(BlobEntry {
                resource: ResourceHeader::decode(&raw.resource),
                part: raw.part.get(),
                references: raw.references.get(),
                hash: raw.hash,
            })
        })
    }

    /// Appends the 50 bytes to a table.
    pub fn encode(&self, table: &mut Vec<u8>) {
        let raw = Raw {
            resource: self.resource.encode(),
            part: U16::new(self.part),
            references: U32::new(self.references),
            hash: self.hash,
        };
        table.extend_from_slice(raw.as_bytes());
    }

    /// Whether it belongs to a solid run.
    #[must_use]
    pub fn is_solid(&self) -> bool {
        self.resource.flags.contains(ResourceFlags::SOLID)
    }

    /// Whether it is the entry of a solid resource rather than of a blob in one.
    #[must_use]
    pub fn is_solid_resource(&self) -> bool {
        self.is_solid() && self.resource.uncompressed_size == SolidMarker::MAGIC
    }

    /// Whether it is the metadata of an image.
    #[must_use]
    pub fn is_metadata(&self) -> bool {
        self.resource.flags.contains(ResourceFlags::METADATA)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_fifty_bytes_and_come_back() {
        let entry = BlobEntry {
            resource: ResourceHeader {
                size: 7,
                flags: ResourceFlags::SOLID,
                offset: 9,
                uncompressed_size: SolidMarker::MAGIC,
            },
            part: 2,
            references: 4,
            hash: Sha1::of(b"x"),
        };
        let mut table = Vec::new();
        entry.encode(&mut table);
        entry.encode(&mut table);
        assert_eq!(table.len(), 2 * BlobEntry::SIZE);
        assert_eq!(BlobEntry::SIZE, 50);
        table.push(0);
        assert!(BlobEntry::decode_all(&table).all(|read| read == entry));
        assert!(entry.is_solid_resource() && !entry.is_metadata());
    }
}
