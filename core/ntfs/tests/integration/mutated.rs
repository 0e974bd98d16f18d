//! Damaged volumes: whatever is on one, the reader neither panics nor hangs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::made::{noise, text};
use crate::maker::attribute::Attribute;
use crate::maker::{DOS, Maker, ROOT, WIN32};
use crate::support::exercise;

/// A small volume that has some of everything.
fn volume(cluster: usize) -> Vec<u8> {
    let mut maker = Maker::new(cluster, 1024);
    maker.index_fill = 300;
    maker.mft_pieces = 5;
    let id = maker.descriptor(&noise(60, 1));
    for number in 0..6 {
        maker.descriptor(&noise(50, number + 2));
    }
    let directory = maker.directory(ROOT, "directory");
    let deep = maker.directory(directory, "deep");
    let file = maker.nameless(0x20, id);
    maker.link(file, deep, "long name", WIN32);
    maker.link(file, deep, "LONGNA~1", DOS);
    maker.link(file, directory, "hard link", 0);
    maker.attribute(file, Attribute::resident(0x80, "", "contents"));
    maker.attribute(file, Attribute::resident(0x80, "stream", "more"));
    maker.object_id(file, [1; 16], [2; 48]);
    let packed = [&[20, 0, 0, 0, 0, 3, 5, 0][..], b"ONE\0value\0\0\0"].concat();
    maker.attribute(file, Attribute::resident(0xE0, "", packed));
    for number in 0..20 {
        maker.file(directory, &format!("entry {number}"));
    }
    let file = maker.file(ROOT, "compressed");
    let attribute = maker.compressed("", &text(20_000));
    maker.attribute(file, attribute);
    let file = maker.file(ROOT, "pieces");
    for piece in maker.scattered("", &noise(12_000, 9)).split(4) {
        maker.extension(file, vec![piece]);
    }
    maker.wof(ROOT, "lzx", &text(40_000), 1);
    maker.wof(ROOT, "xpress", &text(9_000), 0);
    maker.finish()
}

/// Where metadata is: the boot sector, records, index blocks, descriptors.
fn metadata(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut ranges = vec![(0, 90)];
    for at in (0..bytes.len().saturating_sub(1024)).step_by(512) {
        match &bytes[at..at + 4] {
            b"FILE" => {
                let used = u32::from_le_bytes(bytes[at + 24..at + 28].try_into().unwrap());
                ranges.push((at, used as usize));
            }
            b"INDX" => ranges.push((at, 512)),
            _ => {}
        }
    }
    ranges
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

#[test]
fn thousands_of_damaged_volumes() {
    let rounds: usize = std::env::var("WIMFORGE_MUTATIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(4000);
    let mut dice = Dice(20_240_607);
    let started = Instant::now();
    let (mut opened, mut clean) = (0, 0);
    for cluster in [512, 4096] {
        let original = volume(cluster);
        let places = metadata(&original);
        let (names, errors) = exercise(Arc::new(original.clone())).unwrap();
        assert_eq!((names, errors), (28, 0));
        for round in 0..rounds / 2 {
            let mut bytes = original.clone();
            for _ in 0..=dice.roll(6) {
                let (start, length) = places[dice.roll(places.len())];
                let at = start + dice.roll(length);
                match dice.roll(4) {
                    0 => bytes[at] ^= 1 << dice.roll(8),
                    1 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][dice.roll(5)],
                    2 => bytes[at] = bytes[at].wrapping_add(8),
                    _ => {
                        let (from, _) = places[dice.roll(places.len())];
                        let count = 1 + dice.roll(16);
                        bytes.copy_within(from + 48..from + 48 + count, at);
                    }
                }
            }
            let before = Instant::now();
            if let Ok((_, errors)) = exercise(Arc::new(bytes)) {
                opened += 1;
                clean += usize::from(errors == 0);
            }
            let took = before.elapsed();
            assert!(took < Duration::from_secs(5), "round {round}: {took:?}");
        }
    }
    println!(
        "{rounds} volumes: {opened} opened, {clean} without a complaint; {:?}",
        started.elapsed()
    );
    assert!(opened > rounds / 4 && clean < opened);
}
