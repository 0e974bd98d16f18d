//! Several sources in one image: where each one goes, and what happens where they meet.
//!
//! Directories of the same name merge; those in the tree first keep their attributes and times.
//! Directories above a source's place that no source provides are made up.

use super::glob::Case;
use super::inode::Added;
use super::walk::{Scanner, SourceWalk};
use crate::image::path::components;
use crate::image::{DentryId, FileAttributes, Inode, NameRef, collation};
use crate::port::Event;
use crate::text::Show;
use crate::{Error, ErrorKind, Result};

/// What happens to a file that two sources provide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Overlay {
    /// It is an error.
    #[default]
    Refuse,
    /// The later one takes the place of the earlier.
    Replace,
}

/// What a file meets under its name.
pub(super) enum Meeting {
    /// It is a directory, and so is what was there.
    Merge(DentryId),
    /// It takes the place of what was there.
    Replace(DentryId),
}

impl Scanner<'_> {
    /// Gives the image a root, if no source has.
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] if the tree is too large.
    pub fn make_root(&mut self) -> Result<DentryId> {
        match self.scanned.image.root() {
            Some(root) => Ok(root),
            None => {
                let root = self.make_directory(NameRef::default())?;
                self.scanned.image.set_root(root);
                Ok(root)
            }
        }
    }

    /// The directory that `target` goes into, made with all above it if it is not there, and the name
    /// it has there.
    pub(super) fn make_parents<'t>(&mut self, target: &'t [u8]) -> Result<(DentryId, &'t [u8])> {
        let mut at = self.make_root()?;
        let mut names = components(target).peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                return Ok((at, name));
            }
            at = match self.find_child(self.scanned.image.children(at), name) {
                Some(child) if self.is_directory(child) => child,
                Some(child) => {
                    let path = self.scanned.image.path(child);
                    return Err(Error::new(
                        ErrorKind::NotDirectory,
                        format!(
                            "the image has a file at \"{}\", so nothing can be put below it",
                            Show(&path)
                        ),
                    ));
                }
                None => {
                    let name = self.scanned.image.add_name(name)?;
                    let child = self.make_directory(name)?;
                    self.add_child(at, child)?;
                    child
                }
            };
        }
        Ok((at, b""))
    }

    /// A directory that no source provides.
    fn make_directory(&mut self, name: NameRef) -> Result<DentryId> {
        let now = self.options.now;
        let inode = Inode {
            attributes: FileAttributes::DIRECTORY,
            creation_time: now,
            access_time: now,
            write_time: now,
            ..Inode::default()
        };
        let inode = self.scanned.image.add_inode(inode, &[], &[])?;
        self.scanned.directories += 1;
        self.scanned.image.add_dentry(name, inode)
    }

    /// Puts one more name into a directory.
    pub(super) fn add_child(&mut self, directory: DentryId, child: DentryId) -> Result<()> {
        let mut children = self.scanned.image.children(directory).to_vec();
        children.push(child);
        self.scanned.image.set_children(directory, &mut children)
    }

    /// Among the children of a directory, in order, the one that has this name.
    pub(super) fn find_child(&self, children: &[DentryId], name: &[u8]) -> Option<DentryId> {
        let compare = match self.options.case {
            Case::Sensitive => collation::compare,
            Case::Insensitive => collation::compare_ignoring_case,
        };
        let found =
            children.binary_search_by(|&child| compare(self.scanned.image.name(child), name));
        found.ok().map(|at| children[at])
    }

    /// What happens to `added` where `existing` has its name.
    pub(super) fn meet(
        &self,
        walk: &SourceWalk<'_>,
        path: &[u8],
        existing: DentryId,
        added: &Added,
    ) -> Result<Meeting> {
        let in_image = self.scanned.image.path(existing);
        let conflict = |kind, what: &str| {
            let (new, old) = (walk.show(path), self.source_of(existing));
            let (new, in_image) = (Show(&new), Show(&in_image));
            let message = format!("\"{in_image}\": {what} (from \"{new}\" and \"{old}\")");
            Err(Error::new(kind, message))
        };
        match (self.is_directory(existing), added.is_directory) {
            (true, true) => Ok(Meeting::Merge(existing)),
            (true, false) => conflict(
                ErrorKind::IsDirectory,
                "a file cannot take the place of a directory of another source",
            ),
            (false, true) => conflict(
                ErrorKind::NotDirectory,
                "a directory cannot take the place of a file of another source",
            ),
            (false, false) => match self.options.overlay {
                Overlay::Refuse => conflict(ErrorKind::Overlay, "two sources provide this file"),
                Overlay::Replace => {
                    self.observer.event(&Event::Replaced { path: &in_image });
                    Ok(Meeting::Replace(existing))
                }
            },
        }
    }

    pub(super) fn is_directory(&self, dentry: DentryId) -> bool {
        let inode = self.scanned.image.inode_of(dentry);
        inode.attributes.is_directory()
    }

    /// Takes the data of files that were replaced off the list.
    pub(super) fn forget_replaced(&mut self) {
        let image = &self.scanned.image;
        self.scanned
            .pending
            .retain(|pending| image.inode_of(pending.dentry).names > 0);
    }
}
