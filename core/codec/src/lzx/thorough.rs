//! The slower levels: find all matches, parse roughly, cut into blocks, parse each block for the
//! least cost once or more.

use alloc::vec::Vec;

use crate::Level;
use crate::bits::BitWriter;
use crate::entropy::BIT;
use crate::matchfinder::matches::MatchCache;
use crate::matchfinder::position::Position;
use crate::matchfinder::tables::{Breadth, Effort, TableFinder};

use super::block::BlockCoder;
use super::cost::Model;
use super::offset::{self, Recent};
use super::parse_optimal::{Manner, OptimalParser};
use super::seed::Weights;
use super::split::{Grain, Splitter};
use super::token::{Frequencies, Token};
use super::{MAX_MATCH, seed, window_order};

/// Matches are found and held for this many bytes at a time.
const SEGMENT: usize = 1 << 16;
/// Windows above this size have more of everything to find, and it is worth more to find it.
const LARGE: usize = 1 << 19;
/// Windows up to this size are searched by the finder for small ones.
const SMALL: usize = 1 << 16;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Thorough<P: Position, const N: usize, const M: usize> {
    finder: TableFinder<P, N, M>,
    cache: MatchCache<P>,
    splitter: Splitter,
    parser: OptimalParser,
    model: Model,
    tokens: Vec<Token>,
    level: u32,
    passes: u32,
}

impl<P: Position, const N: usize, const M: usize> Thorough<P, N, M> {
    pub(super) fn new(chunk_size: u32, level: Level) -> Self {
        let size = chunk_size as usize;
        let segment = size.min(SEGMENT);
        let level = level.0;
        Thorough {
            finder: TableFinder::new(size),
            cache: MatchCache::new(segment),
            splitter: Splitter::new(Grain::FINE, window_order(chunk_size)),
            parser: OptimalParser::new(segment),
            model: Model::new(offset::slots(window_order(chunk_size))),
            tokens: Vec::with_capacity(segment),
            level,
            passes: match level {
                ..60 => 1,
                60..=100 => 2,
                101..=130 => 3,
                131..200 => 4,
                _ => 6,
            },
        }
    }

    /// Bytes of a parser and what it allocates.
    pub(super) fn memory(size: usize) -> usize {
        let segment = size.min(SEGMENT);
        size_of::<Self>()
            + TableFinder::<P, N, M>::memory(size)
            + MatchCache::<P>::memory(segment)
            + Splitter::memory(Grain::FINE)
            + OptimalParser::memory(segment)
            + size_of::<Token>() * segment
    }

    /// Compresses the chunk at the start of `buffer`, which is as long as a window of `P`.
    pub(super) fn chunk(
        &mut self,
        buffer: &[u8],
        size: usize,
        coder: &mut BlockCoder,
        writer: &mut BitWriter<'_>,
    ) {
        let Some(window) = P::window(buffer) else {
            return;
        };
        let mut effort = effort(self.level, size);
        let mut weights = Weights::of(&buffer[..size.min(SEGMENT)]);
        if size <= SEGMENT && self.level <= 100 && weights.entropy >= DENSE {
            effort.breadth = Breadth::Least;
        }
        let first = manner(self.level, size, nice(self.level as usize, size));
        self.finder.reset(size, effort.breadth);
        let mut recent = Recent::START;
        let mut pos = 0;
        while pos < size {
            let end = size.min(pos + SEGMENT);
            if pos > 0 {
                weights = Weights::of(&buffer[pos..end]);
            }
            self.finder.fill(window, pos, end, effort, &mut self.cache);
            self.splitter.start(end - pos);
            seed::parse(
                window,
                &buffer[pos..end],
                &self.cache,
                pos,
                recent,
                weights,
                &mut self.splitter,
            );
            let blocks = self.splitter.split();
            for block in 0..blocks {
                let rough = self.splitter.block(block);
                self.model.seed(&rough.freqs);
                let range = pos..pos + rough.bytes;
                let data = &buffer[range.clone()];
                let mut after = recent;
                for pass in 0..self.passes {
                    let mut manner = first;
                    manner.is_sparse = rough.items * 8 > rough.bytes * 5;
                    // Items of several parts change little of what the passes before are for, the counts, and are
                    // rare among literals.
                    manner.tries_parts &= pass + 1 == self.passes && !manner.is_sparse;
                    if pass > 0 {
                        self.model.seed_tokens(&self.tokens);
                        manner.interval = usize::MAX;
                        manner.warm_up = 0;
                    }
                    after = self.parser.parse(
                        window,
                        data,
                        &self.cache,
                        &mut self.model,
                        manner,
                        pos,
                        recent,
                        &mut self.tokens,
                    );
                }
                recent = after;
                let mut freqs = Frequencies::ZERO;
                freqs.count_all(&self.tokens);
                coder.write(writer, data.len(), &self.tokens, &freqs);
                pos = range.end;
            }
        }
    }
}

/// Entropy of the bytes, in units of 2^-8 bits, from which on little is gained by a search for long
/// matches: sampled sound and images, and what is compressed already.
const DENSE: i32 = 7 * BIT as i32;

/// How far to look in a window of `size` bytes.
fn effort(level: u32, size: usize) -> Effort {
    Effort {
        breadth: match level {
            45..=50 if size > LARGE => Breadth::Most,
            ..=50 => Breadth::Few,
            51..60 => Breadth::Most,
            _ => Breadth::All,
        },
        depth: match level {
            ..=50 => level / 2,
            // What little this costs goes to long matches, as in markup.
            _ => 2 * level,
        },
        nice: enough(level as usize, size),
        longest: MAX_MATCH,
    }
}

/// The least length of a match within which no other is looked for. The parser may still end it early, and
/// then goes on with the rest of it.
fn enough(level: usize, size: usize) -> usize {
    match level {
        ..45 => nice(level, size),
        _ if size > SMALL => 140,
        45..60 => 2 * level.max(50) - 32,
        60..=100 => nice(level, size).min(128),
        _ => nice(level, size),
    }
}

/// The least length of a match that is taken at once.
fn nice(level: usize, size: usize) -> usize {
    let nice = match level {
        ..45 => 2 * level - 32,
        // Larger windows hold more long matches.
        45..=50 if size > SMALL && size <= LARGE => 40 + 2 * level,
        _ if size > SMALL => 100 + 2 * level,
        45..60 => 2 * level.max(50),
        _ => 3 * level - 43,
    };
    nice.min(MAX_MATCH)
}

/// How to parse a window of `size` bytes.
fn manner(level: u32, size: usize, nice: usize) -> Manner {
    Manner {
        nice,
        interval: match level {
            ..40 => 2048,
            40..45 => 1024,
            45..=50 if size > SMALL => 1024,
            // Small files have ended before the model has learnt much.
            _ => (size / 16).clamp(128, 512),
        },
        warm_up: match level {
            50..60 => (level as usize - 50) * 3,
            _ => 0,
        },
        tries_parts: level >= 40,
        is_sparse: false,
    }
}
