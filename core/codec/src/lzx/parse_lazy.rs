//! Lazy parsing: take the match at a position unless the next one or two positions have a better one.

use alloc::vec::Vec;

use crate::Level;
use crate::matchfinder::chain::{ChainFinder, Match};
use crate::matchfinder::position::Position;

use super::block::{Item, LITERAL_ITEM, item};
use super::offset::{ADJUST, Recent};
use super::{MAX_MATCH, MIN_MATCH};

/// The largest block.
pub(super) const MAX_BLOCK: usize = 1 << 16;

/// See the module's page.
#[derive(Debug)]
pub(super) struct LazyParser<P: Position> {
    finder: ChainFinder<P>,
    recent: Recent,
    depth: u32,
    nice: usize,
}

impl<P: Position> LazyParser<P> {
    pub(super) fn new(level: Level) -> Self {
        LazyParser {
            finder: ChainFinder::new(),
            recent: Recent::START,
            depth: (level.0 * 3 / 5).max(1),
            nice: (level.0 as usize * 2).clamp(8, MAX_MATCH),
        }
    }

    pub(super) fn memory() -> usize {
        ChainFinder::<P>::memory()
    }

    pub(super) fn start(&mut self, size: usize) {
        self.finder.reset(size);
        self.recent = Recent::START;
    }

    /// Parses one block that starts at `pos`; returns its end.
    pub(super) fn block(
        &mut self,
        window: &P::Window,
        pos: usize,
        size: usize,
        items: &mut Vec<Item>,
    ) -> usize {
        let end = size.min(pos + MAX_BLOCK);
        let mut at = pos;
        if at == 0 {
            self.finder.skip(window, 0, 1);
            items.push(LITERAL_ITEM);
            at = 1;
        }
        // The match in hand, if it was looked for already.
        let mut ahead: Option<(Match, u32)> = None;
        while at < end {
            let (found, adjusted) = match ahead.take() {
                Some(pair) => pair,
                None => self.choose(window, at, size, end, 0),
            };
            if found.length < MIN_MATCH {
                items.push(LITERAL_ITEM);
                at += 1;
                continue;
            }
            let mut found = (found, adjusted);
            let mut next = at + 1;
            // Is the match at the next position better by more than the literal in between costs?
            while next < end && found.0.length < self.nice {
                let other = self.choose(window, next, size, end, found.0.length.saturating_sub(2));
                next += 1;
                if worth(other) <= worth(found) + 1 {
                    break;
                }
                items.push(LITERAL_ITEM);
                at += 1;
                found = other;
            }
            let (found, adjusted) = found;
            items.push(item(adjusted, found.length));
            self.recent = self.recent.after(adjusted);
            let stop = at + found.length;
            if stop > next {
                self.finder.skip(window, next, stop - next);
            }
            at = stop;
        }
        at
    }

    /// The best match at `pos`, and its adjusted offset.
    #[inline]
    fn choose(
        &mut self,
        window: &P::Window,
        pos: usize,
        size: usize,
        end: usize,
        than: usize,
    ) -> (Match, u32) {
        let most = (end - pos).min(MAX_MATCH);
        let mut found = self
            .finder
            .find(window, pos, than.max(2), most, self.nice, self.depth);
        let mut adjusted = found.offset as u32 + ADJUST;
        // Offsets beyond the window's limit occur at the very end of a full one.
        if found.offset == 0 || found.offset > size.max(8) - 3 || short_and_far(found) {
            found = Match::default();
            adjusted = 0;
        }
        let word = P::load(window, P::new(pos));
        for index in 0..3 {
            let offset = self.recent.get(index) as usize;
            if offset > pos {
                continue;
            }
            let differ = P::load(window, P::new(pos - offset)) ^ word;
            if differ & 0xffff != 0 {
                continue;
            }
            let mut length = differ.trailing_zeros() as usize / 8;
            if length == 8 {
                length = P::match_length(window, pos, pos - offset, 8, most);
            }
            let candidate = Match {
                length: length.min(most),
                offset,
            };
            if worth((candidate, index)) > worth((found, adjusted)) {
                (found, adjusted) = (candidate, index);
            }
        }
        (found, adjusted)
    }
}

/// Three bytes far away cost more than three literals.
fn short_and_far(found: Match) -> bool {
    found.length == 3 && found.offset > 2048
}

/// A rough measure of what a match saves.
#[inline]
fn worth((found, adjusted): (Match, u32)) -> i32 {
    if found.length < MIN_MATCH {
        return 0;
    }
    let price = if adjusted < 3 {
        0
    } else {
        (32 - adjusted.leading_zeros()) as i32 * 3 / 4 + 1
    };
    4 * found.length as i32 - price
}
