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

/// A match: `length` bytes equal those `offset` before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) length: u32,
    pub(super) offset: u32,
}

/// Something that finds matches for ascending positions.
pub(super) trait Finder {
    /// Starts a chunk of `size` bytes.
    fn begin(&mut self, size: usize);
    /// Puts the matches at `at` into `found`, longer ones with larger offsets after shorter ones, and
    /// remembers the position. None is longer than `longest`.
    fn find(&mut self, data: &[u8], at: usize, longest: usize, found: &mut Vec<Match>);
    /// Remembers `count` positions from `at` on.
    fn skip(&mut self, data: &[u8], at: usize, count: usize);
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
    children: Vec<[u32; 2]>,
    /// Position 0 of the chunk; smaller stored positions are not of this chunk.
    base: u32,
    size: u32,
    depth: u32,
    nice: usize,
}

const TRIPLE_BITS: u32 = 14;
const ROOT_BITS: u32 = 16;

impl TreeFinder {
    pub(super) fn new(depth: u32, nice: usize) -> Self {
        Self {
            pairs: vec![0; 1 << 16],
            triples: vec![0; 1 << TRIPLE_BITS],
            roots: vec![0; 1 << ROOT_BITS],
            children: Vec::new(),
            base: 1,
            size: 0,
            depth,
            nice,
        }
    }

    #[inline(always)]
    fn step(
        &mut self,
        data: &[u8],
        at: usize,
        longest: usize,
        mut emit: impl FnMut(u32, u32),
        mut best: usize,
    ) {
        let word = word_at(data, at);
        let now = self.base + at as u32;
        let root = &mut self.roots[hash(word, ROOT_BITS)];
        let mut candidate = core::mem::replace(root, now);
        // Where the next smaller and the next larger subtree go: [node, side].
        let (mut smaller, mut larger) = ((at, 0), (at, 1));
        let (mut smaller_length, mut larger_length) = (0, 0);
        let mut depth = self.depth;
        loop {
            if candidate < self.base || depth == 0 {
                self.children[smaller.0][smaller.1] = 0;
                self.children[larger.0][larger.1] = 0;
                return;
            }
            depth -= 1;
            let from = (candidate - self.base) as usize;
            let known = smaller_length.min(larger_length);
            let length = common(data, from, at, known, longest);
            if length > best {
                best = length;
                emit(length as u32, (at - from) as u32);
            }
            if length >= longest {
                // The new position takes the old one's place.
                let old = self.children[from];
                self.children[smaller.0][smaller.1] = old[0];
                self.children[larger.0][larger.1] = old[1];
                return;
            }
            if data[from + length] < data[at + length] {
                self.children[smaller.0][smaller.1] = candidate;
                smaller = (from, 1);
                smaller_length = length;
                candidate = self.children[from][1];
            } else {
                self.children[larger.0][larger.1] = candidate;
                larger = (from, 0);
                larger_length = length;
                candidate = self.children[from][0];
            }
        }
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

/// Number of equal bytes at two positions (`a < b`), given that `known` are; at most `limit`.
#[inline(always)]
pub(super) fn common(data: &[u8], a: usize, b: usize, known: usize, limit: usize) -> usize {
    let (Some(x), Some(y)) = (
        data.get(a + known..a + limit),
        data.get(b + known..b + limit),
    ) else {
        return known;
    };
    let mut length = known;
    let (x_words, x_rest) = x.as_chunks::<8>();
    let (y_words, y_rest) = y.as_chunks::<8>();
    for (&x, &y) in x_words.iter().zip(y_words) {
        let difference = u64::from_le_bytes(x) ^ u64::from_le_bytes(y);
        if difference != 0 {
            return length + (difference.trailing_zeros() >> 3) as usize;
        }
        length += 8;
    }
    for (x, y) in x_rest.iter().zip(y_rest) {
        if x != y {
            break;
        }
        length += 1;
    }
    length
}

impl Finder for TreeFinder {
    fn begin(&mut self, size: usize) {
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
        if self.children.len() < size as usize {
            self.children.resize(size as usize, [0; 2]);
        }
    }

    fn find(&mut self, data: &[u8], at: usize, longest: usize, found: &mut Vec<Match>) {
        found.clear();
        if data.len() - at < TAIL {
            return;
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
        self.step(
            data,
            at,
            longest,
            |length, offset| found.push(Match { length, offset }),
            best,
        );
    }

    fn skip(&mut self, data: &[u8], at: usize, count: usize) {
        for at in at..at + count {
            if data.len() - at < TAIL {
                return;
            }
            let word = word_at(data, at);
            let now = self.base + at as u32;
            self.pairs[(word & 0xFFFF) as usize] = now;
            self.triples[hash(word << 8, TRIPLE_BITS)] = now;
            let longest = (data.len() - at).min(self.nice);
            self.step(data, at, longest, |_, _| (), 0);
        }
    }
}
