//! With the vectors of WebAssembly.

#![allow(unsafe_code, reason = "loads and stores of vectors")]

use super::{BUCKET, NARROW_MASKS, NEAR, Nearest, WIDE_MASKS, WIDE_NONE, agreeing, wide_slot_rows};
use core::arch::wasm32::{
    f32x4_convert_i32x4, i16x8, i16x8_bitmask, i16x8_eq, i16x8_narrow_i32x4, i32x4_bitmask,
    i32x4_eq, u16x8_add, u16x8_max, u16x8_shl, u16x8_splat, u16x8_sub, u32x4_add,
    u32x4_extend_high_u16x8, u32x4_extend_low_u16x8, u32x4_max, u32x4_shr, u32x4_splat, u32x4_sub,
    v128, v128_and, v128_bitselect, v128_load, v128_or, v128_store,
};

/// The vector that an array of 16 bytes is.
#[inline(always)]
fn load<T, const N: usize>(from: &[T; N]) -> v128 {
    const { assert!(size_of::<[T; N]>() == size_of::<v128>()) };
    // SAFETY: the array is as long as a vector, and nothing is asked of its alignment.
    unsafe { v128_load(from.as_ptr().cast()) }
}

#[inline(always)]
fn store<T, const N: usize>(to: &mut [T; N], vector: v128) {
    const { assert!(size_of::<[T; N]>() == size_of::<v128>()) };
    // SAFETY: as in `load`; every pattern of bits is a `u16` and a `u32`, for which alone this is used.
    unsafe { v128_store(to.as_mut_ptr().cast(), vector) }
}

/// Positions of 16 bits.
#[derive(Clone, Copy)]
pub(crate) struct Narrow(v128);

impl Nearest for Narrow {
    type Offset = u16;
    type Bucket = u64;

    #[inline(always)]
    fn none() -> Self {
        Narrow(u16x8_splat(0))
    }

    #[inline(always)]
    fn with(mut self, word: u64, words: [u64; BUCKET], bucket: u64) -> Self {
        for (i, other) in words.into_iter().enumerate() {
            let mask = load(&NARROW_MASKS.0[agreeing(word ^ other)]);
            let position = u16x8_splat((bucket >> (16 * i)) as u16);
            self.0 = u16x8_max(self.0, v128_and(position, mask));
        }
        self
    }

    #[inline(always)]
    fn offsets(self, pos: u16) -> ([u16; NEAR], usize) {
        let mut offsets = [0; NEAR];
        let none = i16x8_eq(self.0, u16x8_splat(0));
        store(
            &mut offsets,
            v128_or(u16x8_sub(u16x8_splat(pos), self.0), none),
        );
        (offsets, i16x8_bitmask(none).trailing_zeros() as usize + 1)
    }

    #[inline(always)]
    fn slot_rows(offsets: &[u16; NEAR]) -> [u16; NEAR] {
        let offsets = load(offsets);
        let slots = |offsets| {
            let adjusted = f32x4_convert_i32x4(u32x4_add(offsets, u32x4_splat(2)));
            u32x4_shr(adjusted, 22)
        };
        let slots = i16x8_narrow_i32x4(
            slots(u32x4_extend_low_u16x8(offsets)),
            slots(u32x4_extend_high_u16x8(offsets)),
        );
        let lanes = u16x8_sub(i16x8(0, 1, 2, 3, 4, 5, 6, 7), u16x8_splat(8 * 254));
        let mut rows = [0; NEAR];
        store(&mut rows, u16x8_add(u16x8_shl(slots, 3), lanes));
        rows
    }
}

/// Positions of 21 bits.
#[derive(Clone, Copy)]
pub(crate) struct Wide([v128; 2]);

impl Nearest for Wide {
    type Offset = u32;
    type Bucket = u128;

    #[inline(always)]
    fn none() -> Self {
        Wide([u32x4_splat(0); 2])
    }

    #[inline(always)]
    fn with(mut self, word: u64, words: [u64; BUCKET], bucket: u128) -> Self {
        for (i, other) in words.into_iter().enumerate() {
            let masks = WIDE_MASKS.0[agreeing(word ^ other)]
                .as_chunks::<{ NEAR / 2 }>()
                .0;
            let position = u32x4_splat((bucket >> (32 * i)) as u32);
            for (newest, mask) in self.0.iter_mut().zip(masks) {
                *newest = u32x4_max(*newest, v128_and(position, load(mask)));
            }
        }
        self
    }

    #[inline(always)]
    fn offsets(self, pos: u32) -> ([u32; NEAR], usize) {
        let mut offsets = [0; NEAR];
        let mut count = 0;
        for (found, newest) in offsets
            .as_chunks_mut::<{ NEAR / 2 }>()
            .0
            .iter_mut()
            .zip(self.0)
        {
            let none = i32x4_eq(newest, u32x4_splat(0));
            let offsets = u32x4_sub(u32x4_splat(pos), newest);
            store(found, v128_bitselect(u32x4_splat(WIDE_NONE), offsets, none));
            count += (i32x4_bitmask(none) | 1 << 4).trailing_zeros() as usize;
        }
        (offsets, count + 1)
    }

    #[inline(always)]
    fn slot_rows(offsets: &[u32; NEAR]) -> [u16; NEAR] {
        wide_slot_rows(offsets)
    }
}
