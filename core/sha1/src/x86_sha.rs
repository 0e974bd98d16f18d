//! Rounds by the SHA instructions of x86 processors, for several streams by turns.
//!
//! An instruction does four rounds, which takes it several cycles, while another may begin in each: all lanes
//! do the same four rounds before any of them does the next.

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_extract_epi32, _mm_set_epi32, _mm_sha1msg1_epu32,
    _mm_sha1msg2_epu32, _mm_sha1nexte_epu32, _mm_sha1rnds4_epu32, _mm_xor_si128,
};

use super::Lane;
use crate::{Block, State};

/// The processor said that it has them.
#[derive(Clone, Copy)]
pub(super) struct Instructions(());

impl Instructions {
    /// Asks the processor.
    pub fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse4.1");
        has.then_some(Self(()))
    }

    /// Compresses as many blocks of each lane as the shortest has.
    pub fn advance<const N: usize>(self, mut lanes: [&mut Lane<'_>; N]) {
        let count = lanes
            .iter()
            .map(|lane| lane.blocks.len())
            .min()
            .unwrap_or(0);
        let blocks = lanes.each_mut().map(|lane| {
            let (now, later) = lane.blocks.split_at(count);
            lane.blocks = later;
            now
        });
        let states = lanes.map(|lane| &mut *lane.state);
        #[allow(unsafe_code, reason = "they are not in every processor")]
        // SAFETY: the processor said that it has the instructions.
        unsafe {
            compress(states, blocks);
        }
    }
}

/// What a stream has in registers.
#[derive(Clone, Copy)]
struct Vectors {
    /// The words A to D, A uppermost.
    abcd: __m128i,
    /// Uppermost the word E; after the first rounds, what becomes E when it is rotated.
    e: __m128i,
    /// The words of the message for four times four rounds, each time the first uppermost.
    message: [__m128i; 4],
}

/// Compresses blocks, the same number for each state.
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn compress<const N: usize>(states: [&mut State; N], blocks: [&[Block]; N]) {
    let none = _mm_set_epi32(0, 0, 0, 0);
    let mut lanes = [Vectors {
        abcd: none,
        e: none,
        message: [none; 4],
    }; N];
    for (lane, state) in lanes.iter_mut().zip(&states) {
        let [a, b, c, d, e] = state.map(u32::cast_signed);
        lane.abcd = _mm_set_epi32(a, b, c, d);
        lane.e = _mm_set_epi32(e, 0, 0, 0);
    }
    for number in 0..blocks.first().map_or(0, |blocks| blocks.len()) {
        let before = lanes;
        for (lane, blocks) in lanes.iter_mut().zip(&blocks) {
            lane.message = load(&blocks[number]);
        }
        rounds::<0, 0, N>(&mut lanes);
        rounds::<1, 0, N>(&mut lanes);
        rounds::<2, 0, N>(&mut lanes);
        rounds::<3, 0, N>(&mut lanes);
        rounds::<4, 0, N>(&mut lanes);
        rounds::<5, 1, N>(&mut lanes);
        rounds::<6, 1, N>(&mut lanes);
        rounds::<7, 1, N>(&mut lanes);
        rounds::<8, 1, N>(&mut lanes);
        rounds::<9, 1, N>(&mut lanes);
        rounds::<10, 2, N>(&mut lanes);
        rounds::<11, 2, N>(&mut lanes);
        rounds::<12, 2, N>(&mut lanes);
        rounds::<13, 2, N>(&mut lanes);
        rounds::<14, 2, N>(&mut lanes);
        rounds::<15, 3, N>(&mut lanes);
        rounds::<16, 3, N>(&mut lanes);
        rounds::<17, 3, N>(&mut lanes);
        rounds::<18, 3, N>(&mut lanes);
        rounds::<19, 3, N>(&mut lanes);
        for (lane, before) in lanes.iter_mut().zip(&before) {
            lane.abcd = _mm_add_epi32(lane.abcd, before.abcd);
            lane.e = _mm_sha1nexte_epu32(lane.e, before.e);
        }
    }
    for (lane, state) in lanes.iter().zip(states) {
        *state = [
            _mm_extract_epi32::<3>(lane.abcd),
            _mm_extract_epi32::<2>(lane.abcd),
            _mm_extract_epi32::<1>(lane.abcd),
            _mm_extract_epi32::<0>(lane.abcd),
            _mm_extract_epi32::<3>(lane.e),
        ]
        .map(i32::cast_unsigned);
    }
}

/// The words of a block.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn load(block: &Block) -> [__m128i; 4] {
    let words = block.as_chunks().0;
    [0, 4, 8, 12].map(|first| {
        let [a, b, c, d] = [0, 1, 2, 3].map(|number| i32::from_be_bytes(words[first + number]));
        _mm_set_epi32(a, b, c, d)
    })
}

/// Four rounds of every lane: the `GROUP`th of twenty, with the function and the constant number `FUNCTION`.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn rounds<const GROUP: usize, const FUNCTION: i32, const N: usize>(lanes: &mut [Vectors; N]) {
    for Vectors { abcd, e, message } in lanes {
        let [now, next, second, third] = [0, 1, 2, 3].map(|ahead| message[(GROUP + ahead) % 4]);
        let with_e = match GROUP {
            0 => _mm_add_epi32(*e, now),
            _ => _mm_sha1nexte_epu32(*e, now),
        };
        *e = *abcd;
        *abcd = _mm_sha1rnds4_epu32::<FUNCTION>(*abcd, with_e);
        // Sixteen rounds later come these words.
        if GROUP + 4 < 20 {
            let mixed = _mm_xor_si128(_mm_sha1msg1_epu32(now, next), second);
            message[GROUP % 4] = _mm_sha1msg2_epu32(mixed, third);
        }
    }
}
