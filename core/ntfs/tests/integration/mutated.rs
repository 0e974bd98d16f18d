//! Damaged volumes: whatever is on one, the reader neither panics nor hangs.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wimforge_ntfs::ReadAt;

use crate::exercise::exercise;
use crate::maker::sample::{metadata, volume};
use crate::support::Dice;

/// A device with a few bytes changed.
pub struct Patched {
    pub base: Arc<Vec<u8>>,
    pub changes: BTreeMap<usize, u8>,
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
