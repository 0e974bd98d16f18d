//! Pipable archives: written to sinks and read from feeds by the library component.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use wimforge::posix::target::PosixTarget;
use wimforge_conformance::imaging::{COMPRESSIONS, Compression, Imager, Options};
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::tree::{Tree, fixed};
use wimforge_host_example::bindings::exports::wimforge::imaging::archive::{
    Entry, ImageInfo, RestoreOptions, Severity, StreamKind,
};
use wimforge_host_example::bindings::exports::wimforge::imaging::writer::{
    ImageOptions, Integrity, VolumeOptions,
};
use wimforge_host_example::bindings::wimforge::imaging::types::{self, ErrorCode};
use wimforge_host_example::library::{self, AnyFile, Instance, What, path};
use wimforge_host_example::pool::Pool;

use crate::support::*;
use crate::volume::volume;

/// A pipable archive by the library.
#[track_caller]
fn piped(
    instance: &mut Instance,
    what: What,
    how: Compression,
    existing: Option<AnyFile>,
    image: &ImageOptions,
) -> Vec<u8> {
    let (sink, options) = (Kept::default(), library::options(compression(how), now()));
    let writing = instance.pipe(Box::new(sink.clone()), existing, &options);
    let mut writing = writing.unwrap().unwrap();
    writing.add(what, image, None).unwrap().unwrap();
    let size = writing.finish(None).unwrap().unwrap();
    let bytes = sink.bytes();
    assert_eq!(size, bytes.len() as u64);
    bytes
}

/// The same by the native program.
fn piped_by_program(source: &Path, how: Compression) -> Vec<u8> {
    let program = Imager::plain();
    let capture = program.capture(source, Path::new("-"), &Options::with(how));
    let captured = capture.env("SOURCE_DATE_EPOCH", EPOCH.to_string()).run();
    captured.ok().stdout().to_vec()
}

/// Files that are compressed in several pieces, some of them alike, and everything else.
fn tree() -> Tree {
    let mut tree = fixed::bulky(11, 5);
    tree.nodes.extend(fixed::everything().nodes);
    tree
}

#[test]
fn they_have_the_bytes_of_the_program() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    tree().build(&one);
    fixed::borders().build(&two);
    let (native, ours) = (scratch.join("native.wim"), scratch.join("ours.wim"));
    let mut instance = instance();
    for how in COMPRESSIONS {
        let expected = piped_by_program(&one, how);
        let got = piped(&mut instance, directory(&one), how, None, &image("one"));
        assert_same_bytes(&format!("capture, {how:?}"), &expected, &got);
        if let Some(wimlib) = Imager::wimlib() {
            let target = scratch.join("from pipe");
            wimlib
                .call(["apply", "-", "1"])
                .arg(&target)
                .run_fed(&got)
                .ok();
            assert_captured("from a pipe by wimlib", &one, &target);
            fs::remove_dir_all(&target).unwrap();
        }
        fs::write(&native, &expected).unwrap();
        fs::write(&ours, &got).unwrap();

        let expected = appended_by_program(&two, &native, "two");
        let existing = Some(old_file(&ours));
        let got = piped(&mut instance, directory(&two), how, existing, &image("two"));
        assert_same_bytes(&format!("append, {how:?}"), &expected, &got);
        fs::write(&ours, &got).unwrap();
        assert_restored_by_wimlib(&ours, &[&one, &two]);
    }
}

#[test]
fn volumes_and_workers_too() {
    let scratch = Scratch::new();
    let path = scratch.join("tree");
    tree().build(&path);
    let expected = piped_by_program(&path, Compression::Lzx);
    let mut instance = instance();
    let (sink, options) = (
        Kept::default(),
        library::options(types::Compression::Lzx, now()),
    );
    let writing = instance.pipe(Box::new(sink.clone()), None, &options);
    let mut writing = writing.unwrap().unwrap();
    let pool = Pool::new(library(), 2).unwrap();
    writing.use_workers(pool).unwrap();
    let added = writing.add(directory(&path), &image("tree"), None).unwrap();
    assert_eq!(added.unwrap().image, 1);
    // Everything is written; there is no place for another image.
    let more = writing.add(directory(&path), &image("more"), None).unwrap();
    assert!(matches!(more, Err(ErrorCode::Argument(_))), "{more:?}");
    let given_up = writing.finish(None).unwrap();
    assert!(
        matches!(given_up, Err(ErrorCode::Argument(_))),
        "{given_up:?}"
    );
    assert_same_bytes("two instances", &expected, &sink.bytes());

    let scratch = Scratch::new();
    let Some(volume) = volume(&scratch) else {
        return;
    };
    let expected = piped_by_program(&volume, Compression::Xpress);
    let how = VolumeOptions {
        decode_system_compression: true,
        partition: None,
    };
    let what = What::Volume(reading_file(&volume), how);
    let got = piped(
        &mut instance,
        what,
        Compression::Xpress,
        None,
        &image("volume"),
    );
    assert_same_bytes("a volume", &expected, &got);
}

#[test]
fn an_archive_becomes_pipable() {
    let scratch = Scratch::new();
    let source = scratch.join("source");
    fixed::everything().build(&source);
    let (native, ours) = (scratch.join("native.wim"), scratch.join("ours.wim"));
    by_program(&source, &native, Compression::Lzx, &[]);
    fs::copy(&native, &ours).unwrap();
    let program = Imager::plain();
    let rewrite = program.call(["optimize", "--pipable"]).arg(&native);
    rewrite.run().ok();
    let mut instance = instance();
    let sink = Kept::default();
    let options = library::options(types::Compression::None, now());
    let existing = Some(reading_file(&ours));
    let writing = instance.pipe(Box::new(sink.clone()), existing, &options);
    writing.unwrap().unwrap().finish(None).unwrap().unwrap();
    let got = sink.bytes();
    assert_same_bytes("optimize", &fs::read(&native).unwrap(), &got);

    // Pipable archives are not appended to in place, and have no integrity table in a sink.
    fs::write(&ours, &got).unwrap();
    let refused = instance.append(old_file(&ours), &options).unwrap();
    assert!(matches!(refused.err(), Some(ErrorCode::ReadOnly(_))));
    let mut with_table = options;
    with_table.integrity = Integrity::Include;
    let refused = instance.pipe(Box::new(sink), None, &with_table).unwrap();
    assert!(matches!(refused.err(), Some(ErrorCode::Argument(_))));
    assert!(fs::read(&ours).unwrap() == got);
}

#[test]
fn they_are_read_from_feeds() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    fixed::everything().build(&one);
    tree().build(&two);
    let mut instance = instance();
    let how = Compression::Xpress;
    let bytes = piped(&mut instance, directory(&one), how, None, &image("one"));
    let wim = scratch.join("x.wim");
    fs::write(&wim, &bytes).unwrap();
    let existing = Some(old_file(&wim));
    let bytes = piped(&mut instance, directory(&two), how, existing, &image("two"));
    fs::write(&wim, &bytes).unwrap();

    // What is known from the beginning is what the file says.
    let mut reading = instance.open(vec![reading_file(&wim)]).unwrap().unwrap();
    let (info, images) = (reading.info().unwrap(), reading.images().unwrap());
    let tree = {
        let mut image = reading.image(2).unwrap().unwrap();
        image.list(&path("")).unwrap().unwrap()
    };
    let mut archive = instance.open_piped(feed(&bytes)).unwrap().unwrap();
    let begun = archive.info().unwrap();
    assert_eq!(
        (begun.guid.first, begun.guid.second, begun.chunk_size),
        (info.guid.first, info.guid.second, info.chunk_size)
    );
    assert_eq!((begun.size, begun.images, begun.pipable), (0, 2, true));
    let texts = |images: Vec<ImageInfo>| format!("{images:?}");
    assert_eq!(texts(archive.images().unwrap()), texts(images));
    assert!(archive.xml().unwrap().contains("<NAME>two</NAME>"));

    // A tree without its data.
    let mut image = archive.image(2).unwrap().unwrap();
    let found = image.list(&path("")).unwrap().unwrap();
    let names = |entries: &[Entry]| {
        let each = entries.iter().map(|entry| {
            let hashes = entry
                .streams
                .iter()
                .map(|stream| format!("{:?}", stream.hash));
            (
                entry.name.clone(),
                entry.attributes,
                hashes.collect::<Vec<_>>(),
            )
        });
        each.collect::<Vec<_>>()
    };
    assert_eq!(names(&found), names(&tree));
    let full = found.iter().find(|entry| {
        let mut streams = entry.streams.iter();
        streams.any(|stream| matches!(stream.kind, StreamKind::Data) && stream.hash.w0 != 0)
    });
    let full = full.expect("a file with data");
    assert!(
        full.streams
            .iter()
            .all(|stream| stream.size.unwrap_or(0) == 0)
    );
    let sent = image.send(&full.name, &StreamKind::Data, Box::new(Kept::default()));
    assert!(matches!(sent.unwrap(), Err(ErrorCode::MissingData(_))));
    let read = image
        .read(&full.name, &StreamKind::Data, &[(0, 1)])
        .unwrap();
    assert!(matches!(read, Err(ErrorCode::MissingData(_))), "{read:?}");

    let full_name = &full.name;

    // Everything.
    for (index, tree) in (1..).zip([&one, &two]) {
        let archive = instance.open_piped(feed(&bytes)).unwrap().unwrap();
        let restored = scratch.join("restored");
        let target = Arc::new(PosixTarget::open(&restored).unwrap());
        let options = RestoreOptions::FIX_LINKS;
        let summary = archive
            .extract(index, &[], target, &[], options, None)
            .unwrap()
            .unwrap();
        assert_eq!((summary.skipped, summary.damaged), (0, 0));
        assert_captured("from a feed", tree, &restored);
        fs::remove_dir_all(&restored).unwrap();
    }
    // A part of it, to another place.
    let archive = instance.open_piped(feed(&bytes)).unwrap().unwrap();
    let target = Arc::new(PosixTarget::open(&scratch.join("part")).unwrap());
    let to = path("below/here");
    let options = RestoreOptions::empty();
    let done = archive.extract(2, full_name, target, &to, options, None);
    assert_eq!(done.unwrap().unwrap().files, 1);
    let name = two.join(String::from_utf16(full_name).unwrap());
    let expected = fs::read(name).unwrap();
    assert!(fs::read(scratch.join("part/below/here")).unwrap() == expected);

    let archive = instance.open_piped(feed(&bytes)).unwrap().unwrap();
    let report = archive.verify(None).unwrap().unwrap();
    assert!(report.problems.is_empty(), "{report:?}");
    assert_eq!(report.images, 2);
}

#[test]
fn what_is_wrong_in_a_feed_is_told() {
    let scratch = Scratch::new();
    let source = scratch.join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("victim"), vec![7; 3000]).unwrap();
    let mut instance = instance();
    let how = Compression::None;
    let mut bytes = piped(
        &mut instance,
        directory(&source),
        how,
        None,
        &image("source"),
    );
    let mut windows = bytes.windows(100);
    let at = windows.position(|window| window == [7; 100]).unwrap();
    bytes[at + 50] ^= 1;
    let archive = instance.open_piped(feed(&bytes)).unwrap().unwrap();
    let report = archive.verify(None).unwrap().unwrap();
    let [problem] = &report.problems[..] else {
        panic!("{report:?}");
    };
    assert_eq!(problem.severity, Severity::Damage);
    assert_eq!(problem.files[0].path, path("/victim"));

    let mut extract = |index, options| {
        let archive = instance.open_piped(feed(&bytes)).unwrap().unwrap();
        let target = PosixTarget::open(&scratch.join("restored")).unwrap();
        let end = archive.extract(index, &[], Arc::new(target), &[], options, None);
        end.expect("no trap")
    };
    let end = extract(1, RestoreOptions::empty());
    assert!(matches!(end, Err(ErrorCode::Damaged(_))), "{end:?}");
    let end = extract(1, RestoreOptions::RECOVER_DATA).unwrap();
    assert_eq!(end.damaged, 1);
    let end = extract(2, RestoreOptions::empty());
    assert!(matches!(end, Err(ErrorCode::NotFound(_))), "{end:?}");

    let wim = scratch.join("x.wim");
    let ordinary = by_program(&source, &wim, Compression::None, &[]);
    let end = instance.open_piped(feed(&ordinary)).unwrap().err();
    assert!(matches!(end, Some(ErrorCode::Unsupported(_))), "{end:?}");
    let end = instance.open_piped(feed(&[7; 5000])).unwrap().err();
    assert!(matches!(end, Some(ErrorCode::NotRecognised(_))), "{end:?}");
    let end = instance.open_piped(feed(&[])).unwrap().err();
    assert!(matches!(end, Some(ErrorCode::Read(_))), "{end:?}");
}
