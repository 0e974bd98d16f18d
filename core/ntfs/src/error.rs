//! What can go wrong, and where.
//!
//! [`Error`] says who is at fault: the device, the volume, a limit, or a volume of another kind.
//! Damage is a [`Place`] (record and attribute) and a [`Fault`] (what is wrong there). Functions
//! that look at bytes only return a `Fault`; whoever knows the place adds it.

use std::fmt;
use std::io;

use thiserror::Error as ThisError;
use wimforge_codec::DecodeError;

use crate::attribute::AttributeType;
use crate::name::Display;
use crate::recognise::FileSystem;

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong when a volume is read.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The device could not deliver bytes that lie within its size, or ends too early.
    #[error("cannot read {length} bytes at offset {offset}: {source}")]
    Device {
        /// Offset in the device.
        offset: u64,
        /// Bytes wanted.
        length: usize,
        /// The device's own error.
        source: io::Error,
    },
    /// There is no NTFS volume here, but perhaps something else.
    #[error("not an NTFS volume: {0}")]
    NotNtfs(FileSystem),
    /// The volume contradicts itself.
    #[error("{place}: {fault}")]
    Damaged {
        /// Where.
        place: Place,
        /// What.
        fault: Fault,
    },
    /// One of the [`Limits`](crate::Limits) is exceeded.
    #[error("{place}: more than {most} {what}")]
    Limit {
        /// Where.
        place: Place,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        most: u64,
    },
    /// Sound, but nothing that can be read from the volume alone.
    #[error("{place}: {reason}")]
    Unsupported {
        /// Where.
        place: Place,
        /// Why.
        reason: Unsupported,
    },
    /// The file has no such attribute or stream, or the directory no such name.
    #[error("{0}: does not exist")]
    Missing(Place),
}

impl Error {
    /// Damage at a place.
    pub(crate) fn damaged(place: impl Into<Place>, fault: Fault) -> Self {
        Error::Damaged {
            place: place.into(),
            fault,
        }
    }

    /// The record number that the error is about, if it is about one.
    #[must_use]
    pub fn record(&self) -> Option<u32> {
        match self {
            Error::Damaged { place, .. }
            | Error::Limit { place, .. }
            | Error::Unsupported { place, .. }
            | Error::Missing(place) => place.record(),
            Error::Device { .. } | Error::NotNtfs(_) => None,
        }
    }
}

/// The part of a volume that an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The boot sector.
    Boot,
    /// A file record as a whole.
    Record(u32),
    /// An attribute of a file.
    Attribute {
        /// The file's record number.
        record: u32,
        /// The attribute's type.
        kind: AttributeType,
        /// The attribute's name, UTF-16.
        name: Box<[u16]>,
    },
}

impl Place {
    /// An attribute of a file.
    #[must_use]
    pub fn attribute(record: u32, kind: AttributeType, name: &[u16]) -> Self {
        Place::Attribute {
            record,
            kind,
            name: name.into(),
        }
    }

    /// The record number, if the place has one.
    #[must_use]
    pub fn record(&self) -> Option<u32> {
        match self {
            Place::Boot => None,
            Place::Record(record) | Place::Attribute { record, .. } => Some(*record),
        }
    }
}

impl From<u32> for Place {
    fn from(record: u32) -> Self {
        Place::Record(record)
    }
}

impl From<&Place> for Place {
    fn from(place: &Place) -> Self {
        place.clone()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Boot => f.write_str("boot sector"),
            Place::Record(record) => write!(f, "record {record}"),
            Place::Attribute { record, kind, name } => {
                write!(f, "record {record}: {kind}")?;
                if name.is_empty() {
                    Ok(())
                } else {
                    write!(f, " \"{}\"", Display(name))
                }
            }
        }
    }
}

/// Why sound data cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Unsupported {
    /// Encrypted by the file system (EFS); the keys are not on the volume in plain form.
    #[error("the data is encrypted")]
    Encrypted,
    /// The contents are in a WIM archive elsewhere (WIMBoot).
    #[error("the contents are in a WIM archive outside of the volume")]
    InWim,
    /// A provider or method of system compression that is not known.
    #[error("system compression: provider {provider}, method {method}")]
    SystemCompression {
        /// Who provides the contents.
        provider: u32,
        /// How they are compressed.
        method: u32,
    },
    /// A compression method of attributes other than LZNT1.
    #[error("attribute compression method {0}")]
    AttributeCompression(u16),
}

/// How a volume contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum Fault {
    // Boot sector.
    #[error("the volume is shorter than a boot sector")]
    TooShort,
    #[error("sector size {0}")]
    SectorSize(u16),
    #[error("cluster size code {0}")]
    ClusterSize(u8),
    #[error("file record size code {0}")]
    RecordSize(u8),
    #[error("index block size code {0}")]
    IndexSize(u8),
    #[error("{0} sectors")]
    VolumeSize(u64),
    #[error("$MFT lies beyond the end of the volume")]
    MftBeyondVolume,

    // Fix-ups.
    #[error("signature {found:?} instead of {expected:?}")]
    Signature { found: String, expected: String },
    #[error("{count} fix-up values at {offset}")]
    FixUpArray { offset: u16, count: u16 },
    #[error("torn write: piece {piece} of the block is of another write than the rest")]
    TornWrite { piece: usize },

    // Records.
    #[error("there is no such record")]
    BeyondMft,
    #[error("the record says it is of {0} bytes")]
    RecordAllocated(u32),
    #[error("{used} bytes of the record used, first attribute at {first}")]
    RecordUsed { used: u32, first: u16 },
    #[error("the record says it is number {0}")]
    OwnNumber(u32),
    #[error("the attributes do not end")]
    NoEndMark,
    #[error("an attribute of type 0x{kind:x} after one of type 0x{previous:x}")]
    AttributeOrder { kind: u32, previous: u32 },
    #[error("an attribute of type 0x{kind:x} has a length of {length}")]
    AttributeLength { kind: u32, length: u32 },
    #[error("the record is damaged")]
    Unreadable,
    #[error("the record is not in use")]
    NotInUse,
    #[error("the record is an extension of record {0}")]
    IsExtension(u64),
    #[error("the record was reused: sequence number {found}, not {expected}")]
    Stale { expected: u16, found: u16 },

    // Attributes.
    #[error("attribute form {0}")]
    Form(u8),
    #[error("the attribute's name lies outside of it")]
    NameRange,
    #[error("the attribute's value lies outside of it")]
    ValueRange,
    #[error("the attribute's run list lies outside of it")]
    RunListRange,
    #[error("clusters {first} to {last}")]
    VcnRange { first: i64, last: i64 },
    #[error("initialised size {initialised}, real size {real}, allocated {allocated}")]
    Sizes {
        initialised: u64,
        real: u64,
        allocated: u64,
    },
    #[error("allocated size {allocated}, but {clusters} clusters")]
    AllocatedSize { allocated: u64, clusters: u64 },
    #[error("the attribute is missing")]
    NoAttribute,
    #[error("the attribute is there more than once")]
    TwiceThere,
    #[error("the attribute is not resident")]
    NotResident,
    #[error("the value is of {0} bytes")]
    ValueSize(u64),
    #[error("a read of {length} bytes at {offset} is outside of the attribute")]
    ReadRange { offset: u64, length: u64 },

    // Run lists.
    #[error("run header 0x{0:02x}")]
    RunHeader(u8),
    #[error("a run of {0} clusters")]
    RunLength(i64),
    #[error("the run list is cut off")]
    RunListCut,
    #[error("a run lies outside of the volume: {count} clusters from {first}")]
    RunOutside { first: i64, count: u64 },
    #[error("the runs end at cluster {found}, not {expected}")]
    RunTotal { found: u64, expected: u64 },
    #[error("more than {0} runs")]
    TooManyRuns(usize),
    #[error("the pieces of the attribute have a gap or overlap at cluster {0}")]
    PieceGap(u64),

    // Compression.
    #[error("a compression unit of 2^{0} clusters")]
    UnitSize(u16),
    #[error("compression unit {0} has a hole before data")]
    UnitHole(u64),
    #[error("compression unit {unit}: {cause}")]
    Unit { unit: u64, cause: DecodeError },

    // Attribute lists.
    #[error("bad entry at {0} of the attribute list")]
    ListEntry(usize),
    #[error("the attribute list names type 0x{0:x}")]
    ListType(u32),
    #[error("the attribute list names an attribute that record {0} does not have")]
    ListMissing(u64),
    #[error("the attribute list names an attribute twice")]
    ListTwice,
    #[error("extension record {number}: {reason}")]
    Extension { number: u64, reason: ExtensionFault },
    #[error("$MFT needs record {0} to find record {0}")]
    MftCircular(u64),
    #[error("$MFT is sparse, compressed or encrypted, or larger than the volume")]
    MftForm,

    // Indexes.
    #[error("index of type 0x{kind:x} with collation 0x{collation:x}")]
    IndexKind { kind: u32, collation: u32 },
    #[error("index blocks of {0} bytes")]
    IndexBlockSize(u32),
    #[error("bad header of an index node ({0})")]
    IndexNode(IndexPlace),
    #[error("bad index entry at {at} ({place})")]
    IndexEntry { place: IndexPlace, at: usize },
    #[error("index block {vcn}: {reason}")]
    IndexBlock { vcn: u64, reason: IndexBlockFault },
    #[error("the index is deeper than {0} levels")]
    IndexDepth(usize),

    // Names.
    #[error("bad $FILE_NAME")]
    FileName,
    #[error("a directory entry with a name that cannot be")]
    ImpossibleName,
    #[error("a directory entry that is there twice")]
    DuplicateName,
    #[error("an entry of directory {0}")]
    ForeignEntry(u64),
    #[error("a directory that is elsewhere, or here under another name")]
    ForeignDirectory,
    #[error("not a directory")]
    NotDirectory,

    // Security, reparse points, extended attributes.
    #[error("security id {0} does not exist")]
    NoSecurityId(u32),
    #[error("security id {0}: the entry is damaged, and its copy too")]
    SecurityEntry(u32),
    #[error("bad reparse point")]
    ReparsePoint,
    #[error("bad extended attribute at {0}")]
    ExtendedAttribute(usize),

    // System compression.
    #[error("system compression: {0}")]
    Wof(&'static str),
    #[error("system compression: chunk {chunk}: {cause}")]
    WofChunk { chunk: u64, cause: DecodeError },

    // System files.
    #[error("unusable upper-case table of {0} bytes")]
    UpCase(u64),
    #[error("no usable volume information")]
    VolumeInformation,
}

impl Fault {
    /// The same fault as an error, with its place.
    pub(crate) fn at(self, place: impl Into<Place>) -> Error {
        Error::damaged(place, self)
    }
}

/// What is wrong with an extension record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ThisError)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum ExtensionFault {
    #[error("is the base record itself")]
    IsBase,
    #[error("not in use, or reused")]
    Reused,
    #[error("belongs to another file")]
    Foreign,
    #[error("has an attribute list of its own")]
    HasList,
    #[error("has no usable piece")]
    NoPiece,
}

/// Which node of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexPlace {
    /// The node in $INDEX_ROOT.
    Root,
    /// The node in the block with this VCN.
    Block(u64),
}

impl fmt::Display for IndexPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexPlace::Root => f.write_str("root"),
            IndexPlace::Block(vcn) => write!(f, "block {vcn}"),
        }
    }
}

/// What is wrong with an index block.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum IndexBlockFault {
    #[error("there is no such block")]
    Missing,
    #[error("not at a multiple of the block size")]
    Misplaced,
    #[error("used twice")]
    Twice,
    #[error("free in the bitmap")]
    Free,
    #[error("says it is block {0}")]
    OwnNumber(u64),
    #[error("{0}")]
    Block(Box<Fault>),
}

/// Adds the place to a fault.
pub(crate) trait At<T> {
    /// Turns a fault into an error at this place.
    fn at(self, place: impl Into<Place>) -> Result<T>;
}

impl<T> At<T> for Result<T, Fault> {
    fn at(self, place: impl Into<Place>) -> Result<T> {
        self.map_err(|fault| fault.at(place))
    }
}
