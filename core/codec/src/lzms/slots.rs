//! Slots: how offsets and lengths are cut into a symbol and extra bits.
//!
//! A value is coded as the number of the interval it lies in (its *slot*, an adaptive Huffman symbol)
//! followed by its distance from the interval's start. Both kinds of slot are described by runs of
//! intervals of equal width: a run of `count` slots with `extra` bits each. Everything else, bases
//! included, follows from the runs, and the first value of both kinds is 1.
//!
//! Two neighbouring runs never begin within the same power of two except at the very end, so the slot
//! of an offset is found without a table of offsets: the position of its highest bit names a run, one
//! comparison may advance to the next, and a shift finds the slot within the run.

/// Slots of offsets that exist in the largest chunk.
pub(super) const OFFSET_SLOTS: usize = 799;
/// Slots of match lengths.
pub(super) const LENGTH_SLOTS: usize = 54;
/// The largest value an offset slot can express.
pub(super) const MAX_OFFSET: u32 = 1_180_427_428;

/// (extra bits, number of slots)
const OFFSET_RUNS: [(u8, u16); 21] = [
    (0, 8),
    (2, 9),
    (3, 7),
    (4, 10),
    (5, 15),
    (6, 15),
    (7, 20),
    (8, 20),
    (9, 30),
    (10, 33),
    (11, 40),
    (12, 42),
    (13, 45),
    (14, 60),
    (15, 73),
    (16, 80),
    (17, 85),
    (18, 95),
    (19, 105),
    (20, 6),
    (30, 1),
];
const LENGTH_RUNS: [(u8, u16); 13] = [
    (0, 26),
    (1, 4),
    (2, 6),
    (3, 4),
    (4, 5),
    (5, 2),
    (6, 1),
    (7, 1),
    (8, 1),
    (9, 1),
    (10, 1),
    (16, 1),
    (30, 1),
];

/// Base value and extra bits of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) base: u32,
    pub(super) extra: u32,
}

const fn expand<const N: usize, const R: usize>(runs: &[(u8, u16); R]) -> [Slot; N] {
    let mut slots = [Slot { base: 0, extra: 0 }; N];
    let (mut run, mut at, mut base) = (0, 0, 1u32);
    while run < R {
        let (extra, count) = runs[run];
        let mut i = 0;
        while i < count {
            slots[at] = Slot {
                base,
                extra: extra as u32,
            };
            base = base.saturating_add(1 << extra);
            at += 1;
            i += 1;
        }
        run += 1;
    }
    slots
}

pub(super) static OFFSETS: [Slot; OFFSET_SLOTS] = expand(&OFFSET_RUNS);
pub(super) static LENGTHS: [Slot; LENGTH_SLOTS] = expand(&LENGTH_RUNS);

/// A run of offset slots, as wanted for looking up.
#[derive(Clone, Copy)]
struct Run {
    first_value: u32,
    first_slot: u32,
    extra: u32,
    /// First value of the run after this one.
    end: u32,
}

const RUNS: [Run; 22] = {
    let mut runs = [Run {
        first_value: MAX_OFFSET,
        first_slot: 798,
        extra: 30,
        end: u32::MAX,
    }; 22];
    let (mut i, mut value, mut slot) = (0, 1u32, 0u32);
    while i < 21 {
        let (extra, count) = OFFSET_RUNS[i];
        let end = value.saturating_add((count as u32) << extra);
        runs[i] = Run {
            first_value: value,
            first_slot: slot,
            extra: extra as u32,
            end,
        };
        value = end;
        slot += count as u32;
        i += 1;
    }
    runs
};

/// For each position of the highest bit, the run that the smallest such value lies in, and the next.
static RUNS_BY_BIT: [[Run; 2]; 32] = {
    let mut table = [[RUNS[20], RUNS[20]]; 32];
    let mut bit = 0;
    while bit < 31 {
        let value = 1u32 << bit;
        let mut run = 0;
        while run < 20 && value >= RUNS[run].end {
            run += 1;
        }
        let next = if run < 20 { run + 1 } else { run };
        table[bit] = [RUNS[run], RUNS[next]];
        bit += 1;
    }
    table
};

/// First value of the last offset slot, whose run shares a highest bit with two others.
const LAST_OFFSET_SLOT: u32 = 106_685_605;

/// The slot that an offset (at least 1) lies in.
#[inline]
pub(super) fn offset_slot(offset: u32) -> usize {
    if offset >= LAST_OFFSET_SLOT {
        return OFFSET_SLOTS - 1;
    }
    let pair = &RUNS_BY_BIT[(offset | 1).ilog2() as usize];
    let run = &pair[usize::from(offset >= pair[0].end)];
    (run.first_slot + (offset.wrapping_sub(run.first_value) >> run.extra)) as usize
}

/// Lengths below this have their slot in a table.
const SHORT_LENGTHS: usize = 1195;

static LENGTH_SLOT: [u8; SHORT_LENGTHS] = {
    let mut table = [0; SHORT_LENGTHS];
    let slots: [Slot; LENGTH_SLOTS] = expand(&LENGTH_RUNS);
    let (mut length, mut slot) = (1, 0);
    while length < SHORT_LENGTHS {
        while length as u32 >= slots[slot + 1].base {
            slot += 1;
        }
        table[length] = slot as u8;
        length += 1;
    }
    table
};

/// The slot that a match length (at least 1) lies in.
#[inline]
pub(super) fn length_slot(length: u32) -> usize {
    match LENGTH_SLOT.get(length as usize) {
        Some(&slot) => usize::from(slot),
        None if length < LENGTHS[52].base => 51,
        None if length < LENGTHS[53].base => 52,
        None => 53,
    }
}

/// Number of offset slots in use for a chunk of `size` bytes: those that a match could need.
pub(super) fn offset_slots(size: usize) -> usize {
    let most = u32::try_from(size).unwrap_or(u32::MAX).saturating_sub(1);
    if most == 0 { 0 } else { offset_slot(most) + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_agree_with_the_known_corners() {
        assert_eq!(OFFSETS[798].base, 106_685_605);
        assert_eq!(OFFSETS[792].base, 100_394_149);
        assert_eq!(OFFSETS[167].base, 58_533);
        assert_eq!(LENGTHS[52].base, 2_219);
        assert_eq!(LENGTHS[53].base, 67_755);
        for (size, slots) in [
            (3, 2),
            (1 << 15, 142),
            (1 << 16, 171),
            (1 << 17, 203),
            (1 << 18, 237),
            (1 << 20, 317),
            (1 << 26, 729),
            (1 << 30, 799),
        ] {
            assert_eq!(offset_slots(size), slots, "{size}");
        }
    }

    #[test]
    fn every_slot_is_found_at_both_ends() {
        for (i, slot) in OFFSETS.iter().enumerate() {
            assert_eq!(offset_slot(slot.base), i);
            let last = OFFSETS.get(i + 1).map_or(MAX_OFFSET, |next| next.base - 1);
            assert_eq!(offset_slot(last), i);
        }
        for (i, slot) in LENGTHS.iter().enumerate() {
            assert_eq!(length_slot(slot.base), i);
            let last = LENGTHS
                .get(i + 1)
                .map_or(1_073_809_578, |next| next.base - 1);
            assert_eq!(length_slot(last), i);
        }
    }
}
