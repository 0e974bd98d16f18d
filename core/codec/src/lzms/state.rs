//! What the parser remembers of the best way to a position: everything that later costs depend on.

use super::{
    cost::{Costs, SourceCosts},
    encode::Model,
    items::{Last, RecentList},
};

/// The part of an item's past that its costs depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) lz: SourceState,
    pub(super) delta: SourceState,
    is_match: u8,
    is_delta: u8,
    last: Last,
}

/// The same for the sources of one type of match.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceState {
    pub(super) list: RecentList,
    recent: u8,
    index: [u8; 2],
}

impl SourceState {
    #[inline(always)]
    fn explicit(&mut self, source: u32) {
        self.list.push(source);
        self.recent = self.recent << 1 & 63;
    }

    #[inline(always)]
    fn recent(&mut self, index: usize, newest_barred: bool) {
        self.list.promote(index + usize::from(newest_barred));
        self.recent = (self.recent << 1 | 1) & 63;
        self.index[0] = (self.index[0] << 1 | u8::from(index > 0)) & 63;
        if index > 0 {
            self.index[1] = (self.index[1] << 1 | u8::from(index > 1)) & 63;
        }
    }

    #[inline(always)]
    fn explicit_cost(&self, costs: &SourceCosts) -> i32 {
        costs.recent[usize::from(self.recent & 63)][0]
    }

    #[inline(always)]
    fn recent_costs(&self, costs: &SourceCosts) -> [i32; 3] {
        let recent = costs.recent[usize::from(self.recent & 63)][1];
        let [zero, more] = costs.index[0][usize::from(self.index[0] & 63)];
        let [one, two] = costs.index[1][usize::from(self.index[1] & 63)];
        [recent + zero, recent + more + one, recent + more + two]
    }
}

impl State {
    /// The state in which the writer is.
    pub(super) fn of(model: &Model) -> Self {
        let contexts = &model.contexts;
        let source = |of_type: &super::range_coder::SourceContexts, list| SourceState {
            list,
            recent: of_type.recent.state() as u8,
            index: [
                of_type.index[0].state() as u8,
                of_type.index[1].state() as u8,
            ],
        };
        Self {
            lz: source(&contexts.lz, model.lz_recent),
            delta: source(&contexts.delta, model.delta_recent),
            is_match: contexts.is_match.state() as u8,
            is_delta: contexts.is_delta.state() as u8,
            last: model.last,
        }
    }

    #[inline(always)]
    pub(super) fn literal(&mut self) {
        self.is_match = self.is_match << 1 & 15;
        self.last = Last::Literal;
    }

    #[inline(always)]
    fn matched(&mut self, delta: u8) {
        self.is_match = (self.is_match << 1 | 1) & 15;
        self.is_delta = (self.is_delta << 1 | delta) & 31;
    }

    #[inline(always)]
    pub(super) fn lz_explicit(&mut self, offset: u32) {
        self.matched(0);
        self.lz.explicit(offset);
        self.last = Last::Lz;
    }

    #[inline(always)]
    pub(super) fn lz_recent(&mut self, index: usize) {
        self.matched(0);
        self.lz.recent(index, self.last == Last::Lz);
        self.last = Last::Lz;
    }

    #[inline(always)]
    pub(super) fn delta_explicit(&mut self, source: u32) {
        self.matched(1);
        self.delta.explicit(source);
        self.last = Last::Delta;
    }

    #[inline(always)]
    pub(super) fn delta_recent(&mut self, index: usize) {
        self.matched(1);
        self.delta.recent(index, self.last == Last::Delta);
        self.last = Last::Delta;
    }

    /// The offsets that can be named now.
    #[inline(always)]
    pub(super) fn lz_sources(&self) -> [u32; 3] {
        nameable(&self.lz.list, self.last == Last::Lz)
    }

    /// The delta sources that can be named now.
    #[inline(always)]
    pub(super) fn delta_sources(&self) -> [u32; 3] {
        nameable(&self.delta.list, self.last == Last::Delta)
    }

    /// Cost of saying "literal", and of "match" followed by "LZ" or "delta".
    #[inline(always)]
    pub(super) fn kind_costs(&self, costs: &Costs) -> KindCosts {
        let [literal, matched] = costs.is_match[usize::from(self.is_match & 15)];
        let [lz, delta] = costs.is_delta[usize::from(self.is_delta & 31)];
        KindCosts {
            literal,
            lz: matched + lz,
            delta: matched + delta,
        }
    }

    /// Cost of saying that the offset comes explicitly.
    #[inline(always)]
    pub(super) fn lz_explicit_cost(&self, costs: &Costs) -> i32 {
        self.lz.explicit_cost(&costs.lz)
    }

    /// Costs of naming each of [`Self::lz_sources`].
    #[inline(always)]
    pub(super) fn lz_recent_costs(&self, costs: &Costs) -> [i32; 3] {
        self.lz.recent_costs(&costs.lz)
    }

    /// Cost of saying that the delta source comes explicitly.
    #[inline(always)]
    pub(super) fn delta_explicit_cost(&self, costs: &Costs) -> i32 {
        self.delta.explicit_cost(&costs.delta)
    }

    /// Costs of naming each of [`Self::delta_sources`].
    #[inline(always)]
    pub(super) fn delta_recent_costs(&self, costs: &Costs) -> [i32; 3] {
        self.delta.recent_costs(&costs.delta)
    }
}

/// See [`State::kind_costs`].
#[derive(Clone, Copy, Debug)]
pub(super) struct KindCosts {
    pub(super) literal: i32,
    pub(super) lz: i32,
    pub(super) delta: i32,
}

#[inline(always)]
fn nameable(list: &RecentList, newest_barred: bool) -> [u32; 3] {
    let [a, b, c, d] = list.0;
    if newest_barred { [b, c, d] } else { [a, b, c] }
}
