//! Directories of a target, opened when needed and kept open for a while.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// Directories of one generation, of which two stay open, at least and at most. An archive's data is
/// not in the order of its tree, so the more directories stay open the better.
const GENERATION: std::ops::RangeInclusive<u64> = 16..=4096;

/// A quarter of the descriptors that the process may have.
fn generation() -> usize {
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (allowed / 4).clamp(*GENERATION.start(), *GENERATION.end()) as usize
}

type Open = HashMap<Box<[u8]>, Arc<OwnedFd>>;

/// Open directories by path. When the young ones have become too many, they become the old ones, and
/// those that were old are closed unless they were used in between.
pub(super) struct Parents {
    root: Arc<OwnedFd>,
    open: Mutex<Generations>,
}

struct Generations {
    young: Open,
    old: Open,
    /// Most directories of one of them.
    most: usize,
}

impl Parents {
    pub fn new(root: OwnedFd) -> Self {
        Self {
            root: Arc::new(root),
            open: Mutex::new(Generations {
                young: Open::new(),
                old: Open::new(),
                most: generation(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A descriptor of the directory at a path, each component of which is a directory and no link.
    pub fn open(&self, path: &[u8]) -> Result<Arc<OwnedFd>, Errno> {
        // From the deepest directory above that is open, down component by component.
        let mut end = path.len();
        let mut descriptor = loop {
            if end == 0 {
                break Arc::clone(&self.root);
            }
            if let Some(found) = self.cached(&path[..end]) {
                break found;
            }
            end = path[..end]
                .iter()
                .rposition(|&byte| byte == b'/')
                .unwrap_or(0);
        };
        while end < path.len() {
            let start = if end == 0 { 0 } else { end + 1 };
            let rest = &path[start..];
            let len = rest
                .iter()
                .position(|&byte| byte == b'/')
                .unwrap_or(rest.len());
            let name = &rest[..len];
            if name.is_empty() || name == b"." || name == b".." {
                return Err(Errno::INVAL);
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            descriptor = Arc::new(openat(&*descriptor, name, flags, Mode::empty())?);
            end = start + len;
            self.keep(&path[..end], &descriptor);
        }
        Ok(descriptor)
    }

    fn cached(&self, path: &[u8]) -> Option<Arc<OwnedFd>> {
        let mut open = self.lock();
        if let Some(found) = open.young.get(path) {
            return Some(Arc::clone(found));
        }
        let found = open.old.remove(path)?;
        open.insert(path, &found);
        Some(found)
    }

    fn keep(&self, path: &[u8], descriptor: &Arc<OwnedFd>) {
        self.lock().insert(path, descriptor);
    }

    /// What is at this path was removed.
    pub fn forget(&self, path: &[u8]) {
        let mut open = self.lock();
        open.young.remove(path);
        open.old.remove(path);
    }
}

impl Generations {
    fn insert(&mut self, path: &[u8], descriptor: &Arc<OwnedFd>) {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(path.into(), Arc::clone(descriptor));
    }
}
