//! The same source and options give the same bytes.

use crate::support::Source;
use std::fs;
use std::path::Path;
use wimforge_conformance::imaging::{COMPRESSIONS, Compression, Imager, Options};
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::tree::{Times, Tree, fixed};

const EPOCH: &str = "1700000000";

fn trees() -> [(&'static str, Tree); 3] {
    let mut many = fixed::wide(2000);
    many.nodes.extend(fixed::bulky(6, 3).nodes);
    [
        ("everything", fixed::everything()),
        ("borders", fixed::borders()),
        ("many and large", many),
    ]
}

fn captured(source: &Path, wim: &Path, options: &Options) -> Vec<u8> {
    Imager::plain()
        .capture(source, wim, options)
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .run()
        .ok();
    fs::read(wim).expect("read an archive")
}

#[track_caller]
fn assert_same_bytes(what: &str, one: &[u8], two: &[u8]) {
    if one != two {
        let at = one.iter().zip(two).position(|(a, b)| a != b);
        panic!(
            "{what}: {} and {} bytes, first difference at {at:?}",
            one.len(),
            two.len()
        );
    }
}

#[test]
fn whatever_the_number_of_threads() {
    for (name, tree) in trees() {
        let source = Source::new(&tree);
        for compression in COMPRESSIONS {
            let capture = |threads: Option<usize>| {
                let options = Options {
                    threads,
                    check: true,
                    ..Options::with(compression)
                };
                captured(&source.path, &source.scratch.join("a.wim"), &options)
            };
            let one = capture(Some(1));
            for threads in [Some(2), Some(3), Some(16), None] {
                let what = format!("{name}, {compression:?}, {threads:?} threads");
                assert_same_bytes(&what, &one, &capture(threads));
            }
        }
    }
}

#[test]
fn in_append_as_well() {
    let first = Source::new(&fixed::everything());
    let second = Source::new(&fixed::bulky(4, 9));
    for rebuild in [false, true] {
        let append = |threads| {
            let wim = first.scratch.join("a.wim");
            let options = Options {
                threads: Some(threads),
                rebuild,
                ..Options::default()
            };
            captured(&first.path, &wim, &options);
            Imager::plain()
                .append(&second.path, &wim, "second", &options)
                .env("SOURCE_DATE_EPOCH", EPOCH)
                .run()
                .ok();
            fs::read(&wim).expect("read an archive")
        };
        assert_same_bytes(&format!("rebuild: {rebuild}"), &append(1), &append(4));
    }
}

#[test]
fn wherever_the_source_lies_and_whenever_it_was_read() {
    let tree = fixed::everything();
    let scratch = Scratch::new();
    let capture = |place: &str| {
        let dir = scratch.join(place);
        fs::create_dir(&dir).expect("make a directory");
        let source = dir.join("source");
        tree.build(&source);
        let read_later = Times {
            atime: (1_650_000_000, 0),
            ..Times::default()
        };
        if place == "two" {
            read_later.set(&source.join("hello")).expect("set times");
            // Another order of inodes and directory entries.
            fs::copy(source.join("Upper"), source.join("copy")).expect("copy");
            fs::rename(source.join("copy"), source.join("Upper")).expect("rename");
            Times::default().set(&source.join("Upper")).expect("times");
            Times::default().set(&source).expect("times");
        }
        let wim = dir.join("a.wim");
        captured(&source, &wim, &Options::with(Compression::Xpress))
    };
    let (one, two) = (capture("one"), capture("two"));
    assert_same_bytes("captured in two places", &one, &two);
}

#[test]
fn times_after_the_epoch_are_set_to_it() {
    let source = Source::new(&fixed::everything());
    let late = Times {
        mtime: (1_800_000_000, 0),
        atime: (1_800_000_000, 0),
    };
    late.set(&source.path.join("hello")).expect("set times");
    let wim = source.scratch.join("a.wim");
    captured(&source.path, &wim, &Options::default());
    let text = Imager::plain()
        .show("dir", &wim, &["--detailed", "--path=/hello"])
        .out();
    // 1700000000
    for title in [
        "Creation Time       ",
        "Last Write Time     ",
        "Last Access Time    ",
    ] {
        let line = format!("{title}= Tue Nov 14 22:13:20 2023 UTC");
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
}

#[test]
fn another_guid_for_other_contents() {
    let one = Source::new(&fixed::everything());
    let two = Source::new(&fixed::borders());
    let options = Options::default();
    let guid = |source: &Source| {
        captured(&source.path, &source.scratch.join("a.wim"), &options)[0x18..0x28].to_vec()
    };
    assert_ne!(guid(&one), guid(&two));
    assert_ne!(guid(&one), vec![0; 16]);
}
