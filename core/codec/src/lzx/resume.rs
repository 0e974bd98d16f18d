//! Matches that go on behind a few other bytes.
//!
//! The parser keeps one queue of recent offsets for each position, that of the cheapest way there. What
//! this misses most is a match that costs a little more than others but whose offset serves again right
//! behind the next few bytes: records and instructions are like earlier ones but for a number or an
//! address. So a match, literals, and a match at the same offset are tried together, as one item.

use crate::matchfinder::position::Position;

use super::cost::{Model, RESUMED, Step};
use super::{MAX_MATCH, MIN_MATCH};

/// The most literals between the two matches.
const MAX_LITERALS: usize = 4;

/// A match, a few literals, and a match at the same offset, without the length of the last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resumed(u16);

impl Resumed {
    const FIRST: u32 = 9;

    fn new(first: usize, literals: usize) -> Self {
        Resumed((first | literals << Self::FIRST) as u16)
    }

    /// The length of the first match; 0 if there is none.
    #[inline(always)]
    pub(super) fn first(self) -> usize {
        usize::from(self.0) & ((1 << Self::FIRST) - 1)
    }

    /// The number of literals.
    #[inline(always)]
    pub(super) fn literals(self) -> usize {
        usize::from(self.0) >> Self::FIRST
    }
}

/// Eight bytes compared with those some offset before: where two or more agree again.
#[derive(Clone, Copy)]
pub(super) struct Gap {
    literals: usize,
    /// How many bytes are known to agree behind the literals.
    agree: usize,
    /// Whether there may be more of them.
    is_open: bool,
}

impl Gap {
    /// Looks for literals and two bytes that agree from byte `from` on, given in what bytes differ.
    #[inline(always)]
    pub(super) fn find(differ: u64, from: usize) -> Option<Gap> {
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        // Bytes that are not known do not agree.
        let differ = !(!differ >> (8 * from));
        let agree = !(((differ & LOW) + LOW) | differ | LOW);
        let pairs = agree & agree >> 8;
        let literals = pairs.trailing_zeros() as usize / 8;
        if literals.wrapping_sub(1) >= MAX_LITERALS {
            return None;
        }
        let behind = !(!differ >> (8 * literals));
        let agree = behind.trailing_zeros() as usize / 8;
        Some(Gap {
            literals,
            agree,
            is_open: from + literals + agree == 8,
        })
    }

    /// What comes after a first match of `first` bytes, unless it is too short or does not fit into `room`
    /// from the start of that.
    #[inline(always)]
    pub(super) fn tail<P: Position>(
        self,
        window: &P::Window,
        model: &Model,
        pos: usize,
        offset: usize,
        first: usize,
        room: usize,
    ) -> Option<Tail> {
        let Gap {
            literals, agree, ..
        } = self;
        let lead = first + literals;
        let most = room.min(MAX_MATCH).saturating_sub(lead);
        let at = pos + lead;
        let second = match self.is_open {
            true => P::match_length(window, at, at - offset, agree, most),
            false => agree.min(most),
        };
        if second < MIN_MATCH {
            return None;
        }
        let bytes = P::load(window, P::new(pos + first));
        let mut step = model.again(second) + Step::from(RESUMED);
        for (i, kept) in KEPT[literals].iter().enumerate() {
            // Without a branch, since nobody can guess how many there are.
            step += model.literal[(bytes >> (8 * i)) as usize & 0xff] * kept;
        }
        Some(Tail {
            resumed: Resumed::new(first, literals),
            step,
            total: lead + second,
        })
    }
}

/// What follows the first match.
#[derive(Clone, Copy)]
pub(super) struct Tail {
    pub(super) resumed: Resumed,
    /// What it costs.
    pub(super) step: Step,
    /// The length of all parts together.
    pub(super) total: usize,
}

/// By number of literals, 1 for each of them.
static KEPT: [[Step; MAX_LITERALS]; MAX_LITERALS + 1] = {
    let mut kept = [[0.0; MAX_LITERALS]; MAX_LITERALS + 1];
    let mut literals = 0;
    while literals <= MAX_LITERALS {
        let mut i = 0;
        while i < literals {
            kept[literals][i] = 1.0;
            i += 1;
        }
        literals += 1;
    }
    kept
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gaps_are_where_bytes_differ(bytes in prop::array::uniform8(0u8..3), from in 0usize..8) {
            // Bytes before `from` agree in the parser's use, but what they are must not matter.
            let differ = u64::from_le_bytes(bytes);
            let agrees = |i: usize| i < 8 && bytes[i] == 0;
            let naive = (from..8).find(|&i| agrees(i) && agrees(i + 1));
            let naive = naive.filter(|i| (1..=MAX_LITERALS).contains(&(i - from)));
            let gap = Gap::find(differ, from);
            prop_assert_eq!(gap.map(|gap| from + gap.literals), naive);
            if let (Some(gap), Some(at)) = (gap, naive) {
                let end = (at..).find(|&i| !agrees(i)).unwrap_or(8);
                prop_assert_eq!(gap.agree, end - at);
                prop_assert_eq!(gap.is_open, end == 8);
            }
        }
    }
}
