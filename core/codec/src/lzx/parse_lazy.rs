//! Lazy parsing: take the match at a position unless one of the next two has a better one.

use alloc::vec::Vec;

use crate::Level;
use crate::matchfinder::chain::{ChainFinder, Effort};
use crate::matchfinder::position::Position;

use super::offset::{ADJUST, Recent};
use super::split::Splitter;
use super::token::Token;
use super::{MAX_MATCH, MIN_MATCH};

/// The largest block.
pub(super) const MAX_BLOCK: usize = 1 << 16;

/// Levels from this one on also look at the position after the next.
const FIRST_PATIENT: u32 = 23;

/// Three bytes at a greater distance cost more than three literals.
const FAR: usize = 1024;

/// See the module's page.
#[derive(Debug)]
pub(super) struct LazyParser<P: Position> {
    finder: ChainFinder<P>,
    recent: Recent,
    effort: Effort,
    is_patient: bool,
}

/// What could be coded at a position.
#[derive(Clone, Copy, Debug)]
struct Choice {
    /// What it saves, roughly, in sixteenths of a byte; 0 for a literal.
    worth: i32,
    adjusted: u32,
    /// Less than [`MIN_MATCH`] for a literal.
    length: usize,
}

/// What a byte is worth.
const BYTE: i32 = 16;
/// By how much the next match must be better, and that after it.
const MARGIN: i32 = 4;
const LATER_MARGIN: i32 = 16;

impl Choice {
    const LITERAL: Choice = Choice {
        worth: 0,
        adjusted: 0,
        length: 1,
    };

    #[inline(always)]
    fn is_literal(self) -> bool {
        self.length < MIN_MATCH
    }
}

impl<P: Position> LazyParser<P> {
    pub(super) fn new(level: Level) -> Self {
        let level = level.0;
        LazyParser {
            finder: ChainFinder::new(),
            recent: Recent::START,
            effort: Effort {
                depth: (level * 6 / 5).max(1),
                nice: (level as usize * 3).clamp(8, MAX_MATCH),
            },
            is_patient: level >= FIRST_PATIENT,
        }
    }

    pub(super) fn memory() -> usize {
        ChainFinder::<P>::memory()
    }

    pub(super) fn start(&mut self, size: usize) {
        self.finder.reset(size);
        self.recent = Recent::START;
    }

    /// Parses one block of `data`, at the start of `window`, from `pos` on.
    #[inline(always)]
    pub(super) fn block(
        &mut self,
        window: &P::Window,
        data: &[u8],
        pos: usize,
        tokens: &mut Vec<Token>,
        splitter: &mut Splitter,
    ) {
        let size = data.len();
        let end = size.min(pos + MAX_BLOCK);
        let mut take = |token: Token| {
            tokens.push(token);
            splitter.push(token);
        };
        let full = self.effort;
        // The queue, unpacked: every position asks for it, and only a match changes it.
        let mut recent = self.recent.all();
        let half = Effort {
            depth: full.depth.div_ceil(2),
            ..full
        };
        let mut at = pos;
        if at == 0 {
            self.finder.skip(window, 0, 1);
            take(Token::literal(data[0]));
            at = 1;
        }
        while at < end {
            let mut found = self.choose(window, at, size, end, 2, full, recent);
            let mut next = at + 1;
            while found.length < full.nice && next < end {
                if found.is_literal() {
                    take(Token::literal(data[at]));
                    at = next;
                    found = self.choose(window, at, size, end, 2, full, recent);
                    next = at + 1;
                    continue;
                }
                // Is the match at the next position better by more than the literal in between costs?
                let than = found.length.max(3) - 1;
                let other = self.choose(window, next, size, end, than, half, recent);
                next += 1;
                if other.worth > found.worth + MARGIN {
                    take(Token::literal(data[at]));
                    at += 1;
                    found = other;
                    continue;
                }
                if !self.is_patient || found.length == MIN_MATCH || next >= end {
                    break;
                }
                let other = self.choose(window, next, size, end, than, half, recent);
                next += 1;
                if other.worth <= found.worth + LATER_MARGIN {
                    break;
                }
                take(Token::literal(data[at]));
                take(Token::literal(data[at + 1]));
                at += 2;
                found = other;
            }
            if found.is_literal() {
                take(Token::literal(data[at]));
                at = next;
                continue;
            }
            take(Token::matching(found.adjusted, found.length));
            self.recent = self.recent.after(found.adjusted);
            recent = self.recent.all();
            at += found.length;
            self.finder.skip(window, next, at - next);
        }
    }

    /// The best to do at `pos`.
    #[allow(clippy::too_many_arguments, reason = "inner loop")]
    #[inline(always)]
    fn choose(
        &mut self,
        window: &P::Window,
        pos: usize,
        size: usize,
        end: usize,
        than: usize,
        effort: Effort,
        recent: [usize; 3],
    ) -> Choice {
        let most = (end - pos).min(MAX_MATCH);
        let found = self.finder.find(window, pos, than, most, effort);
        let mut best = Choice::LITERAL;
        // Offsets beyond the window's limit occur at the very end of a full one.
        let is_near = (found.length > 3) | (found.offset <= FAR);
        if (found.offset != 0) & (found.length > 2) & is_near & (found.offset + 3 <= size.max(8)) {
            let adjusted = found.offset as u32 + ADJUST;
            let bits = 32 - adjusted.leading_zeros() as i32;
            best = Choice {
                worth: BYTE * found.length as i32 - 3 * bits - 4,
                adjusted,
                length: found.length,
            };
        }
        let word = P::load(window, P::new(pos));
        let differ = recent.map(|offset| P::load(window, P::new(pos.wrapping_sub(offset))) ^ word);
        if differ.map(|differ| differ & 0xffff == 0) == [false; 3] {
            return best;
        }
        for (index, (offset, differ)) in recent.into_iter().zip(differ).enumerate() {
            if differ & 0xffff != 0 || offset > pos {
                continue;
            }
            let mut length = (differ | 1 << 63).trailing_zeros() as usize / 8;
            if length == 7 {
                length = P::match_length(window, pos, pos - offset, 7, most);
            }
            let length = length.min(most);
            if length >= MIN_MATCH && BYTE * length as i32 > best.worth {
                best = Choice {
                    worth: BYTE * length as i32,
                    adjusted: index as u32,
                    length,
                };
            }
        }
        best
    }
}
