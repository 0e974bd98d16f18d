//! The nearest match of each length with AVX2: four positions compared at once.

use crate::matchfinder::lanes::Nearest;
use crate::matchfinder::lanes::sse2::{self, narrow_offsets, wide_offsets};
use crate::matchfinder::position::BUCKET;
use crate::matchfinder::tables::{NEAR, TABLES};
use core::arch::x86_64::{
    __m128i, __m256i, _mm_alignr_epi8, _mm_cvtsi32_si128, _mm_max_epu16, _mm_max_epu32,
    _mm_setzero_si128, _mm256_add_epi32, _mm256_add_epi64, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_extracti128_si256, _mm256_loadu_si256,
    _mm256_max_epu16, _mm256_max_epu32, _mm256_mullo_epi32, _mm256_permutevar8x32_epi32,
    _mm256_set_epi64x, _mm256_set1_epi8, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_setr_epi8,
    _mm256_setr_epi32, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srl_epi32,
    _mm256_storeu_si256, _mm256_unpackhi_epi8, _mm256_unpackhi_epi16, _mm256_unpacklo_epi8,
    _mm256_unpacklo_epi16, _mm256_xor_si256,
};

/// See [`Instructions::hash`](super::Instructions::hash).
#[inline(always)]
pub(super) fn hash(
    word: u64,
    next: u32,
    factors: &[[u32; TABLES]; 3],
    shift: u32,
) -> [u32; TABLES] {
    let mut hashes = [0; TABLES];
    // SAFETY: this is compiled for processors with AVX2 only. The arrays are 32 bytes long, and nothing
    // is asked of their alignment.
    unsafe {
        let parts = [word as u32, (word >> 32) as u32, next];
        let mut sum = _mm256_setzero_si256();
        for (part, factors) in parts.into_iter().zip(factors) {
            let part = _mm256_set1_epi32(part.cast_signed());
            let factors = _mm256_loadu_si256(factors.as_ptr().cast());
            sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(part, factors));
        }
        let hash = _mm256_srl_epi32(sum, _mm_cvtsi32_si128(shift.cast_signed()));
        _mm256_storeu_si256(hashes.as_mut_ptr().cast(), hash);
    }
    hashes
}

/// Which bytes agree, and all those before them: all bits for those, none for others.
///
/// # Safety
/// The processor must have AVX2.
#[inline(always)]
unsafe fn agreeing(word: u64, words: [u64; BUCKET]) -> __m256i {
    let [a, b, c, d] = words.map(u64::cast_signed);
    // SAFETY: see above.
    unsafe {
        let all = _mm256_set1_epi8(-1);
        let words = _mm256_set_epi64x(d, c, b, a);
        let differ = _mm256_xor_si256(words, _mm256_set1_epi64x(word.cast_signed()));
        // The bits below the lowest that differs; in the byte with that they are not all set.
        let below = _mm256_andnot_si256(differ, _mm256_add_epi64(differ, all));
        _mm256_cmpeq_epi8(below, all)
    }
}

/// Positions of 16 bits, those of even places in a bucket below those of odd ones; the first
/// lane is for a length of 1.
#[derive(Clone, Copy)]
pub(crate) struct Narrow(__m256i);

impl Nearest for Narrow {
    type Offset = u16;
    type Bucket = u64;

    #[inline(always)]
    fn none() -> Self {
        // SAFETY: this is compiled for processors with AVX2 only.
        Narrow(unsafe { _mm256_setzero_si256() })
    }

    #[inline(always)]
    fn with(self, word: u64, words: [u64; BUCKET], bucket: u64) -> Self {
        // SAFETY: this is compiled for processors with AVX2 only.
        unsafe {
            let agree = agreeing(word, words);
            let bucket = _mm256_set1_epi64x(bucket.cast_signed());
            let even = _mm256_setr_epi8(
                0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 4, 5, 4, 5, 4, 5, 4, 5, 4, 5, 4, 5,
                4, 5, 4, 5,
            );
            let odd = _mm256_setr_epi8(
                2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 6, 7, 6, 7, 6, 7, 6, 7, 6, 7, 6, 7,
                6, 7, 6, 7,
            );
            let even = _mm256_and_si256(
                _mm256_unpacklo_epi8(agree, agree),
                _mm256_shuffle_epi8(bucket, even),
            );
            let odd = _mm256_and_si256(
                _mm256_unpackhi_epi8(agree, agree),
                _mm256_shuffle_epi8(bucket, odd),
            );
            Narrow(_mm256_max_epu16(self.0, _mm256_max_epu16(even, odd)))
        }
    }

    #[inline(always)]
    fn offsets(self, pos: u16) -> ([u16; NEAR], usize) {
        // SAFETY: this is compiled for processors with AVX2 only.
        let newest = unsafe {
            let newest = _mm_max_epu16(
                _mm256_castsi256_si128(self.0),
                _mm256_extracti128_si256::<1>(self.0),
            );
            _mm_alignr_epi8::<2>(_mm_setzero_si128(), newest)
        };
        narrow_offsets(newest, pos)
    }

    #[inline(always)]
    fn slot_rows(offsets: &[u16; NEAR]) -> [u16; NEAR] {
        sse2::Narrow::slot_rows(offsets)
    }
}

/// The greater of those of even and of odd places.
///
/// # Safety
/// The processor must have AVX2.
#[inline(always)]
unsafe fn fold(part: __m256i) -> __m128i {
    // SAFETY: see above.
    unsafe {
        _mm_max_epu32(
            _mm256_castsi256_si128(part),
            _mm256_extracti128_si256::<1>(part),
        )
    }
}

/// Positions of 21 bits: those for lengths of 1 to 4, and those for 5 to 8.
#[derive(Clone, Copy)]
pub(crate) struct Wide([__m256i; 2]);

impl Nearest for Wide {
    type Offset = u32;
    type Bucket = u128;

    #[inline(always)]
    fn none() -> Self {
        // SAFETY: this is compiled for processors with AVX2 only.
        Wide(unsafe { [_mm256_setzero_si256(); 2] })
    }

    #[inline(always)]
    fn with(self, word: u64, words: [u64; BUCKET], bucket: u128) -> Self {
        // SAFETY: this is compiled for processors with AVX2 only.
        unsafe {
            let agree = agreeing(word, words);
            let (low, high) = (
                (bucket as u64).cast_signed(),
                ((bucket >> 64) as u64).cast_signed(),
            );
            let bucket = _mm256_set_epi64x(high, low, high, low);
            let even = _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2);
            let odd = _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3);
            let [mut short, mut long] = self.0;
            for (agree, place) in [
                (_mm256_unpacklo_epi8(agree, agree), even),
                (_mm256_unpackhi_epi8(agree, agree), odd),
            ] {
                let position = _mm256_permutevar8x32_epi32(bucket, place);
                let these = _mm256_and_si256(_mm256_unpacklo_epi16(agree, agree), position);
                let those = _mm256_and_si256(_mm256_unpackhi_epi16(agree, agree), position);
                short = _mm256_max_epu32(short, these);
                long = _mm256_max_epu32(long, those);
            }
            Wide([short, long])
        }
    }

    #[inline(always)]
    fn offsets(self, pos: u32) -> ([u32; NEAR], usize) {
        // SAFETY: this is compiled for processors with AVX2 only.
        let newest = unsafe {
            let [short, long] = self.0;
            let (short, long) = (fold(short), fold(long));
            [
                _mm_alignr_epi8::<4>(long, short),
                _mm_alignr_epi8::<4>(_mm_setzero_si128(), long),
            ]
        };
        wide_offsets(newest, pos)
    }

    #[inline(always)]
    fn slot_rows(offsets: &[u32; NEAR]) -> [u16; NEAR] {
        sse2::Wide::slot_rows(offsets)
    }
}
