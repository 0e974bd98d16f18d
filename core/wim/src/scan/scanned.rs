//! What a scan is asked for and what it gives.

use super::config::CaptureConfig;
use super::glob::Case;
use super::links::OutsideLinks;
use super::overlay::Overlay;
use crate::archive::BlobId;
use crate::image::{ContentId, DentryId, Image};
use crate::port::{FileIdentity, Node, OnUnreadable, Wanted};
use crate::time::FileTime;

/// The form in which owner, group and mode of POSIX files are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UnixDataForm {
    /// Not at all; device nodes, FIFOs and sockets are left out.
    #[default]
    None,
    /// As a tagged item with the device number, beside extended attributes.
    Item,
    /// As the named stream of early wimlib versions: 16-bit owner, group and mode.
    Stream,
}

/// How sources are scanned.
#[derive(Clone, Debug, Default)]
pub struct ScanOptions {
    /// What is left out.
    pub config: CaptureConfig,
    /// Whether absolute links are made relative to the root, and what happens to those that lead
    /// outside. Links of sources that do not become the root stay as they are.
    pub fix_links: Option<OutsideLinks>,
    /// Owner, group and mode.
    pub unix_data: UnixDataForm,
    /// What sources are asked for.
    pub wanted: Wanted,
    /// Entries that cannot be read.
    pub on_unreadable: OnUnreadable,
    /// Files that are passed over, such as the archive being written.
    pub pass_over: Vec<FileIdentity>,
    /// Several sources may lead to the same files, which then are hard links of each other; so the
    /// identity of every file is remembered.
    pub overlapping: bool,
    /// A file that two sources provide.
    pub overlay: Overlay,
    /// How names are compared where sources meet.
    pub case: Case,
    /// The time of directories that no source provides.
    pub now: FileTime,
    /// For reproducible archives: no file time is later than this, and access times are those of the
    /// last write.
    pub latest_time: Option<FileTime>,
}

/// Where data that is still to be read comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A stream of a source.
    Source {
        /// Which source, in the order in which they were scanned.
        source: u16,
        /// Which stream.
        stream: u16,
        /// Which file.
        node: Node,
    },
    /// Bytes that the scan itself made, such as reparse data.
    Inline {
        /// Their place in [`Scanned::inline`].
        start: u64,
    },
    /// A blob of another archive.
    Blob {
        /// Which archive, of those that data is taken from.
        archive: u16,
        /// Which blob of it.
        id: BlobId,
    },
}

/// Data that is still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// What it is for.
    pub content: ContentId,
    /// One of the names of its file.
    pub dentry: DentryId,
    /// Where it comes from.
    pub origin: Origin,
}

/// The result of a scan.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The tree.
    pub image: Image,
    /// Data to be read, in the order of the tree or that in which its source is fast to read.
    pub pending: Vec<Pending>,
    /// Data that needs not be read.
    pub inline: Vec<u8>,
    /// Entries that were left out because they could not be read.
    pub skipped: u64,
    /// Bytes of all streams.
    pub bytes: u64,
    /// Names that are not directories.
    pub files: u64,
    /// Directories.
    pub directories: u64,
}
