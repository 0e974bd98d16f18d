//! From frequencies to codeword lengths to codewords.
//!
//! Lengths come from Huffman's algorithm in the in-place form of Moffat and Katajainen (*In-place
//! calculation of minimum-redundancy codes*, WADS 1995): symbols are sorted by frequency, inner nodes
//! are then born in order of frequency too, so two queues in one array do instead of a heap.
//!
//! A limit on the length is rarely reached (it takes frequencies that grow like Fibonacci numbers).
//! When it is, the lengths are repaired as in Annex K.3 of the JPEG standard: two of the deepest
//! leaves lose their parent, one of them takes the parent's place, and a leaf higher up becomes the
//! parent of itself and the other. Every step keeps the code complete. The result is not always the
//! optimum that package-merge (Larmore and Hirschberg 1990) would give, but the difference is a few
//! bits in a chunk.

use alloc::vec::Vec;

/// Working space for [`CodeBuilder::lengths`].
#[derive(Debug)]
pub(crate) struct CodeBuilder {
    /// Symbols that occur, as frequency << 16 | symbol, sorted.
    leaves: Vec<u64>,
    /// Weights, then parents, then depths.
    tree: Vec<u32>,
}

impl CodeBuilder {
    /// For alphabets of up to `symbols` symbols.
    pub(crate) fn new(symbols: usize) -> Self {
        CodeBuilder {
            leaves: Vec::with_capacity(symbols),
            tree: Vec::with_capacity(symbols),
        }
    }

    /// Bytes that [`CodeBuilder::new`] allocates.
    pub(crate) fn memory(symbols: usize) -> usize {
        symbols * (size_of::<u64>() + size_of::<u32>())
    }

    /// Sets `lengths` to those of a complete prefix code for the symbols that have a frequency, none
    /// longer than `limit`. If no symbol has one, the code is empty; if only one has, an unused
    /// neighbour gets the second one-bit codeword, since an incomplete code is not allowed.
    pub(crate) fn lengths(&mut self, freqs: &[u32], limit: u32, lengths: &mut [u8]) {
        debug_assert_eq!(freqs.len(), lengths.len());
        lengths.fill(0);
        // Without branches, since nobody can tell which symbols occur.
        self.leaves.resize(freqs.len(), 0);
        let mut count = 0;
        for (symbol, &freq) in freqs.iter().enumerate() {
            self.leaves[count] = u64::from(freq) << 16 | symbol as u64;
            count += usize::from(freq != 0);
        }
        self.leaves.truncate(count);
        match *self.leaves.as_slice() {
            [] => return,
            [only] => {
                let symbol = (only & 0xffff) as usize;
                lengths[symbol] = 1;
                lengths[usize::from(symbol == 0)] = 1;
                return;
            }
            _ => self.leaves.sort_unstable(),
        }
        let mut counts = [0u32; 64];
        self.depths();
        for &depth in &self.tree {
            counts[depth.min(63) as usize] += 1;
        }
        limit_depths(&mut counts, limit as usize);
        // The rarest symbols get the longest codewords.
        let mut leaves = self.leaves.iter();
        for length in (1..=limit as usize).rev() {
            for leaf in leaves.by_ref().take(counts[length] as usize) {
                lengths[(leaf & 0xffff) as usize] = length as u8;
            }
        }
    }

    /// Moffat and Katajainen's three passes: `tree[i]` becomes the depth of leaf `i`, deepest first.
    fn depths(&mut self) {
        let tree = &mut self.tree;
        tree.clear();
        tree.extend(self.leaves.iter().map(|leaf| (leaf >> 16) as u32));
        let n = tree.len();
        // Combine the two lightest nodes until one is left. `root..next` are inner nodes without a
        // parent, `leaf..` leaves without one; a node that gets a parent keeps its index in place of
        // its weight.
        let (mut root, mut leaf) = (0, 0);
        for next in 0..n - 1 {
            let mut weight = 0u32;
            for _ in 0..2 {
                if leaf >= n || (root < next && tree[root] < tree[leaf]) {
                    weight += tree[root];
                    tree[root] = next as u32;
                    root += 1;
                } else {
                    weight += tree[leaf];
                    leaf += 1;
                }
            }
            tree[next] = weight;
        }
        // Parents to depths, from the root down.
        tree[n - 2] = 0;
        for node in (0..n - 2).rev() {
            tree[node] = tree[tree[node] as usize] + 1;
        }
        // Depths of inner nodes to depths of leaves.
        let (mut available, mut depth) = (1usize, 0u32);
        let mut inner = n as isize - 2;
        let mut out = n;
        while available > 0 {
            let mut used = 0;
            while inner >= 0 && tree[inner as usize] == depth {
                used += 1;
                inner -= 1;
            }
            while available > used {
                out -= 1;
                tree[out] = depth;
                available -= 1;
            }
            available = 2 * used;
            depth += 1;
        }
    }
}

/// Moves leaves so that none is deeper than `limit`.
fn limit_depths(counts: &mut [u32; 64], limit: usize) {
    for depth in (limit + 1..64).rev() {
        while counts[depth] > 0 {
            let mut above = depth - 2;
            while counts[above] == 0 {
                above -= 1;
            }
            counts[depth] -= 2;
            counts[depth - 1] += 1;
            counts[above + 1] += 2;
            counts[above] -= 1;
        }
    }
}

/// Sets `codes[i]` to the canonical codeword of symbol `i`, if it has one.
pub(crate) fn codewords(lengths: &[u8], codes: &mut [u32]) {
    // Most symbols have none, many of them side by side.
    const GROUP: usize = 8;
    let groups = || {
        let all = lengths.chunks(GROUP).zip((0..).step_by(GROUP));
        all.filter(|(group, _)| group.iter().any(|&length| length != 0))
    };
    let mut next = [0u32; 33];
    for (group, _) in groups() {
        for &length in group {
            next[usize::from(length & 31) + 1] += 1;
        }
    }
    next[1] = 0;
    // next[l + 1] holds the number of codewords of length l; make next[l] the first one of length l.
    let (mut code, mut count) = (0u32, 0u32);
    for slot in &mut next[1..] {
        code = (code + count) << 1;
        count = *slot;
        *slot = code;
    }
    for (group, at) in groups() {
        for (code, &length) in codes[at..].iter_mut().zip(group) {
            let slot = &mut next[usize::from(length & 31) + 1];
            *code = *slot;
            *slot += u32::from(length != 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn kraft(lengths: &[u8]) -> u64 {
        lengths
            .iter()
            .filter(|&&l| l > 0)
            .map(|&l| 1u64 << (32 - l))
            .sum()
    }

    #[test]
    fn canonical_example() {
        // a: 2, b: 3, c: 3, d: 2, e: 2
        let mut codes = [0; 5];
        codewords(&[2, 3, 3, 2, 2], &mut codes);
        assert_eq!(codes, [0b00, 0b110, 0b111, 0b01, 0b10]);
    }

    #[test]
    fn fibonacci_is_limited() {
        let mut freqs = vec![1u32, 1];
        while freqs.len() < 40 {
            freqs.push(freqs[freqs.len() - 1] + freqs[freqs.len() - 2]);
        }
        for limit in [6, 7, 12, 15, 16] {
            let mut lengths = vec![0; freqs.len()];
            CodeBuilder::new(40).lengths(&freqs, limit, &mut lengths);
            assert_eq!(kraft(&lengths), 1 << 32);
            assert!(lengths.iter().all(|&l| u32::from(l) <= limit));
        }
    }

    proptest! {
        #[test]
        fn complete_and_ordered(freqs in prop::collection::vec(0u32..5000, 2..600)) {
            let mut lengths = vec![0; freqs.len()];
            CodeBuilder::new(600).lengths(&freqs, 15, &mut lengths);
            let used = freqs.iter().filter(|&&f| f > 0).count();
            if used > 0 {
                prop_assert_eq!(kraft(&lengths), 1 << 32);
            }
            for i in 0..freqs.len() {
                prop_assert!(freqs[i] == 0 || lengths[i] > 0);
                for j in 0..freqs.len() {
                    prop_assert!(freqs[i] <= freqs[j] || freqs[j] == 0 || lengths[i] <= lengths[j]);
                }
            }
        }
    }
}
