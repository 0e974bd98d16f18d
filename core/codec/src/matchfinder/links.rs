//! Hash chains made ahead of the search.
//!
//! Each position is linked to the newest earlier one with the same hash of its four bytes, and to that
//! with the same hash of three, for a whole block in one pass without branches. The search then starts
//! wherever it likes, and not only at the position whose match it looks for: a match longer than one
//! already known contains the four bytes that end one past it, and the chain of *those* is usually
//! shorter.
//!
//! Chains suit greedy and lazy parsing, which look for one long match and not for the cheapest of each
//! length.

use alloc::boxed::Box;

use crate::array::zeroed;

use super::position::Position;

/// The size of a table of newest positions.
const HEADS: usize = 1 << 17;

/// The most positions that are linked at a time.
pub(crate) const BLOCK: usize = 1 << 16;

/// A match: the longest found, at the smallest offset of that length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) length: usize,
    pub(crate) offset: usize,
}

/// Makes the chains of a chunk.
#[derive(Debug)]
pub(crate) struct Linker<P: Position> {
    /// By hashes of three and of four bytes.
    head3: Box<[P; HEADS]>,
    head4: Box<[P; HEADS]>,
    links: Box<P::Links>,
    threes: Box<[P; BLOCK]>,
    /// Bits cut off the hash of four bytes; that of three has one less.
    shift: u32,
}

impl<P: Position> Linker<P> {
    /// For any window.
    pub(crate) fn new() -> Self {
        Linker {
            head3: zeroed(),
            head4: zeroed(),
            links: P::links(),
            threes: zeroed(),
            shift: 0,
        }
    }

    /// Bytes that [`Linker::new`] allocates.
    pub(crate) fn memory() -> usize {
        size_of::<P>() * (2 * HEADS + BLOCK) + size_of::<P::Links>()
    }

    /// Forgets everything; the next window has `size` bytes.
    pub(crate) fn reset(&mut self, size: usize) {
        let bits = (usize::BITS - size.leading_zeros() + 1).clamp(10, HEADS.ilog2());
        self.shift = u32::BITS - bits;
        self.head3[..1 << bits].fill(P::default());
        self.head4[..1 << bits].fill(P::default());
    }

    /// Links the positions from `pos` to `end`, at most [`BLOCK`] and next to those before.
    #[inline(always)]
    pub(crate) fn link<'a>(
        &'a mut self,
        window: &'a P::Window,
        pos: usize,
        end: usize,
    ) -> Chains<'a, P> {
        const FACTOR: u32 = 0x9e37_79b1;
        let (head3, head4) = (&mut *self.head3, &mut *self.head4);
        let shift = self.shift;
        for at in pos..end {
            let new = P::new(at);
            let word = P::load_half(window, new);
            let h3 = (word << 8).wrapping_mul(FACTOR) >> shift;
            let h4 = word.wrapping_mul(FACTOR) >> shift;
            let three = core::mem::replace(&mut head3[h3 as usize % HEADS], new);
            let four = core::mem::replace(&mut head4[h4 as usize % HEADS], new);
            self.threes[at % BLOCK] = three;
            new.link(&mut self.links, four);
        }
        Chains {
            window,
            links: &self.links,
            threes: &self.threes,
        }
    }
}

/// The chains of a window up to some position.
#[derive(Debug)]
pub(crate) struct Chains<'a, P: Position> {
    pub(crate) window: &'a P::Window,
    /// For each position the one before it in its chain.
    links: &'a P::Links,
    /// For each position, modulo [`BLOCK`], the last one with the same hash of three bytes.
    threes: &'a [P; BLOCK],
}

impl<P: Position> Chains<'_, P> {
    /// The offset of the three bytes of `word`, those at `pos`, if it is at hand. If it is not, there
    /// is hardly a longer match either.
    #[inline(always)]
    pub(crate) fn three(&self, pos: usize, word: u64) -> Option<usize> {
        let three = self.threes[pos % BLOCK];
        let differ = P::load_half(self.window, three) ^ word as u32;
        (differ << 8 == 0).then(|| pos - three.get())
    }

    /// Looks for a match of `pos` (not 0) that is longer than `than`, 3 or more, and at most `most`
    /// bytes, within what is linked. One of `nice` bytes is good enough, and no more than `depth`
    /// positions are looked at.
    #[inline(always)]
    pub(crate) fn longer(
        &self,
        pos: usize,
        than: usize,
        most: usize,
        nice: usize,
        mut depth: u32,
    ) -> Option<Match> {
        if than >= most {
            return None;
        }
        let nice = nice.min(most);
        let link = |position| P::new(position).next(self.links).get();
        let word = P::load(self.window, P::new(pos));
        let mut best = Match {
            length: than,
            offset: 0,
        };
        // The chain is that of `pos + ahead`. All end at position 0.
        let mut ahead = than - 3;
        let mut candidate = link(pos + ahead);
        while candidate > ahead {
            let at = candidate - ahead;
            let differ = P::load(self.window, P::new(at)) ^ word;
            if differ as u32 == 0 {
                let mut length = (differ | 1 << 63).trailing_zeros() as usize / 8;
                if length == 7 {
                    length = P::match_length(self.window, pos, at, 7, most);
                }
                if length > best.length {
                    best = Match {
                        length,
                        offset: pos - at,
                    };
                    if length >= nice {
                        break;
                    }
                    // Change to the chain of the end of this match, if that leads further back.
                    let end = length - 3;
                    let other = link(pos + end);
                    if other + ahead <= link(candidate) + end {
                        (ahead, candidate) = (end, other);
                        continue;
                    }
                }
            }
            depth -= 1;
            if depth == 0 {
                break;
            }
            candidate = link(candidate);
        }
        best.length = best.length.min(most);
        (best.offset != 0).then_some(best)
    }
}
