//! A place to restore files to.

use crate::Result;
use crate::image::{UnixData, Xattr};
use crate::time::FileTime;

/// A place to restore files to, contained under a root: no path given to it can lead outside.
///
/// Paths are WTF-8, relative to the root, with `/` between components; the root is the empty path.
/// Parents are made before children. Methods may be called from several workers at once.
pub trait Target: Sync {
    /// Its name for messages.
    fn name(&self) -> String;

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

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// [`crate::ErrorKind::MakeLink`].
    fn symbolic_link(&self, target: LinkTarget<'_>, path: &[u8]) -> Result<()>;

    /// Makes a device node, FIFO or socket.
    ///
    /// # Errors
    /// [`crate::ErrorKind::MakeSpecial`].
    fn make_special(&self, unix: &UnixData, path: &[u8]) -> Result<()>;

    /// Sets what [`FileMetadata`] holds, without following links.
    ///
    /// # Errors
    /// One of the kinds that begin with `Set`.
    fn set_metadata(&self, path: &[u8], metadata: &FileMetadata<'_>) -> Result<()>;
}

/// Where a symbolic link leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkTarget<'a> {
    /// The text as it is.
    AsIs(&'a [u8]),
    /// Relative to the root of the target: the root's absolute path is put in front.
    UnderRoot(&'a [u8]),
}

/// A file being written.
pub trait TargetFile: Send {
    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Write`].
    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<()>;

    /// Sets the size; what was not written reads as zeros.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Write`].
    fn set_len(&mut self, size: u64) -> Result<()>;
}

/// What is set when a file's data is complete.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileMetadata<'a> {
    /// DOS attributes.
    pub attributes: u32,
    /// Creation, last access, last write.
    pub times: Option<[FileTime; 3]>,
    /// Owner, group and mode.
    pub unix: Option<UnixData>,
    /// Extended attributes.
    pub xattrs: &'a [Xattr],
}
