//! Resources: where a piece of data lies in the file and how it is cut into chunks.
//!
//! # Resource header (24 bytes)
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 7 | size in the file |
//! | 7 | 1 | flags ([`ResourceFlags`]) |
//! | 8 | 8 | offset in the file |
//! | 16 | 8 | uncompressed size |
//!
//! # Compressed resource
//!
//! The data is cut into chunks of the file's chunk size (the last may be shorter), each compressed on
//! its own or stored as it is if compression does not make it smaller: a stored size equal to the
//! chunk's size says so. In front stands the *chunk table*: the start of each chunk but the first,
//! relative to the end of the table, as 4-byte numbers, or 8-byte ones if the uncompressed size is
//! above 0xFFFFFFFF. One chunk: no table. In a pipable file the table stands behind the chunks
//! instead, every chunk is preceded by its stored size (4 bytes, not counted by the table), and the
//! whole resource by a [`PipableHeader`].
//!
//! # Solid resource
//!
//! Several blobs, concatenated and compressed together: a [`SolidHeader`], then 4 bytes for each
//! chunk (all of them) with its stored size, then the chunks. It has its own chunk size and type.

use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::hash::Sha1;
use crate::{Error, ErrorKind, Result};

bitflags::bitflags! {
    /// Flags of a resource.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct ResourceFlags: u8 {
        /// Unused; never written.
        const FREE = 0x01;
        /// A metadata resource; also set for the blob table and the XML data.
        const METADATA = 0x02;
        /// Divided into chunks.
        const COMPRESSED = 0x04;
        /// Continued in another part; never written.
        const SPANNED = 0x08;
        /// A solid resource, or a blob in one.
        const SOLID = 0x10;
        /// Unknown bits are kept.
        const _ = !0;
    }
}

/// Where a resource lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct ResourceHeader {
    /// Bytes in the file.
    pub size: u64,
    /// Its flags.
    pub flags: ResourceFlags,
    /// Offset in the file.
    pub offset: u64,
    /// Bytes when uncompressed.
    pub uncompressed_size: u64,
}

/// The 24 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RawResourceHeader {
    /// Low 56 bits: size; high 8 bits: flags.
    size_and_flags: U64,
    offset: U64,
    uncompressed_size: U64,
}

/// The largest size that fits the 56-bit field.
pub const MAX_STORED_SIZE: u64 = (1 << 56) - 1;

impl ResourceHeader {
    /// Data that is stored as it is.
    #[must_use]
    pub const fn raw(offset: u64, size: u64) -> Self {
        Self {
            size,
            flags: ResourceFlags::empty(),
            offset,
            uncompressed_size: size,
        }
    }

    /// Decodes the 24 bytes.
    #[must_use]
    pub fn decode(raw: &RawResourceHeader) -> Self {
        let word = raw.size_and_flags.get();
        Self {
            size: word & MAX_STORED_SIZE,
            flags: ResourceFlags::from_bits_retain((word >> 56) as u8),
            offset: raw.offset.get(),
            uncompressed_size: raw.uncompressed_size.get(),
        }
    }

    /// Encodes the 24 bytes.
    #[must_use]
    pub fn encode(&self) -> RawResourceHeader {
        let word = (self.size & MAX_STORED_SIZE) | u64::from(self.flags.bits()) << 56;
        RawResourceHeader {
            size_and_flags: U64::new(word),
            offset: U64::new(self.offset),
            uncompressed_size: U64::new(self.uncompressed_size),
        }
    }

    /// Whether there is no such resource.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.size == 0 && self.uncompressed_size == 0
    }

    /// The offset of the first byte behind it, or `None` if that overflows.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.size)
    }

    /// Whether it is divided into chunks.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.flags.contains(ResourceFlags::COMPRESSED)
    }
}

/// The 40 bytes in front of every resource of a pipable file, the integrity table excepted.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PipableHeader {
    magic: U64,
    /// Uncompressed size of the resource that follows.
    pub uncompressed_size: U64,
    /// SHA-1 of its uncompressed data.
    pub hash: Sha1,
    /// Its [`ResourceFlags`].
    pub flags: U32,
}

/// First field of [`PipableHeader`].
const PIPABLE_MAGIC: u64 = 0x2b9b_9ba2_443d_b9d8;

impl PipableHeader {
    /// Bytes in front of a resource.
    pub const SIZE: u64 = 40;

    /// For a resource.
    #[must_use]
    pub fn new(uncompressed_size: u64, hash: Sha1, flags: ResourceFlags) -> Self {
        Self {
            magic: U64::new(PIPABLE_MAGIC),
            uncompressed_size: U64::new(uncompressed_size),
            hash,
            flags: U32::new(u32::from(flags.bits())),
        }
    }

    /// Whether the magic number is right.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.magic.get() == PIPABLE_MAGIC
    }
}

/// The 16 bytes at the start of a solid resource.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SolidHeader {
    /// Uncompressed size of all blobs together.
    pub uncompressed_size: U64,
    /// Chunk size in bytes.
    pub chunk_size: U32,
    /// Number of the compression type, see [`super::Compression::number`].
    pub compression: U32,
}

impl SolidHeader {
    /// Bytes in the file.
    pub const SIZE: u64 = 16;
}

/// The shape of a chunked resource: how many chunks of what size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunking {
    /// Uncompressed bytes in all.
    pub total: u64,
    /// Bytes of every chunk but the last.
    pub chunk_size: u32,
}

impl Chunking {
    /// Number of chunks.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.total.div_ceil(u64::from(self.chunk_size))
    }

    /// Uncompressed size of chunk `index`.
    #[must_use]
    pub fn chunk_len(&self, index: u64) -> u32 {
        let start = index * u64::from(self.chunk_size);
        self.total
            .saturating_sub(start)
            .min(u64::from(self.chunk_size)) as u32
    }

    /// Bytes of an entry in the chunk table of a stand-alone resource.
    #[must_use]
    pub fn entry_size(&self) -> usize {
        if self.total > u64::from(u32::MAX) {
            8
        } else {
            4
        }
    }

    /// Bytes of the chunk table of a stand-alone resource.
    #[must_use]
    pub fn table_size(&self) -> u64 {
        self.count().saturating_sub(1) * self.entry_size() as u64
    }

    /// Appends a chunk table entry.
    pub fn push_entry(&self, table: &mut Vec<u8>, start: u64) {
        table.extend_from_slice(&start.to_le_bytes()[..self.entry_size()]);
    }

    /// Decodes the chunk table of a stand-alone resource to the stored sizes of all chunks.
    /// `stored` is the number of bytes that all chunks together have in the file.
    ///
    /// # Errors
    /// [`ErrorKind::Decompression`] if starts do not rise, or a chunk is empty or larger than its
    /// uncompressed size.
    pub fn decode_table(&self, table: &[u8], stored: u64) -> Result<Vec<u32>> {
        let mut sizes = Vec::with_capacity(table.len() / self.entry_size() + 1);
        let mut start = 0u64;
        let starts = table.chunks_exact(self.entry_size()).map(|entry| {
            let mut bytes = [0; 8];
            bytes[..entry.len()].copy_from_slice(entry);
            u64::from_le_bytes(bytes)
        });
        for next in starts.chain(std::iter::once(stored)) {
            let most = self.chunk_len(sizes.len() as u64);
            match next.checked_sub(start) {
                Some(size) if 1 <= size && size <= u64::from(most) => sizes.push(size as u32),
                _ => {
                    return Err(Error::new(
                        ErrorKind::Decompression,
                        format!("chunk {} has an impossible size", sizes.len()),
                    ));
                }
            }
            start = next;
        }
        Ok(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_round_trip() {
        let header = ResourceHeader {
            size: 0x12_3456_789A_BCDE,
            flags: ResourceFlags::COMPRESSED | ResourceFlags::METADATA,
            offset: 208,
            uncompressed_size: u64::MAX,
        };
        let raw = header.encode();
        assert_eq!(raw.as_bytes()[7], 0x06);
        assert_eq!(ResourceHeader::decode(&raw), header);
    }

    #[test]
    fn chunk_tables() {
        let small = Chunking {
            total: 70_000,
            chunk_size: 32768,
        };
        assert_eq!(
            (small.count(), small.table_size(), small.chunk_len(2)),
            (3, 8, 4464)
        );
        let table = [10u32.to_le_bytes(), 32778u32.to_le_bytes()].concat();
        assert_eq!(small.decode_table(&table, 32780).unwrap(), [10, 32768, 2]);
        assert!(
            small.decode_table(&table, 32778).is_err(),
            "empty last chunk"
        );
        assert!(
            small.decode_table(&table, 40000).is_err(),
            "last chunk too large"
        );
        let large = Chunking {
            total: 1 << 32,
            chunk_size: 32768,
        };
        assert_eq!(large.table_size(), (131_072 - 1) * 8);
        let exact = Chunking {
            total: 0xFFFF_FFFF,
            chunk_size: 32768,
        };
        assert_eq!(exact.entry_size(), 4);
    }
}
