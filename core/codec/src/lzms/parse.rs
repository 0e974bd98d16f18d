//! Choosing items: the cheapest way through a stretch of the chunk.
//!
//! Costs change with every item, so the chunk is parsed in stretches of a few thousand bytes. For each,
//! costs are taken from the writer's present state, then the cheapest way to each position is found from
//! left to right: every position hands its cost on along all items that may start there. The cheapest
//! way to a position also determines the recent sources and decision states there, which are
//! computed when the position is reached and its way is final. The items of the cheapest way are then
//! written, which brings the adaptive state up to date for the next stretch.
//!
//! A *link* is the last item on the way to a position in 32 bits: its length in the low bits, and above
//! them where it copies from. That makes handing on a match of many lengths a loop over three arrays
//! without branches.
//!
//! Two things a plain search of this kind misses, because only the cheapest way to each position is
//! kept, are added as composite items: a match, one differing byte, and the match going on; and a
//! literal followed by a recent match.

use alloc::{vec, vec::Vec};

use super::{
    cost::{Costs, MAX_COSTED},
    delta::{DeltaFinder, DeltaMatch, common_differences},
    encode::{Model, Writer},
    items::{Item, Source},
    range_coder::Full,
    slots::offset_slot,
    state::State,
    tree::{Finder, Match, common},
};

/// Positions in a stretch.
const STRETCH: usize = 2048;
const LENGTH_BITS: u32 = 11;
const LENGTH_MASK: u32 = (1 << LENGTH_BITS) - 1;
/// Source numbers in links: three recent offsets, three recent delta sources, then these.
const LITERAL: u32 = 6;
const FIRST_FOUND: u32 = 8;
/// Marks the number of a composite item.
const COMPOSITE: u32 = 1 << 20;
/// Higher than any cost of a way.
const UNREACHED: i32 = i32::MAX / 2;
/// Shortest match of any kind that is tried.
const MIN_MATCH: usize = 2;

/// How hard to try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// A match this long is taken without weighing it up.
    pub(super) nice: usize,
    /// Try composite items.
    pub(super) composites: bool,
    /// Look for delta matches.
    pub(super) delta: bool,
}

/// A match, a literal, and a match with the first recent offset; or without the first.
#[derive(Clone, Copy, Debug)]
struct Composite {
    /// Link of the first match, 0 for none.
    first: u32,
    /// Length of the second.
    second: u32,
}

/// Working memory of the parser.
#[derive(Debug)]
pub(super) struct Parser {
    effort: Effort,
    costs: Costs,
    cost: Vec<i32>,
    link: Vec<u32>,
    states: Vec<State>,
    /// Explicit sources tried in this stretch.
    sources: Vec<u32>,
    composites: Vec<Composite>,
    matches: Vec<Match>,
    delta: DeltaFinder,
    delta_matches: Vec<DeltaMatch>,
    path: Vec<Item>,
}

/// Hands a cost on to positions at consecutive distances: `costs`, `links` and `lengths` begin with the
/// shortest.
#[inline(always)]
fn relax(costs: &mut [i32], links: &mut [u32], lengths: &[i32], base: i32, link: u32) {
    for (((cost, old), length), link) in costs.iter_mut().zip(links).zip(lengths).zip(link..) {
        let new = base + length;
        let better = new < *cost;
        *cost = if better { new } else { *cost };
        *old = if better { link } else { *old };
    }
}

impl Parser {
    pub(super) fn new(effort: Effort) -> Self {
        let nodes = STRETCH + 2 * MAX_COSTED + 2;
        let model = Model::new();
        Self {
            effort,
            costs: Costs::new(),
            cost: vec![UNREACHED; nodes],
            link: vec![0; nodes],
            states: vec![State::of(&model); STRETCH + 1],
            sources: Vec::new(),
            composites: Vec::new(),
            matches: Vec::new(),
            delta: DeltaFinder::new(),
            delta_matches: Vec::new(),
            path: Vec::new(),
        }
    }

    /// Parses and writes a whole chunk.
    pub(super) fn run(
        &mut self,
        data: &[u8],
        finder: &mut impl Finder,
        model: &mut Model,
        writer: &mut Writer<'_>,
    ) -> Result<(), Full> {
        self.delta.begin(data.len());
        let mut at = 0;
        while at < data.len() {
            self.costs.update(model, self.effort.nice);
            let end = self.stretch(data, at, finder, model);
            for &item in self.path.iter().rev() {
                writer.item(model, item, &data[at..])?;
                at += item.length as usize;
            }
            debug_assert_eq!(at, end);
            at = end;
        }
        Ok(())
    }

    /// Leaves the items of one stretch in `path`, last first; returns where it ends.
    fn stretch(
        &mut self,
        data: &[u8],
        start: usize,
        finder: &mut impl Finder,
        model: &Model,
    ) -> usize {
        let nodes = (data.len() - start).min(STRETCH);
        self.cost.fill(UNREACHED);
        self.sources.clear();
        self.composites.clear();
        self.path.clear();
        self.cost[0] = 0;
        self.states[0] = State::of(model);
        for node in 0..nodes {
            if node > 0 {
                self.states[node] = self.arrive(node);
            }
            if let Some(item) = self.depart(data, start, node, finder) {
                let at = start + node;
                let length = item.length as usize;
                finder.skip(data, at + 1, length - 1);
                self.path.push(item);
                self.trace(node);
                return at + length;
            }
        }
        self.trace(nodes);
        start + nodes
    }

    /// The state after the cheapest way to `node`.
    #[inline(always)]
    fn arrive(&self, node: usize) -> State {
        let link = self.link[node];
        let mut state = self.states[node - (link & LENGTH_MASK) as usize];
        let source = link >> LENGTH_BITS;
        if source & COMPOSITE != 0 {
            let composite = self.composites[(source & !COMPOSITE) as usize];
            if composite.first != 0 {
                self.follow(&mut state, composite.first >> LENGTH_BITS);
            }
            state.literal();
            state.lz_recent(0);
        } else {
            self.follow(&mut state, source);
        }
        state
    }

    #[inline(always)]
    fn follow(&self, state: &mut State, source: u32) {
        match source {
            LITERAL => state.literal(),
            0..3 => state.lz_recent(source as usize),
            3..6 => state.delta_recent(source as usize - 3),
            _ => {
                let source = self.sources[(source - FIRST_FOUND) as usize];
                if source & DELTA != 0 {
                    state.delta_explicit(source & !DELTA);
                } else {
                    state.lz_explicit(source);
                }
            }
        }
    }

    /// Hands the cost of `node` on; or returns a match so long that it is to be taken.
    #[inline(always)]
    fn depart(
        &mut self,
        data: &[u8],
        start: usize,
        node: usize,
        finder: &mut impl Finder,
    ) -> Option<Item> {
        let at = start + node;
        let left = data.len() - at;
        let nice = self.effort.nice;
        let longest = left.min(nice);
        let state = self.states[node];
        let base = self.cost[node];
        let kinds = state.kind_costs(&self.costs);

        // Recent offsets.
        if left >= MIN_MATCH {
            let names = state.lz_recent_costs(&self.costs);
            for (index, offset) in state.lz_sources().into_iter().enumerate() {
                let offset = offset as usize;
                if offset > at
                    || data[at] != data[at - offset]
                    || data[at + 1] != data[at + 1 - offset]
                {
                    continue;
                }
                let length = common(data, at - offset, at, 2, longest);
                if length >= nice {
                    finder.find(data, at, longest, &mut self.matches);
                    return Some(Item {
                        source: Source::LzRecent(index as u8),
                        length: common(data, at - offset, at, length, left) as u32,
                    });
                }
                let cost = base + kinds.lz + names[index];
                relax(
                    &mut self.cost[node + MIN_MATCH..=node + length],
                    &mut self.link[node + MIN_MATCH..=node + length],
                    &self.costs.length[MIN_MATCH..=length],
                    cost,
                    (index as u32) << LENGTH_BITS | MIN_MATCH as u32,
                );
                if self.effort.composites {
                    self.go_on(data, at, node, offset, length, index as u32, cost);
                }
            }
        }

        // Explicit offsets.
        finder.find(data, at, longest, &mut self.matches);
        if let Some(&last) = self.matches.last() {
            if last.length as usize >= nice {
                return Some(Item {
                    source: Source::Lz(last.offset),
                    length: common(data, at - last.offset as usize, at, nice, left) as u32,
                });
            }
            let explicit = base + kinds.lz + state.lz_explicit_cost(&self.costs);
            let mut shortest = MIN_MATCH;
            let mut cost = 0;
            let mut number = 0;
            for found in &self.matches {
                let length = found.length as usize;
                number = FIRST_FOUND + self.sources.len() as u32;
                self.sources.push(found.offset);
                cost = explicit + self.costs.lz_offset[offset_slot(found.offset)];
                relax(
                    &mut self.cost[node + shortest..=node + length],
                    &mut self.link[node + shortest..=node + length],
                    &self.costs.length[shortest..=length],
                    cost,
                    number << LENGTH_BITS | shortest as u32,
                );
                shortest = length + 1;
            }
            if self.effort.composites {
                let (offset, length) = (last.offset as usize, last.length as usize);
                self.go_on(data, at, node, offset, length, number, cost);
            }
        }

        if self.effort.delta {
            if let Some(item) = self.depart_by_delta(data, at, node, base + kinds.delta) {
                return Some(item);
            }
        }

        // A literal, and a recent match after one.
        if self.effort.composites {
            self.skip_one(data, at, node, base + kinds.literal);
        }
        let cost = base + kinds.literal + self.costs.literal[usize::from(data[at])];
        if cost < self.cost[node + 1] {
            self.cost[node + 1] = cost;
            self.link[node + 1] = LITERAL << LENGTH_BITS | 1;
        }
        None
    }

    #[inline(always)]
    fn depart_by_delta(&mut self, data: &[u8], at: usize, node: usize, base: i32) -> Option<Item> {
        let left = data.len() - at;
        let nice = self.effort.nice;
        let longest = left.min(nice);
        let state = &self.states[node];
        let names = state.delta_recent_costs(&self.costs);
        for (index, source) in state.delta_sources().into_iter().enumerate() {
            let span = 1usize << (source & 7);
            let offset = ((source >> 3) as usize) << (source & 7);
            if offset + span > at {
                continue;
            }
            let length = common_differences(data, at - offset, at, span, longest);
            if length < MIN_MATCH {
                continue;
            }
            if length >= nice {
                let length = common_differences(data, at - offset, at, span, left) as u32;
                return Some(Item {
                    source: Source::DeltaRecent(index as u8),
                    length,
                });
            }
            relax(
                &mut self.cost[node + MIN_MATCH..=node + length],
                &mut self.link[node + MIN_MATCH..=node + length],
                &self.costs.length[MIN_MATCH..=length],
                base + names[index],
                (index as u32 + 3) << LENGTH_BITS | MIN_MATCH as u32,
            );
        }
        let explicit = base + state.delta_explicit_cost(&self.costs);
        self.delta.find(data, at, longest, &mut self.delta_matches);
        for found in &self.delta_matches {
            if found.length >= nice {
                let (power, raw) = (found.source & 7, found.source >> 3);
                let from = at - ((raw as usize) << power);
                let length = common_differences(data, from, at, 1 << power, left) as u32;
                return Some(Item {
                    source: Source::Delta(found.source),
                    length,
                });
            }
            let cost = explicit
                + self.costs.delta_power[(found.source & 7) as usize]
                + self.costs.delta_offset[offset_slot(found.source >> 3)];
            let number = FIRST_FOUND + self.sources.len() as u32;
            self.sources.push(found.source | DELTA);
            relax(
                &mut self.cost[node + MIN_MATCH..=node + found.length],
                &mut self.link[node + MIN_MATCH..=node + found.length],
                &self.costs.length[MIN_MATCH..=found.length],
                cost,
                number << LENGTH_BITS | MIN_MATCH as u32,
            );
        }
        None
    }

    /// Tries the composite item of a literal and a match with the first recent offset.
    #[inline(always)]
    fn skip_one(&mut self, data: &[u8], at: usize, node: usize, cost: i32) {
        let resume = at + 1;
        let mut state = self.states[node];
        let offset = state.lz.list.0[0] as usize;
        if resume + MIN_MATCH > data.len()
            || offset > at
            || data[resume..resume + 2] != data[resume - offset..resume - offset + 2]
        {
            return;
        }
        let longest = (data.len() - resume).min(self.effort.nice);
        let second = common(data, resume - offset, resume, 2, longest);
        state.literal();
        let kinds = state.kind_costs(&self.costs);
        let cost = cost
            + self.costs.literal[usize::from(data[at])]
            + kinds.lz
            + state.lz_recent_costs(&self.costs)[0]
            + self.costs.length[second];
        let total = 1 + second;
        if cost < self.cost[node + total] {
            self.cost[node + total] = cost;
            self.link[node + total] =
                (COMPOSITE | self.composites.len() as u32) << LENGTH_BITS | total as u32;
            self.composites.push(Composite {
                first: 0,
                second: second as u32,
            });
        }
    }

    /// Tries the composite item of a match of `length` bytes that costs `cost` without its length, a
    /// literal, and more from the same offset.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn go_on(
        &mut self,
        data: &[u8],
        at: usize,
        node: usize,
        offset: usize,
        length: usize,
        number: u32,
        cost: i32,
    ) {
        let resume = at + length + 1;
        if resume + MIN_MATCH > data.len()
            || data[resume..resume + 2] != data[resume - offset..resume - offset + 2]
        {
            return;
        }
        let longest = (data.len() - resume).min(self.effort.nice);
        let second = common(data, resume - offset, resume, 2, longest);
        let mut state = self.states[node];
        self.follow(&mut state, number);
        let kinds = state.kind_costs(&self.costs);
        let mut cost = cost
            + self.costs.length[length]
            + kinds.literal
            + self.costs.literal[usize::from(data[resume - 1])];
        state.literal();
        let kinds = state.kind_costs(&self.costs);
        cost += kinds.lz + state.lz_recent_costs(&self.costs)[0] + self.costs.length[second];
        let total = length + 1 + second;
        if cost < self.cost[node + total] {
            self.cost[node + total] = cost;
            self.link[node + total] =
                (COMPOSITE | self.composites.len() as u32) << LENGTH_BITS | total as u32;
            self.composites.push(Composite {
                first: number << LENGTH_BITS | length as u32,
                second: second as u32,
            });
        }
    }

    /// Appends the items on the cheapest way to `node` to the path, last first.
    fn trace(&mut self, mut node: usize) {
        while node > 0 {
            let link = self.link[node];
            let source = link >> LENGTH_BITS;
            if source & COMPOSITE != 0 {
                let composite = self.composites[(source & !COMPOSITE) as usize];
                self.path.push(Item {
                    source: Source::LzRecent(0),
                    length: composite.second,
                });
                self.path.push(Item {
                    source: Source::Literal,
                    length: 1,
                });
                if composite.first != 0 {
                    self.path.push(self.item(composite.first));
                }
            } else {
                self.path.push(self.item(link));
            }
            node -= (link & LENGTH_MASK) as usize;
        }
    }

    fn item(&self, link: u32) -> Item {
        let source = match link >> LENGTH_BITS {
            LITERAL => Source::Literal,
            number @ 0..3 => Source::LzRecent(number as u8),
            number @ 3..6 => Source::DeltaRecent(number as u8 - 3),
            number => {
                let source = self.sources[(number - FIRST_FOUND) as usize];
                if source & DELTA != 0 {
                    Source::Delta(source & !DELTA)
                } else {
                    Source::Lz(source)
                }
            }
        };
        Item {
            source,
            length: link & LENGTH_MASK,
        }
    }
}

/// Marks delta sources among the explicit ones.
const DELTA: u32 = 1 << 31;
