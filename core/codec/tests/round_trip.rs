//! What is compressed decompresses to itself: every format, chunk size and a choice of levels.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use wimforge_codec::{Compressor, DecodeError, Decompressor, Format, Level};

/// Formats that can be compressed, with their chunk sizes up to a limit that keeps tests quick.
fn chunk_sizes(format: Format) -> Vec<u32> {
    let (least, most) = format.chunk_sizes();
    let sizes = std::iter::successors(Some(least), move |size| (*size < most).then(|| size * 2));
    sizes.filter(|&size| size <= 1 << 21).collect()
}

/// Pieces of several kinds, many of them repeats of earlier ones.
fn data(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Piece::Fresh),
        prop::collection::vec(b'a'..=b'e', 1..60).prop_map(Piece::Fresh),
        (any::<u8>(), 1usize..600).prop_map(|(byte, count)| Piece::Run(byte, count)),
        (any::<u32>(), 2usize..400).prop_map(|(back, count)| Piece::Repeat(back, count)),
        any::<i32>().prop_map(|operand| {
            let mut call = vec![0xe8];
            call.extend(operand.to_le_bytes());
            Piece::Fresh(call)
        }),
    ];
    prop::collection::vec(piece, 1..120).prop_map(move |pieces| {
        let mut out = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Fresh(bytes) => out.extend(bytes),
                Piece::Run(byte, count) => out.extend(std::iter::repeat_n(byte, count)),
                Piece::Repeat(back, count) => {
                    if out.is_empty() {
                        continue;
                    }
                    let offset = 1 + back as usize % out.len();
                    for _ in 0..count {
                        out.push(out[out.len() - offset]);
                    }
                }
            }
        }
        out.push(0);
        out.truncate(most);
        out
    })
}

#[derive(Clone, Debug)]
enum Piece {
    Fresh(Vec<u8>),
    Run(u8, usize),
    Repeat(u32, usize),
}

fn check(compressor: &mut Compressor, chunk_size: u32, plain: &[u8]) -> Option<Vec<u8>> {
    let mut packed = vec![0; plain.len().saturating_sub(1)];
    let size = compressor.compress(plain, &mut packed)?;
    assert!(size < plain.len());
    packed.truncate(size);
    let mut unpacked = vec![0xaa; plain.len()];
    Decompressor::new(compressor.format(), chunk_size)
        .unwrap()
        .decompress(&packed, &mut unpacked)
        .unwrap();
    assert!(unpacked == plain, "{:?} {chunk_size}", compressor.format());
    Some(packed)
}

#[test]
fn whatever_is_left_of_a_run() {
    for format in [Format::Xpress, Format::Lzx, Format::Lzms] {
        let (chunk_size, _) = format.chunk_sizes();
        for level in [20, 50] {
            let mut compressor = Compressor::new(format, chunk_size, Level(level)).unwrap();
            for size in 200..900 {
                check(&mut compressor, chunk_size, &vec![0; size]);
            }
        }
    }
}

const LEVELS: [u32; 10] = [1, 10, 20, 30, 35, 50, 70, 85, 100, 200];

fn round_trips(format: Format, plain: &[u8], level: u32) {
    for chunk_size in chunk_sizes(format) {
        let plain = &plain[..plain.len().min(chunk_size as usize)];
        let mut compressor = Compressor::new(format, chunk_size, Level(level)).unwrap();
        let first = check(&mut compressor, chunk_size, plain);
        // Working state is reused; it must not show.
        check(&mut compressor, chunk_size, &plain[plain.len() / 3..]);
        assert_eq!(first, check(&mut compressor, chunk_size, plain));
        // A smaller output buffer than needed gives nothing.
        if let Some(packed) = first {
            let mut short = vec![0; packed.len() - 1];
            assert_eq!(compressor.compress(plain, &mut short), None);
            let mut exact = vec![0; packed.len()];
            assert_eq!(compressor.compress(plain, &mut exact), Some(packed.len()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn xpress(plain in data(1 << 16), level in prop::sample::select(&LEVELS[..])) {
        round_trips(Format::Xpress, &plain, level);
    }

    #[test]
    fn lzx(plain in data(1 << 18), level in prop::sample::select(&LEVELS[..])) {
        round_trips(Format::Lzx, &plain, level);
    }
}

/// Text of pseudo-random words: enough structure for matches, enough noise for codes.
fn text(size: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    };
    let mut out = Vec::with_capacity(size + 16);
    while out.len() < size {
        let word = next() % 3000 * (next() % 7 + 1);
        out.extend(format!("{word:x} ").bytes());
        if next() % 50 == 0 {
            out.extend((word * 77).to_le_bytes());
        }
    }
    out.truncate(size);
    out
}

#[test]
fn full_chunks_at_every_level() {
    for format in [Format::Xpress, Format::Lzx] {
        for chunk_size in chunk_sizes(format) {
            let plain = text(chunk_size as usize);
            for level in LEVELS {
                if chunk_size > 1 << 19 && ![20, 50, 100].contains(&level) {
                    continue;
                }
                let mut compressor = Compressor::new(format, chunk_size, Level(level)).unwrap();
                let packed = check(&mut compressor, chunk_size, &plain).unwrap();
                assert!(packed.len() < plain.len() * 2 / 3);
            }
        }
    }
}

/// Parsing for the cheapest items pays, and more so with more passes.
#[test]
fn xpress_levels_are_in_order() {
    let plain = text(1 << 16);
    let sizes = [50, 55, 60, 75, 100, 150].map(|level| {
        let mut compressor = Compressor::new(Format::Xpress, 1 << 16, Level(level)).unwrap();
        check(&mut compressor, 1 << 16, &plain).unwrap().len()
    });
    assert!(sizes.is_sorted_by(|more, less| more >= less), "{sizes:?}");
    assert!(sizes[5] * 100 < sizes[0] * 98, "{sizes:?}");
}

/// Numbers as a simple generator gives them.
fn numbers() -> impl FnMut(u32) -> u32 {
    let mut state = 1u32;
    move |below| {
        state = state.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
        (state >> 8) % below
    }
}

/// The size of a chunk of 32 KiB.
fn compressed(format: Format, level: u32, plain: &[u8]) -> usize {
    let mut compressor = Compressor::new(format, 1 << 15, Level(level)).unwrap();
    check(&mut compressor, 1 << 15, plain).unwrap().len()
}

/// Where nothing repeats but three bytes at a time, these are matches however far away they are.
#[test]
fn distant_words_of_three_bytes() {
    let mut number = numbers();
    let words: Vec<u32> = (0..2000).map(|_| number(1 << 24)).collect();
    let mut plain = Vec::new();
    for _ in 0..10_000 {
        plain.extend(&words[number(2000) as usize].to_le_bytes()[..3]);
    }
    for (format, most) in [(Format::Xpress, 23_000), (Format::Lzx, 22_500)] {
        for level in [20, 50, 55] {
            let size = compressed(format, level, &plain);
            assert!(size < most, "{format:?}:{level} {size}");
        }
    }
}

/// In a table, most bytes are those of the line before: its length is the offset to keep.
#[test]
fn tables_of_numbers() {
    let mut number = numbers();
    let (mut plain, mut place) = (Vec::new(), 30_000u32);
    for _ in 0..4000 {
        let length = 4 + number(40);
        place += length + 1;
        plain.extend(length.to_le_bytes());
        plain.extend(place.to_le_bytes());
    }
    let size = compressed(Format::Lzx, 20, &plain);
    assert!(size < 12_200, "{size}");
}

/// Matches that reach from the very end of a full window to its very start are beyond LZX.
#[test]
fn ends_of_a_full_window() {
    for format in [Format::Xpress, Format::Lzx] {
        for chunk_size in [1 << 15, 1 << 16] {
            for tail in 2..12 {
                let mut plain = text(chunk_size as usize);
                let size = plain.len();
                for (i, byte) in b"#~#~`|!^&*=+".iter().take(tail).enumerate() {
                    plain[i] = *byte;
                    plain[size - tail + i] = *byte;
                }
                for level in [20, 50, 100] {
                    let mut compressor = Compressor::new(format, chunk_size, Level(level)).unwrap();
                    check(&mut compressor, chunk_size, &plain).unwrap();
                }
            }
        }
    }
}

#[test]
fn degenerate_chunks() {
    for format in [Format::Xpress, Format::Lzx] {
        for chunk_size in chunk_sizes(format) {
            for level in LEVELS {
                let mut compressor = Compressor::new(format, chunk_size, Level(level)).unwrap();
                for size in [
                    1,
                    2,
                    3,
                    10,
                    48,
                    63,
                    64,
                    100,
                    261,
                    300,
                    1000,
                    chunk_size as usize,
                ] {
                    if size > 1 << 17 && level != 50 {
                        continue;
                    }
                    for plain in [
                        vec![0; size],
                        vec![0xe8; size],
                        (0..size).map(|i| i as u8).collect(),
                        b"ab".iter().copied().cycle().take(size).collect(),
                        noise(size),
                    ] {
                        check(&mut compressor, chunk_size, &plain);
                    }
                }
                assert_eq!(compressor.compress(&[], &mut []), None);
                let too_long = vec![0; chunk_size as usize + 1];
                assert_eq!(compressor.compress(&too_long, &mut [0; 4096]), None);
            }
        }
    }
}

fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x1234_5678_9abc_def1u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..size).map(|_| byte()).collect()
}

/// Decoders reject or accept broken streams, but never panic, and always leave within bounds.
#[test]
fn broken_streams() {
    let plain = text(40_000);
    let mut state = 7u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    for (format, chunk_size) in [
        (Format::Xpress, 1 << 15),
        (Format::Lzx, 1 << 15),
        (Format::Lzx, 1 << 17),
    ] {
        let plain = &plain[..plain.len().min(chunk_size as usize)];
        let mut packed = vec![0; plain.len()];
        let size = Compressor::new(format, chunk_size, Level(50))
            .unwrap()
            .compress(plain, &mut packed)
            .unwrap();
        packed.truncate(size);
        let mut decompressor = Decompressor::new(format, chunk_size).unwrap();
        let mut unpacked = vec![0; plain.len()];
        for round in 0..4000 {
            let mut broken = packed.clone();
            for _ in 0..1 + round % 3 {
                // Early bytes hold the codes: break them more often.
                let most = if next() % 2 == 0 { 400 } else { broken.len() };
                let at = next() % most;
                broken[at] ^= 1 << (next() % 8);
            }
            if round % 4 == 0 {
                broken.truncate(next() % broken.len());
            }
            let _ = decompressor.decompress(&broken, &mut unpacked);
        }
        for cut in 1..40 {
            let result = decompressor.decompress(&packed[..size - cut], &mut unpacked);
            // XPRESS streams may end in a unit nobody needs.
            if format == Format::Lzx || cut > 4 {
                assert!(result.is_err());
            }
        }
        let mut long = vec![0; chunk_size as usize + 1];
        assert_eq!(
            decompressor.decompress(&packed, &mut long),
            Err(DecodeError::OutputTooLarge)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Every format with every chunk size and level, in blocks of up to 4 MiB.
    #[test]
    fn large_blocks(
        format in prop::sample::select(&[Format::Xpress, Format::Lzx, Format::Lzms][..]),
        order in 12u32..=22,
        level in prop::sample::select(&LEVELS[..]),
        pieces in data(usize::MAX),
        skip in 0usize..1000,
    ) {
        let (least, most) = format.chunk_sizes();
        let chunk_size = (1 << order).clamp(least, most);
        // Text with pieces of other kinds in between, here and there cut off.
        let mut plain = text(chunk_size as usize / 2);
        plain.extend(&pieces);
        plain.extend_from_within(skip..);
        plain.extend(&pieces);
        plain.truncate(chunk_size as usize - skip % 5);
        let mut compressor = Compressor::new(format, chunk_size, Level(level)).unwrap();
        check(&mut compressor, chunk_size, &plain);
        check(&mut compressor, chunk_size, &pieces[..pieces.len().min(chunk_size as usize)]);
    }
}
