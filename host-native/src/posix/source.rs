//! A directory of a POSIX system as a source.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, open, openat, stat, statat};
use rustix::io::Errno;
use wimforge_core::port::{
    EntryBatch, EntryProblem, EntryWarning, Extra, FileIdentity, Node, OpenStream, Source, Stamp,
    Wanted,
};
use wimforge_core::text::{self, BadNames};
use wimforge_core::{Error, ErrorKind, Result};

use super::directories::{Directories, ROOT};
use super::entry::{entry_of, identity, kind_of, write_time, xattrs};
use super::medium;
use crate::failure::failed;

/// How a directory is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct PosixSourceOptions {
    /// Follow symbolic links.
    pub dereference: bool,
    /// Names that are not UTF-8.
    pub bad_names: BadNames,
}

/// A directory of a POSIX system.
pub struct PosixSource {
    path: PathBuf,
    options: PosixSourceOptions,
    identity: FileIdentity,
    directories: Directories,
    /// It is on a disk whose heads have to move.
    rotates: bool,
}

impl PosixSource {
    /// Opens the directory at `path`, following a link there.
    ///
    /// # Errors
    /// [`ErrorKind::Stat`] if there is none, [`ErrorKind::OpenDirectory`] if it cannot be read,
    /// [`ErrorKind::NotDirectory`] or [`ErrorKind::UnsupportedFile`] if it is something else.
    pub fn open(path: &Path, options: PosixSourceOptions) -> Result<Self> {
        let found =
            stat(path).map_err(|error| failed(ErrorKind::Stat, "cannot find", path, error))?;
        let kind = match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => None,
            // These could be taken for volumes.
            FileType::RegularFile | FileType::BlockDevice => Some(ErrorKind::NotDirectory),
            _ => Some(ErrorKind::UnsupportedFile),
        };
        if let Some(kind) = kind {
            let message = format!("{:?} is not a directory", path.display().to_string());
            return Err(Error::new(kind, message));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(path, flags, Mode::empty()).map_err(|error| {
            failed(
                ErrorKind::OpenDirectory,
                "cannot open directory",
                path,
                error,
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            options,
            identity: identity(&found),
            directories: Directories::new(root, options.dereference),
            rotates: medium::rotates(Path::new(medium::DEVICES), found.st_dev),
        })
    }

    /// Opens a file for reading.
    fn open_file(&self, node: Node) -> Result<OwnedFd> {
        let failure =
            |error: Errno| failed(ErrorKind::Open, "cannot open", self.full_path(node), error);
        let (directory, name) = self.directories.parent(node).map_err(failure)?;
        let follow = match self.options.dereference {
            true => OFlags::empty(),
            false => OFlags::NOFOLLOW,
        };
        // NONBLOCK: the file may have been replaced by a FIFO since it was scanned.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | follow;
        let quiet = openat(&*directory, &*name, flags | OFlags::NOATIME, Mode::empty());
        let file = match quiet {
            // Only the owner may leave the access time alone.
            Err(Errno::PERM) => openat(&*directory, &*name, flags, Mode::empty()),
            other => other,
        };
        file.map_err(failure)
    }

    fn stat_flags(&self) -> AtFlags {
        match self.options.dereference {
            true => AtFlags::empty(),
            false => AtFlags::SYMLINK_NOFOLLOW,
        }
    }

    /// Full path of an entry, for messages.
    fn full_path(&self, node: Node) -> PathBuf {
        if node == ROOT {
            return self.path.clone();
        }
        self.path
            .join(OsStr::from_bytes(&self.directories.path(node)))
    }

    /// Adds what is known of one name in a directory.
    fn push_entry(
        &self,
        batch: &mut EntryBatch,
        directory: &OwnedFd,
        number: u32,
        name: &[u8],
        wanted: Wanted,
    ) {
        let shown = || text::utf16(String::from_utf8_lossy(name).as_bytes()).collect();
        let Some(wide) = text::from_host(name, self.options.bad_names) else {
            let name: String = name.escape_ascii().to_string();
            let error = Error::new(
                ErrorKind::Utf8,
                format!(
                    "the file name (bytes \"{name}\") is not valid UTF-8; --escape-names keeps such names"
                ),
            );
            batch.problems.push(EntryProblem {
                name: shown(),
                error,
            });
            return;
        };
        let stat = match statat(directory, name, self.stat_flags()) {
            Ok(stat) => stat,
            Err(error) => {
                let error = Error::new(ErrorKind::Stat, "cannot read the metadata of the file")
                    .because(std::io::Error::from(error));
                batch.problems.push(EntryProblem {
                    name: shown(),
                    error,
                });
                return;
            }
        };
        let kind = match kind_of(directory.as_fd(), name, &stat, self.options.bad_names) {
            Ok(kind) => kind,
            Err(error) => {
                batch.problems.push(EntryProblem {
                    name: shown(),
                    error,
                });
                return;
            }
        };
        let Some(node) = self.directories.node(number, name) else {
            let error = Error::new(ErrorKind::Memory, "too many names in one source");
            batch.problems.push(EntryProblem {
                name: shown(),
                error,
            });
            return;
        };
        let mut entry = entry_of(node, &stat, kind, self.options.dereference);
        if wanted.xattrs {
            let link = format!("/proc/self/fd/{}", directory.as_raw_fd());
            let path = Path::new(&link).join(OsStr::from_bytes(name));
            entry.extra = self.extra(&wide, &path, batch);
        }
        batch.push(text::utf16(&wide), entry);
    }

    /// Extended attributes of an entry; what has to be left out of them is a warning.
    fn extra(&self, name: &[u8], path: &Path, batch: &mut EntryBatch) -> Option<Box<Extra>> {
        let (extra, left_out) = xattrs(path);
        let wide: Vec<u16> = text::utf16(name).collect();
        batch
            .warnings
            .extend(left_out.into_iter().map(|text| EntryWarning {
                name: wide.clone(),
                text,
            }));
        extra
    }
}

impl Source for PosixSource {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn root(&self, wanted: Wanted) -> Result<EntryBatch> {
        let root = self
            .directories
            .open(0)
            .and_then(|root| Ok((fstat(&*root)?, root)))
            .map_err(|error| {
                failed(
                    ErrorKind::Stat,
                    "cannot read the metadata of",
                    &self.path,
                    error,
                )
            });
        let (stat, root) = root?;
        let mut batch = EntryBatch::default();
        let mut entry = entry_of(ROOT, &stat, wimforge_core::port::Kind::Directory, false);
        if wanted.xattrs {
            let path = format!("/proc/self/fd/{}/.", root.as_raw_fd());
            entry.extra = self.extra(b"", Path::new(&path), &mut batch);
        }
        batch.push([], entry);
        Ok(batch)
    }

    fn read_dir(&self, directory: Node, wanted: Wanted) -> Result<EntryBatch> {
        let failure = |error: Errno| {
            failed(
                ErrorKind::OpenDirectory,
                "cannot open directory",
                self.full_path(directory),
                error,
            )
        };
        let number = self.directories.register(directory);
        let descriptor = self.directories.open(number).map_err(failure)?;
        let mut batch = EntryBatch::default();
        for item in Dir::read_from(&*descriptor).map_err(failure)? {
            let item = item.map_err(failure)?;
            let name = item.file_name().to_bytes();
            if name != b"." && name != b".." {
                self.push_entry(&mut batch, &descriptor, number, name, wanted);
            }
        }
        Ok(batch)
    }

    fn open(&self, node: Node, _stream: u32) -> Result<Box<dyn OpenStream + '_>> {
        let file = self.open_file(node)?;
        Ok(Box::new(PosixStream { file }))
    }

    fn has_to_seek(&self, node: Node, _stream: u32) -> bool {
        self.rotates && !self.open_file(node).is_ok_and(medium::is_cached)
    }

    fn inside_root(&self, target: &[u16]) -> Result<Option<usize>> {
        let is_slash = |index: usize| target.get(index) == Some(&u16::from(b'/'));
        let ends_component = |&index: &usize| {
            index == 0 || (!is_slash(index - 1) && (index == target.len() || is_slash(index)))
        };
        for end in (0..=target.len()).filter(ends_component) {
            let prefix = match end {
                0 => b"/".to_vec(),
                end => text::to_host(&text::from_utf16(&target[..end]), self.options.bad_names),
            };
            match stat(OsStr::from_bytes(&prefix)) {
                Ok(found) if identity(&found) == self.identity => return Ok(Some(end)),
                Ok(_) => {}
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// An open file.
pub(super) struct PosixStream {
    pub file: OwnedFd,
}

impl OpenStream for PosixStream {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match rustix::io::pread(&self.file, &mut *buffer, offset) {
                Ok(size) => return Ok(size),
                Err(Errno::INTR) => {}
                Err(Errno::SPIPE | Errno::ISDIR) => return Err(no_longer_regular()),
                Err(error) => {
                    return Err(Error::new(ErrorKind::Read, "cannot read the file")
                        .because(std::io::Error::from(error)));
                }
            }
        }
    }

    fn stamp(&mut self) -> Result<Option<Stamp>> {
        let stat: Stat = fstat(&self.file).map_err(|error| {
            Error::new(ErrorKind::Stat, "cannot read the metadata of the file")
                .because(std::io::Error::from(error))
        })?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(no_longer_regular());
        }
        Ok(Some(Stamp {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            write_time: write_time(&stat),
        }))
    }
}

fn no_longer_regular() -> Error {
    let what = "the file was replaced by something that is not a regular file";
    Error::new(ErrorKind::Changed, what)
}
