//! Writing items: bits in units, with raw length bytes where a reader will look for them.
//!
//! The writer mirrors the reader's look-ahead. It keeps two unit slots reserved ahead of the next free
//! byte: when more than 16 bits are pending, the oldest 16 go into the first slot and a new one is
//! reserved at the next free byte, which is where raw bytes go too.

use super::encode::{Item, parts};
use super::{MIN_MATCH, encode::match_symbol};

#[derive(Debug)]
pub(super) struct Writer<'a> {
    out: &'a mut [u8],
    /// The two reserved slots.
    slots: [usize; 2],
    /// The next free byte.
    free: usize,
    buf: u64,
    held: u32,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut [u8], at: usize) -> Self {
        Writer {
            out,
            slots: [at, at + 2],
            free: at + 4,
            buf: 0,
            held: 0,
        }
    }

    #[inline(always)]
    fn unit(&mut self, at: usize, unit: u16) {
        if let Some(room) = self.out.get_mut(at..at + 2) {
            room.copy_from_slice(&unit.to_le_bytes());
        }
    }

    #[inline(always)]
    fn add(&mut self, value: u32, count: u32) {
        self.buf = self.buf << count | u64::from(value);
        self.held += count;
        if self.held > 16 {
            self.held -= 16;
            self.unit(self.slots[0], (self.buf >> self.held) as u16);
            self.slots = [self.slots[1], self.free];
            self.free += 2;
        }
    }

    #[inline(always)]
    fn raw(&mut self, byte: u8) {
        if let Some(room) = self.out.get_mut(self.free) {
            *room = byte;
        }
        self.free += 1;
    }

    /// Writes items with these codewords (codeword << 8 | length).
    pub(super) fn items(&mut self, codes: &[u32; super::SYMBOLS], items: &[Item]) {
        for &item in items {
            let (offset, length) = parts(item);
            if offset == 0 {
                let code = codes[(item & 0xff) as usize];
                self.add(code >> 8, code & 31);
                continue;
            }
            let code = codes[match_symbol(offset, length) & (super::SYMBOLS - 1)];
            self.add(code >> 8, code & 31);
            let rest = length - MIN_MATCH;
            if rest >= 15 {
                if rest < 15 + 255 {
                    self.raw((rest - 15) as u8);
                } else {
                    self.raw(255);
                    self.raw(rest as u8);
                    self.raw((rest >> 8) as u8);
                }
            }
            let extra = offset.ilog2();
            self.add(offset as u32 - (1 << extra), extra);
        }
    }

    /// Writes the end symbol and the pending units. Returns the size, or `None` if it did not fit.
    pub(super) fn finish(mut self, end_code: u32) -> Option<usize> {
        self.add(end_code >> 8, end_code & 31);
        self.unit(self.slots[0], ((self.buf << 16) >> self.held) as u16);
        self.unit(self.slots[1], 0);
        (self.free <= self.out.len()).then_some(self.free)
    }
}
