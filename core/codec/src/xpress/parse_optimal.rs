//! Near-optimal parsing: the cheapest items under the codeword lengths that they lead to.
//!
//! Nothing that an item costs depends on the items before it, so one pass from the end of the chunk to
//! its start finds the cheapest way on from every position exactly. What a symbol costs is only known
//! afterwards, so there are several passes, each with the costs that follow from the choices of the one
//! before; the first takes them from a rough parse.

use alloc::vec;
use alloc::vec::Vec;

use crate::Level;
use crate::cpu::{Instructions, Processor, Work};
use crate::entropy::{BIT, log2};
use crate::matchfinder::matches::{Lanes, MatchCache};
use crate::matchfinder::position::Position;
use crate::matchfinder::tables::{Breadth, Effort, NEAR, TableFinder};

use super::item::{Item, LONG};
use super::{END_SYMBOL, MIN_MATCH, SYMBOLS};

type Window = <u16 as Position>::Window;

/// The finder measures no farther; longer matches are measured here.
const MEASURED: usize = 511;
/// How many lengths of a long match are tried, from the longest down.
const LAST: usize = 8;
/// The longest match whose length is part of the symbol.
const LONGEST_SHORT: usize = MIN_MATCH + LONG - 1;
/// The cost beyond the end.
const UNREACHED: u32 = u32::MAX >> 6;
/// Rows of costs by offset bits: that after the last is for no match at all.
const ROWS: usize = 32;
/// The cost of a symbol that did not occur: less than it would be, so that it gets its chance.
const RARE: u32 = 11 * BIT;

/// See the module's page.
#[derive(Debug)]
pub(super) struct OptimalParser {
    finder: TableFinder<u16, { 1 << 14 }, { 1 << 16 }>,
    cache: MatchCache<u16>,
    costs: Costs,
    /// The least cost from each position to the end.
    ahead: Vec<u32>,
    /// The item at each position that leads there: the offset above, 0 for a literal, and the length
    /// less [`MIN_MATCH`] below.
    chosen: Vec<u32>,
    effort: Effort,
    passes: u32,
    processor: Processor,
}

/// [`OptimalParser::cheapest`].
struct Cheapest<'a> {
    parser: &'a mut OptimalParser,
    window: &'a Window,
    size: usize,
}

impl Work for Cheapest<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        self.parser.cheapest(self.window, self.size);
    }
}

/// What items cost, in units of [`crate::entropy`].
#[derive(Debug)]
struct Costs {
    literal: [u32; 256],
    /// By the number of offset bits, then by length header. Includes the offset bits.
    matching: [[u32; LONG + 1]; ROWS],
}

impl Costs {
    /// Costs of symbols that occur this often.
    fn set(&mut self, freqs: &[u32; SYMBOLS]) {
        let total = log2(freqs.iter().sum::<u32>().max(1));
        let cost = |freq: u32| match freq {
            0 => RARE,
            _ => (total - log2(freq)).max(BIT / 2),
        };
        for (literal, &freq) in self.literal.iter_mut().zip(freqs) {
            *literal = cost(freq);
        }
        let rows = freqs[256..].chunks_exact(LONG + 1);
        for ((row, freqs), extra) in self.matching.iter_mut().zip(rows).zip(0..) {
            for (matching, &freq) in row.iter_mut().zip(freqs) {
                *matching = cost(freq) + extra * BIT;
            }
        }
    }

    /// What a match costs that is longer than [`LONGEST_SHORT`].
    #[inline(always)]
    fn long(&self, extra: usize, rest: usize) -> u32 {
        let bytes = if rest < LONG + 255 { 1 } else { 3 };
        self.matching[extra][LONG] + bytes * 8 * BIT
    }
}

impl OptimalParser {
    /// For chunks of up to `size` bytes.
    pub(super) fn new(size: usize, level: Level) -> Self {
        let level = level.0;
        OptimalParser {
            finder: TableFinder::new(size),
            cache: MatchCache::new(size),
            costs: Costs {
                literal: [0; 256],
                matching: [[UNREACHED; LONG + 1]; ROWS],
            },
            ahead: vec![UNREACHED; size + NEAR + 1],
            chosen: vec![0; size],
            effort: Effort {
                breadth: match level {
                    ..75 => Breadth::Few,
                    75..95 => Breadth::Most,
                    _ => Breadth::All,
                },
                depth: level / 2,
                nice: (2 * level as usize).min(MEASURED),
                longest: MEASURED,
            },
            passes: match level {
                ..60 => 1,
                60..95 => 2,
                95..120 => 3,
                120..150 => 4,
                _ => 8,
            },
            processor: Processor::detect(),
        }
    }

    /// Bytes of a parser and what it allocates.
    pub(super) fn memory(size: usize) -> usize {
        size_of::<Self>()
            + TableFinder::<u16, { 1 << 14 }, { 1 << 16 }>::memory(size)
            + MatchCache::<u16>::memory(size)
            + size_of::<u32>() * (size + NEAR + 1 + size)
    }

    /// Parses the chunk and counts its symbols.
    pub(super) fn parse(
        &mut self,
        window: &Window,
        size: usize,
        items: &mut Vec<Item>,
        freqs: &mut [u32; SYMBOLS],
    ) {
        self.finder.reset(size, self.effort.breadth);
        self.finder
            .fill(window, 0, size, self.effort, &mut self.cache);
        self.roughly(window, size, freqs);
        for _ in 0..self.passes {
            freqs[END_SYMBOL] += 1;
            self.costs.set(freqs);
            let processor = self.processor;
            processor.run(Cheapest {
                parser: self,
                window,
                size,
            });
            *freqs = [0; SYMBOLS];
            items.clear();
            let mut at = 0;
            while at < size {
                let (item, length) = self.item(window, at);
                freqs[item.symbol()] += 1;
                items.push(item);
                at += length;
            }
        }
    }

    /// The chosen item at a position and its length.
    #[inline(always)]
    fn item(&self, window: &Window, at: usize) -> (Item, usize) {
        let (offset, rest) = (self.chosen[at] >> 16, self.chosen[at] & 0xffff);
        if offset == 0 {
            (Item::literal(window[at]), 1)
        } else {
            let length = rest as usize + MIN_MATCH;
            (Item::matching(offset as usize, length), length)
        }
    }

    /// Counts the symbols of a greedy parse. It takes more matches than pay, so that hardly any symbol
    /// that will be wanted is thought to be rare.
    fn roughly(&self, window: &Window, size: usize, freqs: &mut [u32; SYMBOLS]) {
        let mut at = 0;
        while at < size {
            let (length, offset) = self.cache.longest(at);
            let length = length.min(size - at);
            let worth = 4 * length as i32 - (offset | 1).ilog2() as i32;
            let (item, length) = if length >= MIN_MATCH && worth > -4 {
                (Item::matching(offset as usize, length), length)
            } else {
                (Item::literal(window[at]), 1)
            };
            freqs[item.symbol()] += 1;
            at += length;
        }
    }

    /// Finds the cheapest way from every position to the end.
    #[inline(always)]
    fn cheapest(&mut self, window: &Window, size: usize) {
        self.ahead[size..=size + NEAR].fill(UNREACHED);
        self.ahead[size] = 0;
        for at in (0..size).rev() {
            let (lanes, entry) = self.cache.position(at);
            let ahead = &self.ahead[at..];
            let Some(close) = ahead.first_chunk() else {
                break;
            };
            let mut best = Best::literal(self.costs.literal[usize::from(window[at])] + close[1]);
            let near = near(&self.costs, lanes, close);
            let lane = near as usize % NEAR;
            best.improve(near >> 3, lanes[lane].into(), lane + 2);
            let longest = (entry & 511) as usize;
            if longest > NEAR {
                let mut served = NEAR;
                for &found in self.cache.long(entry) {
                    let (mut length, offset) = ((found & 511) as usize, found as usize >> 9);
                    if length == MEASURED {
                        length = u16::match_length(window, at, at - offset, length, size - at);
                    }
                    far(&mut best, &self.costs, ahead, offset, served, length);
                    served = length;
                    if length >= longest {
                        break;
                    }
                }
            }
            self.ahead[at] = best.cost();
            self.chosen[at] = best.item();
        }
    }
}

/// The cheapest match of up to [`NEAR`] bytes: three bits for its lane below its cost.
///
/// All lanes are asked, whether there is a match or not: no processor could guess it.
#[inline(always)]
fn near(costs: &Costs, lanes: &Lanes<u16>, ahead: &[u32; NEAR + 1]) -> u32 {
    let extra = lanes.map(|offset| {
        // The exponent of a number with a floating point, of all lanes at once.
        let exponent = (f32::from(offset).to_bits() >> 23) as usize - 127;
        exponent + usize::from(offset == u16::NONE)
    });
    let key = |lane: usize| {
        let length = lane + 2;
        (costs.matching[extra[lane] % ROWS][length - MIN_MATCH] + ahead[length]) << 3 | lane as u32
    };
    let keys = [key(1), key(2), key(3), key(4), key(5), key(6)];
    keys.into_iter().fold(u32::MAX, u32::min)
}

/// Tries lengths of a long match, more than `served` and up to `longest`.
#[inline(always)]
fn far(
    best: &mut Best,
    costs: &Costs,
    ahead: &[u32],
    offset: usize,
    served: usize,
    longest: usize,
) {
    let extra = (offset | 1).ilog2() as usize;
    let mut attempt = |length: usize, cost: u32| best.improve(cost + ahead[length], offset, length);
    for length in served + 1..=longest.min(LONGEST_SHORT) {
        attempt(length, costs.matching[extra][length - MIN_MATCH]);
    }
    let last = (longest + 1).saturating_sub(LAST);
    for length in last.max(served + 1).max(LONGEST_SHORT + 1)..=longest {
        attempt(length, costs.long(extra, length - MIN_MATCH));
    }
}

/// The cheapest item so far: the cost above, what [`OptimalParser::chosen`] keeps below.
struct Best(u64);

impl Best {
    fn literal(cost: u32) -> Self {
        Best(u64::from(cost) << 32)
    }

    #[inline(always)]
    fn improve(&mut self, cost: u32, offset: usize, length: usize) {
        let rest = length - MIN_MATCH;
        let other = u64::from(cost) << 32 | (offset << 16) as u64 | rest as u64;
        self.0 = self.0.min(other);
    }

    fn cost(&self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn item(&self) -> u32 {
        self.0 as u32
    }
}
