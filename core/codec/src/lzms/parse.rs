//! Choosing items: the cheapest way through a stretch of the chunk.
//!
//! The cheapest way to each position is found from left to right: every position hands its cost on
//! along all items that may start there. The cheapest way to a position also determines the recent
//! sources and decision states there, which are computed when the position is reached and its way is
//! final.
//!
//! Costs change with every item. So every few hundred positions whatever is settled is written: the
//! items up to the last position that all ways still open have in common. That brings the adaptive
//! state up to date, costs are taken from it anew, and the search goes on from there with nothing cut
//! off in the middle.
//!
//! A *link* is the last item on the way to a position in 32 bits: its length in the low bits, and above
//! them where it copies from. That makes handing on a match of many lengths a loop over three arrays
//! without branches.
//!
//! Two things a plain search of this kind misses, because only the cheapest way to each position is
//! kept, are added as composite items: a match, one differing byte, and the match going on; and a
//! literal followed by a recent match.
//!
//! Inside of matches most positions are reached for the same cost as the one after them, because length
//! codewords are often equally long. Whatever starts at such a position may as well start one later:
//! nothing is tried there, which halves the work and costs less than a thousandth in size.

use alloc::{vec, vec::Vec};

use super::{
    cost::{Costs, MAX_COSTED},
    delta::{DeltaFinder, DeltaMatch, common_differences},
    encode::{Model, Writer},
    items::{Item, RecentList, Source},
    range_coder::Full,
    slots::offset_slot,
    state::State,
    tree::{Finder, Match, common},
};

/// Positions between two attempts to settle a part of the way.
const INTERVAL: usize = 256;
/// Positions that may be unsettled.
const WINDOW: usize = 4096;
/// Explicit sources remembered, the latest ones; a power of two.
const SOURCES: usize = 1 << 17;
/// Composite items remembered, likewise.
const COMPOSITES: usize = 1 << 14;
const LENGTH_BITS: u32 = 11;
const LENGTH_MASK: u32 = (1 << LENGTH_BITS) - 1;
/// Source numbers in links: three recent offsets, three recent delta sources, then these.
const LITERAL: u32 = 6;
const FIRST_FOUND: u32 = 8;
/// Marks the number of a composite item.
const COMPOSITE: u32 = 1 << 20;
/// Higher than any cost of a way.
const UNREACHED: i32 = i32::MAX / 2;
/// Most literals between the matches of a composite item.
const MAX_LITERALS: usize = 4;
/// Shortest match of any kind that is tried.
const MIN_MATCH: usize = 2;

/// How hard to try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// A match this long is taken without weighing it up.
    pub(super) nice: usize,
    /// Try composite items.
    pub(super) composites: bool,
    /// Look for delta matches where LZ matches are shorter than this.
    pub(super) delta_below: usize,
    /// Pass over positions that cost as much to reach as the next one.
    pub(super) prune: bool,
}

/// A match, a few literals, and a match with the first recent offset; or without the first match.
#[derive(Clone, Copy, Debug)]
struct Composite {
    /// Link of the first match, 0 for none.
    first: u32,
    /// Number of literals.
    literals: u32,
    /// Length of the second match.
    second: u32,
}

/// There was no room for the output, or the output is not wanted any more.
#[derive(Debug)]
pub(super) struct GivenUp;

impl From<Full> for GivenUp {
    fn from(_: Full) -> Self {
        GivenUp
    }
}

/// Working memory of the parser.
#[derive(Debug)]
pub(super) struct Parser {
    effort: Effort,
    costs: Costs,
    cost: Vec<i32>,
    link: Vec<u32>,
    states: Vec<State>,
    marks: Vec<bool>,
    /// The last node reached.
    reach: usize,
    /// The latest explicit sources tried, by number modulo their count.
    sources: Vec<u32>,
    next_source: u32,
    composites: Vec<Composite>,
    next_composite: u32,
    /// What the two counters were when a node was looked at.
    counters: Vec<[u32; 2]>,
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

/// How many positions later to look for what is settled: sooner at the start of a chunk, where costs
/// change fastest.
fn interval(at: usize) -> usize {
    INTERVAL.min(INTERVAL / 8 + at / 16)
}

impl Parser {
    pub(super) fn new(effort: Effort) -> Self {
        let nodes = WINDOW + INTERVAL + 2 * MAX_COSTED + 8;
        let model = Model::new();
        Self {
            effort,
            costs: Costs::new(),
            cost: vec![UNREACHED; nodes],
            link: vec![0; nodes],
            states: vec![State::of(&model); WINDOW + INTERVAL + 1],
            marks: vec![false; nodes],
            reach: 0,
            sources: vec![0; SOURCES],
            counters: vec![[0; 2]; WINDOW + INTERVAL + 1],
            next_source: 0,
            composites: vec![
                Composite {
                    first: 0,
                    literals: 0,
                    second: 0
                };
                COMPOSITES
            ],
            next_composite: 0,
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
        stop: &dyn Fn() -> bool,
    ) -> Result<(), GivenUp> {
        self.delta.begin(data.len());
        // Position of node 0, and the node to be looked at next.
        let (mut origin, mut node) = (0, 0);
        let mut due = 0;
        self.restart(model);
        while origin + node < data.len() {
            if node >= due {
                if stop() {
                    return Err(GivenUp);
                }
                node -= self.commit(data, &mut origin, node, model, writer)?;
                self.costs.update(model, self.effort.nice);
                due = node + interval(origin + node);
            }
            self.counters[node] = [self.next_source, self.next_composite];
            if self.effort.prune && node > 0 && self.cost[node + 1] <= self.cost[node] {
                // The next position is reached for no more: whatever starts here may as well start
                // there.
                finder.skip(data, origin + node, 1);
                node += 1;
                continue;
            }
            if node > 0 {
                self.states[node] = self.arrive(node);
            }
            if let Some(item) = self.depart(data, origin, node, finder) {
                self.write(data, &mut origin, node, model, writer)?;
                writer.item(model, item, &data[origin..])?;
                let length = item.length as usize;
                finder.skip(data, origin + 1, length - 1);
                origin += length;
                node = 0;
                due = 0;
                self.restart(model);
            } else {
                node += 1;
            }
        }
        Ok(self.write(data, &mut origin, node, model, writer)?)
    }

    /// Forgets all nodes; node 0 is where the writer is.
    fn restart(&mut self, model: &Model) {
        self.cost[..=self.reach].fill(UNREACHED);
        self.reach = 0;
        self.cost[0] = 0;
        self.states[0] = State::of(model);
        self.next_source = 0;
        self.next_composite = 0;
        self.counters[0] = [0; 2];
    }

    /// Writes the items on the way to `node`.
    fn write(
        &mut self,
        data: &[u8],
        origin: &mut usize,
        node: usize,
        model: &mut Model,
        writer: &mut Writer<'_>,
    ) -> Result<(), Full> {
        self.path.clear();
        self.trace(node);
        for &item in self.path.iter().rev() {
            writer.item(model, item, &data[*origin..])?;
            *origin += item.length as usize;
        }
        Ok(())
    }

    /// Writes what is settled: the items up to the last node that all ways now open have in common. That
    /// node becomes node 0. When the nodes are used up, settles the way to `node`, right or wrong.
    /// Returns how far the nodes have moved.
    fn commit(
        &mut self,
        data: &[u8],
        origin: &mut usize,
        node: usize,
        model: &mut Model,
        writer: &mut Writer<'_>,
    ) -> Result<usize, Full> {
        if node == 0 {
            return Ok(0);
        }
        let common = self.common_node(node);
        // What would still be unsettled then.
        let [sources, composites] = self.counters[common.min(node - 1)];
        if node - common + INTERVAL > WINDOW
            || self.next_source - sources > SOURCES as u32 / 2
            || self.next_composite - composites > COMPOSITES as u32 / 2
            || common == node
        {
            self.write(data, origin, node, model, writer)?;
            self.restart(model);
            return Ok(node);
        }
        if common == 0 {
            return Ok(0);
        }
        self.write(data, origin, common, model, writer)?;
        let end = self.reach + 1;
        let base = self.cost[common];
        for cost in &mut self.cost[common..end] {
            *cost -= if *cost == UNREACHED { 0 } else { base };
        }
        self.cost.copy_within(common..end, 0);
        self.link.copy_within(common..end, 0);
        self.states.copy_within(common..=node, 0);
        self.counters.copy_within(common..=node, 0);
        self.cost[end - common..end].fill(UNREACHED);
        self.reach -= common;
        Ok(common)
    }

    /// The last node that is on the ways to `node` and to all nodes reached beyond it.
    fn common_node(&mut self, node: usize) -> usize {
        self.marks[..=self.reach].fill(false);
        let mut open = 0;
        for at in node..=self.reach {
            if self.cost[at] != UNREACHED {
                self.marks[at] = true;
                open += 1;
            }
        }
        let mut at = self.reach;
        while at > 0 {
            if self.marks[at] {
                if open == 1 && at <= node {
                    return at;
                }
                let parent = at - (self.link[at] & LENGTH_MASK) as usize;
                if self.marks[parent] {
                    open -= 1;
                } else {
                    self.marks[parent] = true;
                }
            }
            at -= 1;
        }
        0
    }

    /// The state after the cheapest way to `node`.
    #[inline(always)]
    fn arrive(&self, node: usize) -> State {
        let link = self.link[node];
        let mut state = self.states[node - (link & LENGTH_MASK) as usize];
        let source = link >> LENGTH_BITS;
        if source & COMPOSITE != 0 {
            let composite = self.composites[(source & !COMPOSITE) as usize & (COMPOSITES - 1)];
            if composite.first != 0 {
                self.follow(&mut state, composite.first >> LENGTH_BITS);
            }
            for _ in 0..composite.literals {
                state.literal();
            }
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
                let source = self.sources[(source - FIRST_FOUND) as usize & (SOURCES - 1)];
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

        if self.effort.delta_below > 0 {
            self.delta.announce(data, at);
        }

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
                self.reach = self.reach.max(node + length);
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
            self.reach = self.reach.max(node + last.length as usize);
            let explicit = base + kinds.lz + state.lz_explicit_cost(&self.costs);
            let mut shortest = MIN_MATCH;
            let mut cost = 0;
            let mut number = 0;
            for found in &self.matches {
                let length = found.length as usize;
                let place = self.next_source as usize & (SOURCES - 1);
                number = FIRST_FOUND + place as u32;
                self.sources[place] = found.offset;
                self.next_source += 1;
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

        let best = self.matches.last().map_or(0, |m| m.length as usize);
        if best < self.effort.delta_below
            && let Some(item) = self.depart_by_delta(data, at, node, base + kinds.delta)
        {
            return Some(item);
        }

        // A literal, and a recent match after some.
        if self.effort.composites {
            self.skip_some(data, at, node, base);
        }
        let cost = base + kinds.literal + self.costs.literal[usize::from(data[at])];
        self.reach = self.reach.max(node + 1);
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
        let sources = if state.delta.list == RecentList::DELTA {
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
                let length = common_differences(data, at - offset, at, span, left) as u32;
                return Some(Item {
                    source: Source::DeltaRecent(index as u8),
                    length,
                });
            }
            self.reach = self.reach.max(node + length);
            relax(
                &mut self.cost[node + MIN_MATCH..=node + length],
                &mut self.link[node + MIN_MATCH..=node + length],
                &self.costs.length[MIN_MATCH..=length],
                base + names[index],
                (index as u32 + 3) << LENGTH_BITS | MIN_MATCH as u32,
            );
        }
        let explicit = base + state.delta_explicit_cost(&self.costs);
        let best = self.matches.last().map_or(0, |m| m.length as usize);
        self.delta
            .find(data, at, best + 1, longest, &mut self.delta_matches);
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
            self.reach = self.reach.max(node + found.length);
            let cost = explicit
                + self.costs.delta_power[(found.source & 7) as usize]
                + self.costs.delta_offset[offset_slot(found.source >> 3)];
            let place = self.next_source as usize & (SOURCES - 1);
            let number = FIRST_FOUND + place as u32;
            self.sources[place] = found.source | DELTA;
            self.next_source += 1;
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

    /// Tries the composite item of a few literals and a match with the first recent offset.
    #[inline(always)]
    fn skip_some(&mut self, data: &[u8], at: usize, node: usize, cost: i32) {
        let mut state = self.states[node];
        let offset = state.lz.list.0[0] as usize;
        if offset > at {
            return;
        }
        let Some((literals, second)) = self.resumption(data, at, offset) else {
            return;
        };
        let mut cost = cost;
        cost += self.literal_costs(&mut state, &data[at..at + literals]);
        cost += state.kind_costs(&self.costs).lz
            + state.lz_recent_costs(&self.costs)[0]
            + self.costs.length[second];
        self.add_composite(node, cost, 0, literals, second);
    }

    /// Where, few literals after `from`, the bytes go on as they did `offset` before: the number of
    /// literals and the length of the match behind them.
    #[inline(always)]
    fn resumption(&self, data: &[u8], from: usize, offset: usize) -> Option<(usize, usize)> {
        let literals = (1..=MAX_LITERALS).find(|literals| {
            let resume = from + literals;
            resume + MIN_MATCH <= data.len()
                && data[resume..resume + 2] == data[resume - offset..resume - offset + 2]
        })?;
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
        let differing = at + length;
        let Some((literals, second)) = self.resumption(data, differing, offset) else {
            return;
        };
        let mut state = self.states[node];
        self.follow(&mut state, number);
        let mut cost = cost + self.costs.length[length];
        cost += self.literal_costs(&mut state, &data[differing..differing + literals]);
        cost += state.kind_costs(&self.costs).lz
            + state.lz_recent_costs(&self.costs)[0]
            + self.costs.length[second];
        let first = number << LENGTH_BITS | length as u32;
        self.add_composite(node, cost, first, literals, second);
    }

    /// Hands the cost of a composite item on, unless there is a cheaper way.
    #[inline(always)]
    fn add_composite(
        &mut self,
        node: usize,
        cost: i32,
        first: u32,
        literals: usize,
        second: usize,
    ) {
        let total = (first & LENGTH_MASK) as usize + literals + second;
        if cost >= self.cost[node + total] {
            return;
        }
        self.cost[node + total] = cost;
        let place = self.next_composite as usize & (COMPOSITES - 1);
        self.composites[place] = Composite {
            first,
            literals: literals as u32,
            second: second as u32,
        };
        self.next_composite += 1;
        self.link[node + total] = (COMPOSITE | place as u32) << LENGTH_BITS | total as u32;
        self.reach = self.reach.max(node + total);
    }

    /// Appends the items on the cheapest way to `node` to the path, last first.
    fn trace(&mut self, mut node: usize) {
        while node > 0 {
            let link = self.link[node];
            let source = link >> LENGTH_BITS;
            if source & COMPOSITE != 0 {
                let composite = self.composites[(source & !COMPOSITE) as usize & (COMPOSITES - 1)];
                self.path.push(Item {
                    source: Source::LzRecent(0),
                    length: composite.second,
                });
                self.path.push(Item {
                    source: Source::Literal,
                    length: composite.literals,
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
                let source = self.sources[(number - FIRST_FOUND) as usize & (SOURCES - 1)];
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
