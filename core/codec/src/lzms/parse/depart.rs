//! Departures: handing the cost of a node on along every item that may start there.

use super::{
    super::{
        delta::common_differences,
        items::{Item, RecentList, Source},
        slots::offset_slot,
        state::KindCosts,
        tree::{Finder, common},
    },
    Parser,
    nodes::{DELTA_RECENT, LITERAL, link},
};

/// Shortest match of any kind that is tried.
const MIN_MATCH: usize = 2;

impl Parser {
    /// Hands the cost of `node` on; or returns a match so long that it is to be taken.
    #[inline(always)]
    pub(super) fn depart(
        &mut self,
        data: &[u8],
        at: usize,
        node: usize,
        finder: &mut impl Finder,
    ) -> Option<Item> {
        let kinds = self.nodes.states[node].kind_costs(&self.costs);
        let with_delta = self.effort.delta_below > 0 && !self.delta.is_idle();
        if with_delta {
            self.delta.announce(data, at);
        }
        if let Some(item) = self.depart_by_recent(data, at, node, kinds) {
            finder.skip(data, at, 1);
            return Some(item);
        }
        let longest = (data.len() - at).min(self.effort.nice);
        finder.find(data, at, longest, &mut self.matches);
        if let Some(item) = self.depart_by_found(data, at, node, kinds) {
            return Some(item);
        }
        let best = self.matches.last().map_or(0, |m| m.length as usize);
        if with_delta
            && best < self.effort.delta_below
            && let Some(item) = self.depart_by_delta(data, at, node, kinds)
        {
            return Some(item);
        }
        // Behind a literal this was tried at the literal, with one more of them.
        if self.effort.composites && !self.nodes.is_behind_literal(node) {
            self.skip_some(data, at, node);
        }
        let cost = kinds.literal + self.costs.literal[usize::from(data[at])];
        self.nodes.extend(node + 1);
        self.nodes
            .improve(node + 1, self.nodes.cost(node) + cost, link(LITERAL, 1));
        None
    }

    /// The same by matches with recent offsets.
    #[inline(always)]
    fn depart_by_recent(
        &mut self,
        data: &[u8],
        at: usize,
        node: usize,
        kinds: KindCosts,
    ) -> Option<Item> {
        let left = data.len() - at;
        if left < MIN_MATCH {
            return None;
        }
        let nice = self.effort.nice;
        let longest = left.min(nice);
        let state = &self.nodes.states[node];
        let names = state.lz_recent_costs(&self.costs);
        for (index, offset) in state.lz_sources().into_iter().enumerate() {
            let offset = offset as usize;
            if offset > at || data[at] != data[at - offset] || data[at + 1] != data[at + 1 - offset]
            {
                continue;
            }
            let length = common(data, at - offset, at, 2, longest);
            if length >= nice {
                let source = Source::LzRecent(index as u8);
                return Some(whole_match(data, at, offset, source));
            }
            let cost = self.nodes.cost(node) + kinds.lz + names[index];
            let source = index as u32;
            self.hand_on(node, source, MIN_MATCH, length, cost);
            if self.effort.composites {
                self.go_on(data, at, node, offset, length, source, cost);
            }
        }
        None
    }

    /// The same by matches with the offsets found.
    #[inline(always)]
    fn depart_by_found(
        &mut self,
        data: &[u8],
        at: usize,
        node: usize,
        kinds: KindCosts,
    ) -> Option<Item> {
        let last = *self.matches.last()?;
        let (offset, length) = (last.offset as usize, last.length as usize);
        if length >= self.effort.nice {
            return Some(whole_match(data, at, offset, Source::Lz(last.offset)));
        }
        let explicit = self.nodes.cost(node)
            + kinds.lz
            + self.nodes.states[node].lz_explicit_cost(&self.costs);
        let mut shortest = MIN_MATCH;
        let (mut cost, mut source) = (0, 0);
        self.nodes.extend(node + length);
        for found in &self.matches {
            let length = found.length as usize;
            source = self.nodes.add_offset(found.offset);
            cost = explicit + self.costs.lz_offset[offset_slot(found.offset)];
            let lengths = &self.costs.lengths;
            self.nodes
                .relax(node, source, shortest, length, cost, lengths);
            shortest = length + 1;
        }
        if self.effort.composites {
            self.go_on(data, at, node, offset, length, source, cost);
        }
        None
    }

    /// The same by delta matches.
    #[inline(always)]
    fn depart_by_delta(
        &mut self,
        data: &[u8],
        at: usize,
        node: usize,
        kinds: KindCosts,
    ) -> Option<Item> {
        let nice = self.effort.nice;
        let longest = (data.len() - at).min(nice);
        let base = self.nodes.cost(node) + kinds.delta;
        let state = &self.nodes.states[node];
        let names = state.delta_recent_costs(&self.costs);
        let explicit = base + state.delta_explicit_cost(&self.costs);
        let sources = if state.delta == RecentList::DELTA {
            // Nothing has been put there yet.
            [0; 3]
        } else {
            state.delta_sources()
        };
        for (index, source) in sources.into_iter().enumerate() {
            if source == 0 {
                break;
            }
            let span = 1usize << (source & 7);
            let offset = ((source >> 3) as usize) << (source & 7);
            if offset + span > at {
                continue;
            }
            let from = at - offset;
            if data[at].wrapping_sub(data[at - span]) != data[from].wrapping_sub(data[from - span])
            {
                continue;
            }
            let length = common_differences(data, from, at, span, longest);
            if length < MIN_MATCH {
                continue;
            }
            if length >= nice {
                let source = Source::DeltaRecent(index as u8);
                return Some(whole_delta_match(data, at, offset, span, source));
            }
            let source = DELTA_RECENT + index as u32;
            self.hand_on(node, source, MIN_MATCH, length, base + names[index]);
        }
        let best = self.matches.last().map_or(0, |m| m.length as usize);
        self.delta
            .find(data, at, best + 1, longest, &mut self.delta_matches);
        for i in 0..self.delta_matches.len() {
            let found = self.delta_matches[i];
            let (power, raw) = (found.source & 7, found.source >> 3);
            if found.length >= nice {
                let (offset, source) = ((raw as usize) << power, Source::Delta(found.source));
                return Some(whole_delta_match(data, at, offset, 1 << power, source));
            }
            let cost = explicit
                + self.costs.delta_power[power as usize]
                + self.costs.delta_offset[offset_slot(raw)];
            let source = self.nodes.add_delta(found.source);
            self.hand_on(node, source, MIN_MATCH, found.length, cost);
        }
        None
    }

    /// Hands a cost on by matches of all lengths from `shortest` to `longest`.
    #[inline(always)]
    fn hand_on(&mut self, node: usize, source: u32, shortest: usize, longest: usize, cost: i32) {
        self.nodes.extend(node + longest);
        let lengths = &self.costs.lengths;
        self.nodes
            .relax(node, source, shortest, longest, cost, lengths);
    }
}

/// A match that is taken without weighing it up: all there is of it.
#[inline(always)]
fn whole_match(data: &[u8], at: usize, offset: usize, source: Source) -> Item {
    Item {
        source,
        length: common(data, at - offset, at, 0, data.len() - at) as u32,
    }
}

/// The same for a delta match.
#[inline(always)]
fn whole_delta_match(data: &[u8], at: usize, offset: usize, span: usize, source: Source) -> Item {
    let longest = data.len() - at;
    Item {
        source,
        length: common_differences(data, at - offset, at, span, longest) as u32,
    }
}
