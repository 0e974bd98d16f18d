//! Append: each program onto its own archives and onto the other's.

use crate::support::{Source, both, generated, rules_for};
use proptest::prelude::*;
use proptest::sample::select;
use std::fs;
use std::path::Path;
use wimforge_conformance::imaging::{COMPRESSIONS, Compression, Imager, Options};
use wimforge_conformance::tree::{Content, Node, Tree, fixed, strategy};
use wimforge_conformance::view::{assert_no_semantic_difference, assert_same_eyes};

/// A tree that shares some files with [`fixed::everything`].
fn second() -> Tree {
    let mut tree = fixed::everything();
    tree.nodes.truncate(10);
    tree.nodes.extend([
        Node::file(0, "new in the second", Content::text(77, 50_000)),
        Node::file(0, "also new", Content::text(78, 3)),
    ]);
    tree
}

fn appended(imager: &Imager, source: &Source, wim: &Path, name: &str, options: &Options) {
    imager.append(&source.path, wim, name, options).run().ok();
    source.before.restore_times();
}

/// One program captures, then one appends; the archive must be what wimlib alone would have made.
#[track_caller]
pub fn append_agrees(trees: [&Tree; 2], first: &Options, then: &Options) {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let sources = trees.map(Source::new);
    let scratch = &sources[0].scratch;
    let reference = sources[0].captured(&wimlib, "reference.wim", first);
    appended(&wimlib, &sources[1], &reference, "second", then);

    for (name, captor, appender) in [
        ("both wimforge.wim", &wimforge, &wimforge),
        ("wimlib then wimforge.wim", &wimlib, &wimforge),
        ("wimforge then wimlib.wim", &wimforge, &wimlib),
    ] {
        let wim = sources[0].captured(captor, name, first);
        appended(appender, &sources[1], &wim, "second", then);
        assert_no_semantic_difference(&wimlib, &wim, &reference);
        assert_no_semantic_difference(&wimforge, &wim, &reference);
        assert_same_eyes(&wimforge, &wimlib, &wim);
        for (image, source) in (1..).zip(&sources) {
            source.assert_restored(&wimlib, &wim, image, rules_for(first));
            source.assert_restored(&wimforge, &wim, image, rules_for(first));
        }
        fs::remove_file(&wim).expect("remove an archive");
    }
    assert_eq!(
        scratch.names(),
        ["reference.wim", "source"],
        "something was left behind"
    );
}

#[test]
fn in_place() {
    for compression in COMPRESSIONS {
        let options = Options::with(compression);
        append_agrees([&fixed::everything(), &second()], &options, &options);
    }
}

#[test]
fn with_rebuild() {
    for compression in COMPRESSIONS {
        let options = Options {
            rebuild: true,
            ..Options::with(compression)
        };
        append_agrees([&fixed::everything(), &second()], &options, &options);
    }
}

#[test]
fn the_same_tree_again() {
    let options = Options::default();
    let tree = fixed::everything();
    append_agrees([&tree, &tree], &options, &options);
}

#[test]
fn onto_an_empty_image() {
    let options = Options::default();
    append_agrees([&Tree::default(), &second()], &options, &options);
}

#[test]
fn integrity_tables_are_kept_and_added() {
    let plain = Options::default();
    let checked = Options {
        check: true,
        ..Options::default()
    };
    let trees = [&fixed::everything(), &second()];
    append_agrees(trees, &checked, &plain);
    append_agrees(trees, &plain, &checked);
    append_agrees(trees, &checked, &checked);
}

#[test]
fn boot_marks_are_kept_and_moved() {
    let plain = Options::default();
    let boot = Options {
        boot: true,
        ..Options::default()
    };
    let trees = [&fixed::everything(), &second()];
    append_agrees(trees, &boot, &plain);
    append_agrees(trees, &plain, &boot);
    append_agrees(trees, &boot, &boot);
}

#[test]
fn data_that_is_there_is_not_stored_again() {
    let source = Source::new(&fixed::bulky(4, 1));
    let wimforge = Imager::drop_in();
    let wim = source.captured(&wimforge, "a.wim", &Options::with(Compression::None));
    let before = fs::metadata(&wim).expect("size").len();
    appended(&wimforge, &source, &wim, "again", &Options::default());
    let grown = fs::metadata(&wim).expect("size").len() - before;
    assert!(grown < 100_000, "grew by {grown} bytes");
}

#[test]
fn names_that_are_taken() {
    let source = Source::new(&second());
    let wimforge = Imager::drop_in();
    let wim = source.captured(&wimforge, "a.wim", &Options::default());
    let before = fs::read(&wim).expect("read");
    wimforge
        .append(&source.path, &wim, "source", &Options::default())
        .run()
        .refused_with(11, &["source"]);
    assert!(
        fs::read(&wim).expect("read") == before,
        "the archive changed"
    );

    // Without a name, a free one is found.
    wimforge
        .call(["append"])
        .arg(&source.path)
        .arg(&wim)
        .run()
        .ok();
    let info = wimforge.show("info", &wim, &["2"]).out();
    assert!(info.contains("source (1)"), "{info}");
}

#[test]
fn many_appends() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&second());
    let wim = source.captured(&wimforge, "a.wim", &Options::default());
    for number in 2..=12 {
        let imager = if number % 3 == 0 { &wimlib } else { &wimforge };
        let options = Options {
            rebuild: number % 4 == 0,
            check: number == 5,
            ..Options::default()
        };
        appended(imager, &source, &wim, &number.to_string(), &options);
    }
    wimlib.verify(&wim).ok();
    wimforge.verify(&wim).ok();
    for image in [1, 2, 7, 12] {
        source.assert_restored(&wimforge, &wim, image, rules_for(&Options::default()));
        source.assert_restored(&wimlib, &wim, image, rules_for(&Options::default()));
    }
}

proptest! {
    #![proptest_config(generated(8))]
    #[test]
    fn generated_trees(
        one in strategy::trees(30),
        two in strategy::trees(30),
        compression in select(&COMPRESSIONS[..]),
        check in any::<[bool; 2]>(),
        boot in any::<[bool; 2]>(),
        rebuild in any::<bool>(),
    ) {
        let [first, then] = [0, 1].map(|step| Options {
            check: check[step],
            boot: boot[step],
            rebuild,
            ..Options::with(compression)
        });
        append_agrees([&one, &two], &first, &then);
    }
}

#[test]
fn refused_however_it_is_written() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let options = Options {
        check: true,
        ..Options::with(Compression::None)
    };
    let whole = source.captured(&wimlib, "whole.wim", &options);
    let bytes = fs::read(&whole).expect("read");
    let altered = |name: &str, at: usize, bits: u8| {
        let mut bytes = bytes.clone();
        bytes[at] ^= bits;
        let wim = source.scratch.join(name);
        fs::write(&wim, bytes).expect("write");
        wim
    };
    let part = source.scratch.join("part.swm");
    wimlib
        .call(["split"])
        .arg(&whole)
        .arg(&part)
        .arg("0.5")
        .run()
        .ok();
    for (wim, more, code) in [
        // Part 1 of several, the flag READONLY, and data that the integrity table knows to be wrong.
        (part, &[][..], 71),
        (altered("readonly.wim", 0x10, 0x04), &[], 71),
        (altered("corrupt.wim", 5000, 0x01), &["--check"], 13),
        (altered("no.wim", 0, 0x01), &[], 43),
    ] {
        let before = fs::read(&wim).expect("read");
        for rebuild in [&[][..], &["--rebuild"], &["--pipable"]] {
            let call = wimforge.append(&source.path, &wim, "second", &Options::default());
            let _refused = call.args(more).args(rebuild).run().refused_with(code, &[]);
            assert!(before == fs::read(&wim).expect("read"), "{}", wim.display());
        }
    }
}
