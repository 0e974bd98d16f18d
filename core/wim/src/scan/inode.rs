//! Entries of a source become files of the image.

use super::links::{StoredLink, store_link};
use super::scanned::{Origin, UnixDataForm};
use super::walk::{Scanner, SourceWalk};
use crate::Result;
use crate::hash::Sha1;
use crate::image::{
    ContentId, FileAttributes, Inode, InodeId, NOT_FIXED, NameRef, ReparseData, SecurityId, Stream,
    StreamKind, TAG_DEDUP, items,
};
use crate::port::{Entry, Event, Extra, Kind, StreamInfo, WindowsMetadata};
use crate::text;

/// A file that was accepted.
pub(super) struct Added {
    pub inode: InodeId,
    pub is_directory: bool,
    /// Streams whose data is to be read.
    pub streams: Vec<(ContentId, Origin)>,
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

impl Scanner<'_> {
    /// Applies the rules to one entry; `None` if it is left out.
    pub(super) fn add_file(
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
        self.check_unix_data(walk, path, entry);
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
            Kind::Link(link) => match store_link(link, walk.source, walk.fix_links) {
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

    /// Warns of an owner or group that has no place in the form in which it is to be stored.
    fn check_unix_data(&self, walk: &SourceWalk<'_>, path: &[u8], entry: &Entry) {
        let is_special = matches!(entry.kind, Kind::Special);
        if let (UnixDataForm::Stream, Some(unix)) = (self.options.unix_data, &entry.unix)
            && !is_special
            && unix.encode_old().is_none()
        {
            let what = format!(
                "owner {} or group {} does not fit the 16 bits of --unix-data=stream; it is stored \
                 without owner, group and mode",
                unix.uid, unix.gid
            );
            self.warn(walk, path, &what);
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
        self.push_streams(walk, entry, attributes, &mut streams)?;
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
        self.push_streams(walk, entry, attributes, &mut streams)?;
        self.finish_inode(entry, inode, streams).map(Some)
    }

    fn may_be_met_again(&self, entry: &Entry) -> bool {
        entry.shared || self.options.overlapping
    }

    /// The inode of a file that was met under another name.
    fn linked_before(&self, entry: &Entry, attributes: FileAttributes) -> Option<InodeId> {
        if !self.may_be_met_again(entry)
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

    /// The data of a file, and what has a name.
    fn push_streams(
        &mut self,
        walk: &SourceWalk<'_>,
        entry: &Entry,
        attributes: FileAttributes,
        streams: &mut Streams,
    ) -> Result<()> {
        if !attributes.is_directory() {
            let origin = walk.origin(entry, 0);
            self.push_stream(streams, StreamKind::Data, &[], entry.size, origin)?;
        }
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
            // That there may be none was said when the entry was met.
            (UnixDataForm::Stream, Some(unix)) => {
                if let Some(data) = unix.encode_old() {
                    let name = self.scanned.image.add_name(items::OLD_UNIX_STREAM)?;
                    self.push_inline(&mut streams, StreamKind::Named, name, &data)?;
                }
            }
            _ => {}
        }
        if let Some(extra) = &entry.extra {
            self.push_extra_items(extra, &mut stored);
        }
        let is_directory = inode.attributes.is_directory();
        let is_reparse_point = inode.attributes.is_reparse_point();
        let id = self.scanned.image.add_inode(inode, &streams.all, &stored)?;
        if self.may_be_met_again(entry)
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
}
