//! Composite items: a match that goes on after a few differing bytes.
//!
//! Only the cheapest way to each position is kept. After a match, the literals behind it are seldom on
//! it: some other match reaches those positions for less. So the way that goes back to the match's
//! offset after them, which costs next to nothing, would never be seen. It is tried as one item.

use super::{
    super::{state::State, tree::common},
    Parser,
    nodes::{length_of, link},
};

/// A match, a few literals, and a match with the first recent offset; or without the first match.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Composite {
    /// Link of the first match, 0 for none.
    pub(super) first: u32,
    /// Number of literals.
    pub(super) literals: u32,
    /// Length of the second match.
    pub(super) second: u32,
}

impl Composite {
    #[inline(always)]
    pub(super) fn length(&self) -> usize {
        length_of(self.first) + (self.literals + self.second) as usize
    }
}

impl Parser {
    /// Tries the composite item of a few literals and a match with the first recent offset.
    #[inline(always)]
    pub(super) fn skip_some(&mut self, data: &[u8], at: usize, node: usize) {
        let mut state = self.nodes.states[node];
        let offset = state.lz.0[0] as usize;
        if offset > at {
            return;
        }
        let Some((literals, second)) = self.resumption(data, at, offset) else {
            return;
        };
        let cost = self.nodes.cost(node)
            + self.literal_costs(&mut state, &data[at..at + literals])
            + self.resuming_cost(&state, second);
        let composite = Composite {
            first: 0,
            literals: literals as u32,
            second: second as u32,
        };
        self.nodes.improve_by_composite(node, cost, composite);
    }

    /// Tries the composite item of a match of `length` bytes that costs `cost` without its length, a
    /// few literals, and more from the same offset.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    pub(super) fn go_on(
        &mut self,
        data: &[u8],
        at: usize,
        node: usize,
        offset: usize,
        length: usize,
        source: u32,
        cost: i32,
    ) {
        let differing = at + length;
        let Some((literals, second)) = self.resumption(data, differing, offset) else {
            return;
        };
        let mut state = self.nodes.states[node];
        self.nodes.follow(&mut state, source);
        let cost = cost
            + self.costs.length(length)
            + self.literal_costs(&mut state, &data[differing..differing + literals])
            + self.resuming_cost(&state, second);
        let composite = Composite {
            first: link(source, length),
            literals: literals as u32,
            second: second as u32,
        };
        self.nodes.improve_by_composite(node, cost, composite);
    }

    /// Where, few literals after `from`, the bytes go on as they did `offset` before: the number of
    /// literals and the length of the match behind them.
    #[inline(always)]
    fn resumption(&self, data: &[u8], from: usize, offset: usize) -> Option<(usize, usize)> {
        let word = |at: usize| {
            data.get(at..at + 8)?
                .try_into()
                .ok()
                .map(u64::from_le_bytes)
        };
        let differ = word(from + 1)? ^ word(from + 1 - offset)?;
        // The lowest bytes tell where two bytes after one another agree.
        let differ = (differ | differ >> 8) as u32;
        let agree = differ.wrapping_sub(0x0101_0101) & !differ & 0x8080_8080;
        if agree == 0 {
            return None;
        }
        let literals = 1 + (agree.trailing_zeros() / 8) as usize;
        let resume = from + literals;
        let longest = (data.len() - resume).min(self.effort.nice);
        Some((literals, common(data, resume - offset, resume, 2, longest)))
    }

    /// Cost of some literals; `state` becomes the one after them.
    #[inline(always)]
    fn literal_costs(&self, state: &mut State, literals: &[u8]) -> i32 {
        let mut cost = 0;
        for &literal in literals {
            let kinds = state.kind_costs(&self.costs);
            cost += kinds.literal + self.costs.literal[usize::from(literal)];
            state.literal();
        }
        cost
    }

    /// Cost of a match of `length` bytes with the first recent offset.
    #[inline(always)]
    fn resuming_cost(&self, state: &State, length: usize) -> i32 {
        state.kind_costs(&self.costs).lz
            + state.lz_recent_costs(&self.costs)[0]
            + self.costs.length(length)
    }
}
