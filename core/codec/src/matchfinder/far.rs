//! The newest positions by hashes of many bytes, for large windows.
//!
//! In a large window, each step along a chain would wait for memory. So there are buckets instead, for
//! several lengths, all of which can be announced to the processor long before they are needed.

use alloc::boxed::Box;

use crate::array::zeroed;
use crate::prefetch::prefetch;

use super::long::{Long, Search};
use super::position::{BUCKET, Position};
use super::tables::{Breadth, Effort};

/// So many lengths have buckets: [`LONG`](super::long::LONG), 20 and 32.
const TABLES: usize = 3;
/// All positions in buckets at one position, with those by eight bytes.
const CANDIDATES: usize = BUCKET * (TABLES + 1);
/// Small windows use no less than two to this power.
const LEAST_BITS: u32 = 15;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Far<P: Position, const N: usize>([Box<[P::Bucket; N]>; TABLES]);

impl<P: Position, const N: usize> Long<P> for Far<P, N> {
    type Slots = [usize; TABLES];
    type Earlier = [P::Bucket; TABLES];

    fn new(_: usize) -> Self {
        Far([(); TABLES].map(|()| zeroed()))
    }

    fn memory(_: usize) -> usize {
        size_of::<P::Bucket>() * N * TABLES
    }

    fn bits(size: usize) -> u32 {
        // Room for between half and all of the positions: larger tables find little more, and cost
        // time to clear and to miss the cache.
        (usize::BITS - size.leading_zeros())
            .saturating_sub(3)
            .max(LEAST_BITS)
    }

    fn reset(&mut self, entries: usize) {
        for table in &mut self.0 {
            table[..entries].fill(P::Bucket::default());
        }
    }

    #[inline(always)]
    fn slots(&self, window: &P::Window, pos: P, slot: usize, shift: u32) -> Self::Slots {
        const FACTORS: [u64; 4] = [
            0x9e37_79b9_7f4a_7c15,
            0xc2b2_ae3d_27d4_eb4f,
            0x1656_67b1_9e37_79f9,
            0x85eb_ca77_c2b2_ae63,
        ];
        let words = [0, 8, 16, 24].map(|at| P::load(window, P::new(pos.get() + at)));
        let product = |word: usize, value: u64| value.wrapping_mul(FACTORS[word]);
        let sixteen = product(0, words[0]).wrapping_add(product(1, words[1]));
        let twenty = sixteen.wrapping_add(product(2, words[2] << 32));
        let all = sixteen
            .wrapping_add(product(2, words[2]))
            .wrapping_add(product(3, words[3]));
        let place = |hash: u64| ((hash >> 32) as u32 >> shift) as usize % N;
        let slots = [slot, place(twenty), place(all)];
        for (table, slot) in self.0.iter().zip(slots) {
            prefetch(&**table, slot);
        }
        slots
    }

    #[inline(always)]
    fn insert(&mut self, slots: Self::Slots, pos: P) -> Self::Earlier {
        let mut earlier = [P::Bucket::default(); TABLES];
        for ((table, slot), earlier) in self.0.iter_mut().zip(slots).zip(&mut earlier) {
            let bucket = &mut table[slot % N];
            *earlier = core::mem::replace(bucket, pos.push(*bucket));
        }
        earlier
    }

    #[inline(always)]
    fn look(
        &self,
        [twelve, twenty, all]: Self::Earlier,
        eights: P::Bucket,
        effort: Effort,
        search: &mut Search<'_, P>,
    ) {
        // Those of eight bytes are seldom of use beyond the nearest, which is known.
        // A position that is in several buckets is of use the first time only. Nothing is lost to an
        // empty entry, 0: a bucket that is not full has all that those of more bytes have.
        let mut candidates = [P::default(); CANDIDATES];
        let mut count = 0;
        let mut limit = P::new(search.nearest);
        let buckets = [eights, twelve, twenty, all].map(P::all);
        let buckets = match effort.breadth {
            Breadth::Least | Breadth::Few => &buckets[1..],
            _ => &buckets,
        };
        for candidate in buckets.as_flattened() {
            candidates[count % CANDIDATES] = *candidate;
            count += usize::from(*candidate < limit);
            limit = limit.min(*candidate);
        }
        let enough = search.most.min(effort.nice);
        for candidate in &candidates[..count] {
            if search.best >= enough {
                break;
            }
            search.look(candidate.get());
        }
    }
}
