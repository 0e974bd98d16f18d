//! What the system says about a file, as an entry of a source.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, Stat, readlinkat, statat};
use wimforge_core::image::{UnixData, Xattr};
use wimforge_core::port::{Entry, Extra, FileIdentity, Kind, Link, Node};
use wimforge_core::text::{self, BadNames};
use wimforge_core::time::FileTime;
use wimforge_core::{Error, ErrorKind, Result};

/// A file as `stat` sees it. Streams of links are not known yet.
pub(super) fn entry_of(node: Node, stat: &Stat, kind: Kind, dereferenced: bool) -> Entry {
    let is_directory = matches!(kind, Kind::Directory);
    Entry {
        node,
        name_end: 0,
        creation_time: write_time(stat),
        access_time: time(stat.st_atime, stat.st_atime_nsec),
        write_time: write_time(stat),
        identity: Some(identity(stat)),
        shared: !is_directory && (stat.st_nlink > 1 || dereferenced),
        size: match kind {
            Kind::File { .. } => u64::try_from(stat.st_size).unwrap_or(0),
            _ => 0,
        },
        unix: Some(UnixData {
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode,
            rdev: encode_rdev(stat.st_rdev),
        }),
        kind,
        extra: None,
    }
}

pub(super) fn identity(stat: &Stat) -> FileIdentity {
    FileIdentity {
        device: stat.st_dev,
        file: stat.st_ino,
    }
}

pub(super) fn write_time(stat: &Stat) -> FileTime {
    time(stat.st_mtime, stat.st_mtime_nsec)
}

#[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
fn time(seconds: i64, nanoseconds: impl TryInto<u32>) -> FileTime {
    FileTime::from_unix(seconds, nanoseconds.try_into().unwrap_or(0))
}

/// Device numbers are stored in 32 bits in the older encoding of the kernel: 8 bits of the minor
/// number, 12 of the major, 12 more of the minor.
fn encode_rdev(rdev: u64) -> u32 {
    let (major, minor) = (rustix::fs::major(rdev), rustix::fs::minor(rdev));
    (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & 0xF_FF00) << 12
}

/// Says what a file is; reads the target of a symbolic link.
pub(super) fn kind_of(
    directory: BorrowedFd<'_>,
    name: &[u8],
    stat: &Stat,
    bad_names: BadNames,
) -> Result<Kind> {
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Kind::Directory,
        FileType::RegularFile => Kind::File {
            sparse: is_sparse(stat),
        },
        FileType::Symlink => Kind::Link(Box::new(link(directory, name, bad_names)?)),
        _ => Kind::Special,
    })
}

/// A file has holes if fewer blocks of 512 bytes are allocated than it needs.
fn is_sparse(stat: &Stat) -> bool {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    u64::try_from(stat.st_blocks).unwrap_or(0) < size.div_ceil(512)
}

fn link(directory: BorrowedFd<'_>, name: &[u8], bad_names: BadNames) -> Result<Link> {
    let target = readlinkat(directory, name, Vec::new()).map_err(|error| {
        Error::new(
            ErrorKind::ReadLink,
            "cannot read the target of the symbolic link",
        )
        .because(std::io::Error::from(error))
    })?;
    let wide = text::from_host(target.as_bytes(), bad_names).ok_or_else(|| {
        Error::new(
            ErrorKind::Utf8,
            "the target of the symbolic link is not valid UTF-8",
        )
    })?;
    let followed = statat(directory, name, AtFlags::empty());
    let to_directory =
        followed.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
    Ok(Link {
        target: text::utf16(&wide).collect(),
        to_directory,
    })
}

/// Extended attributes that fit the format, sorted by name, with what had to be left out.
pub(super) fn xattrs(path: &std::path::Path) -> (Option<Box<Extra>>, Vec<String>) {
    let mut left_out = Vec::new();
    let Ok(names) = list_xattrs(path) else {
        // A file system without attributes is no error.
        return (None, left_out);
    };
    let mut xattrs = Vec::new();
    for name in names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        let shown = String::from_utf8_lossy(name);
        match get_xattr(path, name) {
            Ok(value) if name.len() <= 255 && value.len() <= 65535 => xattrs.push(Xattr {
                name: name.to_vec(),
                value,
                flags: 0,
            }),
            Ok(_) => left_out.push(format!("extended attribute {shown} is too large for a WIM")),
            Err(error) => left_out.push(format!("cannot read extended attribute {shown}: {error}")),
        }
    }
    xattrs.sort();
    let extra = Extra {
        xattrs,
        ..Extra::default()
    };
    let extra = (!extra.xattrs.is_empty()).then(|| Box::new(extra));
    (extra, left_out)
}

fn list_xattrs(path: &std::path::Path) -> rustix::io::Result<Vec<u8>> {
    let mut names = vec![0; 4096];
    loop {
        match rustix::fs::llistxattr(path, &mut names) {
            Ok(size) => {
                names.truncate(size);
                return Ok(names);
            }
            Err(rustix::io::Errno::RANGE) if names.len() < 1 << 20 => {
                let larger = names.len() * 4;
                names.resize(larger, 0);
            }
            Err(error) => return Err(error),
        }
    }
}

fn get_xattr(path: &std::path::Path, name: &[u8]) -> rustix::io::Result<Vec<u8>> {
    let mut value = vec![0; 65536];
    let size = rustix::fs::lgetxattr(path, name, &mut value)?;
    value.truncate(size);
    Ok(value)
}
