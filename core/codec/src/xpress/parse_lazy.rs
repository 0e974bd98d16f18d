//! Lazy parsing.

use alloc::vec::Vec;

use crate::Level;
use crate::matchfinder::chain::{ChainFinder, Effort, Match};
use crate::matchfinder::position::Position;

use super::item::Item;
use super::{MIN_MATCH, SYMBOLS};

type Window = <u16 as Position>::Window;

/// See the module's page.
#[derive(Debug)]
pub(super) struct LazyParser {
    finder: ChainFinder<u16>,
    depth: u32,
    nice: usize,
}

/// Three bytes at a greater distance cost more than three literals.
const FAR: usize = 2048;

impl LazyParser {
    pub(super) fn new(level: Level) -> Self {
        LazyParser {
            finder: ChainFinder::new(),
            depth: (level.0 * 16 / 25).max(1),
            nice: (level.0 as usize * 12 / 5).clamp(8, 300),
        }
    }

    pub(super) fn memory() -> usize {
        ChainFinder::<u16>::memory()
    }

    /// Parses the chunk and counts its symbols.
    pub(super) fn parse(
        &mut self,
        window: &Window,
        size: usize,
        items: &mut Vec<Item>,
        freqs: &mut [u32; SYMBOLS],
    ) {
        self.finder.reset(size);
        let mut take = |item: Item| {
            items.push(item);
            freqs[item.symbol()] += 1;
        };
        self.finder.skip(window, 0, 1);
        take(Item::literal(window[0]));
        let mut at = 1;
        while at < size {
            let mut found = self.find(window, at, size, 2, self.depth);
            if found.length < MIN_MATCH {
                take(Item::literal(window[at]));
                at += 1;
                continue;
            }
            let mut next = at + 1;
            // Is there a better match at the next position? The longer the one in hand, the less
            // it pays to look for another. Looking yet further ahead suits text but not machine code.
            while next == at + 1 && next < size && found.length < self.nice {
                let depth = self.depth / if found.length < 12 { 2 } else { 4 };
                let other = self.find(window, next, size, found.length - 1, depth);
                next += 1;
                if worth(other) > worth(found) + 1 {
                    take(Item::literal(window[at]));
                    at += 1;
                    found = other;
                }
            }
            take(Item::matching(found.offset, found.length));
            let stop = at + found.length;
            if stop > next {
                self.finder.skip(window, next, stop - next);
            }
            at = stop;
        }
    }

    fn find(&mut self, window: &Window, at: usize, size: usize, than: usize, depth: u32) -> Match {
        let effort = Effort {
            depth,
            nice: self.nice,
        };
        let found = self.finder.find(window, at, than, size - at, effort);
        if found.offset == 0 || (found.length == 3 && found.offset > FAR) {
            Match::default()
        } else {
            found
        }
    }
}

/// A rough measure of what a match saves, in quarters of a byte.
fn worth(found: Match) -> i32 {
    if found.length < MIN_MATCH {
        return i32::MIN / 2;
    }
    4 * found.length as i32 - (found.offset | 1).ilog2() as i32
}
