use std::collections::BTreeSet;

use proptest::prelude::*;
use wimforge_codec::Format;

use super::*;
use crate::ErrorKind;
use crate::archive::Place;
use crate::format::Compression;
use crate::port::{Inline, Silent};
use crate::testing::{Tree, noise, open, solidify};

const XPRESS: Compression = Compression::Chunked(Format::Xpress, 32768);

fn tree() -> Tree {
    let mut tree = Tree::new();
    tree.file("a.txt", b"hello");
    tree.hard_link("a.txt", "d/again");
    tree.file("d/same", b"hello");
    tree.file("d/e/medium", &noise(1, 100_000));
    tree.file("d/e/other", &noise(2, 70_000));
    tree.file("empty", b"");
    tree.link("d/link", "../a.txt", false, 1);
    tree
}

fn run(bytes: Vec<u8>) -> VerifyReport {
    let archive = open(bytes).unwrap();
    verify(&archive, &VerifyOptions::default(), &Inline, &Silent).unwrap()
}

fn paths(problem: &Problem) -> Vec<String> {
    problem.files.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_written_is_clean() {
    for compression in [Compression::None, XPRESS] {
        let report = run(tree().archive(compression));
        assert_eq!(report.problems, []);
        assert_eq!((report.images, report.entries, report.blobs), (1, 10, 4));
        assert_eq!(report.integrity_tables, 1);
    }
}

#[test]
fn solid_resources_are_clean() {
    let mut large = tree();
    large.file("z/large", &noise(3, 5_000_000));
    large.file("z/more", &noise(4, 900_000));
    let report = run(solidify(&large.archive(XPRESS), Format::Lzx, 32768));
    assert_eq!(report.problems, []);
    assert_eq!(report.blobs, 6);
}

/// Changes a byte of the stored data of the blob that a file has.
fn damage(bytes: &mut [u8], path: &str) {
    let archive = open(bytes.to_vec()).unwrap();
    let image = archive.read_image(1, &mut |_| {}).unwrap();
    let inode = image.inode_of(image.lookup(path.as_bytes()).unwrap());
    let content = image.content(image.streams(inode)[0].content);
    let blob = archive
        .blobs
        .get(archive.blobs.find(&content.hash).unwrap());
    let Place::Alone { resource, .. } = blob.place else {
        panic!("solid");
    };
    bytes[(resource.offset + resource.size / 2) as usize] ^= 0x10;
}

#[test]
fn damaged_data_is_named_by_every_path() {
    let mut bytes = tree().archive(XPRESS);
    damage(&mut bytes, "/a.txt");
    damage(&mut bytes, "/d/e/other");
    let report = run(bytes);
    assert!(!report.is_intact());
    let damage: Vec<_> = report.damage().collect();
    assert_eq!(damage[0].kind, ErrorKind::Integrity);
    assert_eq!(damage.len(), 3);
    let named: Vec<_> = damage
        .iter()
        .skip(1)
        .map(|problem| paths(problem))
        .collect();
    let hello = ["image 1: /a.txt", "image 1: /d/again", "image 1: /d/same"];
    assert!(
        named.contains(&hello.map(String::from).to_vec()),
        "{named:?}"
    );
    assert!(
        named.contains(&vec!["image 1: /d/e/other".into()]),
        "{named:?}"
    );
    let kinds = [ErrorKind::HashMismatch, ErrorKind::Decompression];
    assert!(kinds.contains(&report.failure().unwrap()));
}

#[test]
fn damage_of_a_chunk_concerns_only_what_lies_in_it() {
    let mut many = Tree::new();
    for number in 0..40 {
        many.file(&format!("{number:02}"), &noise(number, 100_000));
    }
    let bytes = solidify(&many.archive(XPRESS), Format::Xpress, 32768);
    let archive = open(bytes.clone()).unwrap();
    let ranges: Vec<_> = archive.blobs.solids[0].chunks.stored().collect();
    // The third chunk ends the first file; the fourth holds its rest and the second's beginning.
    let mut broken = bytes;
    let (at, size) = ranges[3];
    broken[(at + size / 2) as usize] ^= 0xFF;
    let report = run(broken);
    let named: BTreeSet<_> = report.damage().flat_map(paths).collect();
    let expected = BTreeSet::from(["image 1: /00", "image 1: /01"].map(String::from));
    assert!(!named.is_empty() && named.is_subset(&expected), "{named:?}");
}

#[test]
fn missing_data_is_named() {
    let bytes = tree().archive(Compression::None);
    let archive = open(bytes.clone()).unwrap();
    let table = archive.header().blob_table;
    let mut broken = bytes;
    // The hash of the last entry becomes another one.
    let end = table.end().unwrap() as usize;
    broken[end - 1] ^= 1;
    let report = run(broken);
    let kinds: Vec<_> = report.damage().map(|problem| problem.kind).collect();
    assert!(kinds.contains(&ErrorKind::MissingBlob), "{kinds:?}");
    assert_eq!(report.failure(), Some(ErrorKind::MissingBlob));
}

#[test]
fn wrong_counts_are_deviations() {
    let bytes = tree().archive(Compression::None);
    let archive = open(bytes.clone()).unwrap();
    let table = archive.header().blob_table;
    let mut broken = bytes;
    broken[table.offset as usize + 50 + 26] += 1;
    let options = VerifyOptions {
        integrity: false,
        data: true,
    };
    let archive = open(broken).unwrap();
    let report = verify(&archive, &options, &Inline, &Silent).unwrap();
    assert!(report.is_intact());
    assert_eq!(report.problems.len(), 1);
    assert!(report.problems[0].what.contains("reference count"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever bytes are changed: no panic, and changed data never passes for good.
    #[test]
    fn changed_bytes_are_found(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6),
        solid in any::<bool>(),
    ) {
        let mut small = Tree::new();
        small.file("a", &noise(1, 900));
        small.hard_link("a", "d/b");
        small.file("d/c", b"xyz");
        small.link("d/l", "a", false, 1);
        let mut bytes = small.archive(XPRESS);
        if solid {
            bytes = solidify(&bytes, Format::Xpress, 4096);
        }
        for (index, change) in &changes {
            let at = index.index(bytes.len());
            bytes[at] ^= change;
        }
        if let Ok(archive) = open(bytes) {
            let report = verify(&archive, &VerifyOptions::default(), &Inline, &Silent);
            prop_assert!(report.is_ok());
        }
    }
}
