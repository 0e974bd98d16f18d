//! Recognising data that cannot be compressed, before spending time on it.
//!
//! Media and archives are compressed already: their bytes are evenly spread and nothing repeats. A
//! sample of a chunk is enough to see that most data are not like that. If the sample is, all bytes
//! are counted, and repeats of four bytes are looked for. The answer depends on the chunk's bytes
//! only, and it is "yes" only if literals alone cannot win and matches save less than the rest costs.

use crate::entropy::{BIT, log2};

/// Chunks below this size are quick to try.
const LEAST: usize = 4096;
/// The sample: this many pieces of this many bytes.
const PIECES: usize = 16;
const PIECE: usize = 64;
/// Entropy per byte of the sample above which it looks incompressible. A sample of 1024 bytes of even
/// distribution has about 7.8.
const SUSPICIOUS: u64 = 7 * BIT as u64 + BIT as u64 / 2;
/// Bytes that any code costs at least, and what a repeat of four bytes may save, in bytes.
const HEADER: u64 = 60;
const REPEAT: u64 = 2;

/// Whether `data` will not shrink. May say no where the answer is yes.
pub(crate) fn is_incompressible(data: &[u8]) -> bool {
    if data.len() < LEAST {
        return false;
    }
    let mut counts = [0u32; 256];
    let stride = (data.len() - PIECE) / (PIECES - 1);
    for piece in 0..PIECES {
        for &byte in &data[piece * stride..piece * stride + PIECE] {
            counts[usize::from(byte)] += 1;
        }
    }
    if entropy(&counts) < SUSPICIOUS * (PIECES * PIECE) as u64 {
        return false;
    }
    counts.fill(0);
    for &byte in data {
        counts[usize::from(byte)] += 1;
    }
    let literals = entropy(&counts) / u64::from(8 * BIT);
    literals + HEADER >= data.len() as u64 + REPEAT * repeats(data)
}

/// The sum of what all bytes cost, in units of 2^-8 bits.
fn entropy(counts: &[u32; 256]) -> u64 {
    let total = log2(counts.iter().sum::<u32>().max(1));
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| u64::from(count) * u64::from(total - log2(count)))
        .sum()
}

/// How many positions repeat the four bytes at an earlier one.
fn repeats(data: &[u8]) -> u64 {
    const BITS: u32 = 12;
    let mut last = [0u32; 1 << BITS];
    let mut count = 0;
    for window in data.windows(4) {
        let word = u32::from_le_bytes([window[0], window[1], window[2], window[3]]);
        let slot = &mut last[(word.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize];
        count += u64::from(*slot == word);
        *slot = word;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn noise(size: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut byte = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        (0..size).map(|_| byte()).collect()
    }

    #[test]
    fn noise_is() {
        for size in [4096, 5000, 32768, 1 << 20] {
            assert!(is_incompressible(&noise(size)), "{size}");
        }
    }

    #[test]
    fn repeated_noise_and_text_are_not() {
        let mut data = noise(20000);
        data.extend_from_within(..10000);
        assert!(!is_incompressible(&data));
        assert!(!is_incompressible(&b"some words ".repeat(1000)));
        assert!(!is_incompressible(&noise(100)));
    }
}
