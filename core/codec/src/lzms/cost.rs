//! What items cost, in 1/64 bit, as the adaptive state stands at one moment.
//!
//! Codeword lengths are what they are until the next rebuild; a decision with `p` chances in 64 costs
//! 64 · log2(64 / p) units.

use super::{
    encode::Model,
    items::POWERS,
    range_coder::{Context, SourceContexts},
    slots::{LENGTHS, OFFSET_SLOTS, OFFSETS, length_slot},
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
            mantissa = mantissa * mantissa >> 30;
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

/// All costs at one moment.
#[derive(Debug)]
pub(super) struct Costs {
    pub(super) is_match: Answers<16>,
    pub(super) is_delta: Answers<32>,
    pub(super) lz: SourceCosts,
    pub(super) delta: SourceCosts,
    pub(super) literal: [i32; 256],
    /// Length codeword and extra bits; index 0 is not used.
    pub(super) length: [i32; MAX_COSTED + 1],
    pub(super) lz_offset: [i32; OFFSET_SLOTS],
    pub(super) delta_offset: [i32; OFFSET_SLOTS],
    pub(super) delta_power: [i32; POWERS],
}

impl Costs {
    pub(super) const fn new() -> Self {
        Self {
            is_match: [[0; 2]; 16],
            is_delta: [[0; 2]; 32],
            lz: SourceCosts::new(),
            delta: SourceCosts::new(),
            literal: [0; 256],
            length: [0; MAX_COSTED + 1],
            lz_offset: [0; OFFSET_SLOTS],
            delta_offset: [0; OFFSET_SLOTS],
            delta_power: [0; POWERS],
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
        for (cost, &bits) in self.literal.iter_mut().zip(codes.literal.lengths()) {
            *cost = i32::from(bits) * BIT;
        }
        for (costs, code) in [
            (&mut self.lz_offset, &codes.lz_offset),
            (&mut self.delta_offset, &codes.delta_offset),
        ] {
            for ((cost, &bits), slot) in costs.iter_mut().zip(code.lengths()).zip(&OFFSETS) {
                *cost = (i32::from(bits) + slot.extra as i32) * BIT;
            }
        }
        for (cost, &bits) in self.delta_power.iter_mut().zip(codes.delta_power.lengths()) {
            *cost = i32::from(bits) * BIT;
        }
        let lengths = codes.length.lengths();
        for (slot, (range, &bits)) in LENGTHS.iter().zip(lengths).enumerate() {
            let first = range.base as usize;
            if first > longest {
                break;
            }
            let end = LENGTHS
                .get(slot + 1)
                .map_or(usize::MAX, |next| next.base as usize);
            self.length[first..end.min(longest + 1)]
                .fill((i32::from(bits) + range.extra as i32) * BIT);
        }
    }

    /// Cost of any length.
    pub(super) fn any_length(&self, model: &Model, length: usize) -> i32 {
        let slot = length_slot(length as u32);
        let bits = i32::from(model.codes.length.lengths()[slot]);
        (bits + LENGTHS[slot].extra as i32) * BIT
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
