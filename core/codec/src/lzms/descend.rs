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
/// for each position.
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
        walk(&mut memory, descent, best, emit);
    } else {
        leaf::descend(data, children, descent, best, emit);
    }
}

/// The loop itself. It goes to positions before `descent.at` and uses the places of those and of that.
#[inline(always)]
fn walk(
    memory: &mut impl Memory,
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
    let mut candidate = root;
    // Where the next smaller and the next larger subtree are hung, and how much of the new position
    // everything there is known to share.
    let (mut smaller, mut larger) = (2 * at, 2 * at + 1);
    let (mut smaller_length, mut larger_length) = (0, 0);
    for _ in 0..depth {
        // What other chunks left behind, and the end of the way, is below `base`.
        let from = candidate.wrapping_sub(base) as usize;
        if from >= at {
            break;
        }
        let node = 2 * from;
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
    /// Unless there are places for the position and eight bytes follow the longest match.
    #[inline(always)]
    pub(super) fn descend(
        data: &[u8],
        children: &mut [u32],
        descent: Descent,
        best: usize,
        emit: impl FnMut(u32, u32),
    ) {
        assert!(children.len() / 2 > descent.at);
        let after = data.len().checked_sub(descent.at);
        let spare = after.and_then(|after| after.checked_sub(descent.longest));
        assert!(spare.is_some_and(|spare| spare >= size_of::<u64>()));
        // These are what the methods rely on: `walk` goes from `at` to positions before it only, as it
        // leaves at any other candidate; it compares less than `longest` bytes there, a word at a time;
        // and the places it asks for are twice one of these positions, and the one after.
        let mut memory = Unchecked { data, children };
        walk(&mut memory, descent, best, emit);
    }

    struct Unchecked<'a> {
        data: &'a [u8],
        children: &'a mut [u32],
    }

    impl Unchecked<'_> {
        #[inline(always)]
        fn word(&self, at: usize) -> u64 {
            debug_assert!(at + size_of::<u64>() <= self.data.len());
            // SAFETY: `at` is less than `longest` after a position, so eight bytes are left.
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
            // SAFETY: `at` is less than `longest` after a position.
            unsafe { *self.data.get_unchecked(at) }
        }

        #[inline(always)]
        fn child(&self, place: usize) -> u32 {
            debug_assert!(place < self.children.len());
            // SAFETY: `place` is twice a position that has places, or one more.
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

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    /// Few different bytes, so that trees are deep and matches long.
    fn sample(size: usize) -> Vec<u8> {
        let mut state = 7u32;
        (0..size)
            .map(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if at % 90 < 40 {
                    b'a'
                } else {
                    b'a' + (state >> 30) as u8
                }
            })
            .collect()
    }

    /// Both kinds of memory, up to the last position that unchecked memory may be used for.
    #[test]
    fn unchecked_as_checked() {
        let data = sample(400);
        let positions = data.len() - size_of::<u64>() + 1;
        for (most, depth) in [(8, 4), (20, 3), (40, 50)] {
            let [mut checked, mut unchecked] = [(); 2].map(|()| vec![0; 2 * positions]);
            let base = 5;
            let mut root = 0;
            for at in 0..positions {
                let longest = most.min(data.len() - size_of::<u64>() - at);
                let descent = Descent {
                    at,
                    base,
                    root: core::mem::replace(&mut root, base + at as u32),
                    longest,
                    depth,
                };
                let [mut found, mut expected] = [const { Vec::new() }; 2];
                let mut memory = Checked {
                    data: &data,
                    children: &mut checked,
                };
                walk(&mut memory, descent, 1, |length, offset| {
                    expected.push((length, offset));
                });
                leaf::descend(&data, &mut unchecked, descent, 1, |length, offset| {
                    found.push((length, offset));
                });
                assert_eq!(found, expected, "{at}");
                assert_eq!(unchecked, checked, "{at}");
                for (length, offset) in found {
                    let (length, from) = (length as usize, at - offset as usize);
                    assert!(
                        length <= longest && data[from..from + length] == data[at..at + length]
                    );
                }
            }
        }
    }

    #[test]
    #[should_panic]
    fn unchecked_memory_wants_room_for_a_word() {
        let descent = Descent {
            at: 10,
            base: 1,
            root: 0,
            longest: usize::MAX - 4,
            depth: 1,
        };
        leaf::descend(&[0; 64], &mut [0; 32], descent, 1, |_, _| ());
    }
}
