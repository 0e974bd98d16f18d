//! Buckets instead of a tree: the nearest earlier positions by several lengths, without chains.
//!
//! An optimal parser wants, at each position, the smallest offset for every length. Binary trees of
//! suffixes give exactly that, but each step down is a mispredicted branch on data that has just been
//! loaded. Here, tables hold the newest positions for each hash of 2, 3 and 4 bytes (and 8, 6 and 5 if asked),
//! one for the shortest and a bucket of four for the others. All candidates are compared by a word; nothing in one
//! comparison depends on another, so the processor overlaps them freely. What comes out is one *lane*
//! per length ([`Nearest`]), which the parser goes through without a branch either.
//!
//! Only where eight bytes matched, the length is measured, and some positions are looked at that agree in
//! more bytes ([`Long`]).
//!
//! Not exact: what has left its bucket is found only if it matches further than what has not. The
//! tables are small for the sake of the cache, which matters more than the collisions do.

use alloc::boxed::Box;

use crate::array::zeroed;
use crate::cpu::{Instructions, Processor, Work};
use crate::prefetch::prefetch;

use super::lanes::Nearest;
use super::long::{LONG, Long, Search};
use super::matches::{Lanes, MOST, MatchCache};
use super::position::Position;

/// The lengths that have a lane: 2 up to this.
pub(crate) const NEAR: usize = 8;
/// Lengths by whose bytes several positions are kept, as many of these as the [`Breadth`] says.
const SEVERAL: [usize; 4] = [4, 8, 6, 5];

/// Which positions of the buckets to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breadth {
    /// The four with four bytes only, for data that hardly repeat. For small windows.
    Least,
    /// The four with four bytes, two with eight.
    Few,
    /// The four with four bytes, two with six, four with eight.
    Most,
    /// Also the four with five bytes.
    All,
}

impl Breadth {
    /// How many of the lengths of [`SEVERAL`] are used.
    const fn tables(self) -> usize {
        match self {
            Breadth::Least => 1,
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
    /// Positions to look at beyond the tables, where long matches are chained.
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
    let lengths = [2, 3, 4, 8, 6, 5, LONG, 0];
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

/// What to multiply three bytes with, the others shifted out.
const THREE: u32 = 0x9e37_79b1 << 8;

/// See the module's page. `N` is the size of each table but that of three bytes, `M` of that: what is pushed
/// out of this one is lost, and in numbers and samples matches of three bytes are most of what there is.
#[derive(Debug)]
pub(crate) struct TableFinder<P: Position, const N: usize, const M: usize> {
    two: Box<[P; N]>,
    three: Box<[P; M]>,
    several: Box<[[P::Bucket; N]; SEVERAL.len()]>,
    long: P::Long<N>,
    /// From hashes to slots.
    shift: u32,
    processor: Processor,
}

impl<P: Position, const N: usize, const M: usize> TableFinder<P, N, M> {
    /// For windows of up to `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        TableFinder {
            two: zeroed(),
            three: zeroed(),
            several: zeroed(),
            long: P::Long::new(size),
            shift: 32 - N.ilog2(),
            processor: Processor::detect(),
        }
    }

    /// Bytes that [`TableFinder::new`] allocates.
    pub(crate) fn memory(size: usize) -> usize {
        size_of::<P>() * (N + M)
            + size_of::<P::Bucket>() * N * SEVERAL.len()
            + P::Long::<N>::memory(size)
    }

    /// Forgets everything; the next window has `size` bytes.
    pub(crate) fn reset(&mut self, size: usize, breadth: Breadth) {
        let bits = P::Long::<N>::bits(size).clamp(9, N.ilog2());
        self.shift = 32 - bits;
        self.two[..1 << bits].fill(P::default());
        self.three[..(M / N) << bits].fill(P::default());
        for table in &mut self.several[..breadth.tables()] {
            table[..1 << bits].fill(P::Bucket::default());
        }
        if breadth != Breadth::Least {
            self.long.reset(1 << bits);
        }
    }

    /// Where a position is kept, announced to the processor.
    #[inline(always)]
    fn slots<I: Instructions, const USED: usize>(&self, window: &P::Window, pos: P) -> Slots<P, N> {
        let (word, next) = (P::load(window, pos), P::load_next(window, pos));
        let mut slots = I::hash(word, next as u32, &FACTORS, self.shift);
        slots[1] = (word as u32).wrapping_mul(THREE) >> (self.shift - (M / N).ilog2());
        let [two, three, four, eight, six, five, long, _] = slots.map(|slot| slot as usize);
        prefetch(&*self.two, two % N);
        prefetch(&*self.three, three % M);
        for (table, slot) in self.several.iter().zip([four, eight, six, five]).take(USED) {
            prefetch(table, slot % N);
        }
        let long = match USED {
            1 => Default::default(),
            _ => self.long.slots(window, pos, long % N, self.shift),
        };
        Slots { near: slots, long }
    }

    #[inline(always)]
    fn insert<const USED: usize>(&mut self, slots: Slots<P, N>, pos: P) -> Candidates<P, N> {
        let [two, three, four, eight, six, five, ..] = slots.near.map(|slot| slot as usize);
        let two = core::mem::replace(&mut self.two[two % N], pos);
        let three = core::mem::replace(&mut self.three[three % M], pos);
        let mut several = [P::Bucket::default(); SEVERAL.len()];
        let tables = self.several.iter_mut().zip([four, eight, six, five]);
        for ((table, slot), earlier) in tables.zip(&mut several).take(USED) {
            let bucket = &mut table[slot % N];
            *earlier = core::mem::replace(bucket, pos.push(*bucket));
        }
        Candidates {
            two,
            three,
            several,
            long: match USED {
                1 => Default::default(),
                _ => self.long.insert(slots.long, pos),
            },
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
    fn fill_from<I: Instructions, const USED: usize>(
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
            announced[at % P::AHEAD] = self.slots::<I, USED>(window, P::new(at));
        }
        while pos < last {
            let index = pos - start;
            let ahead = self.slots::<I, USED>(window, P::new(pos + P::AHEAD));
            let slots = core::mem::replace(&mut announced[pos % P::AHEAD], ahead);
            let candidates = self.insert::<USED>(slots, P::new(pos));
            let (these, longest) = nearest::<P, I, USED, N>(window, P::new(pos), &candidates);
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
            let mut search = Search::new(window, pos - 1, most, offset, found);
            let eights = candidates.several[1];
            if USED == 1 {
                for candidate in P::all(candidates.several[0]) {
                    if candidate.get() < search.nearest && search.best < search.most {
                        search.look(candidate.get());
                    }
                }
            } else {
                self.long.look(candidates.long, eights, effort, &mut search);
            }
            let added = search.count();
            if added == 0 {
                continue;
            }
            let longest = (found[added - 1] & 511) as usize;
            longs[index] = (count << 9 | longest) as u32;
            count += added;
            if longest >= effort.nice {
                // Positions within are not searched, but the parser may well come to one of them on
                // another way, and go on with the same offset.
                let offset = cache.long[count - 1] >> 9;
                let mut rest = [P::new(offset as usize); NEAR];
                rest[NEAR - 1] = P::NONE;
                let end = pos - 1 + longest;
                let stop = end.min(last);
                while pos < stop {
                    let ahead = self.slots::<I, USED>(window, P::new(pos + P::AHEAD));
                    let slots = core::mem::replace(&mut announced[pos % P::AHEAD], ahead);
                    self.insert::<USED>(slots, P::new(pos));
                    lanes[pos - start] = [P::NONE; NEAR];
                    longs[pos - start] = 0;
                    let left = end - pos;
                    if let Some(found) = cache.long.get_mut(count)
                        && left > NEAR
                    {
                        *found = offset << 9 | left as u32;
                        lanes[pos - start] = rest;
                        longs[pos - start] = (count << 9 | left) as u32;
                        count += 1;
                    }
                    pos += 1;
                }
            }
        }
        lanes[last - start..].fill([P::NONE; NEAR]);
        longs[last - start..].fill(0);
    }
}

/// Where a position is kept, by table.
struct Slots<P: Position, const N: usize> {
    near: [u32; TABLES],
    long: <P::Long<N> as Long<P>>::Slots,
}

impl<P: Position, const N: usize> Clone for Slots<P, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Position, const N: usize> Copy for Slots<P, N> {}

impl<P: Position, const N: usize> Default for Slots<P, N> {
    fn default() -> Self {
        Slots {
            near: Default::default(),
            long: Default::default(),
        }
    }
}

/// Earlier positions that may match.
struct Candidates<P: Position, const N: usize> {
    two: P,
    three: P,
    several: [P::Bucket; SEVERAL.len()],
    long: <P::Long<N> as Long<P>>::Earlier,
}

/// [`TableFinder::fill`].
struct Fill<'a, P: Position, const N: usize, const M: usize> {
    finder: &'a mut TableFinder<P, N, M>,
    window: &'a P::Window,
    start: usize,
    end: usize,
    effort: Effort,
    cache: &'a mut MatchCache<P>,
}

impl<P: Position, const N: usize, const M: usize> Work for Fill<'_, P, N, M> {
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
        const LEAST: usize = Breadth::Least.tables();
        const FEW: usize = Breadth::Few.tables();
        const MOST: usize = Breadth::Most.tables();
        const ALL: usize = Breadth::All.tables();
        match effort.breadth {
            Breadth::Least if P::WINDOW <= u16::WINDOW => {
                finder.fill_from::<I, LEAST>(window, start, end, effort, cache);
            }
            Breadth::Least | Breadth::Few => {
                finder.fill_from::<I, FEW>(window, start, end, effort, cache);
            }
            Breadth::Most => finder.fill_from::<I, MOST>(window, start, end, effort, cache),
            Breadth::All => finder.fill_from::<I, ALL>(window, start, end, effort, cache),
        }
    }
}

/// The lanes of a position, and the length of the longest match up to [`NEAR`].
#[inline(always)]
fn nearest<P: Position, I: Instructions, const USED: usize, const N: usize>(
    window: &P::Window,
    pos: P,
    candidates: &Candidates<P, N>,
) -> (Lanes<P>, usize) {
    let &Candidates {
        two,
        three,
        several: [four, eight, six, five],
        ..
    } = candidates;
    let mut lanes = P::Nearest::<I>::none();
    let [a, b, ..] = P::all(match USED {
        1 => four,
        2 => eight,
        _ => six,
    });
    lanes = with::<P, I>(lanes, window, pos, P::bucket([two, three, a, b]));
    if USED >= 2 {
        lanes = with::<P, I>(lanes, window, pos, four);
    }
    if USED >= 3 {
        lanes = with::<P, I>(lanes, window, pos, eight);
    }
    if USED >= 4 {
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
