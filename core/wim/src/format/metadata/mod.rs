//! The metadata resource: the directory tree of an image.
//!
//! ```text
//! security data
//! root dentry, with its extra stream entries
//! 8 zero bytes: end of the list that holds the root
//! child lists, in pre-order of the tree
//! ```
//!
//! **Security data**: total length (4 bytes, a multiple of 8), number of descriptors (4), their sizes
//! (8 each), the descriptors, padding.
//!
//! **Dentry** (102 bytes, names, padding to 8, tagged items; then its extra stream entries, which its
//! length does not count):
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0x00 | 8 | length, a multiple of 8 |
//! | 0x08 | 4 | attributes |
//! | 0x0c | 4 | security id, −1 for none |
//! | 0x10 | 8 | offset of the child list, 0 if there is none |
//! | 0x18 | 16 | 0 |
//! | 0x28 | 24 | creation, last access, last write time |
//! | 0x40 | 20 | main hash |
//! | 0x54 | 4 | unknown |
//! | 0x58 | 8 | reparse point: tag (4), reserved (2), flags (2); else hard link group |
//! | 0x60 | 2 | number of extra stream entries |
//! | 0x62 | 2 | bytes of the short name |
//! | 0x64 | 2 | bytes of the name |
//! | 0x66 | | name and two zero bytes if not empty, short name likewise |
//!
//! **Extra stream entry**: length (8, a multiple of 8), 0 (8), SHA-1 (20), bytes of the name (2), name
//! and two zero bytes if not empty, padding.
//!
//! **Streams**: a file whose only stream is unnamed has its hash in the main hash. Otherwise the main
//! hash is zero and every stream has an extra entry: reparse data, unnamed data (not for
//! directories), named streams.
//!
//! **Child list**: the dentries of a directory, then 8 zero bytes; an empty directory has one too.
//!
//! **Hard links**: all names of a file have the same non-zero group number and repeat everything.

mod decode;
mod encode;

pub use decode::{Finding, decode};
pub use encode::{encode, encoded_size};

use zerocopy::byteorder::little_endian::{I32, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::hash::Sha1;

/// The fixed part of a dentry.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawDentry {
    length: U64,
    attributes: U32,
    security_id: I32,
    children: U64,
    reserved: [u8; 16],
    creation_time: U64,
    access_time: U64,
    write_time: U64,
    main_hash: Sha1,
    unknown: U32,
    /// Hard link group, or tag (low 32 bits), reserved and flags of the reparse point.
    group_or_reparse: U64,
    extra_streams: U16,
    short_name_size: U16,
    name_size: U16,
}

/// The fixed part of an extra stream entry.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawStream {
    length: U64,
    reserved: U64,
    hash: Sha1,
    name_size: U16,
}

const DENTRY_SIZE: usize = size_of::<RawDentry>();
const STREAM_SIZE: usize = size_of::<RawStream>();
const _: () = assert!(DENTRY_SIZE == 102 && STREAM_SIZE == 38);

/// Most UTF-16 units of a name: its size in bytes has a 16-bit field.
pub const MAX_NAME_UNITS: usize = 0x7FFE;
