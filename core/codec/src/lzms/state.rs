//! What the parser remembers of the best way to a position: everything that later costs depend on.

use super::{
    cost::{Costs, SourceCosts},
    encode::Model,
    items::{Last, RecentList},
};

/// The part of an item's past that its costs depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) lz: RecentList,
    pub(super) delta: RecentList,
    /// The decision states and the type of the last item, each in a [`Field`]. They are in one number
    /// because a state is copied as soon as it was changed: that must not wait for single bytes.
    past: u64,
}

/// Some bits of [`State::past`].
#[derive(Clone, Copy)]
struct Field {
    at: u32,
    bits: u32,
}

const IS_MATCH: Field = Field { at: 0, bits: 4 };
const IS_DELTA: Field = IS_MATCH.next(5);
const LAST: Field = IS_DELTA.next(2);
const LZ: SourceFields = SourceFields::after(LAST);
const DELTA: SourceFields = SourceFields::after(LZ.index[1]);

/// The decision states about the sources of one type of match.
struct SourceFields {
    recent: Field,
    index: [Field; 2],
}

impl SourceFields {
    const fn after(field: Field) -> Self {
        let recent = field.next(6);
        Self {
            recent,
            index: [recent.next(6), recent.next(6).next(6)],
        }
    }

    #[inline(always)]
    fn recent_costs(&self, past: u64, costs: &SourceCosts) -> [i32; 3] {
        let recent = costs.recent[self.recent.of(past)][1];
        let [zero, more] = costs.index[0][self.index[0].of(past)];
        let [one, two] = costs.index[1][self.index[1].of(past)];
        [recent + zero, recent + more + one, recent + more + two]
    }
}

impl Field {
    /// The field behind this one.
    const fn next(self, bits: u32) -> Self {
        Self {
            at: self.at + self.bits,
            bits,
        }
    }

    const fn mask(self) -> u64 {
        ((1 << self.bits) - 1) << self.at
    }

    #[inline(always)]
    const fn of(self, past: u64) -> usize {
        (past >> self.at) as usize & ((1 << self.bits) - 1)
    }

    #[inline(always)]
    const fn set(self, past: u64, value: u64) -> u64 {
        past & !self.mask() | value << self.at
    }

    /// Appends a decision.
    #[inline(always)]
    const fn append(self, past: u64, answer: bool) -> u64 {
        past & !self.mask() | past << 1 & self.mask() & !(1 << self.at) | (answer as u64) << self.at
    }
}

impl State {
    /// The state in which the writer is.
    pub(super) fn of(model: &Model) -> Self {
        let contexts = &model.contexts;
        let mut past = IS_MATCH.set(0, contexts.is_match.state() as u64);
        past = IS_DELTA.set(past, contexts.is_delta.state() as u64);
        past = LAST.set(past, model.last as u64);
        for (fields, of_type) in [(&LZ, &contexts.lz), (&DELTA, &contexts.delta)] {
            past = fields.recent.set(past, of_type.recent.state() as u64);
            for (field, context) in fields.index.iter().zip(&of_type.index) {
                past = field.set(past, context.state() as u64);
            }
        }
        Self {
            lz: model.lz_recent,
            delta: model.delta_recent,
            past,
        }
    }

    #[inline(always)]
    pub(super) fn literal(&mut self) {
        self.past = LAST.set(IS_MATCH.append(self.past, false), Last::Literal as u64);
    }

    #[inline(always)]
    fn last(&self) -> usize {
        LAST.of(self.past)
    }

    #[inline(always)]
    fn matched(&mut self, last: Last) {
        let past = IS_MATCH.append(self.past, true);
        let past = IS_DELTA.append(past, last == Last::Delta);
        self.past = LAST.set(past, last as u64);
    }

    #[inline(always)]
    fn named(&mut self, fields: &SourceFields, index: usize) {
        let past = fields.recent.append(self.past, true);
        let mut past = fields.index[0].append(past, index > 0);
        if index > 0 {
            past = fields.index[1].append(past, index > 1);
        }
        self.past = past;
    }

    #[inline(always)]
    pub(super) fn lz_explicit(&mut self, offset: u32) {
        self.lz.push(offset);
        self.past = LZ.recent.append(self.past, false);
        self.matched(Last::Lz);
    }

    #[inline(always)]
    pub(super) fn lz_recent(&mut self, index: usize) {
        self.lz
            .promote(index + usize::from(self.last() == Last::Lz as usize));
        self.named(&LZ, index);
        self.matched(Last::Lz);
    }

    #[inline(always)]
    pub(super) fn delta_explicit(&mut self, source: u32) {
        self.delta.push(source);
        self.past = DELTA.recent.append(self.past, false);
        self.matched(Last::Delta);
    }

    #[inline(always)]
    pub(super) fn delta_recent(&mut self, index: usize) {
        self.delta
            .promote(index + usize::from(self.last() == Last::Delta as usize));
        self.named(&DELTA, index);
        self.matched(Last::Delta);
    }

    /// The offsets that can be named now.
    #[inline(always)]
    pub(super) fn lz_sources(&self) -> [u32; 3] {
        nameable(&self.lz, self.last() == Last::Lz as usize)
    }

    /// The delta sources that can be named now.
    #[inline(always)]
    pub(super) fn delta_sources(&self) -> [u32; 3] {
        nameable(&self.delta, self.last() == Last::Delta as usize)
    }

    /// Cost of saying "literal", and of "match" followed by "LZ" or "delta".
    #[inline(always)]
    pub(super) fn kind_costs(&self, costs: &Costs) -> KindCosts {
        let [literal, matched] = costs.is_match[IS_MATCH.of(self.past)];
        let [lz, delta] = costs.is_delta[IS_DELTA.of(self.past)];
        KindCosts {
            literal,
            lz: matched + lz,
            delta: matched + delta,
        }
    }

    /// Cost of saying that the offset comes explicitly.
    #[inline(always)]
    pub(super) fn lz_explicit_cost(&self, costs: &Costs) -> i32 {
        costs.lz.recent[LZ.recent.of(self.past)][0]
    }

    /// Costs of naming each of [`Self::lz_sources`].
    #[inline(always)]
    pub(super) fn lz_recent_costs(&self, costs: &Costs) -> [i32; 3] {
        LZ.recent_costs(self.past, &costs.lz)
    }

    /// Cost of saying that the delta source comes explicitly.
    #[inline(always)]
    pub(super) fn delta_explicit_cost(&self, costs: &Costs) -> i32 {
        costs.delta.recent[DELTA.recent.of(self.past)][0]
    }

    /// Costs of naming each of [`Self::delta_sources`].
    #[inline(always)]
    pub(super) fn delta_recent_costs(&self, costs: &Costs) -> [i32; 3] {
        DELTA.recent_costs(self.past, &costs.delta)
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
