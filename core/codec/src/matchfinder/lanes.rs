//! The nearest match of each length, kept for all lengths at once.
//!
//! A match serves all lengths up to its own. [`Nearest`] holds a position per length as one vector, and
//! a match raises the positions of all the lengths it serves by one operation, without a branch: of
//! earlier positions, the greatest is the nearest. Compilers make too little of the portable code, so for
//! x86-64 that is written down, once with the instructions every such processor has and once with
//! AVX2, where four positions are compared at once. All give the same.

use crate::cpu::{Common, Instructions};

use super::position::BUCKET;
use super::tables::{NEAR, TABLES};

/// By length from 2 to [`NEAR`], the newest position of a match that long.
pub(crate) trait Nearest: Copy {
    /// What positions and offsets are.
    type Offset;
    /// Several positions.
    type Bucket;
    /// No match of any length.
    fn none() -> Self;
    /// With the matches at some earlier positions: those of a bucket, and the eight bytes at each. `word`
    /// is the eight bytes to be matched. Position 0 does not count.
    fn with(self, word: u64, words: [u64; BUCKET], bucket: Self::Bucket) -> Self;
    /// The offsets from `pos`, for each length at `length - 2`, or the type's "none", which the last
    /// place always is; and the greatest length, less than 2 if there is none.
    fn offsets(self, pos: Self::Offset) -> ([Self::Offset; NEAR], usize);
    /// For each offset, its LZX slot times eight plus the number of the lane; the slot of "none" is one
    /// that LZX does not have.
    ///
    /// The slot is read from the exponent and the highest bit of the mantissa of the adjusted offset as
    /// a number with a floating point, for all lanes at once.
    fn slot_rows(offsets: &[Self::Offset; NEAR]) -> [u16; NEAR];
}

/// An offset of 16 bits larger than all, in slot 32.
pub(crate) const NARROW_NONE: u16 = u16::MAX;
/// An offset of 21 bits larger than all, in slot 63.
pub(crate) const WIDE_NONE: u32 = 29 << 17;

/// By length, all bits for the lengths up to it (from 2 on) and none for others.
#[repr(align(16))]
struct Masks<T>([[T; NEAR]; NEAR + 1]);

macro_rules! masks {
    ($all:expr) => {{
        let mut masks = [[0; NEAR]; NEAR + 1];
        let mut length = 2;
        while length <= NEAR {
            let mut lane = 2;
            while lane <= length {
                masks[length][lane - 2] = $all;
                lane += 1;
            }
            length += 1;
        }
        Masks(masks)
    }};
}

static NARROW_MASKS: Masks<u16> = masks!(u16::MAX);
static WIDE_MASKS: Masks<u32> = masks!(u32::MAX);

/// How many bytes agree, given in what they differ.
#[inline(always)]
fn agreeing(differ: u64) -> usize {
    differ.trailing_zeros() as usize / 8
}

/// See [`Instructions::hash`].
#[inline(always)]
fn hash(word: u64, next: u32, factors: &[[u32; TABLES]; 3], shift: u32) -> [u32; TABLES] {
    let (low, high) = (word as u32, (word >> 32) as u32);
    core::array::from_fn(|i| {
        let hash = low
            .wrapping_mul(factors[0][i])
            .wrapping_add(high.wrapping_mul(factors[1][i]))
            .wrapping_add(next.wrapping_mul(factors[2][i]));
        hash >> shift
    })
}

#[inline(always)]
fn wide_slot_rows(offsets: &[u32; NEAR]) -> [u16; NEAR] {
    core::array::from_fn(|i| {
        let adjusted = offsets[i] as i32 + 2;
        let slot = ((adjusted as f32).to_bits() >> 22) as i32 - 254;
        // From slot 36 on all slots are 2^17 wide.
        let wide = 34 + (adjusted >> 17);
        (8 * (if adjusted < 1 << 18 { slot } else { wide }) + i as i32) as u16
    })
}

#[cfg(not(any(target_arch = "x86_64", target_feature = "simd128")))]
impl Instructions for Common {
    type Narrow = portable::Narrow;
    type Wide = portable::Wide;

    #[inline(always)]
    fn hash(word: u64, next: u32, factors: &[[u32; TABLES]; 3], shift: u32) -> [u32; TABLES] {
        hash(word, next, factors, shift)
    }
}

#[cfg(target_feature = "simd128")]
impl Instructions for Common {
    type Narrow = simd128::Narrow;
    type Wide = simd128::Wide;

    #[inline(always)]
    fn hash(word: u64, next: u32, factors: &[[u32; TABLES]; 3], shift: u32) -> [u32; TABLES] {
        hash(word, next, factors, shift)
    }
}

#[cfg(target_arch = "x86_64")]
impl Instructions for Common {
    type Narrow = sse2::Narrow;
    type Wide = sse2::Wide;

    #[inline(always)]
    fn hash(word: u64, next: u32, factors: &[[u32; TABLES]; 3], shift: u32) -> [u32; TABLES] {
        hash(word, next, factors, shift)
    }
}

#[cfg(target_feature = "simd128")]
mod simd128;

#[cfg(any(test, not(any(target_arch = "x86_64", target_feature = "simd128"))))]
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) mod sse2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Processor, Work};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Words at some positions, four by four, compared with `word`, seen from `pos`.
    #[derive(Clone, Debug)]
    struct Case {
        word: u64,
        pos: u32,
        buckets: Vec<([u64; BUCKET], [u32; BUCKET])>,
    }

    fn case(limit: u32) -> impl Strategy<Value = Case> {
        (any::<u64>(), limit / 2..limit).prop_flat_map(|(word, pos)| {
            // Words that agree in the first few bytes, or not at all.
            let near = (0u32..=8, any::<u64>())
                .prop_map(move |(bytes, other)| word ^ other.checked_shl(8 * bytes).unwrap_or(0));
            let positions = prop::array::uniform4(0..pos);
            let buckets = prop::collection::vec((prop::array::uniform4(near), positions), 0..5);
            buckets.prop_map(move |buckets| Case { word, pos, buckets })
        })
    }

    type Seen<T> = ([T; NEAR], usize, [u16; NEAR]);

    struct NarrowSeen<'a>(&'a Case);

    #[inline(always)]
    fn narrow<N: Nearest<Offset = u16, Bucket = u64>>(case: &Case) -> Seen<u16> {
        let mut lanes = N::none();
        for (words, positions) in &case.buckets {
            let [a, b, c, d] = positions.map(u64::from);
            lanes = lanes.with(case.word, *words, a | b << 16 | c << 32 | d << 48);
        }
        let (offsets, longest) = lanes.offsets(case.pos as u16);
        (offsets, longest, N::slot_rows(&offsets))
    }

    impl Work for NarrowSeen<'_> {
        type Output = Seen<u16>;

        #[inline(always)]
        fn run<I: Instructions>(self) -> Seen<u16> {
            narrow::<I::Narrow>(self.0)
        }
    }

    struct WideSeen<'a>(&'a Case);

    #[inline(always)]
    fn wide<N: Nearest<Offset = u32, Bucket = u128>>(case: &Case) -> Seen<u32> {
        let mut lanes = N::none();
        for (words, positions) in &case.buckets {
            let [a, b, c, d] = positions.map(u128::from);
            lanes = lanes.with(case.word, *words, a | b << 32 | c << 64 | d << 96);
        }
        let (offsets, longest) = lanes.offsets(case.pos);
        (offsets, longest, N::slot_rows(&offsets))
    }

    impl Work for WideSeen<'_> {
        type Output = Seen<u32>;

        #[inline(always)]
        fn run<I: Instructions>(self) -> Seen<u32> {
            wide::<I::Wide>(self.0)
        }
    }

    struct Hashes(u64, u32, [[u32; TABLES]; 3], u32);

    impl Work for Hashes {
        type Output = [u32; TABLES];

        #[inline(always)]
        fn run<I: Instructions>(self) -> [u32; TABLES] {
            I::hash(self.0, self.1, &self.2, self.3)
        }
    }

    proptest! {
        #[test]
        fn narrow_twins_agree(case in case(1 << 16)) {
            let seen = narrow::<portable::Narrow>(&case);
            prop_assert_eq!(narrow::<<Common as Instructions>::Narrow>(&case), seen);
            prop_assert_eq!(Processor::detect().run(NarrowSeen(&case)), seen);
        }

        #[test]
        fn wide_twins_agree(case in case(1 << 21)) {
            let seen = wide::<portable::Wide>(&case);
            prop_assert_eq!(wide::<<Common as Instructions>::Wide>(&case), seen);
            prop_assert_eq!(Processor::detect().run(WideSeen(&case)), seen);
        }

        #[test]
        fn hash_twins_agree(
            word: u64, next: u32, factors: [[u32; TABLES]; 3], shift in 0u32..32
        ) {
            let hashes = Processor::detect().run(Hashes(word, next, factors, shift));
            prop_assert_eq!(hashes, hash(word, next, &factors, shift));
        }

        #[test]
        fn each_length_has_the_nearest(case in case(1 << 16)) {
            let (offsets, longest, ..) = narrow::<portable::Narrow>(&case);
            let found: Vec<_> = case
                .buckets
                .iter()
                .flat_map(|(words, positions)| words.iter().zip(positions))
                .map(|(other, &position)| (agreeing(case.word ^ other), position))
                .filter(|found| found.1 > 0)
                .collect();
            for length in 2..=NEAR {
                let served = found.iter().filter(|found| found.0 >= length);
                let nearest = served.map(|found| (case.pos - found.1) as u16).min();
                prop_assert_eq!(offsets[length - 2], nearest.unwrap_or(NARROW_NONE));
            }
            let greatest = found.iter().map(|found| found.0).max().unwrap_or(0);
            prop_assert_eq!(longest, greatest.max(1));
        }
    }
}
