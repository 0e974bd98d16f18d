//! The matches of a range of positions, found before anything is chosen among them.

use alloc::vec;
use alloc::vec::Vec;

use super::position::Position;
use super::tables::NEAR;

/// Room for this many long matches per position on average.
const PER_POSITION: usize = 3;
/// The most long matches reported for one position.
pub(super) const MOST: usize = 16;

/// The nearest matches at one position: for lengths 2 to [`NEAR`], at `length - 2`, the smallest
/// offset of a match of at least that length, or [`Position::NONE`]; the last place is always the latter.
pub(crate) type Lanes<P> = [P; NEAR];

/// The matches of a range of positions.
#[derive(Debug)]
pub(crate) struct MatchCache<P> {
    pub(super) lanes: Vec<Lanes<P>>,
    /// Matches longer than [`NEAR`], as `offset << 9 | length`, by length.
    pub(super) long: Vec<u32>,
    /// The longest length found at each position and, if that is longer than [`NEAR`], above its nine
    /// bits, where those in `long` begin.
    pub(super) longs: Vec<u32>,
    pub(super) base: usize,
}

impl<P: Position> MatchCache<P> {
    /// For ranges of up to `size` positions.
    pub(crate) fn new(size: usize) -> Self {
        MatchCache {
            lanes: vec![[P::default(); NEAR]; size],
            long: vec![0; size * PER_POSITION + MOST],
            longs: vec![0; size],
            base: 0,
        }
    }

    /// Bytes that [`MatchCache::new`] allocates.
    pub(crate) fn memory(size: usize) -> usize {
        size * size_of::<Lanes<P>>() + 4 * (size * PER_POSITION + MOST + size)
    }

    /// The lanes of a range of positions, and for each the length of the longest match, with where it
    /// has [`MatchCache::long`] ones above.
    #[inline(always)]
    pub(crate) fn block(&self, range: core::ops::Range<usize>) -> (&[Lanes<P>], &[u32]) {
        let range = range.start - self.base..range.end - self.base;
        (&self.lanes[range.clone()], &self.longs[range])
    }

    /// The matches that are longer than [`NEAR`], as `offset << 9 | length`, by length, of the position
    /// with this entry, and what comes after them.
    #[inline(always)]
    pub(crate) fn long(&self, entry: u32) -> &[u32] {
        &self.long[(entry >> 9) as usize..]
    }

    /// The lanes of `pos`, and its entry as in [`MatchCache::block`].
    #[inline(always)]
    pub(crate) fn position(&self, pos: usize) -> (&Lanes<P>, u32) {
        (&self.lanes[pos - self.base], self.longs[pos - self.base])
    }

    /// The lanes of `pos`.
    #[inline(always)]
    pub(crate) fn lanes(&self, pos: usize) -> &Lanes<P> {
        &self.lanes[pos - self.base]
    }

    /// The smallest offset at `pos` of a match of at least `length` bytes, more than [`NEAR`].
    #[inline(never)]
    pub(crate) fn far_offset(&self, pos: usize, length: usize) -> u32 {
        let mut matches = self.long(self.longs[pos - self.base]).iter();
        let first = matches.find(|&&found| (found & 511) as usize >= length);
        first.map_or(1, |found| found >> 9)
    }

    /// The smallest offset at `pos` of a match of at least `length` bytes, at least 2.
    #[inline(always)]
    pub(crate) fn offset(&self, pos: usize, length: usize) -> u32 {
        if length > NEAR {
            self.far_offset(pos, length)
        } else {
            self.lanes(pos)[length.wrapping_sub(2) % NEAR].get() as u32
        }
    }

    /// The longest match at `pos` and its offset; the length is less than 2 if there is none.
    #[inline(always)]
    pub(crate) fn longest(&self, pos: usize) -> (usize, u32) {
        let entry = self.longs[pos - self.base];
        let length = (entry & 511) as usize;
        if length > NEAR {
            (length, self.far_offset(pos, length))
        } else {
            let lanes = &self.lanes[pos - self.base];
            (length, lanes[length.wrapping_sub(2) % NEAR].get() as u32)
        }
    }
}
