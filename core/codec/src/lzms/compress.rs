//! The compressor: what is done with a chunk, and what the levels mean.

use alloc::vec::Vec;

use super::{
    encode::{Model, Writer},
    nature::{Nature, STRETCH},
    parse::{Effort, Parser, Passing},
    room::make_room,
    segments::Segments,
    tree::TreeFinder,
    x86::{Direction, X86Filter},
};
use crate::Level;

/// Largest chunk whose matches come from trees; larger ones are sorted.
const MAX_IN_TREES: usize = 512 << 10;

/// Compresses LZMS chunks of up to a given size.
#[derive(Debug)]
pub struct Compressor {
    chunk_size: u32,
    data: Vec<u8>,
    filter: X86Filter,
    model: Model,
    parser: Parser,
    trees: TreeFinder,
    segments: Segments,
}

impl Compressor {
    /// Makes a compressor for chunks of up to `chunk_size` bytes.
    #[must_use]
    pub fn new(chunk_size: u32, level: Level) -> Self {
        let (effort, depth) = effort(level, chunk_size as usize > MAX_IN_TREES);
        Self {
            chunk_size,
            data: Vec::new(),
            filter: X86Filter::new(),
            model: Model::new(),
            parser: Parser::new(effort),
            trees: TreeFinder::new(depth, effort.nice),
            segments: Segments::new(effort.nice),
        }
    }

    /// Compresses one chunk into the start of `output` and returns the size, or `None` if that would
    /// not be smaller than `input` or does not fit.
    pub fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        if !self.is_promising(input) {
            return None;
        }
        let mut data = core::mem::take(&mut self.data);
        make_room(&mut data, input.len());
        let copy = &mut data[..input.len()];
        copy.copy_from_slice(input);
        let size = self.filter_and_pack(copy, output, &|| false);
        self.data = data;
        size
    }

    /// The same without a copy of the chunk, for which its own memory is used. If the result is `None`
    /// the chunk is what it was before, else it is spoilt. `stop` is asked every few hundred bytes
    /// whether to give up, which also gives `None`.
    pub fn compress_in_place(
        &mut self,
        chunk: &mut [u8],
        output: &mut [u8],
        stop: &dyn Fn() -> bool,
    ) -> Option<usize> {
        if !self.is_promising(chunk) {
            return None;
        }
        let size = self.filter_and_pack(chunk, output, stop);
        if size.is_none() {
            self.filter.run(chunk, Direction::Decode);
        }
        size
    }

    fn is_promising(&self, input: &[u8]) -> bool {
        let fits = input.len() as u64 <= u64::from(self.chunk_size);
        fits && input.len() >= 8 && (!looks_random(input) || has_signal(input))
    }

    fn filter_and_pack(
        &mut self,
        data: &mut [u8],
        output: &mut [u8],
        stop: &dyn Fn() -> bool,
    ) -> Option<usize> {
        let room = output.len().min(data.len() - 1);
        self.filter.run(data, Direction::Encode);
        self.model.reset(data.len());
        let mut writer = Writer::new(&mut output[..room]);
        let (parser, model) = (&mut self.parser, &mut self.model);
        if data.len() > MAX_IN_TREES {
            let mut search = self.segments.search(data.len(), stop);
            parser
                .run(data, &mut search, model, &mut writer, stop)
                .ok()?;
            if search.given_up() {
                return None;
            }
        } else {
            self.trees.begin(data.len());
            parser
                .run(data, &mut self.trees, model, &mut writer, stop)
                .ok()?;
        }
        writer.finish().ok()
    }
}

/// What a level means to the parser, for large chunks or small ones, and how many tree nodes it may look
/// at for one position.
///
/// Below 25 there are no delta matches, which are what costs most on machine code; below 15 also no
/// composite items. From 80 on no position is passed over, and in large chunks, where finding matches is
/// what takes the time, few from 45 on.
fn effort(level: Level, large: bool) -> (Effort, u32) {
    let level = level.0.min(1000);
    let effort = Effort {
        nice: match level {
            0..20 => 32,
            20..30 => 48,
            30..45 => 64,
            45..60 => 128,
            _ => 256,
        },
        composites: level >= 15,
        delta_below: match level {
            0..25 => 0,
            25..35 => 4,
            35..60 => 8,
            60..80 => 16,
            _ => usize::MAX,
        },
        passing: match (level, large) {
            (80.., _) => Passing::Never,
            (45.., true) => Passing::Cheaper,
            _ => Passing::NoDearer,
        },
    };
    let depth = match level {
        0..40 => level * 3 / 10,
        40..60 => level - 26,
        _ => level.min(200),
    };
    (effort, depth.max(1))
}

/// True for data of which some part has smooth differences, however random its bytes look.
fn has_signal(data: &[u8]) -> bool {
    let mut stretches = (0..data.len()).step_by(STRETCH);
    stretches.any(|at| Nature::of(data, at).is_some_and(|nature| nature.is_signal()))
}

/// True for data in which neither frequencies nor repetitions promise anything, such as compressed or
/// encrypted files. Looks at up to sixteen samples of 4 KiB.
fn looks_random(data: &[u8]) -> bool {
    const SAMPLE: usize = 4096;
    const SAMPLES: usize = 16;
    const TABLE_BITS: u32 = 12;
    if data.len() < SAMPLE {
        return false;
    }
    let step = (data.len() / SAMPLES).max(SAMPLE);
    let mut counts = [0u32; 256];
    let mut latest = [0u32; 1 << TABLE_BITS];
    let (mut total, mut repeats) = (0u64, 0u64);
    for sample in data.chunks(step).filter_map(|part| part.get(..SAMPLE)) {
        for word in sample.windows(4) {
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            counts[(word & 255) as usize] += 1;
            let place = &mut latest[(word.wrapping_mul(0x9E37_79B1) >> (32 - TABLE_BITS)) as usize];
            repeats += u64::from(*place == word);
            *place = word;
            total += 1;
        }
    }
    // For bytes that are all equally likely the sum of squares is close to this; two per cent more
    // means three hundredths of a bit per byte.
    let squares: u64 = counts.iter().map(|&count| u64::from(count).pow(2)).sum();
    let flat = total * total / 256 + total;
    squares < flat + flat / 50 + total && repeats * 512 < total
}

/// Bytes that a [`Compressor`] allocates for full chunks.
#[must_use]
pub fn memory(chunk_size: u32) -> u64 {
    // The filtered copy is not made of what is compressed in place. The last chunk may be a small one.
    let size = chunk_size as usize;
    let segments = if size > MAX_IN_TREES {
        Segments::memory(size)
    } else {
        0
    };
    let (trees, parser) = (
        TreeFinder::memory(size.min(MAX_IN_TREES)),
        Parser::memory(size),
    );
    let own = size_of::<Compressor>() + X86Filter::memory() + Model::memory();
    (own + size + trees + segments + parser) as u64
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn noise_is_recognised_and_text_is_not() {
        let mut state = 1u32;
        let mut noise = vec![0; 1 << 17];
        for byte in &mut noise {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        assert!(looks_random(&noise) && !has_signal(&noise));
        let steps = noise.iter().scan(0, |place, step| {
            *place = u8::wrapping_add(*place, step % 40);
            Some(*place)
        });
        let walk: Vec<u8> = steps.collect();
        assert!(looks_random(&walk) && has_signal(&walk));
        let digits: Vec<u8> = noise.iter().map(|byte| b'0' + byte % 10).collect();
        assert!(!looks_random(&digits));
        // Noise that comes twice.
        let twice = noise[..2000].repeat(60);
        assert!(!looks_random(&twice));
    }
}
