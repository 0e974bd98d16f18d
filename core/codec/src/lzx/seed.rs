//! A first, cheap parse over matches already found, to seed the cost model and the block splitting.

use core::hint::select_unpredictable;

use crate::matchfinder::matches::MatchCache;
use crate::matchfinder::position::Position;

use crate::entropy::{BIT, log2};

use super::offset::{ADJUST, Recent};
use super::split::Splitter;
use super::token::Token;

/// Weights of the rough measure of what a match saves, from the data at hand: where literals are
/// expensive, shorter and farther matches pay. Units are those of [`crate::entropy`].
#[derive(Clone, Copy)]
pub(super) struct Weights {
    /// Of the bytes.
    pub(super) entropy: i32,
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
    /// From the bytes.
    pub(super) fn of(data: &[u8]) -> Self {
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
            entropy,
            byte: entropy + 5 * BIT as i32 / 4,
        }
    }
}

/// Gives the items for `data`, which is at `pos`, to `splitter`.
#[inline(never)]
pub(super) fn parse<P: Position>(
    window: &P::Window,
    data: &[u8],
    cache: &MatchCache<P>,
    pos: usize,
    mut recent: Recent,
    weights: Weights,
    splitter: &mut Splitter,
) {
    let end = pos + data.len();
    let mut at = pos;
    let mut ahead = None;
    while at < end {
        let (score, adjusted, length) = match ahead.take() {
            Some(found) => found,
            None => best(window, cache, at, end, recent, weights),
        };
        let literal = Token::literal(data[at - pos]);
        if score <= 0 {
            splitter.push(literal);
            at += 1;
            continue;
        }
        if length < 32 && at + 1 < end {
            let next = best(window, cache, at + 1, end, recent, weights);
            if next.0 > score + MARGIN {
                splitter.push(literal);
                at += 1;
                ahead = Some(next);
                continue;
            }
        }
        splitter.push(Token::matching(adjusted, length));
        recent = recent.after(adjusted);
        at += length;
    }
}

/// The match at `pos` that saves most: a measure of that, the adjusted offset, the length.
#[inline(always)]
fn best<P: Position>(
    window: &P::Window,
    cache: &MatchCache<P>,
    pos: usize,
    end: usize,
    recent: Recent,
    weights: Weights,
) -> (i32, u32, usize) {
    let room = end - pos;
    let (length, offset) = cache.longest(pos);
    let length = length.min(room);
    let bits = 31 - (offset | 1).leading_zeros() as i32;
    let score = weights.byte * length as i32 - bits * BIT as i32 - EXPLICIT;
    let score = select_unpredictable(length >= 2, score, 0);
    let mut best = (score, offset + ADJUST, length);
    let word = P::load(window, P::new(pos));
    let differ =
        |index| P::load(window, P::new(pos.wrapping_sub(recent.get(index) as usize))) ^ word;
    let differ = [differ(0), differ(1), differ(2)];
    let hits = differ.map(|differ| differ & 0xffff == 0);
    if hits[0] | hits[1] | hits[2] {
        for (index, differ) in differ.into_iter().enumerate() {
            if differ & 0xffff == 0 && recent.get(index as u32) as usize <= pos {
                let length = (differ.trailing_zeros() as usize / 8).min(room);
                let score = weights.byte * length as i32 - REPEATED;
                if length >= 2 && score > best.0 {
                    best = (score, index as u32, length);
                }
            }
        }
    }
    best
}
