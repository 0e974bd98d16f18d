//! Encoding a chunk.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::Level;
use crate::bits::BitWriter;
use crate::cpu::{Instructions, Processor, Work};
use crate::incompressible::is_incompressible;
use crate::matchfinder::PADDING;
use crate::matchfinder::position::Position;

use super::block::BlockCoder;
use super::parse_lazy::{LazyParser, MAX_BLOCK};
use super::split::{Grain, Splitter};
use super::thorough::Thorough;
use super::token::Token;
use super::{e8, window_order};

/// Chunks below this size are not tried: the codes alone would take more.
const MIN_CHUNK: usize = 48;

/// Levels from this one on parse for the cheapest items.
const FIRST_THOROUGH: u32 = 30;

/// Encodes LZX chunks of one chunk size at one level.
#[derive(Debug)]
pub struct Compressor {
    chunk_size: usize,
    window: Vec<u8>,
    parser: Parser,
    coder: BlockCoder,
    processor: Processor,
}

#[derive(Debug)]
enum Parser {
    Lazy(Box<LazyParser<u16>>, Box<[Token]>, Splitter),
    LazyWide(Box<LazyParser<u32>>, Box<[Token]>, Splitter),
    Narrow(Box<Narrow>),
    /// Large chunks may hold little: what the narrow parser can take it parses in less time.
    Wide(Box<Wide>, Box<Narrow>),
}

/// For up to [`NARROW`] bytes.
type Narrow = Thorough<u16, { 1 << 14 }, { 1 << 16 }>;
type Wide = Thorough<u32, { 1 << 18 }, { 1 << 18 }>;

/// The largest chunk for positions of 16 bits.
const NARROW: u32 = 1 << 16;

/// Bytes that a [`Compressor`] allocates.
#[must_use]
pub fn memory(chunk_size: u32, level: Level) -> u64 {
    let size = chunk_size as usize;
    let is_narrow = chunk_size <= NARROW;
    let parser = match (level.0 < FIRST_THOROUGH, is_narrow) {
        (true, true) => lazy::<u16>(size),
        (true, false) => lazy::<u32>(size),
        (false, true) => Narrow::memory(size),
        (false, false) => Wide::memory(size) + Narrow::memory(NARROW as usize),
    };
    let window = if is_narrow { u16::WINDOW } else { u32::WINDOW };
    (size_of::<Compressor>() + window + BlockCoder::memory() + parser) as u64
}

/// Bytes for lazy parsing.
fn lazy<P: Position>(size: usize) -> usize {
    let tokens = size_of::<Token>() * size.min(MAX_BLOCK);
    LazyParser::<P>::memory() + tokens + Splitter::memory(Grain::COARSE)
}

impl Compressor {
    /// For chunks of a resource with this chunk size, a power of two from 2^15 to 2^21.
    #[must_use]
    pub fn new(chunk_size: u32, level: Level) -> Self {
        let order = window_order(chunk_size);
        let size = chunk_size as usize;
        let parser = if level.0 < FIRST_THOROUGH {
            let (items, splitter) = (
                vec![Token::default(); size.min(MAX_BLOCK)].into_boxed_slice(),
                Splitter::new(Grain::COARSE, order),
            );
            if chunk_size <= NARROW {
                Parser::Lazy(Box::new(LazyParser::new(level)), items, splitter)
            } else {
                Parser::LazyWide(Box::new(LazyParser::new(level)), items, splitter)
            }
        } else if chunk_size <= NARROW {
            Parser::Narrow(Box::new(Thorough::new(chunk_size, level)))
        } else {
            Parser::Wide(
                Box::new(Thorough::new(chunk_size, level)),
                Box::new(Thorough::new(NARROW, level)),
            )
        };
        let window = if chunk_size <= NARROW {
            u16::WINDOW
        } else {
            u32::WINDOW
        };
        Compressor {
            chunk_size: size,
            window: vec![0; window],
            parser,
            coder: BlockCoder::new(order),
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
        let room = output.len().min(size - 1);
        let mut writer = BitWriter::new(&mut output[..room]);
        self.window[..size].copy_from_slice(input);
        self.window[size..size + PADDING].fill(0);
        e8::encode(&mut self.window[..size]);
        self.coder.start();
        match &mut self.parser {
            Parser::Lazy(parser, items, splitter) => {
                self.processor.run(Lazily {
                    parser,
                    items,
                    splitter,
                    buffer: &self.window,
                    size,
                    coder: &mut self.coder,
                    writer: &mut writer,
                });
            }
            Parser::LazyWide(parser, items, splitter) => {
                self.processor.run(Lazily {
                    parser,
                    items,
                    splitter,
                    buffer: &self.window,
                    size,
                    coder: &mut self.coder,
                    writer: &mut writer,
                });
            }
            Parser::Wide(parser, _) if size > NARROW as usize => {
                parser.chunk(&self.window, size, &mut self.coder, &mut writer);
            }
            Parser::Narrow(parser) | Parser::Wide(_, parser) => {
                parser.chunk(&self.window, size, &mut self.coder, &mut writer);
            }
        }
        writer.finish()
    }
}

/// Compressing a chunk with the lazy parser.
struct Lazily<'a, 'b, P: Position> {
    parser: &'a mut LazyParser<P>,
    items: &'a mut [Token],
    splitter: &'a mut Splitter,
    buffer: &'a [u8],
    size: usize,
    coder: &'a mut BlockCoder,
    writer: &'a mut BitWriter<'b>,
}

impl<P: Position> Work for Lazily<'_, '_, P> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Lazily {
            parser,
            items,
            splitter,
            buffer,
            size,
            coder,
            writer,
        } = self;
        let Some(window) = P::window(buffer) else {
            return;
        };
        parser.start(size);
        let mut pos = 0;
        while pos < size {
            let end = size.min(pos + MAX_BLOCK);
            splitter.start(end - pos);
            let count = parser.block(window, pos, end, items, splitter);
            let blocks = splitter.split();
            let mut rest = &items[..count];
            for block in 0..blocks {
                let block = splitter.block(block);
                let (these, others) = rest.split_at(block.items);
                coder.write(writer, block.bytes, these, &block.freqs);
                pos += block.bytes;
                rest = others;
            }
        }
    }
}
