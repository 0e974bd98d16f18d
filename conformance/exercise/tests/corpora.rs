//! What the fuzzers found worth keeping, and random changes to it.
#![allow(clippy::unwrap_used, reason = "tests stop at once")]

use std::fs;
use std::path::Path;

use wimforge_exercise::TARGETS;

/// How often each piece of a corpus is changed at random.
const CHANGES: u64 = 20;

#[test]
fn corpora_and_random_changes_to_them() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in TARGETS {
        let directory = corpora.join(name);
        let entries = fs::read_dir(&directory).unwrap_or_else(|error| {
            panic!("there is no corpus {}: {error}", directory.display());
        });
        let mut pieces = 0;
        for entry in entries {
            let path = entry.unwrap().path();
            let data = fs::read(&path).unwrap();
            // So that it is known which one it was.
            println!("{}", path.display());
            target(&data);
            for round in 0..CHANGES {
                target(&changed(&data, round));
            }
            pieces += 1;
        }
        assert!(pieces > 0, "the corpus {name} is empty");
    }
}

/// One to eight bytes changed, or the end cut off.
fn changed(data: &[u8], round: u64) -> Vec<u8> {
    let mut state = (data.len() as u64 + 1)
        .wrapping_mul(round.wrapping_add(1))
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        | 1;
    let mut roll = |sides: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % sides
    };
    let mut data = data.to_vec();
    if data.is_empty() {
        return data;
    }
    if roll(5) == 0 {
        data.truncate(roll(data.len()));
        return data;
    }
    for _ in 0..=roll(8) {
        let at = roll(data.len());
        data[at] = roll(256) as u8;
    }
    data
}
