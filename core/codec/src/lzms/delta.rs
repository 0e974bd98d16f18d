//! Finding delta matches.
//!
//! A delta match continues the differences between bytes a *span* apart, so what is looked up is not
//! bytes but differences: for each span, the next four of them together with the position modulo the
//! span (offsets are multiples of the span) are hashed, and the last position with the same hash is
//! checked. All spans share one table.
//!
//! The table is as large as the second-level cache has room for, and its entries are met at random: so
//! they are announced when the parser turns to a position, before it looks for anything else there.
//!
//! Differences are computed eight at a time, each in its own byte of a word.

use alloc::{vec, vec::Vec};

use super::{
    items::{MAX_RAW_OFFSET, pack_delta},
    prefetch::prefetch,
};

/// A delta match: `length` differences equal those at the source (see `pack_delta`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DeltaMatch {
    pub(super) length: usize,
    pub(super) source: u32,
}

const TABLE_BITS: u32 = 16;
/// Spans of 1 to 32 bytes; longer ones are rare.
pub(super) const SPANS: u32 = 6;

/// See the module's page.
#[derive(Debug)]
pub(super) struct DeltaFinder {
    /// Position (plus `base`) in the high half, the differences there in the low one.
    newest: Vec<u64>,
    base: u32,
    size: u32,
    /// Of each span, where the position announced last is looked up, and its differences.
    announced: [(u32, u32); SPANS as usize],
}

#[inline(always)]
fn word_at(data: &[u8], at: usize) -> u64 {
    match data.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(word) => u64::from_le_bytes(*word),
        None => 0,
    }
}

/// Number of equal differences at `from` and at `at`, `span` back each; at most `limit`.
#[inline(always)]
pub(super) fn common_differences(
    data: &[u8],
    from: usize,
    at: usize,
    span: usize,
    limit: usize,
) -> usize {
    let mut length = 0;
    while length + 8 <= limit {
        let here = subtract_wide(
            word_at(data, at + length),
            word_at(data, at + length - span),
        );
        let there = subtract_wide(
            word_at(data, from + length),
            word_at(data, from + length - span),
        );
        if here != there {
            return length + ((here ^ there).trailing_zeros() >> 3) as usize;
        }
        length += 8;
    }
    let difference = |at: usize| data[at].wrapping_sub(data[at - span]);
    while length < limit && difference(from + length) == difference(at + length) {
        length += 1;
    }
    length
}

impl DeltaFinder {
    pub(super) fn new() -> Self {
        Self {
            newest: vec![0; 1 << TABLE_BITS],
            base: 1,
            size: 0,
            announced: [(0, 0); SPANS as usize],
        }
    }

    /// Starts a chunk of `size` bytes.
    pub(super) fn begin(&mut self, size: usize) {
        let size = size as u32;
        self.base = match self.base.checked_add(self.size) {
            Some(base) if base.checked_add(size).is_some() => base,
            _ => {
                self.newest.fill(0);
                1
            }
        };
        self.size = size;
    }

    /// Announces that matches at `at` may be asked for next.
    #[inline(always)]
    pub(super) fn announce(&mut self, data: &[u8], at: usize) {
        if at < 1 << (SPANS - 1) {
            return;
        }
        let here = half_at(data, at);
        for (announced, power) in self.announced.iter_mut().zip(0..) {
            let differences = subtract(here, half_at(data, at - (1 << power)));
            let phase = at as u32 & ((1 << power) - 1) | 1 << power;
            let key = differences ^ phase.wrapping_mul(0x85EB_CA6B);
            let place = key.wrapping_mul(0x9E37_79B1) >> (32 - TABLE_BITS);
            *announced = (place, differences);
            prefetch(&self.newest, place as usize);
        }
    }

    /// Puts the newest match of each span at `at`, the position announced last, into `found` and
    /// remembers the position. Matches of fewer than `shortest` bytes are left out.
    #[inline(always)]
    pub(super) fn find(
        &mut self,
        data: &[u8],
        at: usize,
        shortest: usize,
        longest: usize,
        found: &mut Vec<DeltaMatch>,
    ) {
        found.clear();
        if at < 1 << (SPANS - 1) || data.len() - at < 8 {
            return;
        }
        let base = self.base;
        let now = base + at as u32;
        let table: &mut [u64; 1 << TABLE_BITS] = match self.newest.as_mut_slice().try_into() {
            Ok(table) => table,
            Err(_) => return,
        };
        let here = half_at(data, at);
        for (&(place, differences), power) in self.announced.iter().zip(0..) {
            let span = 1usize << power;
            let entry = &mut table[place as usize & ((1 << TABLE_BITS) - 1)];
            let old = *entry;
            *entry = u64::from(now) << 32 | u64::from(differences);
            let newest = (old >> 32) as u32;
            if old as u32 != differences || newest < base {
                continue;
            }
            let from = (newest - base) as usize;
            let offset = at - from;
            let raw = (offset >> power) as u32;
            // Where the bytes are the same, not just their differences, a plain match will do.
            if offset == 0
                || from < span
                || offset & (span - 1) != 0
                || raw > MAX_RAW_OFFSET
                || half_at(data, from) == here
            {
                continue;
            }
            let length = common_differences(data, from, at, span, longest);
            if length >= shortest {
                found.push(DeltaMatch {
                    length,
                    source: pack_delta(power, raw),
                });
            }
        }
    }
}

/// Four bytes at a position.
#[inline(always)]
fn half_at(data: &[u8], at: usize) -> u32 {
    match data.get(at..at + 4).map(TryInto::try_into) {
        Some(Ok(half)) => u32::from_le_bytes(half),
        _ => 0,
    }
}

/// `a - b` in each byte.
#[inline(always)]
const fn subtract(a: u32, b: u32) -> u32 {
    const HIGH: u32 = 0x8080_8080;
    ((a | HIGH).wrapping_sub(b & !HIGH)) ^ ((a ^ !b) & HIGH)
}

/// The same for eight bytes.
#[inline(always)]
const fn subtract_wide(a: u64, b: u64) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    ((a | HIGH).wrapping_sub(b & !HIGH)) ^ ((a ^ !b) & HIGH)
}
