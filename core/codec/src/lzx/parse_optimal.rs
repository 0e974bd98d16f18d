//! Near-optimal parsing: the cheapest way through a block under a model of what each item costs.
//!
//! Forward dynamic programming in the manner of Katajainen and Raita: position by position, every item
//! that can start there is tried, and each position keeps the cheapest way found to it. The queue of
//! recent offsets depends on the way, so strictly every position would need all ways with different
//! queues; keeping the queue of the cheapest way only is the usual approximation.
//!
//! A way is kept in one word, `cost << 32 | item`, so that "cheaper?" is one comparison and one
//! conditional move. Match lengths are tried in groups of four from the longest down; a group may dip
//! into lengths that a nearer match already served, which costs a little work but makes the number of
//! groups mostly one, and predictable.
//!
//! Much of the work would be in vain, within long matches above all, and is left out:
//!
//! * An explicit match at a recent offset: the recent offset is cheaper.
//! * The most recent offset after a match: had that match been longer, it would have been cheaper.
//! * Lengths that end within a match already tried, if the way here costs no less than that match
//!   (the *cover*).
//! * The middle lengths of long matches: only the short ones and the last few are tried.

use alloc::vec;
use alloc::vec::Vec;

use crate::entropy::BIT;
use crate::matchfinder::tables::MatchCache;
use crate::matchfinder::{load64, match_length};

use super::MAX_MATCH;
use super::block::{Item, item_length};
use super::cost::{BEFORE, Model, NEAR};
use super::offset::{self, ADJUST, Recent};

/// The queue of each position is needed as long as a match can reach.
const RING: usize = 512;
/// Elements from [`BEFORE`] to the end of the longest match, rounded up.
const REACH: usize = BEFORE + MAX_MATCH + 6;
/// How many lengths of a long match are tried, from the longest down.
const LAST: usize = 12;
/// What any match costs at least, for the sake of comparison with the cover.
const LEAST_MATCH: u32 = 3 * BIT;

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
    /// The cheapest way to each position of the block, from [`BEFORE`] on.
    ways: Vec<u64>,
    ring: [Recent; RING],
}

impl OptimalParser {
    /// For blocks of up to `size` bytes.
    pub(super) fn new(size: usize) -> Self {
        OptimalParser {
            ways: vec![0; size + REACH],
            ring: [Recent::START; RING],
        }
    }

    /// Bytes that [`OptimalParser::new`] allocates.
    pub(super) fn memory(size: usize) -> usize {
        8 * (size + REACH)
    }

    /// Parses `block`, a range of the window, entered with the queue `recent`: sets `items`, and
    /// returns the queue after them.
    #[allow(clippy::too_many_arguments, reason = "one call site")]
    pub(super) fn parse(
        &mut self,
        window: &[u8],
        cache: &MatchCache,
        model: &mut Model,
        manner: Manner,
        block: core::ops::Range<usize>,
        recent: Recent,
        items: &mut Vec<Item>,
    ) -> Recent {
        let start = block.start;
        let size = block.len();
        let ways = &mut self.ways[..size + REACH];
        ways.fill(u64::MAX);
        ways[BEFORE] = 0;
        // The cover: the farthest end of a match tried, and the cost there.
        let (mut cover, mut cover_cost) = (0, 0);
        let (mut learnt, mut lesson) = (0, manner.interval);
        // Where to begin anew, with what the model has learnt until there.
        let mut restart = match manner.warm_up {
            0 => usize::MAX,
            percent => (size * percent / 100).max(2 * manner.interval),
        };
        let mut at = 0;
        while at < size {
            if at >= lesson {
                learn(model, ways, &window[start..], learnt, at);
                learnt = at;
                lesson = at + manner.interval;
                cover = 0;
                if at >= restart {
                    restart = usize::MAX;
                    ways[..at + REACH].fill(u64::MAX);
                    ways[BEFORE] = 0;
                    at = 0;
                    learnt = 0;
                    lesson = manner.interval;
                }
            }
            let Some(here) = ways[at..].first_chunk_mut::<REACH>() else {
                break;
            };
            let way = here[BEFORE];
            let came = way as Item;
            let queue = if at == 0 {
                recent
            } else {
                self.ring[at.wrapping_sub(item_length(came)) % RING].after(came >> 9)
            };
            self.ring[at % RING] = queue;
            let base = way & !0xffff_ffff;
            let cost = (way >> 32) as u32;
            let pos = start + at;
            let room = (size - at).min(MAX_MATCH);

            let literal = model.literal[usize::from(window[pos])];
            relax(&mut here[BEFORE + 1], base + (u64::from(literal) << 32) + 1);

            let mut served = 1;
            if cover > at && cost + LEAST_MATCH >= cover_cost {
                served = cover - at;
            }
            let mut longest = 1;

            let word = load64(window, pos);
            let differ: [u64; 3] = core::array::from_fn(|index| {
                let from = pos.wrapping_sub(queue.get(index as u32) as usize);
                load64(window, from) ^ word
            });
            if differ.iter().any(|differ| differ & 0xffff == 0) {
                for (index, differ) in differ.into_iter().enumerate() {
                    let offset = queue.get(index as u32) as usize;
                    if differ & 0xffff != 0 || offset > pos || (index == 0 && item_length(came) > 1)
                    {
                        continue;
                    }
                    let mut length = differ.trailing_zeros() as usize / 8;
                    if length == 8 {
                        length = match_length(window, pos, pos - offset, 8, room);
                    }
                    length = length.min(room);
                    longest = longest.max(length);
                    relax_lengths(
                        here,
                        model,
                        index,
                        base + ((index as u64) << 9),
                        served,
                        length,
                    );
                }
            }

            let mut explicit = served;
            for &found in cache.at(pos) {
                let length = ((found & 511) as usize).min(room);
                if queue.contains(found >> 9) {
                    continue;
                }
                let adjusted = (found >> 9) + ADJUST;
                let slot = offset::slot(adjusted);
                let mut tag = base + (u64::from(adjusted) << 9);
                if slot >= 8 {
                    tag += u64::from(model.aligned[(adjusted & 7) as usize]) << 32;
                }
                relax_lengths(here, model, slot, tag, explicit, length);
                explicit = explicit.max(length);
                longest = longest.max(length);
            }
            if at + longest > cover {
                cover = at + longest;
                cover_cost = (here[BEFORE + longest] >> 32) as u32;
            }
            at += if longest >= manner.nice { longest } else { 1 };
        }
        trace(&self.ways, size, items);
        items
            .iter()
            .fold(recent, |queue, &item| queue.after(item >> 9))
    }
}

/// Teaches the model the cheapest way from (about) `from` to `to`.
#[inline(never)]
fn learn(model: &mut Model, ways: &[u64], data: &[u8], from: usize, to: usize) {
    let mut at = to;
    while at > from {
        let item = ways[BEFORE + at] as Item;
        at = at.saturating_sub(item_length(item).max(1));
        model.learn(item, data[at]);
    }
    model.update();
}

/// Follows the cheapest way back from the end.
fn trace(ways: &[u64], size: usize, items: &mut Vec<Item>) {
    items.clear();
    let mut at = size;
    while at > 0 {
        let item = ways[BEFORE + at] as Item;
        items.push(item);
        at = at.saturating_sub(item_length(item).max(1));
    }
    items.reverse();
}

#[inline(always)]
fn relax(way: &mut u64, candidate: u64) {
    *way = (*way).min(candidate);
}

/// Tries a match of lengths above `served` up to `length`.
#[inline(always)]
fn relax_lengths(
    here: &mut [u64; REACH],
    model: &Model,
    slot: usize,
    tag: u64,
    served: usize,
    length: usize,
) {
    let mut top = length;
    if length >= NEAR {
        if length <= served {
            return;
        }
        let far = tag + (u64::from(model.far[slot]) << 32);
        let from = (served + 1).max(NEAR).max(length - LAST);
        let cells = here[BEFORE + from..=BEFORE + length].iter_mut();
        for (cell, &cost) in cells.zip(&model.length[from..=length]) {
            relax(cell, far + cost);
        }
        top = NEAR - 1;
    }
    let row = &model.near[slot];
    while top > served {
        // Lengths top - 3 to top, where top is at least 2: `BEFORE` makes that an index.
        let low = top + BEFORE - 3;
        if let (Some(cells), Some(costs)) = (
            here[low..].first_chunk_mut::<4>(),
            row[low..].first_chunk::<4>(),
        ) {
            for (cell, &cost) in cells.iter_mut().zip(costs) {
                relax(cell, tag + cost);
            }
        }
        top = top.saturating_sub(4);
    }
}
