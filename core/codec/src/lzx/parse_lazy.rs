//! Lazy parsing: take the match at a position unless one of the next two has a better one.

use core::hint::select_unpredictable;

use crate::Level;
use crate::matchfinder::links::{Chains, Linker, Match};
use crate::matchfinder::position::Position;
use crate::three_bytes::ThreeBytes;

use super::offset::ADJUST;
use super::split::Splitter;
use super::token::{Frequencies, Token};
use super::{MAX_MATCH, MIN_MATCH};

/// The largest block.
pub(super) const MAX_BLOCK: usize = crate::matchfinder::links::BLOCK;

/// Levels from this one on also look at the position after the next.
const FIRST_PATIENT: u32 = 23;

/// See the module's page.
#[derive(Debug)]
pub(super) struct LazyParser<P: Position> {
    linker: Linker<P>,
    threes: ThreeBytes,
    /// The three most recent offsets, newest first.
    recent: [usize; 3],
    effort: Effort,
}

/// How hard to look for matches.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Positions to look at.
    depth: u32,
    /// A match of this length is good enough.
    nice: usize,
    is_patient: bool,
}

/// A match that could be taken.
#[derive(Clone, Copy, Debug)]
struct Choice {
    /// What it saves, roughly, in sixteenths of a byte.
    worth: i32,
    adjusted: u32,
    offset: usize,
    length: usize,
}

/// What a byte is worth.
const BYTE: i32 = 16;
/// What more a match at a recent offset is worth: the offset stays at hand.
const REPEATED: i32 = 32;
/// By how much the next match must be better, and that after it.
const MARGIN: i32 = 8;
const LATER_MARGIN: i32 = 24;

impl Choice {
    #[inline(always)]
    fn explicit(found: Match) -> Choice {
        let adjusted = found.offset as u32 + ADJUST;
        let bits = 32 - adjusted.leading_zeros() as i32;
        Choice {
            worth: BYTE * found.length as i32 - 3 * bits - 4,
            adjusted,
            offset: found.offset,
            length: found.length,
        }
    }

    /// The queue of recent offsets after it.
    #[inline(always)]
    fn queue(self, [a, b, c]: [usize; 3]) -> [usize; 3] {
        // Without branches, since nobody can tell what comes.
        let second = select_unpredictable(self.adjusted & !2 == 0, b, a);
        let third = select_unpredictable(self.adjusted < 2, c, b);
        let third = select_unpredictable(self.adjusted == 2, a, third);
        [self.offset, second, third]
    }
}

impl<P: Position> LazyParser<P> {
    pub(super) fn new(level: Level) -> Self {
        let level = level.0;
        LazyParser {
            linker: Linker::new(),
            threes: ThreeBytes::new(),
            recent: [1; 3],
            effort: Effort {
                depth: (level * 4 / 5).max(1),
                nice: (level as usize * 3).clamp(8, MAX_MATCH),
                is_patient: level >= FIRST_PATIENT,
            },
        }
    }

    /// Bytes of a parser and what it allocates.
    pub(super) fn memory() -> usize {
        size_of::<Self>() + Linker::<P>::memory()
    }

    /// Begins a chunk of `size` bytes.
    pub(super) fn start(&mut self, size: usize) {
        self.linker.reset(size);
        self.threes.start();
        self.recent = [1; 3];
    }

    /// Parses `window` from `pos` to `end`, at most [`MAX_BLOCK`] bytes, and gives the segments to `splitter`.
    /// Returns the number of tokens.
    #[inline(always)]
    pub(super) fn block(
        &mut self,
        window: &P::Window,
        pos: usize,
        end: usize,
        tokens: &mut [Token],
        splitter: &mut Splitter,
    ) -> usize {
        let mut block = Block {
            chains: self.linker.link(window, pos, end),
            end,
            threes: &mut self.threes,
            effort: self.effort,
            recent: self.recent,
        };
        let (mut at, mut count) = (pos, 0);
        while at < end {
            let (size, freqs) = splitter.open();
            let next = block.segment(at, at + size, &mut tokens[count..], freqs);
            block.threes.remember(&freqs.main);
            splitter.close(next.tokens, next.at - at);
            at = next.at;
            count += next.tokens;
        }
        self.recent = block.recent;
        count
    }
}

/// What is parsed, and with what.
struct Block<'a, P: Position> {
    chains: Chains<'a, P>,
    threes: &'a mut ThreeBytes,
    end: usize,
    effort: Effort,
    recent: [usize; 3],
}

/// Where a segment ends.
struct Reached {
    at: usize,
    /// In it.
    tokens: usize,
}

impl<P: Position> Block<'_, P> {
    /// Parses from `at` to `limit`, or a little further, and counts symbols.
    #[inline(always)]
    fn segment(
        &mut self,
        mut at: usize,
        limit: usize,
        tokens: &mut [Token],
        freqs: &mut Frequencies,
    ) -> Reached {
        let Effort {
            nice, is_patient, ..
        } = self.effort;
        let room = tokens.len();
        let mut slots = tokens.iter_mut();
        let mut take = |token: Token, freqs: &mut Frequencies| {
            freqs.count(token, 1);
            if let Some(slot) = slots.next() {
                *slot = token;
            }
        };
        let window = self.chains.window;
        let literal = |at: usize| Token::literal(P::load_half(window, P::new(at)) as u8);
        if at == 0 {
            take(literal(0), freqs);
            at = 1;
        }
        while at < limit {
            let stop = self.threes.due().min(limit);
            while at < stop {
                let Some(mut found) = self.first(at) else {
                    take(literal(at), freqs);
                    at += 1;
                    continue;
                };
                while found.length < nice {
                    // Is the match at the next position better by more than the literal in between costs?
                    if let Some(better) = self.next(at + 1, found, MARGIN) {
                        take(literal(at), freqs);
                        at += 1;
                        found = better;
                        continue;
                    }
                    if !is_patient || found.length == MIN_MATCH {
                        break;
                    }
                    let Some(better) = self.next(at + 2, found, LATER_MARGIN) else {
                        break;
                    };
                    take(literal(at), freqs);
                    take(literal(at + 1), freqs);
                    at += 2;
                    found = better;
                }
                take(Token::matching(found.adjusted, found.length), freqs);
                self.recent = found.queue(self.recent);
                at += found.length;
            }
            self.threes.learn(at, &freqs.main);
        }
        Reached {
            at,
            tokens: room - slots.len(),
        }
    }

    /// The best match at `pos`, if any.
    #[inline(always)]
    fn first(&mut self, pos: usize) -> Option<Choice> {
        let word = P::load(self.chains.window, P::new(pos));
        let three = self.chains.three(pos, word);
        let differ = self.differences(pos, word);
        let is_repeated = agree(differ, MIN_MATCH as i32);
        if three.is_none() & !is_repeated {
            return None;
        }
        let most = (self.end - pos).min(MAX_MATCH);
        let mut best = None;
        if let Some(offset) = three {
            let Effort { nice, depth, .. } = self.effort;
            best = self
                .chains
                .longer(pos, 3, most, nice, depth)
                .or_else(|| {
                    let pays = most >= 3 && self.threes.pays(word, offset);
                    pays.then_some(Match { length: 3, offset })
                })
                .map(Choice::explicit);
        }
        if is_repeated {
            let floor = best.map_or(0, |best| best.worth);
            best = self.repeated(pos, most, differ, floor).or(best);
        }
        best
    }

    /// The best match at `pos` if it is worth more than another by more than `margin`.
    #[inline(always)]
    fn next(&self, pos: usize, than: Choice, margin: i32) -> Option<Choice> {
        if pos >= self.end {
            return None;
        }
        let Effort { nice, depth, .. } = self.effort;
        let most = (self.end - pos).min(MAX_MATCH);
        let mut floor = than.worth + margin;
        let found = self
            .chains
            .longer(pos, than.length.max(4) - 1, most, nice, depth)
            .map(Choice::explicit)
            .filter(|found| found.worth > floor);
        if let Some(found) = found {
            floor = found.worth;
        }
        let word = P::load(self.chains.window, P::new(pos));
        self.repeated(pos, most, self.differences(pos, word), floor)
            .or(found)
    }

    /// How the eight bytes at `pos` differ from those at the recent offsets.
    #[inline(always)]
    fn differences(&self, pos: usize, word: u64) -> [u64; 3] {
        self.recent
            .map(|offset| P::load(self.chains.window, P::new(pos.wrapping_sub(offset))) ^ word)
    }

    /// The longest match at a recent offset if it is worth more than `floor`.
    #[inline(always)]
    fn repeated(&self, pos: usize, most: usize, differ: [u64; 3], floor: i32) -> Option<Choice> {
        // That the offset stays at hand is a reason to keep such a match, not to take it.
        let least = (floor / BYTE + 1).max(MIN_MATCH as i32);
        if !agree(differ, least) {
            return None;
        }
        let (mut length, mut adjusted, mut offset) = (0, 0, 0);
        for ((index, differ), recent) in (0..).zip(differ).zip(self.recent) {
            let other = (differ | 1 << 63).trailing_zeros() as usize / 8;
            let is_longer = other > length;
            adjusted = select_unpredictable(is_longer, index, adjusted);
            offset = select_unpredictable(is_longer, recent, offset);
            length = select_unpredictable(is_longer, other, length);
        }
        if length == 7 {
            length = P::match_length(self.chains.window, pos, pos - offset, 7, most);
        }
        let length = length.min(most);
        (length >= least as usize).then_some(Choice {
            worth: BYTE * length as i32 + REPEATED,
            adjusted,
            offset,
            length,
        })
    }
}

/// Whether one of the differences is none in the first so many bytes, or in eight if it is more.
#[inline(always)]
fn agree(differ: [u64; 3], bytes: i32) -> bool {
    let mask = u64::MAX >> (64 - 8 * bytes.min(8));
    (differ[0] & mask == 0) | (differ[1] & mask == 0) | (differ[2] & mask == 0)
}
