//! Hash chains: for each hash of four bytes, all earlier positions with it, newest first; and the
//! newest position for each hash of three bytes.
//!
//! Chains suit greedy and lazy parsing, which look for one long match and not for the cheapest of each
//! length.

use alloc::vec;
use alloc::vec::Vec;

use super::position::Position;
use super::{load32, match_length};

/// A match: the longest found, at the smallest offset of that length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) length: usize,
    pub(crate) offset: usize,
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct ChainFinder<P> {
    head3: Vec<P>,
    head4: Vec<P>,
    prev: Vec<P>,
    shift3: u32,
    shift4: u32,
}

impl<P: Position> ChainFinder<P> {
    /// For windows of up to `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        let bits = hash_bits(size);
        ChainFinder {
            head3: vec![P::default(); 1 << bits.min(14)],
            head4: vec![P::default(); 1 << bits],
            prev: vec![P::default(); size],
            shift3: 0,
            shift4: 0,
        }
    }

    /// Bytes that [`ChainFinder::new`] allocates.
    pub(crate) fn memory(size: usize) -> usize {
        let bits = hash_bits(size);
        size_of::<P>() * ((1 << bits.min(14)) + (1 << bits) + size)
    }

    /// Forgets everything; the next window has `size` bytes.
    pub(crate) fn reset(&mut self, size: usize) {
        let bits = hash_bits(size).min(self.head4.len().ilog2());
        self.shift3 = 32 - bits.min(14);
        self.shift4 = 32 - bits;
        self.head3[..1 << bits.min(14)].fill(P::default());
        self.head4[..1 << bits].fill(P::default());
    }

    #[inline(always)]
    fn insert(&mut self, window: &[u8], pos: usize) -> (usize, usize) {
        let word = load32(window, pos);
        let h3 = ((word << 8).wrapping_mul(0x9e37_79b1) >> self.shift3) as usize;
        let h4 = (word.wrapping_mul(0x9e37_79b1) >> self.shift4) as usize;
        let c3 = core::mem::replace(&mut self.head3[h3], P::new(pos));
        let c4 = core::mem::replace(&mut self.head4[h4], P::new(pos));
        self.prev[pos] = c4;
        (c3.get(), c4.get())
    }

    /// Adds `count` positions from `pos` on without searching.
    #[inline]
    pub(crate) fn skip(&mut self, window: &[u8], pos: usize, count: usize) {
        for at in pos..pos + count {
            self.insert(window, at);
        }
    }

    /// Adds position `pos` (not 0) and looks at up to `depth` earlier ones for a match that is longer
    /// than `than` and at most `most` bytes; stops at one of `nice` bytes. Returns a length of at most
    /// `than` if there is none.
    #[inline]
    pub(crate) fn find(
        &mut self,
        window: &[u8],
        pos: usize,
        than: usize,
        most: usize,
        nice: usize,
        mut depth: u32,
    ) -> Match {
        let (c3, mut candidate) = self.insert(window, pos);
        let mut best = Match {
            length: than,
            offset: 0,
        };
        if than >= most {
            return best;
        }
        let word = load32(window, pos);
        if than < 3 && most >= 3 && (load32(window, c3) ^ word) << 8 == 0 && c3 < pos {
            best = Match {
                length: 3,
                offset: pos - c3,
            };
        }
        if most < 4 {
            return best;
        }
        let mut limit = pos;
        loop {
            if candidate >= limit || depth == 0 {
                return best;
            }
            depth -= 1;
            limit = candidate;
            // A longer match must agree in the four bytes that end one past the best.
            let end = best.length.max(3) - 3;
            if load32(window, candidate + end) == load32(window, pos + end)
                && load32(window, candidate) == word
            {
                let length = match_length(window, pos, candidate, 4, most);
                if length > best.length {
                    best = Match {
                        length,
                        offset: pos - candidate,
                    };
                    if length >= nice || length >= most {
                        return best;
                    }
                }
            }
            candidate = self.prev[candidate].get();
        }
    }
}

fn hash_bits(size: usize) -> u32 {
    (usize::BITS - size.leading_zeros()).clamp(10, 17)
}
