//! Reading bits.
//!
//! The buffer is a 64-bit word with the next bit of the stream at its top. A refill loads eight
//! bytes at once, brings the four units in them into stream order and ORs them below the bits that
//! are left; only whole units are counted as fetched. The surplus bits of a unit that did not fit
//! stay in the word, but they equal what the next refill ORs onto the same place, so they do no harm
//! as long as the position does not move otherwise. Where it does (raw bytes between the units),
//! [`BitReader::unread_units`] clears them.
//!
//! Look-ahead past the end of the input yields zero bits, which are counted, so that *using* one can
//! be told from merely seeing it: [`BitReader::overrun`].

/// A reader over one compressed chunk. Inner loops work on a copy, which lives in registers: nothing
/// there may take its address, so what is rarely needed takes and returns it by value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BitReader<'a> {
    data: &'a [u8],
    /// What of it has not been fetched.
    rest: &'a [u8],
    /// The bits fetched and not yet used, at the top.
    buf: u64,
    /// How many bits of `buf` count.
    left: u32,
    /// Units of zeros served after the end of the input.
    phantom: u32,
}

impl<'a> BitReader<'a> {
    /// A reader whose first unit is at byte `pos`.
    pub(crate) fn new(data: &'a [u8], pos: usize) -> Self {
        BitReader {
            data,
            rest: data.get(pos..).unwrap_or_default(),
            buf: 0,
            left: 0,
            phantom: 0,
        }
    }

    /// A copy for an inner loop. (A parameter may stay in memory, where its caller put it.)
    #[inline(always)]
    pub(crate) fn local(&self) -> Self {
        BitReader { ..*self }
    }

    /// Fetches units until at least 48 bits are buffered.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        if let Some(bytes) = self.rest.first_chunk::<8>() {
            self.buf |= in_stream_order(*bytes) >> self.left;
            // As many whole units as fit: afterwards 48 to 63 bits are there.
            let fetched = ((63 - self.left) >> 3) & 6;
            self.rest = &self.rest[fetched as usize..];
            self.left |= 48;
        } else {
            *self = self.refilled_at_end();
        }
    }

    #[cold]
    #[inline(never)]
    fn refilled_at_end(mut self) -> Self {
        while self.left < 48 {
            let unit = match self.rest.split_first_chunk::<2>() {
                Some((bytes, rest)) => {
                    self.rest = rest;
                    u64::from(u16::from_le_bytes(*bytes))
                }
                None => {
                    self.phantom += 1;
                    0
                }
            };
            self.buf |= unit << (48 - self.left);
            self.left += 16;
        }
        self
    }

    /// The buffered bits, next one at the top. At least 48 of them count after a refill.
    #[inline(always)]
    pub(crate) fn peek(&self) -> u64 {
        self.buf
    }

    /// Drops `count` bits, 0 to 63, which must be buffered.
    #[inline(always)]
    pub(crate) fn consume(&mut self, count: u32) {
        debug_assert!(count <= self.left);
        self.buf <<= count;
        self.left = self.left.wrapping_sub(count);
    }

    /// How many bits are buffered.
    #[inline(always)]
    pub(crate) fn buffered(&self) -> u32 {
        self.left
    }

    /// Takes `count` bits, 0 to 48, which must be buffered.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) -> u32 {
        let value = ((self.buf >> 1) >> (63 - count)) as u32;
        self.consume(count);
        value
    }

    /// Refills and takes `count` bits, 0 to 32.
    pub(crate) fn bits(&mut self, count: u32) -> u32 {
        self.refill();
        self.take(count)
    }

    /// Whether bits beyond the end of the input have been used.
    pub(crate) fn overrun(&self) -> bool {
        16 * self.phantom > self.left
    }

    /// Gives whole units back until fewer than `keep + 16` bits are buffered, and returns the byte
    /// position after the last unit still held. `keep` is 0 or 16.
    pub(crate) fn unread_units(&mut self, keep: u32) -> usize {
        let units = self.left.saturating_sub(keep) >> 4;
        let phantom = units.min(self.phantom);
        self.phantom -= phantom;
        let pos = self.data.len() - self.rest.len() - 2 * (units - phantom) as usize;
        self.resume_at(pos);
        self.left -= 16 * units;
        self.buf &= !(u64::MAX >> self.left);
        pos
    }

    /// Continues with the unit at byte `pos`.
    pub(crate) fn resume_at(&mut self, pos: usize) {
        self.rest = self.data.get(pos..).unwrap_or_default();
    }

    /// The whole input.
    pub(crate) fn data(&self) -> &'a [u8] {
        self.data
    }
}

/// Brings units into stream order with one shuffle instead of seven instructions.
#[cfg(target_arch = "x86_64")]
mod leaf {
    #![allow(unsafe_code)]

    /// Four little-endian units as one number, the first unit at its top.
    #[inline(always)]
    pub(super) fn in_stream_order(bytes: [u8; 8]) -> u64 {
        use core::arch::x86_64::{_mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_shufflelo_epi16};
        // SAFETY: the instructions are part of every x86-64 processor (SSE2).
        unsafe {
            let units = _mm_cvtsi64_si128(i64::from_le_bytes(bytes));
            _mm_cvtsi128_si64(_mm_shufflelo_epi16::<0b00_01_10_11>(units)) as u64
        }
    }
}

/// The same for any machine.
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    pub(super) fn in_stream_order(bytes: [u8; 8]) -> u64 {
        let x = u64::from_be_bytes(bytes);
        ((x & 0xff00_ff00_ff00_ff00) >> 8) | ((x & 0x00ff_00ff_00ff_00ff) << 8)
    }
}

#[cfg(target_arch = "x86_64")]
use leaf::in_stream_order;
#[cfg(not(target_arch = "x86_64"))]
use portable::in_stream_order;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_most_significant_bit_first() {
        let data = [0x08, 0x20, 0x00, 0x00, 0x21, 0x33];
        let mut reader = BitReader::new(&data, 0);
        assert_eq!(reader.bits(3), 1);
        assert_eq!(reader.bits(1), 0);
        assert_eq!(reader.bits(16), 128);
        assert_eq!(reader.bits(12), 0);
        assert_eq!(reader.bits(16), 0x3321);
        assert!(!reader.overrun());
        assert_eq!(reader.bits(1), 0);
        assert!(reader.overrun());
    }

    #[test]
    fn leaf_as_arithmetic() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(in_stream_order(bytes), 0x0201_0403_0605_0807);
        assert_eq!(portable::in_stream_order(bytes), 0x0201_0403_0605_0807);
    }

    #[test]
    fn units_can_be_given_back() {
        let data: [u8; 32] = core::array::from_fn(|i| i as u8);
        for skip in 0..=48 {
            let mut reader = BitReader::new(&data, 0);
            reader.refill();
            reader.consume(skip);
            let pos = reader.unread_units(16);
            if skip <= 32 {
                assert_eq!(pos, (skip as usize + 16).div_ceil(16) * 2, "{skip}");
            }
            reader.resume_at(pos);
            let mut other = BitReader::new(&data, 0);
            for _ in 0..skip {
                other.bits(1);
            }
            for _ in 0..10 {
                assert_eq!(reader.bits(7), other.bits(7));
            }
        }
    }
}
