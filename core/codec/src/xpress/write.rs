//! Writing items: bits in units, with raw length bytes where a reader will look for them.
//!
//! The writer mirrors the reader's look-ahead. It keeps two unit slots reserved ahead of the next free
//! byte: when more than 16 bits are pending, the oldest 16 go into the first slot and a new one is
//! reserved at the next free byte, which is where raw bytes go too.

use core::hint::select_unpredictable;

use super::SYMBOLS;
use super::item::Item;

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

    /// Adds up to 16 bits. Whether that fills a unit nobody can tell beforehand, so there is no branch:
    /// what is in the first slot is written in any case, and again when there is more.
    #[inline(always)]
    fn add(&mut self, value: u32, count: u32) {
        self.buf = self.buf << count | u64::from(value);
        self.held += count;
        let is_full = self.held > 16;
        self.unit(
            self.slots[0],
            (self.buf >> (self.held.wrapping_sub(16) % 64)) as u16,
        );
        self.slots = [
            select_unpredictable(is_full, self.slots[1], self.slots[0]),
            select_unpredictable(is_full, self.free, self.slots[1]),
        ];
        self.free += 2 * usize::from(is_full);
        self.held -= 16 * u32::from(is_full);
    }

    #[inline(always)]
    fn raw(&mut self, byte: u8) {
        if let Some(room) = self.out.get_mut(self.free) {
            *room = byte;
        }
        self.free += 1;
    }

    /// Writes items with these codewords (codeword << 8 | length).
    pub(super) fn items(&mut self, codes: &[u32; SYMBOLS], items: &[Item]) {
        for &item in items {
            let code = codes[item.symbol()];
            self.add(code >> 8, code & 31);
            if let Some(rest) = item.long_rest() {
                self.length(rest);
            }
            self.add(item.value(), item.extra());
        }
    }

    /// Writes the rest of a length in whole bytes.
    fn length(&mut self, rest: usize) {
        if rest < 15 + 255 {
            self.raw((rest - 15) as u8);
        } else {
            self.raw(255);
            self.raw(rest as u8);
            self.raw((rest >> 8) as u8);
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
