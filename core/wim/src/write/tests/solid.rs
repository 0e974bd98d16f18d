//! Solid resources.

use super::*;
use crate::archive::Place;
use crate::format::Version;
use crate::write::{SolidOptions, SolidOrder};

fn solid(format: Format, chunk_size: u32) -> WriteOptions {
    WriteOptions {
        solid: Some(SolidOptions {
            format,
            chunk_size,
            level: Level::QUICK,
            order: SolidOrder::Similarity,
        }),
        ..options(LZX)
    }
}

#[test]
fn everything_comes_back_from_one_resource() {
    const LARGE: usize = (4 << 20) + 1;
    let mut source = MemorySource::new();
    for size in [0, 1, 4095, 4096, 4097, 65536, 1 << 20] {
        source.file(&format!("text/{size}"), text(size));
    }
    // Held in pieces: one alone in its size, two alike, one equal in size only.
    source.file("large/alone", text(LARGE));
    source.file("large/a", text(LARGE + 1));
    source.file("large/b", text(LARGE + 1));
    source.file("large/c", noise(1, LARGE + 1));
    for (format, chunk_size) in [
        (Format::Xpress, 4096),
        (Format::Lzx, 1 << 21),
        (Format::Lzms, 1 << 26),
    ] {
        let bytes = captured(&source, &solid(format, chunk_size));
        let archive = open(bytes.clone());
        assert_eq!(archive.header().version, Version::Solid);
        assert_eq!(archive.header().compression, LZX);
        assert_eq!(archive.blobs.solids.len(), 1);
        let home = &archive.blobs.solids[0].chunks;
        assert_eq!(home.format(), Some((format, chunk_size)));
        let sizes = archive.blobs.iter().map(|(_, blob)| blob.size);
        assert_eq!(home.total(), sizes.sum::<u64>(), "each blob once, no gaps");
        for (path, data) in [
            ("/text/65536", text(65536)),
            ("/large/alone", text(LARGE)),
            ("/large/b", text(LARGE + 1)),
            ("/large/c", noise(1, LARGE + 1)),
        ] {
            assert!(read(&archive, 1, path) == data, "{path}");
        }
        assert_sound(bytes);
    }
}

#[test]
fn like_stands_next_to_like() {
    let mut source = MemorySource::new();
    for path in ["b/2.TXT", "a/z", "a/1.txt", "c/9.dat", "a/Readme", "b/z"] {
        source.file(path, path.as_bytes());
    }
    let order = |options: &WriteOptions| {
        let archive = open(captured(&source, options));
        let place = |path: &str| {
            let blob = archive
                .blobs
                .find(&crate::hash::Sha1::of(path.as_bytes()))
                .unwrap();
            match archive.blobs.get(blob).place {
                Place::Solid { solid: 0, offset } => offset,
                other => panic!("{path} is at {other:?}"),
            }
        };
        let mut paths = ["a/1.txt", "a/Readme", "a/z", "b/2.TXT", "b/z", "c/9.dat"];
        paths.sort_by_key(|path| place(path));
        paths
    };
    let mut options = solid(Format::Xpress, 4096);
    let similar = ["a/Readme", "a/z", "b/z", "c/9.dat", "a/1.txt", "b/2.TXT"];
    assert_eq!(order(&options), similar);
    options.solid.as_mut().unwrap().order = SolidOrder::Tree;
    let as_in_tree = ["a/1.txt", "a/Readme", "a/z", "b/2.TXT", "b/z", "c/9.dat"];
    assert_eq!(order(&options), as_in_tree);
}

#[test]
fn appended_to_archives_with_and_without_solid_data() {
    let lzms = solid(Format::Lzms, 1 << 15);
    for first in [options(LZX), solid(Format::Xpress, 8192)] {
        let mut source = MemorySource::new();
        source.file("a", text(100_000)).file("b", noise(2, 50_000));
        let before = captured(&source, &first);
        source.file("c", text(70_000)).file("d", noise(3, 40_000));
        let storage = Arc::new(MemoryStorage::new(before));
        let archive = Archive::open(storage.clone(), &OpenOptions::default()).unwrap();
        let old_resources = archive.blobs.solids.len();
        let scanned = scan(&source, OnUnreadable::Fail, &Silent);
        let sources: [&dyn Source; 1] = [&source];
        let new = image("two", scanned, &sources);
        append(archive, new, &means(&lzms)).unwrap();
        let archive = open(storage.bytes());
        assert_eq!(archive.header().version, Version::Solid);
        assert_eq!(archive.blobs.solids.len(), old_resources + 1);
        let added = &archive.blobs.solids[old_resources];
        assert_eq!(added.chunks.total(), 110_000);
        for index in [1, 2] {
            assert_eq!(read(&archive, index, "/b"), noise(2, 50_000));
        }
        assert_eq!(read(&archive, 2, "/c"), text(70_000));
        assert_sound(storage.bytes());
    }
}

#[test]
fn nothing_new_leaves_no_resource() {
    let mut source = MemorySource::new();
    source.directory("only");
    let bytes = captured(&source, &solid(Format::Lzms, 1 << 26));
    assert!(open(bytes.clone()).blobs.solids.is_empty());
    assert_sound(bytes);
}

#[test]
fn troubled_files_are_left_out_wherever_they_end() {
    for (size, trouble) in [
        (1000, Trouble::Unreadable),
        (9 << 20, Trouble::Unreadable),
        (9 << 20, Trouble::Shrunk(10)),
        (9 << 20, Trouble::Shrunk(9_000_000)),
    ] {
        for (format, chunk_size) in [(Format::Xpress, 1 << 15), (Format::Lzms, 1 << 25)] {
            let mut source = MemorySource::new();
            source.file("before", text(5000));
            source.troubled("d/bad", noise(3, size), trouble);
            source.file("z/after", text(6000));
            let skipping = WriteOptions {
                on_unreadable: OnUnreadable::Skip,
                ..solid(format, chunk_size)
            };
            let storage = MemoryStorage::default();
            let summary = capture_to(&storage, &source, &skipping, &Silent).unwrap();
            assert_eq!((summary.skipped, summary.numbers.files), (1, 2));
            let archive = open(storage.bytes());
            assert_eq!(read(&archive, 1, "/z/after"), text(6000));
            assert_sound(storage.bytes());
        }
    }
}
