//! Items as they are coded, and how often their symbols occur.
//!
//! A [`Token`] holds all that coding an item takes but the codewords, so that the loops that count and
//! write need not ask whether it is a literal or a match: on most data nobody can guess that, a
//! processor least of all.

use super::offset::{self, BASE, EXTRA, MAX_SLOTS};
use super::{ALIGNED, HEADERS, LENGTHS, LITERALS, MAX_MAIN, MIN_LONG, MIN_MATCH};

/// From the bottom up: the main symbol, the symbol of the aligned code or [`NOT_ALIGNED`], the length (1 for a
/// literal), the number of the other extra bits and these.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Token(u64);

const LOW_AT: u32 = 10;
const LENGTH_AT: u32 = 16;
const EXTRA_AT: u32 = 25;
const HIGH_AT: u32 = 32;

/// Stands for the low three extra bits of a token that has less than three.
pub(super) const NOT_ALIGNED: usize = ALIGNED;

/// What all tokens of an offset slot have in common.
#[derive(Clone, Copy)]
struct Slot {
    base: u32,
    /// The first main symbol, the number of upper extra bits, and [`NOT_ALIGNED`] if that is so.
    fields: u32,
    /// Which of the extra bits are lower ones.
    low: u32,
    shift: u8,
}

static SLOTS: [Slot; MAX_SLOTS] = {
    let mut slots = [Slot {
        base: 0,
        fields: 0,
        low: 0,
        shift: 0,
    }; MAX_SLOTS];
    let mut slot = 0;
    while slot < MAX_SLOTS {
        let (extra, symbol) = (EXTRA[slot] as u32, (LITERALS + HEADERS * slot) as u32);
        slots[slot] = if extra < 3 {
            Slot {
                base: BASE[slot],
                fields: symbol | extra << EXTRA_AT | (NOT_ALIGNED as u32) << LOW_AT,
                low: 0,
                shift: 0,
            }
        } else {
            Slot {
                base: BASE[slot],
                fields: symbol | (extra - 3) << EXTRA_AT,
                low: 7,
                shift: 3,
            }
        };
        slot += 1;
    }
    slots
};

impl Token {
    /// A byte.
    #[inline(always)]
    pub(super) fn literal(byte: u8) -> Self {
        const REST: u64 = 1 << LENGTH_AT | (NOT_ALIGNED as u64) << LOW_AT;
        Token(REST | u64::from(byte))
    }

    /// A match.
    #[inline(always)]
    pub(super) fn matching(adjusted: u32, length: usize) -> Self {
        let slot = &SLOTS[offset::slot(adjusted)];
        let header = (length - MIN_MATCH).min(HEADERS - 1);
        let value = adjusted - slot.base;
        Token(
            u64::from(slot.fields)
                + header as u64
                + (u64::from(value & slot.low) << LOW_AT)
                + ((length as u64) << LENGTH_AT)
                + (u64::from(value >> slot.shift) << HIGH_AT),
        )
    }

    /// Its main symbol.
    #[inline(always)]
    pub(super) fn symbol(self) -> usize {
        self.0 as usize & ((1 << LOW_AT) - 1)
    }

    /// How many bytes it stands for.
    #[inline(always)]
    pub(super) fn length(self) -> usize {
        (self.0 >> LENGTH_AT) as usize & 511
    }

    /// The low three extra bits if there are as many, else [`NOT_ALIGNED`].
    #[inline(always)]
    pub(super) fn low(self) -> usize {
        (self.0 >> LOW_AT) as usize % (2 * ALIGNED)
    }

    /// The number of the other extra bits.
    #[inline(always)]
    pub(super) fn extra(self) -> u32 {
        (self.0 >> EXTRA_AT) as u32 & 31
    }

    /// The other extra bits.
    #[inline(always)]
    pub(super) fn high(self) -> u64 {
        self.0 >> HIGH_AT
    }
}

/// How often each symbol occurs.
#[derive(Clone, Debug)]
pub(super) struct Frequencies {
    pub(super) main: [u32; MAX_MAIN],
    pub(super) length: [u32; LENGTHS],
    /// By [`Token::low`]: those of the aligned code, and in the upper half of no use.
    low: [u32; 2 * ALIGNED],
}

impl Frequencies {
    pub(super) const ZERO: Frequencies = Frequencies {
        main: [0; MAX_MAIN],
        length: [0; LENGTHS],
        low: [0; 2 * ALIGNED],
    };

    /// Those of the aligned code.
    pub(super) fn aligned(&self) -> &[u32] {
        &self.low[..ALIGNED]
    }

    /// Adds other counts.
    pub(super) fn add(&mut self, other: &Frequencies) {
        for (a, b) in [
            (&mut self.main[..], &other.main[..]),
            (&mut self.length, &other.length),
            (&mut self.low, &other.low),
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
        self.low[token.low()] += weight;
        if let Some(symbol) = token.length().checked_sub(MIN_LONG) {
            self.length[symbol] += weight;
        }
    }
}
