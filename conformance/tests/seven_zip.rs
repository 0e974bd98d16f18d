//! 7-Zip, a second independent reader.

use crate::support::{Source, both};
use std::path::Path;
use wimforge_conformance::imaging::{COMPRESSIONS, Compression, Imager, Options};
use wimforge_conformance::known;
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tool::Call;
use wimforge_conformance::tree::{Content, Node, Tree, fixed};

#[track_caller]
pub fn assert_readable(seven_zip: &Path, wim: &Path) {
    let run = Call::new(seven_zip).args(["t"]).arg(wim).run().ok();
    assert!(run.out().contains("Everything is Ok"), "{run}");
}

#[test]
fn tests_what_we_write() {
    let Some(seven_zip) = locate::seven_zip() else {
        return;
    };
    let wimforge = Imager::own();
    for tree in [fixed::everything(), fixed::borders(), fixed::wide(500)] {
        let source = Source::new(&tree);
        for compression in COMPRESSIONS {
            for check in [false, true] {
                let options = Options {
                    check,
                    ..Options::with(compression)
                };
                let wim = source.captured(&wimforge, "a.wim", &options);
                assert_readable(&seven_zip, &wim);
                for (name, rebuild) in [("in place", false), ("rebuilt", true)] {
                    let options = Options {
                        rebuild,
                        ..options.clone()
                    };
                    wimforge
                        .append(&source.path, &wim, name, &options)
                        .run()
                        .ok();
                    assert_readable(&seven_zip, &wim);
                }
            }
        }
    }
}

/// What further options make, where 7-Zip reads what wimlib makes with them.
#[test]
fn reads_what_options_make() {
    let (Some(seven_zip), Some((wimforge, wimlib))) = (locate::seven_zip(), both()) else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let further: [&'static [&'static str]; 6] = [
        &["--unix-data"],
        &["--wimboot"],
        &["--boot", "--flags=Pro", "--image-property=A/B=c"],
        &["--compress=fast", "--chunk-size=4K"],
        &["--compress=recovery"],
        &["--unix-data=stream"],
    ];
    for further in further {
        let readable = |imager: &Imager| {
            let wim = source.scratch.join("a.wim");
            let call = imager.call(["capture"]).arg(&source.path).arg(&wim);
            if !call.args(further).run().succeeded() {
                return None;
            }
            let run = Call::new(&seven_zip).args(["t"]).arg(&wim).run();
            Some(run.out().contains("Everything is Ok"))
        };
        let (ours, theirs) = (readable(&wimforge), readable(&wimlib));
        // Options that wimlib does not have make nothing that 7-Zip could not read.
        assert_eq!(ours.or(Some(false)), theirs.or(Some(true)), "{further:?}");
    }
}

#[test]
fn what_it_writes_is_read_and_changed() {
    let (Some(seven_zip), Some((wimforge, wimlib))) = (locate::seven_zip(), both()) else {
        return;
    };
    let files = [
        ("zero", 0),
        ("d/e/large", 3_000_000),
        ("d/large too", 3_000_000),
        ("B", 5),
        ("a", 70_000),
    ];
    let mut tree = Tree {
        nodes: vec![Node::dir(0, "d"), Node::dir(1, "e"), Node::dir(0, "empty")],
        ..Tree::default()
    };
    for (path, len) in files {
        let (parent, name) = match path.rsplit_once('/') {
            Some(("d", name)) => (1, name),
            Some((_, name)) => (2, name),
            None => (0, path),
        };
        let content = Content::text(len, len);
        tree.nodes.push(Node::file(parent, name, content));
    }
    let source = Source::new(&tree);
    let wim = source.scratch.join("7.wim");
    let names = ["d", "empty", "zero", "B", "a"];
    let call = Call::new(&seven_zip)
        .args(["a", "-twim"])
        .arg(&wim)
        .args(names);
    let _run = call.in_dir(&source.path).run().ok();
    source.before.restore_times();
    let kinds = |snapshot: &Snapshot| -> Vec<_> {
        let nodes = snapshot.nodes.iter();
        nodes
            .map(|(path, node)| (path.clone(), node.kind.clone()))
            .collect()
    };
    let restored = |imager: &Imager, wim: &Path, image: usize| {
        let target = Scratch::new();
        let _run = imager.apply(wim, image, &target.join("t")).run().ok();
        kinds(&Snapshot::of(&target.join("t")))
    };
    let listed = [&wimforge, &wimlib].map(|imager| imager.show("dir", &wim, &["1"]).out());
    assert_eq!(listed[0], listed[1]);
    let _run = wimforge.verify(&wim).ok();
    assert_eq!(restored(&wimforge, &wim, 1), kinds(&source.before));
    let options = Options::with(Compression::None);
    let _run = wimforge
        .append(&source.path, &wim, "more", &options)
        .run()
        .ok();
    assert_readable(&seven_zip, &wim);
    let exported = source.scratch.join("exported.wim");
    let call = wimforge
        .call(["export"])
        .arg(&wim)
        .arg("all")
        .arg(&exported);
    let _run = call.arg("--compress=lzx").run().ok();
    let _run = wimforge.call(["optimize"]).arg(&wim).run().ok();
    for made in [&wim, &exported] {
        let _run = wimlib.verify(made).ok();
        for image in [1, 2] {
            assert_eq!(restored(&wimlib, made, image), kinds(&source.before));
        }
    }
}

#[test]
fn finds_the_same_as_in_wimlibs_archive() {
    let (Some(seven_zip), Some((wimforge, wimlib))) = (locate::seven_zip(), both()) else {
        return;
    };
    for tree in [Tree::default(), fixed::everything(), fixed::every_unit(50)] {
        let source = Source::new(&tree);
        let listing = |imager: &Imager| {
            let wim = source.captured(imager, "a.wim", &Options::default());
            let run = Call::new(&seven_zip)
                .args(["l", "-slt", "-ba"])
                .arg(&wim)
                .run()
                .ok();
            let mut lines: Vec<String> = run
                .out()
                .lines()
                .filter(|line| {
                    known::is_comparable_listing_line(line)
                        && !["Packed Size", "Method", "Index", "Offset", "iNode"]
                            .iter()
                            .any(|start| line.starts_with(start))
                })
                .map(str::to_owned)
                .collect();
            lines.sort();
            lines
        };
        let (ours, theirs) = (listing(&wimforge), listing(&wimlib));
        for line in &theirs {
            assert!(ours.contains(line), "7-Zip does not see {line:?} in ours");
        }
        assert_eq!(ours.len(), theirs.len());
    }
}
