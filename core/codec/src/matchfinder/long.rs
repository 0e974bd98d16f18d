//! Matches longer than [`NEAR`]: what leads to them, and measuring them.

use super::matches::MOST;
use super::position::Position;
use super::tables::{Effort, NEAR};

/// The bytes by whose hash the tables tell a position; at most 12.
pub(super) const LONG: u32 = 12;

/// Earlier positions, by the hash of [`LONG`] bytes or more.
pub(crate) trait Long<P: Position>: core::fmt::Debug {
    /// Where a position is kept.
    type Slots: Copy + Default;
    /// What has been there.
    type Earlier: Default;

    /// For windows of up to `size` bytes.
    fn new(size: usize) -> Self;
    /// Bytes that [`Long::new`] allocates.
    fn memory(size: usize) -> usize;
    /// The logarithm of how many entries of the tables are worth using for a window of `size` bytes.
    fn bits(size: usize) -> u32;
    /// Forgets everything in the first `entries` entries of each table.
    fn reset(&mut self, entries: usize);
    /// Where `pos` is kept, announced to the processor. `slot` is the hash of [`LONG`] bytes without its
    /// lowest `shift` bits.
    fn slots(&self, window: &P::Window, pos: P, slot: usize, shift: u32) -> Self::Slots;
    /// Keeps `pos` there.
    fn insert(&mut self, slots: Self::Slots, pos: P) -> Self::Earlier;
    /// Goes through earlier positions, beginning with those that agree in [`NEAR`] bytes.
    fn look(
        &self,
        earlier: Self::Earlier,
        eights: P::Bucket,
        effort: Effort,
        search: &mut Search<'_, P>,
    );
}

/// Long matches at one position, each longer than those before.
pub(crate) struct Search<'a, P: Position> {
    window: &'a P::Window,
    pos: usize,
    /// No match is longer.
    pub(super) most: usize,
    /// The first position not yet looked at, going back.
    pub(super) nearest: usize,
    /// The longest length so far.
    pub(super) best: usize,
    /// The last eight bytes of a match one byte longer than that.
    ending: u64,
    found: &'a mut [u32; MOST],
    count: usize,
}

impl<'a, P: Position> Search<'a, P> {
    /// Begins with the match of [`NEAR`] bytes or more with this offset.
    #[inline(always)]
    pub(super) fn new(
        window: &'a P::Window,
        pos: usize,
        most: usize,
        offset: usize,
        found: &'a mut [u32; MOST],
    ) -> Self {
        let best = P::match_length(window, pos, pos - offset, NEAR, most);
        let mut count = 0;
        if best > NEAR {
            found[0] = (offset << 9 | best) as u32;
            count = 1;
        }
        Search {
            window,
            pos,
            most,
            nearest: pos - offset,
            best,
            ending: P::load(window, P::new(pos + best - 7)),
            found,
            count,
        }
    }

    /// Looks at an earlier position.
    #[inline(always)]
    pub(super) fn look(&mut self, at: usize) {
        if P::load(self.window, P::new(at + self.best - 7)) != self.ending {
            return;
        }
        let length = P::match_length(self.window, self.pos, at, 0, self.most);
        if let Some(found) = self.found.get_mut(self.count)
            && length > self.best
        {
            self.best = length;
            self.ending = P::load(self.window, P::new(self.pos + length - 7));
            *found = ((self.pos - at) << 9 | length) as u32;
            self.count += 1;
        }
    }

    /// How many matches there are.
    #[inline(always)]
    pub(super) fn count(&self) -> usize {
        self.count
    }
}
