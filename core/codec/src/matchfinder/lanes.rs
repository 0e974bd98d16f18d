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
    /// For each offset, the low three bits of the adjusted offset, and 8 more if that has at least three
    /// extra bits.
    fn low_rows(offsets: &[Self::Offset; NEAR]) -> [u16; NEAR];
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

#[inline(always)]
fn wide_low_rows(offsets: &[u32; NEAR]) -> [u16; NEAR] {
    offsets.map(|offset| {
        let adjusted = offset + 2;
        (adjusted % 8 + if adjusted >= 16 { 8 } else { 0 }) as u16
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

#[cfg(target_arch = "x86_64")]
impl Instructions for crate::cpu::Avx2 {
    type Narrow = avx2::Narrow;
    type Wide = avx2::Wide;

    #[inline(always)]
    fn hash(word: u64, next: u32, factors: &[[u32; TABLES]; 3], shift: u32) -> [u32; TABLES] {
        avx2::hash(word, next, factors, shift)
    }
}

#[cfg(target_feature = "simd128")]
mod simd128;

#[cfg(any(test, not(any(target_arch = "x86_64", target_feature = "simd128"))))]
mod portable {
    use super::{
        BUCKET, NARROW_MASKS, NARROW_NONE, NEAR, Nearest, WIDE_MASKS, WIDE_NONE, agreeing,
        wide_low_rows, wide_slot_rows,
    };

    macro_rules! nearest {
        ($name:ident, $offset:ty, $bucket:ty, $masks:ident, $none:expr, $doc:expr) => {
            #[doc = $doc]
            #[derive(Clone, Copy)]
            pub(crate) struct $name([$offset; NEAR]);

            impl Nearest for $name {
                type Offset = $offset;
                type Bucket = $bucket;

                #[inline(always)]
                fn none() -> Self {
                    $name([0; NEAR])
                }

                #[inline(always)]
                fn with(mut self, word: u64, words: [u64; BUCKET], bucket: $bucket) -> Self {
                    for (i, other) in words.into_iter().enumerate() {
                        let position = (bucket >> (<$offset>::BITS as usize * i)) as $offset;
                        let masks = &$masks.0[agreeing(word ^ other)];
                        for (lane, mask) in self.0.iter_mut().zip(masks) {
                            *lane = (*lane).max(position & mask);
                        }
                    }
                    self
                }

                #[inline(always)]
                fn offsets(self, pos: $offset) -> ([$offset; NEAR], usize) {
                    let count = self.0.iter().filter(|&&lane| lane != 0).count();
                    let offset = |lane| if lane == 0 { $none } else { pos - lane };
                    (self.0.map(offset), count + 1)
                }

                #[inline(always)]
                fn slot_rows(offsets: &[$offset; NEAR]) -> [u16; NEAR] {
                    wide_slot_rows(&offsets.map(u32::from))
                }

                #[inline(always)]
                fn low_rows(offsets: &[$offset; NEAR]) -> [u16; NEAR] {
                    wide_low_rows(&offsets.map(u32::from))
                }
            }
        };
    }

    nearest!(
        Narrow,
        u16,
        u64,
        NARROW_MASKS,
        NARROW_NONE,
        "Positions of 16 bits."
    );
    nearest!(
        Wide,
        u32,
        u128,
        WIDE_MASKS,
        WIDE_NONE,
        "Positions of 21 bits."
    );
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instructions that every x86-64 has")]
mod sse2 {
    use super::{
        BUCKET, NARROW_MASKS, NEAR, Nearest, WIDE_MASKS, WIDE_NONE, agreeing, wide_low_rows,
        wide_slot_rows,
    };
    use core::arch::x86_64::{
        __m128i, _mm_add_epi16, _mm_add_epi32, _mm_and_si128, _mm_andnot_si128, _mm_castps_si128,
        _mm_cmpeq_epi16, _mm_cmpeq_epi32, _mm_cmpgt_epi16, _mm_cmpgt_epi32, _mm_cvtepi32_ps,
        _mm_load_si128, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_packs_epi32,
        _mm_set_epi16, _mm_set1_epi16, _mm_set1_epi32, _mm_setzero_si128, _mm_slli_epi16,
        _mm_srli_epi32, _mm_storeu_si128, _mm_sub_epi16, _mm_sub_epi32, _mm_subs_epu16,
        _mm_unpackhi_epi16, _mm_unpacklo_epi16,
    };

    /// Positions of 16 bits.
    #[derive(Clone, Copy)]
    pub(crate) struct Narrow(__m128i);

    /// Offsets and the greatest length, given the newest positions.
    #[inline(always)]
    pub(super) fn narrow_offsets(newest: __m128i, pos: u16) -> ([u16; NEAR], usize) {
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
    pub(super) fn wide_offsets(newest: [__m128i; 2], pos: u32) -> ([u32; NEAR], usize) {
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

        #[inline(always)]
        fn low_rows(offsets: &[u16; NEAR]) -> [u16; NEAR] {
            let mut rows = [0u16; NEAR];
            // SAFETY: every x86-64 has these instructions. The arrays are 16 bytes long; nothing is
            // asked of their alignment.
            unsafe {
                let offsets = _mm_loadu_si128(offsets.as_ptr().cast());
                let zero = _mm_setzero_si128();
                let is_short = _mm_cmpgt_epi16(_mm_subs_epu16(_mm_set1_epi16(14), offsets), zero);
                let low =
                    _mm_and_si128(_mm_add_epi16(offsets, _mm_set1_epi16(2)), _mm_set1_epi16(7));
                let found = _mm_add_epi16(low, _mm_andnot_si128(is_short, _mm_set1_epi16(8)));
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

        #[inline(always)]
        fn low_rows(offsets: &[u32; NEAR]) -> [u16; NEAR] {
            wide_low_rows(offsets)
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(
    unsafe_code,
    reason = "instructions that a processor has that gets here"
)]
mod avx2 {
    use super::sse2::{self, narrow_offsets, wide_offsets};
    use super::{BUCKET, NEAR, Nearest, TABLES};
    use core::arch::x86_64::{
        __m128i, __m256i, _mm_alignr_epi8, _mm_cvtsi32_si128, _mm_max_epu16, _mm_max_epu32,
        _mm_setzero_si128, _mm256_add_epi32, _mm256_add_epi64, _mm256_and_si256,
        _mm256_andnot_si256, _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_extracti128_si256,
        _mm256_loadu_si256, _mm256_max_epu16, _mm256_max_epu32, _mm256_mullo_epi32,
        _mm256_permutevar8x32_epi32, _mm256_set_epi64x, _mm256_set1_epi8, _mm256_set1_epi32,
        _mm256_set1_epi64x, _mm256_setr_epi8, _mm256_setr_epi32, _mm256_setzero_si256,
        _mm256_shuffle_epi8, _mm256_srl_epi32, _mm256_storeu_si256, _mm256_unpackhi_epi8,
        _mm256_unpackhi_epi16, _mm256_unpacklo_epi8, _mm256_unpacklo_epi16, _mm256_xor_si256,
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
                    0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 4, 5, 4, 5, 4, 5, 4, 5, 4, 5,
                    4, 5, 4, 5, 4, 5,
                );
                let odd = _mm256_setr_epi8(
                    2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 6, 7, 6, 7, 6, 7, 6, 7, 6, 7,
                    6, 7, 6, 7, 6, 7,
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

        #[inline(always)]
        fn low_rows(offsets: &[u16; NEAR]) -> [u16; NEAR] {
            sse2::Narrow::low_rows(offsets)
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

        #[inline(always)]
        fn low_rows(offsets: &[u32; NEAR]) -> [u16; NEAR] {
            sse2::Wide::low_rows(offsets)
        }
    }
}

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

    type Seen<T> = ([T; NEAR], usize, [u16; NEAR], [u16; NEAR]);

    struct NarrowSeen<'a>(&'a Case);

    #[inline(always)]
    fn narrow<N: Nearest<Offset = u16, Bucket = u64>>(case: &Case) -> Seen<u16> {
        let mut lanes = N::none();
        for (words, positions) in &case.buckets {
            let [a, b, c, d] = positions.map(u64::from);
            lanes = lanes.with(case.word, *words, a | b << 16 | c << 32 | d << 48);
        }
        let (offsets, longest) = lanes.offsets(case.pos as u16);
        (
            offsets,
            longest,
            N::slot_rows(&offsets),
            N::low_rows(&offsets),
        )
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
        (
            offsets,
            longest,
            N::slot_rows(&offsets),
            N::low_rows(&offsets),
        )
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
