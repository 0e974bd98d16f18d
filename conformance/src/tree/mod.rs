//! Directory trees as data: described, then built on a file system.
//!
//! A tree is a flat list in which every node names its directory by a number that is taken modulo
//! the directories before it. So every list is a tree, whatever proptest does to it while shrinking.

pub mod fixed;
pub mod name;
pub mod strategy;

use crate::content::{self, Flavour};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A tree: the root's times and everything below it.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Times of the root directory.
    pub times: Times,
    /// Everything else, parents before children.
    pub nodes: Vec<Node>,
}

/// Something with a name.
#[derive(Clone)]
pub struct Node {
    /// Which of the directories so far it lies in, modulo their number; 0 is the root.
    pub parent: usize,
    /// Its name. If the name is taken already the node is left out.
    pub name: Vec<u8>,
    /// What it is.
    pub what: What,
    /// Its times.
    pub times: Times,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum What {
    /// A directory.
    Dir,
    /// A file with these contents.
    File(Content),
    /// Another name of one of the files so far, modulo their number.
    HardLink(usize),
    /// A symbolic link.
    Symlink(Target),
}

/// Contents of a file.
#[derive(Clone, Debug)]
pub enum Content {
    /// Exactly these bytes.
    Bytes(Vec<u8>),
    /// Made from a seed. Equal seeds, flavours and sizes give duplicates.
    Made {
        /// What kind of bytes.
        flavour: Flavour,
        /// Where they come from.
        seed: u64,
        /// How many.
        len: u64,
    },
    /// A hole of this size with islands of data at these offsets.
    Sparse {
        /// Size of the file.
        len: u64,
        /// Where 4 KiB of data lie, cut at the end of the file.
        islands: Vec<u64>,
    },
}

/// Where a symbolic link points.
#[derive(Clone)]
pub enum Target {
    /// Exactly this text.
    Text(Vec<u8>),
    /// One of the nodes so far, by its name alone if it is in the same directory, else through `..`.
    Relative(usize),
    /// The absolute path of one of the nodes so far, or of the root, with this text behind it.
    Inside(usize, Vec<u8>),
}

/// Last write and last access time, as seconds and nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Last write.
    pub mtime: (i64, u32),
    /// Last access.
    pub atime: (i64, u32),
}

impl Default for Times {
    fn default() -> Self {
        Self {
            mtime: (1_600_000_000, 123_456_700),
            atime: (1_600_000_001, 987_654_300),
        }
    }
}

impl Times {
    /// The same with an access time that stays. Whoever follows a symbolic link changes its access
    /// time, in whatever order a program does it, and even the second name of a link that the first
    /// one was read by; the kernel leaves one alone that lies in the future and after the last write.
    #[must_use]
    pub fn settled(self) -> Self {
        let (seconds, nanoseconds) = self.atime;
        Self {
            atime: (
                9_000_000_000 + seconds.rem_euclid(1_000_000_000),
                nanoseconds,
            ),
            ..self
        }
    }

    /// Sets them, on a link itself.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set(self, path: &Path) -> io::Result<()> {
        let spec = |(seconds, nanoseconds): (i64, u32)| Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds.into(),
        };
        let times = Timestamps {
            last_access: spec(self.atime),
            last_modification: spec(self.mtime),
        };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }
}

impl Node {
    /// A directory in directory number `parent`.
    pub fn dir(parent: usize, name: impl Into<Vec<u8>>) -> Self {
        Self::new(parent, name, What::Dir)
    }

    /// A file in directory number `parent`.
    pub fn file(parent: usize, name: impl Into<Vec<u8>>, content: Content) -> Self {
        Self::new(parent, name, What::File(content))
    }

    /// A symbolic link in directory number `parent`.
    pub fn symlink(parent: usize, name: impl Into<Vec<u8>>, target: Target) -> Self {
        Self::new(parent, name, What::Symlink(target))
    }

    /// Another name for file number `file`.
    pub fn hard_link(parent: usize, name: impl Into<Vec<u8>>, file: usize) -> Self {
        Self::new(parent, name, What::HardLink(file))
    }

    fn new(parent: usize, name: impl Into<Vec<u8>>, what: What) -> Self {
        Self {
            parent,
            name: name.into(),
            what,
            times: Times::default(),
        }
    }

    /// The same with other times.
    #[must_use]
    pub fn at(mut self, times: Times) -> Self {
        self.times = times;
        self
    }
}

impl Content {
    /// Text from a seed.
    #[must_use]
    pub fn text(seed: u64, len: u64) -> Self {
        Self::Made {
            flavour: Flavour::Text,
            seed,
            len,
        }
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        match self {
            Self::Bytes(bytes) => file.write_all(bytes),
            Self::Made { flavour, seed, len } => {
                let mut writer = BufWriter::new(file);
                content::write_to(&mut writer, *flavour, *seed, *len)?;
                writer.flush()
            }
            Self::Sparse { len, islands } => {
                file.set_len(*len)?;
                for &offset in islands {
                    let size = len.saturating_sub(offset).min(4096);
                    file.seek(SeekFrom::Start(offset))?;
                    content::write_to(&mut file, Flavour::Random, offset, size)?;
                }
                Ok(())
            }
        }
    }
}

impl Tree {
    /// Builds the tree as a new directory.
    ///
    /// # Panics
    /// If the file system refuses something: the generators only make what one can hold.
    pub fn build(&self, root: &Path) {
        self.try_build(root)
            .unwrap_or_else(|error| panic!("build a tree at {}: {error}", root.display()));
    }

    fn try_build(&self, root: &Path) -> io::Result<()> {
        fs::create_dir(root)?;
        let mut dirs = vec![root.to_owned()];
        let mut files: Vec<PathBuf> = Vec::new();
        let mut all = vec![(root.to_owned(), self.times)];
        for node in &self.nodes {
            let dir = &dirs[node.parent % dirs.len()];
            let path = dir.join(OsStr::from_bytes(&node.name));
            // Very deep trees would exceed what a path can be.
            if path.as_os_str().len() > 3900 || path.symlink_metadata().is_ok() {
                continue;
            }
            match &node.what {
                What::Dir => {
                    fs::create_dir(&path)?;
                    dirs.push(path.clone());
                }
                What::HardLink(other) if !files.is_empty() => {
                    fs::hard_link(&files[other % files.len()], &path)?;
                }
                What::HardLink(_) => {
                    File::create_new(&path)?;
                    files.push(path.clone());
                }
                What::File(content) => {
                    content.write(&path)?;
                    files.push(path.clone());
                }
                What::Symlink(target) => {
                    let text = target.text(root, dir, &all);
                    symlink(OsStr::from_bytes(&text), &path)?;
                }
            }
            let times = match node.what {
                What::Symlink(_) => node.times.settled(),
                _ => node.times,
            };
            all.push((path, times));
        }
        // Children first, so that their making does not touch the times of their directory.
        for (path, times) in all.iter().rev() {
            times.set(path)?;
        }
        Ok(())
    }
}

/// On one line: proptest shows whole trees.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Times { mtime, atime } = self.times;
        write!(
            f,
            "in {}: b\"{}\" is {:?}, {mtime:?} {atime:?}",
            self.parent,
            self.name.escape_ascii(),
            self.what,
        )
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "b\"{}\"", text.escape_ascii()),
            Self::Relative(node) => write!(f, "node {node}"),
            Self::Inside(node, tail) => {
                write!(f, "absolute node {node} b\"{}\"", tail.escape_ascii())
            }
        }
    }
}

impl Target {
    fn text(&self, root: &Path, from: &Path, all: &[(PathBuf, Times)]) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone(),
            Self::Inside(node, tail) => {
                let mut text = all[node % all.len()].0.as_os_str().as_bytes().to_vec();
                text.extend_from_slice(tail);
                text
            }
            Self::Relative(node) => {
                let to = &all[node % all.len()].0;
                if to.parent() == Some(from)
                    && let Some(name) = to.file_name()
                {
                    return name.as_bytes().to_vec();
                }
                let ups = from
                    .strip_prefix(root)
                    .map_or(0, |p| p.components().count());
                let mut text = PathBuf::from(".");
                for _ in 0..ups {
                    text.push("..");
                }
                text.push(to.strip_prefix(root).unwrap_or(to));
                text.as_os_str().as_bytes().to_vec()
            }
        }
    }
}
