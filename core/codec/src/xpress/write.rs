//! Writing items: bits in units, with raw length bytes where a reader will look for them.
//!
//! The writer mirrors the reader's look-ahead. It keeps two unit slots reserved ahead of the next free
//! byte: when more than 16 bits are pending, the oldest 16 go into the first slot and a new one is
//! reserved at the next free byte, which is where raw bytes go too.

use crate::cpu::{Instructions, Work};

use super::SYMBOLS;
use super::item::Item;

/// Some bits.
#[derive(Clone, Copy, Debug)]
struct Field {
    value: u32,
    /// Their number.
    bits: u32,
}

/// A codeword and, below it, its length in [`LENGTH_BITS`] bits, for each symbol.
pub(super) type Codes = [u32; SYMBOLS];
const LENGTH_BITS: u32 = 8;

/// Adds the lengths to codewords.
pub(super) fn with_lengths(codes: &mut Codes, lengths: &[u8; SYMBOLS]) {
    for (code, &length) in codes.iter_mut().zip(lengths) {
        *code = *code << LENGTH_BITS | u32::from(length);
    }
}

/// The codeword and the offset bits of an item, up to 15 each.
#[inline(always)]
fn fields(codes: &Codes, item: Item) -> (Field, Field) {
    let code = codes[item.symbol()];
    let code = Field {
        value: code >> LENGTH_BITS,
        bits: code & ((1 << LENGTH_BITS) - 1),
    };
    let offset = Field {
        value: item.value(),
        bits: item.extra(),
    };
    (code, offset)
}

/// These joined.
#[inline(always)]
fn both(codes: &Codes, item: Item) -> Field {
    let (code, offset) = fields(codes, item);
    Field {
        value: code.value << offset.bits | offset.value,
        bits: code.bits + offset.bits,
    }
}

#[derive(Debug)]
struct Writer<'a> {
    out: &'a mut [u8],
    /// The two reserved slots.
    slots: [usize; 2],
    /// The next free byte.
    free: usize,
    buf: u64,
    held: u32,
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut [u8], at: usize) -> Self {
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

    /// Adds up to 16 bits.
    #[inline(always)]
    fn add(&mut self, field: Field) {
        self.buf = self.buf << field.bits | u64::from(field.value);
        self.held += field.bits;
        if self.held > 16 {
            self.held -= 16;
            self.unit(self.slots[0], (self.buf >> self.held) as u16);
            self.slots = [self.slots[1], self.free];
            self.free += 2;
        }
    }

    /// Adds two fields of up to 30 bits at once, if no raw bytes lie between the slots, and there is room. Says whether it has.
    #[inline(always)]
    fn add_both(&mut self, a: Field, b: Field) -> bool {
        let bits = a.bits + b.bits;
        let held = self.held + bits;
        let at = self.slots[0];
        if (self.free != at + 4) | (held > 64) {
            return false;
        }
        let Some(room) = self.out.get_mut(at..at + 8) else {
            return false;
        };
        self.buf = self.buf << bits | u64::from(a.value) << b.bits | u64::from(b.value);
        // All that is held, in four units, of which those that are not full are written again.
        let units = (self.buf << (64 - held)).rotate_left(32);
        let low = 0x0000_ffff_0000_ffff;
        let units = units >> 16 & low | (units & low) << 16;
        room.copy_from_slice(&units.to_le_bytes());
        let full = (held - 1) / 16;
        self.held = held - 16 * full;
        let at = at + 2 * full as usize;
        self.slots = [at, at + 2];
        self.free = at + 4;
        true
    }

    #[inline(always)]
    fn raw(&mut self, byte: u8) {
        if let Some(room) = self.out.get_mut(self.free) {
            *room = byte;
        }
        self.free += 1;
    }

    /// Writes items.
    #[inline(always)]
    fn items(mut self, codes: &Codes, items: &[Item]) -> Self {
        let (pairs, last) = items.as_chunks::<2>();
        for &[a, b] in pairs {
            let is_long = a.is_long() | b.is_long();
            if is_long || !self.add_both(both(codes, a), both(codes, b)) {
                self.item(codes, a);
                self.item(codes, b);
            }
        }
        for &item in last {
            self.item(codes, item);
        }
        self
    }

    #[inline(always)]
    fn item(&mut self, codes: &Codes, item: Item) {
        let (code, offset) = fields(codes, item);
        self.add(code);
        if item.is_long() {
            self.length(item.rest());
        }
        self.add(offset);
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
    fn finish(mut self, codes: &Codes) -> Option<usize> {
        self.add(fields(codes, Item::END).0);
        self.unit(self.slots[0], ((self.buf << 16) >> self.held) as u16);
        self.unit(self.slots[1], 0);
        (self.free <= self.out.len()).then_some(self.free)
    }
}

/// Writes all items of a chunk and what comes after them, from `at` on. Returns the size, or `None` if it did
/// not fit.
pub(super) struct Write<'a> {
    pub(super) out: &'a mut [u8],
    pub(super) at: usize,
    pub(super) codes: &'a Codes,
    pub(super) items: &'a [Item],
}

impl Work for Write<'_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<I: Instructions>(self) -> Option<usize> {
        Writer::new(self.out, self.at)
            .items(self.codes, self.items)
            .finish(self.codes)
    }
}
