//! What items cost, in 1/64 bit, as the adaptive state stands at one moment.
//!
//! Codeword lengths are what they are until the next rebuild; a decision with `p` chances in 64 costs
//! 64 · log2(64 / p) units.

use super::{
    adaptive_huffman::Encoder,
    encode::Model,
    items::POWERS,
    nature::Histogram,
    range_coder::{Context, SourceContexts},
    slots::{LENGTH_SLOTS, LENGTHS, OFFSET_SLOTS, OFFSETS},
};

/// Units per bit.
pub(super) const BIT: i32 = 64;

/// Cost of an answer with so many chances in 64.
static ANSWER_COST: [i32; 65] = {
    // log2 by repeated squaring: sixteen binary places are far more than six are needed.
    let mut table = [0; 65];
    let mut chances = 1;
    while chances <= 64 {
        // 64 / chances = 2^whole * mantissa, 1 <= mantissa < 2 with 30 binary places.
        let mut mantissa = (64u64 << 30) / chances as u64;
        let mut log: i64 = 0;
        while mantissa >= 2 << 30 {
            mantissa >>= 1;
            log += 1 << 16;
        }
        let mut place = 1 << 15;
        while place > 0 {
            mantissa = (mantissa * mantissa) >> 30;
            if mantissa >= 2 << 30 {
                mantissa >>= 1;
                log += place;
            }
            place >>= 1;
        }
        table[chances] = ((log * BIT as i64 + (1 << 15)) >> 16) as i32;
        chances += 1;
    }
    table
};

/// Cost of both answers of one kind of decision in each state.
pub(super) type Answers<const N: usize> = [[i32; 2]; N];

fn answers<const N: usize>(context: &Context<N>, costs: &mut Answers<N>) {
    for (state, cost) in costs.iter_mut().enumerate() {
        let zero = context.chance_in(state) as usize;
        *cost = [ANSWER_COST[zero], ANSWER_COST[64 - zero]];
    }
}

/// Costs of the symbols of a code.
fn symbols(code: &Encoder, costs: &mut [i32]) {
    for (cost, &bits) in costs.iter_mut().zip(code.lengths()) {
        *cost = i32::from(bits) * BIT;
    }
}

/// Costs of the decisions about the source of a match of one type.
#[derive(Debug)]
pub(super) struct SourceCosts {
    pub(super) recent: Answers<64>,
    pub(super) index: [Answers<64>; 2],
}

impl SourceCosts {
    const fn new() -> Self {
        Self {
            recent: [[0; 2]; 64],
            index: [[[0; 2]; 64]; 2],
        }
    }

    fn update(&mut self, contexts: &SourceContexts) {
        answers(&contexts.recent, &mut self.recent);
        for (costs, context) in self.index.iter_mut().zip(&contexts.index) {
            answers(context, costs);
        }
    }
}

/// Lengths up to this have a cost of their own; longer matches are not weighed up but taken.
pub(super) const MAX_COSTED: usize = 512;

/// Cost of any literal in the first code.
const BLANK: i32 = 8 * BIT;
/// Bytes of a chunk that are looked at beforehand.
const FORETOLD: usize = 32 << 10;
/// Text of few characters has less entropy.
const FEW_CHARACTERS: i32 = 4 * BIT + BIT / 4;

/// All costs at one moment.
#[derive(Debug)]
pub(super) struct Costs {
    pub(super) is_match: Answers<16>,
    pub(super) is_delta: Answers<32>,
    pub(super) lz: SourceCosts,
    pub(super) delta: SourceCosts,
    pub(super) literal: [i32; 256],
    /// Length codeword and extra bits in the upper half, the length itself in the lower. So one addition
    /// makes a way as the parser keeps it. Index 0 is not used.
    pub(super) lengths: [u64; MAX_COSTED + 1],
    pub(super) lz_offset: [i32; OFFSET_SLOTS],
    pub(super) delta_offset: [i32; OFFSET_SLOTS],
    pub(super) delta_power: [i32; POWERS],
    /// What literals are taken to cost before the first rebuild of their code.
    foretold: [i32; 256],
    /// Which builds of the five codes the costs were taken from.
    generations: [u64; 5],
}

impl Costs {
    pub(super) const fn new() -> Self {
        Self {
            is_match: [[0; 2]; 16],
            is_delta: [[0; 2]; 32],
            lz: SourceCosts::new(),
            delta: SourceCosts::new(),
            literal: [0; 256],
            lengths: [0; MAX_COSTED + 1],
            lz_offset: [0; OFFSET_SLOTS],
            delta_offset: [0; OFFSET_SLOTS],
            delta_power: [0; POWERS],
            foretold: [BLANK; 256],
            generations: [0; 5],
        }
    }

    /// Cost of saying a length.
    #[inline(always)]
    pub(super) fn length(&self, length: usize) -> i32 {
        (self.lengths[length] >> 32) as i32
    }

    /// Starts a chunk. In numbers and other text of few characters it pays to begin with literals, which
    /// their first code makes look dear: matches would be found for all of it, and better codes never be
    /// built. So until there is one, what literals are taken to cost lies half-way to what their frequency in
    /// the first bytes says.
    pub(super) fn begin(&mut self, data: &[u8]) {
        let start = Histogram::of(&data[..data.len().min(FORETOLD)]);
        self.foretold = [BLANK; 256];
        if start.entropy() < FEW_CHARACTERS && !start.is_dominated() {
            for (byte, cost) in self.foretold.iter_mut().enumerate() {
                *cost = (start.information(byte).min(BLANK) + BLANK) / 2;
            }
        }
    }

    /// Takes the costs from the present state. Lengths are needed up to `longest`.
    pub(super) fn update(&mut self, model: &Model, longest: usize) {
        let contexts = &model.contexts;
        answers(&contexts.is_match, &mut self.is_match);
        answers(&contexts.is_delta, &mut self.is_delta);
        self.lz.update(&contexts.lz);
        self.delta.update(&contexts.delta);
        let codes = &model.codes;
        let mut changed = [false; 5];
        for ((known, changed), code) in self.generations.iter_mut().zip(&mut changed).zip([
            &codes.literal,
            &codes.lz_offset,
            &codes.delta_offset,
            &codes.delta_power,
            &codes.length,
        ]) {
            *changed = *known != code.generation();
            *known = code.generation();
        }
        if changed[0] {
            symbols(&codes.literal, &mut self.literal);
            if codes.literal.is_blank() {
                self.literal = self.foretold;
            }
        }
        if changed[1] {
            offsets(&codes.lz_offset, &mut self.lz_offset);
        }
        if changed[2] {
            offsets(&codes.delta_offset, &mut self.delta_offset);
        }
        if changed[3] {
            symbols(&codes.delta_power, &mut self.delta_power);
        }
        if changed[4] {
            let mut lengths = [0; LENGTH_SLOTS];
            symbols(&codes.length, &mut lengths);
            for (slot, (range, &cost)) in LENGTHS.iter().zip(&lengths).enumerate() {
                let first = range.base as usize;
                if first > longest {
                    break;
                }
                let next = LENGTHS
                    .get(slot + 1)
                    .map_or(MAX_COSTED, |next| next.base as usize);
                let cost = (cost + range.extra as i32 * BIT) as u64;
                for length in first..next.min(longest + 1) {
                    self.lengths[length] = cost << 32 | length as u64;
                }
            }
        }
    }
}

/// Costs of offset slots with their extra bits.
fn offsets(code: &Encoder, costs: &mut [i32]) {
    symbols(code, costs);
    let used = code.lengths().len();
    for (cost, slot) in costs[..used].iter_mut().zip(&OFFSETS) {
        *cost += slot.extra as i32 * BIT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_cost_their_information() {
        assert_eq!(ANSWER_COST[64], 0);
        assert_eq!(ANSWER_COST[32], BIT);
        assert_eq!(ANSWER_COST[1], 6 * BIT);
        assert_eq!(ANSWER_COST[48], 27);
    }
}
