//! What has to be read, and in which order.

use std::collections::HashSet;

use super::load::Expected;
use crate::hash::Sha1;
use crate::image::collation::compare_ignoring_case;
use crate::image::{Image, InodeId, StreamKind};
use crate::order::sort_by;
use crate::scan::{Origin, Pending};
use crate::{Error, ErrorKind, Result};

/// Data to be read and, unless it is there already, stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// Its position in the manifest.
    pub number: usize,
    pub origin: Origin,
    pub expected: Expected,
}

/// What is to be packed, in order. It learns what is found out about each item.
pub(crate) trait Manifest {
    /// Number of items.
    fn len(&self) -> usize;

    /// An item.
    fn item(&self, number: usize) -> Item;

    /// The item has this hash.
    ///
    /// # Errors
    /// If it should have another.
    fn settle(&mut self, number: usize, hash: Sha1) -> Result<()>;

    /// What to call it in messages.
    fn path(&self, number: usize) -> Vec<u8>;

    /// It could not be read and is left out.
    fn leave_out(&mut self, number: usize);
}

/// The files that a scan found.
pub(crate) struct Files<'a> {
    image: &'a mut Image,
    pending: &'a [Pending],
    /// Files that could not be read and have to be left out of the tree.
    pub unreadable: HashSet<InodeId>,
}

impl<'a> Files<'a> {
    pub fn new(image: &'a mut Image, pending: &'a [Pending]) -> Self {
        Self {
            image,
            pending,
            unreadable: HashSet::new(),
        }
    }
}

impl Manifest for Files<'_> {
    fn len(&self) -> usize {
        self.pending.len()
    }

    fn item(&self, number: usize) -> Item {
        let pending = &self.pending[number];
        let inode = self.image.inode_of(pending.dentry);
        let unnamed = match pending.origin {
            Origin::Source { stream, .. } => {
                stream == 0
                    && self
                        .image
                        .unnamed_stream(inode, StreamKind::Data)
                        .is_some_and(|stream| stream.content == pending.content)
            }
            Origin::Inline { .. } | Origin::Blob { .. } => false,
        };
        Item {
            number,
            origin: pending.origin,
            expected: Expected {
                size: self.image.content(pending.content).size,
                write_time: inode.write_time,
                unnamed,
            },
        }
    }

    fn settle(&mut self, number: usize, hash: Sha1) -> Result<()> {
        let content = self.image.content_mut(self.pending[number].content);
        if !content.hash.is_zero() && content.hash != hash {
            let expected = content.hash;
            return Err(Error::new(
                ErrorKind::Changed,
                format!("the data has SHA-1 {hash} instead of {expected}"),
            ));
        }
        content.hash = hash;
        Ok(())
    }

    fn path(&self, number: usize) -> Vec<u8> {
        self.image.path(self.pending[number].dentry)
    }

    fn leave_out(&mut self, number: usize) {
        let inode = self.image.dentry(self.pending[number].dentry).inode;
        self.unreadable.insert(inode);
    }
}

/// Puts like next to like, as far as names tell: by extension, then by name, without regard to case;
/// names without an extension come first. What has the same name keeps its order.
pub(crate) fn sort_by_similarity(pending: &mut [Pending], image: &Image) {
    fn extension(name: &[u8]) -> Option<&[u8]> {
        let dot = name.iter().rposition(|&byte| byte == b'.')?;
        Some(&name[dot + 1..])
    }
    let by_extension = |a: &[u8], b: &[u8]| match (extension(a), extension(b)) {
        (Some(a), Some(b)) => compare_ignoring_case(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    };
    sort_by(pending, |a, b| {
        let (a, b) = (image.name(a.dentry), image.name(b.dentry));
        by_extension(a, b).then_with(|| compare_ignoring_case(a, b))
    });
}
