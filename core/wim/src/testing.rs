//! Archives in memory for the tests of this crate.

use std::collections::BTreeMap;
use std::sync::Arc;

use wimforge_codec::{Compressor, Format, Level};

use crate::archive::{Archive, OpenOptions};
use crate::format::resource::SolidHeader;
use crate::format::{
    BlobEntry, Compression, Guid, Header, ResourceFlags, ResourceHeader, SolidMarker, Version,
};
use crate::hash::Sha1;
use crate::image::{
    DentryId, FileAttributes, Inode, NameRef, Stream, StreamKind, TAG_SYMLINK, encode_link,
};
use crate::port::memory::MemoryStorage;
use crate::port::{Inline, OnUnreadable, Silent, WorkerState};
use crate::scan::{Origin, Pending, Scanned};
use crate::time::FileTime;
use crate::write::{IntegrityChoice, Means, NewImage, WriteOptions, capture};
use crate::xml::WimXml;

/// Bytes that do not compress to nothing and differ for every seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as u8 & 0x3F
        })
        .collect()
}

/// A tree about to become an archive. Directories are made as needed.
pub(crate) struct Tree {
    scanned: Scanned,
    directories: BTreeMap<Vec<u8>, (DentryId, Vec<DentryId>)>,
    files: BTreeMap<Vec<u8>, DentryId>,
}

impl Tree {
    pub fn new() -> Self {
        let mut tree = Self {
            scanned: Scanned::default(),
            directories: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        let image = &mut tree.scanned.image;
        let inode = image.add_inode(directory_inode(), &[], &[]).unwrap();
        let root = image.add_dentry(NameRef::default(), inode).unwrap();
        image.set_root(root);
        tree.directories.insert(Vec::new(), (root, Vec::new()));
        tree
    }

    fn put(&mut self, directory: &[u8], name: &[u8], inode: crate::image::InodeId) -> DentryId {
        let name = self.scanned.image.add_name(name).unwrap();
        let dentry = self.scanned.image.add_dentry(name, inode).unwrap();
        self.directories.get_mut(directory).unwrap().1.push(dentry);
        dentry
    }

    pub fn directory(&mut self, path: &str) {
        let path = path.as_bytes();
        if self.directories.contains_key(path) {
            return;
        }
        let (parent, name) = split(path);
        self.directory(std::str::from_utf8(parent).unwrap());
        let image = &mut self.scanned.image;
        let inode = image.add_inode(directory_inode(), &[], &[]).unwrap();
        let dentry = self.put(parent, name, inode);
        self.directories.insert(path.to_vec(), (dentry, Vec::new()));
    }

    /// A file with any attributes whose stream of this kind has this data.
    pub fn any(
        &mut self,
        directory: &str,
        name: &str,
        inode: Inode,
        kind: StreamKind,
        data: &[u8],
        items: &[u8],
    ) {
        self.directory(directory);
        let image = &mut self.scanned.image;
        let content = image.add_content(Sha1::ZERO, data.len() as u64).unwrap();
        let stream = Stream {
            kind,
            name: NameRef::default(),
            content,
        };
        let inode = image.add_inode(inode, &[stream], items).unwrap();
        let dentry = self.put(directory.as_bytes(), name.as_bytes(), inode);
        let path = [directory.as_bytes(), b"/", name.as_bytes()].concat();
        self.files.insert(path, dentry);
        if !data.is_empty() {
            let start = self.scanned.inline.len() as u64;
            self.scanned.inline.extend_from_slice(data);
            self.scanned.pending.push(Pending {
                content,
                dentry,
                origin: Origin::Inline { start },
            });
        }
    }

    pub fn file(&mut self, path: &str, data: &[u8]) {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let inode = file_inode(FileAttributes::NORMAL);
        self.any(directory, name, inode, StreamKind::Data, data, &[]);
    }

    pub fn link(&mut self, path: &str, target: &str, absolute: bool, flags: u16) {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let target: Vec<u16> = target.encode_utf16().collect();
        let data = encode_link(&target, absolute).unwrap();
        let inode = Inode {
            reparse_tag: TAG_SYMLINK,
            reparse_flags: flags,
            ..file_inode(FileAttributes::REPARSE_POINT | FileAttributes::DIRECTORY)
        };
        self.any(directory, name, inode, StreamKind::Reparse, &data, &[]);
    }

    /// Another name of a file.
    pub fn hard_link(&mut self, existing: &str, path: &str) {
        let existing = match existing.contains('/') {
            true => existing.into(),
            false => format!("/{existing}"),
        };
        let dentry = self.files[existing.as_bytes()];
        let inode = self.scanned.image.dentry(dentry).inode;
        let (directory, name) = split(path.as_bytes());
        self.directory(std::str::from_utf8(directory).unwrap());
        self.put(directory, name, inode);
    }

    /// The bytes of an archive with this tree.
    pub fn archive(mut self, compression: Compression) -> Vec<u8> {
        for (dentry, mut children) in std::mem::take(&mut self.directories).into_values() {
            let image = &mut self.scanned.image;
            image.set_children(dentry, &mut children).unwrap();
        }
        let storage = MemoryStorage::default();
        let new = NewImage {
            scanned: self.scanned,
            sources: &[],
            name: "test".into(),
            properties: Vec::new(),
            boot: false,
            bases: &[],
            links_fixed: true,
            latest_time: None,
        };
        let options = write_options(compression);
        capture(&storage, new, &means(&options)).unwrap();
        storage.bytes()
    }
}

/// Without threads, and without anybody who watches.
pub(crate) fn means(options: &WriteOptions) -> Means<'_> {
    Means {
        options,
        workers: &Inline,
        observer: &Silent,
    }
}

/// How the tests write archives, with an integrity table.
pub(crate) fn write_options(compression: Compression) -> WriteOptions {
    WriteOptions {
        compression,
        level: Level::default(),
        solid: None,
        integrity: IntegrityChoice::Include,
        guid: None,
        now: FileTime(0x01DD_7A80_083C_0EB0),
        on_unreadable: OnUnreadable::Fail,
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

fn directory_inode() -> Inode {
    file_inode(FileAttributes::DIRECTORY)
}

pub(crate) fn file_inode(attributes: FileAttributes) -> Inode {
    Inode {
        attributes,
        creation_time: FileTime(0x01DD_0000_0000_0000),
        access_time: FileTime(0x01DD_0000_0000_0001),
        write_time: FileTime(0x01DD_0000_0000_0002),
        ..Inode::default()
    }
}

pub(crate) fn open(bytes: Vec<u8>) -> crate::Result<Archive> {
    Archive::open(Arc::new(MemoryStorage::new(bytes)), &OpenOptions::default())
}

/// The same archive with all file data in one solid resource.
pub(crate) fn solidify(bytes: &[u8], format: Format, chunk_size: u32) -> Vec<u8> {
    let archive = open(bytes.to_vec()).unwrap();
    let mut state = WorkerState::default();
    let mut data = Vec::new();
    let mut blobs = Vec::new();
    for (_, blob) in archive.blobs.iter() {
        blobs.push((data.len() as u64, *blob));
        let reader = archive.reader(blob).unwrap();
        let mut keep = |piece: &[u8]| {
            data.extend_from_slice(piece);
            Ok(())
        };
        reader.read_all(&mut state, &mut keep).unwrap();
    }
    let mut compressor = Compressor::new(format, chunk_size, Level::default()).unwrap();
    let (mut sizes, mut chunks) = (Vec::new(), Vec::new());
    for chunk in data.chunks(chunk_size as usize) {
        let mut out = vec![0; chunk.len() - 1];
        let stored = match compressor.compress(chunk, &mut out) {
            Some(size) => &out[..size],
            None => chunk,
        };
        sizes.extend_from_slice(&(stored.len() as u32).to_le_bytes());
        chunks.extend_from_slice(stored);
    }
    let mut solid = Vec::new();
    solid.extend_from_slice(&(data.len() as u64).to_le_bytes());
    solid.extend_from_slice(&chunk_size.to_le_bytes());
    let number = Compression::Chunked(format, chunk_size).number();
    solid.extend_from_slice(&number.to_le_bytes());
    assert_eq!(solid.len() as u64, SolidHeader::SIZE);
    solid.extend_from_slice(&sizes);
    solid.extend_from_slice(&chunks);

    let mut header = archive.header().clone();
    header.version = Version::Solid;
    let mut out = vec![0; Header::SIZE];
    let solid_at = out.len() as u64;
    out.extend_from_slice(&solid);
    let mut table = Vec::new();
    let entry = |resource, references, hash| BlobEntry {
        resource,
        part: 1,
        references,
        hash,
    };
    for image in &archive.images {
        let mut resource = image.resource;
        let start = resource.offset as usize;
        resource.offset = out.len() as u64;
        out.extend_from_slice(&bytes[start..start + resource.size as usize]);
        entry(resource, 1, image.hash).encode(&mut table);
    }
    let flags = ResourceFlags::SOLID;
    let resource = ResourceHeader {
        size: solid.len() as u64,
        flags,
        offset: solid_at,
        uncompressed_size: SolidMarker::MAGIC,
    };
    entry(resource, 1, Sha1::ZERO).encode(&mut table);
    for (offset, blob) in &blobs {
        let resource = ResourceHeader {
            size: blob.size,
            flags,
            offset: *offset,
            uncompressed_size: 0,
        };
        entry(resource, blob.references, blob.hash).encode(&mut table);
    }
    finish(out, header, &table, archive.xml)
}

/// Puts tables behind the data of an archive and a header in front of it.
fn finish(mut out: Vec<u8>, mut header: Header, table: &[u8], mut xml: WimXml) -> Vec<u8> {
    let place = |out: &Vec<u8>, len: usize| ResourceHeader {
        size: len as u64,
        flags: ResourceFlags::METADATA,
        offset: out.len() as u64,
        uncompressed_size: len as u64,
    };
    header.integrity = ResourceHeader::default();
    header.blob_table = place(&out, table.len());
    out.extend_from_slice(table);
    xml.set_total_bytes(Some(out.len() as u64));
    let xml = xml.encode();
    header.xml = place(&out, xml.len());
    out.extend_from_slice(&xml);
    out[..Header::SIZE].copy_from_slice(&header.encode());
    out
}

/// The same archive without its file data: what a delta based on it would be.
pub(crate) fn without_data(bytes: &[u8]) -> Vec<u8> {
    let archive = open(bytes.to_vec()).unwrap();
    let mut header = archive.header().clone();
    header.guid = Guid([7; 16]);
    let mut out = vec![0; Header::SIZE];
    let mut table = Vec::new();
    for image in &archive.images {
        let mut resource = image.resource;
        let start = resource.offset as usize;
        resource.offset = out.len() as u64;
        out.extend_from_slice(&bytes[start..start + resource.size as usize]);
        let entry = BlobEntry {
            resource,
            part: 1,
            references: 1,
            hash: image.hash,
        };
        entry.encode(&mut table);
    }
    finish(out, header, &table, archive.xml)
}
