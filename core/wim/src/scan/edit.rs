//! Changing a tree that exists: sources are added to it as to any other, files are taken out or get
//! other names.

use super::scanned::{ScanOptions, Scanned};
use super::walk::Scanner;
use crate::image::path::components;
use crate::image::{DentryId, Image};
use crate::port::Observer;
use crate::text::{self, Show};
use crate::{Error, ErrorKind, Result};

/// Whether something that is to be deleted has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Missing {
    /// It is an error if it is not.
    #[default]
    Refuse,
    /// Nothing is done then.
    Ignore,
}

/// What may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Depth {
    /// Files only.
    #[default]
    File,
    /// Directories too, with all below them.
    Tree,
}

impl<'a> Scanner<'a> {
    /// Goes on from a tree whose contents have their hashes and sizes.
    #[must_use]
    pub fn resume(image: Image, options: &'a ScanOptions, observer: &'a dyn Observer) -> Self {
        let is_directory = |&dentry: &DentryId| image.inode_of(dentry).attributes.is_directory();
        let directories = image.walk_all().filter(is_directory).count() as u64;
        let names = image.walk_all().count() as u64;
        let mut scanner = Self::new(options, observer);
        scanner.scanned = Scanned {
            image,
            files: names - directories,
            directories,
            ..Scanned::default()
        };
        scanner
    }

    /// How the sources that follow are scanned.
    pub fn set_options(&mut self, options: &'a ScanOptions) {
        self.options = options;
    }

    /// Takes a file or directory out of the tree. The root itself stays, only empty.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchPath`]; [`ErrorKind::IsDirectory`].
    pub fn delete(&mut self, path: &[u8], depth: Depth, missing: Missing) -> Result<()> {
        let Some(found) = self.lookup(path) else {
            return match missing {
                Missing::Ignore => Ok(()),
                Missing::Refuse => Err(self.no_such(path)),
            };
        };
        if self.is_directory(found) && depth == Depth::File {
            return Err(Error::new(
                ErrorKind::IsDirectory,
                format!(
                    "\"{}\" is a directory; it is deleted with all below it only if that is asked for \
                     (--recursive)",
                    Show(path)
                ),
            ));
        }
        match self.scanned.image.parent(found) {
            Some(parent) => self.remove(parent, found),
            None => {
                let children = self.scanned.image.children(found).to_vec();
                children
                    .into_iter()
                    .try_for_each(|child| self.remove(found, child))
            }
        }
    }

    /// Gives a file or directory another name, perhaps in another directory. As on POSIX systems, a
    /// file takes the place of a file, a directory that of an empty directory.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchPath`]; [`ErrorKind::DirectoryNotEmpty`], [`ErrorKind::NotDirectory`] and
    /// [`ErrorKind::IsDirectory`] for what is in the way; [`ErrorKind::DirectoryNotEmpty`] too if a
    /// directory would be put into itself, which is what wimlib calls it; [`ErrorKind::Parameter`] for
    /// names that cannot be.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<()> {
        let moved = self.lookup(from).ok_or_else(|| self.no_such(from))?;
        let wrong = |kind, what: &str| {
            Err(Error::new(
                kind,
                format!(
                    "cannot rename \"{}\" to \"{}\": {what}",
                    Show(from),
                    Show(to)
                ),
            ))
        };
        let Some(old_parent) = self.scanned.image.parent(moved) else {
            return wrong(
                ErrorKind::DirectoryNotEmpty,
                "the root cannot get another place",
            );
        };
        let names: Vec<&[u8]> = components(to).collect();
        let Some((&name, above)) = names.split_last() else {
            let kind = match self.is_directory(moved) {
                true => ErrorKind::DirectoryNotEmpty,
                false => ErrorKind::IsDirectory,
            };
            return wrong(kind, "nothing can take the place of the root");
        };
        if matches!(name, b"." | b"..") || !text::check(name) {
            return wrong(ErrorKind::Parameter, "that is no name");
        }
        let above = above.join(&b'/');
        let Some(parent) = self.lookup(&above) else {
            return wrong(ErrorKind::NoSuchPath, "there is no such directory");
        };
        if !self.is_directory(parent) {
            return wrong(ErrorKind::NotDirectory, "its parent is no directory");
        }
        let image = &self.scanned.image;
        let mut upwards = std::iter::successors(Some(parent), |&at| image.parent(at));
        if upwards.any(|at| at == moved) {
            return wrong(
                ErrorKind::DirectoryNotEmpty,
                "a directory cannot be put into itself",
            );
        }
        let in_the_way = self.find_child(self.scanned.image.children(parent), name);
        if let Some(existing) = in_the_way.filter(|&existing| existing != moved) {
            match (self.is_directory(moved), self.is_directory(existing)) {
                (true, false) => {
                    return wrong(ErrorKind::NotDirectory, "a file is in the way");
                }
                (false, true) => {
                    return wrong(ErrorKind::IsDirectory, "a directory is in the way");
                }
                (true, true) if !self.scanned.image.children(existing).is_empty() => {
                    return wrong(
                        ErrorKind::DirectoryNotEmpty,
                        "a directory that is not empty is in the way",
                    );
                }
                _ => self.remove(parent, existing)?,
            }
        }
        let mut left: Vec<DentryId> = self.scanned.image.children(old_parent).to_vec();
        left.retain(|&child| child != moved);
        self.scanned.image.set_children(old_parent, &mut left)?;
        let name = self.scanned.image.add_name(name)?;
        self.scanned.image.set_name(moved, name);
        self.add_child(parent, moved)
    }

    /// Takes a name out of its directory, with all below it.
    fn remove(&mut self, parent: DentryId, gone: DentryId) -> Result<()> {
        for dentry in self.scanned.image.walk(gone).collect::<Vec<_>>() {
            match self.is_directory(dentry) {
                true => self.scanned.directories -= 1,
                false => self.scanned.files -= 1,
            }
            self.scanned.image.forget_name(dentry);
        }
        self.replaced = true;
        let mut children = self.scanned.image.children(parent).to_vec();
        children.retain(|&child| child != gone);
        self.scanned.image.set_children(parent, &mut children)
    }

    fn lookup(&self, path: &[u8]) -> Option<DentryId> {
        let root = self.scanned.image.root()?;
        components(path).try_fold(root, |at, name| {
            self.find_child(self.scanned.image.children(at), name)
        })
    }

    fn no_such(&self, path: &[u8]) -> Error {
        let what = format!("\"{}\" is not in the image", Show(path));
        Error::new(ErrorKind::NoSuchPath, what)
    }
}
