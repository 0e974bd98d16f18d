//! A place to restore files to.

use crate::Result;
use crate::image::{UnixData, Xattr};
use crate::time::FileTime;

/// A place to restore files to, contained under a root: no path given to it can lead outside, whatever
/// links stand in the way.
///
/// Paths are WTF-8, relative to the root, with `/` between components; the root is the empty path.
/// Parents are made before children. What is in the way of a file or link is replaced, never written
/// through. Methods may be called from several workers at once.
pub trait Target: Sync {
    /// Its name for messages.
    fn name(&self) -> String;

    /// Whether a file can have this name. By default what no system allows is refused.
    fn allows_name(&self, name: &[u8]) -> bool {
        !(name.is_empty()
            || name == b"."
            || name == b".."
            || name.iter().any(|&byte| matches!(byte, 0 | b'/')))
    }

    /// Bytes that can still be written, if the target can tell.
    fn free_space(&self) -> Option<u64> {
        None
    }

    /// Makes a directory; one that exists is kept.
    ///
    /// # Errors
    /// [`crate::ErrorKind::MakeDirectory`].
    fn make_directory(&self, path: &[u8]) -> Result<()>;

    /// Creates or replaces a regular file and opens it for writing.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Open`].
    fn create_file(&self, path: &[u8]) -> Result<Box<dyn TargetFile + '_>>;

    /// Gives the file at `existing` another name.
    ///
    /// # Errors
    /// [`crate::ErrorKind::MakeLink`].
    fn hard_link(&self, existing: &[u8], path: &[u8]) -> Result<()>;

    /// Makes a file with the data of the one at `existing`, where a hard link cannot be made: the file
    /// has too many already, or the file system knows none. False if the target has no way to do that;
    /// then nothing was done.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Open`], [`crate::ErrorKind::Write`].
    fn copy_file(&self, _existing: &[u8], _path: &[u8]) -> Result<bool> {
        Ok(false)
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// [`crate::ErrorKind::MakeLink`].
    fn symbolic_link(&self, target: LinkTarget<'_>, path: &[u8]) -> Result<()>;

    /// Makes a device node, FIFO or socket; [`Missed::SPECIAL`] if the user may not.
    ///
    /// # Errors
    /// [`crate::ErrorKind::MakeSpecial`].
    fn make_special(&self, unix: &UnixData, path: &[u8]) -> Result<Missed>;

    /// Sets what [`FileMetadata`] holds, without following links.
    ///
    /// # Errors
    /// One of the kinds that begin with `Set`, unless it can be told in the result.
    fn set_metadata(&self, path: &[u8], metadata: &FileMetadata<'_>) -> Result<Missed>;
}

/// Where a symbolic link leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkTarget<'a> {
    /// The text as it is.
    AsIs(&'a [u8]),
    /// Relative to the root of the target: the root's absolute path is put in front.
    UnderRoot(&'a [u8]),
}

/// A file being written. Several workers may write to it at once.
pub trait TargetFile: Send + Sync {
    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Write`].
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()>;

    /// Sets the size; what was not written reads as zeros.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Write`].
    fn set_len(&self, size: u64) -> Result<()>;

    /// Makes this file, which is empty, equal to `original`, if the target knows a way that is faster
    /// than writing the data again: by sharing it, or by copying within the file system. False if
    /// not; then nothing was done.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Write`].
    fn copy_from(&self, _original: &dyn TargetFile, _size: u64) -> Result<bool> {
        Ok(false)
    }

    /// The file of the operating system, for [`TargetFile::copy_from`] of the same target.
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        None
    }

    /// Sets what [`FileMetadata`] holds. Data is complete by then.
    ///
    /// # Errors
    /// As [`Target::set_metadata`].
    fn set_metadata(&self, metadata: &FileMetadata<'_>) -> Result<Missed>;
}

/// What is set when a file's data is complete.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileMetadata<'a> {
    /// DOS attributes; 0 if they are not to be set.
    pub attributes: u32,
    /// Creation, last access, last write.
    pub times: Option<[FileTime; 3]>,
    /// Owner, group and mode.
    pub unix: Option<UnixData>,
    /// Extended attributes.
    pub xattrs: &'a [Xattr],
}

bitflags::bitflags! {
    /// What of [`FileMetadata`] could not be set because the user may not, or because the file system
    /// has nothing like it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct Missed: u8 {
        /// Owner and group.
        const OWNER = 1;
        /// Some extended attribute.
        const XATTRS = 2;
        /// The mode, or some of its bits.
        const MODE = 4;
        /// A device node, FIFO or socket itself.
        const SPECIAL = 8;
    }
}
