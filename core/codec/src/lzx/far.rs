//! Trying what is longer than [`NEAR`] bytes.

use crate::matchfinder::position::Position;
use crate::matchfinder::tables::NEAR;

use super::MAX_MATCH;
use super::ahead::Way;
use super::cost::Model;
use super::offset::{self, ADJUST, Recent};
use super::resume::{Gap, Resumed};

/// How many lengths of a long match are tried, from the longest down.
const LAST: usize = 16;

/// Trying what is longer than [`NEAR`].
pub(super) struct Far<'a> {
    /// The ways to this position and those after it.
    pub(super) ways: &'a mut [Way],
    /// What the longest explicit match can go on to.
    pub(super) resumed: &'a mut Resumed,
    pub(super) model: &'a Model,
    /// The way to this position, without an item.
    pub(super) base: Way,
    /// Lengths up to this need not be tried.
    pub(super) served: usize,
    /// The longest possible match.
    pub(super) room: usize,
    /// The longest tried.
    pub(super) longest: usize,
}

impl Far<'_> {
    /// Finds the length of a match at a recent offset, [`NEAR`] bytes of which are known, and tries it.
    /// Returns the length.
    #[inline(never)]
    pub(super) fn recent<P: Position>(
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
    pub(super) fn explicit<P: Position>(
        &mut self,
        window: &P::Window,
        pos: usize,
        matches: &[u32],
        queue: Recent,
        last: usize,
    ) -> usize {
        let mut served = self.served;
        for &found in matches {
            let (length, offset) = ((found & 511) as usize, found >> 9);
            if !queue.contains(offset) {
                let tag = self.base + self.model.far[offset::slot(offset + ADJUST)];
                self.relax(tag, served, length.min(self.room));
                if length >= last && self.served == 1 {
                    self.resume::<P>(window, pos, offset as usize, length, tag);
                }
            }
            served = served.max(length);
            if length >= last {
                break;
            }
        }
        self.longest
    }

    /// Tries to go on from a match that costs `tag` without its length.
    #[inline(always)]
    fn resume<P: Position>(
        &mut self,
        window: &P::Window,
        pos: usize,
        offset: usize,
        length: usize,
        tag: Way,
    ) {
        let end = pos + length;
        let differ = P::load(window, P::new(end)) ^ P::load(window, P::new(end - offset));
        if let Some(gap) = Gap::find(differ, 0)
            && let Some(tail) = gap.tail::<P>(window, self.model, pos, offset, length, self.room)
        {
            *self.resumed = tail.resumed;
            let way = tag + self.model.length[length] + tail.step;
            lower(&mut self.ways[tail.total], way);
        }
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

/// Keeps the cheaper way.
#[inline(always)]
pub(super) fn lower(way: &mut Way, other: Way) {
    *way = if other < *way { other } else { *way };
}
