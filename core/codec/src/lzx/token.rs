//! Items as they are coded, and how often their symbols occur.
//!
//! A [`Token`] holds all that coding an item takes but the codewords, so that the loops that count and
//! write need not ask whether it is a literal or a match: on most data nobody can guess that, a
//! processor least of all.

use super::offset::{self, BASE, EXTRA};
use super::{ALIGNED, HEADERS, LENGTHS, LITERALS, MAX_MAIN, MIN_LONG, MIN_MATCH};

/// From the bottom up: the main symbol, the number of extra bits, the length (1 for a literal), the
/// extra bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token(u64);

const EXTRA_AT: u32 = 10;
const LENGTH_AT: u32 = 16;
const VALUE_AT: u32 = 32;

impl Token {
    /// A byte.
    #[inline(always)]
    pub(super) fn literal(byte: u8) -> Self {
        Token(1 << LENGTH_AT | u64::from(byte))
    }

    /// A match.
    #[inline(always)]
    pub(super) fn matching(adjusted: u32, length: usize) -> Self {
        let slot = offset::slot(adjusted);
        let symbol = LITERALS + HEADERS * slot + (length - MIN_MATCH).min(HEADERS - 1);
        Token(
            symbol as u64
                | u64::from(EXTRA[slot]) << EXTRA_AT
                | (length as u64) << LENGTH_AT
                | u64::from(adjusted - BASE[slot]) << VALUE_AT,
        )
    }

    /// Its main symbol.
    #[inline(always)]
    pub(super) fn symbol(self) -> usize {
        self.0 as usize & ((1 << EXTRA_AT) - 1)
    }

    /// How many bytes it stands for.
    #[inline(always)]
    pub(super) fn length(self) -> usize {
        (self.0 >> LENGTH_AT) as usize & 511
    }

    /// The number of extra bits.
    #[inline(always)]
    pub(super) fn extra(self) -> u32 {
        (self.0 >> EXTRA_AT) as u32 & 31
    }

    /// The extra bits.
    #[inline(always)]
    pub(super) fn value(self) -> u32 {
        (self.0 >> VALUE_AT) as u32
    }

    /// The adjusted offset of a match.
    pub(super) fn adjusted(self) -> Option<u32> {
        let slot = self.symbol().checked_sub(LITERALS)? / HEADERS;
        Some(BASE[slot] + self.value())
    }

    /// The low three of the extra bits.
    #[inline(always)]
    pub(super) fn low(self) -> usize {
        self.value() as usize % ALIGNED
    }

    /// Whether the low three extra bits are a symbol in an aligned block.
    #[inline(always)]
    pub(super) fn has_aligned(self) -> bool {
        self.extra() >= 3
    }
}

/// How often each symbol occurs.
#[derive(Clone, Debug)]
pub(super) struct Frequencies {
    pub(super) main: [u32; MAX_MAIN],
    pub(super) length: [u32; LENGTHS],
    pub(super) aligned: [u32; ALIGNED],
}

impl Frequencies {
    pub(super) const ZERO: Frequencies = Frequencies {
        main: [0; MAX_MAIN],
        length: [0; LENGTHS],
        aligned: [0; ALIGNED],
    };

    /// Adds other counts.
    pub(super) fn add(&mut self, other: &Frequencies) {
        for (a, b) in [
            (&mut self.main[..], &other.main[..]),
            (&mut self.length, &other.length),
            (&mut self.aligned, &other.aligned),
        ] {
            for (a, b) in a.iter_mut().zip(b) {
                *a += b;
            }
        }
    }

    /// Counts tokens.
    pub(super) fn count_all(&mut self, tokens: &[Token]) {
        for &token in tokens {
            self.count(token, 1);
        }
    }

    /// Counts a token, `weight` times.
    #[inline(always)]
    pub(super) fn count(&mut self, token: Token, weight: u32) {
        self.main[token.symbol()] += weight;
        self.aligned[token.low()] += weight * u32::from(token.has_aligned());
        if let Some(symbol) = token.length().checked_sub(MIN_LONG) {
            self.length[symbol] += weight;
        }
    }
}
