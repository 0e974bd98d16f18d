//! Many tables instead of a tree: the nearest earlier position for each length, without chains.
//!
//! An optimal parser wants, at each position, the smallest offset for every length. Binary trees of
//! suffixes give exactly that, but each step down is a mispredicted branch on data that has just been
//! loaded. Here, one direct-mapped table per length of [`SHORT`] holds the newest position for each
//! hash of that many bytes. All tables are looked up at each position; nothing in one look-up depends
//! on another and no branch depends on the data (a candidate is written always and counted only if it
//! is longer than those before), so the processor overlaps them freely.
//!
//! Only where eight bytes matched, the tables for the lengths of [`LONG`] are looked at too, and then
//! the chain of positions with the same hash of [`CHAIN`] bytes, which is short enough to be followed
//! for a few steps.
//!
//! Not exact: a table slot may have been overwritten by another string of the same hash. Since longer
//! matches are found through their prefixes' tables too, little is lost: doubling the tables gains a
//! few hundredths of a percent.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::{load64, match_length};

/// A position as stored in a table: as narrow as the window allows.
pub(crate) trait Position: Copy + Default + core::fmt::Debug {
    fn new(position: usize) -> Self;
    fn get(self) -> usize;
}

impl Position for u16 {
    #[inline(always)]
    fn new(position: usize) -> Self {
        position as u16
    }
    #[inline(always)]
    fn get(self) -> usize {
        usize::from(self)
    }
}

impl Position for u32 {
    #[inline(always)]
    fn new(position: usize) -> Self {
        position as u32
    }
    #[inline(always)]
    fn get(self) -> usize {
        self as usize
    }
}

/// Lengths looked up at every position. The last must be eight.
const SHORT: [u32; 7] = [2, 3, 4, 5, 6, 7, 8];
/// Lengths looked up after a match of eight bytes; at most 16.
const LONG: [u32; 2] = [10, 12];
/// The length whose positions are chained; at most 16.
const CHAIN: u32 = 16;
/// Room for this many matches per position on average.
const PER_POSITION: usize = 10;
/// The most matches reported for one position.
const MOST: usize = 24;

/// How far to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Positions to look at beyond the tables, in the chain for long matches.
    pub(crate) depth: u32,
    /// A match of at least this length is taken at once: positions within it are not searched.
    pub(crate) nice: usize,
    /// The longest match of the format.
    pub(crate) longest: usize,
}

const FACTOR: u64 = 0x9e37_79b1_85eb_ca87;

/// See the module's page. `N` is the size of each table.
#[derive(Debug)]
pub(crate) struct TableFinder<P, const N: usize> {
    short: [Box<[P; N]>; SHORT.len()],
    long: [Box<[P; N]>; LONG.len()],
    head: Box<[P; N]>,
    prev: Vec<P>,
    shift: u32,
}

/// The matches of a range of positions. Each is `offset << 9 | length`, in order of length.
#[derive(Debug)]
pub(crate) struct MatchCache {
    entries: Vec<u32>,
    /// Where the matches of each position begin; one more than there are positions.
    starts: Vec<u32>,
    base: usize,
}

impl MatchCache {
    /// For ranges of up to `size` positions.
    pub(crate) fn new(size: usize) -> Self {
        MatchCache {
            entries: vec![0; size * PER_POSITION + MOST],
            starts: vec![0; size + 1],
            base: 0,
        }
    }

    /// Bytes that [`MatchCache::new`] allocates.
    pub(crate) fn memory(size: usize) -> usize {
        4 * (size * PER_POSITION + MOST + size + 1)
    }

    /// The matches at `pos`.
    #[inline(always)]
    pub(crate) fn at(&self, pos: usize) -> &[u32] {
        let index = pos - self.base;
        &self.entries[self.starts[index] as usize..self.starts[index + 1] as usize]
    }
}

fn new_table<P: Position, const N: usize>() -> Box<[P; N]> {
    match vec![P::default(); N].into_boxed_slice().try_into() {
        Ok(table) => table,
        Err(_) => unreachable!("the vector has N elements"),
    }
}

impl<P: Position, const N: usize> TableFinder<P, N> {
    /// For windows of up to `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        TableFinder {
            short: core::array::from_fn(|_| new_table()),
            long: core::array::from_fn(|_| new_table()),
            head: new_table(),
            prev: vec![P::default(); size],
            shift: 0,
        }
    }

    /// Bytes that [`TableFinder::new`] allocates.
    pub(crate) fn memory(size: usize) -> usize {
        size_of::<P>() * ((SHORT.len() + LONG.len() + 1) * N + size)
    }

    /// Forgets everything; the next window has `size` bytes.
    pub(crate) fn reset(&mut self, size: usize) {
        let bits = (usize::BITS - size.leading_zeros()).clamp(9, N.ilog2());
        self.shift = 64 - bits;
        for table in &mut self.short {
            table[..1 << bits].fill(P::default());
        }
        for table in &mut self.long {
            table[..1 << bits].fill(P::default());
        }
        self.head[..1 << bits].fill(P::default());
    }

    #[inline(always)]
    fn slot(&self, word: u64, length: u32) -> usize {
        ((word << (64 - 8 * length)).wrapping_mul(FACTOR) >> self.shift) as usize & (N - 1)
    }

    #[inline(always)]
    fn long_slot(&self, word: u64, next: u64, length: u32) -> usize {
        const OTHER: u64 = 0xd6e8_feb8_6659_fd93;
        (word
            .wrapping_mul(FACTOR)
            .wrapping_add((next << (128 - 8 * length)).wrapping_mul(OTHER))
            >> self.shift) as usize
            & (N - 1)
    }

    #[inline(always)]
    fn insert(&mut self, word: u64, next: u64, pos: usize) {
        for (i, length) in SHORT.into_iter().enumerate() {
            let slot = self.slot(word, length);
            self.short[i][slot] = P::new(pos);
        }
        for (i, length) in LONG.into_iter().enumerate() {
            let slot = self.long_slot(word, next, length);
            self.long[i][slot] = P::new(pos);
        }
        let slot = self.long_slot(word, next, CHAIN);
        self.prev[pos] = core::mem::replace(&mut self.head[slot], P::new(pos));
    }

    /// Finds the matches at positions `start..end` of a window of `size` bytes. No match reaches
    /// beyond `end`.
    pub(crate) fn fill(
        &mut self,
        window: &[u8],
        start: usize,
        end: usize,
        effort: Effort,
        cache: &mut MatchCache,
    ) {
        cache.base = start;
        let mut count = 0usize;
        let mut pos = start;
        if pos == 0 {
            self.insert(load64(window, 0), load64(window, 8), 0);
            cache.starts[0] = 0;
            pos = 1;
        }
        while pos < end {
            cache.starts[pos - start] = count as u32;
            let most = (end - pos).min(effort.longest);
            if most < 3 {
                pos += 1;
                continue;
            }
            if cache.entries.len() < count + MOST {
                // Full: the rest goes without. Only unnatural data come here.
                pos += 1;
                continue;
            }
            let found = &mut cache.entries[count..count + MOST];
            let found: &mut [u32; MOST] = match found.try_into() {
                Ok(found) => found,
                Err(_) => return,
            };
            let (added, longest) = self.find(window, pos, most, effort, found);
            count += added;
            pos += 1;
            if longest >= effort.nice {
                let stop = pos + longest - 1;
                while pos < stop {
                    self.insert(load64(window, pos), load64(window, pos + 8), pos);
                    cache.starts[pos - start] = count as u32;
                    pos += 1;
                }
            }
        }
        cache.starts[end - start] = count as u32;
    }

    #[inline(always)]
    fn find(
        &mut self,
        window: &[u8],
        pos: usize,
        most: usize,
        effort: Effort,
        found: &mut [u32; MOST],
    ) -> (usize, usize) {
        let word = load64(window, pos);
        let (mut count, mut best) = (0usize, 1usize);
        for (i, length) in SHORT.into_iter().enumerate() {
            let slot = self.slot(word, length);
            let candidate = core::mem::replace(&mut self.short[i][slot], P::new(pos)).get();
            let differ = load64(window, candidate) ^ word;
            let length = (differ.trailing_zeros() as usize / 8).min(most);
            found[count] = ((pos - candidate) << 9 | length) as u32;
            count += usize::from(length > best);
            best = best.max(length);
        }
        let next = load64(window, pos + 8);
        let longer: [usize; LONG.len()] = core::array::from_fn(|i| {
            let slot = self.long_slot(word, next, LONG[i]);
            core::mem::replace(&mut self.long[i][slot], P::new(pos)).get()
        });
        let slot = self.long_slot(word, next, CHAIN);
        let candidate = core::mem::replace(&mut self.head[slot], P::new(pos));
        self.prev[pos] = candidate;
        if best < 8 {
            return (count, best);
        }
        self.find_long(
            window,
            pos,
            most,
            effort,
            found,
            count,
            candidate.get(),
            longer,
        )
    }

    /// The part of the search in the chain for long matches.
    #[allow(
        clippy::too_many_arguments,
        reason = "inner loop, split for inlining only"
    )]
    fn find_long(
        &mut self,
        window: &[u8],
        pos: usize,
        most: usize,
        effort: Effort,
        found: &mut [u32; MOST],
        mut count: usize,
        mut candidate: usize,
        longer: [usize; LONG.len()],
    ) -> (usize, usize) {
        let offset = (found[count - 1] >> 9) as usize;
        let mut best = match_length(window, pos, pos - offset, 8, most);
        found[count - 1] = (offset << 9 | best) as u32;
        for c in longer {
            if best < most && load64(window, c + best - 7) == load64(window, pos + best - 7) {
                let length = match_length(window, pos, c, 0, most);
                if length > best {
                    best = length;
                    found[count] = ((pos - c) << 9 | length) as u32;
                    count += 1;
                }
            }
        }
        let mut limit = pos;
        let mut depth = effort.depth;
        while candidate < limit && depth > 0 && best < most && count < MOST {
            depth -= 1;
            limit = candidate;
            if load64(window, candidate + best - 7) == load64(window, pos + best - 7) {
                let length = match_length(window, pos, candidate, 0, most);
                if length > best {
                    best = length;
                    found[count] = ((pos - candidate) << 9 | length) as u32;
                    count += 1;
                    if best >= effort.nice {
                        break;
                    }
                }
            }
            candidate = self.prev[candidate].get();
        }
        (count, best)
    }
}
