//! The slower levels: find all matches, parse roughly, cut into blocks, parse each block for the
//! least cost once or more.

use alloc::vec::Vec;

use crate::Level;
use crate::bits::BitWriter;
use crate::matchfinder::tables::{Effort, MatchCache, Position, TableFinder};

use super::block::{BlockCoder, Item};
use super::cost::Model;
use super::offset::{self, Recent};
use super::parse_optimal::{Manner, OptimalParser};
use super::split::{Grain, Splitter};
use super::{MAX_MATCH, seed, window_order};

/// Matches are found and held for this many bytes at a time.
const SEGMENT: usize = 1 << 16;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Thorough<P, const N: usize> {
    finder: TableFinder<P, N>,
    cache: MatchCache,
    splitter: Splitter,
    parser: OptimalParser,
    model: Model,
    items: Vec<Item>,
    effort: Effort,
    manner: Manner,
    passes: u32,
}

impl<P: Position, const N: usize> Thorough<P, N> {
    pub(super) fn new(chunk_size: u32, level: Level) -> Self {
        let size = chunk_size as usize;
        let segment = size.min(SEGMENT);
        let level = level.0;
        let nice = (30 + level as usize).min(MAX_MATCH);
        Thorough {
            finder: TableFinder::new(size),
            cache: MatchCache::new(segment),
            splitter: Splitter::new(Grain::FINE, window_order(chunk_size)),
            parser: OptimalParser::new(segment),
            model: Model::new(offset::slots(window_order(chunk_size))),
            items: Vec::with_capacity(segment),
            effort: Effort {
                depth: match level {
                    ..=50 => level / 6,
                    51..=100 => level / 2 - 17,
                    _ => level,
                },
                nice,
                longest: MAX_MATCH,
            },
            manner: Manner {
                nice,
                interval: 1024,
                warm_up: match level {
                    ..40 => 0,
                    40..60 => (level as usize - 40) * 3 / 2,
                    _ => 30,
                },
            },
            passes: match level {
                ..60 => 1,
                60..85 => 2,
                85..120 => 3,
                120..200 => 4,
                _ => 6,
            },
        }
    }

    /// Bytes that [`Thorough::new`] allocates.
    pub(super) fn memory(size: usize) -> usize {
        let segment = size.min(SEGMENT);
        size_of::<Self>()
            + TableFinder::<P, N>::memory(size)
            + MatchCache::memory(segment)
            + Splitter::memory(Grain::FINE)
            + OptimalParser::memory(segment)
            + size_of::<Item>() * segment
    }

    /// Compresses a chunk.
    pub(super) fn chunk(
        &mut self,
        window: &[u8],
        size: usize,
        coder: &mut BlockCoder,
        writer: &mut BitWriter<'_>,
    ) {
        self.finder.reset(size);
        let mut recent = Recent::START;
        let mut pos = 0;
        while pos < size {
            let end = size.min(pos + SEGMENT);
            self.finder
                .fill(window, pos, end, self.effort, &mut self.cache);
            self.items.clear();
            seed::parse(window, &self.cache, pos, end, recent, &mut self.items);
            let blocks = self.splitter.split(&self.items, &window[pos..end]);
            for block in 0..blocks {
                let (bytes, freqs) = self.splitter.block(block);
                self.model.seed(freqs);
                let range = pos..pos + bytes;
                let data = &window[range.clone()];
                let mut after = recent;
                for pass in 0..self.passes {
                    let mut manner = self.manner;
                    if pass > 0 {
                        self.model.seed_items(&self.items, data);
                        manner.interval = usize::MAX;
                        manner.warm_up = 0;
                    }
                    after = self.parser.parse(
                        window,
                        &self.cache,
                        &mut self.model,
                        manner,
                        range.clone(),
                        recent,
                        &mut self.items,
                    );
                }
                recent = after;
                coder.write(writer, &self.items, data);
                pos = range.end;
            }
        }
    }
}
