//! Lazy parsing.

use alloc::vec::Vec;

use crate::Level;
use crate::cpu::{Instructions, Processor, Work};
use crate::matchfinder::links::{Chains, Linker, Match};
use crate::matchfinder::position::Position;
use crate::three_bytes::ThreeBytes;

use super::item::Item;
use super::{MIN_MATCH, SYMBOLS};

type Window = <u16 as Position>::Window;

/// See the module's page.
#[derive(Debug)]
pub(super) struct LazyParser {
    linker: Linker<u16>,
    threes: ThreeBytes,
    depth: u32,
    nice: usize,
    processor: Processor,
}

impl LazyParser {
    pub(super) fn new(level: Level) -> Self {
        LazyParser {
            linker: Linker::new(),
            threes: ThreeBytes::new(),
            depth: (level.0 * 16 / 25).max(1),
            nice: (level.0 as usize * 12 / 5).clamp(8, 300),
            processor: Processor::detect(),
        }
    }

    /// Bytes of a parser and what it allocates.
    pub(super) fn memory() -> usize {
        size_of::<Self>() + Linker::<u16>::memory()
    }

    /// Parses the chunk and counts its symbols.
    pub(super) fn parse(
        &mut self,
        window: &Window,
        size: usize,
        items: &mut Vec<Item>,
        freqs: &mut [u32; SYMBOLS],
    ) {
        self.processor.run(Parse {
            parser: self,
            window,
            size,
            items,
            freqs,
        });
    }
}

/// [`LazyParser::parse`].
struct Parse<'a> {
    parser: &'a mut LazyParser,
    window: &'a Window,
    size: usize,
    items: &'a mut Vec<Item>,
    freqs: &'a mut [u32; SYMBOLS],
}

impl Work for Parse<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Parse {
            parser,
            window,
            size,
            items,
            freqs,
        } = self;
        let &mut LazyParser {
            ref mut linker,
            ref mut threes,
            depth,
            nice,
            ..
        } = parser;
        linker.reset(size);
        threes.start();
        let chains = linker.link(window, 0, size);
        let mut take = |item: Item, freqs: &mut [u32; SYMBOLS]| {
            items.push(item);
            freqs[item.symbol()] += 1;
        };
        take(Item::literal(window[0]), freqs);
        let mut at = 1;
        while at < size {
            let stop = threes.due().min(size);
            while at < stop {
                let Some(mut found) = first(&chains, threes, at, size, nice, depth) else {
                    take(Item::literal(window[at]), freqs);
                    at += 1;
                    continue;
                };
                // Is there a better match at the next position? The longer the one in hand, the less
                // it pays to look for another. Looking yet further ahead suits text but not machine code.
                while at + 1 < size && found.length < nice {
                    let depth = depth.div_ceil(if found.length < 12 { 2 } else { 4 });
                    let than = found.length.max(4) - 1;
                    match chains.longer(at + 1, than, size - at - 1, nice, depth) {
                        Some(other) if worth(other) > worth(found) => {
                            take(Item::literal(window[at]), freqs);
                            at += 1;
                            found = other;
                        }
                        _ => break,
                    }
                }
                take(Item::matching(found.offset, found.length), freqs);
                at += found.length;
            }
            threes.learn(at, freqs);
        }
    }
}

/// The longest match at `at`, if any is worth it.
#[inline(always)]
fn first(
    chains: &Chains<'_, u16>,
    threes: &mut ThreeBytes,
    at: usize,
    size: usize,
    nice: usize,
    depth: u32,
) -> Option<Match> {
    let most = size - at;
    let word = u16::load(chains.window, at as u16);
    let offset = chains.three(at, word)?;
    let three = (most >= MIN_MATCH).then_some(Match {
        length: MIN_MATCH,
        offset,
    });
    let longest = chains.longer(at, MIN_MATCH, most, nice, depth).or(three)?;
    let pays = longest.length > MIN_MATCH || threes.pays(word, longest.offset);
    pays.then_some(longest)
}

/// A rough measure of what a match saves, in quarters of a byte.
fn worth(found: Match) -> i32 {
    4 * found.length as i32 - found.offset.ilog2() as i32
}
