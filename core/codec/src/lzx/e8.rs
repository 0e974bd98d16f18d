//! The call filter.
//!
//! In 80x86 machine code, byte E8 is a call whose 32-bit operand is relative to its own place, so
//! calls of one function from many places look different. The filter makes operands absolute before
//! compression. It knows nothing of instructions: any E8 byte counts, except within the operand of
//! one before it and within the last ten bytes of the chunk. "Absolute" is meant within an imaginary
//! file of [`FILE_SIZE`] bytes that starts with the chunk, and operands that point outside of it are
//! permuted so that the filter stays a bijection.

const OPCODE: u8 = 0xe8;
const FILE_SIZE: i32 = 12_000_000;
/// Bytes at the end of a chunk that are never an opcode.
const TAIL: usize = 10;
/// Bytes that are searched together.
const BLOCK: usize = 64;

/// Makes operands absolute: before compression.
pub(super) fn encode(data: &mut [u8]) {
    filter(data, |operand, position| {
        if (-position..FILE_SIZE - position).contains(&operand) {
            operand + position
        } else if (FILE_SIZE - position..FILE_SIZE).contains(&operand) {
            operand - FILE_SIZE
        } else {
            operand
        }
    });
}

/// Makes operands relative again: after decompression.
pub(super) fn decode(data: &mut [u8]) {
    filter(data, |operand, position| {
        if (0..FILE_SIZE).contains(&operand) {
            operand - position
        } else if (-position..0).contains(&operand) {
            operand + FILE_SIZE
        } else {
            operand
        }
    });
}

#[inline(always)]
fn filter(data: &mut [u8], change: impl Fn(i32, i32) -> i32) {
    let end = data.len().saturating_sub(TAIL);
    // Bytes before this one are operands.
    let mut free = 0;
    let mut block = 0;
    while block < end {
        // Opcodes of a block are found together: most blocks have none, and where the next one is
        // cannot be foretold.
        let mut opcodes = match data[block..].first_chunk() {
            Some(bytes) => opcodes(bytes),
            None => opcodes_at_end(&data[block..]),
        };
        while opcodes != 0 {
            let at = block + opcodes.trailing_zeros() as usize;
            opcodes &= opcodes - 1;
            if at < free || at >= end {
                continue;
            }
            if let Some(bytes) = data[at + 1..].first_chunk_mut::<4>() {
                *bytes = change(i32::from_le_bytes(*bytes), at as i32).to_le_bytes();
            }
            free = at + 5;
        }
        block += BLOCK;
    }
}

fn opcodes_at_end(data: &[u8]) -> u64 {
    let mut block = [0; BLOCK];
    block[..data.len()].copy_from_slice(data);
    opcodes(&block)
}

#[cfg(target_arch = "x86_64")]
mod leaf {
    #![allow(unsafe_code)]

    use super::{BLOCK, OPCODE};
    use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};

    /// Which bytes are opcodes, the first byte in the lowest bit.
    #[inline(always)]
    pub(super) fn opcodes(block: &[u8; BLOCK]) -> u64 {
        let mut found = 0;
        for (i, part) in block.as_chunks::<16>().0.iter().enumerate() {
            // SAFETY: the instructions are part of every x86-64 processor (SSE2); the load reads the
            // 16 bytes of `part` and needs no alignment.
            let mask = unsafe {
                let bytes = _mm_loadu_si128(part.as_ptr().cast());
                _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(OPCODE as i8)))
            };
            found |= u64::from(mask as u16) << (16 * i);
        }
        found
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::{BLOCK, OPCODE};

    /// Which bytes are opcodes, the first byte in the lowest bit.
    pub(super) fn opcodes(block: &[u8; BLOCK]) -> u64 {
        // Most blocks have none: a test that vectorises.
        if !block
            .iter()
            .fold(false, |any, &byte| any | (byte == OPCODE))
        {
            return 0;
        }
        block
            .iter()
            .rev()
            .fold(0, |found, &byte| found << 1 | u64::from(byte == OPCODE))
    }
}

#[cfg(target_arch = "x86_64")]
use leaf::opcodes;
#[cfg(not(target_arch = "x86_64"))]
use portable::opcodes;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn examples() {
        for (operand, stored) in [
            (0x1000, 0x1064),
            (-50, 50),
            (11_999_950, -50),
            (-101, -101),
            (12_000_000, 12_000_000),
            (11_999_899, 11_999_999),
            (11_999_900, -100),
        ] {
            let mut data = [0u8; 120];
            data[100] = OPCODE;
            data[101..105].copy_from_slice(&i32::to_le_bytes(operand));
            let plain = data;
            encode(&mut data);
            assert_eq!(data[101..105], i32::to_le_bytes(stored));
            decode(&mut data);
            assert_eq!(data, plain);
        }
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(
            mut data in prop::collection::vec(prop_oneof![Just(0xe8u8), Just(0), Just(0xff), any::<u8>()], 0..500)
        ) {
            let plain = data.clone();
            encode(&mut data);
            decode(&mut data);
            prop_assert_eq!(data, plain);
        }

        #[test]
        fn leaf_as_portable(data in prop::array::uniform32(0xe6u8..0xea)) {
            let mut block = [0; BLOCK];
            block[..32].copy_from_slice(&data);
            block[32..].copy_from_slice(&data);
            prop_assert_eq!(opcodes(&block), portable::opcodes(&block));
        }

        #[test]
        fn as_byte_by_byte(
            data in prop::collection::vec(prop_oneof![Just(0xe8u8), 0xe0u8..0xf0, any::<u8>()], 0..300)
        ) {
            let mut seen = alloc::vec::Vec::new();
            let mut at = 0;
            while at + TAIL < data.len() {
                if data[at] == OPCODE {
                    seen.push(at);
                    at += 4;
                }
                at += 1;
            }
            let mut marked = data.clone();
            filter(&mut marked, |operand, _| !operand);
            for &at in &seen {
                prop_assert_eq!(marked[at + 1], !data[at + 1]);
            }
            let changed = marked.iter().zip(&data).filter(|(a, b)| a != b).count();
            prop_assert_eq!(changed, 4 * seen.len());
        }
    }
}
