//! Where to cut a chunk into blocks.
//!
//! A first parse is cut into segments; as long as merging some neighbours saves more on the headers
//! than it costs in coding two kinds of data with one code, the best such pair is merged. Costs are
//! entropies, headers are estimated from the number of symbols in use.

use alloc::vec::Vec;

use crate::entropy::{BIT, log2};

use super::block::{Frequencies, Item, item_length};
use super::offset;
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

#[derive(Clone, Debug)]
struct Segment {
    items: usize,
    bytes: usize,
    cost: i64,
    freqs: Frequencies,
}

/// Working space for splitting.
#[derive(Debug)]
pub(super) struct Splitter {
    grain: Grain,
    /// Size of the main alphabet.
    symbols: usize,
    segments: Vec<Segment>,
    /// What merging each segment with the next would save.
    gains: Vec<i64>,
}

impl Splitter {
    pub(super) fn new(grain: Grain, order: u32) -> Self {
        Splitter {
            grain,
            symbols: LITERALS + HEADERS * offset::slots(order),
            segments: Vec::with_capacity(grain.segments),
            gains: Vec::with_capacity(grain.segments),
        }
    }

    /// Bytes that [`Splitter::new`] allocates.
    pub(super) fn memory(grain: Grain) -> usize {
        grain.segments * (size_of::<Segment>() + size_of::<i64>())
    }

    /// Cuts the items of `data` into blocks and returns the number of blocks.
    pub(super) fn split(&mut self, items: &[Item], data: &[u8]) -> usize {
        self.segments.clear();
        let target = (data.len() / self.grain.segments + 1).max(self.grain.least);
        let (mut first, mut start, mut pos) = (0, 0, 0);
        for (index, &item) in items.iter().enumerate() {
            pos += item_length(item);
            let last = index + 1 == items.len();
            if last || (pos - start >= target && data.len() - pos >= self.grain.least) {
                let mut freqs = Frequencies::ZERO;
                freqs.count(&items[first..=index], &data[start..pos]);
                let cost = cost(&freqs, &Frequencies::ZERO, self.symbols);
                self.segments.push(Segment {
                    items: index + 1 - first,
                    bytes: pos - start,
                    cost,
                    freqs,
                });
                (first, start) = (index + 1, pos);
            }
        }
        self.gains.clear();
        for i in 1..self.segments.len() {
            self.gains.push(self.gain(i - 1));
        }
        while let Some((i, &gain)) = self.gains.iter().enumerate().max_by_key(|(_, gain)| **gain) {
            if gain < 0 {
                break;
            }
            let next = self.segments.remove(i + 1);
            self.gains.remove(i);
            let segment = &mut self.segments[i];
            segment.freqs.add(&next.freqs);
            segment.items += next.items;
            segment.bytes += next.bytes;
            segment.cost += next.cost - gain;
            if i > 0 {
                self.gains[i - 1] = self.gain(i - 1);
            }
            if i < self.gains.len() {
                self.gains[i] = self.gain(i);
            }
        }
        self.segments.len()
    }

    /// Size of a block in bytes and in items.
    pub(super) fn extent(&self, index: usize) -> (usize, usize) {
        let segment = &self.segments[index];
        (segment.bytes, segment.items)
    }

    fn gain(&self, i: usize) -> i64 {
        let (a, b) = (&self.segments[i], &self.segments[i + 1]);
        a.cost + b.cost - cost(&a.freqs, &b.freqs, self.symbols)
    }

    /// Size of a block in bytes, and its symbols.
    pub(super) fn block(&self, index: usize) -> (usize, &Frequencies) {
        let segment = &self.segments[index];
        (segment.bytes, &segment.freqs)
    }
}

/// The cost of a block with the symbols of both, in units of 2^-8 bits: what coding them takes at
/// their entropy, `total · log2(total) − Σ f · log2(f)` per code, and the header.
fn cost(a: &Frequencies, b: &Frequencies, symbols: usize) -> i64 {
    let mut sum = HEADER * i64::from(BIT);
    for (a, b) in [
        (&a.main[..symbols], &b.main[..symbols]),
        (&a.length[..], &b.length[..]),
    ] {
        let (mut total, mut used, mut logs) = (0u32, 0i64, 0u64);
        for (a, b) in a.iter().zip(b) {
            let freq = a + b;
            if freq != 0 {
                total += freq;
                used += 1;
                logs += u64::from(freq) * u64::from(log2(freq));
            }
        }
        let all = u64::from(total) * u64::from(log2(total));
        sum += all as i64 - logs as i64 + used * PER_SYMBOL * i64::from(BIT);
    }
    sum
}
