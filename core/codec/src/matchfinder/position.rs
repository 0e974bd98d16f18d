//! Positions in a window, as narrow as the window allows, and words at them.
//!
//! A window is an array that is longer than any position can point to, so reading a word needs no
//! check of bounds.

use alloc::boxed::Box;

use super::PADDING;
use crate::array::{Zero, zeroed};
use crate::cpu::{Common, Instructions};

use super::chain::Chain;
use super::far::Far;
use super::lanes::{NARROW_NONE, Nearest, WIDE_NONE};
use super::long::Long;
use super::tables::NEAR;

/// Positions in a bucket.
pub(crate) const BUCKET: usize = 4;

/// A position as stored in a table.
pub(crate) trait Position: Copy + Default + Zero + Ord + core::fmt::Debug {
    /// An array with a word after every position that can be expressed.
    type Window;
    /// The size of [`Position::Window`].
    const WINDOW: usize;
    /// How many positions before its use the processor is told of a place in a table, a power of two:
    /// the tables of a large window are in a slow cache.
    const AHEAD: usize;
    /// What leads to long matches, with tables of this size.
    type Long<const N: usize>: Long<Self>;
    /// A position for every one that can be expressed.
    type Links: core::fmt::Debug;
    /// Several positions, the newest first.
    type Bucket: Copy + Default + Zero + core::fmt::Debug;
    /// An offset larger than all, in a slot of its own.
    const NONE: Self;
    /// The nearest matches by length.
    type Nearest<I: Instructions>: Nearest<Offset = Self, Bucket = Self::Bucket>;

    /// The lower bits of `position`.
    fn new(position: usize) -> Self;
    /// The position, less than `WINDOW` − [`PADDING`].
    fn get(self) -> usize;
    /// For each lane, the slot of its adjusted offset (see LZX) times eight, plus the number of the lane.
    fn slot_rows(lanes: &[Self; NEAR]) -> [u16; NEAR];
    /// Links that all lead to the start.
    fn links() -> Box<Self::Links>;
    /// Where this position links to.
    fn next(self, links: &Self::Links) -> Self;
    /// Links this position to another.
    fn link(self, links: &mut Self::Links, to: Self);
    /// The start of `buffer` as a window, if it is long enough.
    fn window(buffer: &[u8]) -> Option<&Self::Window>;
    /// The bucket with `self` in front and without its last position.
    fn push(self, bucket: Self::Bucket) -> Self::Bucket;
    /// A bucket of these positions.
    fn bucket(positions: [Self; BUCKET]) -> Self::Bucket;
    /// The positions of a bucket.
    fn all(bucket: Self::Bucket) -> [Self; BUCKET];
    /// The eight bytes at `at`.
    fn load(window: &Self::Window, at: Self) -> u64;
    /// The four bytes at `at`.
    fn load_half(window: &Self::Window, at: Self) -> u32;
    /// The eight bytes after those.
    fn load_next(window: &Self::Window, at: Self) -> u64;

    /// How many bytes at `a` and at `b` agree, from `length` on (that many are known to), up to
    /// `most`.
    #[inline(always)]
    fn match_length(
        window: &Self::Window,
        a: usize,
        b: usize,
        mut length: usize,
        most: usize,
    ) -> usize {
        while length < most {
            let differ = Self::load(window, Self::new(a + length))
                ^ Self::load(window, Self::new(b + length));
            if differ != 0 {
                return (length + differ.trailing_zeros() as usize / 8).min(most);
            }
            length += 8;
        }
        most
    }
}

macro_rules! position {
    ($type:ty, $bits:expr, $ahead:expr, $bucket:ty, $long:ident, $nearest:ident, $none:expr) => {
        impl Position for $type {
            type Window = [u8; (1 << $bits) + PADDING];
            const WINDOW: usize = (1 << $bits) + PADDING;
            const AHEAD: usize = $ahead;
            type Long<const N: usize> = $long<$type, N>;
            type Links = [$type; 1 << $bits];
            type Bucket = $bucket;
            const NONE: Self = $none;
            type Nearest<I: Instructions> = I::$nearest;

            #[inline(always)]
            fn new(position: usize) -> Self {
                position as $type
            }
            #[inline(always)]
            fn get(self) -> usize {
                self as usize & ((1 << $bits) - 1)
            }
            #[inline(always)]
            fn push(self, bucket: $bucket) -> $bucket {
                bucket << <$type>::BITS | <$bucket>::from(self)
            }
            #[inline(always)]
            fn bucket(positions: [Self; BUCKET]) -> $bucket {
                positions
                    .into_iter()
                    .rev()
                    .fold(0, |bucket, position| position.push(bucket))
            }
            #[inline(always)]
            fn all(bucket: $bucket) -> [Self; BUCKET] {
                core::array::from_fn(|i| (bucket >> (<$type>::BITS as usize * i)) as $type)
            }
            #[inline(always)]
            fn slot_rows(lanes: &[$type; NEAR]) -> [u16; NEAR] {
                <Common as Instructions>::$nearest::slot_rows(lanes)
            }
            fn links() -> Box<Self::Links> {
                zeroed()
            }
            #[inline(always)]
            fn next(self, links: &Self::Links) -> Self {
                links[self.get()]
            }
            #[inline(always)]
            fn link(self, links: &mut Self::Links, to: Self) {
                links[self.get()] = to;
            }
            #[inline(always)]
            fn window(buffer: &[u8]) -> Option<&Self::Window> {
                buffer.first_chunk()
            }
            #[inline(always)]
            fn load(window: &Self::Window, at: Self) -> u64 {
                match window[at.get()..].first_chunk() {
                    Some(bytes) => u64::from_le_bytes(*bytes),
                    None => 0,
                }
            }
            #[inline(always)]
            fn load_half(window: &Self::Window, at: Self) -> u32 {
                match window[at.get()..].first_chunk() {
                    Some(bytes) => u32::from_le_bytes(*bytes),
                    None => 0,
                }
            }
            #[inline(always)]
            fn load_next(window: &Self::Window, at: Self) -> u64 {
                match window[at.get() + 8..].first_chunk() {
                    Some(bytes) => u64::from_le_bytes(*bytes),
                    None => 0,
                }
            }
        }
    };
}

position!(u16, 16, 1, u64, Chain, Narrow, NARROW_NONE);
position!(u32, 21, 8, u128, Far, Wide, WIDE_NONE);
