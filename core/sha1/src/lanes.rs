//! Blocks of several streams, side by side.

use super::{Block, State};

/// How many streams are compressed at once at most: with more, nothing is gained.
pub const LANES: usize = 4;

/// The blocks of a stream that are to be compressed into its state.
pub(super) struct Lane<'a> {
    pub state: &'a mut State,
    pub blocks: &'a [Block],
}

/// Compresses the blocks of all streams. As one ends, another takes its lane.
pub(super) fn compress<'a>(streams: impl Iterator<Item = Lane<'a>>) {
    let mut streams = streams.filter(|lane| !lane.blocks.is_empty());
    let Some(instructions) = sha::Instructions::detect() else {
        for lane in streams {
            sha1::block_api::compress(lane.state, lane.blocks);
        }
        return;
    };
    let mut lanes: [Option<Lane<'a>>; LANES] = [const { None }; LANES];
    loop {
        lanes
            .iter_mut()
            .filter(|lane| lane.is_none())
            .for_each(|lane| *lane = streams.next());
        let mut busy = lanes.iter_mut().flatten();
        match [busy.next(), busy.next(), busy.next(), busy.next()] {
            [Some(a), Some(b), Some(c), Some(d)] => instructions.advance([a, b, c, d]),
            [Some(a), Some(b), Some(c), None] => instructions.advance([a, b, c]),
            [Some(a), Some(b), None, None] => instructions.advance([a, b]),
            [Some(a), ..] => instructions.advance([a]),
            [None, ..] => return,
        }
        for lane in &mut lanes {
            lane.take_if(|lane| lane.blocks.is_empty());
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[path = "x86_sha.rs"]
mod sha;

#[cfg(not(target_arch = "x86_64"))]
mod sha {
    use super::Lane;

    /// Never.
    #[derive(Clone, Copy)]
    pub(super) enum Instructions {}

    impl Instructions {
        pub fn detect() -> Option<Self> {
            None
        }

        pub fn advance<const N: usize>(self, _: [&mut Lane<'_>; N]) {
            match self {}
        }
    }
}
