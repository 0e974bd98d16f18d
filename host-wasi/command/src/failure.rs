//! Errors of wasi:filesystem as errors of the core.

use std::io;
use std::path::Path;

use wasip2::filesystem::types::ErrorCode;
use wimforge_core::{Error, ErrorKind};

/// A failed call that concerns a path.
pub fn failed(kind: ErrorKind, what: &str, path: impl AsRef<Path>, code: ErrorCode) -> Error {
    let path = path.as_ref().display().to_string();
    Error::new(kind, format!("{what} {path:?}")).because(cause(code))
}

/// A failed call, as the cause below an error.
pub fn cause(code: ErrorCode) -> io::Error {
    let kind = match code {
        ErrorCode::NoEntry => io::ErrorKind::NotFound,
        ErrorCode::Access | ErrorCode::NotPermitted => io::ErrorKind::PermissionDenied,
        ErrorCode::Exist => io::ErrorKind::AlreadyExists,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, code.message())
}
