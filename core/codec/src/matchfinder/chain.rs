//! Chains of positions with the same hash, for windows that are in a fast cache altogether.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::array::zeroed;
use crate::prefetch::prefetch;

use super::long::{Long, Search};
use super::position::Position;
use super::tables::Effort;

/// With a match of at least this length in hand, the chain is followed a quarter as far.
const GOOD: usize = 32;

/// The newest position by hash, and for each position the one before.
#[derive(Debug)]
pub(crate) struct Chain<P: Position, const N: usize> {
    head: Box<[P; N]>,
    prev: Vec<P>,
}

impl<P: Position, const N: usize> Long<P> for Chain<P, N> {
    type Slots = usize;
    type Earlier = P;

    fn new(size: usize) -> Self {
        Chain {
            head: zeroed(),
            prev: vec![P::default(); size],
        }
    }

    fn memory(size: usize) -> usize {
        size_of::<P>() * (N + size)
    }

    fn bits(size: usize) -> u32 {
        usize::BITS - size.leading_zeros()
    }

    fn reset(&mut self, entries: usize) {
        self.head[..entries].fill(P::default());
    }

    #[inline(always)]
    fn slots(&self, _: &P::Window, _: P, slot: usize, _: u32) -> usize {
        prefetch(&*self.head, slot);
        slot
    }

    #[inline(always)]
    fn insert(&mut self, slot: usize, pos: P) -> P {
        let newest = core::mem::replace(&mut self.head[slot % N], pos);
        self.prev[pos.get()] = newest;
        newest
    }

    #[inline(always)]
    fn look(&self, newest: P, eights: P::Bucket, effort: Effort, search: &mut Search<'_, P>) {
        for candidate in P::all(eights) {
            if search.best < search.most && candidate.get() < search.nearest {
                search.look(candidate.get());
            }
        }
        let mut depth = effort.depth;
        if search.best >= GOOD {
            depth /= 4;
        }
        let (mut candidate, mut limit) = (newest, usize::MAX);
        let enough = search.most.min(effort.nice);
        while candidate.get() < limit && depth > 0 && search.best < enough {
            depth -= 1;
            limit = candidate.get();
            search.look(limit);
            candidate = self.prev[limit];
        }
    }
}
