//! Finding far matches in large chunks.
//!
//! A binary tree over tens of megabytes would wait for memory at every step, so in large chunks it only
//! covers the last few hundred kilobytes, where it is exact. Farther away short matches are not worth
//! their offsets, and for longer ones it suffices to know, for a few lengths, the newest position that
//! agrees with the next so many bytes: one hash table for each of these lengths. That costs one memory
//! access per table and position, all of them known well in advance and so announced
//! ([`prefetch`](super::prefetch)): first the table's entry, then the text it points to.
//!
//! Tables of long hashes take every second or fourth position only. A long match is still found, a few
//! bytes late at most, and old positions are overwritten that much more slowly.
//!
//! An entry is a position and, in the bits above, a part of the hash that tells most chance meetings
//! apart without looking at the text. Zero means none.

use alloc::vec::Vec;

use super::{
    prefetch::prefetch,
    tree::{Match, common},
};

/// One table: how many positions apart (log2) entries are made, and its size.
#[derive(Clone, Copy, Debug)]
struct Kind {
    step: u32,
    /// Log2 of chunk bytes per entry.
    share: u32,
    /// Log2 of entries in a bucket.
    ways: u32,
}

/// Tables for hashes of 5, 8, 12 and 24 bytes.
const TABLES: usize = 4;
const KINDS: [Kind; TABLES] = [
    Kind {
        step: 0,
        share: 2,
        ways: 1,
    },
    Kind {
        step: 0,
        share: 1,
        ways: 2,
    },
    Kind {
        step: 0,
        share: 1,
        ways: 2,
    },
    Kind {
        step: 1,
        share: 2,
        ways: 2,
    },
];
/// Bytes that must follow a position for it to take part.
const TAIL: usize = 32;
/// How many positions ahead an entry, and the text at it, are announced.
const AHEAD: usize = 16;
const TEXT_AHEAD: usize = 6;
const RING: usize = 32;

#[derive(Debug)]
pub(super) struct FarFinder {
    tables: [Vec<u32>; TABLES],
    bits: [u32; TABLES],
    /// Hashes of the next positions, by position modulo `RING`.
    hashes: [[u64; TABLES]; RING],
    /// First position whose hashes are not yet computed.
    ready: usize,
    /// Bits of a position in an entry.
    place_bits: u32,
    near: usize,
}

impl FarFinder {
    pub(super) const fn new() -> Self {
        Self {
            tables: [const { Vec::new() }; TABLES],
            bits: [0; TABLES],
            hashes: [[0; TABLES]; RING],
            ready: 0,
            place_bits: 0,
            near: 0,
        }
    }

    /// Bytes of memory for chunks of `size` bytes.
    pub(super) fn memory(size: u64) -> u64 {
        KINDS.iter().map(|kind| (size >> kind.share) * 4).sum()
    }

    /// Starts a chunk of `size` bytes in which offsets up to `near` are found by other means.
    pub(super) fn begin(&mut self, size: usize, near: usize) {
        for ((table, bits), kind) in self.tables.iter_mut().zip(&mut self.bits).zip(KINDS) {
            *bits = size.ilog2() - kind.share;
            let entries = 1 << *bits;
            if table.len() < entries {
                *table = alloc::vec![0; entries];
            } else {
                table[..entries].fill(0);
            }
        }
        self.place_bits = size.next_power_of_two().ilog2();
        self.ready = 0;
        self.near = near;
    }

    /// Computes the hashes up to a few positions after `at` and announces what will be wanted.
    #[inline(always)]
    fn prepare(&mut self, data: &[u8], at: usize) {
        while self.ready <= at + AHEAD {
            let place = self.ready;
            self.ready += 1;
            let Some(words) = data.get(place..place + TAIL) else {
                continue;
            };
            let word = |i: usize| match words[i..i + 8].try_into() {
                Ok(word) => u64::from_le_bytes(word),
                Err(_) => 0,
            };
            let first = word(0);
            let eight = first.wrapping_mul(K1);
            let twelve = (eight ^ word(4)).wrapping_mul(K2);
            let long =
                (twelve.rotate_left(29) ^ word(8) ^ word(16).rotate_left(17)).wrapping_mul(K1);
            let hashes = [
                (first << 24).wrapping_mul(K2),
                eight ^ eight >> 31,
                twelve,
                long,
            ];
            for (t, hash) in hashes.into_iter().enumerate() {
                prefetch(&self.tables[t], bucket(hash, self.bits[t], t));
            }
            self.hashes[place % RING] = hashes;
        }
        let soon = at + TEXT_AHEAD;
        let hashes = &self.hashes[soon % RING];
        let mask = (1 << self.place_bits) - 1;
        for t in 0..TABLES {
            let first = bucket(hashes[t], self.bits[t], t);
            for entry in self.tables[t]
                .get(first..first + (1 << KINDS[t].ways))
                .unwrap_or(&[])
            {
                if (entry ^ (hashes[t] as u32) << self.place_bits) & !mask == 0 {
                    prefetch(data, (entry & mask) as usize);
                }
            }
        }
    }

    /// Adds the matches at `at` that are longer than the last of `found`, and remembers the position.
    #[inline(always)]
    pub(super) fn find(&mut self, data: &[u8], at: usize, longest: usize, found: &mut Vec<Match>) {
        self.prepare(data, at);
        if data.len() - at < TAIL {
            return;
        }
        let mut best = found.last().map_or(4, |last| last.length as usize);
        let hashes = self.hashes[at % RING];
        let mask = (1u32 << self.place_bits).wrapping_sub(1);
        for t in 0..TABLES {
            let tag = (hashes[t] as u32) << self.place_bits;
            let first = bucket(hashes[t], self.bits[t], t);
            let Some(entries) = self.tables[t].get_mut(first..first + (1 << KINDS[t].ways)) else {
                continue;
            };
            for &mut old in &mut *entries {
                let from = (old & mask) as usize;
                if old == 0
                    || (old ^ tag) & !mask != 0
                    || from >= at
                    || at - from < self.near
                    || best >= longest
                    || data.get(from + best) != data.get(at + best)
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
            if at & ((1 << KINDS[t].step) - 1) == 0 {
                entries.copy_within(..entries.len() - 1, 1);
                entries[0] = tag | at as u32;
            }
        }
    }

    /// Remembers a position.
    #[inline(always)]
    pub(super) fn skip(&mut self, data: &[u8], at: usize) {
        self.prepare(data, at);
        if data.len() - at < TAIL {
            return;
        }
        let hashes = self.hashes[at % RING];
        for t in 0..TABLES {
            if at & ((1 << KINDS[t].step) - 1) == 0 {
                let tag = (hashes[t] as u32) << self.place_bits;
                let first = bucket(hashes[t], self.bits[t], t);
                if let Some(entries) = self.tables[t].get_mut(first..first + (1 << KINDS[t].ways)) {
                    entries.copy_within(..entries.len() - 1, 1);
                    entries[0] = tag | at as u32;
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
