//! The nodes of a search: positions, the cheapest known way to each, and the state after it.
//!
//! A *link* is the last item on the way to a node in 32 bits: its length in the low bits, and above
//! them where it copies from. That makes handing on a match of many lengths a loop over three arrays
//! without branches. Sources that do not fit are kept in a ring and linked by their number there; so are
//! composite items.

use alloc::{vec, vec::Vec};

use super::{
    super::{
        cost::MAX_COSTED,
        encode::Model,
        items::{Item, Source},
        state::State,
    },
    Passing,
    composite::Composite,
};

/// Positions between two attempts to settle a part of the way.
pub(super) const INTERVAL: usize = 256;
/// Positions that may be unsettled.
const WINDOW: usize = 4096;
/// Positions that may be looked at, and so the most items on a way.
pub(super) const VISITED: usize = WINDOW + INTERVAL + 1;
/// Positions that may be reached.
const NODES: usize = WINDOW + INTERVAL + 2 * MAX_COSTED + 8;
/// Explicit sources remembered, the latest ones; a power of two.
const SOURCES: usize = 1 << 17;
/// Composite items remembered, likewise.
const COMPOSITES: usize = 1 << 14;
const LENGTH_BITS: u32 = 11;
const LENGTH_MASK: u32 = (1 << LENGTH_BITS) - 1;
/// Numbers of sources in links: three recent offsets, three recent delta sources, then these.
pub(super) const DELTA_RECENT: u32 = 3;
pub(super) const LITERAL: u32 = 6;
const FIRST_FOUND: u32 = 8;
/// Marks the number of a composite item.
const COMPOSITE: u32 = 1 << 20;
/// Marks delta sources among the explicit ones.
const DELTA: u32 = 1 << 31;
/// Dearer than any way.
const UNREACHED: Way = way_of(i32::MAX, 0);

/// The cost of a way in the upper half, in 1/64 bit; its last link in the lower. Of two ways the lesser
/// number is the better way.
pub(in super::super) type Way = u64;

#[inline(always)]
const fn way_of(cost: i32, link: u32) -> Way {
    (cost as u64) << 32 | link as u64
}

#[inline(always)]
const fn cost_of(way: Way) -> i32 {
    (way >> 32) as i32
}

#[inline(always)]
const fn link_of(way: Way) -> u32 {
    way as u32
}

/// The link of an item.
#[inline(always)]
pub(super) const fn link(source: u32, length: usize) -> u32 {
    source << LENGTH_BITS | length as u32
}

#[inline(always)]
pub(super) const fn length_of(link: u32) -> usize {
    (link & LENGTH_MASK) as usize
}

/// How many of the explicit sources and composite items there have been.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    sources: u32,
    composites: u32,
}

/// See the module's page. Node 0 is where the writer is.
#[derive(Debug)]
pub(super) struct Nodes {
    ways: Vec<Way>,
    pub(super) states: Vec<State>,
    marks: Vec<bool>,
    /// The last node reached.
    reach: usize,
    /// The latest explicit sources tried, by number modulo their count.
    sources: Vec<u32>,
    composites: Vec<Composite>,
    next: Counters,
    /// `next` when a node was looked at.
    counters: Vec<Counters>,
}

impl Nodes {
    pub(super) fn new() -> Self {
        Self {
            ways: vec![UNREACHED; NODES],
            states: vec![State::of(&Model::new()); VISITED],
            marks: vec![false; NODES],
            reach: 0,
            sources: vec![0; SOURCES],
            composites: vec![Composite::default(); COMPOSITES],
            next: Counters::default(),
            counters: vec![Counters::default(); VISITED],
        }
    }

    /// Bytes that [`Nodes::new`] allocates.
    pub(super) fn memory() -> usize {
        let node = size_of::<Way>() + size_of::<bool>();
        let visited = size_of::<State>() + size_of::<Counters>();
        let sources = size_of::<u32>() * SOURCES + size_of::<Composite>() * COMPOSITES;
        node * NODES + visited * VISITED + sources
    }

    /// Forgets all nodes.
    pub(super) fn restart(&mut self, model: &Model) {
        self.ways[..=self.reach].fill(UNREACHED);
        self.reach = 0;
        self.ways[0] = 0;
        self.states[0] = State::of(model);
        self.next = Counters::default();
        self.counters[0] = self.next;
    }

    /// Begins to look at `node`, which is final now.
    #[inline(always)]
    pub(super) fn turn_to(&mut self, node: usize) {
        self.counters[node] = self.next;
    }

    /// What the cheapest way to `node` costs.
    #[inline(always)]
    pub(super) fn cost(&self, node: usize) -> i32 {
        cost_of(self.ways[node])
    }

    /// Whether the cheapest way to `node` ends with a literal.
    #[inline(always)]
    pub(super) fn is_behind_literal(&self, node: usize) -> bool {
        link_of(self.ways[node]) == link(LITERAL, 1)
    }

    /// Whether to pass `node` over: what starts there may as well start at the next one.
    #[inline(always)]
    pub(super) fn may_pass(&self, node: usize, passing: Passing) -> bool {
        let (here, next) = (self.cost(node), self.cost(node + 1));
        node > 0
            && match passing {
                Passing::Never => false,
                Passing::Cheaper => next < here,
                Passing::NoDearer => next <= here,
            }
    }

    /// Finds the state after the cheapest way to `node`.
    #[inline(always)]
    pub(super) fn arrive(&mut self, node: usize) {
        if node == 0 {
            return;
        }
        let link = link_of(self.ways[node]);
        let mut state = self.states[node - length_of(link)];
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
        self.states[node] = state;
    }

    /// Makes `state` the one after an item from a source.
    #[inline(always)]
    pub(super) fn follow(&self, state: &mut State, source: u32) {
        match source {
            LITERAL => state.literal(),
            0..3 => state.lz_recent(source as usize),
            3..6 => state.delta_recent((source - DELTA_RECENT) as usize),
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

    /// The number of an explicit offset in links.
    #[inline(always)]
    pub(super) fn add_offset(&mut self, offset: u32) -> u32 {
        let place = self.next.sources as usize & (SOURCES - 1);
        self.sources[place] = offset;
        self.next.sources += 1;
        FIRST_FOUND + place as u32
    }

    /// The number of an explicit delta source in links.
    #[inline(always)]
    pub(super) fn add_delta(&mut self, source: u32) -> u32 {
        self.add_offset(source | DELTA)
    }

    /// Tells that `node` may be reached.
    #[inline(always)]
    pub(super) fn extend(&mut self, node: usize) {
        self.reach = self.reach.max(node);
    }

    /// Hands a cost on to `node`, which is reached already or told of by [`Self::extend`], by one item.
    #[inline(always)]
    pub(super) fn improve(&mut self, node: usize, cost: i32, link: u32) {
        let way = &mut self.ways[node];
        *way = way_of(cost, link).min(*way);
    }

    /// Hands a cost on by matches from one source of `shortest` bytes up to `longest`.
    #[inline(always)]
    pub(super) fn relax(
        &mut self,
        node: usize,
        source: u32,
        shortest: usize,
        longest: usize,
        cost: i32,
        lengths: &[Way],
    ) {
        let base = way_of(cost, link(source, 0));
        let reached = &mut self.ways[node + shortest..=node + longest];
        for (way, length) in reached.iter_mut().zip(&lengths[shortest..=longest]) {
            *way = (base + length).min(*way);
        }
    }

    /// Hands a cost on by a composite item, unless there is a cheaper way.
    #[inline(always)]
    pub(super) fn improve_by_composite(&mut self, node: usize, cost: i32, composite: Composite) {
        let total = composite.length();
        if cost >= self.cost(node + total) {
            return;
        }
        let place = self.next.composites as usize & (COMPOSITES - 1);
        self.composites[place] = composite;
        self.next.composites += 1;
        self.ways[node + total] = way_of(cost, link(COMPOSITE | place as u32, total));
        self.extend(node + total);
    }

    /// Whether all nodes from `first` to `node` may stay open until they are looked at again: there is
    /// room for more, and none of their sources has been forgotten.
    pub(super) fn can_stay_open(&self, first: usize, node: usize) -> bool {
        let then = self.counters[first.min(node - 1)];
        node - first + INTERVAL <= WINDOW
            && self.next.sources - then.sources <= SOURCES as u32 / 2
            && self.next.composites - then.composites <= COMPOSITES as u32 / 2
    }

    /// Makes `first` node 0, `node` being the next to be looked at.
    pub(super) fn advance(&mut self, first: usize, node: usize) {
        let end = self.reach + 1;
        let base = way_of(self.cost(first), 0);
        for way in &mut self.ways[first..node] {
            // A node that no open way passes may cost less than `first`, but what it costs no longer matters.
            *way = way.wrapping_sub(base);
        }
        for way in &mut self.ways[node..end] {
            *way -= if *way == UNREACHED { 0 } else { base };
        }
        self.ways.copy_within(first..end, 0);
        self.states.copy_within(first..=node, 0);
        self.counters.copy_within(first..=node, 0);
        self.ways[end - first..end].fill(UNREACHED);
        self.reach -= first;
    }

    /// The last node that is on the ways to `node` and to all nodes reached beyond it.
    pub(super) fn common_to_all(&mut self, node: usize) -> usize {
        self.marks[..=self.reach].fill(false);
        let mut open = 0;
        for at in node..=self.reach {
            if self.ways[at] != UNREACHED {
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
                let parent = at - length_of(link_of(self.ways[at]));
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

    /// Puts the items on the cheapest way to `node` into `path`, last first.
    pub(super) fn trace(&self, mut node: usize, path: &mut Vec<Item>) {
        path.clear();
        while node > 0 {
            let link = link_of(self.ways[node]);
            let source = link >> LENGTH_BITS;
            if source & COMPOSITE != 0 {
                let composite = self.composites[(source & !COMPOSITE) as usize & (COMPOSITES - 1)];
                path.push(Item {
                    source: Source::LzRecent(0),
                    length: composite.second,
                });
                path.push(Item {
                    source: Source::Literal,
                    length: composite.literals,
                });
                if composite.first != 0 {
                    path.push(self.item(composite.first));
                }
            } else {
                path.push(self.item(link));
            }
            node -= length_of(link);
        }
    }

    fn item(&self, link: u32) -> Item {
        let source = match link >> LENGTH_BITS {
            LITERAL => Source::Literal,
            number @ 0..3 => Source::LzRecent(number as u8),
            number @ 3..6 => Source::DeltaRecent((number - DELTA_RECENT) as u8),
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
