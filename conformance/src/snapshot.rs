//! What a directory holds, read straight from the system.

use crate::tree::Times;
use rustix::buffer::spare_capacity;
use rustix::fs::{OFlags, lgetxattr, llistxattr};
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Everything below a directory, and the directory itself under the empty path.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where it was taken.
    pub root: PathBuf,
    /// By path relative to the root, in bytes.
    pub nodes: BTreeMap<Vec<u8>, Node>,
}

/// One name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Exact times.
    pub times: Times,
    /// For a file with several names: the first of them in the order of paths.
    pub group: Option<Vec<u8>>,
    /// Who may do what with it, and what else POSIX systems know of it.
    pub unix: Unix,
}

/// What is stored and restored with `--unix-data`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unix {
    /// User and group.
    pub owner: (u32, u32),
    /// With the type of the file.
    pub mode: u32,
    /// Number of a device.
    pub device: u64,
    /// Extended attributes by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Unix {
    fn of(path: &Path, metadata: &Metadata) -> Self {
        let mut list = Vec::with_capacity(1 << 16);
        // A file system without extended attributes has none.
        let _ = llistxattr(path, spare_capacity(&mut list));
        let names = list
            .split(|&byte| byte == 0)
            .filter(|name| !name.is_empty());
        let with_values = names.map(|name| {
            let mut value = Vec::with_capacity(1 << 16);
            lgetxattr(path, name, spare_capacity(&mut value))
                .unwrap_or_else(|error| panic!("read {name:?} of {}: {error}", path.display()));
            (name.to_vec(), value)
        });
        Self {
            owner: (metadata.uid(), metadata.gid()),
            mode: metadata.mode(),
            device: metadata.rdev(),
            xattrs: with_values.collect(),
        }
    }
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Dir,
    /// A file.
    File {
        /// Its size.
        len: u64,
        /// SHA-1 of its contents.
        digest: [u8; 20],
    },
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// A device, FIFO or socket.
    Special(&'static str),
}

impl Snapshot {
    /// Reads a directory completely.
    ///
    /// # Panics
    /// If something in it cannot be read.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        Self::read(root).unwrap_or_else(|error| panic!("read {}: {error}", root.display()))
    }

    fn read(root: &Path) -> io::Result<Self> {
        let mut nodes = BTreeMap::new();
        let mut inodes: BTreeMap<(u64, u64), Vec<Vec<u8>>> = BTreeMap::new();
        // Each path is examined before anything is opened, so that reading does not change its times.
        let mut stack = vec![Vec::new()];
        while let Some(path) = stack.pop() {
            let full = join(root, &path);
            let metadata = full.symlink_metadata()?;
            let times = times_of(&metadata);
            let kind = if metadata.is_dir() {
                for entry in fs::read_dir(&full)? {
                    let mut child = path.clone();
                    if !child.is_empty() {
                        child.push(b'/');
                    }
                    child.extend_from_slice(entry?.file_name().as_bytes());
                    stack.push(child);
                }
                Kind::Dir
            } else {
                if metadata.is_file() && metadata.nlink() > 1 {
                    inodes
                        .entry((metadata.dev(), metadata.ino()))
                        .or_default()
                        .push(path.clone());
                }
                kind_of(&full, &metadata)?
            };
            let node = Node {
                kind,
                times,
                group: None,
                unix: Unix::of(&full, &metadata),
            };
            nodes.insert(path, node);
        }
        for mut names in inodes.into_values() {
            // One name inside and others outside of the tree are no group.
            if names.len() < 2 {
                continue;
            }
            names.sort();
            for name in &names {
                if let Entry::Occupied(mut node) = nodes.entry(name.clone()) {
                    node.get_mut().group = Some(names[0].clone());
                }
            }
        }
        let root = root.to_owned();
        Ok(Self { root, nodes })
    }

    /// Puts the times back that were there when the snapshot was taken: reading a tree changes access
    /// times, and the next reader has to see the same.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn restore_times(&self) {
        for (path, node) in self.nodes.iter().rev() {
            let full = join(&self.root, path);
            node.times
                .set(&full)
                .unwrap_or_else(|error| panic!("set times of {}: {error}", full.display()));
        }
    }

    /// Gives all symbolic links below access times that stay: see [`Times::settled`].
    ///
    /// # Panics
    /// If the system refuses.
    pub fn settle_links(&mut self) {
        self.settle_some(|kind| matches!(kind, Kind::Symlink(_)));
    }

    /// The same for everything: sources that one capture reads twice.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn settle(&mut self) {
        self.settle_some(|_| true);
    }

    fn settle_some(&mut self, which: impl Fn(&Kind) -> bool) {
        for node in self.nodes.values_mut().filter(|node| which(&node.kind)) {
            node.times = node.times.settled();
        }
        self.restore_times();
    }

    /// The number of files and links, and the bytes in them.
    #[must_use]
    pub fn totals(&self) -> (usize, u64) {
        self.nodes
            .values()
            .fold((0, 0), |(count, sum), node| match &node.kind {
                Kind::File { len, .. } => (count + 1, sum + len),
                Kind::Symlink(_) => (count + 1, sum),
                _ => (count, sum),
            })
    }
}

fn kind_of(path: &Path, metadata: &Metadata) -> io::Result<Kind> {
    let kind = metadata.file_type();
    Ok(if kind.is_symlink() {
        Kind::Symlink(fs::read_link(path)?.as_os_str().as_bytes().to_vec())
    } else if kind.is_file() {
        Kind::File {
            len: metadata.len(),
            digest: digest(path)?,
        }
    } else if kind.is_fifo() {
        Kind::Special("FIFO")
    } else if kind.is_socket() {
        Kind::Special("socket")
    } else {
        Kind::Special("device")
    })
}

fn digest(path: &Path) -> io::Result<[u8; 20]> {
    let mut file = open_quietly(path)?;
    let mut hasher = Sha1::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hasher.finalize().into());
        }
        hasher.update(&buffer[..count]);
    }
}

/// Opens a file without touching its access time where that is allowed.
///
/// # Errors
/// Those of the system.
pub fn open_quietly(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOATIME.bits().cast_signed();
    OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .or_else(|_| File::open(path))
}

/// The times in metadata.
#[must_use]
pub fn times_of(metadata: &Metadata) -> Times {
    Times {
        mtime: (metadata.mtime(), metadata.mtime_nsec() as u32),
        atime: (metadata.atime(), metadata.atime_nsec() as u32),
    }
}

/// The path of a node of a snapshot.
#[must_use]
pub fn join(root: &Path, path: &[u8]) -> PathBuf {
    if path.is_empty() {
        root.to_owned()
    } else {
        root.join(OsStr::from_bytes(path))
    }
}
