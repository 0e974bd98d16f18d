//! Buckets instead of a tree: the nearest earlier positions by several lengths, without chains.
//!
//! An optimal parser wants, at each position, the smallest offset for every length. Binary trees of
//! suffixes give exactly that, but each step down is a mispredicted branch on data that has just been
//! loaded. Here, tables hold the newest positions for each hash of 2, 3, 4 and 8 bytes (and 6 and 5 if asked),
//! one for the shortest and a bucket of four for the others. All candidates are compared by a word; nothing in one
//! comparison depends on another, so the processor overlaps them freely. What comes out is one *lane*
//! per length ([`Nearest`]), which the parser goes through without a branch either.
//!
//! Only where eight bytes matched, the length is measured, and the chain of positions with the same hash
//! of [`CHAIN`] bytes is followed for a few steps. In a large window every step would wait for memory, so
//! there the newest positions by hashes of 12, 20 and 32 bytes are compared instead, all of which can be
//! announced to the processor beforehand.
//!
//! Not exact: what has left its bucket is found only if it matches further than what has not. The
//! tables are small for the sake of the cache, which matters more than the collisions do.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::cpu::{Instructions, Processor, Work};
use crate::prefetch::prefetch;

use super::lanes::Nearest;
use super::matches::{Lanes, MOST, MatchCache};
use super::position::Position;

/// The lengths that have a lane: 2 up to this.
pub(crate) const NEAR: usize = 8;
/// Lengths by whose bytes single positions are kept.
const SINGLE: [usize; 2] = [2, 3];
/// Lengths by whose bytes several positions are kept.
/// Not all are used with every [`Breadth`].
const SEVERAL: [usize; 4] = [4, 8, 6, 5];
/// The length whose positions are chained; at most 16.
const CHAIN: u32 = 12;
/// Large windows are not chained, since each step of a chain would wait for memory: they have buckets
/// by so many lengths, [`CHAIN`], 20 and 32.
const FAR: usize = 3;
/// With a match of at least this length in hand, the chain is followed a quarter as far.
const GOOD: usize = 32;

/// Which positions of the buckets to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breadth {
    /// The four with four bytes, two with eight.
    Few,
    /// The four with four bytes, two with six, four with eight.
    Most,
    /// Also the four with five bytes.
    All,
}

impl Breadth {
    /// How many of the lengths of [`SEVERAL`] are used.
    fn tables(self) -> usize {
        match self {
            Breadth::Few => 2,
            Breadth::Most => 3,
            Breadth::All => 4,
        }
    }
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

/// Room for so many hashes at once.
pub(crate) const TABLES: usize = 8;

/// What to multiply bytes 0 to 3, 4 to 7 and 8 to 11 with to get a hash of the first few of them, by
/// table. Bytes that do not belong are shifted out.
static FACTORS: [[u32; TABLES]; 3] = {
    const ODD: [u32; 3] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d];
    let lengths = [2, 3, 4, 8, 6, 5, CHAIN, 0];
    let mut factors = [[0; TABLES]; 3];
    let mut part = 0;
    while part < 3 {
        let mut table = 0;
        while table < TABLES {
            let bytes = lengths[table].saturating_sub(4 * part as u32);
            factors[part][table] = match bytes {
                0 => 0,
                1..4 => ODD[part] << (32 - 8 * bytes),
                _ => ODD[part],
            };
            table += 1;
        }
        part += 1;
    }
    factors
};

/// See the module's page. `N` is the size of each table.
#[derive(Debug)]
pub(crate) struct TableFinder<P: Position, const N: usize> {
    single: Box<[[P; N]; SINGLE.len()]>,
    several: Box<[[P::Bucket; N]; SEVERAL.len()]>,
    /// The newest position by [`CHAIN`] bytes, and for each position the one before; or else, of windows
    /// that are not chained, buckets by the lengths of [`FAR`].
    head: Vec<P>,
    prev: Vec<P>,
    far: Vec<[P::Bucket; N]>,
    /// From hashes to slots.
    shift: u32,
    processor: Processor,
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
            head: vec![P::default(); if P::IS_CHAINED { N } else { 0 }],
            prev: vec![P::default(); if P::IS_CHAINED { size } else { 0 }],
            far: vec![[P::Bucket::default(); N]; if P::IS_CHAINED { 0 } else { FAR }],
            shift: 32 - N.ilog2(),
            processor: Processor::detect(),
        }
    }

    /// Bytes that [`TableFinder::new`] allocates.
    pub(crate) fn memory(size: usize) -> usize {
        let long = if P::IS_CHAINED {
            size_of::<P>() * (N + size)
        } else {
            size_of::<P::Bucket>() * N * FAR
        };
        N * (size_of::<P>() * SINGLE.len() + size_of::<P::Bucket>() * SEVERAL.len()) + long
    }

    /// Forgets everything; the next window has `size` bytes.
    pub(crate) fn reset(&mut self, size: usize, breadth: Breadth) {
        let bits = usize::BITS - size.leading_zeros() - u32::from(!P::IS_CHAINED);
        let bits = bits.clamp(9, N.ilog2());
        self.shift = 32 - bits;
        for table in self.single.iter_mut() {
            table[..1 << bits].fill(P::default());
        }
        for table in &mut self.several[..breadth.tables()] {
            table[..1 << bits].fill(P::Bucket::default());
        }
        for table in &mut self.far {
            table[..1 << bits].fill(P::Bucket::default());
        }
        if P::IS_CHAINED {
            self.head[..1 << bits].fill(P::default());
        }
    }

    /// Where a position is kept, announced to the processor.
    #[inline(always)]
    fn slots<I: Instructions, const FEW: bool, const ALL: bool>(
        &self,
        window: &P::Window,
        pos: P,
    ) -> Slots {
        let (word, next) = (P::load(window, pos), P::load_next(window, pos));
        let slots = I::hash(word, next as u32, &FACTORS, self.shift);
        let [two, three, four, eight, six, five, chain, _] = slots.map(|slot| slot as usize % N);
        prefetch(&self.single[0], two);
        prefetch(&self.single[1], three);
        prefetch(&self.several[0], four);
        prefetch(&self.several[1], eight);
        if !FEW {
            prefetch(&self.several[2], six);
        }
        if ALL {
            prefetch(&self.several[3], five);
        }
        let mut far = [chain; FAR];
        if P::IS_CHAINED {
            prefetch(&self.head, chain);
        } else {
            far = self.far_slots(window, pos, chain);
            for (table, slot) in self.far.iter().zip(far) {
                prefetch(table, slot);
            }
        }
        Slots { near: slots, far }
    }

    /// Where a position is kept by the lengths of [`FAR`].
    #[inline(always)]
    fn far_slots(&self, window: &P::Window, pos: P, first: usize) -> [usize; FAR] {
        const FACTORS: [u64; 4] = [
            0x9e37_79b9_7f4a_7c15,
            0xc2b2_ae3d_27d4_eb4f,
            0x1656_67b1_9e37_79f9,
            0x85eb_ca77_c2b2_ae63,
        ];
        let words = [0, 8, 16, 24].map(|at| P::load(window, P::new(pos.get() + at)));
        let product = |word: usize, value: u64| value.wrapping_mul(FACTORS[word]);
        let sixteen = product(0, words[0]).wrapping_add(product(1, words[1]));
        let twenty = sixteen.wrapping_add(product(2, words[2] << 32));
        let all = sixteen
            .wrapping_add(product(2, words[2]))
            .wrapping_add(product(3, words[3]));
        let slot = |hash: u64| ((hash >> 32) as u32 >> self.shift) as usize % N;
        [first, slot(twenty), slot(all)]
    }

    #[inline(always)]
    fn insert<const FEW: bool, const ALL: bool>(&mut self, slots: Slots, pos: P) -> Candidates<P> {
        let [two, three, four, eight, six, five, chain, _] = slots.near;
        let slot = |slot: u32| slot as usize % N;
        let [two, three] = [(0, two), (1, three)]
            .map(|(i, at)| core::mem::replace(&mut self.single[i][slot(at)], pos));
        let mut renew = |table: usize, at| {
            let bucket = &mut self.several[table][slot(at)];
            core::mem::replace(bucket, pos.push(*bucket))
        };
        let mut several = [P::Bucket::default(); SEVERAL.len()];
        several[0] = renew(0, four);
        several[1] = renew(1, eight);
        if !FEW {
            several[2] = renew(2, six);
        }
        if ALL {
            several[3] = renew(3, five);
        }
        let mut far = [P::Bucket::default(); FAR];
        let mut newest = P::default();
        if P::IS_CHAINED {
            newest = core::mem::replace(&mut self.head[slot(chain)], pos);
            self.prev[pos.get()] = newest;
        } else {
            for ((table, slot), far) in self.far.iter_mut().zip(slots.far).zip(&mut far) {
                let bucket = &mut table[slot];
                *far = core::mem::replace(bucket, pos.push(*bucket));
            }
        }
        Candidates {
            single: [two, three],
            several,
            chain: newest,
            far,
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
        let fill = Fill {
            finder: self,
            window,
            start,
            end,
            effort,
            cache,
        };
        fill.finder.processor.run(fill);
    }

    /// The same for one breadth.
    #[inline(always)]
    fn fill_from<I: Instructions, const FEW: bool, const ALL: bool>(
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
        if pos == 0 && last > 0 {
            lanes[0] = [P::NONE; NEAR];
            longs[0] = 0;
            pos = 1;
        }
        let mut announced = [Slots::default(); 8];
        for at in pos..pos + P::AHEAD {
            announced[at % P::AHEAD] = self.slots::<I, FEW, ALL>(window, P::new(at));
        }
        while pos < last {
            let index = pos - start;
            let ahead = self.slots::<I, FEW, ALL>(window, P::new(pos + P::AHEAD));
            let slots = core::mem::replace(&mut announced[pos % P::AHEAD], ahead);
            let candidates = self.insert::<FEW, ALL>(slots, P::new(pos));
            let (these, longest) = nearest::<P, I, FEW, ALL>(window, P::new(pos), &candidates);
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
                    let ahead = self.slots::<I, FEW, ALL>(window, P::new(pos + P::AHEAD));
                    let slots = core::mem::replace(&mut announced[pos % P::AHEAD], ahead);
                    self.insert::<FEW, ALL>(slots, P::new(pos));
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
        for c in P::all(candidates.several[1]) {
            if best < most && c.get() < pos - offset {
                look(c.get(), &mut best);
            }
        }
        let mut limit = pos;
        if !P::IS_CHAINED {
            // A position may be in several buckets; it is of use the first time only.
            for candidate in candidates.far.into_iter().flat_map(P::all) {
                if candidate.get() < limit && best < most && best < effort.nice {
                    limit = candidate.get();
                    look(limit, &mut best);
                }
            }
            return count;
        }
        let mut candidate = candidates.chain;
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

/// Where a position is kept, by table: those for [`SINGLE`], [`SEVERAL`], [`CHAIN`].
#[derive(Clone, Copy, Default)]
struct Slots {
    near: [u32; TABLES],
    far: [usize; FAR],
}

/// Earlier positions that may match.
struct Candidates<P: Position> {
    single: [P; SINGLE.len()],
    several: [P::Bucket; SEVERAL.len()],
    chain: P,
    far: [P::Bucket; FAR],
}

/// [`TableFinder::fill`].
struct Fill<'a, P: Position, const N: usize> {
    finder: &'a mut TableFinder<P, N>,
    window: &'a P::Window,
    start: usize,
    end: usize,
    effort: Effort,
    cache: &'a mut MatchCache<P>,
}

impl<P: Position, const N: usize> Work for Fill<'_, P, N> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Fill {
            finder,
            window,
            start,
            end,
            effort,
            cache,
        } = self;
        match effort.breadth {
            Breadth::Few => {
                finder.fill_from::<I, true, false>(window, start, end, effort, cache);
            }
            Breadth::Most => {
                finder.fill_from::<I, false, false>(window, start, end, effort, cache);
            }
            Breadth::All => {
                finder.fill_from::<I, false, true>(window, start, end, effort, cache);
            }
        }
    }
}

/// The lanes of a position, and the length of the longest match up to [`NEAR`].
#[inline(always)]
fn nearest<P: Position, I: Instructions, const FEW: bool, const ALL: bool>(
    window: &P::Window,
    pos: P,
    candidates: &Candidates<P>,
) -> (Lanes<P>, usize) {
    let [two, three] = candidates.single;
    let [four, eight, six, five] = candidates.several;
    let mut lanes = P::Nearest::<I>::none();
    let [a, b, ..] = P::all(if FEW { eight } else { six });
    lanes = with::<P, I>(lanes, window, pos, P::bucket([two, three, a, b]));
    lanes = with::<P, I>(lanes, window, pos, four);
    if !FEW {
        lanes = with::<P, I>(lanes, window, pos, eight);
    }
    if ALL {
        lanes = with::<P, I>(lanes, window, pos, five);
    }
    lanes.offsets(pos)
}

/// With the matches at the positions of a bucket.
#[inline(always)]
fn with<P: Position, I: Instructions>(
    lanes: P::Nearest<I>,
    window: &P::Window,
    pos: P,
    bucket: P::Bucket,
) -> P::Nearest<I> {
    let words = P::all(bucket).map(|candidate| P::load(window, candidate));
    lanes.with(P::load(window, pos), words, bucket)
}
