//! A directory of wasi:filesystem to restore to.

use std::path::{Path, PathBuf};

use wasip2::clocks::wall_clock::Datetime;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};
use wimforge_core::image::UnixData;
use wimforge_core::port::{FileMetadata, LinkTarget, Missed, Target, TargetFile};
use wimforge_core::time::FileTime;
use wimforge_core::{Error, ErrorKind, Result};

use crate::failure::{cause, failed};
use crate::files::write_at;
use crate::paths::{AtLink, Given, open_directory};

/// A directory. The host lets no path that is looked up from it lead outside.
pub struct WasiTarget {
    path: PathBuf,
    root: Descriptor,
}

impl WasiTarget {
    /// The directory at a path, made if it is missing.
    pub fn open(given: &Given, path: &Path) -> Result<Self> {
        let place = given.find(path)?;
        if place.stat().is_err() {
            let made = place.given.create_directory_at(&place.below);
            made.map_err(|code| failed(ErrorKind::MakeDirectory, "cannot make", path, code))?;
        }
        let root = open_directory(place.given, &place.below, AtLink::Follow).map_err(|code| {
            failed(
                ErrorKind::OpenDirectory,
                "cannot open directory",
                path,
                code,
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            root,
        })
    }

    /// The path in the form that the host takes.
    fn text<'p>(&self, kind: ErrorKind, path: &'p [u8]) -> Result<&'p str> {
        std::str::from_utf8(path).map_err(|_| {
            let shown = String::from_utf8_lossy(path).into_owned();
            Error::new(
                kind,
                format!("{shown:?}: the host takes only names that are valid UTF-16"),
            )
        })
    }

    fn failed(&self, kind: ErrorKind, what: &str, path: &str, code: ErrorCode) -> Error {
        failed(kind, what, self.path.join(path), code)
    }

    /// Takes away what is in the way of a file or link.
    fn make_way(&self, path: &str) -> std::result::Result<(), ErrorCode> {
        match self.root.unlink_file_at(path) {
            Ok(()) | Err(ErrorCode::NoEntry) => Ok(()),
            Err(code) => Err(code),
        }
    }
}

impl Target for WasiTarget {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn make_directory(&self, path: &[u8]) -> Result<()> {
        if path.is_empty() {
            return Ok(());
        }
        let path = self.text(ErrorKind::MakeDirectory, path)?;
        match self.root.create_directory_at(path) {
            Ok(()) => Ok(()),
            Err(ErrorCode::Exist) if open_directory(&self.root, path, AtLink::Stop).is_ok() => {
                Ok(())
            }
            Err(code) => Err(self.failed(ErrorKind::MakeDirectory, "cannot make", path, code)),
        }
    }

    fn create_file(&self, path: &[u8]) -> Result<Box<dyn TargetFile + '_>> {
        let path = self.text(ErrorKind::Open, path)?;
        let create = || {
            let flags = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
            self.root
                .open_at(PathFlags::empty(), path, flags, DescriptorFlags::WRITE)
        };
        let created = match create() {
            Err(ErrorCode::Exist) => self.make_way(path).and_then(|()| create()),
            created => created,
        };
        match created {
            Ok(file) => Ok(Box::new(WasiFile(file))),
            Err(code) => Err(self.failed(ErrorKind::Open, "cannot create", path, code)),
        }
    }

    fn hard_link(&self, existing: &[u8], path: &[u8]) -> Result<()> {
        let existing = self.text(ErrorKind::MakeLink, existing)?;
        let path = self.text(ErrorKind::MakeLink, path)?;
        let link = || {
            self.root
                .link_at(PathFlags::empty(), existing, &self.root, path)
        };
        let linked = match link() {
            Err(ErrorCode::Exist) => self.make_way(path).and_then(|()| link()),
            linked => linked,
        };
        linked.map_err(|code| self.failed(ErrorKind::MakeLink, "cannot make the link", path, code))
    }

    fn symbolic_link(&self, target: LinkTarget<'_>, path: &[u8]) -> Result<()> {
        let path = self.text(ErrorKind::MakeLink, path)?;
        let target = match target {
            LinkTarget::AsIs(text) => self.text(ErrorKind::MakeLink, text)?.to_owned(),
            LinkTarget::UnderRoot(text) => relative(path, self.text(ErrorKind::MakeLink, text)?),
        };
        let link = || self.root.symlink_at(&target, path);
        let linked = match link() {
            Err(ErrorCode::Exist) => self.make_way(path).and_then(|()| link()),
            linked => linked,
        };
        linked.map_err(|code| {
            let what = match target.starts_with('/') {
                true => "wasi:filesystem makes no absolute link such as",
                false => "cannot make the link",
            };
            self.failed(ErrorKind::MakeLink, what, path, code)
        })
    }

    /// wasi:filesystem makes none.
    fn make_special(&self, _unix: &UnixData, _path: &[u8]) -> Result<Missed> {
        Ok(Missed::SPECIAL)
    }

    fn set_metadata(&self, path: &[u8], metadata: &FileMetadata<'_>) -> Result<Missed> {
        let path = match self.text(ErrorKind::SetTimes, path)? {
            "" => ".",
            path => path,
        };
        if let Some([_, access, write]) = metadata.times {
            let set = self
                .root
                .set_times_at(PathFlags::empty(), path, stamp(access), stamp(write));
            set.map_err(|code| {
                self.failed(ErrorKind::SetTimes, "cannot set times of", path, code)
            })?;
        }
        Ok(missed(metadata))
    }
}

/// The same place, from the directory that a link is in: the host knows no absolute paths.
fn relative(link: &str, under_root: &str) -> String {
    let up = "../".repeat(link.matches('/').count());
    match under_root.trim_start_matches('/') {
        "" if up.is_empty() => ".".into(),
        "" => up,
        rest => format!("{up}{rest}"),
    }
}

/// Moments before 1970 cannot be told.
fn stamp(time: FileTime) -> NewTimestamp {
    let (seconds, nanoseconds) = time.to_unix();
    match u64::try_from(seconds) {
        Ok(seconds) => NewTimestamp::Timestamp(Datetime {
            seconds,
            nanoseconds,
        }),
        Err(_) => NewTimestamp::NoChange,
    }
}

fn missed(metadata: &FileMetadata<'_>) -> Missed {
    let mut missed = Missed::empty();
    if metadata.unix.is_some() {
        missed |= Missed::OWNER | Missed::MODE;
    }
    if !metadata.xattrs.is_empty() {
        missed |= Missed::XATTRS;
    }
    missed
}

struct WasiFile(Descriptor);

impl TargetFile for WasiFile {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        write_at(&self.0, offset, data).map_err(|code| {
            Error::new(ErrorKind::Write, "cannot write the file").because(cause(code))
        })
    }

    fn set_len(&self, size: u64) -> Result<()> {
        self.0.set_size(size).map_err(|code| {
            Error::new(ErrorKind::Write, "cannot resize the file").because(cause(code))
        })
    }

    fn set_metadata(&self, metadata: &FileMetadata<'_>) -> Result<Missed> {
        if let Some([_, access, write]) = metadata.times {
            self.0
                .set_times(stamp(access), stamp(write))
                .map_err(|code| {
                    Error::new(ErrorKind::SetTimes, "cannot set times of the file")
                        .because(cause(code))
                })?;
        }
        Ok(missed(metadata))
    }
}
