//! What can go wrong, and the exit code each failure has.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure: its kind, the object concerned and what happened, and the cause below it.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure of this kind. The message names the object (path, image, offset) and what is wrong
    /// with it; it needs not repeat the kind.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    /// Adds the failure below this one, such as the operating system's.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts the object concerned in front of the message.
    #[must_use]
    pub fn at(mut self, object: impl fmt::Display) -> Self {
        self.0.message = format!("{object}: {}", self.0.message).into();
        self
    }

    /// The kind, which decides the exit code.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message without the causes below.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

/// The message, then the causes, joined by colons.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut cause = self.source();
        while let Some(below) = cause {
            write!(f, ": {below}")?;
            cause = below.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<wimforge_codec::ParameterError> for Error {
    fn from(error: wimforge_codec::ParameterError) -> Self {
        let kind = match error {
            wimforge_codec::ParameterError::ChunkSize { .. } => ErrorKind::ChunkSize,
            _ => ErrorKind::Parameter,
        };
        Error::new(kind, error.to_string())
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// The failures a caller or a script can tell apart. The numbers are wimlib's error codes,
        /// which its command line tool uses as exit codes and scripts rely on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $name,)* }

        impl ErrorKind {
            /// Every kind, for documentation and tests.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name),*];

            /// The exit code of a program that ends with this failure.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(ErrorKind::$name => $code,)* }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(ErrorKind::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// Another process holds the write lock.
    Locked = 1, "The WIM is locked for writing by another process.";
    /// A chunk does not decompress, or a chunk table is malformed.
    Decompression = 2, "The WIM contains invalid compressed data.";
    /// Under `--on-error=skip`: the archive is complete but for files that could not be read.
    Skipped = 3, "Some files could not be read and were left out.";
    /// No file matches a pattern.
    GlobUnmatched = 8, "No file matches the given pattern.";
    /// Header, XML data and metadata disagree about the number of images.
    ImageCount = 10, "The parts of the WIM disagree about the number of images.";
    /// An image of that name exists.
    ImageNameInUse = 11, "An image of that name is already in the WIM.";
    /// The integrity table does not agree with the file.
    Integrity = 13, "The WIM file is corrupted (integrity check failed).";
    /// A capture configuration cannot be understood.
    CaptureConfig = 14, "The capture configuration is invalid.";
    /// A chunk size is not allowed.
    ChunkSize = 15, "The chunk size is not allowed for this compression type.";
    /// The compression type is unknown.
    CompressionType = 16, "The compression type is invalid.";
    /// The header contradicts itself or the file.
    Header = 17, "The WIM header is invalid.";
    /// No such image.
    NoSuchImage = 18, "There is no such image in the WIM.";
    /// The integrity table is malformed.
    IntegrityTable = 19, "The integrity table of the WIM is invalid.";
    /// A blob table entry is malformed.
    BlobTable = 20, "The blob table of the WIM is invalid.";
    /// A metadata resource is malformed.
    Metadata = 21, "A metadata resource of the WIM is invalid.";
    /// Two sources provide the same file.
    Overlay = 23, "Sources of the image conflict.";
    /// Options or values that do not make sense together.
    Parameter = 24, "An invalid parameter was given.";
    /// Part number or number of parts is wrong.
    PartNumber = 25, "The part number or total parts of the WIM is invalid.";
    /// A pipable WIM is malformed.
    Pipable = 26, "The pipable WIM is invalid.";
    /// Reparse data cannot be understood.
    ReparseData = 27, "The data of a reparse point is invalid.";
    /// Data does not have the hash it should have.
    HashMismatch = 28, "Data in the WIM does not have the SHA-1 it should have.";
    /// Not UTF-16.
    Utf16 = 30, "A string is not valid UTF-16.";
    /// Not UTF-8.
    Utf8 = 31, "A string is not valid UTF-8.";
    /// A path to be removed is a directory.
    IsDirectory = 32, "The path is a directory.";
    /// Not possible for a split WIM.
    SplitUnsupported = 33, "This operation is not supported for a split WIM.";
    /// A link cannot be made when extracting.
    MakeLink = 35, "Could not create a link.";
    /// The file has no metadata.
    NoMetadata = 36, "The WIM has no metadata; it is a later part of a split WIM.";
    /// A directory cannot be made.
    MakeDirectory = 37, "Could not create a directory.";
    /// Out of memory, or over a limit that keeps memory bounded.
    Memory = 39, "The operation needs more memory than is allowed.";
    /// A directory was expected.
    NotDirectory = 40, "Expected a directory.";
    /// A directory is not empty.
    DirectoryNotEmpty = 41, "The directory is not empty.";
    /// A regular file was expected.
    NotRegularFile = 42, "The path is not a regular file.";
    /// The file does not begin as a WIM does.
    NotWim = 43, "The file is not a WIM.";
    /// A sequential reader met a WIM that is not pipable.
    NotPipable = 44, "The WIM is not pipable.";
    /// The volume is not readable NTFS.
    Ntfs = 46, "The NTFS volume could not be read.";
    /// A file cannot be opened.
    Open = 47, "Failed to open a file.";
    /// A directory cannot be opened.
    OpenDirectory = 48, "Failed to open a directory.";
    /// No such path in the image.
    NoSuchPath = 49, "The path does not exist in the image.";
    /// Reading fails.
    Read = 50, "Could not read from a file.";
    /// A link's target cannot be read or stored.
    ReadLink = 51, "Could not read the target of a symbolic link.";
    /// Renaming fails.
    Rename = 52, "Could not rename a file.";
    /// A link's target cannot be adjusted.
    ReparseFixup = 54, "Could not adjust the target of a link.";
    /// Data is in none of the files given.
    MissingBlob = 55, "Data needed for this operation is not in the WIM; a split part or delta base is missing.";
    /// Parts of the file are in an order that does not allow the operation.
    ResourceOrder = 56, "The parts of the WIM are in an unexpected order.";
    /// Attributes cannot be set.
    SetAttributes = 57, "Could not set attributes.";
    /// Reparse data cannot be set.
    SetReparse = 58, "Could not set reparse data.";
    /// Owner, group, mode or security descriptor cannot be set.
    SetSecurity = 59, "Could not set owner, permissions or security descriptor.";
    /// A short name cannot be set.
    SetShortName = 60, "Could not set a short name.";
    /// Times cannot be set.
    SetTimes = 61, "Could not set times.";
    /// Parts of a split WIM do not belong together.
    SplitInvalid = 62, "The parts of the split WIM do not belong together.";
    /// Attributes of a file cannot be read.
    Stat = 63, "Could not read the metadata of a file or directory.";
    /// The file ends too early.
    UnexpectedEnd = 65, "The file ends too early.";
    /// A name has no form in the target's encoding.
    Unrepresentable = 66, "A name cannot be represented here.";
    /// The version in the header is unknown.
    Version = 67, "The version of the WIM is unknown.";
    /// Not possible here.
    Unsupported = 68, "The operation is not supported.";
    /// A source is of a kind that cannot be captured.
    UnsupportedFile = 69, "A file is of a kind that cannot be captured.";
    /// The WIM must not be modified.
    ReadOnly = 71, "The WIM is read-only.";
    /// Writing fails.
    Write = 72, "Could not write to a file.";
    /// The XML data is malformed.
    Xml = 73, "The XML data of the WIM is invalid.";
    /// The WIM is encrypted.
    Encrypted = 74, "The WIM is encrypted.";
    /// The user or the caller stopped the operation.
    Cancelled = 76, "The operation was stopped.";
    /// A device node, FIFO or socket cannot be made.
    MakeSpecial = 78, "Could not create a special file.";
    /// A capture configuration cannot be read.
    ReadConfig = 83, "The capture configuration could not be read.";
    /// The WIM was not finished by its writer.
    Incomplete = 84, "The WIM is incomplete; its writer did not finish.";
    /// Compacting in place is not possible.
    CannotCompact = 85, "The WIM cannot be compacted in place.";
    /// The archive to be written already contains an image that is being added.
    DuplicateImage = 87, "The destination already contains the image.";
    /// A file changed while it was being read.
    Changed = 88, "A file was changed while it was being captured.";
    /// Extended attributes in the archive are malformed.
    XattrInvalid = 90, "An extended attribute in the WIM is invalid.";
    /// Extended attributes cannot be set.
    SetXattr = 91, "Could not set an extended attribute.";
}
