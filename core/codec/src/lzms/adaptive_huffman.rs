//! Huffman codes that both sides rebuild from the symbols seen so far.
//!
//! A code starts with all symbols alike. After every *period* of symbols it is made anew from the
//! frequencies, which are then halved so that the past fades. No lengths are ever transmitted, so
//! encoder and decoder must agree on every tie; [`Model`] holds the part that they share, and
//! [`Decoder`] and [`Encoder`] put their tables on top of it.
//!
//! A rebuild happens every thousand symbols or so and must be cheap. Nearly all frequencies are small,
//! so symbols are counted into buckets by frequency and only the few heavy ones are sorted by insertion;
//! the tree is then built with two queues (both in arrays, nothing is allocated), and only the number
//! of codewords of each length is wanted from it, because the sorted order gives the longest codewords
//! to the first symbols.

use super::slots::OFFSET_SLOTS;

/// Symbols of the largest alphabet.
const MAX_SYMBOLS: usize = OFFSET_SLOTS;
/// No codeword is longer. The frequencies of a code sum up to less than twice its symbols and period,
/// too little for a deeper tree.
const MAX_LENGTH: usize = 15;
/// Frequencies below this are sorted by counting.
const LIGHT: usize = 64;

/// Frequencies, codeword lengths and the countdown to the next rebuild.
#[derive(Clone, Debug)]
pub(super) struct Model {
    symbols: usize,
    period: u32,
    left: u32,
    frequencies: [u16; MAX_SYMBOLS],
    lengths: [u8; MAX_SYMBOLS],
    /// Number of codewords of each length.
    counts: [u16; MAX_LENGTH + 1],
}

impl Model {
    const fn new(period: u32) -> Self {
        Self {
            symbols: 0,
            period,
            left: 0,
            frequencies: [0; MAX_SYMBOLS],
            lengths: [0; MAX_SYMBOLS],
            counts: [0; MAX_LENGTH + 1],
        }
    }

    /// Goes back to the code in which all of `symbols` symbols are alike: two neighbouring lengths,
    /// the longer one first.
    fn reset(&mut self, symbols: usize) {
        debug_assert!((2..=MAX_SYMBOLS).contains(&symbols));
        self.symbols = symbols;
        self.left = self.period;
        self.frequencies[..symbols].fill(1);
        let short = symbols.ilog2() as usize;
        let long = 2 * (symbols - (1 << short));
        self.counts = [0; MAX_LENGTH + 1];
        self.counts[short] = (symbols - long) as u16;
        self.counts[short + 1] = long as u16;
        self.lengths[..long].fill(short as u8 + 1);
        self.lengths[long..symbols].fill(short as u8);
    }

    /// Counts a symbol. True when the code must be rebuilt now.
    #[inline(always)]
    fn count(&mut self, symbol: usize) -> bool {
        self.frequencies[symbol] += 1;
        self.left -= 1;
        self.left == 0
    }

    /// Computes the lengths anew and lets the frequencies fade.
    fn rebuild(&mut self) {
        self.left = self.period;
        let mut order = [0u16; MAX_SYMBOLS];
        self.sort(&mut order);
        self.depths(&order);
        let mut at = 0;
        for length in (1..=MAX_LENGTH).rev() {
            for &symbol in &order[at..at + usize::from(self.counts[length])] {
                self.lengths[usize::from(symbol)] = length as u8;
            }
            at += usize::from(self.counts[length]);
        }
        for frequency in &mut self.frequencies[..self.symbols] {
            *frequency = (*frequency >> 1) + 1;
        }
    }

    /// Symbols by (frequency, symbol), ascending.
    fn sort(&self, order: &mut [u16; MAX_SYMBOLS]) {
        let frequencies = &self.frequencies[..self.symbols];
        let mut starts = [0u16; LIGHT + 1];
        for &frequency in frequencies {
            starts[usize::from(frequency).min(LIGHT)] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += core::mem::replace(start, sum);
        }
        let heavy = usize::from(starts[LIGHT]);
        for (symbol, &frequency) in frequencies.iter().enumerate() {
            let start = &mut starts[usize::from(frequency).min(LIGHT)];
            order[usize::from(*start)] = symbol as u16;
            *start += 1;
        }
        let heavy = &mut order[heavy..self.symbols];
        for i in 1..heavy.len() {
            let symbol = heavy[i];
            let frequency = frequencies[usize::from(symbol)];
            let mut j = i;
            while j > 0 && frequencies[usize::from(heavy[j - 1])] > frequency {
                heavy[j] = heavy[j - 1];
                j -= 1;
            }
            heavy[j] = symbol;
        }
    }

    /// Huffman's algorithm over the sorted symbols; leaves `counts`.
    fn depths(&mut self, order: &[u16; MAX_SYMBOLS]) {
        let leaves = self.symbols;
        let mut weights = [0u16; MAX_SYMBOLS];
        let mut parents = [0u16; MAX_SYMBOLS];
        // How many of each inner node's children are leaves.
        let mut leaf_children = [0u8; MAX_SYMBOLS];
        let (mut leaf, mut inner) = (0, 0);
        let weight_of = |leaf: usize| -> u32 {
            match order[..leaves].get(leaf) {
                Some(&symbol) => u32::from(self.frequencies[usize::from(symbol)]),
                None => u32::MAX,
            }
        };
        let mut next_leaf = weight_of(0);
        for node in 0..leaves - 1 {
            let mut weight = 0;
            for _ in 0..2 {
                // A leaf goes before an inner node of the same weight.
                if inner == node || next_leaf <= u32::from(weights[inner]) {
                    weight += next_leaf;
                    leaf += 1;
                    leaf_children[node] += 1;
                    next_leaf = weight_of(leaf);
                } else {
                    weight += u32::from(weights[inner]);
                    parents[inner] = node as u16;
                    inner += 1;
                }
            }
            weights[node] = weight as u16;
        }
        self.counts = [0; MAX_LENGTH + 1];
        // From the root down; `parents` turns into depths.
        parents[leaves - 2] = 0;
        self.counts[1] += u16::from(leaf_children[leaves - 2]);
        for node in (0..leaves - 2).rev() {
            let depth = parents[usize::from(parents[node])] + 1;
            parents[node] = depth;
            let slot = usize::from(depth) + 1;
            self.counts[slot.min(MAX_LENGTH)] += u16::from(leaf_children[node]);
        }
    }

    /// Symbols by (length, symbol), and the position of each length's first among them.
    fn canonical(&self, order: &mut [u16; MAX_SYMBOLS]) {
        let mut starts = [0u16; MAX_LENGTH + 1];
        let mut sum = 0;
        for (start, &count) in starts.iter_mut().zip(&self.counts).skip(1) {
            *start = sum;
            sum += count;
        }
        for (symbol, &length) in self.lengths[..self.symbols].iter().enumerate() {
            let start = &mut starts[usize::from(length) & MAX_LENGTH];
            order[usize::from(*start)] = symbol as u16;
            *start += 1;
        }
    }
}

/// Codewords up to this length are decoded with one look.
const TABLE_BITS: u32 = 10;

/// A code as the decoder wants it: a table indexed by the next bits of the stream.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    model: Model,
    /// `symbol << 4 | length`, or 0 where the codeword is longer than the table is wide.
    table: [u16; 1 << TABLE_BITS],
    /// Symbols in the order of their codewords.
    order: [u16; MAX_SYMBOLS],
}

/// What a symbol is decoded from: 16 bits of the stream at a time.
pub(super) trait Bits {
    /// The next 16 bits, the first in the highest place.
    fn peek(&self) -> u32;
    /// Skips `count` bits, at most 16.
    fn consume(&mut self, count: u32);
}

impl Decoder {
    pub(super) const fn new(period: u32) -> Self {
        Self {
            model: Model::new(period),
            table: [0; 1 << TABLE_BITS],
            order: [0; MAX_SYMBOLS],
        }
    }

    pub(super) fn reset(&mut self, symbols: usize) {
        self.model.reset(symbols);
        self.fill();
    }

    #[inline(always)]
    pub(super) fn decode(&mut self, bits: &mut impl Bits) -> usize {
        let next = bits.peek();
        let entry = self.table[(next >> (16 - TABLE_BITS)) as usize & ((1 << TABLE_BITS) - 1)];
        let symbol = if entry != 0 {
            bits.consume(u32::from(entry & 15));
            usize::from(entry >> 4)
        } else {
            let (symbol, length) = self.decode_long(next);
            bits.consume(length);
            symbol
        };
        if self.model.count(symbol) {
            self.rebuild();
        }
        symbol
    }

    /// Finds a codeword longer than the table is wide by comparing with the last of each length.
    #[cold]
    fn decode_long(&self, next: u32) -> (usize, u32) {
        let (mut first, mut index) = (0u32, 0u32);
        for length in 1..=MAX_LENGTH {
            let count = u32::from(self.model.counts[length]);
            let word = next >> (16 - length);
            if word - first < count {
                let symbol = self.order[(index + word - first) as usize];
                return (usize::from(symbol), length as u32);
            }
            index += count;
            first = (first + count) << 1;
        }
        // Not reached: the codewords are complete.
        (0, 1)
    }

    #[cold]
    #[inline(never)]
    fn rebuild(&mut self) {
        self.model.rebuild();
        self.fill();
    }

    fn fill(&mut self) {
        self.model.canonical(&mut self.order);
        let mut symbols = self.order[..self.model.symbols].iter();
        let mut at = 0;
        for length in 1..=TABLE_BITS {
            let width = 1usize << (TABLE_BITS - length);
            let count = usize::from(self.model.counts[length as usize]);
            for &symbol in symbols.by_ref().take(count) {
                self.table[at..at + width].fill(symbol << 4 | length as u16);
                at += width;
            }
        }
        self.table[at..].fill(0);
    }
}

/// A code as the encoder wants it.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    model: Model,
    codewords: [u16; MAX_SYMBOLS],
    generation: u64,
    /// Whether it has not been built from symbols yet.
    blank: bool,
}

impl Encoder {
    pub(super) const fn new(period: u32) -> Self {
        Self {
            model: Model::new(period),
            codewords: [0; MAX_SYMBOLS],
            generation: 0,
            blank: true,
        }
    }

    pub(super) fn reset(&mut self, symbols: usize) {
        self.model.reset(symbols);
        self.blank = true;
        self.assign();
    }

    /// Codeword lengths of all symbols in the present code.
    pub(super) fn lengths(&self) -> &[u8] {
        &self.model.lengths[..self.model.symbols]
    }

    /// Whether the present code has not been built from symbols yet.
    pub(super) fn is_blank(&self) -> bool {
        self.blank
    }

    /// A number that is another one after every reset and rebuild.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The symbol's codeword and its length. Counts the symbol.
    #[inline(always)]
    pub(super) fn encode(&mut self, symbol: usize) -> (u32, u32) {
        let word = u32::from(self.codewords[symbol]);
        let length = u32::from(self.model.lengths[symbol]);
        if self.model.count(symbol) {
            self.rebuild();
        }
        (word, length)
    }

    #[cold]
    #[inline(never)]
    fn rebuild(&mut self) {
        self.model.rebuild();
        self.blank = false;
        self.assign();
    }

    fn assign(&mut self) {
        self.generation += 1;
        let mut next = [0u16; MAX_LENGTH + 1];
        let mut word = 0;
        for (next, &count) in next.iter_mut().zip(&self.model.counts).skip(1) {
            *next = word;
            word = word.wrapping_add(count) << 1;
        }
        let lengths = &self.model.lengths[..self.model.symbols];
        for (codeword, &length) in self.codewords.iter_mut().zip(lengths) {
            let next = &mut next[usize::from(length) & MAX_LENGTH];
            *codeword = *next;
            *next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_take_the_leaf() {
        let mut model = Model::new(6);
        model.reset(6);
        model.frequencies[..6].copy_from_slice(&[3, 1, 1, 2, 2, 2]);
        model.rebuild();
        assert_eq!(model.lengths[..6], [2, 3, 3, 3, 3, 2]);
        assert_eq!(model.frequencies[..6], [2, 1, 1, 2, 2, 2]);
    }

    #[test]
    fn equal_frequencies_need_no_building() {
        for symbols in (2..=300).chain([799]) {
            let mut model = Model::new(1);
            model.reset(symbols);
            let expected = model.lengths;
            model.rebuild();
            assert_eq!(model.lengths, expected, "{symbols}");
        }
    }

    #[test]
    fn steep_frequencies_stay_within_fifteen_bits() {
        let mut model = Model::new(1024);
        model.reset(256);
        for round in 0..200usize {
            for i in 0..1024usize {
                // A geometric distribution, shifting from round to round.
                let symbol = (i + 1).trailing_zeros() as usize * 7 + round % 13;
                model.frequencies[symbol] += 1;
            }
            model.rebuild();
            let total: u32 = (1..=MAX_LENGTH)
                .map(|length| u32::from(model.counts[length]) << (MAX_LENGTH - length))
                .sum();
            assert_eq!(total, 1 << MAX_LENGTH);
        }
    }
}
