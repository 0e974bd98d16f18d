//! The way down a binary tree of positions.
//!
//! This is the innermost loop of the compressor: at every node it compares text, and each of its loads
//! depends on the one before. So it exists for memory that is checked and for memory that is not; the
//! latter is used wherever the text compared cannot lead past the end of the chunk.

/// A new position on its way down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descent {
    /// The new position.
    pub(super) at: usize,
    /// What is added to positions where they are stored.
    pub(super) base: u32,
    /// The root of the tree, as stored.
    pub(super) root: u32,
    /// No match is longer; so many bytes follow the position.
    pub(super) longest: usize,
    /// Most nodes to look at.
    pub(super) depth: u32,
}

/// Where text and nodes are.
trait Memory {
    /// Number of equal bytes at two positions, `a` before `b`, given that `known` are; at most `limit`.
    fn common(&self, a: usize, b: usize, known: usize, limit: usize) -> usize;
    fn byte(&self, at: usize) -> u8;
    /// The subtree at a place: two for each position, the smaller one first.
    fn child(&self, place: usize) -> u32;
    fn set_child(&mut self, place: usize, subtree: u32);
}

/// Puts a position at the root of its tree, and calls `emit` with length and offset of each position on
/// the way that matches more than `best` bytes and more than those before. `children` has two places
/// for each position of a window, of which there are a power of two.
#[inline(always)]
pub(super) fn descend(
    data: &[u8],
    children: &mut [u32],
    descent: Descent,
    best: usize,
    emit: impl FnMut(u32, u32),
) {
    if data.len() - descent.at < descent.longest + size_of::<u64>() {
        let mut memory = Checked { data, children };
        let mask = memory.children.len() / 2 - 1;
        walk(&mut memory, mask, descent, best, emit);
    } else {
        leaf::descend(data, children, descent, best, emit);
    }
}

/// The loop itself. Positions it asks for are below `descent.at`, places within twice `mask + 1`.
#[inline(always)]
fn walk(
    memory: &mut impl Memory,
    mask: usize,
    descent: Descent,
    mut best: usize,
    mut emit: impl FnMut(u32, u32),
) {
    let Descent {
        at,
        base,
        root,
        longest,
        depth,
    } = descent;
    // Older positions have lost their nodes. Others are at least `oldest` and below the new one.
    let oldest = base + at.saturating_sub(mask) as u32;
    let nodes = base + at as u32 - oldest;
    let mut candidate = root;
    // Where the next smaller and the next larger subtree are hung, and how much of the new position
    // everything there is known to share.
    let place = at & mask;
    let (mut smaller, mut larger) = (2 * place, 2 * place + 1);
    let (mut smaller_length, mut larger_length) = (0, 0);
    for _ in 0..depth {
        if candidate.wrapping_sub(oldest) >= nodes {
            break;
        }
        let from = (candidate - base) as usize;
        let node = 2 * (from & mask);
        let length = memory.common(from, at, smaller_length.min(larger_length), longest);
        if length > best {
            best = length;
            emit(length as u32, (at - from) as u32);
        }
        if length >= longest {
            // The new position takes the old one's place.
            memory.set_child(smaller, memory.child(node));
            memory.set_child(larger, memory.child(node + 1));
            return;
        }
        if memory.byte(from + length) < memory.byte(at + length) {
            memory.set_child(smaller, candidate);
            smaller = node + 1;
            smaller_length = length;
            candidate = memory.child(smaller);
        } else {
            memory.set_child(larger, candidate);
            larger = node;
            larger_length = length;
            candidate = memory.child(larger);
        }
    }
    memory.set_child(smaller, 0);
    memory.set_child(larger, 0);
}

struct Checked<'a> {
    data: &'a [u8],
    children: &'a mut [u32],
}

impl Memory for Checked<'_> {
    #[inline(always)]
    fn common(&self, a: usize, b: usize, known: usize, limit: usize) -> usize {
        super::tree::common(self.data, a, b, known, limit)
    }

    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.data[at]
    }

    #[inline(always)]
    fn child(&self, place: usize) -> u32 {
        self.children[place]
    }

    #[inline(always)]
    fn set_child(&mut self, place: usize, subtree: u32) {
        self.children[place] = subtree;
    }
}

mod leaf {
    #![allow(unsafe_code)]

    use super::{Descent, Memory, walk};

    /// The same without checks.
    ///
    /// # Panics
    /// Unless the window is a power of two and eight bytes follow the longest match.
    #[inline(always)]
    pub(super) fn descend(
        data: &[u8],
        children: &mut [u32],
        descent: Descent,
        best: usize,
        emit: impl FnMut(u32, u32),
    ) {
        let mask = children.len() / 2 - 1;
        assert!(children.len() == 2 * (mask + 1) && (mask + 1).is_power_of_two());
        let end = descent.at.checked_add(descent.longest + size_of::<u64>());
        assert!(end.is_some_and(|end| end <= data.len()));
        // The tests above are what the methods rely on: `walk` asks for bytes up to `longest` after
        // `at` and after positions before it, and for places of positions under `mask`.
        let mut memory = Unchecked { data, children };
        walk(&mut memory, mask, descent, best, emit);
    }

    struct Unchecked<'a> {
        data: &'a [u8],
        children: &'a mut [u32],
    }

    impl Unchecked<'_> {
        #[inline(always)]
        fn word(&self, at: usize) -> u64 {
            debug_assert!(at + size_of::<u64>() <= self.data.len());
            // SAFETY: `at` is at most `longest` after a position, and eight bytes follow.
            let word = unsafe { self.data.as_ptr().add(at).cast::<[u8; 8]>().read() };
            u64::from_le_bytes(word)
        }
    }

    impl Memory for Unchecked<'_> {
        #[inline(always)]
        fn common(&self, a: usize, b: usize, known: usize, limit: usize) -> usize {
            let mut length = known;
            while length < limit {
                let difference = self.word(a + length) ^ self.word(b + length);
                if difference != 0 {
                    return limit.min(length + (difference.trailing_zeros() >> 3) as usize);
                }
                length += size_of::<u64>();
            }
            limit
        }

        #[inline(always)]
        fn byte(&self, at: usize) -> u8 {
            debug_assert!(at < self.data.len());
            // SAFETY: as above.
            unsafe { *self.data.get_unchecked(at) }
        }

        #[inline(always)]
        fn child(&self, place: usize) -> u32 {
            debug_assert!(place < self.children.len());
            // SAFETY: twice a position under the mask, or one more.
            unsafe { *self.children.get_unchecked(place) }
        }

        #[inline(always)]
        fn set_child(&mut self, place: usize, subtree: u32) {
            debug_assert!(place < self.children.len());
            // SAFETY: as above.
            unsafe { *self.children.get_unchecked_mut(place) = subtree };
        }
    }
}
