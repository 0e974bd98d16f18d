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

use crate::DecodeError;
use crate::bits::{BitReader, BitWriter};
use crate::huffman::{CodeBuilder, DecodeTable, codewords, entry_length, entry_value};

/// Size of the pretree's alphabet.
pub(crate) const SYMBOLS: usize = 20;
/// The longest codeword of a pretree.
const MAX_CODEWORD: u32 = 15;
/// Lengths are differences modulo this.
const MODULUS: u8 = 17;

const ZEROS: u8 = 17;
const MORE_ZEROS: u8 = 18;
const SAME: u8 = 19;

/// Reads one part: `lengths` holds the old lengths and receives the new ones.
pub(super) fn read(
    reader: &mut BitReader<'_>,
    pretree: &mut DecodeTable<7>,
    lengths: &mut [u8],
) -> Result<(), DecodeError> {
    let mut own = [0u8; SYMBOLS];
    for length in &mut own {
        *length = reader.bits(4) as u8;
    }
    pretree.build(&own, |symbol| symbol)?;
    if pretree.is_empty() {
        return Err(DecodeError::BadCode);
    }
    let mut at = 0;
    while at < lengths.len() {
        // 48 bits: two codewords and a run length.
        reader.refill();
        let symbol = take(reader, pretree);
        let (run, value) = match symbol {
            ZEROS => (4 + reader.take(4) as usize, 0),
            MORE_ZEROS => (20 + reader.take(5) as usize, 0),
            SAME => {
                let run = 4 + reader.take(1) as usize;
                let symbol = take(reader, pretree);
                if symbol >= MODULUS {
                    return Err(DecodeError::BadField);
                }
                (run, difference(lengths[at], symbol))
            }
            _ => (1, difference(lengths[at], symbol)),
        };
        let Some(run) = lengths.get_mut(at..at + run) else {
            return Err(DecodeError::BadField);
        };
        run.fill(value);
        at += run.len();
    }
    Ok(())
}

fn take(reader: &mut BitReader<'_>, pretree: &DecodeTable<7>) -> u8 {
    let entry = pretree.look_up(reader.peek());
    reader.consume(entry_length(entry));
    entry_value(entry) as u8
}

/// (a − b) mod 17 for a, b in 0..=16.
#[inline]
fn difference(a: u8, b: u8) -> u8 {
    if a >= b { a - b } else { a + MODULUS - b }
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
    pub(super) fn plan(&mut self, builder: &mut CodeBuilder, old: &[u8], new: &[u8]) -> u32 {
        let mut freqs = [0u32; SYMBOLS];
        self.count = 0;
        let mut at = 0;
        while at < new.len() {
            let value = new[at];
            let mut run = new[at..].iter().take_while(|&&v| v == value).count();
            if value == 0 {
                while run >= 20 {
                    let taken = run.min(51);
                    self.push(&mut freqs, MORE_ZEROS, taken as u16 - 20);
                    at += taken;
                    run -= taken;
                }
                if run >= 4 {
                    self.push(&mut freqs, ZEROS, run as u16 - 4);
                    at += run;
                    run = 0;
                }
            } else {
                while run >= 4 {
                    let taken = run.min(5);
                    self.push(&mut freqs, SAME, taken as u16 - 4);
                    self.push(&mut freqs, difference(old[at], value), 0);
                    at += taken;
                    run -= taken;
                }
            }
            for _ in 0..run {
                self.push(&mut freqs, difference(old[at], value), 0);
                at += 1;
            }
        }
        builder.lengths(&freqs, MAX_CODEWORD, &mut self.lengths);
        codewords(&self.lengths, &mut self.codes);
        let mut bits = 4 * SYMBOLS as u32;
        for (symbol, (freq, &length)) in freqs.iter().zip(&self.lengths).enumerate() {
            bits += freq * (u32::from(length) + extra_bits(symbol as u8));
        }
        bits
    }

    pub(super) fn write(&self, writer: &mut BitWriter<'_>) {
        for &length in &self.lengths {
            writer.put(u32::from(length), 4);
        }
        for &token in &self.tokens[..self.count] {
            let symbol = (token & 0xff) as u8;
            let index = usize::from(symbol);
            writer.add(self.codes[index], u32::from(self.lengths[index]));
            writer.put(u32::from(token >> 8), extra_bits(symbol));
        }
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
