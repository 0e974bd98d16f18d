//! Decoding a chunk.

use crate::DecodeError;
use crate::bits::BitReader;
use crate::copy::copy_match;
use crate::huffman::{DecodeTable, entry_length, entry_value};

use super::{MAX_CHUNK, SYMBOLS, TABLE_BYTES};

/// Set in the description of a literal, whose low byte it is. A match has `extra offset bits << 4 |
/// length header` instead.
const LITERAL: u32 = 1 << 8;

/// Decodes XPRESS chunks.
#[derive(Debug)]
pub struct Decompressor {
    table: DecodeTable<11>,
}

impl Default for Decompressor {
    fn default() -> Self {
        Self::new()
    }
}

impl Decompressor {
    /// Allocates the decode table.
    #[must_use]
    pub fn new() -> Self {
        Decompressor {
            table: DecodeTable::new(SYMBOLS),
        }
    }

    /// Decompresses a chunk of exactly `output.len()` bytes.
    ///
    /// # Errors
    /// [`DecodeError`] if the input is no valid stream of that size.
    pub fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Result<(), DecodeError> {
        if output.len() > MAX_CHUNK {
            return Err(DecodeError::OutputTooLarge);
        }
        let Some(nibbles) = input.first_chunk::<TABLE_BYTES>() else {
            return Err(DecodeError::Truncated);
        };
        let mut lengths = [0u8; SYMBOLS];
        for (pair, byte) in lengths.chunks_exact_mut(2).zip(nibbles) {
            pair[0] = byte & 15;
            pair[1] = byte >> 4;
        }
        self.table.build(&lengths, |symbol| {
            if symbol < 256 {
                LITERAL | symbol
            } else {
                symbol - 256
            }
        })?;
        if self.table.is_empty() && !output.is_empty() {
            return Err(DecodeError::BadCode);
        }
        let mut reader = BitReader::new(input, TABLE_BYTES);
        self.items(&mut reader, output)?;
        if reader.overrun() {
            return Err(DecodeError::Truncated);
        }
        Ok(())
    }

    #[inline(always)]
    fn items(&self, reader: &mut BitReader<'_>, output: &mut [u8]) -> Result<(), DecodeError> {
        let mut pos = 0;
        while pos < output.len() {
            // 48 bits hold three codewords, or one and 15 offset bits with the 16 bits of look-ahead
            // that raw length bytes are placed by.
            reader.refill();
            let mut entry = self.table.look_up(reader.peek());
            reader.consume(entry_length(entry));
            let mut value = entry_value(entry);
            if value & LITERAL != 0 {
                output[pos] = value as u8;
                pos += 1;
                if pos == output.len() {
                    break;
                }
                entry = self.table.look_up(reader.peek());
                reader.consume(entry_length(entry));
                value = entry_value(entry);
                if value & LITERAL != 0 {
                    output[pos] = value as u8;
                    pos += 1;
                    continue;
                }
                reader.refill();
            }
            let header = value & 15;
            let length = if header < 15 {
                header as usize + 3
            } else {
                long_length(reader)?
            };
            let extra = value >> 4;
            let offset = (1 << extra) + reader.take(extra) as usize;
            if offset > pos {
                return Err(DecodeError::BadOffset);
            }
            if length > output.len() - pos {
                return Err(DecodeError::BadLength);
            }
            copy_match(output, pos, offset, length);
            pos += length;
        }
        Ok(())
    }
}

/// Reads a length from the raw bytes after the last unit that a reader with 16 bits of look-ahead has
/// fetched. Leaves at least 48 bits buffered.
fn long_length(reader: &mut BitReader<'_>) -> Result<usize, DecodeError> {
    let mut at = reader.unread_units(16);
    let data = reader.data();
    let mut byte = || {
        let byte = data.get(at).copied().ok_or(DecodeError::Truncated)?;
        at += 1;
        Ok::<_, DecodeError>(usize::from(byte))
    };
    let short = byte()?;
    let length = if short < 255 {
        short + 18
    } else {
        let low = byte()?;
        (low | byte()? << 8) + 3
    };
    reader.resume_at(at);
    reader.refill();
    Ok(length)
}
