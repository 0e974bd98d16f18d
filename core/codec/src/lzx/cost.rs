//! The cost model of the optimal parser.
//!
//! Costs are entropies of symbol counts, not codeword lengths: fractions of a bit matter where many
//! choices are nearly equal. Counts start from a rough parse ([`Model::seed`]) and, while the optimal
//! parse goes on, are overlaid with what it has chosen so far ([`Model::learn`]), with a greater
//! weight. So one pass comes close to what takes several passes with costs that stay fixed during a
//! pass: its later parts already see the consequences of the earlier ones.

use crate::entropy::{BIT, log2};

use super::block::{Frequencies, Item};
use super::offset::{EXTRA, MAX_SLOTS};
use super::{ALIGNED, HEADERS, LENGTHS, LITERALS, MAX_MATCH, MIN_LONG, MIN_MATCH};

/// Lengths below this have their whole cost in one row per slot.
pub(super) const NEAR: usize = 15;
/// Elements of such a row before that for length 0. Groups of lengths touch them.
pub(super) const BEFORE: usize = 1;
/// How much more an item chosen by the optimal parser counts than one of the rough parse.
const WEIGHT: u32 = 4;
/// A cost that no path reaches.
const NEVER: u64 = 1 << 62;

/// What items cost, in units of 2^-8 bits, arranged for the parser: in the upper half of a word, with
/// the length in the lower half, where an item has it.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) literal: [u32; LITERALS],
    /// By slot and length: main symbol, length symbol, and extra bits without the low three of slots
    /// from 8 on. Lengths 0 and 1 are out of reach.
    pub(super) near: [[u64; BEFORE + NEAR]; MAX_SLOTS],
    /// The same for header 7 without the length symbol.
    pub(super) far: [u32; MAX_SLOTS],
    /// Length symbols by length.
    pub(super) length: [u64; MAX_MATCH + 1],
    /// The low three bits of adjusted offsets in slots from 8 on.
    pub(super) aligned: [u32; ALIGNED],
    slots: usize,
    freqs: Frequencies,
}

impl Model {
    /// A model for windows with this many offset slots.
    pub(super) fn new(slots: usize) -> Self {
        Model {
            literal: [0; LITERALS],
            near: [[0; BEFORE + NEAR]; MAX_SLOTS],
            far: [0; MAX_SLOTS],
            length: [0; MAX_MATCH + 1],
            aligned: [0; ALIGNED],
            slots,
            freqs: Frequencies::ZERO,
        }
    }

    /// Starts from these counts.
    pub(super) fn seed(&mut self, freqs: &Frequencies) {
        self.freqs.clone_from(freqs);
        self.update();
    }

    /// Starts from the items that make up `data`.
    pub(super) fn seed_items(&mut self, items: &[Item], data: &[u8]) {
        self.freqs = Frequencies::ZERO;
        self.freqs.count(items, data);
        self.update();
    }

    /// Counts an item chosen, which takes effect at the next [`Model::update`].
    #[inline]
    pub(super) fn learn(&mut self, item: Item, literal: u8) {
        self.freqs.add_item(item, literal, WEIGHT);
    }

    /// Sets costs from counts.
    pub(super) fn update(&mut self) {
        let freqs = &self.freqs;
        let main = Row::new(freqs.main[..LITERALS + HEADERS * self.slots].iter().sum());
        let length = Row::new(freqs.length[..LENGTHS].iter().sum());
        for (cost, &freq) in self.literal.iter_mut().zip(&freqs.main) {
            *cost = main.cost(freq);
        }
        for (l, cost) in self.length.iter_mut().enumerate().skip(MIN_LONG) {
            *cost = u64::from(length.cost(freqs.length[l - MIN_LONG])) << 32 | l as u64;
        }
        let low = Row::new(freqs.aligned.iter().sum());
        let coded: u32 = freqs.aligned.iter().map(|&f| f * low.cost(f)).sum();
        let plain = 3 * BIT * freqs.aligned.iter().sum::<u32>();
        // An aligned block has to gain something, or it is not worth bending the parse for.
        let is_aligned = coded + 24 * BIT + plain / 200 < plain;
        for (cost, &freq) in self.aligned.iter_mut().zip(&freqs.aligned) {
            *cost = if is_aligned {
                low.cost(freq).min(7 * BIT)
            } else {
                3 * BIT
            };
        }
        for (slot, &extra) in EXTRA.iter().enumerate().take(self.slots) {
            let symbols = freqs.main[LITERALS + HEADERS * slot..].first_chunk::<HEADERS>();
            let Some(symbols) = symbols else { break };
            let extra = u32::from(extra) * BIT - if slot >= 8 { 3 * BIT } else { 0 };
            let (before, row) = self.near[slot].split_at_mut(BEFORE + MIN_MATCH);
            before.fill(NEVER);
            let (short, long) = row.split_at_mut(HEADERS - 1);
            for (i, (cell, &freq)) in short.iter_mut().zip(symbols).enumerate() {
                *cell = u64::from(main.cost(freq) + extra) << 32 | (i + MIN_MATCH) as u64;
            }
            self.far[slot] = main.cost(symbols[HEADERS - 1]) + extra;
            for (cell, &length) in long.iter_mut().zip(&self.length[MIN_LONG..]) {
                *cell = (u64::from(self.far[slot]) << 32) + length;
            }
        }
    }
}

/// The costs of one code.
struct Row {
    total: u32,
}

impl Row {
    /// The cost of the rarest symbol of a short text.
    const MOST: u32 = 12 * BIT;

    fn new(total: u32) -> Self {
        Row {
            total: log2(total.max(1)),
        }
    }

    /// The cost of a symbol; one that did not occur costs a bit more than one that did once.
    #[inline(always)]
    fn cost(&self, freq: u32) -> u32 {
        if freq == 0 {
            (self.total + BIT).min(Self::MOST.max(self.total))
        } else {
            (self.total - log2(freq)).max(BIT / 8)
        }
    }
}
