//! Errors of the core as `error-code`, and back.

use wimforge_core::{Error, ErrorKind, Result};

use crate::bindings::wimforge::imaging::types::ErrorCode;

/// What an export returns.
pub type Outcome<T> = std::result::Result<T, ErrorCode>;

impl From<Error> for ErrorCode {
    fn from(error: Error) -> Self {
        from_core(&error)
    }
}

/// An error of the core as the caller sees it.
pub fn from_core(error: &Error) -> ErrorCode {
    use ErrorKind as Kind;
    let text = error.to_string();
    match error.kind() {
        Kind::Open | Kind::OpenDirectory | Kind::Stat | Kind::ReadLink => ErrorCode::Open(text),
        Kind::Read | Kind::UnexpectedEnd => ErrorCode::Read(text),
        Kind::Write | Kind::Rename => ErrorCode::Write(text),
        Kind::Changed => ErrorCode::Changed(text),
        Kind::MakeDirectory
        | Kind::MakeLink
        | Kind::MakeSpecial
        | Kind::SetAttributes
        | Kind::SetReparse
        | Kind::SetSecurity
        | Kind::SetShortName
        | Kind::SetTimes
        | Kind::SetXattr
        | Kind::ReparseFixup => ErrorCode::Restore(text),
        Kind::NotWim | Kind::Version => ErrorCode::NotRecognised(text),
        Kind::Ntfs
        | Kind::Decompression
        | Kind::Integrity
        | Kind::IntegrityTable
        | Kind::ImageCount
        | Kind::Header
        | Kind::BlobTable
        | Kind::Metadata
        | Kind::HashMismatch
        | Kind::Utf16
        | Kind::Utf8
        | Kind::Xml
        | Kind::Incomplete
        | Kind::SplitInvalid
        | Kind::PartNumber
        | Kind::Pipable
        | Kind::ReparseData
        | Kind::XattrInvalid => ErrorCode::Damaged(text),
        Kind::MissingBlob => ErrorCode::MissingData(text),
        Kind::Parameter
        | Kind::ChunkSize
        | Kind::CompressionType
        | Kind::CaptureConfig
        | Kind::ReadConfig => ErrorCode::Argument(text),
        Kind::NoSuchImage | Kind::NoSuchPath | Kind::NoMetadata => ErrorCode::NotFound(text),
        Kind::ImageNameInUse | Kind::DuplicateImage => ErrorCode::NameInUse(text),
        Kind::ReadOnly | Kind::ResourceOrder | Kind::CannotCompact | Kind::Locked => {
            ErrorCode::ReadOnly(text)
        }
        Kind::Unsupported
        | Kind::UnsupportedFile
        | Kind::SplitUnsupported
        | Kind::Encrypted
        | Kind::NotPipable
        | Kind::Unrepresentable => ErrorCode::Unsupported(text),
        Kind::Memory => ErrorCode::Memory(text),
        Kind::Cancelled => ErrorCode::Cancelled,
        _ => ErrorCode::Other(Some(text)),
    }
}

/// A failure of the host as an error of the core. `usual` is the kind that failures of this call have.
pub fn from_host(code: ErrorCode, usual: ErrorKind) -> Error {
    let (kind, text) = match code {
        ErrorCode::Open(text)
        | ErrorCode::Read(text)
        | ErrorCode::Write(text)
        | ErrorCode::Restore(text)
        | ErrorCode::NotRecognised(text)
        | ErrorCode::Damaged(text)
        | ErrorCode::MissingData(text)
        | ErrorCode::Argument(text)
        | ErrorCode::NotFound(text)
        | ErrorCode::NameInUse(text)
        | ErrorCode::ReadOnly(text) => (usual, text),
        ErrorCode::Other(text) => (usual, text.unwrap_or_default()),
        ErrorCode::Changed(text) => (ErrorKind::Changed, text),
        ErrorCode::Unsupported(text) => (ErrorKind::Unsupported, text),
        ErrorCode::Memory(text) => (ErrorKind::Memory, text),
        ErrorCode::Cancelled => (
            ErrorKind::Cancelled,
            "the host stopped the operation".into(),
        ),
    };
    match text.is_empty() {
        true => Error::new(kind, "the host reports a failure"),
        false => Error::new(kind, text),
    }
}

/// The result of a call of the host.
pub trait FromHost<T> {
    /// With a failure as an error of this kind, unless it says more precisely what it is.
    fn or_fail(self, usual: ErrorKind) -> Result<T>;
}

impl<T> FromHost<T> for Outcome<T> {
    fn or_fail(self, usual: ErrorKind) -> Result<T> {
        self.map_err(|code| from_host(code, usual))
    }
}

/// What the host returned makes no sense.
pub fn nonsense(kind: ErrorKind, what: &str) -> Error {
    Error::new(kind, format!("the host gave {what}"))
}

/// Copies what a read of the host returned.
pub fn fill(buffer: &mut [u8], data: &[u8]) -> Result<usize> {
    let Some(place) = buffer.get_mut(..data.len()) else {
        return Err(nonsense(
            ErrorKind::Read,
            "more bytes than it was asked for",
        ));
    };
    place.copy_from_slice(data);
    Ok(data.len())
}

/// Bytes that are asked for at once.
pub fn request(buffer: &[u8]) -> u32 {
    const MOST: usize = 1 << 20;
    buffer.len().min(MOST) as u32
}
