//! Decoding by table.
//!
//! The next bits of the stream index a table whose entry says which symbol they
//! start with and how long its codeword is; codewords longer than that continue in a second-level
//! table. Because canonical codewords grow in numerical order with their bits at the top, the entries
//! of one codeword are neighbours and the table is filled from one end to the other.
//!
//! What an entry says about its symbol is up to the format: `describe` is called for each symbol once
//! per table, so the inner loop of a decoder finds everything it needs in one load.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::DecodeError;

/// The bits of an entry: 0..=5 how many bits of the stream to consume, 6..=30 the symbol's description,
/// 31 set for a link to a second-level table.
///
/// What is consumed may include extra bits that follow the codeword, so that the next look-up has to
/// wait for nothing else.
pub(crate) type Entry = u32;

const LINK: Entry = 1 << 31;
const SHIFT: u32 = 6;

/// Describes a symbol that is followed by `extra` bits, to be consumed with its codeword, up to 47. The
/// description must be less than 2^25.
#[inline(always)]
pub(crate) const fn entry(description: u32, extra: u32) -> Entry {
    description << SHIFT | extra
}

/// A decode table with `FIRST` entries, a power of two, at its first level, for codewords of up to 16
/// bits.
#[derive(Debug)]
pub(crate) struct DecodeTable<const FIRST: usize> {
    first: Box<[Entry; FIRST]>,
    second: Vec<Entry>,
    /// Symbols in canonical order.
    sorted: Vec<u16>,
    empty: bool,
}

impl<const FIRST: usize> DecodeTable<FIRST> {
    /// Bits that the first level is indexed by.
    const BITS: u32 = {
        assert!(FIRST.is_power_of_two());
        FIRST.ilog2()
    };

    /// A table for alphabets of up to `symbols` symbols.
    pub(crate) fn new(symbols: usize) -> Self {
        // A second-level table of 2^d entries holds at least d + 1 symbols.
        let depth = 16 - Self::BITS;
        let most = symbols * (1 << depth) / (depth as usize + 1) + (1 << depth);
        DecodeTable {
            first: Box::new([0; FIRST]),
            second: Vec::with_capacity(most),
            sorted: vec![0; symbols],
            empty: true,
        }
    }

    /// Makes the table for these lengths, with descriptions made by [`entry`].
    ///
    /// # Errors
    /// [`DecodeError::BadCode`] if the code is neither complete nor empty. An empty code is accepted
    /// here; [`DecodeTable::is_empty`] tells, and looking up in it gives an entry of 0 for everything.
    #[inline]
    pub(crate) fn build(
        &mut self,
        lengths: &[u8],
        describe: impl Fn(u32) -> Entry,
    ) -> Result<(), DecodeError> {
        debug_assert!(lengths.iter().all(|&length| length <= 16));
        let mut counts = [0u32; 32];
        for &length in lengths {
            counts[usize::from(length & 31)] += 1;
        }
        let mut sum = 0u32;
        let mut offsets = [0u32; 32];
        for length in 1..=16 {
            sum += counts[length] << (16 - length);
            offsets[length + 1] = offsets[length] + counts[length];
        }
        let used = offsets[17] as usize;
        self.empty = used == 0;
        self.second.clear();
        if self.empty {
            self.first.fill(0);
            return Ok(());
        }
        if sum != 1 << 16 {
            return Err(DecodeError::BadCode);
        }
        for (symbol, &length) in lengths.iter().enumerate() {
            if length != 0 {
                let slot = &mut offsets[usize::from(length & 31)];
                self.sorted[*slot as usize] = symbol as u16;
                *slot += 1;
            }
        }
        // Codewords that fit the first level fill it from the bottom.
        let mut symbols = self.sorted[..used].iter();
        let mut at = 0usize;
        for length in 1..=Self::BITS {
            let span = 1usize << (Self::BITS - length);
            for &symbol in symbols.by_ref().take(counts[length as usize] as usize) {
                let entry = describe(u32::from(symbol)) + length;
                self.first[at..at + span].fill(entry);
                at += span;
            }
        }
        // The others share second-level tables, one per prefix, as deep as the longest in it. Because
        // lengths ascend and the code is complete, the room a prefix still has tells that depth.
        let mut length = Self::BITS + 1;
        while at < FIRST {
            while counts[length as usize] == 0 {
                length += 1;
            }
            let mut depth = length - Self::BITS;
            let mut room = (1i64 << depth) - i64::from(counts[length as usize]);
            while room > 0 {
                depth += 1;
                room = (room << 1) - i64::from(counts[(Self::BITS + depth) as usize]);
            }
            let start = self.second.len();
            self.first[at] = (start as u32) << SHIFT | LINK | depth;
            at += 1;
            let mut filled = 0usize;
            while filled < 1 << depth {
                while counts[length as usize] == 0 {
                    length += 1;
                }
                counts[length as usize] -= 1;
                let span = 1usize << (Self::BITS + depth - length);
                let symbol = symbols.next().copied().unwrap_or_default();
                let entry = describe(u32::from(symbol)) + length;
                self.second.resize(start + filled + span, entry);
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
        let entry = self.first[(bits >> (64 - Self::BITS)) as usize];
        if entry & LINK == 0 {
            entry
        } else {
            self.follow(entry, bits)
        }
    }

    #[cold]
    #[inline(never)]
    fn follow(&self, link: Entry, bits: u64) -> Entry {
        let below = (bits << Self::BITS) >> (64 - entry_bits(link));
        self.second[entry_value(link & !LINK) as usize + below as usize]
    }
}

/// How many bits to consume.
#[inline(always)]
pub(crate) fn entry_bits(entry: Entry) -> u32 {
    entry & ((1 << SHIFT) - 1)
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
        let mut table = DecodeTable::<1024>::new(8);
        for lengths in [
            &[1u8, 0][..],
            &[1, 1, 1],
            &[2, 2, 2],
            &[16, 1, 2],
            &[1, 2, 3],
        ] {
            assert_eq!(
                table.build(lengths, |s| entry(s, 0)),
                Err(DecodeError::BadCode)
            );
        }
        assert_eq!(table.build(&[0, 0, 0], |s| entry(s, 0)), Ok(()));
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
            let mut table = DecodeTable::<1024>::new(600);
            let capacity = table.second.capacity();
            prop_assert_eq!(table.build(&lengths, |s| entry(s, 0)), Ok(()));
            prop_assert_eq!(table.second.capacity(), capacity);
            for (symbol, &length) in lengths.iter().enumerate() {
                if length > 0 {
                    let length = u32::from(length);
                    for tail in [0, u64::MAX >> length] {
                        let bits = u64::from(codes[symbol]) << (64 - length) | tail;
                        let found = table.look_up(bits);
                        prop_assert_eq!(entry_value(found), symbol as u32);
                        prop_assert_eq!(entry_bits(found), length);
                    }
                }
            }
        }
    }
}
