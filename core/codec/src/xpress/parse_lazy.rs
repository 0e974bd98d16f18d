//! Lazy parsing.

use alloc::vec::Vec;

use crate::Level;
use crate::matchfinder::links::{Chains, Linker, Match};
use crate::matchfinder::position::Position;

use super::item::Item;
use super::{MIN_MATCH, SYMBOLS};

type Window = <u16 as Position>::Window;

/// See the module's page.
#[derive(Debug)]
pub(super) struct LazyParser {
    linker: Linker<u16>,
    depth: u32,
    nice: usize,
}

/// Three bytes at a greater distance cost more than three literals.
const FAR: usize = 1024;

impl LazyParser {
    pub(super) fn new(level: Level) -> Self {
        LazyParser {
            linker: Linker::new(),
            depth: (level.0 * 16 / 25).max(1),
            nice: (level.0 as usize * 12 / 5).clamp(8, 300),
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
        let &mut LazyParser {
            ref mut linker,
            depth,
            nice,
        } = self;
        linker.reset(size);
        let chains = linker.link(window, 0, size);
        let mut take = |item: Item| {
            items.push(item);
            freqs[item.symbol()] += 1;
        };
        take(Item::literal(window[0]));
        let mut at = 1;
        while at < size {
            let Some(mut found) = first(&chains, at, size, nice, depth) else {
                take(Item::literal(window[at]));
                at += 1;
                continue;
            };
            // Is there a better match at the next position? The longer the one in hand, the less
            // it pays to look for another. Looking yet further ahead suits text but not machine code.
            while at + 1 < size && found.length < nice {
                let depth = depth.div_ceil(if found.length < 12 { 2 } else { 4 });
                let than = found.length.max(4) - 1;
                match chains.longer(at + 1, than, size - at - 1, nice, depth) {
                    Some(other) if worth(other) > worth(found) + 1 => {
                        take(Item::literal(window[at]));
                        at += 1;
                        found = other;
                    }
                    _ => break,
                }
            }
            take(Item::matching(found.offset, found.length));
            at += found.length;
        }
    }
}

/// The longest match at `at`, if any is worth it.
fn first(
    chains: &Chains<'_, u16>,
    at: usize,
    size: usize,
    nice: usize,
    depth: u32,
) -> Option<Match> {
    let most = size - at;
    let offset = chains.three(at, u16::load(chains.window, at as u16))?;
    let is_near = (offset <= FAR) & (most >= MIN_MATCH);
    let three = is_near.then_some(Match {
        length: MIN_MATCH,
        offset,
    });
    chains.longer(at, MIN_MATCH, most, nice, depth).or(three)
}

/// A rough measure of what a match saves, in quarters of a byte.
fn worth(found: Match) -> i32 {
    4 * found.length as i32 - found.offset.ilog2() as i32
}
