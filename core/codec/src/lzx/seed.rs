//! A first, cheap parse over matches already found, to seed the cost model and the block splitting.

use alloc::vec::Vec;

use crate::matchfinder::load64;
use crate::matchfinder::tables::MatchCache;

use crate::entropy::{BIT, log2};

use super::block::{Item, LITERAL_ITEM, item, item_length};
use super::offset::{ADJUST, Recent};

/// Weights of the rough measure of what a match saves, from the data at hand: where literals are
/// expensive, shorter and farther matches pay. Units are those of [`crate::entropy`].
#[derive(Clone, Copy)]
struct Weights {
    /// Saved per byte.
    byte: i32,
}

/// What an explicit match costs beside the logarithm of its offset.
const EXPLICIT: i32 = 15 * BIT as i32 / 2;
/// What a recent offset costs.
const REPEATED: i32 = 7 * BIT as i32;
/// By how much the next position's match must be better.
const MARGIN: i32 = BIT as i32;

impl Weights {
    fn of(data: &[u8]) -> Self {
        let mut counts = [0u32; 256];
        for &byte in data {
            counts[usize::from(byte)] += 1;
        }
        let total = log2(data.len().max(1) as u32);
        let sum: u64 = counts
            .iter()
            .filter(|&&count| count > 0)
            .map(|&count| u64::from(count) * u64::from(total - log2(count)))
            .sum();
        let entropy = (sum / data.len().max(1) as u64) as i32;
        Weights {
            byte: entropy + 5 * BIT as i32 / 4,
        }
    }
}

/// Appends items for `pos..end`.
pub(super) fn parse(
    window: &[u8],
    cache: &MatchCache,
    pos: usize,
    end: usize,
    mut recent: Recent,
    items: &mut Vec<Item>,
) {
    let weights = Weights::of(&window[pos..end]);
    let mut at = pos;
    let mut ahead = None;
    while at < end {
        let (score, found) = match ahead.take() {
            Some(pair) => pair,
            None => best(window, cache, at, end, recent, weights),
        };
        if score <= 0 {
            items.push(LITERAL_ITEM);
            at += 1;
            continue;
        }
        let length = item_length(found);
        if length < 32 && at + 1 < end {
            let next = best(window, cache, at + 1, end, recent, weights);
            if next.0 > score + MARGIN {
                items.push(LITERAL_ITEM);
                at += 1;
                ahead = Some(next);
                continue;
            }
        }
        items.push(found);
        recent = recent.after(found >> 9);
        at += length;
    }
}

/// The match at `pos` that saves most, with a measure of that.
#[inline(always)]
fn best(
    window: &[u8],
    cache: &MatchCache,
    pos: usize,
    end: usize,
    recent: Recent,
    weights: Weights,
) -> (i32, Item) {
    let room = end - pos;
    let mut best = (0, 0);
    if let Some(&last) = cache.at(pos).last() {
        let length = ((last & 511) as usize).min(room);
        let offset = last >> 9;
        if length >= 2 {
            let bits = 31 - offset.leading_zeros() as i32;
            let score = weights.byte * length as i32 - bits * BIT as i32 - EXPLICIT;
            best = (score, item(offset + ADJUST, length));
        }
    }
    let word = load64(window, pos);
    for index in 0..3 {
        let offset = recent.get(index) as usize;
        if offset > pos {
            continue;
        }
        let differ = load64(window, pos - offset) ^ word;
        if differ & 0xffff == 0 {
            let length = (differ.trailing_zeros() as usize / 8).min(room);
            let score = weights.byte * length as i32 - REPEATED;
            if length >= 2 && score > best.0 {
                best = (score, item(index, length));
            }
        }
    }
    best
}
