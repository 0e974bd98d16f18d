//! What happens, told to whoever is watching.

use crate::Error;

/// The long-running parts of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Walking a source.
    Scan,
    /// Reading file data to hash it, before anything is written.
    Hash,
    /// Writing file data.
    Write,
    /// Computing an integrity table.
    Integrity,
    /// Comparing a file with its integrity table.
    VerifyIntegrity,
    /// Checking metadata resources.
    VerifyMetadata,
    /// Checking file data.
    VerifyData,
    /// Making files and directories.
    CreateFiles,
    /// Writing file data to a target.
    ExtractData,
    /// Setting attributes, times and the like.
    ApplyMetadata,
}

/// What [`Event::Progress`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Files, directories or images.
    Items,
}

/// Something that happened. Paths are WTF-8 with slashes.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A phase begins, or goes on: `done` of `total`. `total` may shrink when data turns out not to
    /// be needed.
    Progress {
        /// Which.
        phase: Phase,
        /// Of what.
        unit: Unit,
        /// So far.
        done: u64,
        /// At the end, as far as is known.
        total: u64,
    },
    /// A phase is complete.
    Finished {
        /// Which.
        phase: Phase,
    },
    /// A source is about to be scanned.
    ScanBegin {
        /// The source as the user named it.
        source: &'a str,
        /// Where it goes in the image; empty for the root.
        target: &'a [u8],
    },
    /// Counters of the scan.
    Scanned {
        /// Bytes of all streams.
        bytes: u64,
        /// Names that are not directories.
        files: u64,
        /// Directories, the root included.
        directories: u64,
    },
    /// An entry is about to be examined.
    Visit {
        /// Its path, with the source's name in front.
        path: &'a [u8],
    },
    /// An entry is left out because of a pattern.
    Excluded {
        /// Its path, with the source's name in front.
        path: &'a [u8],
    },
    /// An entry is left out because it is of a kind that cannot be stored.
    Unsupported {
        /// Its path, with the source's name in front.
        path: &'a [u8],
        /// What it is.
        what: &'a str,
    },
    /// The target of an absolute link was made relative to the root of the image.
    LinkAdjusted {
        /// Its path, with the source's name in front.
        path: &'a [u8],
    },
    /// A link is left out because its absolute target lies outside of the tree.
    LinkOutside {
        /// Its path, with the source's name in front.
        path: &'a [u8],
        /// The target, WTF-8.
        target: &'a [u8],
    },
    /// A later source replaces a file of an earlier one.
    Replaced {
        /// Path in the image.
        path: &'a [u8],
    },
    /// A file is about to be compared with its integrity table.
    VerifyBegin {
        /// Its name.
        file: &'a str,
    },
    /// Compression is about to begin.
    Compressing {
        /// Name of the compression type.
        format: &'a str,
        /// Number of workers.
        threads: usize,
    },
    /// A file could not be read and was left out.
    Skipped {
        /// Its path.
        path: &'a [u8],
        /// Why.
        error: &'a Error,
    },
    /// Anything else that the user should know.
    Warning(&'a str),
    /// Why the archive does not say something of an image, for whoever looks for the cause.
    Remark(&'a str),
}

/// What to do with a file that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnUnreadable {
    /// End the operation.
    #[default]
    Fail,
    /// Leave the file out, report it, go on.
    Skip,
}

/// Receives events and may stop the operation.
pub trait Observer: Sync {
    /// Something happened. Called from the thread that drives the operation.
    fn event(&self, event: &Event<'_>);

    /// Whether the user wants to stop. Asked often; the operation then ends with
    /// [`crate::ErrorKind::Cancelled`] and undoes what it has begun.
    fn cancelled(&self) -> bool {
        false
    }
}

/// An observer that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event<'_>) {}
}
