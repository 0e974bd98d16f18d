//! Directories of a source by number, opened when needed and kept open for a while.
//!
//! A path from the root could be longer than the system allows and would be looked up again for
//! every file, so files are opened relative to the descriptor of their directory.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags, openat};
use wimforge_core::port::Node;

/// Directories that stay open.
const OPEN: usize = 64;

/// All directories and names met so far.
pub(super) struct Directories {
    /// Flags for opening a directory below the root.
    flags: OFlags,
    root: Arc<OwnedFd>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Names, each followed by a zero byte.
    names: Vec<u8>,
    /// The node of each directory that was read; number 0 is the root.
    directories: Vec<Node>,
    /// Open directories, the most recently used last.
    open: VecDeque<(u32, Arc<OwnedFd>)>,
}

/// The root's own node.
pub(super) const ROOT: Node = Node(u64::MAX);

impl Directories {
    pub fn new(root: OwnedFd, follow: bool) -> Self {
        let no_follow = if follow {
            OFlags::empty()
        } else {
            OFlags::NOFOLLOW
        };
        Self {
            flags: OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | no_follow,
            root: Arc::new(root),
            inner: Mutex::new(Inner {
                directories: vec![ROOT],
                ..Inner::default()
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a directory about to be read.
    pub fn register(&self, node: Node) -> u32 {
        if node == ROOT {
            return 0;
        }
        let mut inner = self.lock();
        inner.directories.push(node);
        inner.directories.len() as u32 - 1
    }

    /// The node of an entry of a directory; `None` when there are too many names to be addressed.
    pub fn node(&self, directory: u32, name: &[u8]) -> Option<Node> {
        let mut inner = self.lock();
        let start = u32::try_from(inner.names.len()).ok()?;
        inner.names.extend_from_slice(name);
        inner.names.push(0);
        Some(Node(u64::from(directory) << 32 | u64::from(start)))
    }

    /// The directory that an entry is in, and its name there.
    fn locate(&self, node: Node) -> (u32, Vec<u8>) {
        let inner = self.lock();
        let rest = inner
            .names
            .get((node.0 & 0xFFFF_FFFF) as usize..)
            .unwrap_or_default();
        let name = rest.split(|&byte| byte == 0).next().unwrap_or_default();
        ((node.0 >> 32) as u32, name.to_vec())
    }

    /// An open descriptor of the directory that an entry is in, and the entry's name there.
    pub fn parent(&self, node: Node) -> rustix::io::Result<(Arc<OwnedFd>, Vec<u8>)> {
        let (directory, name) = self.locate(node);
        Ok((self.open(directory)?, name))
    }

    /// An open descriptor of a directory.
    pub fn open(&self, directory: u32) -> rustix::io::Result<Arc<OwnedFd>> {
        // Directories that have to be opened, the deepest first.
        let mut closed = Vec::new();
        let mut at = directory;
        let mut descriptor = loop {
            if let Some(descriptor) = self.cached(at) {
                break descriptor;
            }
            let node = self
                .lock()
                .directories
                .get(at as usize)
                .copied()
                .unwrap_or(ROOT);
            let (parent, name) = self.locate(node);
            closed.push((at, name));
            at = parent;
        };
        while let Some((number, name)) = closed.pop() {
            descriptor = Arc::new(openat(&*descriptor, name, self.flags, Mode::empty())?);
            let mut inner = self.lock();
            if inner.open.len() >= OPEN {
                inner.open.pop_front();
            }
            inner.open.push_back((number, Arc::clone(&descriptor)));
        }
        Ok(descriptor)
    }

    fn cached(&self, directory: u32) -> Option<Arc<OwnedFd>> {
        if directory == 0 {
            return Some(Arc::clone(&self.root));
        }
        let mut inner = self.lock();
        let index = inner.open.iter().rposition(|entry| entry.0 == directory)?;
        let entry = inner.open.remove(index)?;
        let descriptor = Arc::clone(&entry.1);
        inner.open.push_back(entry);
        Some(descriptor)
    }

    /// The path of an entry below the root, for messages.
    pub fn path(&self, node: Node) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = node;
        while at != ROOT {
            let (directory, name) = self.locate(at);
            names.push(name);
            at = self
                .lock()
                .directories
                .get(directory as usize)
                .copied()
                .unwrap_or(ROOT);
        }
        names.reverse();
        names.join(&b'/')
    }
}
