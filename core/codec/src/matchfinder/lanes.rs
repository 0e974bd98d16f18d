//! The smallest offset for each length, kept for all lengths at once.
//!
//! A match serves all lengths up to its own. [`Nearest`] holds an offset per length as one vector, and
//! a match lowers the offsets of all the lengths it serves by one operation, without a branch. On
//! x86-64, for which compilers make too little of the portable code, that is written down with the
//! instructions every such processor has. Both give the same.

use super::tables::NEAR;

/// The smallest offset for each length from 2 to [`NEAR`], at `length - 2`, or the type's "none"; the
/// last place is always the latter.
pub(crate) trait Nearest: Copy {
    /// What offsets are.
    type Offset;
    /// No match of any length.
    fn none() -> Self;
    /// With a match of up to [`NEAR`] bytes. If it has less than 2 it changes nothing.
    fn with(self, offset: Self::Offset, length: usize) -> Self;
    /// The offsets.
    fn offsets(self) -> [Self::Offset; NEAR];
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

/// By length, zero for the lengths up to it (from 2 on) and "none" for others.
#[repr(align(16))]
struct Masks<T>([[T; NEAR]; NEAR + 1]);

macro_rules! masks {
    ($none:expr) => {{
        let mut masks = [[$none; NEAR]; NEAR + 1];
        let mut length = 2;
        while length <= NEAR {
            let mut lane = 2;
            while lane <= length {
                masks[length][lane - 2] = 0;
                lane += 1;
            }
            length += 1;
        }
        Masks(masks)
    }};
}

static NARROW_MASKS: Masks<u16> = masks!(NARROW_NONE);
static WIDE_MASKS: Masks<u32> = masks!(WIDE_NONE);

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

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use portable::{Narrow, Wide};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Narrow, Wide};

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::{NARROW_MASKS, NARROW_NONE, NEAR, Nearest, WIDE_MASKS, WIDE_NONE, wide_slot_rows};

    /// Offsets of 16 bits.
    #[derive(Clone, Copy)]
    pub(crate) struct Narrow([u16; NEAR]);

    impl Nearest for Narrow {
        type Offset = u16;

        #[inline(always)]
        fn none() -> Self {
            Narrow([NARROW_NONE; NEAR])
        }

        #[inline(always)]
        fn with(mut self, offset: u16, length: usize) -> Self {
            for (lane, mask) in self.0.iter_mut().zip(&NARROW_MASKS.0[length]) {
                *lane = (*lane).min(offset | mask);
            }
            self
        }

        #[inline(always)]
        fn offsets(self) -> [u16; NEAR] {
            self.0
        }

        #[inline(always)]
        fn slot_rows(offsets: &[u16; NEAR]) -> [u16; NEAR] {
            wide_slot_rows(&offsets.map(u32::from))
        }
    }

    /// Offsets of 21 bits.
    #[derive(Clone, Copy)]
    pub(crate) struct Wide([u32; NEAR]);

    impl Nearest for Wide {
        type Offset = u32;

        #[inline(always)]
        fn none() -> Self {
            Wide([WIDE_NONE; NEAR])
        }

        #[inline(always)]
        fn with(mut self, offset: u32, length: usize) -> Self {
            for (lane, mask) in self.0.iter_mut().zip(&WIDE_MASKS.0[length]) {
                *lane = (*lane).min(offset | mask);
            }
            self
        }

        #[inline(always)]
        fn offsets(self) -> [u32; NEAR] {
            self.0
        }

        #[inline(always)]
        fn slot_rows(offsets: &[u32; NEAR]) -> [u16; NEAR] {
            wide_slot_rows(offsets)
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instructions that every x86-64 has")]
mod x86 {
    use super::{NARROW_MASKS, NARROW_NONE, NEAR, Nearest, WIDE_MASKS, WIDE_NONE, wide_slot_rows};
    use core::arch::x86_64::{
        __m128i, _mm_add_epi16, _mm_add_epi32, _mm_and_si128, _mm_andnot_si128, _mm_castps_si128,
        _mm_cmpgt_epi32, _mm_cvtepi32_ps, _mm_load_si128, _mm_loadu_si128, _mm_or_si128,
        _mm_packs_epi32, _mm_set_epi16, _mm_set1_epi16, _mm_set1_epi32, _mm_setzero_si128,
        _mm_slli_epi16, _mm_srli_epi32, _mm_storeu_si128, _mm_sub_epi16, _mm_subs_epu16,
        _mm_unpackhi_epi16, _mm_unpacklo_epi16,
    };

    /// Offsets of 16 bits.
    #[derive(Clone, Copy)]
    pub(crate) struct Narrow(__m128i);

    impl Nearest for Narrow {
        type Offset = u16;

        #[inline(always)]
        fn none() -> Self {
            // SAFETY: every x86-64 has the instruction.
            Narrow(unsafe { _mm_set1_epi16(NARROW_NONE as i16) })
        }

        #[inline(always)]
        fn with(self, offset: u16, length: usize) -> Self {
            let mask: &[u16; NEAR] = &NARROW_MASKS.0[length];
            // SAFETY: every x86-64 has these instructions. The mask is 16 bytes long, and `Masks`
            // aligns the first, thus each, to 16.
            unsafe {
                let mask = _mm_load_si128(mask.as_ptr().cast());
                let offset = _mm_or_si128(_mm_set1_epi16(offset as i16), mask);
                // a − max(a − b, 0) is the lesser of a and b; the instruction for that came later.
                Narrow(_mm_sub_epi16(self.0, _mm_subs_epu16(self.0, offset)))
            }
        }

        #[inline(always)]
        fn offsets(self) -> [u16; NEAR] {
            let mut offsets = [0u16; NEAR];
            // SAFETY: the array is 16 bytes long; nothing is asked of its alignment.
            unsafe { _mm_storeu_si128(offsets.as_mut_ptr().cast(), self.0) };
            offsets
        }

        #[inline(always)]
        fn slot_rows(offsets: &[u16; NEAR]) -> [u16; NEAR] {
            let mut rows = [0u16; NEAR];
            // SAFETY: every x86-64 has these instructions. The arrays are 16 bytes long; nothing is
            // asked of their alignment.
            unsafe {
                let offsets = _mm_loadu_si128(offsets.as_ptr().cast());
                let (zero, two) = (_mm_setzero_si128(), _mm_set1_epi32(2));
                let slots = |offsets| {
                    let adjusted = _mm_cvtepi32_ps(_mm_add_epi32(offsets, two));
                    _mm_srli_epi32::<22>(_mm_castps_si128(adjusted))
                };
                let slots = _mm_packs_epi32(
                    slots(_mm_unpacklo_epi16(offsets, zero)),
                    slots(_mm_unpackhi_epi16(offsets, zero)),
                );
                let lanes = _mm_set_epi16(7, 6, 5, 4, 3, 2, 1, 0);
                let lanes = _mm_sub_epi16(lanes, _mm_set1_epi16(8 * 254));
                let found = _mm_add_epi16(_mm_slli_epi16::<3>(slots), lanes);
                _mm_storeu_si128(rows.as_mut_ptr().cast(), found);
            }
            rows
        }
    }

    /// Offsets of 21 bits.
    #[derive(Clone, Copy)]
    pub(crate) struct Wide([__m128i; 2]);

    impl Nearest for Wide {
        type Offset = u32;

        #[inline(always)]
        fn none() -> Self {
            // SAFETY: every x86-64 has the instruction.
            Wide([unsafe { _mm_set1_epi32(WIDE_NONE as i32) }; 2])
        }

        #[inline(always)]
        fn with(self, offset: u32, length: usize) -> Self {
            let mask: &[u32; NEAR] = &WIDE_MASKS.0[length];
            // SAFETY: every x86-64 has these instructions. The mask is 32 bytes long, and `Masks`
            // aligns the first, thus each, to 16.
            unsafe {
                let offset = _mm_set1_epi32(offset as i32);
                Wide(core::array::from_fn(|i| {
                    let mask = _mm_load_si128(mask.as_ptr().add(4 * i).cast());
                    let (old, new) = (self.0[i], _mm_or_si128(offset, mask));
                    let is_less = _mm_cmpgt_epi32(old, new);
                    _mm_or_si128(_mm_and_si128(is_less, new), _mm_andnot_si128(is_less, old))
                }))
            }
        }

        #[inline(always)]
        fn offsets(self) -> [u32; NEAR] {
            let mut offsets = [0u32; NEAR];
            // SAFETY: the array is 32 bytes long; nothing is asked of its alignment.
            unsafe {
                _mm_storeu_si128(offsets.as_mut_ptr().cast(), self.0[0]);
                _mm_storeu_si128(offsets.as_mut_ptr().add(4).cast(), self.0[1]);
            }
            offsets
        }

        #[inline(always)]
        fn slot_rows(offsets: &[u32; NEAR]) -> [u16; NEAR] {
            wide_slot_rows(offsets)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The offsets after some matches, and the rows for them.
    fn run<N: Nearest>(matches: &[(N::Offset, usize)]) -> ([N::Offset; NEAR], [u16; NEAR])
    where
        N::Offset: Copy,
    {
        let lanes = matches.iter().fold(N::none(), |lanes, &(offset, length)| {
            lanes.with(offset, length)
        });
        let offsets = lanes.offsets();
        (offsets, N::slot_rows(&offsets))
    }

    proptest! {
        #[test]
        fn twins_agree(matches in prop::collection::vec((1u32..(1 << 21) - 2, 0..=NEAR), 0..12)) {
            prop_assert_eq!(run::<Wide>(&matches), run::<portable::Wide>(&matches));
            let matches: Vec<_> = matches.iter().map(|&(o, l)| (o as u16 & 0x7fff, l)).collect();
            prop_assert_eq!(run::<Narrow>(&matches), run::<portable::Narrow>(&matches));
        }

        #[test]
        fn each_length_has_the_nearest(matches in prop::collection::vec((1u16..65533, 0..=NEAR), 0..12)) {
            let (offsets, _) = run::<Narrow>(&matches);
            for length in 2..=NEAR {
                let served = matches.iter().filter(|found| found.1 >= length);
                let nearest = served.map(|found| found.0).min();
                prop_assert_eq!(offsets[length - 2], nearest.unwrap_or(NARROW_NONE));
            }
        }
    }

    use alloc::vec::Vec;
}
