//! Image to metadata, in two passes: offsets of the child lists first, then the bytes, which are
//! handed on in pieces so that the whole never stands in memory.

use std::collections::HashMap;

use zerocopy::IntoBytes;
use zerocopy::byteorder::little_endian::{I32, U16, U32, U64};

use super::{DENTRY_SIZE, RawDentry, RawStream, STREAM_SIZE};
use crate::Result;
use crate::hash::Sha1;
use crate::image::{DentryId, FileAttributes, Image, Inode, InodeId, Stream, StreamKind};
use crate::text::utf16;

/// Bytes that are collected before they are handed on.
const PIECE: usize = 64 << 10;

/// Encodes the metadata of an image and hands it on in pieces.
///
/// # Errors
/// Whatever `out` returns.
pub fn encode(image: &Image, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let plan = Plan::of(image);
    let mut buffer = Vec::with_capacity(PIECE + 4096);
    push_security(image, &mut buffer);
    let Some(root) = image.root() else {
        buffer.extend_from_slice(&[0; 8]);
        return out(&buffer);
    };
    plan.push_dentry(image, root, &mut buffer);
    buffer.extend_from_slice(&[0; 8]);
    for directory in Directories::of(image, root) {
        for &child in image.children(directory) {
            plan.push_dentry(image, child, &mut buffer);
            if buffer.len() >= PIECE {
                out(&buffer)?;
                buffer.clear();
            }
        }
        buffer.extend_from_slice(&[0; 8]);
    }
    out(&buffer)
}

/// Bytes that [`encode`] will hand on.
#[must_use]
pub fn encoded_size(image: &Image) -> u64 {
    Plan::of(image).size
}

/// What the second pass has to know: where the child lists lie and the numbers of the link groups.
struct Plan {
    lists: HashMap<DentryId, u64>,
    groups: HashMap<InodeId, u64>,
    size: u64,
}

impl Plan {
    fn of(image: &Image) -> Self {
        let mut plan = Self {
            lists: HashMap::new(),
            groups: HashMap::new(),
            size: security_size(image) as u64 + 8,
        };
        let Some(root) = image.root() else {
            return plan;
        };
        plan.size += dentry_size(image, root) as u64;
        for directory in Directories::of(image, root) {
            plan.lists.insert(directory, plan.size);
            for &child in image.children(directory) {
                plan.size += dentry_size(image, child) as u64;
                plan.number_group(image, child);
            }
            plan.size += 8;
        }
        plan
    }

    /// Numbers groups of hard links from 1, in the order of the tree.
    fn number_group(&mut self, image: &Image, dentry: DentryId) {
        let inode = image.inode_of(dentry);
        if inode.names > 1
            && !inode
                .attributes
                .intersects(FileAttributes::DIRECTORY | FileAttributes::REPARSE_POINT)
        {
            let next = self.groups.len() as u64 + 1;
            self.groups
                .entry(image.dentry(dentry).inode)
                .or_insert(next);
        }
    }

    fn push_dentry(&self, image: &Image, id: DentryId, out: &mut Vec<u8>) {
        let dentry = image.dentry(id);
        let inode = image.inode(dentry.inode);
        let streams = StoredStreams::of(image, inode);
        let start = out.len();
        out.resize(start + DENTRY_SIZE, 0);
        let name_size = push_name(out, image.name(id));
        let short_name_size = push_name(out, image.short_name(id));
        pad(out, start);
        out.extend_from_slice(image.stored_items(inode));
        let group_or_reparse = if inode.attributes.is_reparse_point() {
            u64::from(inode.reparse_tag)
                | u64::from(inode.reparse_reserved) << 32
                | u64::from(inode.reparse_flags) << 48
        } else {
            self.groups.get(&dentry.inode).copied().unwrap_or(0)
        };
        let raw = RawDentry {
            length: U64::new((out.len() - start) as u64),
            attributes: U32::new(inode.attributes.bits()),
            security_id: I32::new(inode.security.0),
            children: U64::new(self.lists.get(&id).copied().unwrap_or(0)),
            reserved: [0; 16],
            creation_time: U64::new(inode.creation_time.0),
            access_time: U64::new(inode.access_time.0),
            write_time: U64::new(inode.write_time.0),
            main_hash: streams.main_hash,
            unknown: U32::new(inode.unknown),
            group_or_reparse: U64::new(group_or_reparse),
            extra_streams: U16::new(streams.extra.len() as u16),
            short_name_size: U16::new(short_name_size),
            name_size: U16::new(name_size),
        };
        out[start..start + DENTRY_SIZE].copy_from_slice(raw.as_bytes());
        for stream in streams.extra {
            push_stream(image, stream, out);
        }
    }
}

/// The directories whose child lists are written, in order.
struct Directories<'a> {
    image: &'a Image,
    stack: Vec<DentryId>,
}

impl<'a> Directories<'a> {
    fn of(image: &'a Image, root: DentryId) -> Self {
        let is_directory = image.inode_of(root).attributes.is_directory();
        Self {
            image,
            stack: is_directory.then_some(root).into_iter().collect(),
        }
    }
}

impl Iterator for Directories<'_> {
    type Item = DentryId;

    fn next(&mut self) -> Option<DentryId> {
        let directory = self.stack.pop()?;
        let children = self.image.children(directory).iter().rev().copied();
        let is_directory = |&child: &DentryId| self.image.inode_of(child).attributes.is_directory();
        self.stack.extend(children.filter(is_directory));
        Some(directory)
    }
}

/// How the streams of a file are distributed over the main hash and extra entries.
struct StoredStreams<'a> {
    main_hash: Sha1,
    extra: &'a [Stream],
}

impl<'a> StoredStreams<'a> {
    fn of(image: &'a Image, inode: &Inode) -> Self {
        match image.streams(inode) {
            [] => Self {
                main_hash: Sha1::ZERO,
                extra: &[],
            },
            [only] if only.kind != StreamKind::Named => Self {
                main_hash: image.content(only.content).hash,
                extra: &[],
            },
            all => Self {
                main_hash: Sha1::ZERO,
                extra: all,
            },
        }
    }
}

fn security_size(image: &Image) -> usize {
    let descriptors = image.security.all();
    let bytes: usize = descriptors.iter().map(|descriptor| descriptor.len()).sum();
    (8 + 8 * descriptors.len() + bytes).next_multiple_of(8)
}

fn push_security(image: &Image, out: &mut Vec<u8>) {
    let descriptors = image.security.all();
    let total = security_size(image);
    out.extend_from_slice(&(total as u32).to_le_bytes());
    out.extend_from_slice(&(descriptors.len() as u32).to_le_bytes());
    for descriptor in descriptors {
        out.extend_from_slice(&(descriptor.len() as u64).to_le_bytes());
    }
    for descriptor in descriptors {
        out.extend_from_slice(descriptor);
    }
    out.resize(total, 0);
}

/// Bytes of a dentry with its extra stream entries.
fn dentry_size(image: &Image, id: DentryId) -> usize {
    let inode = image.inode_of(id);
    let names = name_size(image.name(id)) + name_size(image.short_name(id));
    let extra = StoredStreams::of(image, inode).extra;
    let streams: usize = extra.iter().map(|stream| stream_size(image, stream)).sum();
    (DENTRY_SIZE + names).next_multiple_of(8) + image.stored_items(inode).len() + streams
}

fn stream_size(image: &Image, stream: &Stream) -> usize {
    (STREAM_SIZE + name_size(image.text(stream.name))).next_multiple_of(8)
}

/// Bytes of a name with its terminator, 0 for an empty one.
fn name_size(name: &[u8]) -> usize {
    match name {
        [] => 0,
        name if name.is_ascii() => 2 * name.len() + 2,
        name => 2 * utf16(name).count() + 2,
    }
}

/// Appends a name with its terminator unless it is empty; returns its bytes without terminator.
fn push_name(out: &mut Vec<u8>, name: &[u8]) -> u16 {
    if name.is_empty() {
        return 0;
    }
    let start = out.len();
    out.extend(utf16(name).flat_map(u16::to_le_bytes));
    let size = out.len() - start;
    out.extend_from_slice(&[0; 2]);
    size as u16
}

fn push_stream(image: &Image, stream: &Stream, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + STREAM_SIZE, 0);
    let name_size = push_name(out, image.text(stream.name));
    pad(out, start);
    let raw = RawStream {
        length: U64::new((out.len() - start) as u64),
        reserved: U64::new(0),
        hash: image.content(stream.content).hash,
        name_size: U16::new(name_size),
    };
    out[start..start + STREAM_SIZE].copy_from_slice(raw.as_bytes());
}

/// Pads what was appended since `start` to a multiple of 8.
fn pad(out: &mut Vec<u8>, start: usize) {
    out.resize(start + (out.len() - start).next_multiple_of(8), 0);
}
