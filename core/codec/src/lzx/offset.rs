//! Offset slots and the queue of recent offsets.
//!
//! An explicit offset is coded as *adjusted offset* = offset + 2, which leaves 0, 1 and 2 for the
//! recent ones; these have slots of their own (0, 1, 2). The adjusted offset's slot is given by its
//! highest bit and the bit below it, up to slot 35; above, slots are 2^17 wide.

/// Slots of the largest window.
pub(super) const MAX_SLOTS: usize = 50;
/// Added to an explicit offset.
pub(super) const ADJUST: u32 = 2;

/// Number of slots by window order.
pub(super) fn slots(order: u32) -> usize {
    match order {
        ..=19 => 2 * order as usize,
        20 => 42,
        _ => MAX_SLOTS,
    }
}

/// Extra bits of each slot.
pub(super) const EXTRA: [u8; MAX_SLOTS] = {
    let mut extra = [17; MAX_SLOTS];
    let mut slot = 0;
    while slot < 36 {
        extra[slot] = if slot < 4 { 0 } else { slot as u8 / 2 - 1 };
        slot += 1;
    }
    extra
};

/// The extra bits of a slot but for the lower three, if it has as many.
pub(super) fn upper_extra(slot: usize) -> u32 {
    let extra = u32::from(EXTRA[slot]);
    if extra < 3 { extra } else { extra - 3 }
}

/// The smallest adjusted offset of each slot.
pub(super) const BASE: [u32; MAX_SLOTS] = {
    let mut base = [0; MAX_SLOTS];
    let mut slot = 1;
    while slot < MAX_SLOTS {
        base[slot] = base[slot - 1] + (1 << EXTRA[slot - 1]);
        slot += 1;
    }
    base
};

/// The slot of an adjusted offset (0, 1 and 2 are their own slots).
#[inline(always)]
pub(super) fn slot(adjusted: u32) -> usize {
    if adjusted < 1 << 18 {
        let top = 31 - (adjusted | 1).leading_zeros();
        (2 * top + (adjusted >> top.saturating_sub(1) & 1)) as usize
    } else {
        34 + (adjusted >> 17) as usize
    }
}

/// The three most recent offsets, newest first, 21 bits each from the bottom up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recent(u64);

impl Recent {
    const BITS: u32 = 21;
    const MASK: u64 = (1 << Self::BITS) - 1;

    /// The queue at the start of a chunk.
    pub(super) const START: Recent = Recent(1 | 1 << Self::BITS | 1 << (2 * Self::BITS));

    /// The queue that an uncompressed block sets. Offsets that do not fit are larger than any window,
    /// and so is what stands for them.
    pub(super) fn of(offsets: [u32; 3]) -> Recent {
        let [a, b, c] = offsets.map(|offset| u64::from(offset).min(Self::MASK));
        Recent(a | b << Self::BITS | c << (2 * Self::BITS))
    }

    /// The offset at `index`, 0 to 2.
    #[inline(always)]
    pub(super) fn get(self, index: u32) -> u32 {
        (self.0 >> (Self::BITS * index) & Self::MASK) as u32
    }

    /// Whether an offset is in the queue.
    #[inline(always)]
    pub(super) fn contains(self, offset: u32) -> bool {
        (self.get(0) == offset) | (self.get(1) == offset) | (self.get(2) == offset)
    }

    /// The queue after using an adjusted offset.
    #[inline(always)]
    pub(super) fn after(self, adjusted: u32) -> Recent {
        // Without branches, since nobody can tell what comes.
        let shift = Self::BITS * (adjusted & 3);
        let differ = (self.0 ^ self.0 >> shift) & Self::MASK;
        let swapped = self.0 ^ differ ^ differ << shift;
        let pushed = (self.0 << Self::BITS | u64::from(adjusted.wrapping_sub(ADJUST)))
            & (u64::MAX >> (64 - 3 * Self::BITS));
        Recent(core::hint::select_unpredictable(
            adjusted > 2,
            pushed,
            swapped,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_cover_their_ranges() {
        for s in 0..MAX_SLOTS {
            assert_eq!(slot(BASE[s]), s);
            assert_eq!(slot(BASE[s] + (1 << EXTRA[s]) - 1), s);
        }
        assert_eq!(BASE[36], 262_144);
        assert_eq!((BASE[29], EXTRA[29]), (24576, 13));
        // The largest offset of a window belongs to its last slot.
        for order in 15..=21 {
            assert_eq!(slot((1 << order) - 3 + ADJUST), slots(order) - 1);
        }
    }

    #[test]
    fn queue_swaps_and_pushes() {
        let queue = Recent::START.after(5 + 2).after(6 + 2).after(7 + 2);
        let all = |q: Recent| [q.get(0), q.get(1), q.get(2)];
        assert_eq!(all(queue), [7, 6, 5]);
        assert_eq!(all(queue.after(0)), [7, 6, 5]);
        assert_eq!(all(queue.after(1)), [6, 7, 5]);
        assert_eq!(all(queue.after(2)), [5, 6, 7]);
        assert_eq!(all(queue.after((1 << 21) - 1)), [(1 << 21) - 3, 7, 6]);
    }
}
