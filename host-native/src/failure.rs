//! Errors of the operating system as errors of the core.

use std::path::Path;

use wimforge_core::{Error, ErrorKind};

/// A failed system call on a path.
pub(crate) fn failed(
    kind: ErrorKind,
    what: &str,
    path: impl AsRef<Path>,
    error: impl Into<std::io::Error>,
) -> Error {
    Error::new(
        kind,
        format!("{what} {:?}", path.as_ref().display().to_string()),
    )
    .because(error.into())
}
