//! With the vectors of WebAssembly.

use core::arch::wasm32::{
    f64x2, f64x2_add, f64x2_extract_lane, f64x2_pmin, f64x2_splat, i64x2_shuffle, v128,
};

use super::{NEAR, Step, Way};

/// The ways to the [`NEAR`] positions ahead, two by two.
#[derive(Clone, Copy)]
pub(in crate::lzx) struct Ahead([v128; NEAR / 2]);

#[inline(always)]
fn pairs(all: [f64; NEAR]) -> [v128; NEAR / 2] {
    core::array::from_fn(|i| f64x2(all[2 * i], all[2 * i + 1]))
}

impl Ahead {
    /// These ways.
    #[inline(always)]
    pub(in crate::lzx) fn new(ways: [Way; NEAR]) -> Self {
        Ahead(pairs(ways))
    }

    /// The ways.
    #[inline(always)]
    pub(in crate::lzx) fn ways(self) -> [Way; NEAR] {
        core::array::from_fn(|i| match i % 2 {
            0 => f64x2_extract_lane::<0>(self.0[i / 2]),
            _ => f64x2_extract_lane::<1>(self.0[i / 2]),
        })
    }

    /// Tries a step to each position.
    #[inline(always)]
    pub(in crate::lzx) fn lower(&mut self, base: Way, steps: [Step; NEAR]) {
        let base = f64x2_splat(base);
        for (ways, steps) in self.0.iter_mut().zip(pairs(steps)) {
            *ways = f64x2_pmin(*ways, f64x2_add(base, steps));
        }
    }

    /// The way to the next position.
    #[inline(always)]
    pub(in crate::lzx) fn first(self) -> Way {
        f64x2_extract_lane::<0>(self.0[0])
    }

    /// The way to the next position, which the others then are ahead of.
    #[inline(always)]
    pub(in crate::lzx) fn advance(&mut self, incoming: Way) -> Way {
        let [a, b, c, d] = self.0;
        self.0 = [
            i64x2_shuffle::<1, 2>(a, b),
            i64x2_shuffle::<1, 2>(b, c),
            i64x2_shuffle::<1, 2>(c, d),
            i64x2_shuffle::<1, 2>(d, f64x2_splat(incoming)),
        ];
        f64x2_extract_lane::<0>(a)
    }
}
