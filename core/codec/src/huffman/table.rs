//! Decoding by table.
//!
//! The next [`BITS`](DecodeTable) bits of the stream index a table whose entry says which symbol they
//! start with and how long its codeword is; codewords longer than that continue in a second-level
//! table. Because canonical codewords grow in numerical order with their bits at the top, the entries
//! of one codeword are neighbours and the table is filled from one end to the other.
//!
//! What an entry says about its symbol is up to the format: `describe` is called for each symbol once
//! per table, so the inner loop of a decoder finds everything it needs in one load.

use alloc::vec;
use alloc::vec::Vec;

use crate::DecodeError;

/// The bits of an entry: 0..=4 codeword length, 5 set for a link to a second-level table, 6.. the
/// symbol's description.
pub(crate) type Entry = u32;

const LINK: Entry = 1 << 5;
const SHIFT: u32 = 6;

/// A decode table with `BITS` bits at its first level, for codewords of up to 16 bits.
#[derive(Debug)]
pub(crate) struct DecodeTable<const BITS: u32> {
    entries: Vec<Entry>,
    /// Symbols in canonical order.
    sorted: Vec<u16>,
    empty: bool,
}

impl<const BITS: u32> DecodeTable<BITS> {
    const FIRST: usize = 1 << BITS;

    /// A table for alphabets of up to `symbols` symbols.
    pub(crate) fn new(symbols: usize) -> Self {
        // A second-level table of 2^d entries holds at least d + 1 symbols.
        let depth = 16 - BITS.min(16);
        let most = Self::FIRST + symbols * (1 << depth) / (depth as usize + 1) + (1 << depth);
        let mut entries = Vec::with_capacity(most);
        entries.resize(Self::FIRST, 0);
        DecodeTable {
            entries,
            sorted: vec![0; symbols],
            empty: true,
        }
    }

    /// Makes the table for these lengths. The description must be less than 2^26.
    ///
    /// # Errors
    /// [`DecodeError::BadCode`] if the code is neither complete nor empty. An empty code is accepted
    /// here; [`DecodeTable::is_empty`] tells, and looking up in it gives an entry of 0 for everything.
    #[inline]
    pub(crate) fn build(
        &mut self,
        lengths: &[u8],
        describe: impl Fn(u32) -> u32,
    ) -> Result<(), DecodeError> {
        let mut counts = [0u32; 17];
        for &length in lengths {
            counts[usize::from(length).min(16)] += 1;
        }
        let mut sum = 0u32;
        let mut offsets = [0u32; 18];
        for length in 1..=16 {
            sum += counts[length] << (16 - length);
            offsets[length + 1] = offsets[length] + counts[length];
        }
        let used = offsets[17] as usize;
        self.empty = used == 0;
        self.entries.truncate(Self::FIRST);
        if self.empty {
            self.entries.fill(0);
            return Ok(());
        }
        if sum != 1 << 16 {
            return Err(DecodeError::BadCode);
        }
        for (symbol, &length) in lengths.iter().enumerate() {
            if length != 0 {
                let slot = &mut offsets[usize::from(length).min(16)];
                self.sorted[*slot as usize] = symbol as u16;
                *slot += 1;
            }
        }
        // Codewords that fit the first level fill it from the bottom.
        let mut symbols = self.sorted[..used].iter();
        let mut at = 0usize;
        for length in 1..=BITS.min(16) {
            let span = 1usize << (BITS - length);
            for &symbol in symbols.by_ref().take(counts[length as usize] as usize) {
                let entry = describe(u32::from(symbol)) << SHIFT | length;
                self.entries[at..at + span].fill(entry);
                at += span;
            }
        }
        // The others share second-level tables, one per prefix, as deep as the longest in it. Because
        // lengths ascend and the code is complete, the room a prefix still has tells that depth.
        let mut length = BITS + 1;
        while at < Self::FIRST {
            while counts[length as usize] == 0 {
                length += 1;
            }
            let mut depth = length - BITS;
            let mut room = (1i64 << depth) - i64::from(counts[length as usize]);
            while room > 0 {
                depth += 1;
                room = (room << 1) - i64::from(counts[(BITS + depth) as usize]);
            }
            let start = self.entries.len();
            self.entries[at] = (start as u32) << SHIFT | LINK | depth;
            at += 1;
            let mut filled = 0usize;
            while filled < 1 << depth {
                while counts[length as usize] == 0 {
                    length += 1;
                }
                counts[length as usize] -= 1;
                let span = 1usize << (BITS + depth - length);
                let symbol = symbols.next().copied().unwrap_or_default();
                let entry = describe(u32::from(symbol)) << SHIFT | length;
                self.entries.resize(start + filled + span, entry);
                filled += span;
            }
        }
        Ok(())
    }

    /// Whether no symbol has a codeword.
    pub(crate) fn is_empty(&self) -> bool {
        self.empty
    }

    /// The entry for the codeword at the top of `bits`.
    #[inline(always)]
    pub(crate) fn look_up(&self, bits: u64) -> Entry {
        let entry = self.entries[(bits >> (64 - BITS)) as usize];
        if entry & LINK == 0 {
            entry
        } else {
            let below = (bits << BITS) >> (64 - (entry & 31));
            self.entries[(entry >> SHIFT) as usize + below as usize]
        }
    }
}

/// The length of the codeword.
#[inline(always)]
pub(crate) fn entry_length(entry: Entry) -> u32 {
    entry & 31
}

/// The symbol's description.
#[inline(always)]
pub(crate) fn entry_value(entry: Entry) -> u32 {
    entry >> SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::huffman::{CodeBuilder, codewords};
    use proptest::prelude::*;

    #[test]
    fn incomplete_codes_are_rejected() {
        let mut table = DecodeTable::<10>::new(8);
        for lengths in [
            &[1u8, 0][..],
            &[1, 1, 1],
            &[2, 2, 2],
            &[16, 1, 2],
            &[1, 2, 3],
        ] {
            assert_eq!(table.build(lengths, |s| s), Err(DecodeError::BadCode));
        }
        assert_eq!(table.build(&[0, 0, 0], |s| s), Ok(()));
        assert!(table.is_empty());
    }

    proptest! {
        #[test]
        fn every_codeword_is_found(
            freqs in prop::collection::vec(prop_oneof![Just(0u32), 0u32..10, 0u32..100_000], 2..600),
            limit in 11u32..=16,
        ) {
            let mut lengths = alloc::vec![0; freqs.len()];
            CodeBuilder::new(600).lengths(&freqs, limit, &mut lengths);
            let mut codes = alloc::vec![0; freqs.len()];
            codewords(&lengths, &mut codes);
            let mut table = DecodeTable::<10>::new(600);
            let capacity = table.entries.capacity();
            prop_assert_eq!(table.build(&lengths, |s| s), Ok(()));
            prop_assert_eq!(table.entries.capacity(), capacity);
            for (symbol, &length) in lengths.iter().enumerate() {
                if length > 0 {
                    let length = u32::from(length);
                    for tail in [0, u64::MAX >> length] {
                        let bits = u64::from(codes[symbol]) << (64 - length) | tail;
                        let entry = table.look_up(bits);
                        prop_assert_eq!(entry_value(entry), symbol as u32);
                        prop_assert_eq!(entry_length(entry), length);
                    }
                }
            }
        }
    }
}
