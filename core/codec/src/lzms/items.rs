//! What encoder, decoder and parser agree on about items: recent sources and their places.

/// Entries of a list of recent sources.
pub(super) const RECENT: usize = 4;

/// Periods of the adaptive codes.
pub(super) mod period {
    pub(in super::super) const LITERAL: u32 = 1024;
    pub(in super::super) const LZ_OFFSET: u32 = 1024;
    pub(in super::super) const LENGTH: u32 = 512;
    pub(in super::super) const DELTA_OFFSET: u32 = 1024;
    pub(in super::super) const DELTA_POWER: u32 = 512;
}

/// Number of delta powers; the span of a delta match is two to the power.
pub(super) const POWERS: usize = 8;

/// The type of the item before, which decides whether the newest recent source can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Last {
    Literal,
    Lz,
    Delta,
}

/// Where an item's bytes come from, as the encoder writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From the chunk itself: literals, as many as the item is long.
    Literal,
    /// An offset, spelt out.
    Lz(u32),
    /// One of the three recent offsets that can be named.
    LzRecent(u8),
    /// A delta source (see [`pack_delta`]), spelt out.
    Delta(u32),
    /// One of the three recent delta sources that can be named.
    DeltaRecent(u8),
}

/// What the parser hands to the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) source: Source,
    pub(super) length: u32,
}

/// Largest raw offset of delta matches that fits [`pack_delta`]. Only chunks above 256 MiB could hold a
/// larger one; the encoder makes none, and the decoder keeps its sources in 64 bits.
pub(super) const MAX_RAW_OFFSET: u32 = (1 << 28) - 1;

/// Source of a delta match in one number: raw offset and, in the low three bits, the power.
pub(super) const fn pack_delta(power: u32, raw_offset: u32) -> u32 {
    raw_offset << 3 | power
}

/// The last four sources of matches of one type, newest first. Entries are meant by place: the same
/// source may stand in the list twice.
///
/// A match that follows a match of its type directly cannot name that one's source, for a longer match
/// would have done; so places count from the second entry then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecentList<T = u32>(pub(super) [T; RECENT]);

impl RecentList<u32> {
    pub(super) const LZ: Self = Self([1, 2, 3, 4]);
    pub(super) const DELTA: Self = Self([
        pack_delta(0, 1),
        pack_delta(0, 2),
        pack_delta(0, 3),
        pack_delta(0, 4),
    ]);
}

impl RecentList<u64> {
    /// The same at the decoder, where sources may be larger than an encoder makes them.
    pub(super) const WIDE_DELTA: Self = Self([1 << 3, 2 << 3, 3 << 3, 4 << 3]);
}

impl<T: Copy> RecentList<T> {
    /// Puts the source of an explicit match in front.
    #[inline(always)]
    pub(super) fn push(&mut self, source: T) {
        let [a, b, c, _] = self.0;
        self.0 = [source, a, b, c];
    }

    /// Moves the entry at a place to the front and returns it.
    #[inline(always)]
    pub(super) fn promote(&mut self, place: usize) -> T {
        let [a, b, c, d] = self.0;
        self.0 = match place {
            0 => [a, b, c, d],
            1 => [b, a, c, d],
            2 => [c, a, b, d],
            _ => [d, a, b, c],
        };
        self.0[0]
    }
}
