//! Indexes for made volumes: B-trees of any depth.

use super::attribute::{Attribute, Body, units};
use super::{Maker, fix_ups};

/// Bytes of an index block.
const BLOCK: usize = 4096;

/// A key with what stands before it and behind it.
#[derive(Clone, Debug)]
pub struct Key {
    /// The file reference; for tables it is the place of the data, filled in here.
    pub head: u64,
    pub key: Vec<u8>,
    /// `Some` for tables.
    pub data: Option<Vec<u8>>,
}

impl Key {
    fn encode(&self, below: Option<u64>) -> Vec<u8> {
        let mut out = vec![0; 16];
        out.extend(&self.key);
        let mut head = self.head;
        if let Some(data) = &self.data {
            out.resize(out.len().next_multiple_of(4), 0);
            head = out.len() as u64 | (data.len() as u64) << 16;
            out.extend(data);
        }
        out.resize(out.len().next_multiple_of(8), 0);
        out.extend(below.into_iter().flat_map(u64::to_le_bytes));
        out[0..8].copy_from_slice(&head.to_le_bytes());
        let length = out.len() as u16;
        out[8..10].copy_from_slice(&length.to_le_bytes());
        out[10..12].copy_from_slice(&(self.key.len() as u16).to_le_bytes());
        out[12] = u8::from(below.is_some());
        out
    }
}

/// The last entry of a node.
fn last(below: Option<u64>) -> Vec<u8> {
    let mut out = vec![0; 16];
    out[12] = 2 + u8::from(below.is_some());
    out.extend(below.into_iter().flat_map(u64::to_le_bytes));
    out[8] = out.len() as u8;
    out
}

fn node(first: usize, allocated: usize, entries: &[u8], has_nodes: bool) -> Vec<u8> {
    let mut out = vec![0; first];
    out.extend(entries);
    out[0..4].copy_from_slice(&(first as u32).to_le_bytes());
    out[4..8].copy_from_slice(&((first + entries.len()) as u32).to_le_bytes());
    out[8..12].copy_from_slice(&(allocated as u32).to_le_bytes());
    out[12] = u8::from(has_nodes);
    out
}

impl Maker {
    /// The attributes of an index with these keys, which are in order.
    pub(super) fn index(
        &mut self,
        name: &str,
        kind: u32,
        collation: u32,
        keys: &[Key],
    ) -> Vec<Attribute> {
        let unit = if self.cluster_size <= BLOCK {
            self.cluster_size
        } else {
            512
        };
        // From the leaves up: each full block sends the key behind it to the level above.
        let mut blocks = Vec::new();
        let mut level: Vec<_> = keys.iter().map(|key| (key.clone(), None)).collect();
        let mut tail = None;
        let entries = loop {
            let all: Vec<u8> = level
                .iter()
                .flat_map(|(key, below)| key.encode(*below))
                .collect();
            if all.len() < 200 {
                break [all, last(tail)].concat();
            }
            let mut upper = Vec::new();
            let mut entries = Vec::new();
            for (key, below) in level {
                let vcn = (blocks.len() * BLOCK / unit) as u64;
                if entries.len() > self.index_fill {
                    blocks.push(block(vcn, &entries, below));
                    upper.push((key, Some(vcn)));
                    entries.clear();
                } else {
                    entries.extend(key.encode(below));
                }
            }
            let vcn = (blocks.len() * BLOCK / unit) as u64;
            blocks.push(block(vcn, &entries, tail));
            tail = Some(vcn);
            level = upper;
        };
        if blocks.is_empty() {
            return vec![root(name, kind, collation, &entries, false)];
        }
        let bitmap = vec![0xFF; blocks.len() / 8]
            .into_iter()
            .chain([(1u8 << (blocks.len() % 8)) - 1])
            .chain([0; 8])
            .take((blocks.len() / 8 + 1).next_multiple_of(8))
            .collect::<Vec<_>>();
        let data = blocks.concat();
        let mut allocation = self.stored(0xA0, name, &data);
        if let Body::Clusters { real, .. } = &mut allocation.body {
            *real = data.len() as u64;
        }
        vec![
            root(name, kind, collation, &entries, true),
            allocation,
            Attribute::resident(0xB0, name, bitmap),
        ]
    }
}

fn root(name: &str, kind: u32, collation: u32, entries: &[u8], has_nodes: bool) -> Attribute {
    let mut value = Vec::new();
    value.extend(kind.to_le_bytes());
    value.extend(collation.to_le_bytes());
    value.extend((BLOCK as u32).to_le_bytes());
    value.extend([1, 0, 0, 0]);
    value.extend(node(16, 16 + entries.len(), entries, has_nodes));
    Attribute {
        name: units(name),
        ..Attribute::resident(0x90, "", value)
    }
}

fn block(vcn: u64, entries: &[u8], tail: Option<u64>) -> Vec<u8> {
    let mut out = vec![0; 24];
    out[0..4].copy_from_slice(b"INDX");
    out[4] = 40;
    out[6] = (BLOCK / 512 + 1) as u8;
    out[16..24].copy_from_slice(&vcn.to_le_bytes());
    let entries = [entries, &last(tail)[..]].concat();
    out.extend(node(40, BLOCK - 24, &entries, tail.is_some()));
    assert!(out.len() <= BLOCK);
    out.resize(BLOCK, 0);
    fix_ups(&mut out, 40);
    out
}
