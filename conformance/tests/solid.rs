//! Solid resources, and LZMS, which they are usually compressed with.

use crate::append::append_agrees;
use crate::seven_zip::assert_readable;
use crate::support::{Source, agree, both};
use std::path::Path;
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::locate;
use wimforge_conformance::tree::{Content, Node, Tree, fixed};

/// Ways to write them, as they are typed.
const FORMS: [&[&str]; 5] = [
    &["--solid"],
    &["--solid", "--no-solid-sort"],
    &[
        "--solid",
        "--solid-compress=xpress",
        "--solid-chunk-size=4K",
    ],
    &[
        "--solid",
        "--solid-compress=lzx:20",
        "--solid-chunk-size=2M",
    ],
    &[
        "--solid",
        "--solid-compress=lzms:20",
        "--solid-chunk-size=64K",
    ],
];

fn solid(compression: Compression, further: &'static [&'static str]) -> Options {
    Options {
        further,
        ..Options::with(compression)
    }
}

/// Files of a few kinds and sizes, one of them twice.
fn few() -> Tree {
    let mut tree = Tree::default();
    for (seed, len) in (1..).zip([0, 1, 4096, 5000, 40_000, 131_073]) {
        let content = Content::text(seed, len);
        tree.nodes
            .push(Node::file(0, format!("{len}.txt"), content));
    }
    let again = Content::text(5, 40_000);
    tree.nodes.push(Node::file(0, "again", again));
    tree.nodes.push(Node::hard_link(0, "linked", 5));
    tree
}

#[test]
fn captured_as_by_wimlib() {
    for form in FORMS {
        agree(&few(), &solid(Compression::Lzx, form));
    }
    let checked = Options {
        check: true,
        ..solid(Compression::None, FORMS[2])
    };
    agree(&fixed::everything(), &checked);
    agree(&Tree::default(), &checked);
}

#[test]
fn lzms_without_being_solid() {
    for further in [&[][..], &["--chunk-size=32K"]] {
        agree(&few(), &solid(Compression::Lzms, further));
    }
}

#[test]
fn appended_as_by_wimlib() {
    let plain = Options::default();
    let (first, mut second) = (few(), few());
    let new = Content::text(77, 50_000);
    second.nodes.push(Node::file(0, "new in the second", new));
    let one = solid(Compression::Lzx, FORMS[2]);
    let other = solid(Compression::Lzx, FORMS[4]);
    for [before, after] in [[&plain, &one], [&one, &plain], [&one, &other]] {
        append_agrees([&first, &second], before, after);
    }
    let rebuilt = Options {
        rebuild: true,
        ..other
    };
    append_agrees([&first, &second], &one, &rebuilt);
}

#[test]
fn seven_zip_reads_them() {
    let Some(seven_zip) = locate::seven_zip() else {
        return;
    };
    let source = Source::new(&few());
    for further in FORMS.into_iter().chain([&[][..]]) {
        for compression in [Compression::Lzx, Compression::Lzms] {
            let options = solid(compression, further);
            let wim = source.captured(&Imager::own(), "a.wim", &options);
            assert_readable(&seven_zip, &wim);
        }
    }
}

/// Where each file's data lies in the solid resource, by hash.
fn layout(imager: &Imager, wim: &Path) -> Vec<(String, String)> {
    let text = imager.show("info", wim, &["--blobs"]).out();
    let mut hash = String::new();
    let mut places = Vec::new();
    for line in text.lines() {
        match line.split_once('=') {
            Some((key, value)) if key.trim() == "Hash" => hash = value.trim().to_owned(),
            Some((key, value)) if key.trim() == "Solid offset" => {
                places.push((hash.clone(), value.trim().to_owned()));
            }
            _ => {}
        }
    }
    places.sort();
    places
}

#[test]
fn sorted_as_by_wimlib() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let mut tree = Tree::default();
    let names = [
        "z",
        "b.txt",
        "A.TXT",
        "c.",
        ".hidden",
        "a.tar.gz",
        "b.gz",
        "ä.txt",
        "_.txt",
        "readme",
        "Z2",
        "x.TXT.bak",
        "no extension",
        "q.ÄB",
        "q.äa",
    ];
    for (seed, name) in (1..).zip(names) {
        let content = Content::text(seed, 100 + seed);
        tree.nodes.push(Node::file(0, name, content));
    }
    let source = Source::new(&tree);
    let options = solid(Compression::Lzx, FORMS[2]);
    let ours = source.captured(&wimforge, "wimforge.wim", &options);
    let theirs = source.captured(&wimlib, "wimlib.wim", &options);
    let (ours, theirs) = (layout(&wimlib, &ours), layout(&wimlib, &theirs));
    assert_eq!(ours.len(), names.len());
    assert_eq!(ours, theirs);
}

#[test]
fn impossible_requests_are_refused() {
    let source = Source::new(&Tree::default());
    let wim = source.scratch.join("a.wim");
    for (further, code) in [
        (&["--solid", "--solid-compress=none"][..], 16),
        (&["--solid", "--solid-chunk-size=16K"], 15),
        (
            &["--solid", "--solid-compress=lzx", "--solid-chunk-size=4M"],
            15,
        ),
        (&["--solid", "--solid-compress=foo"], 255),
    ] {
        let options = solid(Compression::Lzx, further);
        for imager in [Some(Imager::drop_in()), Imager::wimlib()]
            .into_iter()
            .flatten()
        {
            let run = imager.capture(&source.path, &wim, &options).run();
            assert_eq!(run.code(), code, "{imager} {further:?}");
        }
    }
}
