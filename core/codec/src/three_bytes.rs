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

/// The largest alphabet whose symbols are counted.
const SYMBOLS: usize = 656;
/// From so many symbols on, older ones count less.
const MANY: u32 = 1 << 14;

const BITS: i32 = BIT as i32;
/// By how much a match must be cheaper than its bytes: in its place there might be a longer one a little later.
const MARGIN: i32 = BITS * 3 / 2;

/// Prices, in units of 2^-8 bits.
#[derive(Clone, Debug)]
pub(crate) struct ThreeBytes {
    bytes: [i32; 256],
    /// Of matches, with the margin, by the highest bit of the offset.
    matches: [i32; DISTANCES],
    /// How many of these there have been, taken or not.
    seen: [u32; DISTANCES],
    /// How often each symbol has been used, but for those that are being counted.
    before: [u32; SYMBOLS],
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
            before: [0; SYMBOLS],
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
        self.before = [0; SYMBOLS];
        self.next = FIRST;
    }

    /// Remembers how often each symbol has been used, which is counted anew from here on.
    pub(crate) fn remember(&mut self, symbols: &[u32]) {
        let mut all = 0;
        for (before, count) in self.before.iter_mut().zip(symbols) {
            *before += count;
            all += *before;
        }
        if all >= MANY {
            for count in self.before.iter_mut().chain(&mut self.seen) {
                *count /= 2;
            }
        }
    }

    /// Whether it is time to [learn](ThreeBytes::learn) at this position of the chunk.
    #[inline(always)]
    pub(crate) fn is_due(&self, at: usize) -> bool {
        at >= self.next
    }

    /// Makes new prices at position `at` from how often each symbol has been used, the bytes first.
    #[inline(never)]
    pub(crate) fn learn(&mut self, at: usize, symbols: &[u32]) {
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
            ..
        } = self.prices;
        // What has not been seen counts as half of one.
        let counts = || before.iter().zip(self.symbols).map(|(a, b)| a + b);
        let all = quick_log2(2 * counts().sum::<u32>());
        for (price, count) in bytes.iter_mut().zip(counts()) {
            *price = all - quick_log2(2 * count + 1);
        }
        // If all those seen were taken they would be that frequent.
        for ((bits, price), count) in (0..).zip(matches).zip(seen) {
            *price = all - quick_log2(2 * *count + 1) + bits * BITS + MARGIN;
        }
    }
}
