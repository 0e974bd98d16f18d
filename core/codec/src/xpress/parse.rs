//! Lazy parsing.

use alloc::vec::Vec;

use crate::Level;
use crate::matchfinder::chain::{ChainFinder, Match};

use super::encode::{Item, item, match_symbol};
use super::{MIN_MATCH, SYMBOLS};

/// See the module's page.
#[derive(Debug)]
pub(super) struct LazyParser {
    finder: ChainFinder,
    depth: u32,
    nice: usize,
}

impl LazyParser {
    pub(super) fn new(size: usize, level: Level) -> Self {
        LazyParser {
            finder: ChainFinder::new(size),
            depth: (level.0 / 2).max(1),
            nice: (level.0 as usize).clamp(8, 300),
        }
    }

    pub(super) fn memory(size: usize) -> usize {
        ChainFinder::memory(size)
    }

    /// Parses the chunk and counts its symbols.
    pub(super) fn parse(
        &mut self,
        window: &[u8],
        size: usize,
        items: &mut Vec<Item>,
        freqs: &mut [u32; SYMBOLS],
    ) {
        self.finder.reset(size);
        let literal = |items: &mut Vec<Item>, freqs: &mut [u32; SYMBOLS], at: usize| {
            items.push(u32::from(window[at]));
            freqs[usize::from(window[at])] += 1;
        };
        self.finder.skip(window, 0, 1);
        literal(items, freqs, 0);
        let mut at = 1;
        let mut ahead: Option<Match> = None;
        while at < size {
            let mut found = match ahead.take() {
                Some(found) => found,
                None => self.find(window, at, size, 2),
            };
            if found.length < MIN_MATCH {
                literal(items, freqs, at);
                at += 1;
                continue;
            }
            let mut next = at + 1;
            if found.length < self.nice && next < size {
                let other = self.find(window, next, size, found.length);
                next += 1;
                if other.length > found.length {
                    literal(items, freqs, at);
                    at += 1;
                    found = other;
                    if found.length < self.nice && next < size {
                        let other = self.find(window, next, size, found.length);
                        next += 1;
                        if other.length > found.length {
                            literal(items, freqs, at);
                            at += 1;
                            found = other;
                        }
                    }
                }
            }
            items.push(item(found.offset, found.length));
            freqs[match_symbol(found.offset, found.length)] += 1;
            let stop = at + found.length;
            if stop > next {
                self.finder.skip(window, next, stop - next);
            }
            at = stop;
        }
    }

    fn find(&mut self, window: &[u8], at: usize, size: usize, than: usize) -> Match {
        let found = self
            .finder
            .find(window, at, than, size - at, self.nice, self.depth);
        if found.offset == 0 || (found.length == 3 && found.offset > 4096) {
            Match::default()
        } else {
            found
        }
    }
}
