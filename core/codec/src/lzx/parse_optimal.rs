//! Near-optimal parsing: the cheapest way through a block under a model of what each item costs.
//!
//! Forward dynamic programming in the manner of Katajainen and Raita: position by position, every item
//! that can start there is tried, and each position keeps the cheapest way found to it. The queue of
//! recent offsets depends on the way, so strictly every position would need all ways with different
//! queues; keeping the queue of the cheapest way only is the usual approximation.
//!
//! A way is kept in one word, the cost above and the item that it ends with below, so that "cheaper?" is
//! one comparison ([`Step`]). What most positions have to offer, a literal and matches of up to [`NEAR`]
//! bytes, is tried all at once and without a branch ([`Ahead`]), whether there are such matches or not:
//! finding out would take longer, since no processor can guess it.
//!
//! Much of the rest would be in vain, within long matches above all, and is left out:
//!
//! * A long explicit match at a recent offset: the recent offset is cheaper, or would be if it were
//!   used, and leaving it no choice teaches that to the model.
//! * The most recent offset after a match: had that match been longer, it would have been cheaper.
//! * Lengths that end within a long match already tried, if the way here costs no less than that match
//!   (the *cover*).
//! * The middle lengths of long matches: only the short ones and the last few are tried.

use alloc::vec;
use alloc::vec::Vec;
use core::hint::select_unpredictable;

use crate::cpu::{Instructions, Processor, Work};
use crate::entropy::BIT;
use crate::matchfinder::position::Position;
use crate::matchfinder::tables::{Lanes, MatchCache, NEAR};

use super::ahead::{Ahead, START, UNREACHED, Way, came};
use super::cost::{EXPLICIT, Model, Step, UNIT, last, last_length};
use super::offset::{self, ADJUST, Recent};
use super::token::Token;
use super::{ALIGNED, MAX_MATCH, MIN_MATCH};

/// The queue of each position is needed as long as a match can reach.
const RING: usize = 512;
/// Elements from a position to the end of the longest match, and what is ahead of that.
const REACH: usize = MAX_MATCH + 1 + 2 * NEAR;
/// How many lengths of a long match are tried, from the longest down.
const LAST: usize = 16;
/// What any match costs at least, for the sake of comparison with the cover.
const LEAST_MATCH: Step = (3 * BIT as u64 * UNIT) as f64;

/// How to parse.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// A match of at least this length is taken without a look at the positions within it.
    pub(super) nice: usize,
    /// Bytes between updates of the model.
    pub(super) interval: usize,
    /// How much of the block is parsed first for the sake of the model only, in percent.
    pub(super) warm_up: usize,
}

/// Working space for the parser.
#[derive(Debug)]
pub(super) struct OptimalParser {
    /// The cheapest way to each position of the block.
    ways: Vec<Way>,
    ring: [Recent; RING],
    processor: Processor,
}

impl OptimalParser {
    /// For blocks of up to `size` bytes.
    pub(super) fn new(size: usize) -> Self {
        OptimalParser {
            ways: vec![UNREACHED; size + REACH],
            ring: [Recent::START; RING],
            processor: Processor::detect(),
        }
    }

    /// Bytes that [`OptimalParser::new`] allocates.
    pub(super) fn memory(size: usize) -> usize {
        8 * (size + REACH)
    }

    /// Parses `block`, a range of the window, entered with the queue `recent`: sets `tokens`, and
    /// returns the queue after them.
    #[allow(clippy::too_many_arguments, reason = "one call site")]
    pub(super) fn parse<P: Position>(
        &mut self,
        window: &P::Window,
        data: &[u8],
        cache: &MatchCache<P>,
        model: &mut Model,
        manner: Manner,
        start: usize,
        recent: Recent,
        tokens: &mut Vec<Token>,
    ) -> Recent {
        let size = data.len();
        self.begin(size, recent);
        let mut learnt = 0;
        // Where to begin anew, with what the model has learnt until there.
        let mut restart = match manner.warm_up {
            0 => usize::MAX,
            percent => (size * percent / 100).max(2 * manner.interval),
        };
        let mut stretch = Stretch {
            start,
            size,
            at: 0,
            stop: manner.interval.min(size),
            nice: manner.nice,
        };
        loop {
            let processor = self.processor;
            processor.run(Advance {
                parser: self,
                window,
                cache,
                model,
                stretch: &mut stretch,
            });
            if stretch.at >= size {
                break;
            }
            self.learn(model, cache, data, start, learnt..stretch.at);
            learnt = stretch.at;
            if stretch.at >= restart {
                restart = usize::MAX;
                self.begin(stretch.at, recent);
                stretch.at = 0;
                learnt = 0;
            }
            stretch.stop = (stretch.at + manner.interval).min(size);
        }
        self.trace(cache, data, start, tokens);
        let matches = tokens.iter().filter_map(|token| token.adjusted());
        matches.fold(recent, Recent::after)
    }

    /// Forgets all ways of the first `size` positions and puts the queue at the start.
    fn begin(&mut self, size: usize, recent: Recent) {
        self.ways[..size + REACH].fill(UNREACHED);
        self.ways[0] = START;
        self.ring[0] = recent;
    }

    /// Goes on from `stretch.at`, at least to `stretch.stop`.
    #[inline(always)]
    fn advance<P: Position, const IS_ALIGNED: bool>(
        &mut self,
        window: &P::Window,
        cache: &MatchCache<P>,
        model: &Model,
        stretch: &mut Stretch,
    ) {
        let Stretch {
            start,
            size,
            mut at,
            stop,
            nice,
        } = *stretch;
        let (block, longs) = cache.block(start..start + size);
        // The cover: the farthest end of a long match tried, and the cost there.
        let (mut cover, mut cover_cost) = (0, 0.0);
        let mut way = self.ways[at];
        let mut ahead = Ahead::load(&self.ways, at);
        while at < stop {
            let (Some(lanes), Some(&entry)) = (block.get(at), longs.get(at)) else {
                break;
            };
            self.ways[at] = way;
            let item = came(way);
            let length = last_length(item);
            let from = at.wrapping_sub(length);
            let lane = block
                .get(from)
                .map_or(0, |lanes| lane_offset(lanes, length))
                + ADJUST;
            let mut adjusted = select_unpredictable(item >> 9 == EXPLICIT, lane, item >> 9);
            if item > last(EXPLICIT, NEAR) {
                adjusted = cache.far_offset(start + from, length) + ADJUST;
            }
            let queue = self.ring[from % RING].after(adjusted);
            self.ring[at % RING] = queue;
            let base = Way::from_bits(way.to_bits() & !(UNIT - 1));
            let pos = start + at;
            let word = P::load(window, P::new(pos));
            let literal = model.literal[(word & 0xff) as usize];

            let mut served = 1;
            if cover > at && base + LEAST_MATCH >= cover_cost {
                served = cover - at;
            }
            if served < NEAR {
                let indices = P::slot_rows(lanes);
                if IS_ALIGNED {
                    ahead.relax_aligned(base, literal, model, indices, P::low_rows(lanes));
                } else {
                    ahead.relax(base, literal, &model.near, indices);
                }
            } else {
                ahead.relax_literal(base, literal);
            }

            let mut longest = 1;
            let differ = [0, 1, 2].map(|index| {
                let from = pos.wrapping_sub(queue.get(index) as usize);
                P::load(window, P::new(from)) ^ word
            });
            if differ.map(|differ| differ & 0xffff == 0) != [false; 3] {
                // The most recent offset after a match: had that match been longer, it would have been
                // cheaper.
                let first = usize::from(length > 1);
                for (index, differ) in differ.into_iter().enumerate().skip(first) {
                    let offset = queue.get(index as u32) as usize;
                    if differ & 0xffff != 0 || offset > pos {
                        continue;
                    }
                    let length = differ.trailing_zeros() as usize / 8;
                    ahead.relax_row(base, &model.recent[index], length);
                    if length == NEAR {
                        let mut far = self.far(model, at, base, served, size);
                        longest = longest.max(far.recent::<P>(window, pos, offset, index));
                    }
                }
            }
            let explicit = (entry & 511) as usize;
            if explicit > NEAR {
                let mut far = self.far(model, at, base, served, size);
                let tried = far.explicit::<P, IS_ALIGNED>(cache.long(entry), queue, explicit);
                longest = longest.max(tried);
            }
            if longest > NEAR {
                if at + longest > cover {
                    cover = at + longest;
                    cover_cost = self.ways[cover];
                }
                if longest >= nice {
                    at += longest;
                    way = self.ways[at];
                    ahead = Ahead::load(&self.ways, at);
                    continue;
                }
            }
            at += 1;
            way = ahead.advance(self.ways[at + NEAR]);
        }
        self.ways[at] = way;
        ahead.store(&mut self.ways, at);
        stretch.at = at;
    }

    /// What it takes to try long matches at a position.
    #[inline(always)]
    fn far<'a>(
        &'a mut self,
        model: &'a Model,
        at: usize,
        base: Way,
        served: usize,
        size: usize,
    ) -> Far<'a> {
        Far {
            ways: &mut self.ways[at..],
            model,
            base,
            served,
            room: (size - at).min(MAX_MATCH),
            longest: 1,
        }
    }

    /// Teaches the model the cheapest way through (about) a range.
    #[inline(never)]
    fn learn<P: Position>(
        &self,
        model: &mut Model,
        cache: &MatchCache<P>,
        data: &[u8],
        start: usize,
        range: core::ops::Range<usize>,
    ) {
        let mut at = range.end;
        while at > range.start {
            model.learn(self.step_back(cache, data, start, &mut at));
        }
        model.update();
    }

    /// Follows the cheapest way back from the end.
    fn trace<P: Position>(
        &self,
        cache: &MatchCache<P>,
        data: &[u8],
        start: usize,
        tokens: &mut Vec<Token>,
    ) {
        tokens.clear();
        let mut at = data.len();
        while at > 0 {
            tokens.push(self.step_back(cache, data, start, &mut at));
        }
        tokens.reverse();
    }

    /// Moves `at` back over the item that the cheapest way to it ends with.
    #[inline(always)]
    fn step_back<P: Position>(
        &self,
        cache: &MatchCache<P>,
        data: &[u8],
        start: usize,
        at: &mut usize,
    ) -> Token {
        let last = came(self.ways[*at]);
        let length = last_length(last);
        *at = at.saturating_sub(length.max(1));
        if length <= 1 {
            return Token::literal(data[*at]);
        }
        let adjusted = match last >> 9 {
            EXPLICIT if length > NEAR => cache.far_offset(start + *at, length) + ADJUST,
            EXPLICIT => lane_offset(cache.lanes(start + *at), length) + ADJUST,
            index => index,
        };
        Token::matching(adjusted, length)
    }
}

/// Going on with a parse.
struct Advance<'a, P: Position> {
    parser: &'a mut OptimalParser,
    window: &'a P::Window,
    cache: &'a MatchCache<P>,
    model: &'a Model,
    stretch: &'a mut Stretch,
}

impl<P: Position> Work for Advance<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Advance {
            parser,
            window,
            cache,
            model,
            stretch,
        } = self;
        if model.is_aligned {
            parser.advance::<P, true>(window, cache, model, stretch);
        } else {
            parser.advance::<P, false>(window, cache, model, stretch);
        }
    }
}

/// A part of a block to be parsed.
struct Stretch {
    start: usize,
    size: usize,
    at: usize,
    stop: usize,
    nice: usize,
}

/// The offset for a length up to [`NEAR`].
#[inline(always)]
fn lane_offset<P: Position>(lanes: &Lanes<P>, length: usize) -> u32 {
    lanes[length.wrapping_sub(MIN_MATCH) % NEAR].get() as u32
}

/// Where the model has the cost of the low bits of an offset.
#[inline(always)]
fn aligned_index<P: Position>(offset: P) -> usize {
    let adjusted = offset.get() + ADJUST as usize;
    adjusted % ALIGNED + if adjusted >= 2 * ALIGNED { ALIGNED } else { 0 }
}

/// Trying what is longer than [`NEAR`].
struct Far<'a> {
    /// The ways to this position and those after it.
    ways: &'a mut [Way],
    model: &'a Model,
    /// The way to this position, without an item.
    base: Way,
    /// Lengths up to this need not be tried.
    served: usize,
    /// The longest possible match.
    room: usize,
    /// The longest tried.
    longest: usize,
}

impl Far<'_> {
    /// Finds the length of a match at a recent offset, [`NEAR`] bytes of which are known, and tries it.
    /// Returns the length.
    #[inline(never)]
    fn recent<P: Position>(
        &mut self,
        window: &P::Window,
        pos: usize,
        offset: usize,
        index: usize,
    ) -> usize {
        let length = P::match_length(window, pos, pos - offset, NEAR, self.room);
        self.relax(self.base + self.model.far[index], self.served, length);
        length
    }

    /// Tries explicit matches, up to the one of length `last`. Returns the greatest length tried.
    #[inline(never)]
    fn explicit<P: Position, const IS_ALIGNED: bool>(
        &mut self,
        matches: &[u32],
        queue: Recent,
        last: usize,
    ) -> usize {
        let mut served = self.served;
        for &found in matches {
            let (length, offset) = ((found & 511) as usize, found >> 9);
            if !queue.contains(offset) {
                let mut tag = self.base + self.model.far[offset::slot(offset + ADJUST)];
                if IS_ALIGNED {
                    tag += self.model.aligned[aligned_index(P::new(offset as usize))];
                }
                self.relax(tag, served, length.min(self.room));
            }
            served = served.max(length);
            if length >= last {
                break;
            }
        }
        self.longest
    }

    /// Tries the last lengths of a match, above `served`.
    #[inline(always)]
    fn relax(&mut self, tag: Way, served: usize, length: usize) {
        self.longest = self.longest.max(length);
        let from = (served.max(NEAR) + 1).max((length + 1).saturating_sub(LAST));
        if from > length || length > MAX_MATCH {
            return;
        }
        let ways = self.ways[from..=length].iter_mut();
        for (way, step) in ways.zip(&self.model.length[from..=length]) {
            let other = tag + step;
            *way = if other < *way { other } else { *way };
        }
    }
}
