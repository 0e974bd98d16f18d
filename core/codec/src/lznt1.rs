//! LZNT1: the compression of NTFS attributes.
//!
//! Data is a sequence of sub-blocks that each stand for 4,096 bytes of output (the last for fewer) and
//! share nothing. A sub-block begins with a 16-bit header: the size of its body less one in the low 12
//! bits, the number 3 in the next three, and in the highest whether the body is compressed or raw. A
//! header of zero, or the end of the input, ends the data, and whatever was not supplied is zero.
//!
//! A compressed body is made of groups: a flag byte, then an item for each flag from the lowest bit up,
//! either a literal byte or a 16-bit match. A match divides its bits between offset and length so that
//! the offset can just reach the start of the sub-block: the further in, the more bits for the offset
//! and the fewer for the length.

use alloc::vec::Vec;

use crate::DecodeError;

/// Output bytes of a sub-block.
const BLOCK: usize = 4096;
const COMPRESSED: u16 = 0x8000;
const SIGNATURE: u16 = 0x3000;
const MIN_MATCH: usize = 3;

/// Number of offset bits in a match token when `done` bytes (at least 1) of the sub-block are out.
fn offset_bits(done: usize) -> u32 {
    (usize::BITS - (done - 1).leading_zeros()).max(4)
}

/// Decompresses a compression unit; `output` has the unit's size. What the input does not supply is
/// filled with zeros.
///
/// # Errors
/// [`DecodeError`] for malformed input, or input that stands for more than `output.len()` bytes.
pub fn decompress(input: &[u8], output: &mut [u8]) -> Result<(), DecodeError> {
    let mut rest = input;
    let mut blocks = output.chunks_mut(BLOCK);
    while !rest.is_empty() {
        let Some((&header, body)) = rest.split_first_chunk::<2>() else {
            // A single byte is left: padding if it is zero.
            if rest == [0] {
                break;
            }
            return Err(DecodeError::Truncated);
        };
        let header = u16::from_le_bytes(header);
        if header == 0 {
            break;
        }
        if header & 0x7000 != SIGNATURE {
            return Err(DecodeError::BadField);
        }
        let Some((body, after)) = body.split_at_checked(usize::from(header & 0xFFF) + 1) else {
            return Err(DecodeError::Truncated);
        };
        let Some(block) = blocks.next() else {
            return Err(DecodeError::BadLength);
        };
        let done = if header & COMPRESSED != 0 {
            decompress_block(body, block)?
        } else {
            let Some(start) = block.get_mut(..body.len()) else {
                return Err(DecodeError::BadLength);
            };
            start.copy_from_slice(body);
            body.len()
        };
        block[done..].fill(0);
        rest = after;
    }
    for block in blocks {
        block.fill(0);
    }
    Ok(())
}

/// Decompresses the body of a sub-block; returns the number of bytes it gave.
fn decompress_block(body: &[u8], block: &mut [u8]) -> Result<usize, DecodeError> {
    let mut rest = body;
    let mut done = 0;
    while let Some((&flags, items)) = rest.split_first() {
        rest = items;
        for bit in 0..8 {
            if rest.is_empty() {
                break;
            }
            if flags >> bit & 1 == 0 {
                let Some((target, (&byte, after))) = block.get_mut(done).zip(rest.split_first())
                else {
                    return Err(DecodeError::BadLength);
                };
                *target = byte;
                done += 1;
                rest = after;
                continue;
            }
            let Some((&token, after)) = rest.split_first_chunk::<2>() else {
                return Err(DecodeError::Truncated);
            };
            rest = after;
            if done == 0 {
                return Err(DecodeError::BadOffset);
            }
            let token = u16::from_le_bytes(token);
            let length_bits = 16 - offset_bits(done);
            let offset = usize::from(token >> length_bits) + 1;
            let length = usize::from(token & ((1 << length_bits) - 1)) + MIN_MATCH;
            if offset > done {
                return Err(DecodeError::BadOffset);
            }
            if length > block.len() - done {
                return Err(DecodeError::BadLength);
            }
            if offset >= length {
                block.copy_within(done - offset..done - offset + length, done);
            } else {
                for at in done..done + length {
                    block[at] = block[at - offset];
                }
            }
            done += length;
        }
    }
    Ok(done)
}

/// Positions tried for each match.
const DEPTH: usize = 16;
const HASH_BITS: u32 = 12;

/// Appends `input`, compressed, to `out`. Meant for making test data: it parses greedily and searches
/// little. There is no end mark; the reader knows the size or adds two zero bytes.
pub fn compress(input: &[u8], out: &mut Vec<u8>) {
    for block in input.chunks(BLOCK) {
        let start = out.len();
        out.extend([0, 0]);
        compress_block(block, out);
        let mut size = out.len() - start - 2;
        let mut header = SIGNATURE | COMPRESSED;
        if size >= block.len() {
            out.truncate(start + 2);
            out.extend_from_slice(block);
            size = block.len();
            header = SIGNATURE;
        }
        header |= (size - 1) as u16;
        out[start..start + 2].copy_from_slice(&header.to_le_bytes());
    }
}

fn hash(bytes: &[u8]) -> usize {
    let word = u32::from(bytes[0]) | u32::from(bytes[1]) << 8 | u32::from(bytes[2]) << 16;
    (word.wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS)) as usize
}

fn compress_block(block: &[u8], out: &mut Vec<u8>) {
    const NONE: u16 = u16::MAX;
    let mut heads = [NONE; 1 << HASH_BITS];
    let mut next = [NONE; BLOCK];
    let mut at = 0;
    while at < block.len() {
        let flags_at = out.len();
        out.push(0);
        for bit in 0..8 {
            if at == block.len() {
                break;
            }
            let longest = if at == 0 {
                0
            } else {
                (block.len() - at).min((1 << (16 - offset_bits(at))) - 1 + MIN_MATCH)
            };
            let (mut length, mut offset) = (0, 0);
            if longest >= MIN_MATCH {
                let mut candidate = heads[hash(&block[at..])];
                for _ in 0..DEPTH {
                    if candidate == NONE {
                        break;
                    }
                    let from = usize::from(candidate);
                    let same = (0..longest)
                        .take_while(|&i| block[from + i] == block[at + i])
                        .count();
                    if same > length {
                        (length, offset) = (same, at - from);
                    }
                    candidate = next[from];
                }
            }
            if length < MIN_MATCH {
                length = 1;
                out.push(block[at]);
            } else {
                out[flags_at] |= 1 << bit;
                let length_bits = 16 - offset_bits(at);
                let token = (offset - 1) << length_bits | (length - MIN_MATCH);
                out.extend((token as u16).to_le_bytes());
            }
            for position in at..at + length {
                if position + MIN_MATCH <= block.len() {
                    let head = &mut heads[hash(&block[position..])];
                    next[position] = *head;
                    *head = position as u16;
                }
            }
            at += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn worked_examples() {
        let unit = [
            0x05, 0xB0, 0x08, 0x61, 0x62, 0x63, 0xFA, 0x2F, 0x05, 0xB0, 0x08, 0x62, 0x63, 0x61,
            0x6A, 0x27, 0, 0,
        ];
        let mut output = vec![0xFF; 65536];
        decompress(&unit, &mut output).unwrap();
        for (i, &byte) in output.iter().enumerate() {
            let expected = if i < 6000 { b"abc"[i % 3] } else { 0 };
            assert_eq!(byte, expected, "{i}");
        }
        let mut output = [0; 12];
        decompress(
            &[0x05, 0xB0, 0x08, 0x61, 0x62, 0x63, 0x06, 0x20],
            &mut output,
        )
        .unwrap();
        assert_eq!(&output, b"abcabcabcabc");
    }

    #[test]
    fn short_sub_blocks_leave_zeros() {
        let mut output = [0xFF; 5000];
        decompress(&[0x01, 0xB0, 0x00, 0x41, 0x00, 0x30, 0x42], &mut output).unwrap();
        assert_eq!(
            (output[0], output[1], output[4096], output[4097]),
            (0x41, 0, 0x42, 0)
        );
    }

    #[test]
    fn malformed_input_is_refused() {
        let mut output = [0; 8192];
        let cases: [(&[u8], DecodeError); 6] = [
            (&[0x00, 0x80, 0], DecodeError::BadField),
            (&[0x05, 0xB0, 0x00], DecodeError::Truncated),
            (&[0x02, 0xB0, 0x01, 0x00, 0x00], DecodeError::BadOffset),
            (
                &[0x03, 0xB0, 0x02, 0x41, 0x00, 0x10],
                DecodeError::BadOffset,
            ),
            (&[0x02, 0xB0, 0x02, 0x41, 0x00], DecodeError::Truncated),
            (
                &[0x03, 0xB0, 0x02, 0x41, 0xFF, 0x0F],
                DecodeError::BadLength,
            ),
        ];
        for (input, error) in cases {
            assert_eq!(decompress(input, &mut output), Err(error), "{input:x?}");
        }
        let mut small = [0; 4];
        let raw = [0x04, 0x30, 1, 2, 3, 4, 5];
        assert_eq!(decompress(&raw, &mut small), Err(DecodeError::BadLength));
    }
}
