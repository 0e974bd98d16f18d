//! Decoding a chunk.

use crate::DecodeError;
use crate::bits::BitReader;
use crate::copy::copy_match;
use crate::huffman::{DecodeTable, entry_length, entry_value};

use super::code_lengths;
use super::offset::{self, ADJUST, BASE, EXTRA};
use super::{
    ALIGNED, ALIGNED_BLOCK, HEADERS, LENGTHS, LITERALS, MAX_MAIN, MIN_LONG, MIN_MATCH,
    STANDARD_SIZE, UNCOMPRESSED, VERBATIM, e8, window_order,
};

/// Set in the description of a literal; the low byte is the literal itself. A match has its length
/// header in bits 0..=2 and its slot above.
const LITERAL: u32 = 1 << 16;

/// Decodes LZX chunks of one window order.
#[derive(Debug)]
pub struct Decompressor {
    order: u32,
    main: DecodeTable<11>,
    length: DecodeTable<10>,
    aligned: DecodeTable<7>,
    pretree: DecodeTable<7>,
    main_lengths: [u8; MAX_MAIN],
    length_lengths: [u8; LENGTHS],
}

impl Decompressor {
    /// For chunks of a resource with this chunk size, a power of two from 2^15 to 2^21.
    #[must_use]
    pub fn new(chunk_size: u32) -> Self {
        Decompressor {
            order: window_order(chunk_size),
            main: DecodeTable::new(MAX_MAIN),
            length: DecodeTable::new(LENGTHS),
            aligned: DecodeTable::new(ALIGNED),
            pretree: DecodeTable::new(code_lengths::SYMBOLS),
            main_lengths: [0; MAX_MAIN],
            length_lengths: [0; LENGTHS],
        }
    }

    /// Decompresses a chunk of exactly `output.len()` bytes.
    ///
    /// # Errors
    /// [`DecodeError`] if the input is no valid stream of that size.
    pub fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Result<(), DecodeError> {
        if output.len() > 1 << self.order {
            return Err(DecodeError::OutputTooLarge);
        }
        self.main_lengths.fill(0);
        self.length_lengths.fill(0);
        let mut reader = BitReader::new(input, 0);
        let mut recent = [1u32; 3];
        let mut pos = 0;
        let mut opcodes = false;
        while pos < output.len() {
            let kind = reader.bits(3);
            let size = match reader.bits(1) {
                1 => STANDARD_SIZE,
                _ if self.order == 15 => reader.bits(16) as usize,
                _ => reader.bits(24) as usize,
            };
            if size == 0 {
                return Err(DecodeError::BadField);
            }
            if size > output.len() - pos {
                return Err(DecodeError::BadLength);
            }
            let end = pos + size;
            match kind {
                VERBATIM => {
                    self.read_codes(&mut reader)?;
                    self.items::<false>(&mut reader, &mut recent, output, pos, end)?;
                    opcodes |= self.main_lengths[0xe8] != 0;
                }
                ALIGNED_BLOCK => {
                    let lengths: [u8; ALIGNED] = core::array::from_fn(|_| reader.bits(3) as u8);
                    self.aligned.build(&lengths, |symbol| symbol)?;
                    self.read_codes(&mut reader)?;
                    self.items::<true>(&mut reader, &mut recent, output, pos, end)?;
                    opcodes |= self.main_lengths[0xe8] != 0;
                }
                UNCOMPRESSED => {
                    uncompressed(&mut reader, &mut recent, &mut output[pos..end])?;
                    opcodes = true;
                }
                _ => return Err(DecodeError::BadField),
            }
            if reader.overrun() {
                return Err(DecodeError::Truncated);
            }
            pos = end;
        }
        // The filter can change nothing if no E8 was ever coded as a literal.
        if opcodes {
            e8::decode(output);
        }
        Ok(())
    }

    fn read_codes(&mut self, reader: &mut BitReader<'_>) -> Result<(), DecodeError> {
        let symbols = LITERALS + HEADERS * offset::slots(self.order);
        let (literals, matches) = self.main_lengths[..symbols].split_at_mut(LITERALS);
        for part in [literals, matches, &mut self.length_lengths] {
            code_lengths::read(reader, &mut self.pretree, part)?;
        }
        self.main.build(&self.main_lengths[..symbols], |symbol| {
            if symbol < LITERALS as u32 {
                LITERAL | symbol
            } else {
                symbol - LITERALS as u32
            }
        })?;
        if self.main.is_empty() {
            return Err(DecodeError::BadCode);
        }
        self.length
            .build(&self.length_lengths, |symbol| symbol + MIN_LONG as u32)
    }

    /// Decodes the items of one block, `output[pos..end]`.
    fn items<const IS_ALIGNED: bool>(
        &self,
        reader: &mut BitReader<'_>,
        recent: &mut [u32; 3],
        output: &mut [u8],
        mut pos: usize,
        end: usize,
    ) -> Result<(), DecodeError> {
        while pos < end {
            // 48 bits: three main symbols, or one and its length symbol and at least 16 bits.
            reader.refill();
            let mut entry = self.main.look_up(reader.peek());
            reader.consume(entry_length(entry));
            if entry_value(entry) & LITERAL != 0 {
                output[pos] = entry_value(entry) as u8;
                pos += 1;
                if pos == end {
                    break;
                }
                entry = self.main.look_up(reader.peek());
                reader.consume(entry_length(entry));
                if entry_value(entry) & LITERAL != 0 {
                    output[pos] = entry_value(entry) as u8;
                    pos += 1;
                    continue;
                }
                reader.refill();
            }
            let symbol = entry_value(entry) as usize;
            let mut length = (symbol & 7) + MIN_MATCH;
            if length == MIN_LONG {
                let entry = self.length.look_up(reader.peek());
                reader.consume(entry_length(entry));
                length = entry_value(entry) as usize;
                if length == 0 {
                    return Err(DecodeError::BadCode);
                }
                reader.refill();
            }
            let slot = symbol >> 3;
            let offset = if slot < 3 {
                recent.swap(0, slot);
                recent[0]
            } else {
                let extra = u32::from(EXTRA[slot]);
                let adjusted = if IS_ALIGNED && extra >= 3 {
                    let high = reader.take(extra - 3) << 3;
                    // Up to 14 bits are gone since the last refill, up to 30 if that was before the
                    // main symbol: 7 more are there.
                    let entry = self.aligned.look_up(reader.peek());
                    if entry == 0 {
                        return Err(DecodeError::BadCode);
                    }
                    reader.consume(entry_length(entry));
                    BASE[slot] + high + entry_value(entry)
                } else {
                    BASE[slot] + reader.take(extra)
                };
                recent[2] = recent[1];
                recent[1] = recent[0];
                recent[0] = adjusted - ADJUST;
                recent[0]
            } as usize;
            if offset > pos {
                return Err(DecodeError::BadOffset);
            }
            if length > end - pos {
                return Err(DecodeError::BadLength);
            }
            copy_match(&mut output[..end], pos, offset, length);
            pos += length;
        }
        Ok(())
    }
}

/// Reads the rest of an uncompressed block.
fn uncompressed(
    reader: &mut BitReader<'_>,
    recent: &mut [u32; 3],
    output: &mut [u8],
) -> Result<(), DecodeError> {
    // To the next unit boundary, at least one bit.
    reader.bits(1);
    let at = reader.unread_units(0);
    if reader.overrun() {
        return Err(DecodeError::Truncated);
    }
    let rest = reader.data().get(at..).unwrap_or_default();
    let Some((offsets, data)) = rest.split_first_chunk::<12>() else {
        return Err(DecodeError::Truncated);
    };
    for (offset, bytes) in recent.iter_mut().zip(offsets.chunks_exact(4)) {
        *offset = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        if *offset == 0 {
            return Err(DecodeError::BadField);
        }
    }
    let Some(data) = data.get(..output.len()) else {
        return Err(DecodeError::Truncated);
    };
    output.copy_from_slice(data);
    let size = output.len() + (output.len() & 1);
    // The bits left over from before the boundary are gone for good.
    *reader = BitReader::new(reader.data(), (at + 12 + size).min(reader.data().len()));
    Ok(())
}
