//! How codeword lengths are transmitted.
//!
//! The lengths of the main code come in two parts, those of the length code in a third, each as
//! differences from the lengths in the previous compressed block (zeros at first), run-length coded
//! with a small code of its own, the pretree, whose twenty 4-bit codeword lengths come first.
//!
//! | symbol | meaning |
//! |---|---|
//! | 0..=16 | new length = (old − symbol) mod 17 |
//! | 17 | 4 + (4 bits) lengths become 0 |
//! | 18 | 20 + (5 bits) lengths become 0 |
//! | 19 | 4 + (1 bit) lengths become the same; a symbol 0..=16 follows and says which, from the old length of the first |

use core::hint::select_unpredictable;

use crate::DecodeError;
use crate::bits::{BitReader, BitWriter};
use crate::huffman::{CodeBuilder, DecodeTable, codewords, entry, entry_bits, entry_value};

/// Size of the pretree's alphabet.
pub(crate) const SYMBOLS: usize = 20;
/// The longest codeword of a pretree.
const MAX_CODEWORD: u32 = 15;
/// Lengths are differences modulo this.
const MODULUS: u8 = 17;

/// What a pretree symbol without a codeword is taken to cost.
const UNUSED: u32 = 7;

const ZEROS: u8 = 17;
const MORE_ZEROS: u8 = 18;
const SAME: u8 = 19;

/// Reads one part: `lengths` holds the old lengths and receives the new ones.
pub(super) fn read(
    reader: &mut BitReader<'_>,
    pretree: &mut DecodeTable<128>,
    lengths: &mut [u8],
) -> Result<(), DecodeError> {
    let mut own = [0u8; SYMBOLS];
    for length in &mut own {
        *length = reader.bits(4) as u8;
    }
    pretree.build(&own, |symbol| entry(symbol, 0))?;
    if pretree.is_empty() {
        return Err(DecodeError::BadCode);
    }
    let mut at = 0;
    while let Some(old) = lengths.get_mut(at) {
        // 48 bits: two codewords and a run length.
        reader.refill();
        let symbol = take(reader, pretree);
        if symbol < MODULUS {
            *old = difference(*old, symbol);
            at += 1;
            continue;
        }
        let (run, value) = match symbol {
            ZEROS => (4 + reader.take(4) as usize, 0),
            MORE_ZEROS => (20 + reader.take(5) as usize, 0),
            _ => {
                let run = 4 + reader.take(1) as usize;
                let symbol = take(reader, pretree);
                if symbol >= MODULUS {
                    return Err(DecodeError::BadField);
                }
                (run, difference(*old, symbol))
            }
        };
        let Some(run) = lengths.get_mut(at..at + run) else {
            return Err(DecodeError::BadField);
        };
        run.fill(value);
        at += run.len();
    }
    Ok(())
}

fn take(reader: &mut BitReader<'_>, pretree: &DecodeTable<128>) -> u8 {
    let entry = pretree.look_up(reader.peek());
    reader.consume(entry_bits(entry));
    entry_value(entry) as u8
}

/// (a − b) mod 17 for a, b in 0..=16.
#[inline]
fn difference(a: u8, b: u8) -> u8 {
    // Without a branch, since nobody can tell what comes.
    let wrapped = (a + MODULUS).wrapping_sub(b);
    select_unpredictable(a >= b, a.wrapping_sub(b), wrapped)
}

/// One part, ready to be written: pretree symbols with their extra bits.
#[derive(Debug)]
pub(super) struct Part {
    /// Symbol | extra bits << 8.
    tokens: [u16; super::MAX_MAIN],
    count: usize,
    lengths: [u8; SYMBOLS],
    codes: [u32; SYMBOLS],
}

impl Part {
    pub(super) fn new() -> Self {
        Part {
            tokens: [0; super::MAX_MAIN],
            count: 0,
            lengths: [0; SYMBOLS],
            codes: [0; SYMBOLS],
        }
    }

    fn push(&mut self, freqs: &mut [u32; SYMBOLS], symbol: u8, extra: u16) {
        freqs[usize::from(symbol)] += 1;
        self.tokens[self.count] = u16::from(symbol) | extra << 8;
        self.count += 1;
    }

    /// Chooses runs and the pretree for the change from `old` to `new`, and returns the size in bits.
    ///
    /// Which runs pay depends on the pretree, which depends on the runs. First every run that there is
    /// is taken; then the cheapest sequence under the pretree that this gave is found, from the end to
    /// the start.
    pub(super) fn plan(&mut self, builder: &mut CodeBuilder, old: &[u8], new: &[u8]) -> u32 {
        let mut freqs = [0u32; SYMBOLS];
        self.count = 0;
        self.all_runs(&mut freqs, old, new);
        builder.lengths(&freqs, MAX_CODEWORD, &mut self.lengths);
        let costs = self.lengths.map(|length| {
            if length == 0 {
                UNUSED
            } else {
                u32::from(length)
            }
        });
        let mut freqs = [0u32; SYMBOLS];
        self.count = 0;
        self.cheapest_runs(&mut freqs, &costs, old, new);
        builder.lengths(&freqs, MAX_CODEWORD, &mut self.lengths);
        codewords(&self.lengths, &mut self.codes);
        let mut bits = 4 * SYMBOLS as u32;
        for (symbol, (freq, &length)) in freqs.iter().zip(&self.lengths).enumerate() {
            bits += freq * (u32::from(length) + extra_bits(symbol as u8));
        }
        bits
    }

    /// Tokens with every run taken.
    fn all_runs(&mut self, freqs: &mut [u32; SYMBOLS], old: &[u8], new: &[u8]) {
        let mut at = 0;
        while at < new.len() {
            let value = new[at];
            let mut run = new[at..].iter().take_while(|&&v| v == value).count();
            if value == 0 {
                while run >= 20 {
                    let taken = run.min(51);
                    self.push(freqs, MORE_ZEROS, taken as u16 - 20);
                    at += taken;
                    run -= taken;
                }
                if run >= 4 {
                    self.push(freqs, ZEROS, run as u16 - 4);
                    at += run;
                    run = 0;
                }
            } else {
                while run >= 4 {
                    let taken = run.min(5);
                    self.push(freqs, SAME, taken as u16 - 4);
                    self.push(freqs, difference(old[at], value), 0);
                    at += taken;
                    run -= taken;
                }
            }
            for _ in 0..run {
                self.push(freqs, difference(old[at], value), 0);
                at += 1;
            }
        }
    }

    /// The tokens that cost least.
    fn cheapest_runs(
        &mut self,
        freqs: &mut [u32; SYMBOLS],
        costs: &[u32; SYMBOLS],
        old: &[u8],
        new: &[u8],
    ) {
        let price: [u32; SYMBOLS] =
            core::array::from_fn(|symbol| costs[symbol] + extra_bits(symbol as u8));
        let price = |symbol: u8| price[usize::from(symbol) % SYMBOLS];
        let (zeros, more_zeros, same) = (price(ZEROS), price(MORE_ZEROS), price(SAME));
        // From each position to the end: the cost, and how many lengths the first token covers, with
        // which symbol.
        let mut rest = [0u32; super::MAX_MAIN + 1];
        let mut choice = [(0u8, 0u8); super::MAX_MAIN];
        let mut run = 0usize;
        let mut next = None;
        for (at, (&old, &new)) in old.iter().zip(new).enumerate().rev() {
            run = if next == Some(new) { run + 1 } else { 1 };
            next = Some(new);
            let symbol = difference(old, new);
            let alone = price(symbol);
            let mut best = (alone + rest[at + 1], (1, symbol));
            if run >= 4 {
                let mut offer = |taken: usize, symbol: u8, price: u32| {
                    if price + rest[at + taken] < best.0 {
                        best = (price + rest[at + taken], (taken as u8, symbol));
                    }
                };
                if new == 0 {
                    offer(run.min(19), ZEROS, zeros);
                    if run >= 20 {
                        offer(run.min(51), MORE_ZEROS, more_zeros);
                    }
                }
                offer(4, SAME, same + alone);
                if run >= 5 {
                    offer(5, SAME, same + alone);
                }
            }
            (rest[at], choice[at]) = best;
        }
        let mut at = 0;
        while at < new.len() {
            let (taken, symbol) = choice[at];
            let extra = match symbol {
                ZEROS | SAME => taken - 4,
                MORE_ZEROS => taken - 20,
                _ => 0,
            };
            self.push(freqs, symbol, u16::from(extra));
            if symbol == SAME {
                self.push(freqs, difference(old[at], new[at]), 0);
            }
            at += usize::from(taken);
        }
    }

    pub(super) fn write(&self, writer: &mut BitWriter<'_>) {
        for &length in &self.lengths {
            writer.put(u32::from(length), 4);
        }
        writer.extend(&self.tokens[..self.count], |token| {
            let symbol = (token & 0xff) as u8;
            let (index, extra) = (usize::from(symbol), extra_bits(symbol));
            (
                u64::from(self.codes[index]) << extra | u64::from(token >> 8),
                u32::from(self.lengths[index]) + extra,
            )
        });
    }
}

fn extra_bits(symbol: u8) -> u32 {
    match symbol {
        ZEROS => 4,
        MORE_ZEROS => 5,
        SAME => 1,
        _ => 0,
    }
}
