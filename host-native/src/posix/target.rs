//! A directory of a POSIX system as a target.
//!
//! Nothing is ever looked up by a path: a file is created, linked or changed by its name in the
//! descriptor of its directory, and a directory is opened by its name in the descriptor of its parent,
//! never following a link. So neither a link that the image itself made nor one that another process
//! puts in the way can lead out of the root.

mod file;
mod parents;

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, fchmod, fchown,
    fsetxattr, fstat, fstatvfs, linkat, mkdirat, mknodat, openat, statat, symlinkat, unlinkat,
    utimensat,
};
use rustix::io::Errno;
use wimforge_core::image::{UnixData, Xattr};
use wimforge_core::port::{FileMetadata, LinkTarget, Missed, Target, TargetFile};
use wimforge_core::text::{self, BadNames};
use wimforge_core::time::FileTime;
use wimforge_core::{Error, ErrorKind, Result};

use self::file::PosixFile;
use self::parents::Parents;
use crate::failure::failed;

/// Bytes of a file name that every usual file system allows.
const MAX_NAME: usize = 255;

/// Attempts to put a file in the place of another that keeps coming back.
const ATTEMPTS: usize = 4;

/// A directory to restore to.
pub struct PosixTarget {
    path: PathBuf,
    /// The root's path from the top, for links into it.
    absolute: PathBuf,
    bad_names: BadNames,
    parents: Parents,
}

impl PosixTarget {
    /// Opens the directory at `path`, following a link there, or makes it.
    ///
    /// # Errors
    /// [`ErrorKind::MakeDirectory`], [`ErrorKind::OpenDirectory`].
    pub fn open(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|error| {
            failed(
                ErrorKind::MakeDirectory,
                "cannot make directory",
                path,
                error,
            )
        })?;
        let cannot_open = |error| {
            failed(
                ErrorKind::OpenDirectory,
                "cannot open directory",
                path,
                error,
            )
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| cannot_open(error.into()))?;
        Ok(Self {
            path: path.to_owned(),
            absolute: path.canonicalize().map_err(cannot_open)?,
            bad_names: BadNames::default(),
            parents: Parents::new(root),
        })
    }

    /// What becomes of names that are not UTF-8: with [`BadNames::Escape`] they get back the bytes
    /// that were escaped at capture.
    #[must_use]
    pub fn with_bad_names(self, bad_names: BadNames) -> Self {
        Self { bad_names, ..self }
    }

    fn failed(&self, kind: ErrorKind, what: &str, path: &[u8], error: Errno) -> Error {
        let below = Path::new(std::ffi::OsStr::from_bytes(path));
        failed(kind, what, self.path.join(below), error)
    }

    /// The directory of an entry, open, and the entry's name in it.
    fn place<'p>(&self, host: &'p [u8]) -> Result<(std::sync::Arc<OwnedFd>, &'p [u8]), Errno> {
        let (parent, name) = match host.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (&host[..slash], &host[slash + 1..]),
            None => (&host[..0], host),
        };
        // Whoever plans a restoration asks for the names that are allowed, so this does not happen.
        if name.is_empty() || name == b"." || name == b".." {
            return Err(Errno::INVAL);
        }
        Ok((self.parents.open(parent)?, name))
    }

    fn host(&self, path: &[u8]) -> Vec<u8> {
        text::to_host(path, self.bad_names)
    }

    /// Does `make`, which creates an entry; if another is in the way, that is removed first.
    fn replacing<T>(
        &self,
        host: &[u8],
        make: impl Fn(&OwnedFd, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let (parent, name) = self.place(host)?;
        let mut result = make(&parent, name);
        for _ in 0..ATTEMPTS {
            if !matches!(result, Err(Errno::EXIST)) {
                break;
            }
            remove(&parent, name)?;
            self.parents.forget(host);
            result = make(&parent, name);
        }
        result
    }
}

/// Removes a file, link or empty directory.
fn remove(parent: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    match unlinkat(parent, name, AtFlags::empty()) {
        // Linux says the first of a directory, POSIX the second.
        Err(Errno::ISDIR | Errno::PERM) => match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTDIR) => Err(Errno::PERM),
            result => result,
        },
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

impl Target for PosixTarget {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn allows_name(&self, name: &[u8]) -> bool {
        let host = self.host(name);
        host.len() <= MAX_NAME
            && !matches!(&host[..], b"" | b"." | b"..")
            && !host.iter().any(|&byte| matches!(byte, 0 | b'/'))
    }

    fn free_space(&self) -> Option<u64> {
        let root = self.parents.open(b"").ok()?;
        let found = fstatvfs(&*root).ok()?;
        found.f_bavail.checked_mul(found.f_frsize)
    }

    fn make_directory(&self, path: &[u8]) -> Result<()> {
        if path.is_empty() {
            return Ok(());
        }
        let host = self.host(path);
        let made = self.replacing(&host, |parent, name| {
            match mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
                Err(Errno::EXIST) => {
                    let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    match FileType::from_raw_mode(found.st_mode) {
                        FileType::Directory => Ok(()),
                        _ => Err(Errno::EXIST),
                    }
                }
                result => result,
            }
        });
        made.map_err(|error| {
            self.failed(
                ErrorKind::MakeDirectory,
                "cannot make directory",
                path,
                error,
            )
        })
    }

    fn create_file(&self, path: &[u8]) -> Result<Box<dyn TargetFile + '_>> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = self.replacing(&self.host(path), |parent, name| {
            openat(parent, name, flags, Mode::from_raw_mode(0o666))
        });
        match opened {
            Ok(descriptor) => Ok(Box::new(PosixFile::new(descriptor))),
            Err(error) => Err(self.failed(ErrorKind::Open, "cannot create", path, error)),
        }
    }

    fn hard_link(&self, existing: &[u8], path: &[u8]) -> Result<()> {
        let existing = self.host(existing);
        let linked = self.place(&existing).and_then(|(from, old)| {
            self.replacing(&self.host(path), |parent, name| {
                linkat(&*from, old, parent, name, AtFlags::empty())
            })
        });
        linked
            .map_err(|error| self.failed(ErrorKind::MakeLink, "cannot make hard link", path, error))
    }

    fn copy_file(&self, existing: &[u8], path: &[u8]) -> Result<bool> {
        let failed = |error| self.failed(ErrorKind::Open, "cannot copy", existing, error);
        let host = self.host(existing);
        let (parent, name) = self.place(&host).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let original = openat(&*parent, name, flags, Mode::empty()).map_err(failed)?;
        let found = fstat(&original).map_err(failed)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Ok(false);
        }
        let copy = self.create_file(path)?;
        copy.copy_from(&PosixFile::new(original), found.st_size as u64)
    }

    fn symbolic_link(&self, target: LinkTarget<'_>, path: &[u8]) -> Result<()> {
        let to = match target {
            LinkTarget::AsIs(to) => self.host(to),
            LinkTarget::UnderRoot(to) => {
                let root = self.absolute.as_os_str().as_bytes();
                let root = root.strip_suffix(b"/").unwrap_or(root);
                let mut all = root.to_vec();
                if !to.is_empty() && to.first() != Some(&b'/') {
                    all.push(b'/');
                }
                all.extend_from_slice(&self.host(to));
                if all.is_empty() { b"/".to_vec() } else { all }
            }
        };
        let linked = self.replacing(&self.host(path), |parent, name| {
            symlinkat(&to[..], parent, name)
        });
        linked.map_err(|error| {
            self.failed(
                ErrorKind::MakeLink,
                "cannot make symbolic link",
                path,
                error,
            )
        })
    }

    fn make_special(&self, unix: &UnixData, path: &[u8]) -> Result<Missed> {
        let kind = FileType::from_raw_mode(unix.mode);
        let made = self.replacing(&self.host(path), |parent, name| {
            let mode = Mode::from_raw_mode(0o600);
            mknodat(parent, name, kind, mode, u64::from(unix.rdev))
        });
        match made {
            Ok(()) => Ok(Missed::empty()),
            Err(Errno::PERM | Errno::OPNOTSUPP) => Ok(Missed::SPECIAL),
            Err(error) => Err(self.failed(
                ErrorKind::MakeSpecial,
                "cannot make special file",
                path,
                error,
            )),
        }
    }

    fn set_metadata(&self, path: &[u8], metadata: &FileMetadata<'_>) -> Result<Missed> {
        let host = self.host(path);
        let failed =
            |error: Errno| self.failed(ErrorKind::SetTimes, "cannot set metadata of", path, error);
        if host.is_empty() {
            let root = self.parents.open(b"").map_err(failed)?;
            return set(&*root, metadata);
        }
        let (parent, name) = self.place(&host).map_err(failed)?;
        let mut missed = Missed::empty();
        if metadata.unix.is_some() || !metadata.xattrs.is_empty() {
            missed = set_by_name(&parent, name, metadata)?;
        }
        if let Some(times) = &metadata.times {
            utimensat(
                &*parent,
                name,
                &timestamps(times),
                AtFlags::SYMLINK_NOFOLLOW,
            )
            .map_err(failed)?;
        }
        Ok(missed)
    }
}

/// Access and write time; creation times cannot be set.
fn timestamps(times: &[FileTime; 3]) -> Timestamps {
    let timespec = |time: FileTime| {
        let (tv_sec, nanoseconds) = time.to_unix();
        Timespec {
            tv_sec,
            tv_nsec: nanoseconds.into(),
        }
    };
    Timestamps {
        last_access: timespec(times[1]),
        last_modification: timespec(times[2]),
    }
}

/// Sets everything through a descriptor that is open for reading or writing.
fn set(descriptor: impl AsFd, metadata: &FileMetadata<'_>) -> Result<Missed> {
    let mut missed = Missed::empty();
    if metadata.unix.is_some() || !metadata.xattrs.is_empty() {
        missed = set_protection(
            metadata,
            |owner, group| fchown(&descriptor, owner, group),
            |mode| fchmod(&descriptor, mode),
            |xattr| {
                fsetxattr(
                    &descriptor,
                    &xattr.name[..],
                    &xattr.value,
                    XattrFlags::empty(),
                )
            },
        )?;
    }
    if let Some(times) = &metadata.times {
        rustix::fs::futimens(&descriptor, &timestamps(times)).map_err(|error| {
            Error::new(ErrorKind::SetTimes, "cannot set times").because(std::io::Error::from(error))
        })?;
    }
    Ok(missed)
}

/// Sets owner, mode and extended attributes of something that cannot be opened as a file: a link, a
/// device, a directory that must not be read. It is pinned by a descriptor first; what needs a path is
/// done through the name that the kernel has for that descriptor, which leads to exactly this file.
fn set_by_name(parent: &OwnedFd, name: &[u8], metadata: &FileMetadata<'_>) -> Result<Missed> {
    let cannot = |error: Errno| {
        Error::new(ErrorKind::SetSecurity, "cannot open to set owner and mode")
            .because(std::io::Error::from(error))
    };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let pinned = openat(parent, name, flags, Mode::empty()).map_err(cannot)?;
    let kind = FileType::from_raw_mode(fstat(&pinned).map_err(cannot)?.st_mode);
    let path = format!("/proc/self/fd/{}", pinned.as_raw_fd());
    set_protection(
        metadata,
        |owner, group| rustix::fs::chownat(&pinned, c"", owner, group, AtFlags::EMPTY_PATH),
        |mode| match kind {
            FileType::Symlink => Ok(()),
            _ => rustix::fs::chmod(&path[..], mode),
        },
        |xattr| {
            rustix::fs::setxattr(
                &path[..],
                &xattr.name[..],
                &xattr.value,
                XattrFlags::empty(),
            )
        },
    )
}

/// Changing the owner takes away set-id bits and capabilities, so it comes first; user attributes need
/// a file that can be written, so they come before the mode; access lists change the mode's meaning, so
/// they come last.
fn set_protection(
    metadata: &FileMetadata<'_>,
    set_owner: impl Fn(Option<Uid>, Option<Gid>) -> Result<(), Errno>,
    set_mode: impl Fn(Mode) -> Result<(), Errno>,
    set_xattr: impl Fn(&Xattr) -> Result<(), Errno>,
) -> Result<Missed> {
    let mut missed = Missed::empty();
    if let Some(unix) = &metadata.unix {
        // All ones means "do not change" to the kernel.
        let owner = (unix.uid != u32::MAX).then(|| Uid::from_raw(unix.uid));
        let group = (unix.gid != u32::MAX).then(|| Gid::from_raw(unix.gid));
        match set_owner(owner, group) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) => missed |= Missed::OWNER,
            Err(error) => return Err(refused(ErrorKind::SetSecurity, "set owner", error)),
        }
    }
    let set_xattrs = |lists: bool| -> Result<Missed> {
        let mut missed = Missed::empty();
        for xattr in metadata.xattrs {
            if xattr.name.starts_with(b"system.posix_acl_") != lists {
                continue;
            }
            match set_xattr(xattr) {
                Ok(()) => {}
                Err(
                    Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::INVAL | Errno::RANGE,
                ) => missed |= Missed::XATTRS,
                Err(error) => {
                    let name = String::from_utf8_lossy(&xattr.name).into_owned();
                    let what = format!("set extended attribute {name}");
                    return Err(refused(ErrorKind::SetXattr, &what, error));
                }
            }
        }
        Ok(missed)
    };
    missed |= set_xattrs(false)?;
    if let Some(unix) = &metadata.unix {
        let mut bits = unix.mode & 0o7777;
        if missed.contains(Missed::OWNER) && bits & 0o6000 != 0 {
            // A program must not act for another owner than it was meant to.
            bits &= !0o6000;
            missed |= Missed::MODE;
        }
        match set_mode(Mode::from_raw_mode(bits)) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOENT) => missed |= Missed::MODE,
            Err(error) => return Err(refused(ErrorKind::SetSecurity, "set mode", error)),
        }
    }
    Ok(missed | set_xattrs(true)?)
}

fn refused(kind: ErrorKind, what: &str, error: Errno) -> Error {
    Error::new(kind, format!("cannot {what}")).because(std::io::Error::from(error))
}

#[cfg(test)]
mod tests;
