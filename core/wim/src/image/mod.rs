//! The directory tree of an image, in memory.
//!
//! A tree of a million files must fit in a few hundred bytes each, so it is held in arenas: dentries
//! (names), inodes (files), streams, contents and text, each a vector, referring to each other by
//! 32-bit numbers. Names are WTF-8 (see [`crate::text`]).
//!
//! A *dentry* is a name in a directory; an *inode* is the file it names. Hard links are dentries with
//! the same inode. An inode has *streams* (unnamed data, named data, reparse data), each with a
//! *content*: a hash and a size.

mod attributes;
pub mod collation;
pub mod diff;
pub mod items;
mod numbers;
pub mod path;
mod records;
mod reparse;
mod security;
mod tree;
mod walk;

pub use attributes::FileAttributes;
pub use items::{UnixData, Xattr};
pub use numbers::ImageNumbers;
pub use records::{
    Content, ContentId, Dentry, DentryId, Inode, InodeId, NameRef, Stream, StreamKind, UNKNOWN_SIZE,
};
pub use reparse::{
    MAX_DATA as MAX_REPARSE_DATA, NOT_FIXED, PosixTarget, ReparseData, TAG_DEDUP, TAG_MOUNT_POINT,
    TAG_SYMLINK, TAG_WOF, decode_link, encode_link,
};
pub use security::{SecurityId, SecurityTable};
pub use tree::Image;
pub use walk::Walk;
