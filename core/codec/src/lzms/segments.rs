//! Finding matches in large chunks, segment by segment.
//!
//! Within a segment all nearest matches are known from its [intervals](super::intervals), which take nine
//! bytes for each of text. So a chunk of many megabytes is cut into segments, and earlier ones are reached
//! through [tables](super::far) of long hashes. The end of a segment is also the start of the next one's
//! text, so that nothing near is lost where they meet.

use alloc::vec::Vec;
use core::ops::Range;

use super::{
    far::FarTables,
    intervals::{Intervals, MAX_SHARED},
    parse::GivenUp,
    tree::{Finder, Match, Thoroughness, common},
};

/// Longest text of a segment.
const MAX_TEXT: usize = 34 << 20;

/// Working memory.
#[derive(Debug)]
pub(super) struct Segments {
    intervals: Intervals,
    far: FarTables,
    /// The current segment.
    segment: Range<usize>,
    /// Where its text begins.
    oldest: usize,
    cut: Cut,
    /// Most bytes of a segment's text.
    most: usize,
}

/// How a chunk is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    /// Bytes of each segment, but the last may be shorter.
    length: usize,
    /// Bytes before it that are part of its text.
    overlap: usize,
}

impl Cut {
    /// Into as few segments as can be, all alike, so that a text has no more than `most` bytes.
    fn new(chunk: usize, most: usize) -> Self {
        let count = chunk.div_ceil(most);
        if count == 1 {
            return Self {
                length: chunk,
                overlap: 0,
            };
        }
        let count = chunk.div_ceil(most - most / 32);
        let length = chunk.div_ceil(count);
        Self {
            length,
            overlap: (most - length).min(length / 4),
        }
    }
}

impl Segments {
    /// Matches of `nice` bytes need not be told from longer ones.
    pub(super) fn new(nice: usize) -> Self {
        Self {
            intervals: Intervals::new(nice),
            far: FarTables::new(),
            segment: 0..0,
            oldest: 0,
            cut: Cut::new(1, MAX_TEXT),
            most: MAX_TEXT,
        }
    }

    /// Bytes of memory for chunks of `size` bytes.
    pub(super) fn memory(size: usize) -> usize {
        let Cut { length, overlap } = Cut::new(size, MAX_TEXT);
        let far = if length < size {
            FarTables::memory(size)
        } else {
            0
        };
        Intervals::memory(size.min(length + overlap + MAX_SHARED)) + far
    }

    /// Starts a chunk of `size` bytes. The search asks `stop` now and then.
    pub(super) fn search<'a>(&'a mut self, size: usize, stop: &'a dyn Fn() -> bool) -> Search<'a> {
        self.cut = Cut::new(size, self.most);
        self.segment = 0..0;
        self.oldest = 0;
        if self.cut.length < size {
            self.far.begin(size);
        }
        Search {
            segments: self,
            stop,
            given_up: false,
        }
    }

    /// Turns to the segment that begins at `at`.
    fn enter(&mut self, data: &[u8], at: usize, stop: &dyn Fn() -> bool) -> Result<(), GivenUp> {
        let Cut { length, overlap } = self.cut;
        if length < data.len() {
            self.far.remember(data, self.segment.clone());
        }
        self.segment = at..data.len().min(at + length);
        self.oldest = at.saturating_sub(overlap);
        // Matches at the end of the segment lead past it.
        let end = data.len().min(self.segment.end + self.intervals.limit());
        self.intervals.build(&data[self.oldest..end], stop)?;
        for place in 0..at - self.oldest {
            self.intervals.skip(place);
        }
        Ok(())
    }
}

/// A search for matches in one chunk.
pub(super) struct Search<'a> {
    segments: &'a mut Segments,
    stop: &'a dyn Fn() -> bool,
    given_up: bool,
}

impl Search<'_> {
    /// Sees to it that `at`, the next position, is in the current segment.
    #[inline(always)]
    fn reach(&mut self, data: &[u8], at: usize) {
        if at == self.segments.segment.end {
            self.turn(data, at);
        }
    }

    #[cold]
    fn turn(&mut self, data: &[u8], at: usize) {
        self.given_up |= self.segments.enter(data, at, self.stop).is_err();
    }

    /// Whether the search was stopped.
    pub(super) fn given_up(&self) -> bool {
        self.given_up
    }
}

impl Finder for Search<'_> {
    #[inline(always)]
    fn find(&mut self, data: &[u8], at: usize, longest: usize, found: &mut Vec<Match>) {
        found.clear();
        self.reach(data, at);
        if self.given_up {
            return;
        }
        let segments = &mut *self.segments;
        let limit = segments.intervals.limit();
        let met = segments.intervals.find(at - segments.oldest);
        if let Some(first) = met.first_mut()
            && first.length as usize == limit
        {
            first.length = common(data, at - first.offset as usize, at, limit, longest) as u32;
        }
        found.extend(met.iter().rev());
        if segments.oldest > 0 {
            segments.far.announce(data, at);
            segments.far.find(data, at, segments.oldest, longest, found);
        }
    }

    /// What is sorted is found at once.
    fn set_thoroughness(&mut self, _: Thoroughness) {}

    #[inline(always)]
    fn skip(&mut self, data: &[u8], at: usize, count: usize) {
        for at in at..at + count {
            self.reach(data, at);
            if self.given_up {
                return;
            }
            let segments = &mut *self.segments;
            segments.intervals.skip(at - segments.oldest);
            if segments.oldest > 0 {
                segments.far.announce(data, at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// Text that repeats parts of itself from all distances.
    fn text() -> Vec<u8> {
        let mut state = 1u32;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        let mut text = vec![b'a'; 40];
        while text.len() < 60_000 {
            if random(4) == 0 {
                text.extend((0..random(60)).map(|_| random(256) as u8));
            } else {
                let length = 4 + random(200);
                let from = random(text.len().saturating_sub(length).max(1));
                text.extend_from_within(from..text.len().min(from + length));
            }
        }
        text
    }

    #[test]
    fn matches_are_found_across_segments() {
        let text = text();
        let run = |most: usize| {
            let mut segments = Segments::new(64);
            segments.most = most;
            let mut search = segments.search(text.len(), &|| false);
            let (mut found, mut covered, mut at) = (Vec::new(), 0, 0);
            while at < text.len() {
                let longest = 64.min(text.len() - at);
                search.find(&text, at, longest, &mut found);
                for pair in found.windows(2) {
                    assert!(pair[0].length < pair[1].length);
                }
                for &Match { length, offset } in &found {
                    let (length, from) = (length as usize, at - offset as usize);
                    assert!(length <= longest);
                    assert_eq!(text[at..at + length], text[from..from + length]);
                }
                let length = found.last().map_or(0, |last| last.length as usize);
                covered += if length >= 12 { length } else { 0 };
                search.skip(&text, at + 1, length.max(1) - 1);
                at += length.max(1);
            }
            covered
        };
        let whole = run(1 << 20);
        assert!(whole > text.len() / 2);
        for most in [40_000, 10_000, 5_000] {
            assert!(run(most) > whole - whole / 20, "{most}");
        }
    }

    #[test]
    fn chunks_are_cut_into_few_segments() {
        let cut = |length, overlap| Cut { length, overlap };
        assert_eq!(Cut::new(20 << 20, MAX_TEXT), cut(20 << 20, 0));
        assert_eq!(Cut::new(34 << 20, MAX_TEXT), cut(34 << 20, 0));
        assert_eq!(Cut::new(64 << 20, MAX_TEXT), cut(32 << 20, 2 << 20));
        for size in (1..2000).step_by(7) {
            let Cut { length, overlap } = Cut::new(size << 19, MAX_TEXT);
            assert!(length + overlap <= MAX_TEXT);
        }
    }

    #[test]
    fn a_search_can_be_stopped() {
        let text = text();
        let mut segments = Segments::new(64);
        let mut search = segments.search(text.len(), &|| true);
        search.find(&text, 0, 64, &mut Vec::new());
        assert!(search.given_up());
        // And the memory be used again.
        let mut search = segments.search(text.len(), &|| false);
        search.find(&text, 0, 64, &mut Vec::new());
        assert!(!search.given_up());
    }
}
