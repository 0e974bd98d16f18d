//! Paths: WTF-8, `/` between components, `/` in front.

use super::{DentryId, Image};

impl Image {
    /// The full path of a dentry; `/` for the root.
    #[must_use]
    pub fn path(&self, id: DentryId) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = id;
        while let Some(parent) = self.parent(at) {
            names.push(self.name(at));
            at = parent;
        }
        if names.is_empty() {
            return b"/".to_vec();
        }
        let mut path = Vec::new();
        for name in names.into_iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        path
    }

    /// The dentry at a path with exactly these names. Repeated, leading and trailing slashes do not
    /// matter.
    #[must_use]
    pub fn lookup(&self, path: &[u8]) -> Option<DentryId> {
        let mut at = self.root()?;
        for name in components(path) {
            at = self.child(at, name)?;
        }
        Some(at)
    }
}

/// The components of a path.
pub fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty())
}
