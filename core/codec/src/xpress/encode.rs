//! Encoding a chunk.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::Level;
use crate::cpu::Processor;
use crate::huffman::{CodeBuilder, codewords};
use crate::incompressible::is_incompressible;
use crate::matchfinder::PADDING;
use crate::matchfinder::position::Position;

use super::item::Item;
use super::parse_lazy::LazyParser;
use super::parse_optimal::OptimalParser;
use super::write::{Write, with_lengths};
use super::{END_SYMBOL, MAX_CODEWORD, SYMBOLS, TABLE_BYTES};

/// Chunks up to this size are not tried: the table of codeword lengths alone would take more.
const MIN_CHUNK: usize = TABLE_BYTES + 4;

/// Levels from this one on parse for the cheapest items.
const FIRST_OPTIMAL: u32 = 55;

/// Encodes XPRESS chunks of one chunk size at one level.
#[derive(Debug)]
pub struct Compressor {
    chunk_size: usize,
    window: Vec<u8>,
    items: Vec<Item>,
    parser: Parser,
    builder: CodeBuilder,
    processor: Processor,
}

#[derive(Debug)]
enum Parser {
    Lazy(Box<LazyParser>),
    Optimal(Box<OptimalParser>),
}

/// Bytes that a [`Compressor`] allocates.
#[must_use]
pub fn memory(chunk_size: u32, level: Level) -> u64 {
    let size = chunk_size as usize;
    let parser = if level.0 < FIRST_OPTIMAL {
        LazyParser::memory()
    } else {
        OptimalParser::memory(size)
    };
    let items = size_of::<Item>() * size;
    let own = size_of::<Compressor>() + u16::WINDOW + items + CodeBuilder::memory(SYMBOLS);
    (own + parser) as u64
}

impl Compressor {
    /// For chunks of up to `chunk_size` bytes, a power of two from 2^12 to 2^16.
    #[must_use]
    pub fn new(chunk_size: u32, level: Level) -> Self {
        let size = chunk_size as usize;
        Compressor {
            chunk_size: size,
            window: vec![0; u16::WINDOW],
            items: Vec::with_capacity(size),
            parser: if level.0 < FIRST_OPTIMAL {
                Parser::Lazy(Box::new(LazyParser::new(level)))
            } else {
                Parser::Optimal(Box::new(OptimalParser::new(size, level)))
            },
            builder: CodeBuilder::new(SYMBOLS),
            processor: Processor::detect(),
        }
    }

    /// Compresses a chunk into the start of `output`. Returns the compressed size, or `None` if it
    /// would not be smaller than the chunk or not fit, or if the chunk is too large.
    pub fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        let size = input.len();
        if !(MIN_CHUNK..=self.chunk_size).contains(&size) || is_incompressible(input) {
            return None;
        }
        self.window[..size].copy_from_slice(input);
        self.window[size..size + PADDING].fill(0);
        let window = u16::window(&self.window)?;
        self.items.clear();
        let mut freqs = [0u32; SYMBOLS];
        match &mut self.parser {
            Parser::Lazy(parser) => parser.parse(window, size, &mut self.items, &mut freqs),
            Parser::Optimal(parser) => parser.parse(window, size, &mut self.items, &mut freqs),
        }
        freqs[END_SYMBOL] += 1;
        let mut lengths = [0u8; SYMBOLS];
        self.builder.lengths(&freqs, MAX_CODEWORD, &mut lengths);
        let mut codes = [0u32; SYMBOLS];
        codewords(&lengths, &mut codes);
        with_lengths(&mut codes, &lengths);
        let room = output.len().min(size - 1);
        let (table, _) = output[..room].split_first_chunk_mut::<TABLE_BYTES>()?;
        for (byte, pair) in table.iter_mut().zip(lengths.chunks_exact(2)) {
            *byte = pair[0] | pair[1] << 4;
        }
        self.processor.run(Write {
            out: &mut output[..room],
            at: TABLE_BYTES,
            codes: &codes,
            items: &self.items,
        })
    }
}
