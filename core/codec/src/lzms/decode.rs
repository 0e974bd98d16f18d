//! The decompressor.
//!
//! One loop reads items: a few range-coded decisions say what comes next, Huffman codewords from the
//! other end of the chunk fill in the values. What limits the speed is the chain of decisions, each of
//! which needs the one before, so everything else is kept off that chain: codewords are found with one
//! table look-up, and matches are copied sixteen bytes at a time where there is room to write too far.

use alloc::boxed::Box;

use super::{
    adaptive_huffman,
    bits::BackwardReader,
    items::{Last, POWERS, RecentList, period},
    range_coder::{Contexts, RangeDecoder, SourceContexts},
    slots::{LENGTH_SLOTS, LENGTHS, OFFSETS, Slot, offset_slots},
    x86::{Direction, X86Filter},
};
use crate::{DecodeError, copy::copy_match};

/// Decompresses LZMS chunks of up to a given size.
#[derive(Debug)]
pub struct Decompressor {
    chunk_size: u32,
    codes: Box<Codes>,
    filter: X86Filter,
}

/// The adaptive codes of a chunk.
#[derive(Debug)]
struct Codes {
    literal: adaptive_huffman::Decoder,
    lz_offset: adaptive_huffman::Decoder,
    length: adaptive_huffman::Decoder,
    delta_offset: adaptive_huffman::Decoder,
    delta_power: adaptive_huffman::Decoder,
}

impl Codes {
    const fn new() -> Self {
        Self {
            literal: adaptive_huffman::Decoder::new(period::LITERAL),
            lz_offset: adaptive_huffman::Decoder::new(period::LZ_OFFSET),
            length: adaptive_huffman::Decoder::new(period::LENGTH),
            delta_offset: adaptive_huffman::Decoder::new(period::DELTA_OFFSET),
            delta_power: adaptive_huffman::Decoder::new(period::DELTA_POWER),
        }
    }

    fn reset(&mut self, size: usize) {
        let offsets = offset_slots(size);
        self.literal.reset(256);
        self.lz_offset.reset(offsets);
        self.length.reset(LENGTH_SLOTS);
        self.delta_offset.reset(offsets);
        self.delta_power.reset(POWERS);
    }
}

impl Decompressor {
    /// Makes a decompressor for chunks of up to `chunk_size` bytes.
    #[must_use]
    pub fn new(chunk_size: u32) -> Self {
        Self {
            chunk_size,
            codes: Box::new(Codes::new()),
            filter: X86Filter::new(),
        }
    }

    /// Decompresses one chunk; `output` has the exact uncompressed size.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not a valid stream of exactly `output.len()` bytes.
    pub fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Result<(), DecodeError> {
        if output.len() as u64 > u64::from(self.chunk_size) {
            return Err(DecodeError::OutputTooLarge);
        }
        if output.is_empty() {
            return Ok(());
        }
        if input.len() < 4 {
            return Err(DecodeError::Truncated);
        }
        if !input.len().is_multiple_of(2) || output.len() < 3 {
            return Err(DecodeError::BadField);
        }
        self.codes.reset(output.len());
        items(&mut self.codes, input, output)?;
        self.filter.run(output, Direction::Decode);
        Ok(())
    }
}

/// Reads a slot and its extra bits.
#[inline(always)]
fn value(
    code: &mut adaptive_huffman::Decoder,
    bits: &mut BackwardReader<'_>,
    slots: &[Slot],
) -> u32 {
    bits.refill();
    let symbol = code.decode(bits);
    match slots.get(symbol) {
        Some(slot) => slot.base + bits.take(slot.extra),
        None => 1,
    }
}

/// Reads which of three recent sources is meant.
#[inline(always)]
fn recent_index(decisions: &mut RangeDecoder<'_>, contexts: &mut SourceContexts) -> usize {
    let [first, second] = &mut contexts.index;
    if !decisions.decode(first) {
        0
    } else if !decisions.decode(second) {
        1
    } else {
        2
    }
}

fn items(codes: &mut Codes, input: &[u8], output: &mut [u8]) -> Result<(), DecodeError> {
    let mut contexts = Contexts::new();
    let mut decisions = RangeDecoder::new(input);
    let mut bits = BackwardReader::new(input);
    let mut lz_recent = RecentList::LZ;
    let mut delta_recent = RecentList::WIDE_DELTA;
    let mut last = Last::Literal;
    let mut at = 0;
    while at < output.len() {
        if !decisions.decode(&mut contexts.is_match) {
            bits.refill();
            output[at] = codes.literal.decode(&mut bits) as u8;
            at += 1;
            last = Last::Literal;
            continue;
        }
        if !decisions.decode(&mut contexts.is_delta) {
            let offset = if decisions.decode(&mut contexts.lz.recent) {
                let index = recent_index(&mut decisions, &mut contexts.lz);
                lz_recent.promote(index + usize::from(last == Last::Lz))
            } else {
                let offset = value(&mut codes.lz_offset, &mut bits, &OFFSETS);
                lz_recent.push(offset);
                offset
            };
            last = Last::Lz;
            let length = value(&mut codes.length, &mut bits, &LENGTHS) as usize;
            copy(output, at, offset as usize, length)?;
            at += length;
        } else {
            let source = if decisions.decode(&mut contexts.delta.recent) {
                let index = recent_index(&mut decisions, &mut contexts.delta);
                delta_recent.promote(index + usize::from(last == Last::Delta))
            } else {
                bits.refill();
                let power = codes.delta_power.decode(&mut bits) as u32;
                let raw_offset = value(&mut codes.delta_offset, &mut bits, &OFFSETS);
                let source = u64::from(raw_offset) << 3 | u64::from(power);
                delta_recent.push(source);
                source
            };
            last = Last::Delta;
            let length = value(&mut codes.length, &mut bits, &LENGTHS) as usize;
            copy_delta(output, at, source, length)?;
            at += length;
        }
    }
    if bits.overrun() {
        return Err(DecodeError::Truncated);
    }
    Ok(())
}

/// Copies a match to `at`. Offset and length come from the stream and may be anything.
#[inline(always)]
fn copy(output: &mut [u8], at: usize, offset: usize, length: usize) -> Result<(), DecodeError> {
    if length <= LONG {
        copy_match(output, at, offset, length)
    } else {
        copy_long(output, at, offset, length)
    }
}

/// Matches above this length are copied in one go.
const LONG: usize = 256;

#[cold]
#[inline(never)]
fn copy_long(
    output: &mut [u8],
    at: usize,
    offset: usize,
    length: usize,
) -> Result<(), DecodeError> {
    if offset > at {
        return Err(DecodeError::BadOffset);
    }
    if length > output.len() - at {
        return Err(DecodeError::BadLength);
    }
    let from = at - offset;
    if offset == 1 {
        let byte = output[from];
        output[at..at + length].fill(byte);
    } else if offset >= length {
        output.copy_within(from..from + length, at);
    } else {
        // The pattern repeats: copy what there is, twice as much each time.
        let end = at + length;
        let mut done = at;
        while done < end {
            let count = (done - from).min(end - done);
            output.copy_within(from..from + count, done);
            done += count;
        }
    }
    Ok(())
}

/// Continues the differences of the bytes at the source.
fn copy_delta(output: &mut [u8], at: usize, source: u64, length: usize) -> Result<(), DecodeError> {
    let power = source as u32 & 7;
    let span = 1usize << power;
    let reach = (source >> 3 << power).saturating_add(span as u64);
    if reach > at as u64 {
        return Err(DecodeError::BadOffset);
    }
    if length > output.len() - at {
        return Err(DecodeError::BadLength);
    }
    let reach = reach as usize;
    // From the oldest byte needed: its value, and `span` and `reach - span` further on.
    let window = &mut output[at - reach..at + length];
    for i in 0..length {
        window[i + reach] = window[i + reach - span]
            .wrapping_add(window[i + span])
            .wrapping_sub(window[i]);
    }
    Ok(())
}
