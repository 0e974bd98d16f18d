//! All nearest matches in a segment of text, from its suffix array.
//!
//! The suffixes that share their first so many bytes stand side by side in a suffix array. Such an
//! *interval*, taken with all the bytes that are shared, contains others that share more, so the
//! intervals form a tree: M. Abouelhoda, S. Kurtz, E. Ohlebusch, *Replacing suffix trees with enhanced
//! suffix arrays*, 2004. Every interval remembers the latest position in it that was visited. A new
//! position walks from the smallest interval it is in up to the root and leaves its own number on the
//! way: the matches it meets are the longest one and, for each shorter length, the nearest that reaches
//! so far. Nothing is compared; intervals of long matches end at [`MAX_SHARED`] bytes, so a walk has an
//! end.
//!
//! Positions are visited in the order of the text, so the first position of each interval is known
//! beforehand. It is entered while the tree is built, and a position's walk begins at the first interval
//! that has an earlier one: walks begin with the longest match, and no position goes where nobody was.
//!
//! The tree is built in one pass over the suffix array by means of a stack, and takes the array's place
//! behind the pass. An interval takes twice the memory of a suffix and there is rarely more than one for
//! every two; a little room in front makes up for more, and where that is not enough small intervals are
//! left out.

use alloc::vec::Vec;

use super::{
    parse::GivenUp,
    room::make_room,
    suffix_array::{suffix_array, work_size},
    tree::{Match, common},
};
use crate::prefetch::prefetch;

/// Longest shared text told apart.
pub(super) const MAX_SHARED: usize = 127;
/// Shortest match.
const MIN_SHARED: usize = 2;
/// An interval's parent, and above it the number of bytes shared.
const PARENT_BITS: u32 = 25;
const PARENT_MASK: u32 = (1 << PARENT_BITS) - 1;
/// The tree's root, at which walks end.
const ROOT: u32 = 0;
/// How many positions ahead the intervals at the start of walks are announced: the first one, and then
/// one parent each.
const AHEAD: usize = 28;
const PARENTS_AHEAD: [usize; 3] = [22, 16, 10];
/// Positions for which the next interval to announce is known; a power of two.
const RING: usize = 32;
/// How far ahead text and starts of walks are announced while the tree is built.
const BUILD_AHEAD: usize = 16;

/// An interval whose end is not yet known.
#[derive(Clone, Copy, Default)]
struct Open {
    node: u32,
    shared: u32,
    /// The smallest position in it so far.
    first: u32,
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Intervals {
    /// Intervals, two entries each: parent and bytes shared, and the latest position plus one. Before,
    /// the suffix array.
    nodes: Vec<u32>,
    /// Where the walk of each position begins. Before, working memory of the sorting.
    starts: Vec<u32>,
    /// Most bytes shared.
    limit: usize,
    /// The intervals announced last, by position.
    announced: [u32; RING],
    /// Matches on a walk, longest first.
    met: [Match; MAX_SHARED + 1],
    /// Room in front of the suffix array, in entries for every four suffixes.
    room: usize,
}

/// Room that is enough for all but the oddest texts.
const ROOM: usize = 1;

/// Entries in front of the suffix array.
const fn gap(size: usize, room: usize) -> usize {
    size * room / 4 + 4
}

impl Intervals {
    /// Of matches of up to `limit` bytes, the length need not be asked for.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            nodes: Vec::new(),
            starts: Vec::new(),
            limit: limit.min(MAX_SHARED),
            announced: [ROOT; RING],
            met: [Match::default(); MAX_SHARED + 1],
            room: ROOM,
        }
    }

    /// Bytes of memory for texts of `size` bytes.
    pub(super) const fn memory(size: usize) -> usize {
        4 * (size + gap(size, ROOM) + work_size(size))
    }

    /// Longest match whose length is known without comparing.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Starts with a text. `stop` is asked a few times on the way.
    pub(super) fn build(&mut self, text: &[u8], stop: &dyn Fn() -> bool) -> Result<(), GivenUp> {
        let gap = gap(text.len(), self.room);
        let size = gap + text.len();
        make_room(&mut self.nodes, size);
        make_room(&mut self.starts, work_size(text.len()));
        self.announced = [ROOT; RING];
        let array = &mut self.nodes[..size];
        suffix_array(text, &mut array[gap..], &mut self.starts, stop)?;
        grow_tree(text, self.limit, array, gap, &mut self.starts);
        if stop() { Err(GivenUp) } else { Ok(()) }
    }

    /// Announces what positions soon after `at` will visit.
    #[inline(always)]
    fn announce(&mut self, at: usize) {
        let nodes = self.nodes.as_chunks::<2>().0;
        if let Some(&start) = self.starts.get(at + AHEAD) {
            prefetch(nodes, start as usize);
            self.announced[(at + AHEAD) % RING] = start;
        }
        for ahead in PARENTS_AHEAD {
            let announced = &mut self.announced[(at + ahead) % RING];
            if let Some([up, _]) = nodes.get(*announced as usize) {
                *announced = up & PARENT_MASK;
                prefetch(nodes, *announced as usize);
            }
        }
    }

    /// Visits the next position and returns its matches, longest first. The first one may be longer than
    /// it says if that is [`Self::limit`].
    #[inline(always)]
    pub(super) fn find(&mut self, at: usize) -> &mut [Match] {
        self.announce(at);
        let nodes = self.nodes.as_chunks_mut::<2>().0;
        let now = at as u32 + 1;
        let (mut node, mut newest, mut count) = (self.starts[at], 0, 0);
        while node != ROOT {
            let [up, latest] = &mut nodes[node as usize];
            self.met[count % (MAX_SHARED + 1)] = Match {
                length: *up >> PARENT_BITS,
                offset: now.wrapping_sub(*latest),
            };
            count += usize::from(*latest > newest);
            newest = newest.max(*latest);
            *latest = now;
            node = *up & PARENT_MASK;
        }
        &mut self.met[..count]
    }

    /// Visits the next position.
    #[inline(always)]
    pub(super) fn skip(&mut self, at: usize) {
        self.announce(at);
        let nodes = self.nodes.as_chunks_mut::<2>().0;
        let (now, limit) = (at as u32 + 1, self.limit as u32);
        let mut node = self.starts[at];
        while node != ROOT {
            let [up, latest] = &mut nodes[node as usize];
            let before = core::mem::replace(latest, now);
            if *up >> PARENT_BITS == limit && now.wrapping_sub(before) < limit {
                // A period repeated. The larger intervals will be visited at its end.
                return;
            }
            node = *up & PARENT_MASK;
        }
    }
}

/// Puts the tree of intervals into the first entries of `array`, two for each, with the suffix array
/// `gap` entries behind its start, and the starts of walks into `starts`.
fn grow_tree(text: &[u8], limit: usize, array: &mut [u32], gap: usize, starts: &mut [u32]) {
    let mut stack = [Open::default(); MAX_SHARED + 2];
    let mut top = 0;
    let mut count: u32 = 1;
    let mut here = match array.get(gap) {
        Some(&first) => first,
        None => return,
    };
    // The root's first position is 0.
    array[..2].fill(0);
    for i in gap..array.len() {
        if let Some(&soon) = array.get(i + BUILD_AHEAD) {
            prefetch(text, soon as usize);
            prefetch(starts, soon as usize);
        }
        let after = array.get(i + 1).copied();
        let mut shared = after.map_or(0, |after| shared_bytes(text, here, after, limit));
        // New intervals must not overwrite what is still to be read of the array.
        let room = 2 * count as usize + 1 < i && count < PARENT_MASK;
        if shared > stack[top].shared && room {
            top += 1;
            stack[top] = Open {
                node: count,
                shared,
                first: here,
            };
            count += 1;
        } else {
            enter(&mut stack[top], here, starts);
        }
        while shared < stack[top].shared {
            let done = stack[top];
            let outer = stack[top - 1];
            let parent = if outer.shared < shared && room {
                stack[top] = Open {
                    node: count,
                    shared,
                    first: done.first,
                };
                count += 1;
                stack[top].node
            } else {
                shared = shared.min(outer.shared);
                top -= 1;
                enter(&mut stack[top], done.first, starts);
                outer.node
            };
            array[2 * done.node as usize] = done.shared << PARENT_BITS | parent;
            array[2 * done.node as usize + 1] = done.first + 1;
        }
        here = after.unwrap_or(0);
    }
    starts[0] = ROOT;
}

/// A position belongs to an interval in which there are others. The later one's walk begins here; the
/// earlier one, being the first, may have its own begin further up.
#[inline(always)]
fn enter(open: &mut Open, at: u32, starts: &mut [u32]) {
    starts[open.first.max(at) as usize] = open.node;
    open.first = open.first.min(at);
}

/// Number of bytes that two suffixes share, no more than `limit`, and none rather than too few.
#[inline(always)]
fn shared_bytes(text: &[u8], a: u32, b: u32, limit: usize) -> u32 {
    let limit = limit.min(text.len() - a.max(b) as usize);
    let shared = common(text, a as usize, b as usize, 0, limit);
    if shared < MIN_SHARED {
        0
    } else {
        shared as u32
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    /// The longest match at a position, and the nearest of each shorter length that reaches so far.
    fn naive(text: &[u8], at: usize, limit: usize) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        for from in (0..at).rev() {
            let longest = limit.min(text.len() - at);
            let length = common(text, from, at, 0, longest) as u32;
            if length as usize >= MIN_SHARED && matches.last().is_none_or(|m| m.length < length) {
                let offset = (at - from) as u32;
                matches.push(Match { length, offset });
            }
        }
        matches.reverse();
        matches
    }

    /// Visits all positions of a text and finds the matches where `wanted` says so.
    fn walk(intervals: &mut Intervals, text: &[u8], wanted: &[bool]) -> Vec<Vec<Match>> {
        assert!(intervals.build(text, &|| false).is_ok());
        let mut all = vec![Vec::new(); text.len()];
        for at in 0..text.len() {
            if wanted[at % wanted.len()] {
                all[at] = intervals.find(at).to_vec();
            } else {
                intervals.skip(at);
            }
        }
        all
    }

    proptest! {
        #[test]
        fn all_nearest_matches_are_found(
            letters in 2u8..6,
            limit in 2usize..130,
            noise in proptest::collection::vec(any::<u8>(), 1..200),
            repeat in 1usize..4,
        ) {
            let text = noise.iter().map(|byte| byte % letters).collect::<Vec<_>>().repeat(repeat);
            all_found(&text, limit);
        }

        #[test]
        fn skipped_positions_are_found_later(
            letters in 3u8..6,
            noise in proptest::collection::vec(any::<u8>(), 1..120),
            wanted in proptest::collection::vec(any::<bool>(), 1..20),
        ) {
            let text = noise.iter().map(|byte| byte % letters).collect::<Vec<_>>();
            found_later(&text, &wanted);
        }
    }

    fn all_found(text: &[u8], limit: usize) {
        let mut intervals = Intervals::new(limit);
        intervals.room = 5;
        let limit = intervals.limit();
        for (at, found) in walk(&mut intervals, text, &[true]).into_iter().enumerate() {
            assert_eq!(found, naive(text, at, limit));
        }
        // Where there is not room for all intervals, matches may be missed or be called shorter.
        intervals.room = ROOM;
        for (at, found) in walk(&mut intervals, text, &[true]).into_iter().enumerate() {
            for &Match { length, offset } in &found {
                let from = at - offset as usize;
                assert!(length as usize <= common(text, from, at, 0, text.len() - at));
            }
            assert!(found.windows(2).all(|pair| pair[0].offset > pair[1].offset));
        }
    }

    fn found_later(text: &[u8], wanted: &[bool]) {
        let mut intervals = Intervals::new(MAX_SHARED);
        intervals.room = 5;
        for (at, found) in walk(&mut intervals, text, wanted).into_iter().enumerate() {
            if wanted[at % wanted.len()] {
                assert_eq!(found, naive(text, at, MAX_SHARED));
            }
        }
    }

    /// Texts that were once taken for something else.
    #[test]
    fn repetitions_of_all_there_is() {
        all_found(&[0, 1, 0, 1], 2);
        let text = [&[0, 0, 2, 2][..], &[0; 49], &[1]].concat();
        found_later(&text, &[false, false, false, false, true]);
    }

    #[test]
    fn repetitions_are_skipped_quickly() {
        // A walk through all intervals of this text at every position would be 60 times as long.
        let text = vec![0; 1000];
        let mut intervals = Intervals::new(MAX_SHARED);
        let found = walk(&mut intervals, &text, &[false]);
        assert!(found.iter().all(Vec::is_empty));
        // They went no further than the interval of the most shared bytes.
        let nodes = intervals.nodes.as_chunks::<2>().0;
        let [up, latest] = nodes[intervals.starts[800] as usize];
        assert_eq!(up >> PARENT_BITS, MAX_SHARED as u32);
        assert!(latest > 800);
    }
}
