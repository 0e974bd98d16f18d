//! Reading archives, and single chunks.

use std::fs;
use std::sync::Arc;

use wimforge::posix::target::PosixTarget;
use wimforge_conformance::compare::{Links, Rules, assert_same_tree};
use wimforge_conformance::imaging::Compression;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tree::fixed;
use wimforge_host_example::bindings::exports::wimforge::imaging::archive::{
    RestoreOptions, Severity, StreamKind,
};
use wimforge_host_example::bindings::exports::wimforge::imaging::codec::PackedChunk;
use wimforge_host_example::bindings::wimforge::imaging::observer::Event;
use wimforge_host_example::bindings::wimforge::imaging::types::{self, ErrorCode};
use wimforge_host_example::library::{Instance, path};
use wimforge_host_example::ports::Recorded;

use crate::support::*;

fn text(name: &[u16]) -> String {
    String::from_utf16_lossy(name)
}

#[test]
fn everything_can_be_read() {
    let scratch = Scratch::new();
    let source = scratch.join("source");
    fs::create_dir_all(source.join("sub/empty")).unwrap();
    let mut data = Vec::new();
    for number in 0..200_000u32 {
        data.extend_from_slice(&(number * 7 % 1000).to_le_bytes());
    }
    fs::write(source.join("sub/data"), &data).unwrap();
    fs::hard_link(source.join("sub/data"), source.join("other name")).unwrap();
    fs::write(source.join("nothing"), b"").unwrap();
    let wim = scratch.join("x.wim");
    let recorded = Recorded::default();
    let mut instance = instance();
    let options = wimforge_host_example::library::options(types::Compression::Lzx, now());
    let mut writing = instance.create(new_file(&wim), &options).unwrap().unwrap();
    let watch = Some(Box::new(recorded.clone()) as _);
    let summary = writing
        .add(directory(&source), &image("source"), watch)
        .unwrap()
        .unwrap();
    assert_eq!(
        (summary.image, summary.directories, summary.files),
        (1, 3, 3)
    );
    writing.finish(None).unwrap().unwrap();
    assert!(
        recorded
            .take()
            .iter()
            .any(|event| matches!(event, Event::Visit(_)))
    );

    let mut reading = instance.open(vec![reading_file(&wim)]).unwrap().unwrap();
    let info = reading.info().unwrap();
    assert_eq!((info.images, info.chunk_size, info.parts), (1, 32768, 1));
    let images = reading.images().unwrap();
    assert_eq!(
        (images[0].name.as_str(), images[0].files),
        ("source", Some(3))
    );
    assert!(reading.xml().unwrap().starts_with("<WIM>"));
    let report = reading.verify(None).unwrap().unwrap();
    assert!(
        report.problems.is_empty() && report.blobs == 1,
        "{report:?}"
    );

    let missing = reading.image(2).unwrap();
    assert!(matches!(missing.err(), Some(ErrorCode::NotFound(_))));
    let mut image = reading.image(1).unwrap().unwrap();
    let root = image.list(&path("")).unwrap().unwrap();
    let names: Vec<String> = root.iter().map(|entry| text(&entry.name)).collect();
    assert_eq!(names, ["nothing", "other name", "sub"]);
    assert_eq!(root[1].links, 2);
    let same = image.stat(&path("/sub/data")).unwrap().unwrap();
    assert_eq!(same.link_group, root[1].link_group);
    assert_eq!(same.streams[0].size, Some(data.len() as u64));
    let missing = image.stat(&path("sub/nobody")).unwrap();
    assert!(
        matches!(missing, Err(ErrorCode::NotFound(_))),
        "{missing:?}"
    );

    let ranges = [
        (0, 10),
        (32_760, 20),
        (799_990, 100),
        (800_000, 1),
        (1 << 40, 5),
        (5, 500_000),
    ];
    let pieces = image
        .read(&path("sub/data"), &StreamKind::Data, &ranges)
        .unwrap()
        .unwrap();
    for ((offset, size), piece) in ranges.into_iter().zip(&pieces) {
        let start = data.len().min(offset as usize);
        let rest = &data[start..data.len().min(start + size as usize)];
        assert!(rest.starts_with(piece), "{offset}");
        assert!(!piece.is_empty() || rest.is_empty(), "{offset}");
    }
    let nothing = image
        .read(&path("nothing"), &StreamKind::Data, &[(0, 9)])
        .unwrap()
        .unwrap();
    assert_eq!(nothing, [Vec::<u8>::new()]);

    let kept = Kept::default();
    let sent = image.send(
        &path("other name"),
        &StreamKind::Data,
        Box::new(kept.clone()),
    );
    assert_eq!(sent.unwrap().unwrap(), data.len() as u64);
    assert!(kept.bytes() == data);
    let none = image.send(&path("sub"), &StreamKind::Named(path("x")), Box::new(kept));
    assert!(matches!(none.unwrap(), Err(ErrorCode::NotFound(_))));
}

#[test]
fn trees_come_back() {
    let scratch = Scratch::new();
    let source = scratch.join("source");
    fixed::everything().build(&source);
    let before = Snapshot::of(&source);
    let wim = scratch.join("x.wim");
    by_program(&source, &wim, Compression::Lzx, &["--norpfix"]);
    before.restore_times();
    let mut instance = instance();
    let mut reading = instance.open(vec![reading_file(&wim)]).unwrap().unwrap();
    let mut image = reading.image(1).unwrap().unwrap();
    let restored = scratch.join("restored");
    let target = Arc::new(PosixTarget::open(&restored).unwrap());
    let options = RestoreOptions::empty();
    let summary = image
        .extract(&path(""), target, &path(""), options, None)
        .unwrap()
        .unwrap();
    assert_eq!(summary.skipped, 0);
    // A reproducible archive has no access times.
    let rules = Rules {
        links: Links::Same,
        access_times: false,
        ..Rules::default()
    };
    assert_same_tree("extracted", &before, &Snapshot::of(&restored), rules);

    // A part of it, to another place.
    let root = image.list(&path("")).unwrap().unwrap();
    let name = &root[0].name;
    let target = Arc::new(PosixTarget::open(&scratch.join("part")).unwrap());
    image
        .extract(name, target, &path("below/here"), options, None)
        .unwrap()
        .unwrap();
    assert!(scratch.join("part/below/here").symlink_metadata().is_ok());
}

#[test]
fn damage_is_reported_with_its_files() {
    let scratch = Scratch::new();
    let source = scratch.join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("victim"), vec![7; 3000]).unwrap();
    let wim = scratch.join("x.wim");
    let mut bytes = by_program(&source, &wim, Compression::None, &[]);
    let at = bytes
        .windows(100)
        .position(|window| window == [7; 100])
        .unwrap();
    bytes[at + 50] ^= 1;
    fs::write(&wim, &bytes).unwrap();
    let mut instance = instance();
    let mut reading = instance.open(vec![reading_file(&wim)]).unwrap().unwrap();
    let report = reading.verify(None).unwrap().unwrap();
    let [problem] = &report.problems[..] else {
        panic!("{report:?}");
    };
    assert_eq!(problem.severity, Severity::Damage);
    assert_eq!(text(&problem.files[0].path), "/victim");
    let mut image = reading.image(1).unwrap().unwrap();
    let sent = image
        .send(
            &path("victim"),
            &StreamKind::Data,
            Box::new(Kept::default()),
        )
        .unwrap();
    assert!(matches!(sent, Err(ErrorCode::Damaged(_))), "{sent:?}");
    let nothing = instance.open(Vec::new()).unwrap();
    assert!(matches!(nothing.err(), Some(ErrorCode::Argument(_))));
}

fn noise(size: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((state >> 24) as u8)
    };
    std::iter::from_fn(next).take(size).collect()
}

#[test]
fn chunks_come_back() {
    let mut instance = instance();
    let Instance { store, imaging } = &mut instance;
    let codec = imaging.wimforge_imaging_codec();
    let chunks = vec![b"abc ".repeat(5000), vec![0; 32768], noise(256)];
    for format in [
        types::Compression::Xpress,
        types::Compression::Lzx,
        types::Compression::Lzms,
    ] {
        let packer = codec
            .compressor()
            .call_create(&mut *store, format, 32768, 50);
        let packer = packer.unwrap().unwrap();
        let packed = codec
            .compressor()
            .call_compress(&mut *store, packer, &chunks);
        let packed = packed.unwrap().unwrap();
        assert_eq!(packed[2], None, "{format:?}");
        let both = chunks.iter().zip(&packed).take(2);
        let stored: Vec<PackedChunk> = both
            .map(|(chunk, packed)| PackedChunk {
                data: packed.clone().expect("it becomes smaller"),
                size: chunk.len() as u32,
            })
            .collect();
        let unpacker = codec.decompressor().call_create(&mut *store, format, 32768);
        let unpacker = unpacker.unwrap().unwrap();
        let back = codec
            .decompressor()
            .call_decompress(&mut *store, unpacker, &stored);
        assert!(back.unwrap().unwrap() == chunks[..2], "{format:?}");
        let broken = [PackedChunk {
            data: vec![0xFF; 40],
            size: 32768,
        }];
        let error = codec
            .decompressor()
            .call_decompress(&mut *store, unpacker, &broken);
        assert!(
            matches!(error.unwrap(), Err(ErrorCode::Damaged(_))),
            "{format:?}"
        );
        let error = codec
            .compressor()
            .call_compress(&mut *store, packer, &[vec![0; 40000]]);
        assert!(
            matches!(error.unwrap(), Err(ErrorCode::Argument(_))),
            "{format:?}"
        );
    }
    for (format, chunk_size, level) in [
        (types::Compression::None, 32768, 50),
        (types::Compression::Lzx, 32768, 0),
        (types::Compression::Lzx, 4096, 50),
    ] {
        let end = codec
            .compressor()
            .call_create(&mut *store, format, chunk_size, level)
            .unwrap();
        assert!(matches!(end, Err(ErrorCode::Argument(_))), "{end:?}");
    }
}
