//! The compressor: what is done with a chunk, and what the levels mean.

use alloc::vec::Vec;

use super::{
    encode::{Model, Writer},
    parse::{Effort, Parser},
    tree::{Finder, TreeFinder},
    x86::{Direction, X86Filter},
};
use crate::Level;

/// Compresses LZMS chunks of up to a given size.
#[derive(Debug)]
pub struct Compressor {
    chunk_size: u32,
    data: Vec<u8>,
    filter: X86Filter,
    model: Model,
    parser: Parser,
    finder: TreeFinder,
}

impl Compressor {
    /// Makes a compressor for chunks of up to `chunk_size` bytes.
    #[must_use]
    pub fn new(chunk_size: u32, level: Level) -> Self {
        let env = |_: &str, default: usize| default;
        let nice = env("NICE", 64);
        let _ = level;
        Self {
            chunk_size,
            data: Vec::new(),
            filter: X86Filter::new(),
            model: Model::new(),
            parser: Parser::new(Effort {
                nice,
                composites: true,
                delta: true,
            }),
            finder: TreeFinder::new(env("DEPTH", 32) as u32, nice),
        }
    }

    /// Compresses one chunk into the start of `output` and returns the size, or `None` if that would
    /// not be smaller than `input` or does not fit.
    pub fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        if input.len() < 8 || input.len() as u64 > u64::from(self.chunk_size) {
            return None;
        }
        let room = output.len().min(input.len() - 1);
        self.data.clear();
        self.data.extend_from_slice(input);
        self.filter.run(&mut self.data, Direction::Encode);
        self.model.reset(input.len());
        self.finder.begin(input.len());
        let mut writer = Writer::new(&mut output[..room]);
        self.parser
            .run(&self.data, &mut self.finder, &mut self.model, &mut writer)
            .ok()?;
        writer.finish().ok()
    }
}

/// Bytes of working memory of a compressor for full chunks.
#[must_use]
pub fn memory(chunk_size: u32, level: Level) -> u64 {
    let _ = level;
    u64::from(chunk_size) * 9
}
