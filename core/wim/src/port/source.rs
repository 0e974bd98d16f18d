//! A tree of files to capture.

use crate::image::{ReparseData, UnixData};
use crate::time::FileTime;
use crate::{Error, Result};

/// A source's own name for one of its files: any number that the source can find the file by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node(pub u64);

/// Which file this is, so that two names of one file can be recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub file: u64,
}

/// What to read besides what every entry has, because it costs time or is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Extended attributes.
    pub xattrs: bool,
    /// Security descriptors.
    pub security: bool,
    /// A security descriptor that cannot be read in full is an error.
    pub strict_security: bool,
}

/// A tree of files. Directories and streams are read by several workers at once.
///
/// A source follows its own root if that is a link, skips `.` and `..`, enters mount points, and
/// reports everything else as it is; the rules of capture are applied by [`crate::scan`].
pub trait Source: Sync {
    /// Its name for messages: the path the user gave.
    fn name(&self) -> String;

    /// The root's own entry (its name is empty).
    ///
    /// # Errors
    /// [`crate::ErrorKind::Stat`] if there is none.
    fn root(&self, wanted: Wanted) -> Result<EntryBatch>;

    /// The entries of a directory, in any order.
    ///
    /// # Errors
    /// [`crate::ErrorKind::OpenDirectory`]. Failures that concern a single entry do not end the
    /// call: they are [`EntryBatch::problems`].
    fn read_dir(&self, directory: Node, wanted: Wanted) -> Result<EntryBatch>;

    /// Opens stream number `stream` of a file, in the order of [`StreamInfo`]s; 0 is the unnamed
    /// data of an [`Entry`] that has it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Open`].
    fn open(&self, node: Node, stream: u32) -> Result<Box<dyn OpenStream + '_>>;

    /// If an absolute link target (UTF-16, with the source's own separators) leads into this source,
    /// the length in units of the prefix that is the root; `None` if it leads outside or cannot be
    /// examined.
    ///
    /// # Errors
    /// Only for failures that must end the capture.
    fn inside_root(&self, target: &[u16]) -> Result<Option<usize>>;

    /// A number that sorts streams into an order in which they are fast to read, such as their
    /// place on the medium. Equal numbers leave them in the order of the tree.
    fn locality(&self, _node: Node, _stream: u32) -> u64 {
        0
    }

    /// Whether a stream is better not read by turns with others, because the heads of a disk would have to move
    /// each time. Asked of large streams only.
    fn has_to_seek(&self, _node: Node, _stream: u32) -> bool {
        false
    }

    /// Tells that all that was wanted of the tree has been listed, so that whatever only listing
    /// needs can be let go before data is read. Another scan may still follow.
    fn listed(&self) {}
}

/// An open stream.
pub trait OpenStream: Send {
    /// Reads up to `buffer.len()` bytes at `offset`; zero only at the end.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Read`].
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize>;

    /// Size and time of the last change as they are now, to notice that the file is being changed;
    /// `None` where nothing can change.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Stat`].
    fn stamp(&mut self) -> Result<Option<Stamp>>;
}

/// Data in memory.
impl OpenStream for &[u8] {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let start = usize::try_from(offset).ok();
        let rest = start
            .and_then(|start| self.get(start..))
            .unwrap_or_default();
        let size = rest.len().min(buffer.len());
        buffer[..size].copy_from_slice(&rest[..size]);
        Ok(size)
    }

    fn stamp(&mut self) -> Result<Option<Stamp>> {
        Ok(None)
    }
}

/// What tells whether a file was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Size in bytes.
    pub size: u64,
    /// Last write.
    pub write_time: FileTime,
}

/// What a source gives for one directory: entries whose names stand in one arena.
#[derive(Clone, Debug, Default)]
pub struct EntryBatch {
    /// The names of all entries, one behind the other, as UTF-16 units.
    pub names: Vec<u16>,
    /// The entries.
    pub entries: Vec<Entry>,
    /// Entries that cannot be reported.
    pub problems: Vec<EntryProblem>,
    /// What the user should know of entries that are captured.
    pub warnings: Vec<EntryWarning>,
}

/// Something the user should know of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryWarning {
    /// Its name; empty for the directory itself.
    pub name: Vec<u16>,
    /// What it is about.
    pub text: String,
}

/// An entry of a directory that cannot be captured, and why.
#[derive(Debug)]
pub struct EntryProblem {
    /// Its name as far as it can be shown.
    pub name: Vec<u16>,
    /// What is wrong.
    pub error: Error,
}

impl Clone for EntryProblem {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            error: Error::new(self.error.kind(), self.error.to_string()),
        }
    }
}

/// One file, directory or link.
#[derive(Clone, Debug)]
pub struct Entry {
    /// To find it again.
    pub node: Node,
    /// End of its name in [`EntryBatch::names`]; it begins where the name before ends.
    pub name_end: u32,
    /// What it is.
    pub kind: Kind,
    /// Creation time.
    pub creation_time: FileTime,
    /// Last access.
    pub access_time: FileTime,
    /// Last write.
    pub write_time: FileTime,
    /// Which file it is. Needed where [`Entry::shared`] is set, and for directories to notice loops.
    pub identity: Option<FileIdentity>,
    /// The same file may be met again under another name.
    pub shared: bool,
    /// Size of the unnamed data in bytes; 0 where there is none.
    pub size: u64,
    /// Owner, group, mode and device, where the source has them.
    pub unix: Option<UnixData>,
    /// What few entries have.
    pub extra: Option<Box<Extra>>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory of a host without DOS attributes.
    Directory,
    /// A regular file of a host without DOS attributes.
    File {
        /// Whether it has holes.
        sparse: bool,
    },
    /// A symbolic link of a host without reparse points.
    Link(Box<Link>),
    /// A device node, FIFO or socket.
    Special,
    /// Anything on a Windows file system, described by [`WindowsMetadata`].
    Windows(Box<WindowsMetadata>),
}

/// A symbolic link of a POSIX system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The target as stored in the link, in UTF-16.
    pub target: Vec<u16>,
    /// Whether following it ends at a directory.
    pub to_directory: bool,
}

/// What a Windows file system knows of a file.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WindowsMetadata {
    /// Attributes as stored. The DIRECTORY bit decides whether it is one.
    pub attributes: u32,
    /// The DOS name that belongs to this name.
    pub short_name: Vec<u16>,
    /// The self-relative security descriptor; empty if there is none.
    pub security: std::sync::Arc<[u8]>,
    /// The reparse point.
    pub reparse: Option<ReparseData>,
    /// The file is encrypted and its data cannot be stored.
    pub unreadable_encryption: bool,
}

/// What few entries have.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Extra {
    /// Named streams; the n-th is opened as stream n + 1.
    pub named_streams: Vec<StreamInfo>,
    /// Extended attributes, sorted by name.
    pub xattrs: Vec<crate::image::Xattr>,
    /// Object id and birth ids (64 bytes).
    pub object_id: Option<[u8; 64]>,
}

/// A named stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// The bare name, in UTF-16.
    pub name: Vec<u16>,
    /// Size in bytes.
    pub size: u64,
}

impl EntryBatch {
    /// Appends an entry with a name.
    pub fn push(&mut self, name: impl IntoIterator<Item = u16>, mut entry: Entry) {
        self.names.extend(name);
        entry.name_end = self.names.len() as u32;
        self.entries.push(entry);
    }

    /// The entries with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u16], &Entry)> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let end = entry.name_end as usize;
            let name = self.names.get(start..end).unwrap_or_default();
            start = end;
            (name, entry)
        })
    }
}
