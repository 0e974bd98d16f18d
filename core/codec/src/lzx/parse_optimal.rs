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
//! What this misses most are tried as items of several parts ([`super::resume`]).
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
use crate::matchfinder::matches::{Lanes, MatchCache};
use crate::matchfinder::position::Position;
use crate::matchfinder::tables::NEAR;

use super::ahead::{Ahead, START, UNREACHED, Way, came};
use super::cost::{EXPLICIT, LITERAL, Last, Model, RESUMED, Step, UNIT, last, last_length};
use super::far::{Far, lower};
use super::offset::{ADJUST, Recent};
use super::resume::{Gap, Resumed, Tail};
use super::token::Token;
use super::{MAX_MATCH, MIN_MATCH};

/// The queue of each position is needed as long as a match can reach.
const RING: usize = 512;
/// Elements from a position to the end of the longest match, and what is ahead of that.
const REACH: usize = MAX_MATCH + 1 + 2 * NEAR;
/// What any match costs at least, for the sake of comparison with the cover.
const LEAST_MATCH: Step = (3 * BIT as u64 * UNIT) as f64;
/// How much cheaper the way to a position must be than that to the next for items of several parts to be
/// tried from there. Most of what starts elsewhere comes to nothing.
const LEAD: Step = (2 * BIT as u64 * UNIT) as f64;

/// How to parse.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// A match of at least this length is taken without a look at the positions within it.
    pub(super) nice: usize,
    /// Bytes between updates of the model.
    pub(super) interval: usize,
    /// How much of the block is parsed first for the sake of the model only, in percent.
    pub(super) warm_up: usize,
    /// Whether to try items of several parts.
    pub(super) tries_parts: bool,
    /// Whether most items will be literals, so that asking for one is quicker than doing without branches.
    pub(super) is_sparse: bool,
}

/// Working space for the parser.
#[derive(Debug)]
pub(super) struct OptimalParser {
    /// The cheapest way to each position of the block.
    ways: Vec<Way>,
    ring: [Recent; RING],
    /// By position, the items of several parts that start there: those that start with the most recent
    /// offset or a literal, and those with an explicit one.
    resumed: Vec<[Resumed; 2]>,
    /// See [`Manner::is_sparse`].
    is_sparse: bool,
    processor: Processor,
}

impl OptimalParser {
    /// For blocks of up to `size` bytes.
    pub(super) fn new(size: usize) -> Self {
        OptimalParser {
            ways: vec![UNREACHED; size + REACH],
            ring: [Recent::START; RING],
            resumed: vec![[Resumed::default(); 2]; size],
            is_sparse: false,
            processor: Processor::detect(),
        }
    }

    /// Bytes that [`OptimalParser::new`] allocates.
    pub(super) fn memory(size: usize) -> usize {
        size_of::<Way>() * (size + REACH) + size_of::<[Resumed; 2]>() * size
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
        self.is_sparse = manner.is_sparse;
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
            tries_parts: manner.tries_parts,
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
        self.queue(cache, start, size)
    }

    /// The queue at the end of the block.
    fn queue<P: Position>(&self, cache: &MatchCache<P>, start: usize, end: usize) -> Recent {
        let item = came(self.ways[end]);
        let from = end.saturating_sub(last_length(item));
        let adjusted = match self.first(item, from) {
            (EXPLICIT, first) => cache.offset(start + from, first) + ADJUST,
            (index, _) => index,
        };
        self.ring[from % RING].after(adjusted)
    }

    /// Forgets all ways of the first `size` positions and puts the queue at the start.
    fn begin(&mut self, size: usize, recent: Recent) {
        self.ways[..size + REACH].fill(UNREACHED);
        self.ways[0] = START;
        self.ring[0] = recent;
    }

    /// Goes on from `stretch.at`, at least to `stretch.stop`.
    #[inline(always)]
    fn advance<P: Position, const SPARSE: bool>(
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
            tries_parts,
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
            let tries_parts = tries_parts & (way + LEAD <= ahead.first());
            let item = came(way);
            let length = last_length(item);
            let from = at.wrapping_sub(length);
            let queue = if SPARSE && item == LITERAL {
                self.ring[from % RING]
            } else {
                let lane = block
                    .get(from)
                    .map_or(0, |lanes| lane_offset(lanes, length))
                    + ADJUST;
                let mut adjusted = select_unpredictable(item >> 9 == EXPLICIT, lane, item >> 9);
                if item > last(EXPLICIT, NEAR) {
                    let (kind, first) = self.first(item, from);
                    adjusted = match kind {
                        EXPLICIT => cache.offset(start + from, first) + ADJUST,
                        index => index,
                    };
                }
                self.ring[from % RING].after(adjusted)
            };
            self.ring[at % RING] = queue;
            let base = Way::from_bits(way.to_bits() & !(UNIT - 1));
            let pos = start + at;
            let word = P::load(window, P::new(pos));
            let literal = model.literal[(word & 0xff) as usize];

            let mut served = 1;
            if cover > at && base + LEAST_MATCH >= cover_cost {
                served = cover - at;
            }
            let explicit = (entry & 511) as usize;
            if SPARSE && explicit < 2 {
                ahead.relax_literal(base, literal);
            } else if served < NEAR {
                ahead.relax(base, literal, &model.near, P::slot_rows(lanes));
                if tries_parts && explicit.wrapping_sub(MIN_MATCH) <= NEAR - MIN_MATCH {
                    let offset = lane_offset(lanes, explicit) as usize;
                    let differ = P::load(window, P::new(pos + explicit))
                        ^ P::load(window, P::new(pos + explicit - offset));
                    if let Some(gap) = Gap::find(differ, 0)
                        && let Some(tail) =
                            gap.tail::<P>(window, model, pos, offset, explicit, size - at)
                    {
                        let way = base + model.near(offset, explicit);
                        self.resumed[at][1] = tail.resumed;
                        self.go_on(&mut ahead, at, way, tail);
                    }
                }
            } else {
                ahead.relax_literal(base, literal);
            }

            let mut longest = 1;
            let differ = [0, 1, 2].map(|index| {
                let from = pos.wrapping_sub(queue.get(index) as usize);
                P::load(window, P::new(from)) ^ word
            });
            let agree = (differ[0].trailing_zeros() / 8) as usize;
            // Behind a literal, a match at the most recent offset comes first; behind a match, a literal does.
            let first = if length > 1 { 0 } else { agree };
            let offset = queue.get(0) as usize;
            if tries_parts
                && let Some(gap) = Gap::find(differ[0], first % NEAR)
                && (length > 1) == (agree < MIN_MATCH)
                && agree < NEAR
                && offset <= pos
                && let Some(tail) = gap.tail::<P>(window, model, pos, offset, first, size - at)
            {
                let way = base + model.again(first);
                self.resumed[at][0] = tail.resumed;
                self.go_on(&mut ahead, at, way, tail);
            }
            // The most recent offset after a match: had that match been longer, it would have been cheaper.
            let hit = |index: usize| u32::from(differ[index] & 0xffff == 0) << index;
            let mut hits = (hit(0) | hit(1) | hit(2)) & !u32::from(length > 1);
            while hits != 0 {
                let index = hits.trailing_zeros() as usize;
                hits &= hits - 1;
                let offset = queue.get(index as u32) as usize;
                if offset > pos {
                    continue;
                }
                let length = differ[index].trailing_zeros() as usize / 8;
                ahead.relax_row(base, &model.recent[index], length);
                if length == NEAR {
                    let mut far = self.far(model, at, base, served, size);
                    longest = longest.max(far.recent::<P>(window, pos, offset, index));
                }
            }
            if explicit > NEAR {
                let mut far = self.far(model, at, base, served, size);
                let tried = far.explicit::<P>(window, pos, cache.long(entry), queue, explicit);
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

    /// Tries an item of several parts, given the way to its second.
    #[inline(always)]
    fn go_on(&mut self, ahead: &mut Ahead, at: usize, way: Way, tail: Tail) {
        let way = way + tail.step;
        if tail.total <= NEAR {
            ahead.lower_one(way, tail.total);
        } else {
            lower(&mut self.ways[at + tail.total], way);
        }
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
            resumed: &mut self.resumed[at][1],
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
            self.step_back(cache, data, start, &mut at, |token| model.learn(token));
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
            self.step_back(cache, data, start, &mut at, |token| tokens.push(token));
        }
        tokens.reverse();
    }

    /// Moves `at` back over the item that the cheapest way to it ends with, and gives its parts, the last
    /// first.
    #[inline(always)]
    fn step_back<P: Position>(
        &self,
        cache: &MatchCache<P>,
        data: &[u8],
        start: usize,
        at: &mut usize,
        mut take: impl FnMut(Token),
    ) {
        let item = came(self.ways[*at]);
        if self.is_sparse && item == LITERAL {
            *at -= 1;
            return take(Token::literal(data[*at]));
        }
        let length = last_length(item);
        *at = at.saturating_sub(length.max(1));
        let (kind, mut first) = self.first(item, *at);
        if item >= RESUMED {
            let literals = first..first + self.resumed(kind, *at).literals();
            take(Token::matching(0, length - literals.end));
            for i in literals.rev().take_while(|&i| i > 0) {
                take(Token::literal(data[*at + i]));
            }
            // Without a first match, a literal comes first.
            first = first.max(1);
        }
        let offset = cache.offset(start + *at, first) + ADJUST;
        let adjusted = select_unpredictable(kind == EXPLICIT, offset, kind);
        // Both are made, since no processor can guess which it is.
        let literal = Token::literal(data[*at]);
        let matching = Token::matching(adjusted, first.max(MIN_MATCH));
        take(select_unpredictable(first > 1, matching, literal));
    }

    /// The kind and the length of the first match of an item that starts at `from`.
    #[inline(always)]
    fn first(&self, item: Last, from: usize) -> (u32, usize) {
        let kind = item >> 9 & EXPLICIT;
        match item {
            RESUMED.. => (kind, self.resumed(kind, from).first()),
            _ => (kind, last_length(item)),
        }
    }

    /// The item of several parts that starts at `from`, the first of this kind.
    #[inline(always)]
    fn resumed(&self, kind: u32, from: usize) -> Resumed {
        self.resumed[from][usize::from(kind == EXPLICIT)]
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
        if parser.is_sparse {
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
    tries_parts: bool,
}

/// The offset for a length up to [`NEAR`].
#[inline(always)]
fn lane_offset<P: Position>(lanes: &Lanes<P>, length: usize) -> u32 {
    lanes[length.wrapping_sub(MIN_MATCH) % NEAR].get() as u32
}
