//! Contents of generated files.

use crate::rng::Rng;
use std::io::{self, Write};

/// What kind of bytes a generated file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Words with a skewed distribution, as in source code: compresses well.
    Text,
    /// Nothing to compress.
    Random,
    /// One byte over and over.
    Zeros,
    /// A short period.
    Periodic,
    /// Stretches of the others in turn, so that chunks of one file are stored in different ways.
    Mixed,
}

/// All flavours, for generators to choose from.
pub const FLAVOURS: [Flavour; 5] = [
    Flavour::Text,
    Flavour::Random,
    Flavour::Zeros,
    Flavour::Periodic,
    Flavour::Mixed,
];

const WORDS: [&str; 32] = [
    "the ",
    "of ",
    "return ",
    "if (",
    ") {\n",
    "}\n",
    "    ",
    "int ",
    "static ",
    "const ",
    "self",
    ".",
    ", ",
    "value",
    "index",
    "length",
    " = ",
    " == ",
    "0;\n",
    "1",
    "for ",
    "let ",
    "name",
    "\n",
    "/* ",
    " */\n",
    "error",
    "buffer",
    "->",
    "struct ",
    "\"",
    "#include <",
];

/// Writes `len` bytes that depend on flavour and seed alone. Memory stays small for any length.
///
/// # Errors
/// Those of the writer.
pub fn write_to(writer: &mut impl Write, flavour: Flavour, seed: u64, len: u64) -> io::Result<()> {
    let mut rng = Rng::new(seed);
    let mut left = len;
    let mut block = Vec::with_capacity(1 << 16);
    let mut turn = 0usize;
    while left > 0 {
        block.clear();
        let size = left.min(1 << 15) as usize;
        let now = match flavour {
            Flavour::Mixed => FLAVOURS[turn % 4],
            other => other,
        };
        turn += 1;
        fill(&mut block, now, &mut rng, size, seed);
        writer.write_all(&block[..size])?;
        left -= size as u64;
    }
    Ok(())
}

/// The same bytes as [`write_to`], in memory.
#[must_use]
pub fn bytes(flavour: Flavour, seed: u64, len: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(len);
    write_to(&mut data, flavour, seed, len as u64).expect("writing to memory");
    data
}

fn fill(block: &mut Vec<u8>, flavour: Flavour, rng: &mut Rng, size: usize, seed: u64) {
    match flavour {
        Flavour::Text => {
            while block.len() < size {
                // The smaller of two draws: a skewed distribution.
                let draw = rng.next_u64();
                let word = (draw % 32).min((draw >> 32) % 32);
                block.extend_from_slice(WORDS[word as usize].as_bytes());
                if draw >> 60 == 0 {
                    block.extend_from_slice(format!("{:x}", draw >> 40 & 0xfff).as_bytes());
                }
            }
        }
        Flavour::Random => {
            block.resize(size, 0);
            rng.fill(block);
        }
        Flavour::Zeros => block.resize(size, 0),
        Flavour::Periodic => {
            let period = 1 + (seed % 300) as usize;
            while block.len() < size {
                block.push((block.len() % period) as u8);
            }
        }
        Flavour::Mixed => unreachable!("resolved by the caller"),
    }
}
