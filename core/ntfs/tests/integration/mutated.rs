//! Damaged volumes: whatever is on one, the reader neither panics nor hangs.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wimforge_ntfs::ReadAt;

use crate::made::{noise, text};
use crate::maker::attribute::Attribute;
use crate::maker::{DOS, Maker, ROOT, WIN32};
use crate::support::{Dice, exercise};

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

/// A device with a few bytes changed.
struct Patched {
    base: Arc<Vec<u8>>,
    changes: BTreeMap<usize, u8>,
}

impl ReadAt for Patched {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.base.read_at(offset, buf)?;
        let start = offset as usize;
        for (at, byte) in self.changes.range(start..start + count) {
            buf[at - start] = *byte;
        }
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.base.len() as u64
    }
}

/// Damages a volume again and again, mostly where its metadata is. Returns how many of the damaged
/// volumes could be opened, and how many of these gave no cause for complaint.
pub fn damage(original: Vec<u8>, rounds: usize, seed: u64) -> (usize, usize) {
    let places = metadata(&original);
    let base = Arc::new(original);
    let mut dice = Dice(seed);
    let (mut opened, mut clean) = (0, 0);
    for round in 0..rounds {
        let mut changes = BTreeMap::new();
        for _ in 0..=dice.roll(6) {
            let (start, length) = match dice.roll(8) {
                0 => (0, base.len() - 64),
                _ => places[dice.roll(places.len())],
            };
            let at = start + dice.roll(length);
            let old = changes.get(&at).copied().unwrap_or(base[at]);
            match dice.roll(4) {
                0 => {
                    changes.insert(at, old ^ 1 << dice.roll(8));
                }
                1 => {
                    changes.insert(at, [0, 1, 0x7F, 0x80, 0xFF][dice.roll(5)]);
                }
                2 => {
                    changes.insert(at, old.wrapping_add(8));
                }
                _ => {
                    // A piece of one structure in the middle of another.
                    let from = places[dice.roll(places.len())].0 + 48;
                    for index in 0..1 + dice.roll(16) {
                        changes.insert(at + index, base[from + index]);
                    }
                }
            }
        }
        let shown = format!("{changes:?}");
        let base = Arc::clone(&base);
        let before = Instant::now();
        if let Ok((_, errors)) = exercise(Arc::new(Patched { base, changes })) {
            opened += 1;
            clean += usize::from(errors == 0);
        }
        let took = before.elapsed();
        assert!(
            took < Duration::from_secs(10),
            "round {round}: {took:?}, {shown}"
        );
    }
    println!("{rounds} volumes: {opened} opened, {clean} without a complaint");
    (opened, clean)
}

/// How many volumes to damage: more with `WIMFORGE_MUTATIONS=NUMBER`.
pub fn rounds(by_default: usize) -> usize {
    let asked = std::env::var("WIMFORGE_MUTATIONS").ok();
    asked
        .and_then(|text| text.parse().ok())
        .unwrap_or(by_default)
}

#[test]
fn thousands_of_damaged_volumes() {
    let rounds = rounds(4000) / 2;
    for cluster in [512, 4096] {
        let original = volume(cluster);
        let whole = exercise(Arc::new(original.clone())).unwrap();
        assert_eq!(whole, (28, 0));
        let (opened, clean) = damage(original, rounds, cluster as u64);
        assert!(opened > rounds / 2 && clean < opened);
    }
}
