//! The exported `archive`: an image and its data.

use std::cell::RefCell;
use std::rc::Rc;

use wimforge_core::apply::{ApplyOptions, ApplySummary, LinkFixing, Restorer, Selected};
use wimforge_core::archive::{Archive, Blob, ChunkMap, Place};
use wimforge_core::hash::Sha1;
use wimforge_core::image::{DentryId, Image, Inode, Stream, StreamKind, items};
use wimforge_core::port::{Inline, Sink, WorkerState};
use wimforge_core::text::Show;
use wimforge_core::{Error, ErrorKind, Result};

use crate::bindings::exports::wimforge::imaging::archive as wit;
use crate::bindings::wimforge::imaging::observer::Watcher;
use crate::bindings::wimforge::imaging::sink::Output;
use crate::bindings::wimforge::imaging::target::Directory;
use crate::convert::{from_sha1, from_unix, from_xattrs, narrow, wide};
use crate::failure::Outcome;
use crate::observer::HostObserver;
use crate::sink::HostSink;
use crate::target::HostDirectory;

/// The tree of an image.
pub struct ImageReader {
    pub archive: Rc<Archive>,
    pub image: Image,
}

impl ImageReader {
    pub fn new(archive: Rc<Archive>, image: Image) -> Self {
        Self { archive, image }
    }

    fn lookup(&self, path: &[u16]) -> Result<DentryId> {
        let path = narrow(path);
        let missing = || {
            let what = format!("{} is not in the image", Show(&path));
            Error::new(ErrorKind::NoSuchPath, what)
        };
        self.image.lookup(&path).ok_or_else(missing)
    }

    /// What is at a path, to be restored at another.
    pub fn select(&self, path: &[u16], to: &[u16]) -> Result<Selected> {
        Ok(Selected {
            dentry: self.lookup(path)?,
            path: narrow(to),
        })
    }

    fn find(&self, path: &[u16], kind: &wit::StreamKind) -> Result<Option<Blob>> {
        let dentry = self.lookup(path)?;
        let streams = self.image.streams(self.image.inode_of(dentry));
        let wanted = |stream: &&Stream| match (kind, stream.kind) {
            (wit::StreamKind::Data, StreamKind::Data)
            | (wit::StreamKind::Reparse, StreamKind::Reparse)
            | (wit::StreamKind::Encrypted, StreamKind::Encrypted) => true,
            (wit::StreamKind::Named(name), StreamKind::Named) => {
                self.image.text(stream.name) == narrow(name)
            }
            _ => false,
        };
        let Some(stream) = streams.iter().find(wanted) else {
            // A file without data may have no stream at all.
            let is_empty_file = matches!(kind, wit::StreamKind::Data)
                && !self.image.inode_of(dentry).attributes.is_directory();
            return match is_empty_file {
                true => Ok(None),
                false => Err(Error::new(
                    ErrorKind::NoSuchPath,
                    format!("{} has no such stream", Show(&narrow(path))),
                )),
            };
        };
        let hash = self.image.content(stream.content).hash;
        if hash.is_zero() {
            return Ok(None);
        }
        let blob = self.blob(&hash);
        blob.map(Some).ok_or_else(|| self.archive.missing(&hash))
    }

    /// The data with this hash, if it is in any of the files.
    fn blob(&self, hash: &Sha1) -> Option<Blob> {
        let blob = *self.archive.blobs.get(self.archive.blobs.find(hash)?);
        match blob.place {
            Place::Alone { .. } | Place::Solid { .. } => Some(blob),
            Place::Claimed | Place::Elsewhere | Place::Lost => None,
        }
    }

    fn describe(&self, dentry: DentryId) -> wit::Entry {
        let image = &self.image;
        let inode = image.inode_of(dentry);
        let security = image.security.get(inode.security).unwrap_or_default();
        wit::Entry {
            name: wide(image.name(dentry)),
            short_name: wide(image.short_name(dentry)),
            attributes: inode.attributes.bits(),
            creation_time: inode.creation_time.0,
            access_time: inode.access_time.0,
            write_time: inode.write_time.0,
            links: inode.names,
            link_group: image.dentry(dentry).inode.index() as u32,
            reparse_tag: match inode.attributes.is_reparse_point() {
                true => inode.reparse_tag,
                false => 0,
            },
            streams: image
                .streams(inode)
                .iter()
                .map(|stream| self.stream(stream))
                .collect(),
            unix: image.unix_data(inode).map(from_unix),
            xattrs: self.xattrs(inode),
            security: security.to_vec(),
            object_id: image
                .item(inode, items::OBJECT_ID)
                .unwrap_or_default()
                .to_vec(),
        }
    }

    fn stream(&self, stream: &Stream) -> wit::StreamInfo {
        let hash = self.image.content(stream.content).hash;
        wit::StreamInfo {
            kind: match stream.kind {
                StreamKind::Data => wit::StreamKind::Data,
                StreamKind::Reparse => wit::StreamKind::Reparse,
                StreamKind::Encrypted => wit::StreamKind::Encrypted,
                StreamKind::Named => wit::StreamKind::Named(wide(self.image.text(stream.name))),
            },
            size: match hash.is_zero() {
                true => Some(0),
                false => self.blob(&hash).map(|blob| blob.size),
            },
            hash: from_sha1(&hash),
        }
    }

    /// Those that cannot be decoded stand in the report of a verification.
    fn xattrs(&self, inode: &Inode) -> Vec<crate::bindings::wimforge::imaging::types::Xattr> {
        let decoded = match self.image.item(inode, items::XATTRS) {
            Some(data) => items::decode_xattrs(data),
            None => match self.image.item(inode, items::OLD_XATTRS) {
                Some(data) => items::decode_old_xattrs(data),
                None => return Vec::new(),
            },
        };
        from_xattrs(&decoded.unwrap_or_default())
    }

    fn send_to(&self, path: &[u16], kind: &wit::StreamKind, sink: &mut dyn Sink) -> Result<u64> {
        let Some(blob) = self.find(path, kind)? else {
            return sink.flush().map(|()| 0);
        };
        let reader = self.archive.reader(&blob)?;
        let read = reader.read_all(&mut WorkerState::default(), &mut |piece| sink.write(piece));
        // Of damaged data, too, the host gets what there is.
        let flushed = sink.flush();
        read.map_err(|error| error.at(Show(&narrow(path))))?;
        flushed.map(|()| blob.size)
    }
}

impl wit::GuestImage for ImageReader {
    fn stat(&self, path: Vec<u16>) -> Outcome<wit::Entry> {
        Ok(self.describe(self.lookup(&path)?))
    }

    fn list(&self, path: Vec<u16>) -> Outcome<Vec<wit::Entry>> {
        let directory = self.lookup(&path)?;
        let children = self.image.children(directory);
        Ok(children.iter().map(|&child| self.describe(child)).collect())
    }

    fn open(&self, path: Vec<u16>, kind: wit::StreamKind) -> Outcome<wit::Contents> {
        let blob = self.find(&path, &kind)?;
        let contents = Contents::new(Rc::clone(&self.archive), blob)?;
        Ok(wit::Contents::new(contents))
    }

    fn send(&self, path: Vec<u16>, kind: wit::StreamKind, to: &Output) -> Outcome<u64> {
        Ok(self.send_to(&path, &kind, &mut HostSink(to))?)
    }

    fn extract(
        &self,
        path: Vec<u16>,
        target: &Directory,
        to: Vec<u16>,
        options: wit::RestoreOptions,
        observer: Option<&Watcher>,
    ) -> Outcome<wit::Restored> {
        let selected = [self.select(&path, &to)?];
        restoring(target, options, observer, |restorer| {
            restorer.restore(&self.archive, &self.image, &selected)
        })
    }
}

/// Restores to a directory of the host.
pub fn restoring(
    target: &Directory,
    options: wit::RestoreOptions,
    observer: Option<&Watcher>,
    restore: impl FnOnce(&Restorer<'_>) -> Result<ApplySummary>,
) -> Outcome<wit::Restored> {
    let summary = restore(&Restorer {
        target: &HostDirectory(target),
        options: &convert_options(options),
        workers: &Inline,
        observer: &HostObserver(observer),
    })?;
    Ok(convert_summary(&summary))
}

/// How to restore.
fn convert_options(options: wit::RestoreOptions) -> ApplyOptions {
    ApplyOptions {
        unix_data: options.contains(wit::RestoreOptions::UNIX_DATA),
        links: match options.contains(wit::RestoreOptions::FIX_LINKS) {
            true => LinkFixing::AsArchive,
            false => LinkFixing::Keep,
        },
        include_invalid_names: options.contains(wit::RestoreOptions::INCLUDE_INVALID_NAMES),
        strict: options.contains(wit::RestoreOptions::STRICT),
        // What a target can hold of them is up to the host, which has not asked for any.
        no_acls: true,
        recover_data: options.contains(wit::RestoreOptions::RECOVER_DATA),
        no_attributes: false,
        max_size: None,
    }
}

/// What was restored.
pub fn convert_summary(summary: &ApplySummary) -> wit::Restored {
    wit::Restored {
        directories: summary.directories,
        files: summary.files,
        hard_links: summary.hard_links,
        bytes: summary.bytes,
        skipped: summary.skipped,
        damaged: summary.damaged,
    }
}

/// Data ready to be read at any offset.
pub struct Contents {
    archive: Rc<Archive>,
    /// `None` for empty data.
    blob: Option<Blob>,
    /// The chunks of a resource that holds this data alone.
    chunks: Option<ChunkMap>,
    window: RefCell<Window>,
}

/// What was decoded last, so that small reads do not decode a chunk again and again.
#[derive(Default)]
struct Window {
    start: u64,
    data: Vec<u8>,
    state: WorkerState,
}

/// Bytes returned at once.
const MOST_READ: u64 = 1 << 20;

impl Contents {
    fn new(archive: Rc<Archive>, blob: Option<Blob>) -> Result<Self> {
        let chunks = match blob.map(|blob| blob.place) {
            Some(Place::Alone { file, resource }) => {
                let file = &archive.files[usize::from(file)];
                let header = &file.header;
                let chunks =
                    ChunkMap::load(&*file.storage, &resource, header.compression, header.layout);
                Some(chunks?)
            }
            _ => None,
        };
        Ok(Self {
            archive,
            blob,
            chunks,
            window: RefCell::default(),
        })
    }

    fn read_at(&self, offset: u64, size: u32) -> Result<Vec<u8>> {
        let Some(blob) = self.blob.filter(|blob| offset < blob.size) else {
            return Ok(Vec::new());
        };
        let mut window = self.window.borrow_mut();
        let is_inside = (window.start..window.start + window.data.len() as u64).contains(&offset);
        if !is_inside {
            self.decode(&blob, offset, u64::from(size), &mut window)?;
        }
        let start = (offset - window.start) as usize;
        let rest = window.data.get(start..).unwrap_or_default();
        Ok(rest[..rest.len().min(size as usize)].to_vec())
    }

    /// Decodes at least a chunk from `offset` on.
    fn decode(&self, blob: &Blob, offset: u64, size: u64, window: &mut Window) -> Result<()> {
        let (storage, chunks, place) = match (blob.place, &self.chunks) {
            (Place::Alone { file, .. }, Some(chunks)) => {
                (&self.archive.files[usize::from(file)].storage, chunks, 0)
            }
            (Place::Solid { solid, offset }, _) => {
                let solid = &self.archive.blobs.solids[solid as usize];
                let storage = &self.archive.files[usize::from(solid.file)].storage;
                (storage, &solid.chunks, offset)
            }
            _ => return Err(self.archive.missing(&blob.hash)),
        };
        let at_least = u64::from(chunks.chunk_size()).max(size.min(MOST_READ));
        let size = at_least.min(blob.size - offset);
        window.data.clear();
        let Window { data, state, .. } = window;
        chunks.read(&**storage, place + offset, size, state, &mut |piece| {
            data.extend_from_slice(piece);
            Ok(())
        })?;
        window.start = offset;
        Ok(())
    }
}

impl wit::GuestContents for Contents {
    fn size(&self) -> u64 {
        self.blob.map_or(0, |blob| blob.size)
    }

    fn read(&self, offset: u64, size: u32) -> Outcome<Vec<u8>> {
        Ok(self.read_at(offset, size)?)
    }
}
