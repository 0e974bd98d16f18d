//! Streams laid out at random, compared with a model of what they must read as.

use crate::maker::attribute::{Attribute, SPARSE};
use crate::maker::filler::{noise, text};
use crate::maker::{Maker, ROOT};
use crate::support::{Dice, Tree, open};

/// Runs and holes in any order and number, cut into pieces anywhere.
#[test]
fn runs() {
    let mut dice = Dice(11);
    for cluster in [512usize, 1024, 4096, 16384] {
        let mut maker = Maker::new(cluster, 1024);
        let mut expected = Vec::new();
        for number in 0..60 {
            let mut runs = Vec::new();
            let mut contents = Vec::new();
            for _ in 0..dice.roll(14) {
                let count = 1 + dice.roll(5);
                if dice.roll(3) == 0 {
                    runs.push((None, count as u64));
                    contents.resize(contents.len() + count * cluster, 0);
                } else {
                    let data = noise(count * cluster, contents.len() as u64 + number + 1);
                    let (lcn, count) = maker.store(&data);
                    runs.push((Some(lcn), count));
                    contents.extend(data);
                }
            }
            let clusters = contents.len() as u64;
            let real = dice.roll(contents.len() + 1);
            let initialised = dice.roll(real + 1).max(dice.roll(real + 1));
            contents.truncate(real);
            contents[initialised..].fill(0);
            let attribute = Attribute::clusters(0x80, "", runs, clusters, cluster as u64)
                .with_sizes(real as u64, initialised as u64)
                .with_flags(if dice.roll(2) == 0 { SPARSE } else { 0 });
            place(&mut maker, &mut dice, number, &attribute);
            expected.push(contents);
        }
        check(maker, &expected);
    }
}

/// Units that are plain, packed or zero, in any order, cut into pieces anywhere.
#[test]
fn compressed_units() {
    let mut dice = Dice(12);
    for cluster in [512usize, 4096] {
        let mut maker = Maker::new(cluster, 1024);
        let mut expected = Vec::new();
        for number in 0..40 {
            let mut contents = Vec::new();
            for _ in 0..dice.roll(20) {
                let size = 1 + dice.roll(12 * cluster);
                match dice.roll(3) {
                    0 => contents.resize(contents.len() + 2 * size, 0),
                    1 => contents.extend(noise(2 * size, number + 1)),
                    _ => contents.extend(text(size)),
                }
            }
            let attribute = maker.compressed("", &contents);
            let real = contents.len();
            let initialised = real - dice.roll(real / 3 + 1);
            contents[initialised..].fill(0);
            let attribute = attribute.with_sizes(real as u64, initialised as u64);
            place(&mut maker, &mut dice, number, &attribute);
            expected.push(contents);
        }
        check(maker, &expected);
    }
}

/// Puts an attribute into a new file, in one piece or in several records.
fn place(maker: &mut Maker, dice: &mut Dice, number: u64, attribute: &Attribute) {
    let file = maker.file(ROOT, &format!("file {number}"));
    match dice.roll(3) {
        0 => {
            for piece in attribute.split(1 + dice.roll(5)) {
                maker.extension(file, vec![piece]);
            }
        }
        1 => {
            maker.extension(file, vec![attribute.clone()]);
        }
        _ => maker.attribute(file, attribute.clone()),
    }
}

fn check(maker: Maker, expected: &[Vec<u8>]) {
    let tree = Tree::read(&open(maker.finish()));
    assert!(tree.refused.is_empty(), "{:?}", tree.refused);
    for (number, contents) in expected.iter().enumerate() {
        let node = tree.get(&format!("/file {number}"));
        // Without runs there are no pieces to put anywhere.
        let found = node.streams.get("").map_or(&[][..], Vec::as_slice);
        assert!(found == contents, "file {number} differs");
    }
}
