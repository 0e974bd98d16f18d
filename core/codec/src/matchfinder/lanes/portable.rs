//! For any processor.

use super::{
    BUCKET, NARROW_MASKS, NARROW_NONE, NEAR, Nearest, WIDE_MASKS, WIDE_NONE, agreeing,
    wide_slot_rows,
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
