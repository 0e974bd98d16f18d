//! Encoding a chunk.

use alloc::vec;
use alloc::vec::Vec;

use crate::Level;
use crate::bits::BitWriter;
use crate::matchfinder::PADDING;

use super::block::{BlockCoder, Item};
use super::parse_lazy::LazyParser;
use super::{e8, window_order};

/// Chunks below this size are not tried: the codes alone would take more.
const MIN_CHUNK: usize = 48;

/// Encodes LZX chunks of one chunk size at one level.
#[derive(Debug)]
pub struct Compressor {
    chunk_size: usize,
    window: Vec<u8>,
    items: Vec<Item>,
    parser: LazyParser,
    coder: BlockCoder,
}

/// Bytes that a [`Compressor`] allocates.
#[must_use]
pub fn memory(chunk_size: u32, level: Level) -> u64 {
    let size = chunk_size as usize;
    let _ = level;
    (size_of::<Compressor>() + size + PADDING + 4 * size + LazyParser::memory(size)) as u64
}

impl Compressor {
    /// For chunks of a resource with this chunk size, a power of two from 2^15 to 2^21.
    #[must_use]
    pub fn new(chunk_size: u32, level: Level) -> Self {
        let order = window_order(chunk_size);
        let size = chunk_size as usize;
        Compressor {
            chunk_size: size,
            window: vec![0; size + PADDING],
            items: Vec::with_capacity(size),
            parser: LazyParser::new(size, level),
            coder: BlockCoder::new(order),
        }
    }

    /// Compresses a chunk into the start of `output`. Returns the compressed size, or `None` if it
    /// would not be smaller than the chunk or not fit, or if the chunk is too large.
    pub fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        let size = input.len();
        if !(MIN_CHUNK..=self.chunk_size).contains(&size) {
            return None;
        }
        let room = output.len().min(size - 1);
        let mut writer = BitWriter::new(&mut output[..room]);
        self.window[..size].copy_from_slice(input);
        self.window[size..size + PADDING].fill(0);
        e8::encode(&mut self.window[..size]);
        self.coder.start();
        let window = &self.window[..size + PADDING];
        self.parser.start(size);
        let mut pos = 0;
        while pos < size {
            self.items.clear();
            let end = self.parser.block(window, pos, size, &mut self.items);
            self.coder
                .write(&mut writer, &self.items, &window[pos..end]);
            pos = end;
        }
        writer.finish()
    }
}
