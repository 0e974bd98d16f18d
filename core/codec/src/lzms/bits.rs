//! The backward stream: codewords and plain bits, from the end of the chunk downwards.
//!
//! Its 16-bit units are little-endian, read from the last one down, and each from its highest bit. So
//! the whole stream is one long little-endian number whose digits are taken from the top, and eight
//! bytes below the reading position are simply the next 64 bits.

use super::{
    adaptive_huffman::Bits,
    range_coder::{Full, Room},
};

/// Reads the backward stream. Nothing takes its address where that matters, so that it lives in
/// registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct BackwardReader<'a> {
    /// What is not yet in `bits`.
    rest: &'a [u8],
    /// Bits at hand, at the top; below them zeros or bits that will be read again.
    bits: u64,
    /// Number of bits at hand.
    have: u32,
    /// Bits made up after the beginning of the buffer was passed.
    made_up: u64,
}

impl<'a> BackwardReader<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self {
            rest: input,
            bits: 0,
            have: 0,
            made_up: 0,
        }
    }

    /// Makes sure that at least 56 bits are at hand.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if let Some((_, word)) = self.rest.split_last_chunk::<8>() {
            self.bits |= u64::from_le_bytes(*word) >> self.have;
            let bytes = ((63 - self.have) >> 3) & 7;
            self.rest = &self.rest[..self.rest.len() - bytes as usize];
            self.have |= 56;
        } else {
            *self = self.refilled_slowly();
        }
    }

    #[cold]
    #[inline(never)]
    fn refilled_slowly(mut self) -> Self {
        // Bits below `have` may be left from a fast refill; they are the same ones.
        while self.have <= 56 {
            let byte = match self.rest.split_last() {
                Some((&byte, rest)) => {
                    self.rest = rest;
                    byte
                }
                None => {
                    self.made_up += 8;
                    0
                }
            };
            self.bits |= u64::from(byte) << (56 - self.have);
            self.have += 8;
        }
        self
    }

    /// Takes `count` bits, at most 32.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        let value = ((self.bits >> 32) as u32 as u64) << count >> 32;
        self.consume(count);
        value as u32
    }

    /// True if more bits were taken than the buffer has.
    pub(super) fn overrun(&self) -> bool {
        self.made_up > u64::from(self.have)
    }
}

impl Bits for BackwardReader<'_> {
    #[inline(always)]
    fn peek(&self) -> u32 {
        (self.bits >> 48) as u32
    }

    #[inline(always)]
    fn consume(&mut self, count: u32) {
        self.bits <<= count;
        self.have -= count;
    }
}

/// Writes the backward stream.
#[derive(Debug, Default)]
pub(super) struct BackwardWriter {
    /// Bits not yet written, the newest in the lowest place.
    bits: u64,
    have: u32,
}

impl BackwardWriter {
    /// Appends the low `count` bits of `value`, at most 32; higher bits must be zero.
    #[inline(always)]
    pub(super) fn put(&mut self, room: &mut Room<'_>, value: u32, count: u32) -> Result<(), Full> {
        self.bits = self.bits << count | u64::from(value);
        self.have += count;
        while self.have >= 16 {
            self.have -= 16;
            room.put_back((self.bits >> self.have) as u16)?;
        }
        Ok(())
    }

    /// Pads the last unit with zeros.
    pub(super) fn finish(mut self, room: &mut Room<'_>) -> Result<(), Full> {
        let padding = self.have.wrapping_neg() % 16;
        self.put(room, 0, padding)
    }
}
