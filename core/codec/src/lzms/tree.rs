//! Finding matches with binary trees.
//!
//! All positions with the same hash of their next four bytes form a binary search tree, ordered by the
//! bytes that follow and with newer positions nearer to the root. Going down the tree for a new position
//! splits it into what is smaller and what is larger, which become the new root's two children, and on
//! the way every position that matches longer than all newer ones is met. Matches of two and three
//! bytes come from tables of their own that know the newest position only.
//!
//! Positions are stored with a base that grows from chunk to chunk, so that what older chunks left
//! behind is recognised and nothing needs clearing.

use alloc::{vec, vec::Vec};

use super::{
    descend::{Descent, descend},
    room::make_room,
};
use crate::prefetch::prefetch;

/// A match: `length` bytes equal those `offset` before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) length: u32,
    pub(super) offset: u32,
}

/// Something that finds matches for ascending positions.
pub(super) trait Finder {
    /// Puts the matches at `at` into `found`, longer ones with larger offsets after shorter ones, and
    /// remembers the position. None is longer than `longest`.
    fn find(&mut self, data: &[u8], at: usize, longest: usize, found: &mut Vec<Match>);
    /// Remembers `count` positions from `at` on.
    fn skip(&mut self, data: &[u8], at: usize, count: usize);
    /// How hard to look from now on.
    fn set_thoroughness(&mut self, thoroughness: Thoroughness);
}

/// How hard to look for matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thoroughness {
    /// As the level says.
    Full,
    /// Matches are not to be expected: as little as possible.
    Glance,
}

/// Bytes that must follow a position for it to take part.
const TAIL: usize = 8;

/// See the module's page.
#[derive(Debug)]
pub(super) struct TreeFinder {
    /// Newest position for each pair of bytes.
    pairs: Vec<u32>,
    /// Newest position for each hash of three bytes.
    triples: Vec<u32>,
    roots: Vec<u32>,
    /// Roots of the smaller and the larger subtree of each position.
    children: Vec<u32>,
    /// Position 0 of the chunk; smaller stored positions are not of this chunk.
    base: u32,
    size: u32,
    depth: u32,
    /// The same for positions that are only remembered.
    skip_depth: u32,
    nice: usize,
    thoroughness: Thoroughness,
    root_bits: u32,
}

/// How many positions ahead a root, and the node and the text it points to, are announced.
const ROOT_AHEAD: usize = 16;
const NODE_AHEAD: usize = 8;

const TRIPLE_BITS: u32 = 16;
/// So few that the trees of a whole small chunk fit into the second-level cache. Where several hashes
/// share a tree, it takes a step more to tell them apart.
const NEAR_ROOT_BITS: u32 = 15;
const MAX_ROOT_BITS: u32 = 18;
/// The largest chunk for so few.
const MAX_NEAR: usize = 1 << 17;

/// Log2 of the roots for chunks of `size` bytes.
const fn root_bits(size: usize) -> u32 {
    if size <= MAX_NEAR {
        NEAR_ROOT_BITS
    } else {
        MAX_ROOT_BITS
    }
}

impl TreeFinder {
    pub(super) fn new(depth: u32, nice: usize) -> Self {
        Self {
            pairs: vec![0; 1 << 16],
            triples: vec![0; 1 << TRIPLE_BITS],
            roots: Vec::new(),
            children: Vec::new(),
            base: 1,
            size: 0,
            depth,
            skip_depth: depth - depth / 4,
            nice,
            thoroughness: Thoroughness::Full,
            root_bits: 0,
        }
    }

    /// Bytes of memory for chunks of `size` bytes.
    pub(super) fn memory(size: usize) -> usize {
        let entries = (1 << 16) + (1 << TRIPLE_BITS) + (1 << root_bits(size)) + 2 * size;
        size_of::<u32>() * entries
    }

    /// Starts a chunk of `size` bytes.
    pub(super) fn begin(&mut self, size: usize) {
        make_room(&mut self.children, 2 * size);
        self.root_bits = root_bits(size);
        make_room(&mut self.roots, 1 << self.root_bits);
        let size = size as u32;
        self.base = match self.base.checked_add(self.size) {
            Some(base) if base.checked_add(size).is_some() => base,
            _ => {
                self.pairs.fill(0);
                self.triples.fill(0);
                self.roots.fill(0);
                1
            }
        };
        self.size = size;
    }

    /// Announces the entries of the tables that will be wanted, and what the nearer roots point to.
    /// Tables, trees and text do not fit into the first-level cache: without this every step down waits.
    #[inline(always)]
    fn announce(&self, data: &[u8], at: usize) {
        let word = |at: usize| {
            let word = data.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(word))
        };
        if let Some(word) = word(at + ROOT_AHEAD) {
            prefetch(&self.roots, hash(word, self.root_bits));
            prefetch(&self.pairs, (word & 0xFFFF) as usize);
            prefetch(&self.triples, hash(word << 8, TRIPLE_BITS));
        }
        let root = word(at + NODE_AHEAD).map(|word| hash(word, self.root_bits));
        if let Some(&candidate) = root.and_then(|root| self.roots.get(root)) {
            let from = candidate.wrapping_sub(self.base) as usize;
            if from < at {
                prefetch(&self.children, 2 * from);
                prefetch(data, from);
            }
        }
    }

    /// Puts `at` at the root of its tree and calls `emit` with length and offset of each position on the
    /// way that matches more than `best` bytes and more than those before.
    #[inline(always)]
    fn step(
        &mut self,
        data: &[u8],
        at: usize,
        longest: usize,
        depth: u32,
        best: usize,
        emit: impl FnMut(u32, u32),
    ) {
        self.announce(data, at);
        let root = &mut self.roots[hash(word_at(data, at), self.root_bits)];
        let descent = Descent {
            at,
            base: self.base,
            root: core::mem::replace(root, self.base + at as u32),
            longest,
            depth,
        };
        descend(data, &mut self.children, descent, best, emit);
    }
}

/// Four bytes at a position.
#[inline(always)]
fn word_at(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

#[inline(always)]
fn hash(word: u32, bits: u32) -> usize {
    (word.wrapping_mul(0x9E37_79B1) >> (32 - bits)) as usize
}

/// Number of equal bytes at two positions (`a < b`), given that `known` are; at most `limit`, which does
/// not lead past the end.
#[inline(always)]
pub(super) fn common(data: &[u8], a: usize, b: usize, known: usize, limit: usize) -> usize {
    let mut length = known;
    while length < limit {
        let (Some(x), Some(y)) = (load(data, a + length), load(data, b + length)) else {
            return common_at_end(data, a, b, length, limit);
        };
        let difference = x ^ y;
        if difference != 0 {
            length += (difference.trailing_zeros() >> 3) as usize;
            return length.min(limit);
        }
        length += 8;
    }
    limit
}

/// Eight bytes at a position.
#[inline(always)]
fn load(data: &[u8], at: usize) -> Option<u64> {
    let word = data.get(at..at + 8)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}

#[cold]
fn common_at_end(data: &[u8], a: usize, b: usize, mut length: usize, limit: usize) -> usize {
    while length < limit && data[a + length] == data[b + length] {
        length += 1;
    }
    length
}

impl TreeFinder {
    /// Makes `at` the only node of its tree and returns the former root.
    #[inline(always)]
    fn replace(&mut self, data: &[u8], at: usize) -> Option<usize> {
        let root = &mut self.roots[hash(word_at(data, at), self.root_bits)];
        let newest = core::mem::replace(root, self.base + at as u32);
        self.children[2 * at..2 * at + 2].fill(0);
        newest.checked_sub(self.base).map(|from| from as usize)
    }

    /// The same as `skip`, but leaves no tree behind.
    #[inline(never)]
    fn glance_over(&mut self, data: &[u8], at: usize, count: usize) {
        let end = data.len().saturating_sub(TAIL - 1).min(at + count);
        for at in at..end {
            self.replace(data, at);
        }
    }

    /// The same as `find`, but looks at the newest position with the same hash only.
    #[inline(never)]
    fn glance(&mut self, data: &[u8], at: usize, longest: usize, found: &mut Vec<Match>) {
        let Some(from) = self.replace(data, at) else {
            return;
        };
        let longest = longest.min(data.len() - at).min(self.nice);
        let length = common(data, from, at, 0, longest) as u32;
        if length >= size_of::<u32>() as u32 {
            let offset = (at - from) as u32;
            found.push(Match { length, offset });
        }
    }
}

impl Finder for TreeFinder {
    fn set_thoroughness(&mut self, thoroughness: Thoroughness) {
        self.thoroughness = thoroughness;
    }

    fn find(&mut self, data: &[u8], at: usize, longest: usize, found: &mut Vec<Match>) {
        found.clear();
        if data.len() - at < TAIL {
            return;
        }
        if self.thoroughness == Thoroughness::Glance {
            return self.glance(data, at, longest, found);
        }
        let longest = longest.min(data.len() - at).min(self.nice);
        let word = word_at(data, at);
        let now = self.base + at as u32;
        let mut best = 1;
        let pair = core::mem::replace(&mut self.pairs[(word & 0xFFFF) as usize], now);
        let triple = core::mem::replace(&mut self.triples[hash(word << 8, TRIPLE_BITS)], now);
        if pair >= self.base {
            let from = (pair - self.base) as usize;
            best = common(data, from, at, 0, 3);
            found.push(Match {
                length: best as u32,
                offset: (at - from) as u32,
            });
        }
        if triple >= self.base && best < 3 {
            let from = (triple - self.base) as usize;
            if common(data, from, at, 0, 3) == 3 {
                best = 3;
                found.push(Match {
                    length: 3,
                    offset: (at - from) as u32,
                });
            }
        }
        let depth = self.depth;
        self.step(data, at, longest, depth, best, |length, offset| {
            found.push(Match { length, offset });
        });
    }

    fn skip(&mut self, data: &[u8], at: usize, count: usize) {
        if self.thoroughness == Thoroughness::Glance {
            return self.glance_over(data, at, count);
        }
        for at in at..at + count {
            if data.len() - at < TAIL {
                return;
            }
            let word = word_at(data, at);
            let now = self.base + at as u32;
            self.pairs[(word & 0xFFFF) as usize] = now;
            self.triples[hash(word << 8, TRIPLE_BITS)] = now;
            let longest = (data.len() - at).min(self.nice);
            let depth = self.skip_depth;
            self.step(data, at, longest, depth, longest - 1, |_, _| ());
        }
    }
}
