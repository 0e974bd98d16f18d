//! Files as storage.
//!
//! A new archive has no name until it is complete: it is written into an unnamed file in the
//! directory of its destination (`O_TMPFILE`), so nothing is left behind however the program ends,
//! and given its name at the end. Where the file system has no unnamed files a temporary name is
//! used, which is removed on failure.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, linkat, open};
use wimforge_command::Lock;
use wimforge_core::port::{FileIdentity, Storage};
use wimforge_core::{Error, ErrorKind, Result};

use crate::failure::failed;

/// A file with random access.
pub struct FileStorage {
    file: File,
    path: PathBuf,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing, with the exclusive lock on the file.
    Modify,
}

impl FileStorage {
    /// Opens an archive.
    ///
    /// # Errors
    /// [`ErrorKind::Open`] if it cannot be read, [`ErrorKind::ReadOnly`] if it cannot be written,
    /// [`ErrorKind::Locked`] if another process has the lock.
    pub fn open(path: &Path, access: Access) -> Result<Self> {
        let file = File::open(path)
            .map_err(|error| failed(ErrorKind::Open, "cannot open", path, error))?;
        let metadata = file
            .metadata()
            .map_err(|error| failed(ErrorKind::Stat, "cannot examine", path, error))?;
        if metadata.is_dir() {
            return Err(Error::new(
                ErrorKind::Open,
                format!("{:?} is a directory", path.display().to_string()),
            ));
        }
        if access == Access::Read {
            return Ok(Self {
                file,
                path: path.to_owned(),
            });
        }
        let file = File::options()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| failed(ErrorKind::ReadOnly, "cannot modify", path, error))?;
        lock(&file, path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Which file it is.
    #[must_use]
    pub fn identity(&self) -> Option<FileIdentity> {
        self.file
            .metadata()
            .ok()
            .map(|metadata| identity_of(&metadata))
    }
}

fn identity_of(metadata: &std::fs::Metadata) -> FileIdentity {
    FileIdentity {
        device: metadata.dev(),
        file: metadata.ino(),
    }
}

/// Takes the lock that wimlib takes too.
fn lock(file: &File, path: &Path) -> Result<()> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::new(
            ErrorKind::Locked,
            format!(
                "{:?} is being modified by another process",
                path.display().to_string()
            ),
        )),
        // Some network file systems have no locks.
        Err(_) => Ok(()),
    }
}

impl Storage for FileStorage {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn len(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| metadata.len())
            .map_err(|error| failed(ErrorKind::Read, "cannot examine", &self.path, error))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => {
                    return other.map_err(|error| {
                        failed(ErrorKind::Read, "cannot read", &self.path, error)
                    });
                }
            }
        }
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.file
            .write_all_at(data, offset)
            .map_err(|error| failed(ErrorKind::Write, "cannot write", &self.path, error))
    }

    fn set_len(&self, size: u64) -> Result<()> {
        self.file
            .set_len(size)
            .map_err(|error| failed(ErrorKind::Write, "cannot resize", &self.path, error))
    }

    fn sync(&self) -> Result<()> {
        self.file
            .sync_data()
            .map_err(|error| failed(ErrorKind::Write, "cannot write", &self.path, error))
    }
}

/// An archive that is being written and takes its place when it is complete.
pub struct NewFile {
    storage: FileStorage,
    /// Where it goes, with links resolved.
    destination: PathBuf,
    directory: PathBuf,
    /// The file that it will replace, locked.
    replaced: Option<File>,
    /// The name it has until it is complete; without one it has none.
    temporary: Option<PathBuf>,
}

impl NewFile {
    /// Prepares to write an archive to `path`.
    ///
    /// # Errors
    /// [`ErrorKind::Open`] if the destination is a directory or its directory cannot be written,
    /// [`ErrorKind::Parameter`] if it is neither a regular file nor missing, [`ErrorKind::Locked`].
    pub fn create(path: &Path, locking: Lock) -> Result<Self> {
        let destination = resolve(path)?;
        let replaced = existing(&destination, locking)?;
        let directory = match destination.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let (file, temporary) = unnamed_or_temporary(&directory, &destination)?;
        Ok(Self {
            storage: FileStorage {
                file,
                path: path.to_owned(),
            },
            destination,
            directory,
            replaced,
            temporary,
        })
    }

    /// The files that must not be captured: the one being written and the one it replaces.
    #[must_use]
    pub fn all_identities(&self) -> Vec<FileIdentity> {
        let files = [Some(&self.storage.file), self.replaced.as_ref()];
        let metadata = files
            .into_iter()
            .flatten()
            .filter_map(|file| file.metadata().ok());
        metadata.map(|metadata| identity_of(&metadata)).collect()
    }

    /// To write to.
    #[must_use]
    pub fn file(&self) -> &FileStorage {
        &self.storage
    }

    /// Gives the complete archive its name, in place of what had it before.
    ///
    /// # Errors
    /// [`ErrorKind::Rename`].
    pub fn put_in_place(mut self) -> Result<()> {
        let failure = |error: std::io::Error| {
            failed(
                ErrorKind::Rename,
                "cannot put the archive in place at",
                &self.destination,
                error,
            )
        };
        if let Some(replaced) = &self.replaced {
            let metadata = replaced.metadata().map_err(failure)?;
            let permissions = std::fs::Permissions::from_mode(metadata.mode() & 0o7777);
            // The owner can be kept only by root; the mode goes last, since chown clears bits of it.
            let _ = std::os::unix::fs::fchown(
                &self.storage.file,
                Some(metadata.uid()),
                Some(metadata.gid()),
            );
            self.storage
                .file
                .set_permissions(permissions)
                .map_err(failure)?;
        }
        let temporary = match self.temporary.take() {
            Some(temporary) => temporary,
            None => {
                if self.replaced.is_none() && self.link_to(&self.destination).is_ok() {
                    return self.sync_directory();
                }
                let temporary = temporary_name(&self.directory, &self.destination)?;
                self.link_to(&temporary)
                    .map_err(|error| failure(error.into()))?;
                temporary
            }
        };
        if let Err(error) = std::fs::rename(&temporary, &self.destination) {
            let _ = std::fs::remove_file(&temporary);
            return Err(failure(error));
        }
        self.sync_directory()
    }

    fn link_to(&self, path: &Path) -> rustix::io::Result<()> {
        let descriptor = format!("/proc/self/fd/{}", self.storage.file.as_raw_fd());
        linkat(CWD, descriptor, CWD, path, AtFlags::SYMLINK_FOLLOW)
    }

    fn sync_directory(&self) -> Result<()> {
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        // Some file systems cannot sync directories; the archive itself is on the medium.
        let _ = synced;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _ = std::fs::remove_file(temporary);
        }
    }
}

/// Follows symbolic links at the destination, so that the link stays and its target is replaced.
fn resolve(path: &Path) -> Result<PathBuf> {
    let mut at = path.to_owned();
    for _ in 0..40 {
        match std::fs::read_link(&at) {
            Ok(target) => at = at.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(at),
        }
    }
    Err(Error::new(
        ErrorKind::Open,
        format!("{:?}: too many symbolic links", path.display().to_string()),
    ))
}

/// The file at the destination, locked, if there is one.
fn existing(destination: &Path, locking: Lock) -> Result<Option<File>> {
    let quoted = || format!("{:?}", destination.display().to_string());
    let metadata = match std::fs::metadata(destination) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(failed(
                ErrorKind::Open,
                "cannot examine",
                destination,
                error,
            ));
        }
    };
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(Error::new(
            ErrorKind::Open,
            format!("{} is a directory", quoted()),
        ));
    }
    if kind.is_fifo() || kind.is_char_device() || kind.is_socket() {
        return Err(Error::new(
            ErrorKind::Parameter,
            format!(
                "{} is not a regular file and cannot be written with random access; a pipable WIM could be written to it",
                quoted()
            ),
        ));
    }
    if !kind.is_file() {
        return Err(Error::new(
            ErrorKind::Open,
            format!("{} is not a regular file", quoted()),
        ));
    }
    let file = File::options()
        .read(true)
        .write(true)
        .open(destination)
        .map_err(|error| {
            failed(
                ErrorKind::Open,
                "cannot open for writing",
                destination,
                error,
            )
        })?;
    if locking == Lock::Take {
        lock(&file, destination)?;
    }
    Ok(Some(file))
}

fn unnamed_or_temporary(directory: &Path, destination: &Path) -> Result<(File, Option<PathBuf>)> {
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match open(directory, flags, mode) {
        Ok(file) => return Ok((File::from(file), None)),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
        }
        Err(error) => return Err(failed(ErrorKind::Open, "cannot create", destination, error)),
    }
    let temporary = temporary_name(directory, destination)?;
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&temporary)
        .map_err(|error| failed(ErrorKind::Open, "cannot create", &temporary, error))?;
    Ok((file, Some(temporary)))
}

/// A name in the destination's directory that nothing has.
fn temporary_name(directory: &Path, destination: &Path) -> Result<PathBuf> {
    let mut random = [0; 6];
    getrandom::fill(&mut random).map_err(|error| {
        Error::new(ErrorKind::Open, "no random numbers for a temporary name")
            .because(std::io::Error::from(error))
    })?;
    let suffix: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut name = std::ffi::OsString::from(".");
    name.push(destination.file_name().unwrap_or_default());
    name.push(format!(".{suffix}.tmp"));
    Ok(directory.join(name))
}
