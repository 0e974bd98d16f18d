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
//!
//! Where the data is a signal (see `nature`) another finder takes over (`signal`), and where nothing was
//! ever found none does.

use alloc::{boxed::Box, vec::Vec};

use super::{
    items::{Item, MAX_RAW_OFFSET, Source, pack_delta},
    nature::{Nature, STRETCH},
    signal::SignalFinder,
    tree::Thoroughness,
};
use crate::array::zeroed;
use crate::prefetch::prefetch;

/// A delta match: `length` differences equal those at the source (see `pack_delta`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DeltaMatch {
    pub(super) length: usize,
    pub(super) source: u32,
}

/// As many as a place has bits.
const TABLE_BITS: u32 = u16::BITS;
/// Spans of 1 to 32 bytes; longer ones are rare.
pub(super) const SPANS: u32 = 6;
const LONGEST_SPAN: usize = 1 << (SPANS - 1);
/// Spans that are computed together, some for nothing.
const ROOM: usize = 8;
/// The bytes from the longest span before a position to the fourth at it.
type View = [u8; LONGEST_SPAN + 4];

/// See the module's page.
#[derive(Debug)]
pub(super) struct DeltaFinder {
    /// Position (plus `base`) in the high half, the differences there in the low one.
    newest: Box<[u64; 1 << TABLE_BITS]>,
    base: u32,
    size: u32,
    /// Of each span, the differences at the position announced last, and where it is looked up. There
    /// is room for more spans than there are.
    differences: [u32; ROOM],
    places: [u16; ROOM],
    search: Search,
    /// Up to where that has been decided.
    decided: usize,
    /// Matches written since then, and all of the chunk.
    stretch: Tally,
    chunk: Tally,
    signal: SignalFinder,
}

/// How to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    /// For runs of four differences of any span.
    Runs,
    /// In a signal.
    Signal,
    /// Not at all: nothing was found so far.
    Idle,
}

/// How many explicit matches were written.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    lz: u32,
    delta: u32,
    /// Those delta matches that are no longer than chance makes them.
    short: u32,
}

/// Longest delta match that counts as short.
const SHORT: u32 = 5;
/// So many LZ matches and more for each delta match are as good as no delta match.
const HARDLY_ANY: u32 = 1000;
/// To say so takes at least so many LZ matches.
const ENOUGH: u32 = 1500;
/// Every so many stretches there is a search nevertheless.
const PROBE: usize = 4;
/// So many short delta matches and more for each LZ match make it idle to look for the latter.
const MOSTLY: u32 = 2;

#[inline(always)]
pub(super) fn word_at(data: &[u8], at: usize) -> u64 {
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
        let here = subtract(
            word_at(data, at + length),
            word_at(data, at + length - span),
        );
        let there = subtract(
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
            newest: zeroed(),
            base: 1,
            size: 0,
            differences: [0; ROOM],
            places: [0; ROOM],
            search: Search::Runs,
            decided: 0,
            stretch: Tally::default(),
            chunk: Tally::default(),
            signal: SignalFinder::new(),
        }
    }

    /// Bytes of memory for chunks of `size` bytes.
    pub(super) fn memory(size: usize) -> usize {
        (size_of::<u64>() << TABLE_BITS) + SignalFinder::memory(size)
    }

    /// Starts a chunk of `size` bytes.
    pub(super) fn begin(&mut self, size: usize) {
        self.signal.begin(size);
        let size = size as u32;
        self.base = match self.base.checked_add(self.size) {
            Some(base) if base.checked_add(size).is_some() => base,
            _ => {
                self.newest.fill(0);
                1
            }
        };
        self.size = size;
        self.search = Search::Runs;
        self.decided = 0;
        (self.stretch, self.chunk) = Default::default();
    }

    /// Is told of an item that is written.
    #[inline(always)]
    pub(super) fn count(&mut self, item: Item) {
        let explicit = &mut self.stretch;
        match item.source {
            Source::Lz(_) => explicit.lz += 1,
            Source::Delta(_) => {
                explicit.delta += 1;
                explicit.short += u32::from(item.length <= SHORT);
            }
            _ => {}
        }
    }

    /// Decides how to search from `at` on, if that is due, and how hard to look for LZ matches there.
    #[inline(never)]
    pub(super) fn decide(&mut self, data: &[u8], at: usize) -> Option<Thoroughness> {
        if at < self.decided {
            return None;
        }
        self.decided = at + STRETCH;
        let last = core::mem::take(&mut self.stretch);
        let all = &mut self.chunk;
        all.lz += last.lz;
        all.delta += last.delta;
        let fruitless = all.lz >= ENOUGH && all.delta < all.lz / HARDLY_ANY;
        let probe = (at / STRETCH).is_multiple_of(PROBE);
        self.search = match Nature::of(data, at) {
            Some(nature) if nature.is_signal() => {
                self.signal.enter(at, nature.spans);
                Search::Signal
            }
            Some(nature) if nature.is_without_differences() && fruitless && !probe => Search::Idle,
            _ => Search::Runs,
        };
        if self.search == Search::Signal && last.short > MOSTLY * last.lz {
            Some(Thoroughness::Glance)
        } else {
            Some(Thoroughness::Full)
        }
    }

    /// Whether there is no search at present.
    #[inline(always)]
    pub(super) fn is_idle(&self) -> bool {
        self.search == Search::Idle
    }

    /// Is told of a position at which matches are not asked for.
    #[inline(always)]
    pub(super) fn pass(&mut self, data: &[u8], at: usize) {
        if self.search == Search::Signal {
            self.signal.announce(data, at);
            self.signal.remember(at);
        }
    }

    /// Announces that matches at `at` may be asked for next.
    #[inline(always)]
    pub(super) fn announce(&mut self, data: &[u8], at: usize) {
        if self.search == Search::Signal {
            return self.signal.announce(data, at);
        }
        let first = at.checked_sub(LONGEST_SPAN);
        let Some(bytes) = first.and_then(|first| data.get(first..)?.first_chunk()) else {
            return;
        };
        self.differences = differences(bytes);
        self.places = places(&self.differences, &PHASES[at % LONGEST_SPAN]);
        for &place in &self.places[..SPANS as usize] {
            prefetch(&*self.newest, usize::from(place));
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
        if at < LONGEST_SPAN || data.len() - at < 8 {
            return;
        }
        if self.search == Search::Signal {
            return self.signal.find(data, at, longest, found);
        }
        let base = self.base;
        let now = base + at as u32;
        for power in 0..SPANS {
            let span = 1usize << power;
            let differences = self.differences[power as usize];
            let entry = &mut self.newest[usize::from(self.places[power as usize])];
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
                || word_at(data, from) as u32 == word_at(data, at) as u32
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

/// By position modulo the longest span: what the position modulo each span adds to the hash.
static PHASES: [[u32; ROOM]; LONGEST_SPAN] = {
    let mut phases = [[0; ROOM]; LONGEST_SPAN];
    let mut at = 0;
    while at < LONGEST_SPAN {
        let mut power = 0;
        while power < SPANS {
            let phase = at as u32 & ((1 << power) - 1) | 1 << power;
            phases[at][power as usize] = phase.wrapping_mul(0x85EB_CA6B);
            power += 1;
        }
        at += 1;
    }
    phases
};

/// What the two halves of differences and phase are multiplied by; the hash is the middle of the sum.
const FACTORS: [i16; 2] = [0x6F4F, 0x5A75];
const HASH_SHIFT: i32 = 13;

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::{FACTORS, HASH_SHIFT, LONGEST_SPAN, ROOM, SPANS, View};

    /// The differences at the position of a view: four for each span, one in each byte.
    pub(super) fn differences(bytes: &View) -> [u32; ROOM] {
        let half = |at: usize| -> [u8; 4] { core::array::from_fn(|i| bytes[at + i]) };
        let here = half(LONGEST_SPAN);
        core::array::from_fn(|power| {
            let before = half(LONGEST_SPAN - (1 << power.min(SPANS as usize - 1)));
            u32::from_le_bytes(core::array::from_fn(|i| here[i].wrapping_sub(before[i])))
        })
    }

    /// Where these differences are looked up.
    pub(super) fn places(differences: &[u32; ROOM], phases: &[u32; ROOM]) -> [u16; ROOM] {
        core::array::from_fn(|i| {
            let key = differences[i] ^ phases[i];
            let product = |half: u32, factor: i16| i32::from(half as i16) * i32::from(factor);
            let sum = product(key, FACTORS[0]).wrapping_add(product(key >> 16, FACTORS[1]));
            (sum >> HASH_SHIFT) as u16
        })
    }
}

#[cfg(not(target_arch = "x86_64"))]
use portable::{differences, places};

#[cfg(target_arch = "x86_64")]
use leaf::{differences, places};

/// The same with eight lanes, which every x86-64 processor has (SSE2).
#[cfg(target_arch = "x86_64")]
mod leaf {
    #![allow(unsafe_code)]

    use core::{
        arch::x86_64::{
            __m128i, _mm_madd_epi16, _mm_packs_epi32, _mm_set1_epi32, _mm_setr_epi32,
            _mm_slli_epi32, _mm_srai_epi32, _mm_sub_epi8, _mm_xor_si128,
        },
        mem::transmute,
    };

    use super::{FACTORS, HASH_SHIFT, LONGEST_SPAN, ROOM, View};

    type Lanes = [__m128i; 2];

    #[inline(always)]
    pub(super) fn differences(bytes: &View) -> [u32; ROOM] {
        let half = |back: usize| {
            let at = LONGEST_SPAN - back;
            // SAFETY: four bytes follow the last place at which a half begins, and none is farther back
            // than the longest span, which a view begins with.
            unsafe { bytes.as_ptr().add(at).cast::<i32>().read_unaligned() }
        };
        // SAFETY: SSE2; arrays and lanes are of one size, and all bits are valid in both.
        unsafe {
            let here = _mm_set1_epi32(half(0));
            let near = _mm_setr_epi32(half(1), half(2), half(4), half(8));
            let far = _mm_setr_epi32(half(16), half(32), half(32), half(32));
            transmute::<Lanes, _>([_mm_sub_epi8(here, near), _mm_sub_epi8(here, far)])
        }
    }

    #[inline(always)]
    pub(super) fn places(differences: &[u32; ROOM], phases: &[u32; ROOM]) -> [u16; ROOM] {
        let both = i32::from(FACTORS[1]) << 16 | i32::from(FACTORS[0]);
        // SAFETY: as above.
        unsafe {
            let [near, far] = transmute::<[u32; ROOM], Lanes>(*differences);
            let [near_phases, far_phases] = transmute::<[u32; ROOM], Lanes>(*phases);
            let hash = |differences, phases| {
                let sum = _mm_madd_epi16(_mm_xor_si128(differences, phases), _mm_set1_epi32(both));
                // The 16 bits at the shift, extended by the sign, so that packing does not change them.
                _mm_srai_epi32::<16>(_mm_slli_epi32::<{ 16 - HASH_SHIFT }>(sum))
            };
            transmute(_mm_packs_epi32(
                hash(near, near_phases),
                hash(far, far_phases),
            ))
        }
    }
}

/// `a - b` in each byte.
#[inline(always)]
pub(super) const fn subtract(a: u64, b: u64) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    ((a | HIGH).wrapping_sub(b & !HIGH)) ^ ((a ^ !b) & HIGH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 5 } else { 256 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]
        #[test]
        fn leaf_as_portable(bytes in prop::array::uniform32(any::<u8>()), more: [u8; 4], at in 0..LONGEST_SPAN) {
            let mut view = [0; LONGEST_SPAN + 4];
            view[..LONGEST_SPAN].copy_from_slice(&bytes);
            view[LONGEST_SPAN..].copy_from_slice(&more);
            let found = differences(&view);
            prop_assert_eq!(found, portable::differences(&view));
            let phases = &PHASES[at];
            prop_assert_eq!(places(&found, phases), portable::places(&found, phases));
        }
    }
}
