//! LZMS and LZNT1: what is compressed decompresses to itself, and broken streams give errors.

use std::cell::Cell;

use proptest::prelude::*;
use wimforge_codec::{
    DecodeError, Level,
    lzms::{Compressor, Decompressor},
    lznt1,
};

/// A small generator of reproducible bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Code,
    Table,
    Runs,
    Skewed,
    Noise,
    /// Stereo, 16 bits a sample.
    Sound,
    /// Pixels of three bytes, nearly grey.
    Picture,
    Mixed,
}

fn make(kind: Kind, size: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut data = Vec::with_capacity(size + 64);
    let words: Vec<Vec<u8>> = (0..200)
        .map(|_| {
            let length = 1 + random.below(9);
            (0..length).map(|_| b'a' + random.below(26) as u8).collect()
        })
        .collect();
    let mut counter = seed as u32;
    let (mut sounds, mut brightness) = ([0i16; 2], 0u8);
    while data.len() < size {
        let kind = match kind {
            Kind::Mixed => match random.below(6) {
                0 => Kind::Text,
                1 => Kind::Code,
                2 => Kind::Table,
                3 => Kind::Runs,
                4 => Kind::Skewed,
                _ => Kind::Noise,
            },
            kind => kind,
        };
        for _ in 0..1 + random.below(40) {
            match kind {
                Kind::Text => {
                    let word = random.below(200) as usize;
                    data.extend_from_slice(&words[word * word / 200]);
                    data.push(b' ');
                }
                Kind::Code => {
                    const OPCODES: [&[u8]; 10] = [
                        b"\xE8",
                        b"\xE9",
                        b"\xFF\x15",
                        b"\xF0\x83\x05",
                        b"\x48\x8B\x05",
                        b"\x48\x8B\x0D",
                        b"\x48\x8D\x05",
                        b"\x4C\x8D\x0D",
                        b"\x48\x8B\x15",
                        b"\x48",
                    ];
                    data.extend_from_slice(OPCODES[random.below(10) as usize]);
                    let target = random.below(20) as u32 * 977;
                    data.extend(target.wrapping_sub(data.len() as u32).to_le_bytes());
                    for _ in 0..random.below(12) {
                        data.push([0x90, 0x41, 0x00, 0xC3][random.below(4) as usize]);
                    }
                }
                Kind::Table => {
                    counter = counter.wrapping_add(24);
                    data.extend(counter.to_le_bytes());
                    data.extend([0, 1, (counter >> 4) as u8, 7]);
                }
                Kind::Runs => {
                    let byte = random.below(3) as u8;
                    let length = random.below(700) as usize;
                    data.extend(std::iter::repeat_n(byte, length));
                }
                Kind::Skewed => data.push((random.next().leading_zeros() * 3) as u8),
                // A walk of small steps on either side.
                Kind::Sound => {
                    for sample in &mut sounds {
                        *sample += random.below(41) as i16 - 20 - *sample / 256;
                        data.extend((*sample * 3).to_le_bytes());
                    }
                }
                Kind::Picture => {
                    brightness = brightness.wrapping_add(random.below(6) as u8);
                    data.extend([0; 3].map(|_| brightness.wrapping_add(random.below(4) as u8)));
                }
                Kind::Noise | Kind::Mixed => data.push(random.next() as u8),
            }
        }
    }
    data.truncate(size);
    data
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::Text,
        Kind::Code,
        Kind::Table,
        Kind::Runs,
        Kind::Skewed,
        Kind::Noise,
        Kind::Sound,
        Kind::Picture,
        Kind::Mixed,
    ])
}

fn sizes(most: usize) -> impl Strategy<Value = usize> {
    prop_oneof![1..40usize, 40..3000usize, 3000..most]
}

fn round_trip(compressor: &mut Compressor, chunk_size: u32, data: &[u8]) -> Option<usize> {
    let mut packed = vec![0; data.len().saturating_sub(1)];
    let size = compressor.compress(data, &mut packed)?;
    assert!(size < data.len() && size >= 4 && size % 2 == 0);
    let mut plain = vec![0xAA; data.len()];
    let mut decompressor = Decompressor::new(chunk_size);
    decompressor
        .decompress(&packed[..size], &mut plain)
        .expect("our own stream");
    assert!(plain == data);
    Some(size)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn chunks_come_back(
        kind in kinds(),
        size in sizes(300_000),
        seed: u64,
        level in prop::sample::select(vec![1, 20, 34, 35, 50, 70, 100, 200]),
        again in prop::collection::vec((kinds(), sizes(70_000), any::<u64>()), 0..3),
    ) {
        come_back(&make(kind, size, seed), level, again);
    }

    #[test]
    fn small_rooms_are_refused(size in 100..4000usize, seed: u64, room in 0..4000usize) {
        refused_or_the_same(&make(Kind::Text, size, seed), room.min(size));
    }

    #[test]
    fn broken_streams_do_not_panic(
        kind in kinds(),
        size in 20..20_000usize,
        seed: u64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut: prop::sample::Index,
        output_size in 0..30_000usize,
    ) {
        let data = make(kind, size, seed);
        let mut packed = vec![0; size];
        let mut compressor = Compressor::new(1 << 15, Level::QUICK);
        let mut decompressor = Decompressor::new(1 << 15);
        let mut plain = vec![0; output_size];
        if let Some(packed_size) = compressor.compress(&data, &mut packed) {
            packed.truncate(packed_size);
            let _ = decompressor.decompress(&packed, &mut plain);
            let _ = decompressor.decompress(&packed[..cut.index(packed_size)], &mut plain);
        }
        for (index, byte) in changes {
            let place = index.index(packed.len());
            packed[place] = byte;
        }
        plain.resize(size, 0);
        let _ = decompressor.decompress(&packed, &mut plain);
        let _ = lznt1::decompress(&packed, &mut plain);
    }

    #[test]
    fn noise_does_not_panic(input in prop::collection::vec(any::<u8>(), 0..2000), size in 0..40_000usize) {
        let mut plain = vec![0; size];
        let _ = Decompressor::new(1 << 15).decompress(&input, &mut plain);
        let _ = lznt1::decompress(&input, &mut plain);
    }

    #[test]
    fn lznt1_units_come_back(kind in kinds(), size in sizes(65_536), seed: u64) {
        let data = make(kind, size, seed);
        let mut packed = Vec::new();
        lznt1::compress(&data, &mut packed);
        packed.extend([0, 0]);
        let mut plain = vec![0xAA; 65_536];
        lznt1::decompress(&packed, &mut plain).expect("our own stream");
        prop_assert!(plain[..size] == data[..]);
        prop_assert!(plain[size..].iter().all(|&byte| byte == 0));
    }
}

fn come_back(data: &[u8], level: u32, again: Vec<(Kind, usize, u64)>) {
    let chunk_size = 1 << 19;
    let mut compressor = Compressor::new(chunk_size, Level(level));
    let first = round_trip(&mut compressor, chunk_size, data);
    // The state of former chunks must not show.
    for (kind, size, seed) in again {
        round_trip(&mut compressor, chunk_size, &make(kind, size, seed));
    }
    assert_eq!(first, round_trip(&mut compressor, chunk_size, data));
}

fn refused_or_the_same(data: &[u8], room: usize) {
    let mut compressor = Compressor::new(1 << 15, Level::NORMAL);
    let mut packed = vec![0; data.len()];
    let needed = compressor.compress(data, &mut packed);
    let given = compressor.compress(data, &mut packed[..room]);
    assert_eq!(given, needed.filter(|&needed| needed <= room));
}

/// What did not once.
#[test]
fn chosen_chunks_come_back() {
    come_back(
        &make(Kind::Mixed, 28_449, 12_432_609_224_398_752_955),
        1,
        Vec::new(),
    );
    refused_or_the_same(&make(Kind::Text, 2473, 11_430_103_735_125_907_546), 1356);
}

#[test]
fn large_chunks_come_back() {
    for (kind, size) in [
        (Kind::Mixed, 4 << 20),
        (Kind::Runs, 9 << 20),
        (Kind::Table, (2 << 20) + 1),
    ] {
        let data = make(kind, size, 7);
        let mut compressor = Compressor::new(64 << 20, Level::NORMAL);
        assert!(round_trip(&mut compressor, 64 << 20, &data).is_some());
    }
}

/// Where bytes do not repeat but their differences do, delta matches carry all of it.
#[test]
fn signals_are_made_small() {
    for (kind, most) in [(Kind::Sound, 66_000), (Kind::Picture, 64_000)] {
        for level in [35, 50, 100] {
            let data = make(kind, 1 << 17, 7);
            let mut compressor = Compressor::new(1 << 17, Level(level));
            let size = round_trip(&mut compressor, 1 << 17, &data).unwrap_or(data.len());
            assert!(size < most, "{kind:?} at level {level}: {size} bytes");
        }
    }
}

/// Text behind a signal, and a signal behind text: what served for one must not stay for the other.
#[test]
fn signals_end() {
    let (text, sound) = (make(Kind::Text, 1 << 16, 9), make(Kind::Sound, 1 << 16, 9));
    let mut compressor = Compressor::new(1 << 17, Level::NORMAL);
    let mut size = |data: &[u8]| round_trip(&mut compressor, 1 << 17, data).unwrap_or(data.len());
    let apart = size(&text) + size(&sound);
    for both in [[&text[..], &sound], [&sound, &text]] {
        let together = size(&both.concat());
        assert!(together < apart + apart / 100, "{together} {apart}");
    }
}

/// Numbers in digits, where a start with nothing but matches would never end.
#[test]
fn digits_are_coded_as_literals() {
    let mut random = Random(3);
    let mut data = Vec::new();
    while data.len() < 1 << 17 {
        let (x, y) = (random.below(1_000_000), random.below(100_000));
        data.extend(format!("{}.{x:06},{y:05}\n", x % 7).bytes());
    }
    data.truncate(1 << 17);
    let size = round_trip(&mut Compressor::new(1 << 17, Level::NORMAL), 1 << 17, &data);
    assert!(size.is_some_and(|size| size < 63_300), "{size:?}");
}

#[test]
fn compressing_in_place_gives_the_same() {
    let mut compressor = Compressor::new(1 << 18, Level::NORMAL);
    for (kind, size) in [
        (Kind::Code, 200_000),
        (Kind::Text, 40_000),
        (Kind::Noise, 70_000),
        (Kind::Sound, 90_000),
    ] {
        let data = make(kind, size, 3);
        let (mut copied, mut in_place) = (vec![0; size - 1], vec![0; size - 1]);
        let expected = compressor.compress(&data, &mut copied);
        let mut chunk = data.clone();
        let found = compressor.compress_in_place(&mut chunk, &mut in_place, &|| false);
        assert_eq!(found, expected);
        assert!(in_place[..found.unwrap_or(0)] == copied[..expected.unwrap_or(0)]);
        // Too little room: the filter has to be taken back.
        let mut chunk = data.clone();
        let refused = compressor.compress_in_place(&mut chunk, &mut in_place[..100], &|| false);
        assert!(refused.is_none() && chunk == data);
        // So it has if the result is not wanted any more: soon, and it has been asked for before.
        let asked = Cell::new(0);
        let stop = || asked.replace(asked.get() + 1) >= 3;
        let mut chunk = data.clone();
        let stopped = compressor.compress_in_place(&mut chunk, &mut in_place, &stop);
        assert!(stopped.is_none() && chunk == data);
        assert!(asked.get() == if expected.is_some() { 4 } else { 0 });
    }
}

/// Whole chunks of solid resources, with repetitions over any distance. Takes minutes.
#[test]
#[ignore = "takes minutes and half a gigabyte"]
fn solid_chunks_come_back() {
    for (chunk_size, size, level) in [
        (1 << 26, 1 << 26, 50),
        (1 << 26, (1 << 26) - 3, 20),
        (1 << 28, (100 << 20) + 1, 35),
        (1 << 30, 120 << 20, 20),
    ] {
        let mut data = Vec::with_capacity(size + (1 << 24));
        for seed in 0.. {
            if data.len() >= size {
                break;
            }
            data.extend_from_slice(&make(Kind::Mixed, 7 << 20, seed));
            let far = data.len() / 3;
            data.extend_from_within(far..data.len().min(far + (2 << 20)));
        }
        data.truncate(size);
        let mut compressor = Compressor::new(chunk_size, Level(level));
        let packed = round_trip(&mut compressor, chunk_size, &data);
        assert!(packed.is_some_and(|packed| packed < size / 2));
    }
}

#[test]
fn every_filter_corner_comes_back() {
    for size in 8..80 {
        for seed in 0..20 {
            let mut data = make(Kind::Code, size, seed);
            data.extend([0; 40]);
            round_trip(&mut Compressor::new(1 << 15, Level::NORMAL), 1 << 15, &data);
        }
    }
}

#[test]
fn worked_example() {
    // Three literals and one match with the third recent offset.
    let packed = [0xEE, 0x64, 0xD0, 0xFF, 0x00, 0x00, 0x94, 0x63, 0x62, 0x61];
    let mut plain = [0; 21];
    Decompressor::new(1 << 15)
        .decompress(&packed, &mut plain)
        .expect("valid");
    assert_eq!(&plain, b"abcabcabcabcabcabcabc");
}

#[test]
fn limits_are_enforced() {
    let mut decompressor = Decompressor::new(1 << 15);
    let mut plain = vec![0; (1 << 15) + 1];
    assert_eq!(
        decompressor.decompress(&[0; 8], &mut plain),
        Err(DecodeError::OutputTooLarge)
    );
    plain.truncate(100);
    assert_eq!(
        decompressor.decompress(&[0; 2], &mut plain),
        Err(DecodeError::Truncated)
    );
    assert_eq!(
        decompressor.decompress(&[0; 7], &mut plain),
        Err(DecodeError::BadField)
    );
    // All ones ask for a match at once, with nothing to copy from.
    assert_eq!(
        decompressor.decompress(&[0xFF; 64], &mut plain),
        Err(DecodeError::BadOffset)
    );
    let mut compressor = Compressor::new(1 << 15, Level::NORMAL);
    assert_eq!(
        compressor.compress(&vec![0; (1 << 15) + 1], &mut plain),
        None
    );
    assert_eq!(compressor.compress(&[], &mut plain), None);
    assert_eq!(compressor.compress(&[0; 7], &mut plain), None);
}
