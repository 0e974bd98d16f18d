//! Append to archives of which some structure is damaged: refused before anything is written.

use crate::support::{Source, both};
use std::fs;
use std::ops::Range;
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::tree::{Content, Node, Tree, fixed};

/// An archive, taken apart.
struct Parts {
    bytes: Vec<u8>,
    blobs: Range<usize>,
    xml: Range<usize>,
    /// The metadata of the boot image.
    metadata: Range<usize>,
}

impl Parts {
    fn of(bytes: Vec<u8>) -> Self {
        let number = |at: usize, len: usize| {
            let mut field = [0; 8];
            field[..len].copy_from_slice(&bytes[at..at + len]);
            u64::from_le_bytes(field) as usize
        };
        let resource = |at: usize| {
            let start = number(at + 8, 8);
            start..start + number(at, 7)
        };
        let (blobs, xml, metadata) = (resource(0x30), resource(0x48), resource(0x60));
        Self {
            blobs,
            xml,
            metadata,
            bytes,
        }
    }

    fn with(&self, at: usize, new: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    }
}

/// Archives that cannot be opened, and what is wrong with each.
fn hopeless(whole: &Parts) -> Vec<(&'static str, Vec<u8>)> {
    let end = whole.bytes.len();
    let far = [0xff, 0xff, 0xff, 0xff, 0xff];
    vec![
        ("magic", whole.with(0, b"X")),
        ("size of the header", whole.with(8, &[1])),
        ("version", whole.with(0xc, &[0xff])),
        ("compression type", whole.with(0x10, &[2, 0, 0, 0])),
        ("chunk size", whole.with(0x14, &[0x11, 0x11])),
        ("part 0", whole.with(0x28, &[0])),
        ("no image", whole.with(0x2c, &[0])),
        ("more images than metadata", whole.with(0x2c, &[9])),
        ("place of the blob table", whole.with(0x38, &far)),
        ("size of a blob", whole.with(whole.blobs.start, &far)),
        ("place of a blob", whole.with(whole.blobs.start + 8, &far)),
        ("place of the XML data", whole.with(0x50, &far)),
        (
            "encoding of the XML data",
            whole.with(whole.xml.start, &[0]),
        ),
        ("XML data", whole.with(whole.xml.start + 2, b"x")),
        (
            "end of the XML data",
            whole.with(whole.xml.end - 4, b"\0\0"),
        ),
        (
            "cut in the XML data",
            whole.bytes[..whole.xml.end - 10].to_vec(),
        ),
        ("cut in the middle", whole.bytes[..end / 2].to_vec()),
        ("cut in the header", whole.bytes[..100].to_vec()),
        ("empty", Vec::new()),
    ]
}

/// Appends in every way; nothing may change.
fn assert_refused(imager: &Imager, source: &Source, what: &str, bytes: &[u8], ways: &[&[&str]]) {
    let wim = source.scratch.join("damaged.wim");
    for &more in ways {
        fs::write(&wim, bytes).expect("write");
        let call = imager.append(&source.path, &wim, "new", &Options::default());
        let run = call.args(more).run().refused();
        assert!((1..255).contains(&run.code()), "{what}: {run}");
        if imager.name == "wimforge" {
            assert!(fs::read(&wim).expect("read") == bytes, "{what}: {run}");
            let names = source.scratch.names();
            let left: Vec<_> = names
                .iter()
                .filter(|name| !name.ends_with(".wim"))
                .collect();
            assert_eq!(left, ["source"], "{what}");
        }
    }
}

const WAYS: [&[&str]; 5] = [
    &[],
    &["--rebuild"],
    &["--pipable"],
    &["--check"],
    &["--update-of=1"],
];

fn archive(source: &Source, imager: &Imager, check: bool) -> Parts {
    let options = Options {
        check,
        boot: true,
        ..Options::with(Compression::Lzx)
    };
    let wim = source.captured(imager, "whole.wim", &options);
    Parts::of(fs::read(wim).expect("read"))
}

#[test]
fn what_cannot_be_opened_is_not_written_to() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&Tree {
        nodes: fixed::everything().nodes[..6].to_vec(),
        ..Tree::default()
    });
    let whole = archive(&source, &wimforge, false);
    for (what, bytes) in hopeless(&whole) {
        assert_refused(&wimforge, &source, what, &bytes, &WAYS);
        assert_refused(&wimlib, &source, what, &bytes, &WAYS[..1]);
    }
}

/// Damage inside of the metadata shows only to who reads it: whoever writes the archive anew, or
/// compares with the image. Appending in place leaves it as it is, as wimlib does.
#[test]
fn damaged_metadata_is_not_taken_over() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let whole = archive(&source, &wimforge, false);
    let middle = (whole.metadata.start + whole.metadata.end) / 2;
    let bytes = whole.with(middle, &[0x5a, 0xa5, 0x5a]);
    for ways in [&WAYS[1..3], &WAYS[4..]] {
        assert_refused(&wimforge, &source, "metadata", &bytes, ways);
    }
    assert_refused(&wimlib, &source, "metadata", &bytes, &WAYS[1..2]);
    let wim = source.scratch.join("damaged.wim");
    for imager in [&wimforge, &wimlib] {
        fs::write(&wim, &bytes).expect("write");
        let call = imager.append(&source.path, &wim, "new", &Options::default());
        call.run().ok();
        let listed = [&wimforge, &wimlib].map(|eyes| eyes.show("dir", &wim, &["2"]).out());
        assert_eq!(listed[0], listed[1]);
    }
}

/// Whoever copies data that is not compressed looks at it; compressed data is copied as it is.
#[test]
fn damaged_data_is_not_taken_over() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&Tree {
        nodes: vec![
            Node::file(0, "small", Content::text(1, 40_000)),
            Node::file(0, "large", Content::text(2, 3_000_000)),
        ],
        ..Tree::default()
    });
    let marks = ["small", "large"].map(|name| {
        let data = fs::read(source.path.join(name)).expect("read");
        data[data.len() / 2..][..100].to_vec()
    });
    let dir = source.scratch.path();
    for (compression, pipable) in [
        (Compression::None, false),
        (Compression::None, true),
        (Compression::Lzx, false),
    ] {
        let options = Options {
            further: if pipable { &["--pipable"] } else { &[] },
            ..Options::with(compression)
        };
        let whole = source.captured(&wimforge, "old.wim", &options);
        let whole = fs::read(whole).expect("read");
        for (number, mark) in marks.iter().enumerate() {
            let plain = whole.windows(mark.len()).position(|at| at == mark);
            // The data of either file is more than the first hundred bytes behind the header.
            let at = plain.unwrap_or(208 + 100);
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            for args in [
                &["optimize", "old.wim"][..],
                &["export", "old.wim", "1", "new.wim"],
                &["split", "old.wim", "new.swm", "1"],
                &["append", "source", "old.wim", "second", "--rebuild"],
            ] {
                for imager in [&wimforge, &wimlib] {
                    fs::write(dir.join("old.wim"), &damaged).expect("write");
                    let run = imager.call(args).in_dir(dir).run();
                    let what = format!("{compression:?} {pipable} {number}: {run}");
                    if compression != Compression::None {
                        assert_eq!(run.code(), 0, "{what}");
                    } else {
                        let run = run.refused_with(28, &["SHA-1"]);
                        assert!(
                            imager.name == "wimlib" || run.err().contains("old.wim"),
                            "{run}"
                        );
                        let left = fs::read(dir.join("old.wim")).expect("read");
                        assert!(left == damaged, "{what}");
                    }
                    let names = source.scratch.names();
                    let refused = compression == Compression::None && imager.name != "wimlib";
                    assert!(!refused || names == ["old.wim", "source"], "{what}");
                    for name in names.iter().filter(|name| name.starts_with("new")) {
                        fs::remove_file(dir.join(name)).expect("remove");
                    }
                }
            }
        }
    }
}

/// Where there is an integrity table, `--check` finds every damage first.
#[test]
fn check_finds_everything() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let whole = archive(&source, &wimforge, true);
    let table = whole.xml.end;
    let places = [
        ("data", 300),
        ("metadata", whole.metadata.start + 20),
        ("blob table", whole.blobs.start + 30),
        ("size of the integrity table", table),
        ("number of its entries", table + 4),
        ("a hash in it", table + 12),
    ];
    for (what, at) in places {
        let bytes = whole.with(at, &[whole.bytes[at] ^ 0x41]);
        for more in [
            &["--check"][..],
            &["--check", "--rebuild"],
            &["--check", "--pipable"],
        ] {
            assert_refused(&wimforge, &source, what, &bytes, &[more]);
        }
        assert_refused(&wimlib, &source, what, &bytes, &[&["--check"]]);
    }
}
