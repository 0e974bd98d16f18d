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
    let mut at = 0;
    while at < end {
        // Most chunks have few opcodes: skip blocks without one by a test that vectorises.
        if let Some(block) = data[at..end].first_chunk::<32>()
            && !block
                .iter()
                .fold(false, |any, &byte| any | (byte == OPCODE))
        {
            at += 32;
            continue;
        }
        let stop = end.min(at + 32);
        while at < stop {
            if data[at] != OPCODE {
                at += 1;
                continue;
            }
            if let Some(bytes) = data[at + 1..].first_chunk_mut::<4>() {
                *bytes = change(i32::from_le_bytes(*bytes), at as i32).to_le_bytes();
            }
            at += 5;
        }
    }
}

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
    }
}
