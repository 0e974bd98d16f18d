//! Going through a tree, parents before children.

use super::{DentryId, Image};

/// See [`Image::walk`].
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    pub(super) image: &'a Image,
    /// Dentries to be visited, with the number of their next child; the last is the deepest. A
    /// dentry that was not yet given itself has its children still to come.
    pub(super) stack: Vec<(DentryId, u32)>,
}

impl Iterator for Walk<'_> {
    type Item = DentryId;

    fn next(&mut self) -> Option<DentryId> {
        // The counter is one ahead: 0 means that the dentry itself was not given yet.
        loop {
            let (dentry, next) = self.stack.last_mut()?;
            let index = *next;
            *next += 1;
            if index == 0 {
                return Some(*dentry);
            }
            match self.image.children(*dentry).get(index as usize - 1) {
                Some(&child) => self.stack.push((child, 0)),
                None => {
                    self.stack.pop();
                }
            }
        }
    }
}
