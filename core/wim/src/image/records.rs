//! What the arenas of an image hold, and the numbers that it is known by.

use super::{FileAttributes, SecurityId};
use crate::hash::Sha1;
use crate::time::FileTime;

/// A name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DentryId(pub(super) u32);

/// A file, whatever its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InodeId(pub(super) u32);

/// A piece of data that streams refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(pub(super) u32);

impl ContentId {
    /// No data at all.
    pub const EMPTY: ContentId = ContentId(0);

    /// As a vector index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl DentryId {
    /// As a vector index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl InodeId {
    /// As a vector index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Text in the image's arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NameRef {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl NameRef {
    /// Whether it is the empty name.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Dentry {
    /// The name; empty for the root.
    pub name: NameRef,
    /// The file it names.
    pub inode: InodeId,
    pub(super) parent: u32,
    pub(super) children_start: u32,
    pub(super) children_len: u32,
}

/// A file.
#[derive(Clone, Debug, Default)]
pub struct Inode {
    /// DOS attributes.
    pub attributes: FileAttributes,
    /// Security descriptor.
    pub security: SecurityId,
    /// Creation time.
    pub creation_time: FileTime,
    /// Last access.
    pub access_time: FileTime,
    /// Last write.
    pub write_time: FileTime,
    /// The field at 0x54 of the dentry, whose meaning is unknown; kept.
    pub unknown: u32,
    /// Reparse tag, if the attributes say that it is a reparse point.
    pub reparse_tag: u32,
    /// Reserved field of the reparse point.
    pub reparse_reserved: u16,
    /// Reparse flags; see [`super::NOT_FIXED`].
    pub reparse_flags: u16,
    /// Number of names.
    pub names: u32,
    pub(crate) streams_start: u32,
    pub(crate) streams_len: u32,
    pub(crate) items_start: u32,
    pub(crate) items_len: u32,
}

/// What a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// The data of the reparse point.
    Reparse,
    /// Unnamed data.
    Data,
    /// Data with a name.
    Named,
    /// Raw data of an encrypted file.
    Encrypted,
}

/// A stream of a file.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// What it is.
    pub kind: StreamKind,
    /// Its name, for [`StreamKind::Named`].
    pub name: NameRef,
    /// Its data.
    pub content: ContentId,
}

/// Data known by hash and size. While an image is being captured the hash is zero until the data
/// has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// SHA-1; zero for empty data.
    pub hash: Sha1,
    /// Bytes, or [`UNKNOWN_SIZE`] where only the blob table knows.
    pub size: u64,
}

/// See [`Content::size`].
pub const UNKNOWN_SIZE: u64 = u64::MAX;
