//! Finding delta matches in signals: samples of sound, pixels, measured numbers.
//!
//! There matches are many and short, for noise repeats by chance only: so differences are looked up three
//! at a time, for the spans that promise most, and every position is remembered, those that the parser
//! passes over as well.
//!
//! An entry is a position and, in the bits above, a part of the hash that tells most chance meetings
//! apart without looking at the data. Zero means none.

use alloc::vec::Vec;

use super::{
    delta::{DeltaMatch, common_differences, subtract, word_at},
    items::{MAX_RAW_OFFSET, pack_delta},
    nature::{BEST, Powers},
    room::make_room,
};
use crate::prefetch::prefetch;

/// Shortest match looked for.
const SHORTEST: usize = 3;
/// Log2 of entries.
const MAX_BITS: u32 = 18;
/// How many positions ahead entries are announced.
const AHEAD: usize = 6;
const RING: usize = 8;

/// See the module's page.
#[derive(Debug)]
pub(super) struct SignalFinder {
    newest: Vec<u32>,
    /// Whether there may be positions of other chunks in it.
    is_stale: bool,
    /// Log2 of the entries in use.
    bits: u32,
    /// Bits of a position in an entry.
    place_bits: u32,
    powers: Powers,
    /// Hashes of the next positions, by position modulo [`RING`]; those from `next` on are not known yet.
    hashes: [[u32; BEST]; RING],
    next: usize,
}

/// Log2 of entries for chunks of `size` bytes.
fn table_bits(size: usize) -> u32 {
    (size.max(1).ilog2() + 1).min(MAX_BITS)
}

impl SignalFinder {
    pub(super) const fn new() -> Self {
        Self {
            newest: Vec::new(),
            is_stale: false,
            bits: 0,
            place_bits: 0,
            powers: [0; BEST],
            hashes: [[0; BEST]; RING],
            next: 0,
        }
    }

    /// Bytes of memory for chunks of `size` bytes.
    pub(super) fn memory(size: usize) -> usize {
        size_of::<u32>() << table_bits(size)
    }

    /// Starts a chunk of `size` bytes. Entries of the one before are forgotten when a signal is met.
    pub(super) fn begin(&mut self, size: usize) {
        self.bits = table_bits(size);
        self.place_bits = size.next_power_of_two().ilog2();
        self.is_stale = true;
        make_room(&mut self.newest, 1 << self.bits);
    }

    /// Prepares for a signal that begins at `at`.
    pub(super) fn enter(&mut self, at: usize, powers: Powers) {
        self.powers = powers;
        self.next = at;
        if core::mem::take(&mut self.is_stale) {
            self.newest[..1 << self.bits].fill(0);
        }
    }

    /// Where a hash has its entry, and what tells it from others there.
    #[inline(always)]
    fn place(&self, hash: u32) -> (usize, u32) {
        let tag = hash << self.bits >> self.place_bits << self.place_bits;
        ((hash >> (u32::BITS - self.bits)) as usize, tag)
    }

    /// Announces that matches at `at` may be asked for next.
    #[inline(never)]
    pub(super) fn announce(&mut self, data: &[u8], at: usize) {
        self.next = self.next.max(at);
        while self.next <= at + AHEAD {
            let hashes = hashes(data, self.next, self.powers);
            for hash in hashes {
                prefetch(&self.newest, self.place(hash).0);
            }
            self.hashes[self.next % RING] = hashes;
            self.next += 1;
        }
    }

    /// Remembers `at`, the position announced last.
    #[inline(never)]
    pub(super) fn remember(&mut self, at: usize) {
        for hash in self.hashes[at % RING] {
            let (place, tag) = self.place(hash);
            if let Some(entry) = self.newest.get_mut(place) {
                *entry = tag | at as u32;
            }
        }
    }

    /// Puts the newest match of each span at `at`, the position announced last, into `found` and
    /// remembers the position.
    #[inline(never)]
    pub(super) fn find(
        &mut self,
        data: &[u8],
        at: usize,
        longest: usize,
        found: &mut Vec<DeltaMatch>,
    ) {
        // Whether there is any is hard to foretell; which one would be, too.
        let mut hits = 0u32;
        let mut newest = [0; BEST];
        for (i, hash) in self.hashes[at % RING].into_iter().enumerate() {
            let (place, tag) = self.place(hash);
            let Some(entry) = self.newest.get_mut(place) else {
                return;
            };
            newest[i] = *entry ^ tag;
            *entry = tag | at as u32;
            hits |= u32::from(newest[i] >> self.place_bits == 0) << i;
        }
        while hits != 0 {
            let i = hits.trailing_zeros() as usize % BEST;
            hits &= hits - 1;
            let (power, from) = (u32::from(self.powers[i]), newest[i] as usize);
            let span = 1usize << power;
            let offset = at.wrapping_sub(from);
            let raw = (offset >> power) as u32;
            if from < span || from >= at || offset & (span - 1) != 0 || raw > MAX_RAW_OFFSET {
                continue;
            }
            let length = common_differences(data, from, at, span, longest);
            if length >= SHORTEST {
                let source = pack_delta(power, raw);
                found.push(DeltaMatch { length, source });
            }
        }
    }
}

/// Hashes of the next three differences at a position, with the span and the position modulo it. Where
/// there is nothing so far back, of something else.
#[inline(always)]
fn hashes(data: &[u8], at: usize, powers: Powers) -> [u32; BEST] {
    let here = word_at(data, at);
    powers.map(|power| {
        let span = 1usize << power;
        let differences = subtract(here, word_at(data, at.wrapping_sub(span))) as u32;
        let phase = u32::from(power) << 5 | (at & (span - 1)) as u32;
        (differences << 8 | phase).wrapping_mul(0x9E37_79B1)
    })
}
