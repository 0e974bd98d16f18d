//! The walk over the sources.

use std::collections::{HashMap, HashSet};

use super::config::CaptureConfig;
use super::links::{OutsideLinks, StoredLink, store_link};
use crate::archive::BlobId;
use crate::format::metadata::MAX_NAME_UNITS;
use crate::hash::Sha1;
use crate::image::{
    ContentId, DentryId, FileAttributes, Image, Inode, InodeId, NOT_FIXED, NameRef, ReparseData,
    SecurityId, Stream, StreamKind, TAG_DEDUP, items,
};
use crate::port::{
    Entry, EntryBatch, Event, Extra, FileIdentity, Kind, Node, Observer, OnUnreadable, Source,
    StreamInfo, Wanted, WindowsMetadata,
};
use crate::text;
use crate::time::FileTime;
use crate::{Error, ErrorKind, Result};

/// The form in which owner, group and mode of POSIX files are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UnixDataForm {
    /// Not at all; device nodes, FIFOs and sockets are left out.
    #[default]
    None,
    /// As a tagged item with the device number, beside extended attributes.
    Item,
    /// As the named stream of early wimlib versions: 16-bit owner, group and mode.
    Stream,
}

/// Name of the stream of [`UnixDataForm::Stream`].
pub const UNIX_DATA_STREAM: &str = "$$__wimlib_UNIX_data";

/// How sources are scanned.
#[derive(Clone, Debug, Default)]
pub struct ScanOptions {
    /// What is left out.
    pub config: CaptureConfig,
    /// Whether absolute links are made relative to the root, and what happens to those that lead
    /// outside.
    pub fix_links: Option<OutsideLinks>,
    /// Owner, group and mode.
    pub unix_data: UnixDataForm,
    /// What sources are asked for.
    pub wanted: Wanted,
    /// Entries that cannot be read.
    pub on_unreadable: OnUnreadable,
    /// Files that are passed over, such as the archive being written.
    pub pass_over: Vec<FileIdentity>,
    /// For reproducible archives: no file time is later than this, and access times are those of the
    /// last write.
    pub latest_time: Option<FileTime>,
}

/// Where data that is still to be read comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A stream of a source.
    Source {
        /// Which source, in the order in which they were scanned.
        source: u16,
        /// Which stream.
        stream: u16,
        /// Which file.
        node: Node,
    },
    /// Bytes that the scan itself made, such as reparse data.
    Inline {
        /// Their place in [`Scanned::inline`].
        start: u64,
    },
    /// A blob of another archive.
    Blob(BlobId),
}

/// Data that is still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// What it is for.
    pub content: ContentId,
    /// One of the names of its file.
    pub dentry: DentryId,
    /// Where it comes from.
    pub origin: Origin,
}

/// The result of a scan.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The tree.
    pub image: Image,
    /// Data to be read, in the order of the tree or that in which its source is fast to read.
    pub pending: Vec<Pending>,
    /// Data that needs not be read.
    pub inline: Vec<u8>,
    /// Entries that were left out because they could not be read.
    pub skipped: u64,
    /// Bytes of all streams.
    pub bytes: u64,
    /// Names that are not directories.
    pub files: u64,
    /// Directories.
    pub directories: u64,
}

/// Builds an image from one source or several.
pub struct Scanner<'a> {
    options: &'a ScanOptions,
    observer: &'a dyn Observer,
    scanned: Scanned,
    linked: HashMap<FileIdentity, InodeId>,
    sources: u16,
    since_report: u32,
    /// Directories that turned out to be unreadable when they were in the tree already.
    left_out: HashSet<InodeId>,
}

/// A directory to be read.
struct Directory {
    dentry: DentryId,
    node: Node,
    /// From the root of capture; empty for the root.
    path: Vec<u8>,
    /// Identities of the directories above and of this one, to notice loops.
    above: Option<std::rc::Rc<Ancestor>>,
}

struct Ancestor {
    identity: FileIdentity,
    above: Option<std::rc::Rc<Ancestor>>,
}

/// A file that was accepted.
struct Added {
    inode: InodeId,
    is_directory: bool,
    /// Streams whose data is to be read.
    streams: Vec<(ContentId, Origin)>,
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
            scanned: Scanned::default(),
            linked: HashMap::new(),
            sources: 0,
            since_report: 0,
            left_out: HashSet::new(),
        }
    }

    /// Scans a source that becomes the root of the image.
    ///
    /// # Errors
    /// What the source returns; [`ErrorKind::NotDirectory`] if its root is none;
    /// [`ErrorKind::Cancelled`].
    pub fn add_root(&mut self, source: &dyn Source) -> Result<()> {
        let name = source.name();
        self.observer.event(&Event::ScanBegin {
            source: &name,
            target: b"",
        });
        let index = self.sources;
        self.sources += 1;
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
        };
        for warning in &batch.warnings {
            self.warn(&walk, b"", &warning.text);
        }
        let first_pending = self.scanned.pending.len();
        let Some(added) = self.add_file(&walk, b"", entry)? else {
            return Ok(());
        };
        if !added.is_directory {
            return Err(Error::new(
                ErrorKind::NotDirectory,
                format!("{name}: not a directory"),
            ));
        }
        let root = self.add_dentry(NameRef::default(), &added)?;
        self.scanned.image.set_root(root);
        self.walk(&walk, entry, root)?;
        self.order_by_place(source, first_pending);
        self.report();
        Ok(())
    }

    /// Puts the data of a source into the order in which it is fast to read; data about whose place
    /// the source says nothing stays in the order of the tree.
    fn order_by_place(&mut self, source: &dyn Source, first: usize) {
        let place = |pending: &Pending| match pending.origin {
            Origin::Source { stream, node, .. } => source.locality(node, u32::from(stream)),
            Origin::Inline { .. } | Origin::Blob(_) => 0,
        };
        if let Some(pending) = self.scanned.pending.get_mut(first..) {
            pending.sort_by_cached_key(place);
        }
    }

    fn warn(&self, walk: &SourceWalk<'_>, path: &[u8], text: &str) {
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
        self.scanned.image.shrink();
        self.scanned.pending.shrink_to_fit();
        Ok(self.scanned)
    }

    fn walk(&mut self, walk: &SourceWalk<'_>, entry: &Entry, root: DentryId) -> Result<()> {
        let mut todo = vec![Directory {
            dentry: root,
            node: entry.node,
            path: Vec::new(),
            above: ancestor(entry, None),
        }];
        while let Some(directory) = todo.pop() {
            self.check_cancelled()?;
            let batch = match walk.source.read_dir(directory.node, self.options.wanted) {
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
            let first = todo.len();
            self.read_directory(walk, &directory, batch, &mut todo)?;
            todo[first..].reverse();
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
        let mut children = Vec::with_capacity(order.len());
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

    /// Applies the rules to one entry; `None` if it is left out.
    fn add_file(
        &mut self,
        walk: &SourceWalk<'_>,
        path: &[u8],
        entry: &Entry,
    ) -> Result<Option<Added>> {
        if entry
            .identity
            .is_some_and(|identity| self.options.pass_over.contains(&identity))
        {
            return Ok(None);
        }
        self.observer.event(&Event::Visit {
            path: &walk.show(path),
        });
        match &entry.kind {
            Kind::Directory => self
                .add_posix(walk, entry, FileAttributes::DIRECTORY)
                .map(Some),
            Kind::File { sparse } => {
                let attributes = match sparse {
                    true => FileAttributes::SPARSE_FILE,
                    false => FileAttributes::NORMAL,
                };
                self.add_posix(walk, entry, attributes).map(Some)
            }
            Kind::Link(link) => match store_link(link, walk.source, self.options.fix_links) {
                Err(error) => {
                    self.unreadable(&walk.show(path), error)?;
                    Ok(None)
                }
                Ok(StoredLink::Outside) => {
                    self.observer.event(&Event::LinkOutside {
                        path: &walk.show(path),
                        target: &text::from_utf16(&link.target),
                    });
                    Ok(None)
                }
                Ok(StoredLink::Fixed(reparse, flags)) => {
                    self.observer.event(&Event::LinkAdjusted {
                        path: &walk.show(path),
                    });
                    self.add_link(entry, link.to_directory, &reparse, flags)
                        .map(Some)
                }
                Ok(StoredLink::Unchanged(reparse, flags)) => self
                    .add_link(entry, link.to_directory, &reparse, flags)
                    .map(Some),
            },
            Kind::Special
                if self.options.unix_data == UnixDataForm::Item && entry.unix.is_some() =>
            {
                self.add_posix(walk, entry, FileAttributes::empty())
                    .map(Some)
            }
            Kind::Special => {
                self.unsupported(&walk.show(path), "device node, FIFO or socket");
                Ok(None)
            }
            Kind::Windows(windows) => self.add_windows(walk, path, entry, windows),
        }
    }

    /// A file, directory or special file of a host without DOS attributes.
    fn add_posix(
        &mut self,
        walk: &SourceWalk<'_>,
        entry: &Entry,
        attributes: FileAttributes,
    ) -> Result<Added> {
        if let Some(inode) = self.linked_before(entry, attributes) {
            return Ok(Added {
                inode,
                is_directory: false,
                streams: Vec::new(),
            });
        }
        let inode = self.new_inode(entry, attributes);
        let mut streams = Streams::default();
        if !attributes.is_directory() {
            self.push_stream(
                &mut streams,
                StreamKind::Data,
                &[],
                entry.size,
                walk.origin(entry, 0),
            )?;
        }
        self.push_named(walk, entry, &mut streams)?;
        self.finish_inode(entry, inode, streams)
    }

    /// A symbolic link of a POSIX system. Hard links of one become separate links, because the group
    /// number shares its field with the reparse tag.
    fn add_link(
        &mut self,
        entry: &Entry,
        to_directory: bool,
        reparse: &ReparseData,
        flags: u16,
    ) -> Result<Added> {
        let mut attributes = FileAttributes::REPARSE_POINT;
        attributes.set(FileAttributes::DIRECTORY, to_directory);
        let mut inode = self.new_inode(entry, attributes);
        let mut streams = Streams::default();
        self.push_reparse(&mut inode, &mut streams, reparse, flags)?;
        if !to_directory {
            streams.push(StreamKind::Data, NameRef::default(), ContentId::EMPTY);
        }
        self.finish_inode(entry, inode, streams)
    }

    /// Anything on a Windows file system.
    fn add_windows(
        &mut self,
        walk: &SourceWalk<'_>,
        path: &[u8],
        entry: &Entry,
        windows: &WindowsMetadata,
    ) -> Result<Option<Added>> {
        if windows.unreadable_encryption {
            self.unsupported(&walk.show(path), "encrypted file");
            return Ok(None);
        }
        let mut attributes = FileAttributes::from_bits_retain(windows.attributes);
        if attributes.is_empty() {
            attributes = FileAttributes::NORMAL;
        }
        attributes.set(FileAttributes::REPARSE_POINT, windows.reparse.is_some());
        if let Some(inode) = self.linked_before(entry, attributes) {
            return Ok(Some(Added {
                inode,
                is_directory: false,
                streams: Vec::new(),
            }));
        }
        let mut inode = self.new_inode(entry, attributes);
        inode.security = match self.options.wanted.security {
            true => self.scanned.image.security.add(&windows.security),
            false => SecurityId::NONE,
        };
        let mut streams = Streams::default();
        if let Some(reparse) = &windows.reparse {
            if reparse.tag == TAG_DEDUP {
                let path = walk.show(path);
                let path = text::Show(&path);
                self.observer.event(&Event::Warning(&format!(
                    "{path}: deduplicated by Windows; only the reference to its data is stored"
                )));
            }
            // Targets on a volume are not examined, so they are never made relative.
            self.push_reparse(&mut inode, &mut streams, reparse, NOT_FIXED)?;
        }
        if !attributes.contains(FileAttributes::DIRECTORY) {
            self.push_stream(
                &mut streams,
                StreamKind::Data,
                &[],
                entry.size,
                walk.origin(entry, 0),
            )?;
        }
        self.push_named(walk, entry, &mut streams)?;
        self.finish_inode(entry, inode, streams).map(Some)
    }

    /// The inode of a file that was met under another name.
    fn linked_before(&self, entry: &Entry, attributes: FileAttributes) -> Option<InodeId> {
        if !entry.shared
            || attributes.intersects(FileAttributes::DIRECTORY | FileAttributes::REPARSE_POINT)
        {
            return None;
        }
        self.linked.get(&entry.identity?).copied()
    }

    fn new_inode(&self, entry: &Entry, attributes: FileAttributes) -> Inode {
        let mut inode = Inode {
            attributes,
            creation_time: entry.creation_time,
            access_time: entry.access_time,
            write_time: entry.write_time,
            ..Inode::default()
        };
        if let Some(latest) = self.options.latest_time {
            inode.creation_time = inode.creation_time.min(latest);
            inode.write_time = inode.write_time.min(latest);
            inode.access_time = inode.write_time;
        }
        inode
    }

    fn push_reparse(
        &mut self,
        inode: &mut Inode,
        streams: &mut Streams,
        reparse: &ReparseData,
        flags: u16,
    ) -> Result<()> {
        inode.reparse_tag = reparse.tag;
        inode.reparse_reserved = reparse.reserved;
        inode.reparse_flags = flags;
        self.push_inline(
            streams,
            StreamKind::Reparse,
            NameRef::default(),
            &reparse.data,
        )
    }

    /// A stream whose bytes are at hand.
    fn push_inline(
        &mut self,
        streams: &mut Streams,
        kind: StreamKind,
        name: NameRef,
        data: &[u8],
    ) -> Result<()> {
        let hash = Sha1::of(data);
        let content = self.scanned.image.add_content(hash, data.len() as u64)?;
        if content != ContentId::EMPTY {
            let start = self.scanned.inline.len() as u64;
            self.scanned.inline.extend_from_slice(data);
            streams.to_read.push((content, Origin::Inline { start }));
        }
        streams.push(kind, name, content);
        self.scanned.bytes += data.len() as u64;
        Ok(())
    }

    /// A stream whose bytes are in the source.
    fn push_stream(
        &mut self,
        streams: &mut Streams,
        kind: StreamKind,
        name: &[u16],
        size: u64,
        origin: Origin,
    ) -> Result<()> {
        let name = self.scanned.image.add_name(&text::from_utf16(name))?;
        let content = self.scanned.image.add_content(Sha1::ZERO, size)?;
        if content != ContentId::EMPTY {
            streams.to_read.push((content, origin));
        }
        streams.push(kind, name, content);
        self.scanned.bytes += size;
        Ok(())
    }

    fn push_named(
        &mut self,
        walk: &SourceWalk<'_>,
        entry: &Entry,
        streams: &mut Streams,
    ) -> Result<()> {
        let Some(extra) = &entry.extra else {
            return Ok(());
        };
        for (number, StreamInfo { name, size }) in (1..).zip(&extra.named_streams) {
            self.push_stream(
                streams,
                StreamKind::Named,
                name,
                *size,
                walk.origin(entry, number),
            )?;
        }
        Ok(())
    }

    fn finish_inode(&mut self, entry: &Entry, inode: Inode, mut streams: Streams) -> Result<Added> {
        let mut stored = Vec::new();
        match (self.options.unix_data, &entry.unix) {
            (UnixDataForm::Item, Some(unix)) => {
                items::push_item(&mut stored, items::UNIX_DATA, &unix.encode());
            }
            (UnixDataForm::Stream, Some(unix)) => match old_unix_data(unix) {
                Some(data) => {
                    let name = self.scanned.image.add_name(UNIX_DATA_STREAM.as_bytes())?;
                    self.push_inline(&mut streams, StreamKind::Named, name, &data)?;
                }
                None => self.observer.event(&Event::Warning(&format!(
                    "owner {} or group {} does not fit the 16 bits of --unix-data=stream; \
                     the file is stored without",
                    unix.uid, unix.gid
                ))),
            },
            _ => {}
        }
        if let Some(extra) = &entry.extra {
            self.push_extra_items(extra, &mut stored);
        }
        let is_directory = inode.attributes.is_directory();
        let is_reparse_point = inode.attributes.is_reparse_point();
        let id = self.scanned.image.add_inode(inode, &streams.all, &stored)?;
        if entry.shared
            && !is_directory
            && !is_reparse_point
            && let Some(identity) = entry.identity
        {
            self.linked.insert(identity, id);
        }
        Ok(Added {
            inode: id,
            is_directory,
            streams: streams.to_read,
        })
    }

    fn push_extra_items(&self, extra: &Extra, stored: &mut Vec<u8>) {
        if let Some(object_id) = &extra.object_id {
            items::push_item(stored, items::OBJECT_ID, object_id);
        }
        if self.options.wanted.xattrs && !extra.xattrs.is_empty() {
            items::push_item(stored, items::XATTRS, &items::encode_xattrs(&extra.xattrs));
        }
    }

    /// Ends the scan, or counts an entry that is left out.
    fn unreadable(&mut self, path: &[u8], error: Error) -> Result<()> {
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

    fn unsupported(&self, path: &[u8], what: &str) {
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
struct SourceWalk<'a> {
    source: &'a dyn Source,
    index: u16,
    name: &'a [u8],
}

impl SourceWalk<'_> {
    fn origin(&self, entry: &Entry, stream: u16) -> Origin {
        Origin::Source {
            source: self.index,
            stream,
            node: entry.node,
        }
    }

    /// A path as the user knows it: with the source's name in front.
    fn show(&self, path: &[u8]) -> Vec<u8> {
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

/// The streams of a file being added.
#[derive(Default)]
struct Streams {
    all: Vec<Stream>,
    to_read: Vec<(ContentId, Origin)>,
}

impl Streams {
    fn push(&mut self, kind: StreamKind, name: NameRef, content: ContentId) {
        self.all.push(Stream {
            kind,
            name,
            content,
        });
    }
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

/// The 8 bytes of [`UnixDataForm::Stream`]: version 0, owner, group, mode.
fn old_unix_data(unix: &crate::image::UnixData) -> Option<Vec<u8>> {
    let fields = [
        0,
        u16::try_from(unix.uid).ok()?,
        u16::try_from(unix.gid).ok()?,
        unix.mode as u16,
    ];
    Some(
        fields
            .iter()
            .flat_map(|field| field.to_le_bytes())
            .collect(),
    )
}
