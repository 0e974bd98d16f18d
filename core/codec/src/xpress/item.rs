//! Items as they are coded: all that takes but the codewords, so that writing need not ask what an item
//! is, which no processor can guess.

use super::{END_SYMBOL, MIN_MATCH, SYMBOLS};

/// From the bottom up: the symbol, whether the length does not fit into it, the number of offset bits, these,
/// the length less [`MIN_MATCH`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Item(u64);

const LONG_AT: u32 = 9;
const EXTRA_AT: u32 = 10;
const VALUE_AT: u32 = 16;
const REST_AT: u32 = 32;
/// From this rest on, the length does not fit into the symbol.
pub(super) const LONG: usize = 15;

impl Item {
    /// What comes after the last one.
    pub(super) const END: Item = Item(END_SYMBOL as u64);

    /// A byte.
    #[inline(always)]
    pub(super) fn literal(byte: u8) -> Self {
        Item(u64::from(byte))
    }

    /// A match.
    #[inline(always)]
    pub(super) fn matching(offset: usize, length: usize) -> Self {
        let extra = (offset | 1).ilog2();
        let rest = length - MIN_MATCH;
        let symbol = 256 + 16 * extra as usize + rest.min(LONG);
        let value = offset - (1 << extra);
        Item(
            symbol as u64
                | u64::from(rest >= LONG) << LONG_AT
                | u64::from(extra) << EXTRA_AT
                | (value as u64) << VALUE_AT
                | (rest as u64) << REST_AT,
        )
    }

    #[inline(always)]
    pub(super) fn symbol(self) -> usize {
        self.0 as usize & (SYMBOLS - 1)
    }

    /// Whether the length does not fit into the symbol, so that raw bytes come before the offset bits.
    #[inline(always)]
    pub(super) fn is_long(self) -> bool {
        self.0 >> LONG_AT & 1 != 0
    }

    /// The number of offset bits.
    #[inline(always)]
    pub(super) fn extra(self) -> u32 {
        (self.0 >> EXTRA_AT) as u32 & 15
    }

    /// The offset bits.
    #[inline(always)]
    pub(super) fn value(self) -> u32 {
        (self.0 >> VALUE_AT) as u32 & 0xffff
    }

    /// The length less [`MIN_MATCH`].
    #[inline(always)]
    pub(super) fn rest(self) -> usize {
        (self.0 >> REST_AT) as usize
    }
}
