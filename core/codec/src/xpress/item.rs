//! Items as they are coded: all that takes but the codewords, so that writing need not ask what an item
//! is, which no processor can guess.

use super::{MIN_MATCH, SYMBOLS};

/// From the bottom up: the symbol, the number of offset bits, the offset bits, the length less
/// [`MIN_MATCH`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Item(u64);

const EXTRA_AT: u32 = 9;
const VALUE_AT: u32 = 16;
const REST_AT: u32 = 32;
/// From this rest on, the length does not fit into the symbol.
pub(super) const LONG: usize = 15;

impl Item {
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
                | u64::from(extra) << EXTRA_AT
                | (value as u64) << VALUE_AT
                | (rest as u64) << REST_AT,
        )
    }

    #[inline(always)]
    pub(super) fn symbol(self) -> usize {
        self.0 as usize & (SYMBOLS - 1)
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

    /// The length less [`MIN_MATCH`], if that does not fit into the symbol.
    #[inline(always)]
    pub(super) fn long_rest(self) -> Option<usize> {
        let rest = (self.0 >> REST_AT) as usize;
        (rest >= LONG).then_some(rest)
    }
}
