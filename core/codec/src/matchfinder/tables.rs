//! Buckets instead of a tree: the nearest earlier positions by several lengths, without chains.
//!
//! An optimal parser wants, at each position, the smallest offset for every length. Binary trees of
//! suffixes give exactly that, but each step down is a mispredicted branch on data that has just been
//! loaded. Here, tables hold the newest positions for each hash of 2, 3, 4, 6 and 8 bytes, one for the
//! shortest and a bucket of four for the others. All candidates are compared by a word; nothing in one
//! comparison depends on another, so the processor overlaps them freely. What comes out is one *lane*
//! per length ([`Nearest`]), which the parser goes through without a branch either.
//!
//! Buckets of the longer lengths are looked at in full only if the first of them matches that far. Only
//! where eight bytes matched, the length is measured, and the chain of positions with the same hash of
//! [`CHAIN`] bytes is followed for a few steps.
//!
//! Not exact: what has left its bucket is found only if it matches further than what has not. The
//! tables are small for the sake of the cache, which matters more than the collisions do.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::lzms::prefetch::prefetch;

use super::lanes::Nearest;
use super::position::{BUCKET, Position};

/// The lengths that have a lane: 2 up to this.
pub(crate) const NEAR: usize = 8;
/// Lengths by whose bytes single positions are kept.
const SINGLE: [usize; 2] = [2, 3];
/// Lengths by whose bytes several positions are kept.
const SEVERAL: [usize; 3] = [4, 6, 8];
/// The length whose positions are chained; at most 16.
const CHAIN: u32 = 12;
/// Room for this many long matches per position on average.
const PER_POSITION: usize = 3;
/// The most long matches reported for one position.
const MOST: usize = 16;

/// With a match of at least this length in hand, the chain is followed a quarter as far.
const GOOD: usize = 32;

/// How many positions of each bucket to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breadth {
    /// The newest.
    Newest,
    /// All.
    Full,
}

/// How far to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Positions to look at in the tables.
    pub(crate) breadth: Breadth,
    /// Positions to look at beyond the tables, in the chain for long matches.
    pub(crate) depth: u32,
    /// A match of at least this length is taken at once: positions within it are not searched.
    pub(crate) nice: usize,
    /// The longest match of the format.
    pub(crate) longest: usize,
}

const FACTOR: u64 = 0x9e37_79b1_85eb_ca87;

/// See the module's page. `N` is the size of each table.
#[derive(Debug)]
pub(crate) struct TableFinder<P: Position, const N: usize> {
    single: Box<[[P; N]; SINGLE.len()]>,
    several: Box<[[P::Bucket; N]; SEVERAL.len()]>,
    head: Box<[P; N]>,
    prev: Vec<P>,
    mask: usize,
}

/// The nearest matches at one position: for lengths 2 to [`NEAR`], at `length - 2`, the smallest
/// offset of a match of at least that length, or [`Position::NONE`]; the last place is always the latter.
pub(crate) type Lanes<P> = [P; NEAR];

/// The matches of a range of positions.
#[derive(Debug)]
pub(crate) struct MatchCache<P> {
    lanes: Vec<Lanes<P>>,
    /// Matches longer than [`NEAR`], as `offset << 9 | length`, by length.
    long: Vec<u32>,
    /// The longest length found at each position and, if that is longer than [`NEAR`], above its nine
    /// bits, where those in `long` begin.
    longs: Vec<u32>,
    base: usize,
}

impl<P: Position> MatchCache<P> {
    /// For ranges of up to `size` positions.
    pub(crate) fn new(size: usize) -> Self {
        MatchCache {
            lanes: vec![[P::default(); NEAR]; size],
            long: vec![0; size * PER_POSITION + MOST],
            longs: vec![0; size],
            base: 0,
        }
    }

    /// Bytes that [`MatchCache::new`] allocates.
    pub(crate) fn memory(size: usize) -> usize {
        size * size_of::<Lanes<P>>() + 4 * (size * PER_POSITION + MOST + size)
    }

    /// The lanes of a range of positions, and for each the length of the longest match, with where it
    /// has [`MatchCache::long`] ones above.
    #[inline(always)]
    pub(crate) fn block(&self, range: core::ops::Range<usize>) -> (&[Lanes<P>], &[u32]) {
        let range = range.start - self.base..range.end - self.base;
        (&self.lanes[range.clone()], &self.longs[range])
    }

    /// The matches that are longer than [`NEAR`], as `offset << 9 | length`, by length, of the position
    /// with this entry, and what comes after them.
    #[inline(always)]
    pub(crate) fn long(&self, entry: u32) -> &[u32] {
        &self.long[(entry >> 9) as usize..]
    }

    /// The lanes of `pos`.
    #[inline(always)]
    pub(crate) fn lanes(&self, pos: usize) -> &Lanes<P> {
        &self.lanes[pos - self.base]
    }

    /// The smallest offset at `pos` of a match of at least `length` bytes, more than [`NEAR`].
    #[inline(never)]
    pub(crate) fn far_offset(&self, pos: usize, length: usize) -> u32 {
        let mut matches = self.long(self.longs[pos - self.base]).iter();
        let first = matches.find(|&&found| (found & 511) as usize >= length);
        first.map_or(1, |found| found >> 9)
    }

    /// The longest match at `pos` and its offset; the length is less than 2 if there is none.
    #[inline(always)]
    pub(crate) fn longest(&self, pos: usize) -> (usize, u32) {
        let entry = self.longs[pos - self.base];
        let length = (entry & 511) as usize;
        if length > NEAR {
            (length, self.far_offset(pos, length))
        } else {
            let lanes = &self.lanes[pos - self.base];
            (length, lanes[length.wrapping_sub(2) % NEAR].get() as u32)
        }
    }
}

fn boxed<T: Copy + core::fmt::Debug, const N: usize>(element: T) -> Box<[T; N]> {
    match vec![element; N].into_boxed_slice().try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("the vector has N elements"),
    }
}

impl<P: Position, const N: usize> TableFinder<P, N> {
    /// For windows of up to `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        TableFinder {
            single: boxed([P::default(); N]),
            several: boxed([P::Bucket::default(); N]),
            head: boxed(P::default()),
            prev: vec![P::default(); size],
            mask: 0,
        }
    }

    /// Bytes that [`TableFinder::new`] allocates.
    pub(crate) fn memory(size: usize) -> usize {
        N * (size_of::<P>() * (SINGLE.len() + 1) + size_of::<P::Bucket>() * SEVERAL.len())
            + size_of::<P>() * size
    }

    /// Forgets everything; the next window has `size` bytes.
    pub(crate) fn reset(&mut self, size: usize) {
        let bits = (usize::BITS - size.leading_zeros()).clamp(9, N.ilog2());
        self.mask = (1 << bits) - 1;
        for table in self.single.iter_mut() {
            table[..1 << bits].fill(P::default());
        }
        for table in self.several.iter_mut() {
            table[..1 << bits].fill(P::Bucket::default());
        }
        self.head[..1 << bits].fill(P::default());
    }

    /// Makes a slot of the upper bits of a product.
    #[inline(always)]
    fn slot(&self, product: u64) -> usize {
        (product >> (64 - N.ilog2())) as usize & self.mask
    }

    /// A slot by the first `length` bytes of a word.
    #[inline(always)]
    fn short_slot(&self, word: u64, length: usize) -> usize {
        self.slot((word << (64 - 8 * length)).wrapping_mul(FACTOR))
    }

    /// A slot by a word and some bytes of the next, `length` in all.
    #[inline(always)]
    fn long_slot(&self, word: u64, next: u64, length: u32) -> usize {
        const OTHER: u64 = 0xd6e8_feb8_6659_fd93;
        self.slot(
            word.wrapping_mul(FACTOR)
                .wrapping_add((next << (128 - 8 * length)).wrapping_mul(OTHER)),
        )
    }

    /// Where a position is kept, announced to the processor.
    #[inline(always)]
    fn slots(&self, window: &P::Window, pos: P) -> Slots {
        let (word, next) = (P::load(window, pos), P::load_next(window, pos));
        let slots = Slots {
            single: SINGLE.map(|length| self.short_slot(word, length)),
            several: SEVERAL.map(|length| self.short_slot(word, length)),
            chain: self.long_slot(word, next, CHAIN),
        };
        for (table, &slot) in self.single.iter().zip(&slots.single) {
            prefetch(table, slot);
        }
        for (table, &slot) in self.several.iter().zip(&slots.several) {
            prefetch(table, slot);
        }
        prefetch(&*self.head, slots.chain);
        slots
    }

    #[inline(always)]
    fn insert(&mut self, slots: Slots, pos: P) -> Candidates<P> {
        let single =
            core::array::from_fn(|i| core::mem::replace(&mut self.single[i][slots.single[i]], pos));
        let several = core::array::from_fn(|i| {
            let bucket = &mut self.several[i][slots.several[i]];
            let old = *bucket;
            *bucket = pos.push(old);
            old
        });
        let chain = core::mem::replace(&mut self.head[slots.chain], pos);
        self.prev[pos.get()] = chain;
        Candidates {
            single,
            several,
            chain,
        }
    }

    /// Finds the matches at positions `start..end`. No match is said to be longer than to `end`,
    /// except that those of up to [`NEAR`] bytes may reach into the padding.
    pub(crate) fn fill(
        &mut self,
        window: &P::Window,
        start: usize,
        end: usize,
        effort: Effort,
        cache: &mut MatchCache<P>,
    ) {
        match effort.breadth {
            Breadth::Newest => self.fill_from::<1>(window, start, end, effort, cache),
            Breadth::Full => self.fill_from::<BUCKET>(window, start, end, effort, cache),
        }
    }

    /// The same with that many positions of each bucket.
    #[inline(never)]
    fn fill_from<const BREADTH: usize>(
        &mut self,
        window: &P::Window,
        start: usize,
        end: usize,
        effort: Effort,
        cache: &mut MatchCache<P>,
    ) {
        cache.base = start;
        let (Some(lanes), Some(longs)) = (
            cache.lanes.get_mut(..end - start),
            cache.longs.get_mut(..end - start),
        ) else {
            return;
        };
        let mut count = 0usize;
        let mut pos = start;
        // The last two positions go without: the offset may be too large for the format there.
        let last = end.saturating_sub(2).max(start);
        let mut slots = self.slots(window, P::new(pos));
        if pos == 0 && last > 0 {
            self.insert(slots, P::new(0));
            slots = self.slots(window, P::new(1));
            lanes[0] = [P::NONE; NEAR];
            longs[0] = 0;
            pos = 1;
        }
        while pos < last {
            let index = pos - start;
            let ahead = self.slots(window, P::new(pos + 1));
            let candidates = self.insert(core::mem::replace(&mut slots, ahead), P::new(pos));
            let (these, longest) = nearest::<P, BREADTH>(window, P::new(pos), &candidates);
            lanes[index] = these;
            longs[index] = longest as u32;
            pos += 1;
            if longest < NEAR {
                continue;
            }
            // Where there is no room for more, which only unnatural data bring about, the rest goes
            // without long matches.
            let Some(found) = cache.long[count..].first_chunk_mut::<MOST>() else {
                continue;
            };
            let most = (end - index - start).min(effort.longest);
            if most <= NEAR {
                continue;
            }
            let offset = lanes[index][NEAR - 2].get();
            let added = self.find_long(window, pos - 1, most, effort, found, offset, &candidates);
            if added == 0 {
                continue;
            }
            let longest = (found[added - 1] & 511) as usize;
            longs[index] = (count << 9 | longest) as u32;
            count += added;
            if longest >= effort.nice {
                let stop = (pos + longest - 1).min(last);
                while pos < stop {
                    let ahead = self.slots(window, P::new(pos + 1));
                    self.insert(core::mem::replace(&mut slots, ahead), P::new(pos));
                    lanes[pos - start] = [P::NONE; NEAR];
                    longs[pos - start] = 0;
                    pos += 1;
                }
            }
        }
        lanes[last - start..].fill([P::NONE; NEAR]);
        longs[last - start..].fill(0);
    }

    /// Looks for matches longer than [`NEAR`], given the offset of one of that length.
    #[allow(clippy::too_many_arguments, reason = "inner loop, one call site")]
    #[inline(always)]
    fn find_long(
        &mut self,
        window: &P::Window,
        pos: usize,
        most: usize,
        effort: Effort,
        found: &mut [u32; MOST],
        offset: usize,
        candidates: &Candidates<P>,
    ) -> usize {
        let mut best = P::match_length(window, pos, pos - offset, NEAR, most);
        let mut count = 0;
        if best > NEAR {
            found[0] = (offset << 9 | best) as u32;
            count = 1;
        }
        let mut ending = P::load(window, P::new(pos + best - 7));
        let mut look = |at: usize, best: &mut usize| {
            if P::load(window, P::new(at + *best - 7)) == ending {
                let length = P::match_length(window, pos, at, 0, most);
                if let Some(found) = found.get_mut(count)
                    && length > *best
                {
                    *best = length;
                    ending = P::load(window, P::new(pos + length - 7));
                    *found = ((pos - at) << 9 | length) as u32;
                    count += 1;
                }
            }
        };
        for c in P::all(candidates.several[SEVERAL.len() - 1]) {
            if best < most && c.get() < pos - offset {
                look(c.get(), &mut best);
            }
        }
        let mut candidate = candidates.chain;
        let mut limit = pos;
        let mut depth = effort.depth;
        if best >= GOOD {
            depth /= 4;
        }
        while candidate.get() < limit && depth > 0 && best < most && best < effort.nice {
            depth -= 1;
            limit = candidate.get();
            look(limit, &mut best);
            candidate = self.prev[limit];
        }
        count
    }
}

/// Where a position is kept, by table.
#[derive(Clone, Copy)]
struct Slots {
    single: [usize; SINGLE.len()],
    several: [usize; SEVERAL.len()],
    chain: usize,
}

/// Earlier positions that may match.
struct Candidates<P: Position> {
    single: [P; SINGLE.len()],
    several: [P::Bucket; SEVERAL.len()],
    chain: P,
}

/// The lanes of a position.
#[inline(always)]
fn nearest<P: Position, const BREADTH: usize>(
    window: &P::Window,
    pos: P,
    candidates: &Candidates<P>,
) -> (Lanes<P>, usize) {
    let word = P::load(window, pos);
    let mut lanes = P::Nearest::none();
    let mut longest = 0;
    let mut offer = |candidate: P| {
        let differ = P::load(window, candidate) ^ word;
        let length = differ.trailing_zeros() as usize / 8;
        let offset = pos.minus(candidate);
        lanes = lanes.with(offset, length);
        longest = longest.max(length);
        longest
    };
    for candidate in candidates.single {
        offer(candidate);
    }
    for candidate in P::all(candidates.several[0]).into_iter().take(BREADTH) {
        offer(candidate);
    }
    // The other buckets are looked at further only while there are matches of their lengths.
    for (bucket, length) in candidates.several.into_iter().zip(SEVERAL).skip(1) {
        let [first, rest @ ..] = P::all(bucket);
        if offer(first) < length {
            break;
        }
        for candidate in rest.into_iter().take(BREADTH - 1) {
            offer(candidate);
        }
    }
    (lanes.offsets(), longest)
}
