//! What the command line asks of its host.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wimforge_core::Result;
use wimforge_core::format::Guid;
use wimforge_core::port::{Feed, FileIdentity, Sink, Source, Storage, Target, Workers};
use wimforge_core::text::BadNames;
use wimforge_core::time::FileTime;

/// The operating system, or what stands for it.
pub trait Host: Sync {
    /// Standard output and error.
    fn console(&self) -> &dyn Console;

    /// What is different here from what the help says, to be added to it.
    fn notes(&self) -> &str {
        ""
    }

    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<OsString>;

    /// The time now.
    fn now(&self) -> FileTime;

    /// Sixteen random bytes.
    ///
    /// # Errors
    /// If the host has none.
    fn random_guid(&self) -> Result<Guid>;

    /// So many workers; as many as make sense for 0.
    fn workers(&self, threads: usize) -> Box<dyn Workers>;

    /// Whether the user wants to stop.
    fn cancelled(&self) -> bool;

    /// What is to be captured: a directory, or an NTFS volume in a regular file or on a block device.
    ///
    /// # Errors
    /// If it cannot be opened or is of another kind.
    fn open_source(&self, path: &Path, options: SourceOptions) -> Result<OpenedSource>;

    /// Describes a file that is no archive but perhaps a volume or a disk; `None` if it is nothing
    /// that is known.
    ///
    /// # Errors
    /// If it is damaged or cannot be read.
    fn describe(&self, path: &Path, partition: Option<u32>) -> Result<Option<Described>>;

    /// A directory to restore to, made if it is missing; what becomes of names that cannot be had here.
    ///
    /// # Errors
    /// If it cannot be made or opened.
    fn open_target(&self, path: &Path, bad_names: BadNames) -> Result<Box<dyn Target>>;

    /// An archive to be read.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn open_archive(&self, path: &Path) -> Result<OpenedArchive>;

    /// An archive to be modified in place, locked.
    ///
    /// # Errors
    /// If it cannot be opened for writing, or is locked.
    fn modify_archive(&self, path: &Path) -> Result<OpenedArchive>;

    /// A new archive; what is at `path` stays until [`NewArchive::commit`].
    ///
    /// # Errors
    /// If nothing can be created there, or what is there is locked.
    fn create_archive(&self, path: &Path, lock: Lock) -> Result<Box<dyn NewArchive>>;

    /// Standard input, as data.
    ///
    /// # Errors
    /// If there is none.
    fn stdin(&self) -> Result<Box<dyn Feed>>;

    /// Standard output, as a place for data. Nothing else is to be written there then.
    ///
    /// # Errors
    /// If there is none.
    fn stdout(&self) -> Result<Box<dyn Sink>>;

    /// What is at `path`, if it can only be written in sequence: a pipe or a character device.
    ///
    /// # Errors
    /// If it is such a thing but cannot be opened.
    fn open_sink(&self, path: &Path) -> Result<Option<Box<dyn Sink>>>;

    /// The files that a pattern with `*`, `?` or `[…]` stands for, sorted; the pattern itself if it
    /// matches nothing or has none of these.
    ///
    /// # Errors
    /// If it is malformed or a directory cannot be read.
    fn expand(&self, pattern: &Path) -> Result<Vec<PathBuf>> {
        Ok(vec![pattern.to_owned()])
    }

    /// Whether there is a directory at `path`.
    fn is_directory(&self, _path: &Path) -> bool {
        false
    }

    /// Whether there is a file at `path`.
    fn exists(&self, path: &Path) -> bool;

    /// A whole small file, such as a configuration.
    ///
    /// # Errors
    /// If it cannot be read or has more than `limit` bytes.
    fn read_file(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// Writes a whole small file.
    ///
    /// # Errors
    /// If it cannot be written.
    fn write_file(&self, path: &Path, data: &[u8]) -> io::Result<()>;
}

/// Who holds the lock on the file that a new archive replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Nobody yet: it is to be taken.
    Take,
    /// The caller, through [`Host::modify_archive`].
    Held,
}

/// What the path of a source may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SourceKind {
    /// A directory, or a file or block device that holds an NTFS volume. Links are followed.
    #[default]
    TreeOrVolume,
    /// A directory. Links are followed.
    Tree,
    /// Anything, as it is: a link is a link, a file is a file.
    Anything,
}

/// How a source is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct SourceOptions {
    /// What it may be.
    pub kind: SourceKind,
    /// Follow symbolic links.
    pub dereference: bool,
    /// Names that are not UTF-8.
    pub bad_names: BadNames,
    /// On an NTFS volume, show files that the system compressed as Windows shows them.
    pub decode_system_compression: bool,
    /// Number of the partition that is the volume.
    pub partition: Option<u32>,
}

/// A source that was opened.
pub struct OpenedSource {
    /// Its tree.
    pub source: Box<dyn Source>,
    /// If it is an NTFS volume.
    pub volume: Option<VolumeFacts>,
}

/// What to know of a volume besides its tree.
#[derive(Clone, Debug, Default)]
pub struct VolumeFacts {
    /// What the user should be told.
    pub warnings: Vec<String>,
    /// Windows is hibernated on it, or was shut down by fast startup.
    pub hibernated: bool,
    /// The file or device that holds it, which must not be written over.
    pub identity: Option<FileIdentity>,
}

/// A volume or a disk in words.
#[derive(Clone, Debug, Default)]
pub struct Described {
    /// Lines of text.
    pub text: String,
    /// What the user should be told besides.
    pub warnings: Vec<String>,
}

/// An archive that was opened.
pub struct OpenedArchive {
    /// Its bytes.
    pub storage: Arc<dyn Storage + Send>,
    /// Which file it is, where the host can tell.
    pub identity: Option<FileIdentity>,
}

/// An archive being written, which has no name before it is complete. Dropped, it leaves nothing.
pub trait NewArchive {
    /// To write to.
    fn storage(&self) -> &dyn Storage;

    /// Files that must not be captured: itself and the one that it replaces.
    fn identities(&self) -> Vec<FileIdentity>;

    /// Gives it its name, in place of what had it before.
    ///
    /// # Errors
    /// If that fails; what was there before is still there then.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// Standard output and error.
pub trait Console: Sync {
    /// Writes to standard output.
    ///
    /// # Errors
    /// If that is closed.
    fn out(&self, text: &[u8]) -> io::Result<()>;

    /// Writes to standard error, as far as that is possible.
    fn err(&self, text: &str);

    /// A line that can be redrawn, if a person is watching.
    fn bar(&self) -> Option<&dyn Bar>;
}

/// A progress display.
pub trait Bar: Sync {
    /// Shows how far something is. `bytes` says that the numbers are bytes.
    fn show(&self, label: &str, done: u64, total: u64, bytes: bool);

    /// Takes it away.
    fn clear(&self);
}
