//! Which matches of three bytes pay.
//!
//! Such a match may cost more than the bytes by themselves: that depends on how far away it is, on what the
//! bytes cost and on how often there are such matches. In text, letters are cheap and hardly any from far
//! away pays; where nothing but these repeats, as in sampled sound, nearly all do. So what has been parsed so
//! far is counted, and prices are made of it every now and then.

use crate::cpu::{Instructions, Processor, Work};
use crate::entropy::{BIT, quick_log2};

/// One more than the highest bit of any offset.
const DISTANCES: usize = 32;
/// How often prices are made anew, in bytes.
const INTERVAL: usize = 2048;
/// How long the first ones are used.
const FIRST: usize = 1024;

/// From so many symbols on, older ones count less.
const MANY: u32 = 1 << 14;

const BITS: i32 = BIT as i32;
/// By how much a match must be cheaper than its bytes: in its place there might be a longer one a little later.
const MARGIN: i32 = BITS * 3 / 2;

/// The bits of an offset by its highest bit, and the margin.
const OFFSETS: [i32; DISTANCES] = {
    let mut offsets = [MARGIN; DISTANCES];
    let mut bits = 0;
    while bits < DISTANCES {
        offsets[bits] += bits as i32 * BITS;
        bits += 1;
    }
    offsets
};

/// Prices, in units of 2^-8 bits.
#[derive(Clone, Debug)]
pub(crate) struct ThreeBytes {
    bytes: [i32; 256],
    /// Of matches, with the margin, by the highest bit of the offset.
    matches: [i32; DISTANCES],
    /// How many of these there have been, taken or not.
    seen: [u32; DISTANCES],
    /// How often each byte has been coded by itself, but for what is being counted.
    before: [u32; 256],
    /// And all symbols together.
    items: u32,
    /// Where to make new prices.
    next: usize,
    processor: Processor,
}

impl ThreeBytes {
    pub(crate) fn new() -> Self {
        ThreeBytes {
            bytes: [0; 256],
            matches: [0; DISTANCES],
            seen: [0; DISTANCES],
            before: [0; 256],
            items: 0,
            next: 0,
            processor: Processor::detect(),
        }
    }

    /// Begins a chunk.
    pub(crate) fn start(&mut self) {
        // At first, when nothing is far away, all pay.
        self.bytes = [0; 256];
        self.matches = [-1; DISTANCES];
        self.seen = [0; DISTANCES];
        self.before = [0; 256];
        self.items = 0;
        self.next = FIRST;
    }

    /// Remembers how often each symbol has been used, which is counted anew from here on.
    #[inline(always)]
    pub(crate) fn remember(&mut self, symbols: &[u32]) {
        for (before, count) in self.before.iter_mut().zip(symbols) {
            *before += count;
        }
        self.items += symbols.iter().sum::<u32>();
        if self.items >= MANY {
            self.items /= 2;
            for count in self.before.iter_mut().chain(&mut self.seen) {
                *count /= 2;
            }
        }
    }

    /// The position from which on it is time to [learn](ThreeBytes::learn).
    #[inline(always)]
    pub(crate) fn due(&self) -> usize {
        self.next
    }

    /// Makes new prices at position `at`, if it is time, from how often each symbol has been used, the bytes first.
    #[inline(never)]
    pub(crate) fn learn(&mut self, at: usize, symbols: &[u32]) {
        if at < self.next {
            return;
        }
        self.next = at + INTERVAL;
        self.processor.run(Learn {
            prices: self,
            symbols,
        });
    }

    /// Whether a match of the first three bytes of `word` is cheaper than these, if there is no longer one.
    #[inline(always)]
    pub(crate) fn pays(&mut self, word: u64, offset: usize) -> bool {
        let distance = offset.ilog2() as usize % DISTANCES;
        self.seen[distance] += 1;
        let byte = |i: u32| self.bytes[(word >> (8 * i)) as usize % 256];
        self.matches[distance] < byte(0) + byte(1) + byte(2)
    }
}

/// [`ThreeBytes::learn`].
struct Learn<'a> {
    prices: &'a mut ThreeBytes,
    symbols: &'a [u32],
}

impl Work for Learn<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let ThreeBytes {
            bytes,
            matches,
            seen,
            before,
            items,
            ..
        } = self.prices;
        let Some(counts) = self.symbols.first_chunk::<256>() else {
            return;
        };
        // What has not been seen counts as half of one.
        let all = quick_log2(2 * (*items + self.symbols.iter().sum::<u32>()));
        for (price, (before, count)) in bytes.iter_mut().zip(before.iter().zip(counts)) {
            *price = all - quick_log2(2 * (before + count) + 1);
        }
        // If all those seen were taken they would be that frequent.
        for (price, (other, count)) in matches.iter_mut().zip(OFFSETS.iter().zip(seen)) {
            *price = all - quick_log2(2 * *count + 1) + other;
        }
    }
}
