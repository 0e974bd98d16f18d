//! The walk over the sources.

use std::collections::{HashMap, HashSet};

use super::ahead::{Coming, ReadAhead};
use super::inode::Added;
use super::links::OutsideLinks;
use super::overlay::Meeting;
use super::scanned::{Origin, Pending, ScanOptions, Scanned};
use crate::format::metadata::MAX_NAME_UNITS;
use crate::image::{DentryId, InodeId, NameRef};
use crate::port::{
    Entry, EntryBatch, Event, FileIdentity, Kind, Node, Observer, OnUnreadable, Pool, Source,
    Workers,
};
use crate::text;
use crate::{Error, ErrorKind, Result};

/// Builds an image from one source or several.
pub struct Scanner<'a> {
    pub(super) options: &'a ScanOptions,
    pub(super) observer: &'a dyn Observer,
    /// Who reads directories ahead.
    workers: Option<&'a dyn Workers>,
    pub(super) scanned: Scanned,
    pub(super) linked: HashMap<FileIdentity, InodeId>,
    /// The sources so far: the number of dentries before each, and its name.
    sources: Vec<(usize, String)>,
    since_report: u32,
    /// Files were taken out of the tree, such as those that later sources replace.
    pub(super) replaced: bool,
    /// Directories that turned out to be unreadable when they were in the tree already.
    left_out: HashSet<InodeId>,
}

/// A directory to be read.
pub(super) struct Directory {
    dentry: DentryId,
    pub(super) node: Node,
    /// Its entries, if a worker reads them already.
    pub(super) coming: Option<Coming>,
    /// From the root of capture; empty for the root.
    path: Vec<u8>,
    /// Identities of the directories above and of this one, to notice loops.
    above: Option<std::rc::Rc<Ancestor>>,
}

struct Ancestor {
    identity: FileIdentity,
    above: Option<std::rc::Rc<Ancestor>>,
}

/// Entries between two reports of the counters.
const REPORT_EVERY: u32 = 512;

impl<'a> Scanner<'a> {
    /// With nothing scanned.
    #[must_use]
    pub fn new(options: &'a ScanOptions, observer: &'a dyn Observer) -> Self {
        Self {
            options,
            observer,
            workers: None,
            scanned: Scanned::default(),
            linked: HashMap::new(),
            sources: Vec::new(),
            since_report: 0,
            replaced: false,
            left_out: HashSet::new(),
        }
    }

    /// Has directories read ahead by `workers`. The image is the same as without.
    #[must_use]
    pub fn read_ahead(mut self, workers: &'a dyn Workers) -> Self {
        self.workers = Some(workers).filter(|workers| workers.threads() > 1);
        self
    }

    /// Scans a source that becomes the root of the image.
    ///
    /// # Errors
    /// As [`Scanner::add`].
    pub fn add_root(&mut self, source: &dyn Source) -> Result<()> {
        self.add(source, b"")
    }

    /// Scans a source into the image at `target`, a path (WTF-8, slashes at both ends do not matter);
    /// the empty path is the root. Where other sources are already, see [`super::Overlay`].
    ///
    /// # Errors
    /// What the source returns; [`ErrorKind::NotDirectory`] if it becomes the root but is no directory,
    /// or its place is below a file; [`ErrorKind::Overlay`], [`ErrorKind::IsDirectory`] and
    /// [`ErrorKind::NotDirectory`] for conflicts with other sources; [`ErrorKind::Cancelled`].
    pub fn add(&mut self, source: &dyn Source, target: &[u8]) -> Result<()> {
        let target = trim_slashes(target);
        let name = source.name();
        self.observer.event(&Event::ScanBegin {
            source: &name,
            target,
        });
        let index = u16::try_from(self.sources.len())
            .map_err(|_| Error::new(ErrorKind::Memory, "more than 65536 sources"))?;
        let dentries = self.scanned.image.dentry_count();
        self.sources.push((dentries, name.clone()));
        if self.options.config.excludes(b"") {
            self.observer.event(&Event::Excluded {
                path: name.as_bytes(),
            });
            return Ok(());
        }
        let batch = source.root(self.options.wanted)?;
        if let Some(problem) = batch.problems.into_iter().next() {
            return Err(problem.error);
        }
        let Some(entry) = batch.entries.first() else {
            return Err(Error::new(
                ErrorKind::Stat,
                format!("{name}: there is no root"),
            ));
        };
        let walk = SourceWalk {
            source,
            index,
            name: name.as_bytes(),
            fix_links: self.options.fix_links.filter(|_| target.is_empty()),
        };
        for warning in &batch.warnings {
            self.warn(&walk, b"", &warning.text);
        }
        let first_pending = self.scanned.pending.len();
        let Some(added) = self.add_file(&walk, b"", entry)? else {
            return Ok(());
        };
        let top = match target {
            b"" => self.put_root(&walk, &added)?,
            _ => self.put(&walk, target, &added)?,
        };
        if added.is_directory {
            self.walk(&walk, entry, top)?;
        }
        self.order_by_place(source, first_pending);
        source.listed();
        self.report();
        Ok(())
    }

    /// Makes what was added the root, or merges it with the root there is.
    fn put_root(&mut self, walk: &SourceWalk<'_>, added: &Added) -> Result<DentryId> {
        if !added.is_directory {
            let name = text::Show(walk.name);
            let what = format!("\"{name}\" is not a directory, so it cannot become the root");
            return Err(Error::new(ErrorKind::NotDirectory, what));
        }
        match self.scanned.image.root() {
            Some(root) => Ok(root),
            None => {
                let root = self.add_dentry(NameRef::default(), added)?;
                self.scanned.image.set_root(root);
                Ok(root)
            }
        }
    }

    /// Puts what was added at its place in the tree.
    fn put(&mut self, walk: &SourceWalk<'_>, target: &[u8], added: &Added) -> Result<DentryId> {
        let (parent, name) = self.make_parents(target)?;
        let mut children = self.scanned.image.children(parent).to_vec();
        if let Some(existing) = self.find_child(&children, name) {
            match self.meet(walk, b"", existing, added)? {
                Meeting::Merge(existing) => return Ok(existing),
                Meeting::Replace(existing) => self.take_out(&mut children, existing),
            }
        }
        let name = self.scanned.image.add_name(name)?;
        let dentry = self.add_dentry(name, added)?;
        children.push(dentry);
        self.scanned.image.set_children(parent, &mut children)?;
        Ok(dentry)
    }

    /// Takes a file that is being replaced out of its directory.
    fn take_out(&mut self, children: &mut Vec<DentryId>, gone: DentryId) {
        children.retain(|&child| child != gone);
        self.scanned.image.forget_name(gone);
        self.scanned.files -= 1;
        self.replaced = true;
    }

    /// Name of the source that a dentry comes from.
    pub(super) fn source_of(&self, dentry: DentryId) -> &str {
        let after = self
            .sources
            .partition_point(|(first, _)| *first <= dentry.index());
        let source = after.checked_sub(1).and_then(|at| self.sources.get(at));
        source.map_or("", |(_, name)| name)
    }

    /// Puts the data of a source into the order in which it is fast to read; data about whose place
    /// the source says nothing stays in the order of the tree.
    fn order_by_place(&mut self, source: &dyn Source, first: usize) {
        let place = |pending: &Pending| match pending.origin {
            Origin::Source { stream, node, .. } => source.locality(node, u32::from(stream)),
            Origin::Inline { .. } | Origin::Blob { .. } => 0,
        };
        if let Some(pending) = self.scanned.pending.get_mut(first..) {
            pending.sort_by_cached_key(place);
        }
    }

    pub(super) fn warn(&self, walk: &SourceWalk<'_>, path: &[u8], text: &str) {
        let path = walk.show(path);
        let path = text::Show(&path);
        self.observer
            .event(&Event::Warning(&format!("\"{path}\": {text}")));
    }

    /// Ends the scan.
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] if the tree is too large.
    pub fn finish(mut self) -> Result<Scanned> {
        self.scanned.image.remove_files(&self.left_out)?;
        if self.replaced {
            self.forget_replaced();
        }
        self.scanned.image.shrink();
        self.scanned.pending.shrink_to_fit();
        Ok(self.scanned)
    }

    fn walk(&mut self, walk: &SourceWalk<'_>, entry: &Entry, root: DentryId) -> Result<()> {
        let todo = vec![Directory {
            dentry: root,
            node: entry.node,
            coming: None,
            path: Vec::new(),
            above: ancestor(entry, None),
        }];
        let (source, wanted) = (walk.source, self.options.wanted);
        let Some(workers) = self.workers else {
            return self.walk_all(walk, todo, ReadAhead::new(source, wanted, None, 0));
        };
        let mut outcome = Ok(());
        let slot = &mut outcome;
        workers.scope(Box::new(|pool: &dyn Pool<'_>| {
            let reader = ReadAhead::new(source, wanted, Some(pool), workers.threads());
            *slot = self.walk_all(walk, todo, reader);
        }));
        outcome
    }

    fn walk_all(
        &mut self,
        walk: &SourceWalk<'_>,
        mut todo: Vec<Directory>,
        mut reader: ReadAhead<'_, '_>,
    ) -> Result<()> {
        while let Some(mut directory) = todo.pop() {
            self.check_cancelled()?;
            let batch = match reader.read(&mut directory) {
                Ok(batch) => batch,
                // Without its root there is nothing to capture.
                Err(error) if directory.path.is_empty() => return Err(error),
                Err(error) => {
                    self.unreadable(&walk.show(&directory.path), error)?;
                    let inode = self.scanned.image.dentry(directory.dentry).inode;
                    self.left_out.insert(inode);
                    self.scanned.directories -= 1;
                    continue;
                }
            };
            reader.announce(&mut todo);
            let first = todo.len();
            self.read_directory(walk, &directory, batch, &mut todo)?;
            todo[first..].reverse();
            reader.announce(&mut todo);
        }
        Ok(())
    }

    /// Adds the entries of a directory to the tree, and its subdirectories to `todo`.
    fn read_directory(
        &mut self,
        walk: &SourceWalk<'_>,
        directory: &Directory,
        mut batch: EntryBatch,
        todo: &mut Vec<Directory>,
    ) -> Result<()> {
        for warning in std::mem::take(&mut batch.warnings) {
            let path = match warning.name.is_empty() {
                true => directory.path.clone(),
                false => child_path(&directory.path, &text::from_utf16(&warning.name)),
            };
            if !self.options.config.excludes(&path) {
                self.warn(walk, &path, &warning.text);
            }
        }
        for problem in std::mem::take(&mut batch.problems) {
            let path = child_path(&directory.path, &text::from_utf16(&problem.name));
            if !self.options.config.excludes(&path) {
                self.unreadable(&walk.show(&path), problem.error)?;
            }
        }
        let mut order: Vec<_> = batch
            .iter()
            .map(|(name, entry)| (text::from_utf16(name), entry))
            .collect();
        order.sort_by(|a, b| crate::image::collation::compare(&a.0, &b.0));
        // Those that other sources have put there.
        let others = self.scanned.image.children(directory.dentry).to_vec();
        let mut children = others.clone();
        children.reserve(order.len());
        for (name, entry) in order {
            let path = child_path(&directory.path, &name);
            if self.options.config.excludes(&path) {
                self.observer.event(&Event::Excluded {
                    path: &walk.show(&path),
                });
                continue;
            }
            if text::utf16(&name).count() > MAX_NAME_UNITS {
                let error =
                    Error::new(ErrorKind::Unrepresentable, "the name is too long for a WIM");
                self.unreadable(&walk.show(&path), error)?;
                continue;
            }
            let Some(added) = self.add_file(walk, &path, entry)? else {
                continue;
            };
            let above = ancestor(entry, directory.above.as_ref());
            if added.is_directory && is_loop(entry, directory.above.as_deref()) {
                let error = Error::new(
                    ErrorKind::OpenDirectory,
                    "the directory is one of those it lies in (a loop of links)",
                );
                self.unreadable(&walk.show(&path), error)?;
                continue;
            }
            if let Some(existing) = self.find_child(&others, &name) {
                match self.meet(walk, &path, existing, &added)? {
                    Meeting::Replace(existing) => self.take_out(&mut children, existing),
                    Meeting::Merge(dentry) => {
                        todo.push(Directory {
                            dentry,
                            node: entry.node,
                            coming: None,
                            path,
                            above,
                        });
                        continue;
                    }
                }
            }
            let name = self.scanned.image.add_name(&name)?;
            let dentry = self.add_dentry(name, &added)?;
            if let Kind::Windows(windows) = &entry.kind {
                let short_name = text::from_utf16(&windows.short_name);
                let short_name = self.scanned.image.add_name(&short_name)?;
                self.scanned.image.set_short_name(dentry, short_name);
            }
            children.push(dentry);
            if added.is_directory {
                todo.push(Directory {
                    dentry,
                    node: entry.node,
                    coming: None,
                    path,
                    above,
                });
            }
        }
        self.scanned
            .image
            .set_children(directory.dentry, &mut children)
    }

    /// Makes a dentry for a file and queues the data that only now has a name.
    fn add_dentry(&mut self, name: NameRef, added: &Added) -> Result<DentryId> {
        let dentry = self.scanned.image.add_dentry(name, added.inode)?;
        for &(content, origin) in &added.streams {
            self.scanned.pending.push(Pending {
                content,
                dentry,
                origin,
            });
        }
        if added.is_directory {
            self.scanned.directories += 1;
        } else {
            self.scanned.files += 1;
        }
        self.since_report += 1;
        if self.since_report >= REPORT_EVERY {
            self.since_report = 0;
            self.report();
            self.check_cancelled()?;
        }
        Ok(dentry)
    }

    /// Ends the scan, or counts an entry that is left out.
    pub(super) fn unreadable(&mut self, path: &[u8], error: Error) -> Result<()> {
        let error = if error.message().contains(&*String::from_utf8_lossy(path)) {
            error
        } else {
            error.at(text::Show(path))
        };
        match self.options.on_unreadable {
            OnUnreadable::Fail => Err(error),
            OnUnreadable::Skip => {
                self.scanned.skipped += 1;
                self.observer.event(&Event::Skipped {
                    path,
                    error: &error,
                });
                Ok(())
            }
        }
    }

    pub(super) fn unsupported(&self, path: &[u8], what: &str) {
        self.observer.event(&Event::Unsupported { path, what });
    }

    fn report(&self) {
        self.observer.event(&Event::Scanned {
            bytes: self.scanned.bytes,
            files: self.scanned.files,
            directories: self.scanned.directories,
        });
    }

    fn check_cancelled(&self) -> Result<()> {
        match self.observer.cancelled() {
            true => Err(Error::new(ErrorKind::Cancelled, "stopped while scanning")),
            false => Ok(()),
        }
    }
}

/// The source being walked.
pub(super) struct SourceWalk<'a> {
    pub source: &'a dyn Source,
    index: u16,
    name: &'a [u8],
    /// What is done with absolute links.
    pub fix_links: Option<OutsideLinks>,
}

impl SourceWalk<'_> {
    pub fn origin(&self, entry: &Entry, stream: u16) -> Origin {
        Origin::Source {
            source: self.index,
            stream,
            node: entry.node,
        }
    }

    /// A path as the user knows it: with the source's name in front.
    pub fn show(&self, path: &[u8]) -> Vec<u8> {
        let mut shown = self.name.to_vec();
        while shown.len() > 1 && shown.ends_with(b"/") && !path.is_empty() {
            shown.pop();
        }
        if shown == b"/" && !path.is_empty() {
            shown.clear();
        }
        shown.extend_from_slice(path);
        shown
    }
}

fn trim_slashes(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"/") {
        path = rest;
    }
    while let Some(rest) = path.strip_suffix(b"/") {
        path = rest;
    }
    path
}

fn child_path(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

fn ancestor(entry: &Entry, above: Option<&std::rc::Rc<Ancestor>>) -> Option<std::rc::Rc<Ancestor>> {
    let identity = entry.identity?;
    Some(std::rc::Rc::new(Ancestor {
        identity,
        above: above.cloned(),
    }))
}

fn is_loop(entry: &Entry, mut above: Option<&Ancestor>) -> bool {
    while let Some(ancestor) = above {
        if Some(ancestor.identity) == entry.identity {
            return true;
        }
        above = ancestor.above.as_deref();
    }
    false
}
