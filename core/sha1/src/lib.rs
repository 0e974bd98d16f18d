//! SHA-1 (FIPS 180-4) of several streams of data at once.
//!
//! Each round of SHA-1 needs the one before, so that a processor with instructions for it waits for them
//! most of the time. [`update_together`] gives it rounds of up to [`LANES`] streams by turns, which are done in less
//! than half of the time. Processors without them take one stream after the other.
#![deny(unsafe_code)]

mod lanes;

pub use lanes::LANES;
use lanes::Lane;

/// Bytes of a block.
const BLOCK: usize = 64;
/// Where the size of the data stands in the last block.
const SIZE_AT: usize = BLOCK - 8;

type State = [u32; 5];
type Block = [u8; BLOCK];

/// The computation of one hash.
#[derive(Clone, Debug)]
pub struct Hasher {
    state: State,
    /// The beginning of a block; the rest has not come yet.
    partial: Block,
    /// Bytes of data so far.
    len: u64,
}

impl Default for Hasher {
    fn default() -> Self {
        Self {
            state: [
                0x6745_2301,
                0xEFCD_AB89,
                0x98BA_DCFE,
                0x1032_5476,
                0xC3D2_E1F0,
            ],
            partial: [0; BLOCK],
            len: 0,
        }
    }
}

impl Hasher {
    /// Without data.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds data.
    pub fn update(&mut self, data: &[u8]) {
        update_together([(self, data)]);
    }

    /// The hash of all data added.
    #[must_use]
    pub fn finish(mut self) -> [u8; 20] {
        let bits = self.len.wrapping_mul(8);
        let filled = self.filled();
        self.partial[filled] = 0x80;
        self.partial[filled + 1..].fill(0);
        if filled >= SIZE_AT {
            self.compress_partial();
            self.partial.fill(0);
        }
        self.partial[SIZE_AT..].copy_from_slice(&bits.to_be_bytes());
        self.compress_partial();
        let mut hash = [0; 20];
        for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        hash
    }

    /// How much there is of the block that is not complete.
    fn filled(&self) -> usize {
        (self.len % BLOCK as u64) as usize
    }

    fn compress_partial(&mut self) {
        sha1::block_api::compress(&mut self.state, &[self.partial]);
    }

    /// Takes data in but for its whole blocks, which are still to be compressed.
    fn absorb<'a>(&mut self, mut data: &'a [u8]) -> &'a [Block] {
        let filled = self.filled();
        self.len = self.len.wrapping_add(data.len() as u64);
        if filled > 0 {
            let (missing, rest) = data.split_at(data.len().min(BLOCK - filled));
            self.partial[filled..filled + missing.len()].copy_from_slice(missing);
            if filled + missing.len() < BLOCK {
                return &[];
            }
            self.compress_partial();
            data = rest;
        }
        let (blocks, rest) = data.as_chunks();
        self.partial[..rest.len()].copy_from_slice(rest);
        blocks
    }
}

/// Adds data to several hashes, which takes less time than to add it to one after the other.
pub fn update_together<'a>(work: impl IntoIterator<Item = (&'a mut Hasher, &'a [u8])>) {
    lanes::compress(work.into_iter().map(|(hasher, data)| {
        let blocks = hasher.absorb(data);
        Lane {
            state: &mut hasher.state,
            blocks,
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(hash: [u8; 20]) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn hash(data: &[u8]) -> [u8; 20] {
        let mut hasher = Hasher::new();
        hasher.update(data);
        hasher.finish()
    }

    fn reference(data: &[u8]) -> [u8; 20] {
        use sha1::Digest as _;
        sha1::Sha1::digest(data).into()
    }

    /// FIPS 180's examples.
    #[test]
    fn known_hashes() {
        let known: [(&[u8], &str); 3] = [
            (b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
        ];
        for (data, expected) in known {
            assert_eq!(hex(hash(data)), expected);
        }
    }

    #[test]
    fn every_way_to_end_a_block() {
        let data: Vec<u8> = (0..200).collect();
        for len in 0..data.len() {
            assert_eq!(hash(&data[..len]), reference(&data[..len]), "{len} bytes");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 200 }))]

        /// Streams of any number and size, added in any pieces.
        #[test]
        fn together_as_one_by_one(
            streams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..10),
            cuts in prop::collection::vec(0..2000usize, 0..4),
        ) {
            let mut hashers = vec![Hasher::new(); streams.len()];
            let mut from = 0;
            for to in cuts.into_iter().chain([2000]) {
                let pieces = streams.iter().map(|data| {
                    let to = to.min(data.len());
                    &data[from.min(to)..to]
                });
                update_together(hashers.iter_mut().zip(pieces));
                from = from.max(to);
            }
            for (hasher, data) in hashers.into_iter().zip(&streams) {
                prop_assert_eq!(hasher.finish(), reference(data));
            }
        }
    }
}
