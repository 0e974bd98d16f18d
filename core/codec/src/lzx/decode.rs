//! Decoding a chunk.

use core::hint::select_unpredictable;

use crate::DecodeError;
use crate::bits::BitReader;
use crate::copy::copy_match;
use crate::huffman::{DecodeTable, Entry, entry, entry_bits, entry_value};

use super::code_lengths;
use super::offset::{self, BASE, EXTRA, MAX_SLOTS, Recent};
use super::{
    ALIGNED, ALIGNED_BLOCK, HEADERS, LENGTHS, LITERALS, MAX_MAIN, MIN_LONG, MIN_MATCH,
    STANDARD_SIZE, UNCOMPRESSED, VERBATIM, e8, window_order,
};

/// Describes a literal; the low byte is the literal itself. A match has its length header in bits 0..=2
/// and its slot above.
const LITERAL: Entry = entry(1 << 16, 0);
/// The length header that says that a symbol of the length code follows.
const LONG: usize = HEADERS - 1;

/// How the adjusted offset of a slot is read.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The smallest adjusted offset.
    base: u32,
    /// How many extra bits follow, but those coded by an aligned symbol, and a mask of as many bits.
    plain: u32,
    plain_mask: u32,
    /// How far these are shifted, and a mask for the aligned symbol: none of it if there is none.
    shift: u32,
    aligned_mask: u32,
}

/// The slots, as many as an index of six bits can name, of verbatim and of aligned blocks.
static SLOTS: [[Slot; 64]; 2] = [slots(false), slots(true)];

const fn slots(in_aligned_block: bool) -> [Slot; 64] {
    let mut slots = [Slot {
        base: 0,
        plain: 0,
        plain_mask: 0,
        shift: 0,
        aligned_mask: 0,
    }; 64];
    let mut i = 0;
    while i < MAX_SLOTS {
        let extra = EXTRA[i] as u32;
        let is_aligned = in_aligned_block && extra >= 3;
        let shift = if is_aligned { 3 } else { 0 };
        slots[i] = Slot {
            base: BASE[i],
            plain: extra - shift,
            plain_mask: (1 << (extra - shift)) - 1,
            shift,
            aligned_mask: if is_aligned { u32::MAX } else { 0 },
        };
        i += 1;
    }
    slots
}

/// Decodes LZX chunks of one window order.
#[derive(Debug)]
pub struct Decompressor {
    order: u32,
    main: DecodeTable<2048>,
    length: DecodeTable<1024>,
    aligned: DecodeTable<128>,
    pretree: DecodeTable<128>,
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
        let mut recent = Recent::START;
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
                    self.read_codes(&mut reader, &SLOTS[0])?;
                    (reader, recent) = self.items::<false>(reader, recent, output, pos, end)?;
                    opcodes |= self.main_lengths[0xe8] != 0;
                }
                ALIGNED_BLOCK => {
                    let lengths: [u8; ALIGNED] = core::array::from_fn(|_| reader.bits(3) as u8);
                    self.aligned.build(&lengths, |symbol| entry(symbol, 0))?;
                    self.read_codes(&mut reader, &SLOTS[1])?;
                    (reader, recent) = self.items::<true>(reader, recent, output, pos, end)?;
                    opcodes |= self.main_lengths[0xe8] != 0;
                }
                UNCOMPRESSED => {
                    (reader, recent) = uncompressed(reader, &mut output[pos..end])?;
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

    fn read_codes(
        &mut self,
        reader: &mut BitReader<'_>,
        slots: &[Slot; 64],
    ) -> Result<(), DecodeError> {
        let symbols = LITERALS + HEADERS * offset::slots(self.order);
        let (literals, matches) = self.main_lengths[..symbols].split_at_mut(LITERALS);
        for part in [literals, matches, &mut self.length_lengths] {
            code_lengths::read(reader, &mut self.pretree, part)?;
        }
        self.main.build(&self.main_lengths[..symbols], |symbol| {
            if symbol < LITERALS as u32 {
                return LITERAL | entry(symbol, 0);
            }
            // The extra bits follow at once, unless there is a length symbol in between.
            let symbol = symbol as usize - LITERALS;
            let extra = match symbol % HEADERS {
                LONG => 0,
                _ => slots[(symbol / HEADERS) & 63].plain,
            };
            entry(symbol as u32, extra)
        })?;
        if self.main.is_empty() {
            return Err(DecodeError::BadCode);
        }
        self.length.build(&self.length_lengths, |symbol| {
            entry(symbol + MIN_LONG as u32, 0)
        })
    }

    /// Decodes the items of one block, `output[pos..end]`.
    #[inline(never)]
    fn items<'a, const IS_ALIGNED: bool>(
        &self,
        reader: BitReader<'a>,
        mut recent: Recent,
        output: &mut [u8],
        mut pos: usize,
        end: usize,
    ) -> Result<(BitReader<'a>, Recent), DecodeError> {
        let mut reader = reader.local();
        let slots = &SLOTS[usize::from(IS_ALIGNED)];
        let output = &mut output[..end];
        while pos < end {
            // 48 bits: two literals and another main symbol, though not always its extra bits.
            reader.refill();
            let first = self.main.look_up(reader.peek());
            // Whether literal or match comes next is hard to foretell, and a wrong guess costs more
            // than a look-up. So one literal, if there is one, is taken without a branch.
            let is_literal = first & LITERAL != 0;
            output[pos] = entry_value(first) as u8;
            let rest = reader.peek() << entry_bits(first);
            let next = self.main.look_up(rest);
            reader.consume(select_unpredictable(is_literal, entry_bits(first), 0));
            let entry = select_unpredictable(is_literal, next, first);
            pos += usize::from(is_literal);
            if pos == end {
                break;
            }
            if entry & LITERAL != 0 {
                reader.consume(entry_bits(entry));
                output[pos] = entry_value(entry) as u8;
                pos += 1;
                continue;
            }
            if reader.buffered() < entry_bits(entry) + 7 {
                reader.refill();
            }
            let bits = reader.peek();
            reader.consume(entry_bits(entry));
            let symbol = entry_value(entry) as usize;
            let slot = &slots[(symbol / HEADERS) & 63];
            let (length, plain);
            if symbol % HEADERS != LONG {
                length = symbol % HEADERS + MIN_MATCH;
                plain = (bits >> (64 - entry_bits(entry))) as u32 & slot.plain_mask;
            } else {
                reader.refill();
                let entry = self.length.look_up(reader.peek());
                reader.consume(entry_bits(entry));
                length = entry_value(entry) as usize;
                if length == 0 {
                    return Err(DecodeError::BadCode);
                }
                plain = reader.take(slot.plain);
            }
            let mut adjusted = slot.base + (plain << slot.shift);
            if IS_ALIGNED {
                let entry = self.aligned.look_up(reader.peek());
                if entry | !slot.aligned_mask == 0 {
                    return Err(DecodeError::BadCode);
                }
                reader.consume(entry_bits(entry) & slot.aligned_mask);
                adjusted += entry_value(entry) & slot.aligned_mask;
            }
            recent = recent.after(adjusted);
            copy_match(output, pos, recent.get(0) as usize, length)?;
            pos += length;
        }
        Ok((reader, recent))
    }
}

/// Reads the rest of an uncompressed block.
fn uncompressed<'a>(
    mut reader: BitReader<'a>,
    output: &mut [u8],
) -> Result<(BitReader<'a>, Recent), DecodeError> {
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
    let mut recent = [0; 3];
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
    let next = (at + 12 + size).min(reader.data().len());
    Ok((BitReader::new(reader.data(), next), Recent::of(recent)))
}
