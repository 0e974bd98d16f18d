//! Suffix arrays by induced sorting.
//!
//! The algorithm is SA-IS: G. Nong, S. Zhang, W. H. Chan, *Linear suffix array construction by almost
//! pure induced-sorting*, 2009. A suffix is *smaller* (S) or *larger* (L) than the one after it. The
//! leftmost suffixes of runs of S (LMS) are at most half of all, and the order of all others follows
//! from theirs in two passes. Theirs is found the same way: the two passes, begun with LMS suffixes in
//! any order, sort the pieces of text between them; equal pieces get equal names; and the suffixes of the
//! text of names, sorted by recursion, stand in the order of the LMS suffixes.
//!
//! Everything happens in the array itself and in one more of the same length. Entries of the array say
//! in their highest bit which of the two passes goes on from them, so that a pass looks at the text once
//! for each suffix; where it will look is known some steps before and announced.

use super::parse::GivenUp;
use crate::prefetch::prefetch;

/// Letters of a text: bytes, or names of pieces.
trait Letter: Copy + Ord {
    fn index(self) -> usize;
}

impl Letter for u8 {
    #[inline(always)]
    fn index(self) -> usize {
        usize::from(self)
    }
}

impl Letter for u32 {
    #[inline(always)]
    fn index(self) -> usize {
        self as usize
    }
}

/// Longest text.
pub(super) const MAX_TEXT: usize = (1 << 31) - 1;

/// Entries of working memory needed for a text of `size` bytes.
pub(super) const fn work_size(size: usize) -> usize {
    size + 512
}

/// Puts the positions of `text` into `order`, sorted by the bytes from there to the end; an end is smaller
/// than any byte. `order` is as long as the text, `work` has [`work_size`] entries. `stop` is asked between
/// the passes over the text.
pub(super) fn suffix_array(
    text: &[u8],
    order: &mut [u32],
    work: &mut [u32],
    stop: &dyn Fn() -> bool,
) -> Result<(), GivenUp> {
    assert!(text.len() <= MAX_TEXT && order.len() == text.len());
    assert!(work.len() >= work_size(text.len()));
    sort(text, 256, order, work, stop)
}

/// In the pass from the left: the suffix before is smaller, so the pass from the right goes on from here.
const MARK: u32 = 1 << 31;
/// An entry that holds no suffix. Nothing goes on from position 0, so it may stand for that too.
const EMPTY: u32 = 0;
/// How many entries ahead text is announced.
const AHEAD: usize = 32;

/// What the passes are made for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Sorting the pieces between LMS suffixes: only those stay in the array.
    Pieces,
    /// Sorting all suffixes.
    Suffixes,
}

fn sort<T: Letter>(
    text: &[T],
    letters: usize,
    order: &mut [u32],
    work: &mut [u32],
    stop: &dyn Fn() -> bool,
) -> Result<(), GivenUp> {
    let size = text.len();
    if size == 0 {
        return Ok(());
    }
    order.fill(EMPTY);
    let (counts, places) = work.split_at_mut(letters);
    count(text, counts);
    bucket_ends(counts, places);
    let mut pieces = 0;
    for_each_lms(text, |at| {
        let place = &mut places[text[at].index()];
        *place -= 1;
        order[*place as usize] = at as u32;
        pieces += 1;
    });
    if pieces > 1 {
        induce(text, order, counts, places, Stage::Pieces, stop)?;
        let mut next = 0;
        for i in 0..size {
            let at = order[i];
            order[next] = at;
            next += usize::from(at != EMPTY);
        }
        debug_assert_eq!(next, pieces);
        let names = name_pieces(text, &order[..pieces], places);
        if names < pieces {
            let (sorted, list) = order.split_at_mut(size - pieces);
            let sorted = &mut sorted[..pieces];
            let mut left = pieces;
            for_each_lms(text, |at| {
                left -= 1;
                list[left] = places[at / 2];
            });
            sort(list, names, sorted, work, stop)?;
            left = pieces;
            for_each_lms(text, |at| {
                left -= 1;
                list[left] = at as u32;
            });
            for i in 0..pieces {
                if let Some(&soon) = sorted.get(i + AHEAD) {
                    prefetch(list, soon as usize);
                }
                sorted[i] = list[sorted[i] as usize];
            }
        }
        if stop() {
            return Err(GivenUp);
        }
        let (counts, places) = work.split_at_mut(letters);
        count(text, counts);
        bucket_ends(counts, places);
        order[pieces..].fill(EMPTY);
        for i in (0..pieces).rev() {
            if i >= AHEAD {
                prefetch(text, order[i - AHEAD] as usize);
            }
            let at = core::mem::replace(&mut order[i], EMPTY);
            let place = &mut places[text[at as usize].index()];
            *place -= 1;
            order[*place as usize] = at;
        }
    }
    let (counts, places) = work.split_at_mut(letters);
    induce(text, order, counts, places, Stage::Suffixes, stop)
}

/// Calls `visit` with the LMS positions, last first.
#[inline(always)]
fn for_each_lms<T: Letter>(text: &[T], mut visit: impl FnMut(usize)) {
    let mut after_is_smaller = false;
    for at in (1..text.len()).rev() {
        // Is the suffix before `at` smaller than the one at `at`?
        let (before, here) = (text[at - 1], text[at]);
        let smaller = before < here || before == here && after_is_smaller;
        if after_is_smaller && !smaller {
            visit(at);
        }
        after_is_smaller = smaller;
    }
}

fn count<T: Letter>(text: &[T], counts: &mut [u32]) {
    counts.fill(0);
    for letter in text {
        counts[letter.index()] += 1;
    }
}

fn bucket_starts(counts: &[u32], places: &mut [u32]) {
    let mut sum = 0;
    for (place, count) in places.iter_mut().zip(counts) {
        *place = sum;
        sum += count;
    }
}

fn bucket_ends(counts: &[u32], places: &mut [u32]) {
    let mut sum = 0;
    for (place, count) in places.iter_mut().zip(counts) {
        sum += count;
        *place = sum;
    }
}

/// Sorts everything after the LMS suffixes in `order`.
fn induce<T: Letter>(
    text: &[T],
    order: &mut [u32],
    counts: &[u32],
    places: &mut [u32],
    stage: Stage,
    stop: &dyn Fn() -> bool,
) -> Result<(), GivenUp> {
    bucket_starts(counts, places);
    induce_larger(text, order, places, stage);
    if stop() {
        return Err(GivenUp);
    }
    bucket_ends(counts, places);
    induce_smaller(text, order, places, stage);
    if stop() { Err(GivenUp) } else { Ok(()) }
}

/// From left to right: a larger suffix comes after the one behind it, at the start of its bucket.
#[inline(always)]
fn induce_larger<T: Letter>(text: &[T], order: &mut [u32], starts: &mut [u32], stage: Stage) {
    let mut put = |order: &mut [u32], at: usize| {
        let letter = text[at];
        let mark = if at > 0 && text[at - 1] < letter {
            MARK
        } else {
            0
        };
        let start = &mut starts[letter.index()];
        order[*start as usize] = at as u32 | mark;
        *start += 1;
    };
    put(order, text.len() - 1);
    for i in 0..order.len() {
        announce(text, order, i + AHEAD);
        let entry = order[i];
        if entry & MARK == 0 && entry != EMPTY {
            if stage == Stage::Pieces {
                order[i] = EMPTY;
            }
            put(order, entry as usize - 1);
        }
    }
}

/// From right to left: a smaller suffix comes before the one behind it, at the end of its bucket.
#[inline(always)]
fn induce_smaller<T: Letter>(text: &[T], order: &mut [u32], ends: &mut [u32], stage: Stage) {
    for i in (0..order.len()).rev() {
        announce(text, order, i.wrapping_sub(AHEAD));
        let entry = order[i];
        if entry & MARK != 0 {
            let after = entry & !MARK;
            order[i] = match stage {
                Stage::Pieces => EMPTY,
                Stage::Suffixes => after,
            };
            let at = after as usize - 1;
            let letter = text[at];
            let mark = if at > 0 && text[at - 1] <= letter {
                MARK
            } else {
                0
            };
            let end = &mut ends[letter.index()];
            *end -= 1;
            order[*end as usize] = at as u32 | mark;
        }
    }
}

#[inline(always)]
fn announce<T: Letter>(text: &[T], order: &[u32], i: usize) {
    if let Some(&soon) = order.get(i) {
        prefetch(text, ((soon & !MARK) as usize).wrapping_sub(1));
    }
}

/// Gives the sorted pieces names from 0 up, equal ones the same, and puts them into `names` at half of
/// each piece's position. Returns how many names there are.
fn name_pieces<T: Letter>(text: &[T], sorted: &[u32], names: &mut [u32]) -> usize {
    // First their lengths, both ends included. The last one goes past the text and is like no other.
    let mut next = text.len();
    for_each_lms(text, |at| {
        names[at / 2] = (next - at + 1) as u32;
        next = at;
    });
    let mut name = 0;
    let mut last: &[T] = &[];
    for (i, &at) in sorted.iter().enumerate() {
        if let Some(&soon) = sorted.get(i + AHEAD) {
            prefetch(names, soon as usize / 2);
            prefetch(text, soon as usize);
        }
        let at = at as usize;
        let piece = text.get(at..at + names[at / 2] as usize).unwrap_or(&[]);
        if i > 0 && !same(last, piece) {
            name += 1;
        }
        last = piece;
        names[at / 2] = name;
    }
    name as usize + 1
}

#[inline(always)]
fn same<T: Letter>(a: &[T], b: &[T]) -> bool {
    !a.is_empty() && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn check(text: &[u8]) {
        let mut order = vec![7; text.len()];
        let mut work = vec![7; work_size(text.len())];
        assert!(suffix_array(text, &mut order, &mut work, &|| false).is_ok());
        let mut naive: Vec<u32> = (0..text.len() as u32).collect();
        naive.sort_by_key(|&at| &text[at as usize..]);
        assert_eq!(order, naive);
    }

    proptest! {
        #[test]
        fn equals_plain_sorting(
            letters in 1u8..5,
            noise in proptest::collection::vec(any::<u8>(), 0..300),
            repeat in 1usize..5,
        ) {
            let few: Vec<u8> = noise.iter().map(|byte| byte % letters).collect();
            check(&noise);
            check(&few);
            check(&few.repeat(repeat));
            check(&noise.repeat(repeat));
        }
    }

    #[test]
    fn regular_texts_are_sorted() {
        for size in 0..40 {
            check(&vec![0; size]);
            check(&vec![255; size]);
            check(&(0..size as u8).collect::<Vec<_>>());
            check(&(0..size as u8).rev().collect::<Vec<_>>());
        }
        let (mut a, mut b) = (vec![0], vec![0, 1]);
        while b.len() < 2000 {
            // Fibonacci's words: as repetitive as can be.
            let next = [b.as_slice(), &a].concat();
            a = core::mem::replace(&mut b, next);
            check(&b);
        }
    }

    #[test]
    fn sorting_can_be_stopped() {
        let text = b"mississippi".repeat(10);
        let mut order = vec![0; text.len()];
        let mut work = vec![0; work_size(text.len())];
        assert!(suffix_array(&text, &mut order, &mut work, &|| true).is_err());
    }
}
