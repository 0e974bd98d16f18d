//! With what every x86-64 has.

#![allow(unsafe_code, reason = "instructions that every x86-64 has")]

use super::{BUCKET, NARROW_MASKS, NEAR, Nearest, WIDE_MASKS, WIDE_NONE, agreeing, wide_slot_rows};
use core::arch::x86_64::{
    __m128i, _mm_add_epi16, _mm_add_epi32, _mm_and_si128, _mm_andnot_si128, _mm_castps_si128,
    _mm_cmpeq_epi16, _mm_cmpeq_epi32, _mm_cmpgt_epi32, _mm_cvtepi32_ps, _mm_load_si128,
    _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_packs_epi32, _mm_set_epi16,
    _mm_set1_epi16, _mm_set1_epi32, _mm_setzero_si128, _mm_slli_epi16, _mm_srli_epi32,
    _mm_storeu_si128, _mm_sub_epi16, _mm_sub_epi32, _mm_subs_epu16, _mm_unpackhi_epi16,
    _mm_unpacklo_epi16,
};

/// Positions of 16 bits.
#[derive(Clone, Copy)]
pub(crate) struct Narrow(__m128i);

/// Offsets and the greatest length, given the newest positions.
#[inline(always)]
pub(crate) fn narrow_offsets(newest: __m128i, pos: u16) -> ([u16; NEAR], usize) {
    let mut offsets = [0u16; NEAR];
    // SAFETY: every x86-64 has the instructions; the array is 16 bytes long, and nothing is asked of
    // its alignment.
    let none = unsafe {
        let none = _mm_cmpeq_epi16(newest, _mm_setzero_si128());
        let found = _mm_or_si128(_mm_sub_epi16(_mm_set1_epi16(pos as i16), newest), none);
        _mm_storeu_si128(offsets.as_mut_ptr().cast(), found);
        _mm_movemask_epi8(none)
    };
    (offsets, none.trailing_zeros() as usize / 2 + 1)
}

/// The same.
#[inline(always)]
pub(crate) fn wide_offsets(newest: [__m128i; 2], pos: u32) -> ([u32; NEAR], usize) {
    let mut offsets = [0u32; NEAR];
    let mut count = 0;
    for (found, newest) in offsets
        .as_chunks_mut::<{ NEAR / 2 }>()
        .0
        .iter_mut()
        .zip(newest)
    {
        // SAFETY: every x86-64 has the instructions; the part is 16 bytes long, and nothing is asked
        // of its alignment.
        unsafe {
            let none = _mm_cmpeq_epi32(newest, _mm_setzero_si128());
            let offsets = _mm_sub_epi32(_mm_set1_epi32(pos as i32), newest);
            let no = _mm_and_si128(none, _mm_set1_epi32(WIDE_NONE as i32));
            let all = _mm_or_si128(_mm_andnot_si128(none, offsets), no);
            _mm_storeu_si128(found.as_mut_ptr().cast(), all);
            count += (_mm_movemask_epi8(none) | 1 << 16).trailing_zeros() as usize / 4;
        }
    }
    (offsets, count + 1)
}

impl Nearest for Narrow {
    type Offset = u16;
    type Bucket = u64;

    #[inline(always)]
    fn none() -> Self {
        // SAFETY: every x86-64 has the instruction.
        Narrow(unsafe { _mm_setzero_si128() })
    }

    #[inline(always)]
    fn with(mut self, word: u64, words: [u64; BUCKET], bucket: u64) -> Self {
        for (i, other) in words.into_iter().enumerate() {
            let mask: &[u16; NEAR] = &NARROW_MASKS.0[agreeing(word ^ other)];
            let position = (bucket >> (16 * i)) as i16;
            // SAFETY: every x86-64 has these instructions. The mask is 16 bytes long, and `Masks`
            // aligns the first, thus each, to 16.
            unsafe {
                let mask = _mm_load_si128(mask.as_ptr().cast());
                let newer = _mm_and_si128(_mm_set1_epi16(position), mask);
                // a + max(b − a, 0) is the greater of a and b; the instruction for that came later.
                self.0 = _mm_add_epi16(self.0, _mm_subs_epu16(newer, self.0));
            }
        }
        self
    }

    #[inline(always)]
    fn offsets(self, pos: u16) -> ([u16; NEAR], usize) {
        narrow_offsets(self.0, pos)
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

/// Positions of 21 bits.
#[derive(Clone, Copy)]
pub(crate) struct Wide([__m128i; 2]);

impl Nearest for Wide {
    type Offset = u32;
    type Bucket = u128;

    #[inline(always)]
    fn none() -> Self {
        // SAFETY: every x86-64 has the instruction.
        Wide([unsafe { _mm_setzero_si128() }; 2])
    }

    #[inline(always)]
    fn with(mut self, word: u64, words: [u64; BUCKET], bucket: u128) -> Self {
        for (i, other) in words.into_iter().enumerate() {
            let mask: &[u32; NEAR] = &WIDE_MASKS.0[agreeing(word ^ other)];
            let position = (bucket >> (32 * i)) as i32;
            // SAFETY: every x86-64 has these instructions. The mask is 32 bytes long, and `Masks`
            // aligns the first, thus each, to 16.
            unsafe {
                let position = _mm_set1_epi32(position);
                self.0 = core::array::from_fn(|i| {
                    let mask = _mm_load_si128(mask.as_ptr().add(4 * i).cast());
                    let (old, new) = (self.0[i], _mm_and_si128(position, mask));
                    let is_newer = _mm_cmpgt_epi32(new, old);
                    _mm_or_si128(
                        _mm_and_si128(is_newer, new),
                        _mm_andnot_si128(is_newer, old),
                    )
                });
            }
        }
        self
    }

    #[inline(always)]
    fn offsets(self, pos: u32) -> ([u32; NEAR], usize) {
        wide_offsets(self.0, pos)
    }

    #[inline(always)]
    fn slot_rows(offsets: &[u32; NEAR]) -> [u16; NEAR] {
        wide_slot_rows(offsets)
    }
}
