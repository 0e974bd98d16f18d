//! Indexes: the B-trees that directories and the tables of system files are.
//!
//! An index has a name. Its root node is a resident attribute; the other nodes are blocks of a
//! non-resident one, and a bitmap says which blocks are in use. A node is a header and a sequence of
//! entries, the last of which has no key. In a node with nodes below it every entry names the block
//! of what sorts before it.
//!
//! A block is named by its VCN, counted in clusters, or in units of 512 bytes where a cluster is
//! larger than a block.

use std::collections::HashMap;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::attribute::AttributeType;
use crate::error::{At as _, Error, Fault, IndexBlockFault, IndexPlace, Place, Result};
use crate::file::File;
use crate::fixup;
use crate::stream::Stream;

/// How $INDEX_ROOT begins.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RootHeader {
    kind: U32,
    collation: U32,
    block_size: U32,
    clusters: u8,
    reserved: [u8; 3],
}

/// How a block begins.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct BlockHeader {
    signature: [u8; 4],
    fix_up_offset: U16,
    fix_up_count: U16,
    lsn: U64,
    vcn: U64,
}

/// How a node begins, in the root or in a block. Offsets count from here.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct NodeHeader {
    first: U32,
    used: U32,
    allocated: U32,
    flags: u8,
    reserved: [u8; 3],
}

/// How an entry begins.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct EntryHeader {
    /// A file reference, or the place of the data.
    head: U64,
    length: U16,
    key_length: U16,
    flags: U16,
    reserved: U16,
}

const ROOT_HEADER: usize = size_of::<RootHeader>();
const BLOCK_HEADER: usize = size_of::<BlockHeader>();
const NODE_HEADER: usize = size_of::<NodeHeader>();
const ENTRY_HEADER: usize = size_of::<EntryHeader>();

const INDX: [u8; 4] = *b"INDX";
/// In a node: there are nodes below.
const HAS_NODES: u8 = 1;
/// In an entry: there is a node below.
const HAS_NODE: u16 = 1;
/// In an entry: the last of its node.
const LAST: u16 = 2;

/// What an index is about: the attribute that its keys are values of (0 for tables with data of
/// their own), and how they are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub kind: u32,
    pub collation: u32,
}

/// Directories: $FILE_NAME, by name.
pub(crate) const DIRECTORY: Rules = Rules {
    kind: AttributeType::FILE_NAME.0,
    collation: 1,
};

/// An entry of an index.
pub(crate) struct Entry<'a> {
    /// In directories: the reference of the file.
    pub head: u64,
    pub key: &'a [u8],
    /// Empty in directories.
    pub data: &'a [u8],
}

/// An index of a file.
pub(crate) struct Index {
    place: Place,
    has_data: bool,
    root: Vec<u8>,
    blocks: Option<Blocks>,
    depth: usize,
    cache: usize,
}

struct Blocks {
    stream: Stream,
    bitmap: Vec<u8>,
    block_size: usize,
    /// Bytes that a VCN counts.
    unit: u64,
}

/// Blocks are read in pieces of this size, since a tree in use is mostly read in full: an index is
/// read almost as fast as its bytes are, though its order is not that of its blocks.
const WINDOW: u64 = 128 << 10;

/// What was read of an index while walking over it.
struct Windows {
    read: HashMap<u64, Vec<u8>>,
    most: usize,
}

impl Index {
    /// Opens the index of this name, which must be of this sort.
    pub fn open(file: &File, name: &[u16], rules: Rules) -> Result<Self> {
        let kind = AttributeType::INDEX_ROOT;
        let place = Place::attribute(file.record(), kind, name);
        let root = file
            .resident(kind, name)?
            .ok_or_else(|| Fault::NoAttribute.at(&place))?;
        let (header, _) = RootHeader::ref_from_prefix(root)
            .map_err(|_| Fault::ValueSize(root.len() as u64).at(&place))?;
        let (kind, collation) = (header.kind.get(), header.collation.get());
        if (Rules { kind, collation }) != rules {
            return Err(Fault::IndexKind { kind, collation }.at(place));
        }
        let size = header.block_size.get();
        if !size.is_power_of_two() || !(512..=65536).contains(&size) {
            return Err(Fault::IndexBlockSize(size).at(place));
        }
        Ok(Self {
            place,
            has_data: rules.kind == 0,
            root: root[ROOT_HEADER..].to_vec(),
            blocks: Blocks::open(file, name, size as usize)?,
            depth: file.context().limits.index_depth,
            cache: file.context().limits.index_cache,
        })
    }

    /// Calls `visit` for every entry, in the order of the index.
    pub fn walk(&self, mut visit: impl FnMut(Entry<'_>) -> Result<()>) -> Result<()> {
        let mut seen = Vec::new();
        let mut windows = Windows {
            read: HashMap::new(),
            most: self.cache / WINDOW as usize,
        };
        let root = Node::new(self.root.clone(), IndexPlace::Root).at(&self.place)?;
        let mut stack = vec![root];
        while let Some(node) = stack.last_mut() {
            let entry = node.entry(self.has_data).at(&self.place)?;
            if let Some(vcn) = entry.below.filter(|_| !node.descended) {
                node.descended = true;
                if stack.len() >= self.depth {
                    return Err(Fault::IndexDepth(self.depth).at(&self.place));
                }
                stack.push(self.block(vcn, &mut seen, &mut windows)?);
                continue;
            }
            let length = entry.length;
            match entry.entry {
                Some(entry) => {
                    visit(entry)?;
                    node.at += length;
                    node.descended = false;
                }
                None => {
                    stack.pop();
                }
            }
        }
        Ok(())
    }

    fn block(&self, vcn: u64, seen: &mut Vec<bool>, windows: &mut Windows) -> Result<Node> {
        let fault = |reason| Fault::IndexBlock { vcn, reason }.at(&self.place);
        let Some(blocks) = &self.blocks else {
            return Err(fault(IndexBlockFault::Missing));
        };
        let number = blocks.number(vcn).map_err(fault)?;
        if seen.len() <= number {
            seen.resize(number + 1, false);
        }
        if std::mem::replace(&mut seen[number], true) {
            return Err(fault(IndexBlockFault::Twice));
        }
        let mut block = blocks.read(number, windows)?;
        fixup::undo(&mut block, INDX)
            .map_err(|inner| fault(IndexBlockFault::Block(Box::new(inner))))?;
        match BlockHeader::ref_from_prefix(&block) {
            Ok((header, _)) if header.vcn.get() == vcn => {}
            Ok((header, _)) => return Err(fault(IndexBlockFault::OwnNumber(header.vcn.get()))),
            Err(_) => return Err(fault(IndexBlockFault::Missing)),
        }
        block.drain(..BLOCK_HEADER);
        Node::new(block, IndexPlace::Block(vcn)).at(&self.place)
    }
}

impl Blocks {
    fn open(file: &File, name: &[u16], block_size: usize) -> Result<Option<Self>> {
        let Some(stream) = file.open(AttributeType::INDEX_ALLOCATION, name)? else {
            return Ok(None);
        };
        let context = file.context();
        if let Some(extents) = stream.extents() {
            // Blocks are all there, and no more than the volume has room for.
            let holes = extents.iter().any(|run| run.lcn.is_none());
            if holes || extents.end() > context.geometry.clusters {
                return Err(Fault::AllocatedSize {
                    allocated: stream.size(),
                    clusters: extents.end(),
                }
                .at(stream.place()));
            }
        }
        let size = stream.initialised();
        let count = size / block_size as u64;
        let mut bitmap = Vec::new();
        if let Some(bits) = file.open(AttributeType::BITMAP, name)? {
            let length = bits.size().min(count.div_ceil(8));
            if length > context.limits.index_bitmap {
                return Err(Error::Limit {
                    place: bits.place().clone(),
                    what: "bytes",
                    most: context.limits.index_bitmap,
                });
            }
            bitmap.resize(length as usize, 0);
            bits.read_exact(0, &mut bitmap)?;
        }
        let cluster = context.cluster_size();
        Ok(Some(Self {
            stream,
            bitmap,
            block_size,
            unit: if cluster <= block_size as u64 {
                cluster
            } else {
                512
            },
        }))
    }

    /// The number of the block with a VCN.
    fn number(&self, vcn: u64) -> Result<usize, IndexBlockFault> {
        let size = self.block_size as u64;
        let position = vcn
            .checked_mul(self.unit)
            .filter(|position| {
                position
                    .checked_add(size)
                    .is_some_and(|end| end <= self.stream.initialised())
            })
            .ok_or(IndexBlockFault::Missing)?;
        if position % size != 0 {
            return Err(IndexBlockFault::Misplaced);
        }
        let number = (position / size) as usize;
        match self.bitmap.get(number / 8) {
            Some(byte) if byte >> (number % 8) & 1 == 1 => Ok(number),
            _ => Err(IndexBlockFault::Free),
        }
    }

    fn read(&self, number: usize, windows: &mut Windows) -> Result<Vec<u8>> {
        let start = number as u64 * self.block_size as u64;
        let window = start / WINDOW;
        if !windows.read.contains_key(&window) {
            if windows.read.len() >= windows.most {
                windows.read.clear();
            }
            let from = window * WINDOW;
            let length = (self.stream.initialised() - from).min(WINDOW);
            let mut data = vec![0; length as usize];
            self.stream.read_exact(from, &mut data)?;
            windows.read.insert(window, data);
        }
        let inside = (start % WINDOW) as usize;
        let block = windows.read[&window].get(inside..inside + self.block_size);
        block.map(<[u8]>::to_vec).ok_or_else(|| {
            let (offset, length) = (start, self.block_size as u64);
            Fault::ReadRange { offset, length }.at(self.stream.place())
        })
    }
}

/// A node on the way from the root to the current entry.
struct Node {
    bytes: Vec<u8>,
    place: IndexPlace,
    has_nodes: bool,
    /// The current entry.
    at: usize,
    /// Whether what is below the current entry is done.
    descended: bool,
}

/// An entry as it lies in its node.
struct RawEntry<'a> {
    length: usize,
    below: Option<u64>,
    /// `None` for the last.
    entry: Option<Entry<'a>>,
}

impl Node {
    fn new(mut bytes: Vec<u8>, place: IndexPlace) -> Result<Self, Fault> {
        let fault = Fault::IndexNode(place);
        let Ok((header, _)) = NodeHeader::ref_from_prefix(&bytes) else {
            return Err(fault);
        };
        let (first, used, allocated) = (
            header.first.get() as usize,
            header.used.get() as usize,
            header.allocated.get() as usize,
        );
        let fits = match place {
            IndexPlace::Root => allocated <= bytes.len(),
            IndexPlace::Block(_) => allocated == bytes.len(),
        };
        if !fits || used > allocated || first < NODE_HEADER || first > used || first % 8 != 0 {
            return Err(fault);
        }
        let has_nodes = header.flags & HAS_NODES != 0;
        bytes.truncate(used);
        Ok(Self {
            bytes,
            place,
            has_nodes,
            at: first,
            descended: false,
        })
    }

    fn entry(&self, has_data: bool) -> Result<RawEntry<'_>, Fault> {
        self.parse(has_data).ok_or(Fault::IndexEntry {
            place: self.place,
            at: self.at,
        })
    }

    fn parse(&self, has_data: bool) -> Option<RawEntry<'_>> {
        let rest = self.bytes.get(self.at..)?;
        let (header, _) = EntryHeader::ref_from_prefix(rest).ok()?;
        let length = usize::from(header.length.get());
        let flags = header.flags.get();
        if length < ENTRY_HEADER || length % 8 != 0 {
            return None;
        }
        let bytes = rest.get(..length)?;
        if (flags & HAS_NODE != 0) != self.has_nodes {
            return None;
        }
        let (room, below) = if self.has_nodes {
            let (room, vcn) = U64::ref_from_suffix(bytes).ok()?;
            (room, Some(vcn.get()))
        } else {
            (bytes, None)
        };
        if room.len() < ENTRY_HEADER {
            return None;
        }
        let head = header.head.get();
        let entry = if flags & LAST != 0 {
            None
        } else {
            let key_end = ENTRY_HEADER + usize::from(header.key_length.get());
            let key = room.get(ENTRY_HEADER..key_end)?;
            let data = if has_data {
                let (at, count) = (usize::from(head as u16), usize::from((head >> 16) as u16));
                match count {
                    0 => &[],
                    _ if at < key_end => return None,
                    _ => room.get(at..)?.get(..count)?,
                }
            } else {
                &[]
            };
            Some(Entry { head, key, data })
        };
        Some(RawEntry {
            length,
            below,
            entry,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(entries: &[&[u8]], flags: u8) -> Vec<u8> {
        let body: Vec<u8> = entries.concat();
        let mut node = vec![0; NODE_HEADER];
        let used = (NODE_HEADER + body.len()) as u8;
        node[0] = NODE_HEADER as u8;
        node[4] = used;
        node[8] = used;
        node[12] = flags;
        node.extend(body);
        node
    }

    fn entry(length: u8, key: &[u8], flags: u8, tail: Option<u8>) -> Vec<u8> {
        let mut entry = vec![0; usize::from(length)];
        entry[8] = length;
        entry[10] = key.len() as u8;
        entry[12] = flags;
        entry[16..16 + key.len()].copy_from_slice(key);
        if let Some(vcn) = tail {
            entry[usize::from(length) - 8] = vcn;
        }
        entry
    }

    #[test]
    fn headers_have_their_sizes() {
        assert_eq!(
            (ROOT_HEADER, BLOCK_HEADER, NODE_HEADER, ENTRY_HEADER),
            (16, 24, 16, 16)
        );
    }

    #[test]
    fn entries_of_a_node() {
        let bytes = node(
            &[&entry(32, b"abc", 1, Some(7)), &entry(24, b"", 3, Some(9))],
            1,
        );
        let mut node = Node::new(bytes, IndexPlace::Root).unwrap();
        let first = node.entry(false).unwrap();
        assert_eq!((first.length, first.below), (32, Some(7)));
        assert_eq!(first.entry.unwrap().key, b"abc");
        node.at += 32;
        let last = node.entry(false).unwrap();
        assert_eq!(last.below, Some(9));
        assert!(last.entry.is_none());
        node.at += 24;
        assert!(node.entry(false).is_err());
    }

    #[test]
    fn bad_entries() {
        for (bad, flags) in [
            (entry(32, b"abc", 1, Some(7)), 0),
            (entry(32, b"abc", 0, None), 1),
            (entry(32, &[1; 16], 0, None), 0),
            (entry(16, b"", 3, Some(0)), 1),
        ] {
            let mut bytes = node(&[&bad], flags);
            if flags == 0 && bad[10] == 16 {
                bytes[NODE_HEADER + 10] = 17;
            }
            let node = Node::new(bytes, IndexPlace::Root).unwrap();
            assert!(node.entry(false).is_err(), "{bad:?}");
        }
    }
}
