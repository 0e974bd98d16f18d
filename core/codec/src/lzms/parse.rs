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
//! | what | see |
//! |---|---|
//! | positions and the ways to them | `nodes` |
//! | items that may start at a position | `depart` |
//! | several items tried as one | `composite` |
//!
//! Inside of matches most positions are reached for the same cost as the one after them, because length
//! codewords are often equally long. Whatever starts at such a position may as well start one later:
//! nothing is tried there, which halves the work and costs less than a thousandth in size.

mod composite;
mod depart;
mod nodes;

use alloc::vec::Vec;

use super::{
    cost::{Costs, MAX_COSTED},
    delta::{DeltaFinder, DeltaMatch, SPANS},
    encode::{Model, Writer},
    items::Item,
    range_coder::Full,
    tree::{Finder, Match},
};
use nodes::{INTERVAL, Nodes, VISITED};

/// How hard to try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// A match this long is taken without weighing it up.
    pub(super) nice: usize,
    /// Try composite items.
    pub(super) composites: bool,
    /// Look for delta matches where LZ matches are shorter than this.
    pub(super) delta_below: usize,
    /// Which positions to pass over.
    pub(super) passing: Passing,
}

/// Positions that are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passing {
    /// None.
    Never,
    /// Those that cost more to reach than the next one.
    Cheaper,
    /// Those that cost no less to reach than the next one.
    NoDearer,
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
    nodes: Nodes,
    matches: Vec<Match>,
    delta: DeltaFinder,
    delta_matches: Vec<DeltaMatch>,
    path: Vec<Item>,
}

/// Room for the matches of one position, which are of different lengths below [`MAX_COSTED`].
const MATCHES: usize = MAX_COSTED;

/// How many positions later to look for what is settled: sooner at the start of a chunk, where costs
/// change fastest.
fn interval(at: usize) -> usize {
    INTERVAL.min(INTERVAL / 8 + at / 16)
}

impl Parser {
    pub(super) fn new(effort: Effort) -> Self {
        Self {
            effort,
            costs: Costs::new(),
            nodes: Nodes::new(),
            matches: Vec::with_capacity(MATCHES),
            delta: DeltaFinder::new(),
            delta_matches: Vec::with_capacity(SPANS as usize),
            path: Vec::with_capacity(VISITED),
        }
    }

    /// Bytes of memory for chunks of `size` bytes.
    pub(super) fn memory(size: usize) -> usize {
        Nodes::memory()
            + DeltaFinder::memory(size)
            + size_of::<Match>() * MATCHES
            + size_of::<DeltaMatch>() * SPANS as usize
            + size_of::<Item>() * VISITED
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
        self.costs.begin(data);
        // Position of node 0, and the node to be looked at next.
        let (mut origin, mut node) = (0, 0);
        let mut due = 0;
        self.nodes.restart(model);
        while origin + node < data.len() {
            if node >= due {
                if stop() {
                    return Err(GivenUp);
                }
                node -= self.settle(data, &mut origin, node, model, writer)?;
                self.costs.update(model, self.effort.nice);
                self.look_ahead(data, origin + node, finder);
                due = node + interval(origin + node);
            }
            self.nodes.turn_to(node);
            if self.nodes.may_pass(node, self.effort.passing) {
                // Whatever starts here may as well start there.
                finder.skip(data, origin + node, 1);
                self.delta.pass(data, origin + node);
                node += 1;
                continue;
            }
            self.nodes.arrive(node);
            if let Some(item) = self.depart(data, origin + node, node, finder) {
                self.write(data, &mut origin, node, model, writer)?;
                writer.item(model, item, &data[origin..])?;
                let length = item.length as usize;
                finder.skip(data, origin + 1, length - 1);
                origin += length;
                node = 0;
                due = 0;
                self.nodes.restart(model);
            } else {
                node += 1;
            }
        }
        Ok(self.write(data, &mut origin, node, model, writer)?)
    }

    /// Decides how to search for matches from `at` on, if that is due.
    fn look_ahead(&mut self, data: &[u8], at: usize, finder: &mut impl Finder) {
        if self.effort.delta_below > 0
            && let Some(thoroughness) = self.delta.decide(data, at)
        {
            finder.set_thoroughness(thoroughness);
        }
    }

    /// Writes what is settled: the items up to the last node that all ways now open have in common. That
    /// node becomes node 0. When the nodes are used up, settles the way to `node`, right or wrong.
    /// Returns how far the nodes have moved.
    fn settle(
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
        let common = self.nodes.common_to_all(node);
        if common == node || !self.nodes.can_stay_open(common, node) {
            self.write(data, origin, node, model, writer)?;
            self.nodes.restart(model);
            return Ok(node);
        }
        if common > 0 {
            self.write(data, origin, common, model, writer)?;
            self.nodes.advance(common, node);
        }
        Ok(common)
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
        self.nodes.trace(node, &mut self.path);
        for &item in self.path.iter().rev() {
            self.delta.count(item);
            writer.item(model, item, &data[*origin..])?;
            *origin += item.length as usize;
        }
        Ok(())
    }
}
