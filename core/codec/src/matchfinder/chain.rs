//! Hash chains: for each hash of four bytes, all earlier positions with it, newest first; and the
//! newest position for each hash of three bytes.
//!
//! Chains suit greedy and lazy parsing, which look for one long match and not for the cheapest of each
//! length.

use alloc::boxed::Box;
use alloc::vec;

use super::position::Position;

/// Sizes of the tables: for hashes of three and of four bytes.
const HEADS3: usize = 1 << 13;
const HEADS4: usize = 1 << 17;

/// A match: the longest found, at the smallest offset of that length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) length: usize,
    pub(crate) offset: usize,
}

/// How far to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Positions to look at.
    pub(crate) depth: u32,
    /// A match of at least this length is good enough.
    pub(crate) nice: usize,
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct ChainFinder<P: Position> {
    head3: Box<[P; HEADS3]>,
    head4: Box<[P; HEADS4]>,
    prev: Box<P::Links>,
    mask3: usize,
    mask4: usize,
}

fn heads<P: Position, const N: usize>() -> Box<[P; N]> {
    match vec![P::default(); N].into_boxed_slice().try_into() {
        Ok(heads) => heads,
        Err(_) => unreachable!("the vector has N elements"),
    }
}

impl<P: Position> ChainFinder<P> {
    /// For any window.
    pub(crate) fn new() -> Self {
        ChainFinder {
            head3: heads(),
            head4: heads(),
            prev: P::links(),
            mask3: 0,
            mask4: 0,
        }
    }

    /// Bytes that [`ChainFinder::new`] allocates.
    pub(crate) fn memory() -> usize {
        size_of::<P>() * (HEADS3 + HEADS4 + P::WINDOW)
    }

    /// Forgets everything; the next window has `size` bytes.
    pub(crate) fn reset(&mut self, size: usize) {
        let slots = 1 << (usize::BITS - size.leading_zeros()).max(10);
        self.mask3 = slots.min(HEADS3) - 1;
        self.mask4 = slots.min(HEADS4) - 1;
        self.head3[..=self.mask3].fill(P::default());
        self.head4[..=self.mask4].fill(P::default());
    }

    #[inline(always)]
    fn insert(&mut self, word: u32, pos: P) -> (P, P) {
        const FACTOR: u32 = 0x9e37_79b1;
        let h3 = (word << 8).wrapping_mul(FACTOR) >> (32 - HEADS3.ilog2());
        let h4 = word.wrapping_mul(FACTOR) >> (32 - HEADS4.ilog2());
        let c3 = core::mem::replace(&mut self.head3[h3 as usize & self.mask3], pos);
        let c4 = core::mem::replace(&mut self.head4[h4 as usize & self.mask4], pos);
        pos.link(&mut self.prev, c4);
        (c3, c4)
    }

    /// Adds `count` positions from `pos` on without searching.
    #[inline(always)]
    pub(crate) fn skip(&mut self, window: &P::Window, pos: usize, count: usize) {
        for at in pos..pos + count {
            let at = P::new(at);
            self.insert(P::load_half(window, at), at);
        }
    }

    /// Adds position `pos` (not 0) and looks for a match that is longer than `than` and at most `most`
    /// bytes. If there is none the offset is 0.
    #[inline(always)]
    pub(crate) fn find(
        &mut self,
        window: &P::Window,
        pos: usize,
        than: usize,
        most: usize,
        effort: Effort,
    ) -> Match {
        let word = P::load_half(window, P::new(pos));
        let (c3, mut candidate) = self.insert(word, P::new(pos));
        let mut best = Match {
            length: than,
            offset: 0,
        };
        if than >= most {
            return best;
        }
        let nice = effort.nice.min(most);
        // A longer match must agree in the four bytes that end one past the best.
        let mut end = than.max(3) - 3;
        let mut ending = P::load_half(window, P::new(pos + end));
        let mut depth = effort.depth;
        // Chains end at position 0.
        while candidate.get() != 0 && depth > 0 {
            let at = candidate.get();
            if P::load_half(window, P::new(at + end)) == ending
                && P::load_half(window, candidate) == word
            {
                let length = P::match_length(window, pos, at, 4, most);
                if length > best.length {
                    best = Match {
                        length,
                        offset: pos - at,
                    };
                    if length >= nice {
                        return best;
                    }
                    end = length - 3;
                    ending = P::load_half(window, P::new(pos + end));
                }
            }
            depth -= 1;
            candidate = candidate.next(&self.prev);
        }
        let has_three = (P::load_half(window, c3) ^ word) << 8 == 0;
        if best.length < 3 && has_three {
            best = Match {
                length: most.min(3),
                offset: pos - c3.get(),
            };
        }
        best
    }
}
