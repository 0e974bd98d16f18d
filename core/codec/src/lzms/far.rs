//! Finding matches in earlier segments of a large chunk.
//!
//! Matches within a segment come from its [intervals](super::intervals). Farther away short matches are
//! not worth their offsets, and for longer ones it suffices to know, for a few lengths, the newest
//! positions that agree with the next so many bytes: one hash table for each of these lengths. That costs
//! one memory access per table and position, all of them known well in advance and so announced
//! ([`prefetch`](crate::prefetch)): first the table's entry, then the text it points to.
//!
//! Tables of long hashes take every second or fourth position only. A long match is still found, a few
//! bytes late at most, and old positions are overwritten that much more slowly.
//!
//! An entry is a position and, in the bits above, a part of the hash that tells most chance meetings
//! apart without looking at the text. Zero means none.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    room::make_room,
    tree::{Match, common},
};
use crate::prefetch::prefetch;

/// One table: how many positions apart (log2) entries are made, and its size.
#[derive(Clone, Copy, Debug)]
struct Kind {
    step: u32,
    /// Log2 of chunk bytes per entry.
    share: u32,
    /// Log2 of entries in a bucket.
    ways: u32,
}

impl Kind {
    /// Log2 of entries for chunks of `size` bytes.
    const fn bits(self, size: usize) -> u32 {
        size.ilog2() - self.share
    }
}

/// Tables for hashes of [`SHORTEST`], 12 and 24 bytes.
const TABLES: usize = 3;
const KINDS: [Kind; TABLES] = [
    Kind {
        step: 0,
        share: 3,
        ways: 1,
    },
    Kind {
        step: 1,
        share: 3,
        ways: 1,
    },
    Kind {
        step: 2,
        share: 4,
        ways: 1,
    },
];
/// Shortest match looked for.
const SHORTEST: usize = 6;
/// Bytes that must follow a position for it to take part.
const TAIL: usize = 24;
/// How many positions ahead an entry, and the text at it, are announced.
const AHEAD: usize = 24;
const TEXT_AHEAD: usize = 10;
const RING: usize = 32;

#[derive(Debug)]
pub(super) struct FarTables {
    tables: [Vec<u32>; TABLES],
    bits: [u32; TABLES],
    /// Hashes of the next positions, by position modulo `RING`.
    hashes: [[u64; TABLES]; RING],
    /// Bits of a position in an entry.
    place_bits: u32,
}

impl FarTables {
    pub(super) const fn new() -> Self {
        Self {
            tables: [const { Vec::new() }; TABLES],
            bits: [0; TABLES],
            hashes: [[0; TABLES]; RING],
            place_bits: 0,
        }
    }

    /// Bytes of memory for chunks of `size` bytes.
    pub(super) fn memory(size: usize) -> usize {
        KINDS
            .iter()
            .map(|kind| size_of::<u32>() << kind.bits(size))
            .sum()
    }

    /// Starts a chunk of `size` bytes.
    pub(super) fn begin(&mut self, size: usize) {
        for ((table, bits), kind) in self.tables.iter_mut().zip(&mut self.bits).zip(KINDS) {
            *bits = kind.bits(size);
            let entries = 1 << *bits;
            if table.len() < entries {
                make_room(table, entries);
            } else {
                table[..entries].fill(0);
            }
        }
        self.place_bits = size.next_power_of_two().ilog2();
    }

    /// Enters the positions of a segment.
    pub(super) fn remember(&mut self, data: &[u8], segment: Range<usize>) {
        let last = segment.end.min(data.len().saturating_sub(TAIL - 1));
        let first = segment.start.min(last);
        for at in first..(first + AHEAD).min(last) {
            self.look_ahead(data, at);
        }
        for at in first..last {
            if at + AHEAD < last {
                self.look_ahead(data, at + AHEAD);
            }
            let hashes = self.hashes[at % RING];
            for (t, hash) in hashes.into_iter().enumerate() {
                if at & ((1 << KINDS[t].step) - 1) == 0 {
                    let first = bucket(hash, self.bits[t], t);
                    let entries = &mut self.tables[t][first..first + (1 << KINDS[t].ways)];
                    entries.copy_within(..entries.len() - 1, 1);
                    entries[0] = (hash as u32) << self.place_bits | at as u32;
                }
            }
        }
        self.hashes = [[0; TABLES]; RING];
    }

    /// Computes the hashes at a position and announces that their entries will be wanted.
    #[inline(always)]
    fn look_ahead(&mut self, data: &[u8], at: usize) {
        let Some(words) = data.get(at..at + TAIL) else {
            return;
        };
        let word = |i: usize| match words[i..i + 8].try_into() {
            Ok(word) => u64::from_le_bytes(word),
            Err(_) => 0,
        };
        let first = word(0);
        let twelve = (first.wrapping_mul(K1) ^ word(4)).wrapping_mul(K2);
        let long = (twelve.rotate_left(29) ^ word(8) ^ word(16).rotate_left(17)).wrapping_mul(K1);
        let hashes = [
            (first << (64 - 8 * SHORTEST)).wrapping_mul(K2),
            twelve,
            long,
        ];
        for (t, hash) in hashes.into_iter().enumerate() {
            prefetch(&self.tables[t], bucket(hash, self.bits[t], t));
        }
        self.hashes[at % RING] = hashes;
    }

    /// Announces what will be wanted at positions soon after `at`.
    #[inline(always)]
    pub(super) fn announce(&mut self, data: &[u8], at: usize) {
        self.look_ahead(data, at + AHEAD);
        let hashes = self.hashes[(at + TEXT_AHEAD) % RING];
        let mask = (1 << self.place_bits) - 1;
        for (t, hash) in hashes.into_iter().enumerate() {
            for entry in self.entries(t, hash) {
                if (entry ^ (hash as u32) << self.place_bits) & !mask == 0 {
                    prefetch(data, (entry & mask) as usize);
                }
            }
        }
    }

    #[inline(always)]
    fn entries(&self, table: usize, hash: u64) -> &[u32] {
        let first = bucket(hash, self.bits[table], table);
        self.tables[table]
            .get(first..first + (1 << KINDS[table].ways))
            .unwrap_or(&[])
    }

    /// Adds the matches at `at` with positions before `oldest` that are longer than the last of `found`.
    #[inline(always)]
    pub(super) fn find(
        &self,
        data: &[u8],
        at: usize,
        oldest: usize,
        longest: usize,
        found: &mut Vec<Match>,
    ) {
        if data.len() - at < TAIL {
            return;
        }
        let best = found.last().map_or(0, |last| last.length as usize);
        let mut best = best.max(SHORTEST - 1);
        let hashes = self.hashes[at % RING];
        let mask = (1u32 << self.place_bits).wrapping_sub(1);
        for (t, hash) in hashes.into_iter().enumerate() {
            let tag = (hash as u32) << self.place_bits;
            for &entry in self.entries(t, hash) {
                let from = (entry & mask) as usize;
                if entry == 0
                    || (entry ^ tag) & !mask != 0
                    || from >= oldest
                    || best >= longest
                    || data[from + best] != data[at + best]
                {
                    continue;
                }
                let length = common(data, from, at, 0, longest);
                if length > best {
                    best = length;
                    found.push(Match {
                        length: length as u32,
                        offset: (at - from) as u32,
                    });
                }
            }
        }
    }
}

/// First entry of a hash's bucket.
#[inline(always)]
fn bucket(hash: u64, bits: u32, table: usize) -> usize {
    let ways = KINDS[table].ways;
    ((hash >> (64 - bits + ways)) << ways) as usize
}

const K1: u64 = 0x9E37_79B9_7F4A_7C15;
const K2: u64 = 0xD6E8_FEB8_6659_FD93;
