//! Decoding a chunk.

use crate::DecodeError;
use crate::bits::BitReader;
use crate::copy::copy_match;
use crate::huffman::{DecodeTable, Entry, entry, entry_bits, entry_value};

use super::{MAX_CHUNK, SYMBOLS, TABLE_BYTES};

/// Describes a literal, whose low byte it is. A match has `extra offset bits << 4 | length header`
/// instead.
const LITERAL: Entry = entry(1 << 8, 0);
/// The length header that says that raw bytes hold the length.
const LONG: u32 = 15;

/// Decodes XPRESS chunks.
#[derive(Debug)]
pub struct Decompressor {
    table: DecodeTable<2048>,
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
                return LITERAL | entry(symbol, 0);
            }
            // The extra bits follow at once, but where raw bytes stand must be found out before them.
            let symbol = symbol - 256;
            let extra = if symbol & 15 == LONG { 0 } else { symbol >> 4 };
            entry(symbol, extra)
        })?;
        if self.table.is_empty() && !output.is_empty() {
            return Err(DecodeError::BadCode);
        }
        self.items(BitReader::new(input, TABLE_BYTES), output)
    }

    #[inline(never)]
    fn items(&self, reader: BitReader<'_>, output: &mut [u8]) -> Result<(), DecodeError> {
        let mut reader = reader.local();
        let mut pos = 0;
        while pos < output.len() {
            // 48 bits: a literal and a match with its extra bits.
            reader.refill();
            let mut entry = self.table.look_up(reader.peek());
            if entry & LITERAL != 0 {
                reader.consume(entry_bits(entry));
                output[pos] = entry_value(entry) as u8;
                pos += 1;
                if pos == output.len() {
                    break;
                }
                entry = self.table.look_up(reader.peek());
                if entry & LITERAL != 0 {
                    reader.consume(entry_bits(entry));
                    output[pos] = entry_value(entry) as u8;
                    pos += 1;
                    continue;
                }
            }
            let bits = reader.peek();
            reader.consume(entry_bits(entry));
            let (header, extra) = (entry_value(entry) & 15, entry_value(entry) >> 4);
            let (length, low);
            if header != LONG {
                length = header as usize + 3;
                low = (bits >> (64 - entry_bits(entry))) as u32 & ((1 << extra) - 1);
            } else {
                (length, reader) = long_length(reader)?;
                low = reader.take(extra);
            }
            copy_match(output, pos, ((1 << extra) + low) as usize, length)?;
            pos += length;
        }
        if reader.overrun() {
            return Err(DecodeError::Truncated);
        }
        Ok(())
    }
}

/// Reads a length from the raw bytes after the last unit that a reader with 16 bits of look-ahead has
/// fetched. Leaves at least 48 bits buffered.
#[inline(never)]
fn long_length(mut reader: BitReader<'_>) -> Result<(usize, BitReader<'_>), DecodeError> {
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
    Ok((length, reader))
}
