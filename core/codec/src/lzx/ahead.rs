//! The ways to the next few positions, in registers.
//!
//! From each position the parser tries a literal and matches of up to [`NEAR`] bytes, so what changes
//! most often is the ways to the [`NEAR`] positions ahead. They are kept apart from those in memory, in
//! as many registers as it takes: each step lowers them all at once and then moves them on by one, and
//! nothing waits for memory. Where compilers do not see that it is written down with the processor's
//! instructions: for x86-64, and for WebAssembly with vectors. All give the same.

use crate::matchfinder::tables::NEAR;

use super::cost::{LANES, Last, NEVER, Step, UNIT};

/// A way: the sum of the steps so far, but only the last one's item, plus [`START`]. That puts the lowest
/// bit of the sum at the lowest bit of the word.
pub(super) type Way = f64;
/// The way to the start.
pub(super) const START: Way = (1u64 << 52) as f64;
/// A way that is worse than any.
pub(super) const UNREACHED: Way = f64::MAX;

/// The item a way ends with.
#[inline(always)]
pub(super) fn came(way: Way) -> Last {
    way.to_bits() as u32 & (UNIT as u32 - 1)
}

/// By length, what makes other lengths unattractive.
static ONLY: [[Step; NEAR]; NEAR + 1] = {
    let mut only = [[NEVER; NEAR]; NEAR + 1];
    let mut length = 1;
    while length <= NEAR {
        only[length][length - 1] = 0.0;
        length += 1;
    }
    only
};

/// By length, what makes greater lengths unattractive.
static BEYOND: [[Step; NEAR]; NEAR + 1] = {
    let mut beyond = [[NEVER; NEAR]; NEAR + 1];
    let mut length = 0;
    while length <= NEAR {
        let mut other = 1;
        while other <= length {
            beyond[length][other - 1] = 0.0;
            other += 1;
        }
        length += 1;
    }
    beyond
};

#[cfg(not(any(target_arch = "x86_64", target_feature = "simd128")))]
pub(super) use portable::Ahead;
#[cfg(target_feature = "simd128")]
pub(super) use simd128::Ahead;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::Ahead;

#[cfg(target_feature = "simd128")]
mod simd128;

#[cfg(any(test, not(any(target_arch = "x86_64", target_feature = "simd128"))))]
mod portable {
    use super::{NEAR, Step, Way};

    /// The ways to the [`NEAR`] positions ahead.
    #[derive(Clone, Copy)]
    pub(in crate::lzx) struct Ahead([Way; NEAR]);

    impl Ahead {
        /// These ways.
        #[inline(always)]
        pub(super) fn new(ways: [Way; NEAR]) -> Self {
            Ahead(ways)
        }

        /// The ways.
        #[inline(always)]
        pub(super) fn ways(self) -> [Way; NEAR] {
            self.0
        }

        /// Tries a step to each position.
        #[inline(always)]
        pub(super) fn lower(&mut self, base: Way, steps: [Step; NEAR]) {
            for (way, step) in self.0.iter_mut().zip(steps) {
                let other = base + step;
                *way = if other < *way { other } else { *way };
            }
        }

        /// The way to the next position.
        #[inline(always)]
        pub(in crate::lzx) fn first(self) -> Way {
            self.0[0]
        }

        /// The way to the next position, which the others then are ahead of.
        #[inline(always)]
        pub(in crate::lzx) fn advance(&mut self, incoming: Way) -> Way {
            let way = self.0[0];
            self.0.copy_within(1.., 0);
            self.0[NEAR - 1] = incoming;
            way
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instructions that every x86-64 has")]
mod x86 {
    use super::{NEAR, Step, Way};
    use core::arch::x86_64::{
        __m128d, _mm_add_pd, _mm_cvtsd_f64, _mm_min_pd, _mm_set_pd, _mm_set_sd, _mm_set1_pd,
        _mm_shuffle_pd, _mm_unpackhi_pd,
    };

    /// The ways to the [`NEAR`] positions ahead, two by two.
    #[derive(Clone, Copy)]
    pub(in crate::lzx) struct Ahead([__m128d; NEAR / 2]);

    #[inline(always)]
    fn pairs(all: [f64; NEAR]) -> [__m128d; NEAR / 2] {
        // SAFETY: every x86-64 has the instruction.
        core::array::from_fn(|i| unsafe { _mm_set_pd(all[2 * i + 1], all[2 * i]) })
    }

    impl Ahead {
        /// These ways.
        #[inline(always)]
        pub(super) fn new(ways: [Way; NEAR]) -> Self {
            Ahead(pairs(ways))
        }

        /// The ways.
        #[inline(always)]
        pub(super) fn ways(self) -> [Way; NEAR] {
            core::array::from_fn(|i| {
                let pair = self.0[i / 2];
                // SAFETY: every x86-64 has the instructions.
                unsafe {
                    _mm_cvtsd_f64(if i % 2 == 0 {
                        pair
                    } else {
                        _mm_unpackhi_pd(pair, pair)
                    })
                }
            })
        }

        /// Tries a step to each position.
        #[inline(always)]
        pub(super) fn lower(&mut self, base: Way, steps: [Step; NEAR]) {
            // SAFETY: every x86-64 has the instructions.
            unsafe {
                let base = _mm_set1_pd(base);
                for (ways, steps) in self.0.iter_mut().zip(pairs(steps)) {
                    *ways = _mm_min_pd(_mm_add_pd(base, steps), *ways);
                }
            }
        }

        /// The way to the next position.
        #[inline(always)]
        pub(in crate::lzx) fn first(self) -> Way {
            // SAFETY: every x86-64 has the instruction.
            unsafe { _mm_cvtsd_f64(self.0[0]) }
        }

        /// The way to the next position, which the others then are ahead of.
        #[inline(always)]
        pub(in crate::lzx) fn advance(&mut self, incoming: Way) -> Way {
            let [a, b, c, d] = self.0;
            // SAFETY: every x86-64 has the instructions.
            unsafe {
                self.0 = [
                    _mm_shuffle_pd::<1>(a, b),
                    _mm_shuffle_pd::<1>(b, c),
                    _mm_shuffle_pd::<1>(c, d),
                    _mm_shuffle_pd::<1>(d, _mm_set_sd(incoming)),
                ];
                _mm_cvtsd_f64(a)
            }
        }
    }
}

impl Ahead {
    /// The ways to the positions after `at`.
    #[inline(always)]
    pub(super) fn load(ways: &[Way], at: usize) -> Self {
        match ways[at + 1..].first_chunk() {
            Some(ways) => Ahead::new(*ways),
            None => Ahead::new([UNREACHED; NEAR]),
        }
    }

    /// Writes them down.
    #[inline(always)]
    pub(super) fn store(self, ways: &mut [Way], at: usize) {
        if let Some(ways) = ways[at + 1..].first_chunk_mut() {
            *ways = self.ways();
        }
    }

    /// Tries a literal.
    #[inline(always)]
    pub(super) fn relax_literal(&mut self, base: Way, literal: Step) {
        let mut steps = [NEVER; NEAR];
        steps[0] = literal;
        self.lower(base, steps);
    }

    /// Tries a literal and explicit matches of lengths 2 to [`NEAR`], with their costs at `indices` of
    /// `near`.
    #[inline(always)]
    pub(super) fn relax(
        &mut self,
        base: Way,
        literal: Step,
        near: &[Step; LANES],
        indices: [u16; NEAR],
    ) {
        let step = |i: usize| near[usize::from(indices[i]) % LANES];
        let steps = [
            literal,
            step(0),
            step(1),
            step(2),
            step(3),
            step(4),
            step(5),
            step(6),
        ];
        self.lower(base, steps);
    }

    /// Tries a way to the position `length` ahead.
    #[inline(always)]
    pub(super) fn lower_one(&mut self, way: Way, length: usize) {
        self.lower(way, ONLY[length]);
    }

    /// Tries a recent offset with all lengths up to `length`.
    #[inline(always)]
    pub(super) fn relax_row(&mut self, base: Way, row: &[Step; NEAR], length: usize) {
        let beyond = &BEYOND[length];
        self.lower(base, core::array::from_fn(|i| row[i] + beyond[i]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn twins_agree(
            steps in prop::collection::vec(prop::array::uniform8(0u32..1 << 20), 1..30)
        ) {
            let mut one = Ahead::new([UNREACHED; NEAR]);
            let mut other = portable::Ahead::new([UNREACHED; NEAR]);
            for (i, steps) in steps.iter().enumerate() {
                let base = START + (i as f64) * 4096.0;
                one.lower(base, steps.map(f64::from));
                other.lower(base, steps.map(f64::from));
                prop_assert_eq!(one.first(), other.first());
                prop_assert_eq!(one.advance(UNREACHED), other.advance(UNREACHED));
                let ways: Vec<_> = one.ways().to_vec();
                prop_assert_eq!(ways, other.ways().to_vec());
            }
        }
    }
}
