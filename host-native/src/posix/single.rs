//! One file of a POSIX system as a source.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, lstat, open, stat};
use wimforge_core::port::{EntryBatch, EntryWarning, Node, OpenStream, Source, Wanted};
use wimforge_core::{Error, ErrorKind, Result};

use super::PosixSourceOptions;
use super::entry::{entry_of, kind_of, xattrs};
use super::source::PosixStream;
use crate::failure::failed;

/// A file of any kind but a directory, which has no entries.
pub struct SingleFile {
    path: PathBuf,
    options: PosixSourceOptions,
}

/// Describes what is at a path; links are followed only if the options say so.
fn stat_with(path: &Path, options: PosixSourceOptions) -> Result<Stat> {
    let found = match options.dereference {
        true => stat(path),
        false => lstat(path),
    };
    found.map_err(|error| failed(ErrorKind::Stat, "cannot find", path, error))
}

/// Whether there is a directory at a path.
///
/// # Errors
/// [`ErrorKind::Stat`] if there is nothing.
pub fn is_directory(path: &Path, options: PosixSourceOptions) -> Result<bool> {
    let found = stat_with(path, options)?;
    Ok(FileType::from_raw_mode(found.st_mode) == FileType::Directory)
}

impl SingleFile {
    /// The file at a path, which is examined when it is asked for.
    #[must_use]
    pub fn new(path: &Path, options: PosixSourceOptions) -> Self {
        Self {
            path: path.to_owned(),
            options,
        }
    }
}

impl Source for SingleFile {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn root(&self, wanted: Wanted) -> Result<EntryBatch> {
        let stat = stat_with(&self.path, self.options)?;
        let name = self.path.as_os_str().as_bytes();
        let kind = kind_of(CWD, name, &stat, self.options.bad_names)
            .map_err(|error| error.at(self.name()))?;
        let mut batch = EntryBatch::default();
        let mut entry = entry_of(Node(0), &stat, kind, self.options.dereference);
        if wanted.xattrs {
            let (extra, left_out) = xattrs(&self.path);
            entry.extra = extra;
            batch.warnings = left_out
                .into_iter()
                .map(|text| EntryWarning {
                    name: Vec::new(),
                    text,
                })
                .collect();
        }
        batch.push([], entry);
        Ok(batch)
    }

    fn read_dir(&self, _directory: Node, _wanted: Wanted) -> Result<EntryBatch> {
        Err(Error::new(
            ErrorKind::OpenDirectory,
            format!("{:?} is not a directory", self.name()),
        ))
    }

    fn open(&self, _node: Node, _stream: u32) -> Result<Box<dyn OpenStream + '_>> {
        let follow = match self.options.dereference {
            true => OFlags::empty(),
            false => OFlags::NOFOLLOW,
        };
        // NONBLOCK: the file may have been replaced by a FIFO since it was scanned.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | follow;
        let file = open(&self.path, flags | OFlags::NOATIME, Mode::empty())
            .or_else(|_| open(&self.path, flags, Mode::empty()))
            .map_err(|error| failed(ErrorKind::Open, "cannot open", &self.path, error))?;
        Ok(Box::new(PosixStream { file }))
    }

    fn inside_root(&self, _target: &[u16]) -> Result<Option<usize>> {
        Ok(None)
    }
}
