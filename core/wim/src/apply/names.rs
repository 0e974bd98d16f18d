//! Where names of the image go in the target.

use std::collections::HashMap;

use super::Selected;
use crate::image::{DentryId, Image};
use crate::port::Target;

/// A name of the image that is restored, and the selection that it belongs to: a name can be selected
/// twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub dentry: DentryId,
    pub selection: u32,
}

/// Paths in the target.
pub(super) struct Paths<'a> {
    image: &'a Image,
    selected: &'a [Selected],
    renamed: Renamed,
}

impl<'a> Paths<'a> {
    pub fn new(image: &'a Image, selected: &'a [Selected]) -> Self {
        Self {
            image,
            selected,
            renamed: Renamed::default(),
        }
    }

    /// The topmost name of a selection.
    pub fn top(&self, selection: u32) -> DentryId {
        self.selected[selection as usize].dentry
    }

    /// The path of a name in the target.
    pub fn path(&self, name: Name) -> Vec<u8> {
        let top = &self.selected[name.selection as usize];
        let mut names = Vec::new();
        let mut at = name.dentry;
        while at != top.dentry {
            names.push(self.renamed.name(self.image, at));
            match self.image.parent(at) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        let size = names.iter().map(|name| name.len() + 1).sum::<usize>();
        let mut path = Vec::with_capacity(top.path.len() + size);
        path.extend_from_slice(&top.path);
        for name in names.into_iter().rev() {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        path
    }

    /// See [`Renamed::rename`].
    pub fn rename(&mut self, dentry: DentryId, target: &dyn Target) -> bool {
        self.renamed.rename(self.image, dentry, target)
    }
}

/// Names that a target does not allow, and what stands for them.
#[derive(Debug, Default)]
pub struct Renamed {
    names: HashMap<DentryId, Vec<u8>>,
    /// The number that was given last: no two names have the same.
    last: usize,
}

impl Renamed {
    /// The name of a file in the target.
    #[must_use]
    pub fn name<'a>(&'a self, image: &'a Image, dentry: DentryId) -> &'a [u8] {
        match self.names.get(&dentry) {
            Some(name) => name,
            None => image.name(dentry),
        }
    }

    /// Gives a name that the target does not allow another one: what cannot stand in a name becomes
    /// U+FFFD, and a number is put behind. False if the target allows none.
    pub fn rename(&mut self, image: &Image, dentry: DentryId, target: &dyn Target) -> bool {
        if self.names.contains_key(&dentry) {
            return true;
        }
        let name = String::from_utf8_lossy(image.name(dentry)).replace(['/', '\0'], "\u{FFFD}");
        let siblings = image.parent(dentry);
        let mut number = self.last;
        loop {
            number += 1;
            let suffix = format!(" (invalid filename #{number})");
            let mut kept = name.chars();
            let new = loop {
                let new = format!("{}{suffix}", kept.as_str()).into_bytes();
                if target.allows_name(&new) {
                    break new;
                }
                // It may be too long.
                if kept.next_back().is_none() {
                    return false;
                }
            };
            let taken = siblings.is_some_and(|parent| image.child(parent, &new).is_some());
            if !taken {
                self.names.insert(dentry, new);
                self.last = number;
                return true;
            }
        }
    }
}
