//! The cost model of the optimal parser.
//!
//! Costs are entropies of symbol counts, not codeword lengths: fractions of a bit matter where many
//! choices are nearly equal. Counts start from a rough parse ([`Model::seed`]) and, while the optimal
//! parse goes on, are overlaid with what it has chosen so far ([`Model::learn`]), with a greater
//! weight. So one pass comes close to what takes several passes with costs that stay fixed during a
//! pass: its later parts already see the consequences of the earlier ones.

use crate::cpu::{Instructions, Processor, Work};
use crate::entropy::{BIT, quick_log2};
use crate::matchfinder::tables::NEAR;

use super::offset::{self, ADJUST, EXTRA};
use super::token::{Frequencies, Token};
use super::{HEADERS, LITERALS, MAX_MATCH, MIN_LONG, MIN_MATCH};

/// How much more an item chosen by the optimal parser counts than one of the rough parse.
const WEIGHT: u32 = 4;
/// What an explicit match of two bytes is taken to cost beyond its bits. Wherever one pays only just, there are many
/// that do: with all of them the symbols of matches get shorter codes, those of literals longer ones,
/// and the sum grows.
const SURPLUS: Step = (3 * BIT as u64 / 4 * UNIT) as f64;
/// A cost that no path reaches.
pub(super) const NEVER: f64 = (1u64 << 50) as f64;

/// What items cost, arranged for the parser as [`Step`]s.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) literal: [Step; LITERALS],
    /// Explicit matches of lengths 2 to 8, by slot and length: main symbol and extra bits. That an aligned
    /// block may have shorter codes for some of these is worth less than the time to look them up.
    pub(super) near: [Step; LANES],
    /// Matches at recent offsets, by their index and length − 1; a length of 1 is out of reach.
    pub(super) recent: [[Step; NEAR]; 3],
    /// Matches longer than that, by slot, without the length symbol.
    pub(super) far: [Step; SLOTS],
    /// Length symbols by length.
    pub(super) length: [Step; MAX_MATCH + 1],
    slots: usize,
    freqs: Frequencies,
    processor: Processor,
}

/// The item that a way ends with, short enough to be kept beside the cost: the length in nine bits and
/// above them the index of a recent offset (0 for a literal) or [`EXPLICIT`].
pub(super) type Last = u32;
/// An explicit offset. Which one, the position the item starts at and the length tell.
pub(super) const EXPLICIT: u32 = 3;
/// A literal.
pub(super) const LITERAL: Last = last(0, 1);

/// Added for an item of several parts, see [`super::resume`]; the rest then says what sort the first
/// match is of, and the length of all parts together.
pub(super) const RESUMED: Last = 1 << 11;

/// Makes one of its parts.
#[inline(always)]
pub(super) const fn last(kind: u32, length: usize) -> Last {
    kind << 9 | length as u32
}

/// The length of one.
#[inline(always)]
pub(super) const fn last_length(last: Last) -> usize {
    (last & 511) as usize
}

/// A cost in units of 2^-8 bits, times [`UNIT`], plus the item. All are whole numbers that a number with
/// a floating point holds exactly; so they are kept as such because all processors have an instruction
/// for the lesser of two of those.
pub(super) type Step = f64;
/// See [`Step`].
pub(super) const UNIT: u64 = 1 << 12;

/// Rows for slots, a power of two.
const SLOTS: usize = 64;
/// Size of the table of lanes.
pub(super) const LANES: usize = SLOTS * HEADERS;

impl Model {
    /// A model for windows with this many offset slots.
    pub(super) fn new(slots: usize) -> Self {
        Model {
            literal: [0.0; LITERALS],
            near: [NEVER; LANES],
            recent: [[NEVER; NEAR]; 3],
            far: [NEVER; SLOTS],
            length: [0.0; MAX_MATCH + 1],
            slots,
            freqs: Frequencies::ZERO,
            processor: Processor::detect(),
        }
    }

    /// Starts from these counts.
    pub(super) fn seed(&mut self, freqs: &Frequencies) {
        self.freqs.clone_from(freqs);
        self.update();
    }

    /// Starts from these items.
    pub(super) fn seed_tokens(&mut self, tokens: &[Token]) {
        self.freqs = Frequencies::ZERO;
        self.freqs.count_all(tokens);
        self.update();
    }

    /// An explicit match of up to [`NEAR`] bytes.
    #[inline(always)]
    pub(super) fn near(&self, offset: usize, length: usize) -> Step {
        let slot = offset::slot(offset as u32 + ADJUST);
        self.near[(slot * HEADERS + length - MIN_MATCH) % LANES]
    }

    /// A match at the most recent offset; no bytes cost nothing.
    #[inline(always)]
    pub(super) fn again(&self, length: usize) -> Step {
        match length {
            0 => 0.0,
            1..=NEAR => self.recent[0][length - 1],
            _ => self.far[0] + self.length[length],
        }
    }

    /// Counts an item chosen, which takes effect at the next [`Model::update`].
    #[inline(always)]
    pub(super) fn learn(&mut self, token: Token) {
        self.freqs.count(token, WEIGHT);
    }

    /// Sets costs from counts.
    pub(super) fn update(&mut self) {
        self.processor.run(Update(self));
    }
}

/// [`Model::update`].
struct Update<'a>(&'a mut Model);

impl Work for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let model = self.0;
        let freqs = &model.freqs;
        let main = Row::new(freqs.main[..LITERALS + HEADERS * model.slots].iter().sum());
        let length = Row::new(freqs.length.iter().sum());
        for (cost, &freq) in model.literal.iter_mut().zip(&freqs.main) {
            *cost = main.step(freq, 0, last(0, 1));
        }
        let lengths = model.length[MIN_LONG..].iter_mut().zip(&freqs.length);
        for (l, (cost, &freq)) in (MIN_LONG as u32..).zip(lengths) {
            *cost = length.step(freq, 0, l);
        }
        let (symbols, _) = freqs.main[LITERALS..].as_chunks::<HEADERS>();
        let (rows, _) = model.near.as_chunks_mut::<HEADERS>();
        let slots = symbols.iter().zip(rows).zip(&EXTRA).enumerate();
        for (slot, ((symbols, row), &extra)) in slots.take(model.slots) {
            let extra = u32::from(extra) * BIT;
            let kind = (slot as u32).min(EXPLICIT);
            let mut steps = [0.0; HEADERS];
            for (i, (step, &freq)) in (MIN_MATCH..).zip(steps.iter_mut().zip(symbols)) {
                *step = main.step(freq, extra, last(kind, i));
            }
            // The last is for all greater lengths.
            let [.., far] = steps;
            model.far[slot] = far - Step::from(last(0, MIN_LONG));
            match model.recent.get_mut(slot) {
                Some(recent) => recent[1..].copy_from_slice(&steps[..HEADERS - 1]),
                None => {
                    steps[0] += SURPLUS;
                    *row = steps;
                }
            }
        }
    }
}

#[inline(always)]
fn step(cost: i32, item: Last) -> Step {
    Step::from(cost * UNIT as i32 + item as i32)
}

/// The costs of one code.
struct Row {
    total: i32,
    /// What a symbol costs that did not occur.
    unused: i32,
}

impl Row {
    /// The cost of the rarest symbol of a short text.
    const MOST: i32 = 12 * BIT as i32;

    fn new(total: u32) -> Self {
        let total = quick_log2(total.max(1));
        Row {
            total,
            // A bit more than one that did once.
            unused: (total + BIT as i32).min(Self::MOST.max(total)),
        }
    }

    /// The step with a symbol that costs some more.
    #[inline(always)]
    fn step(&self, freq: u32, more: u32, item: Last) -> Step {
        step(self.cost(freq) + more as i32, item)
    }

    /// The cost of a symbol.
    #[inline(always)]
    fn cost(&self, freq: u32) -> i32 {
        let used = (self.total - quick_log2(freq)).max(BIT as i32 / 8);
        if freq == 0 { self.unused } else { used }
    }
}
