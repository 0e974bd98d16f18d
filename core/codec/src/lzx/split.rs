//! Where to cut a chunk into blocks.
//!
//! The items of a first parse are counted by segments; as long as merging some neighbours saves more on the headers
//! than it costs in coding two kinds of data with one code, the best such pair is merged. Costs are
//! entropies, headers are estimated from the number of symbols in use.

use alloc::vec;
use alloc::vec::Vec;

use crate::cpu::{Instructions, Processor, Work};
use crate::entropy::{BIT, log2, quick_log2};

use super::offset;
use super::token::{Frequencies, Token};
use super::{HEADERS, LITERALS};

/// How finely to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grain {
    /// The most segments at first.
    segments: usize,
    /// The smallest segment, in bytes.
    least: usize,
}

impl Grain {
    /// For the quick levels.
    pub(super) const COARSE: Grain = Grain {
        segments: 4,
        least: 4096,
    };
    /// For the others.
    pub(super) const FINE: Grain = Grain {
        segments: 32,
        least: 1024,
    };
}

/// Bits of a block header, and bits per symbol in use. The first is on the high side: the parser
/// adapts its choices to the code it is given, so a merger costs less than the rough parse says.
const HEADER: i64 = 500;
const PER_SYMBOL: i64 = 4;

/// Some items.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Their number.
    pub(super) items: usize,
    /// The bytes they stand for.
    pub(super) bytes: usize,
    cost: i64,
    /// Their symbols.
    pub(super) freqs: Frequencies,
}

impl Segment {
    const EMPTY: Segment = Segment {
        items: 0,
        bytes: 0,
        cost: 0,
        freqs: Frequencies::ZERO,
    };

    fn clear(&mut self) {
        self.clone_from(&Segment::EMPTY);
    }
}

/// Working space for splitting.
#[derive(Debug)]
pub(super) struct Splitter {
    grain: Grain,
    /// Size of the main alphabet.
    symbols: usize,
    /// The smallest segment that is closed before the end.
    target: usize,
    /// Bytes from the start of the open segment.
    rest: usize,
    open: Segment,
    segments: Vec<Segment>,
    /// Those that are left, in order.
    left: Vec<usize>,
    /// What merging each of these with the next would save.
    gains: Vec<i64>,
    processor: Processor,
}

impl Splitter {
    pub(super) fn new(grain: Grain, order: u32) -> Self {
        Splitter {
            grain,
            symbols: LITERALS + HEADERS * offset::slots(order),
            target: 0,
            rest: 0,
            open: Segment::EMPTY,
            segments: vec![Segment::EMPTY; grain.segments + 1],
            left: Vec::with_capacity(grain.segments + 1),
            gains: Vec::with_capacity(grain.segments + 1),
            processor: Processor::detect(),
        }
    }

    /// Bytes that [`Splitter::new`] allocates.
    pub(super) fn memory(grain: Grain) -> usize {
        (grain.segments + 1) * (size_of::<Segment>() + size_of::<usize>() + size_of::<i64>())
    }

    /// Begins with `size` bytes.
    pub(super) fn start(&mut self, size: usize) {
        self.left.clear();
        self.open.clear();
        self.rest = size;
        self.target = (size / self.grain.segments + 1).max(self.grain.least);
    }

    /// Takes the next item.
    #[inline(always)]
    pub(super) fn push(&mut self, token: Token) {
        self.open.freqs.count(token, 1);
        self.open.items += 1;
        self.open.bytes += token.length();
        if self.open.bytes >= self.target {
            self.close_if_enough();
        }
    }

    /// How many bytes the next segment should have, and where to count its symbols, before it is closed.
    pub(super) fn open(&mut self) -> (usize, &mut Frequencies) {
        let is_last = self.rest < self.target + self.grain.least;
        let bytes = if is_last { self.rest } else { self.target };
        (bytes, &mut self.open.freqs)
    }

    /// Ends a segment whose symbols were counted.
    pub(super) fn close(&mut self, items: usize, bytes: usize) {
        self.open.items = items;
        self.open.bytes = bytes;
        self.seal();
    }

    /// Ends a segment, unless what is left would be too small for one.
    fn close_if_enough(&mut self) {
        if self.rest >= self.open.bytes + self.grain.least {
            self.seal();
        }
    }

    /// Makes a segment of the items since the last one.
    fn seal(&mut self) {
        let open = &mut self.open;
        self.rest -= open.bytes;
        open.cost = self.processor.run(Cost {
            a: &open.freqs,
            b: &Frequencies::ZERO,
            symbols: self.symbols,
        });
        if let Some(segment) = self.segments.get_mut(self.left.len()) {
            segment.clone_from(open);
            self.left.push(self.left.len());
        }
        open.clear();
    }

    /// Cuts the items since [`Splitter::start`] into blocks and returns the number of blocks.
    pub(super) fn split(&mut self) -> usize {
        if self.open.items > 0 {
            self.seal();
        }
        self.gains.clear();
        for i in 1..self.left.len() {
            self.gains.push(self.gain(i - 1));
        }
        while let Some((i, &gain)) = self.gains.iter().enumerate().max_by_key(|(_, gain)| **gain) {
            if gain < 0 {
                break;
            }
            let (segments, others) = self.segments.split_at_mut(self.left[i + 1]);
            let (segment, next) = (&mut segments[self.left[i]], &others[0]);
            segment.freqs.add(&next.freqs);
            segment.items += next.items;
            segment.bytes += next.bytes;
            segment.cost += next.cost - gain;
            self.left.remove(i + 1);
            self.gains.remove(i);
            if i > 0 {
                self.gains[i - 1] = self.gain(i - 1);
            }
            if i < self.gains.len() {
                self.gains[i] = self.gain(i);
            }
        }
        self.left.len()
    }

    fn gain(&self, i: usize) -> i64 {
        let (a, b) = (
            &self.segments[self.left[i]],
            &self.segments[self.left[i + 1]],
        );
        let merged = Cost {
            a: &a.freqs,
            b: &b.freqs,
            symbols: self.symbols,
        };
        a.cost + b.cost - self.processor.run(merged)
    }

    /// A block.
    pub(super) fn block(&self, index: usize) -> &Segment {
        &self.segments[self.left[index]]
    }
}

/// The cost of a block with the symbols of both, in units of 2^-8 bits: what coding them takes at
/// their entropy, `total · log2(total) − Σ f · log2(f)` per code, and the header.
struct Cost<'a> {
    a: &'a Frequencies,
    b: &'a Frequencies,
    symbols: usize,
}

impl Work for Cost<'_> {
    type Output = i64;

    #[inline(always)]
    fn run<I: Instructions>(self) -> i64 {
        let Cost { a, b, symbols } = self;
        let mut sum = HEADER * i64::from(BIT);
        for (a, b) in [
            (&a.main[..symbols], &b.main[..symbols]),
            (&a.length[..], &b.length[..]),
        ] {
            // A block has at most 2^16 items, so 2^28 is the most that `logs` can be.
            let (mut total, mut used, mut logs) = (0u32, 0u32, 0u32);
            for (a, b) in a.iter().zip(b) {
                let freq = a + b;
                total += freq;
                used += u32::from(freq != 0);
                logs = logs.wrapping_add(freq.wrapping_mul(quick_log2(freq) as u32));
            }
            let all = u64::from(total) * u64::from(log2(total));
            sum += all as i64 - i64::from(logs) + i64::from(used) * PER_SYMBOL * i64::from(BIT);
        }
        sum
    }
}
