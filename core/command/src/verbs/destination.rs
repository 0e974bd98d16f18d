//! Where a new archive goes: under a name when it is complete, or into a pipe as it comes.

use std::path::Path;

use wimforge_core::format::Layout;
use wimforge_core::port::{FileIdentity, Sink, Storage};
use wimforge_core::write::pipable;
use wimforge_core::{Error, ErrorKind, Result};

use crate::host::{Host, Lock, NewArchive};

/// A destination that is open, and the layout of the archive that goes there.
pub enum Destination {
    /// A file with random access.
    File(Box<dyn NewArchive>, Layout),
    /// Standard output, or a file that can be written in sequence only.
    Pipe(Box<dyn Sink>),
}

impl Destination {
    /// What `path` means: `-` is standard output. Pipes take pipable archives only.
    ///
    /// # Errors
    /// What the host returns; [`ErrorKind::Parameter`] for another layout on a pipe.
    pub fn open(host: &dyn Host, path: &Path, layout: Option<Layout>, lock: Lock) -> Result<Self> {
        if path.as_os_str() == "-" {
            return host.stdout().map(Destination::Pipe);
        }
        if layout == Some(Layout::Pipable)
            && let Some(sink) = host.open_sink(path)?
        {
            return Ok(Destination::Pipe(sink));
        }
        let file = host.create_archive(path, lock)?;
        Ok(Destination::File(file, layout.unwrap_or(Layout::Seekable)))
    }

    /// The layout of the archive.
    pub fn layout(&self) -> Layout {
        match self {
            Destination::File(_, layout) => *layout,
            Destination::Pipe(_) => Layout::Pipable,
        }
    }

    /// Files that must not be captured.
    pub fn identities(&self) -> Vec<FileIdentity> {
        match self {
            Destination::File(file, _) => file.identities(),
            Destination::Pipe(_) => Vec::new(),
        }
    }

    /// For writing with random access.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for a pipe.
    pub fn storage(&self) -> Result<&dyn Storage> {
        match self {
            Destination::File(file, _) => Ok(file.storage()),
            Destination::Pipe(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "a pipe can only be written in sequence",
            )),
        }
    }

    /// For writing in sequence.
    pub fn pipable(&mut self) -> pipable::Destination<'_> {
        match self {
            Destination::File(file, _) => pipable::Destination::File(file.storage()),
            Destination::Pipe(sink) => pipable::Destination::Pipe(&mut **sink),
        }
    }

    /// Gives a file its name, unless the user wants to stop.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`]; what the host returns.
    pub fn commit(self, host: &dyn Host) -> Result<()> {
        if host.cancelled() {
            let what = "stopped before the archive was put in place";
            return Err(Error::new(ErrorKind::Cancelled, what));
        }
        match self {
            Destination::File(file, _) => file.commit(),
            Destination::Pipe(_) => Ok(()),
        }
    }
}
