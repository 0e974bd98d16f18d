//! Images made of several sources.

use crate::support::both;
use std::fs;
use std::os::unix::fs::symlink;
use wimforge_conformance::imaging::Imager;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tool::Run;
use wimforge_conformance::tree::{Times, fixed};
use wimforge_conformance::view::assert_no_semantic_difference;

/// Sources that meet in many ways, in a directory from which the programs are called.
struct Sources(Scratch, Snapshot);

impl Sources {
    fn new() -> Self {
        let scratch = Scratch::new();
        for dir in ["one/sub", "two/sub", "three", "links"] {
            fs::create_dir_all(scratch.join(dir)).expect("make a directory");
        }
        for (file, text) in [
            ("one/a", "1"),
            ("one/sub/x", "from one"),
            ("two/b", "2"),
            ("two/sub/y", "from two"),
            ("three/sub", "a file"),
            ("file", "some file"),
            ("with space", "spaces"),
        ] {
            fs::write(scratch.join(file), text).expect("write");
        }
        fs::hard_link(scratch.join("one/a"), scratch.join("two/linked")).expect("link");
        symlink("file", scratch.join("link")).expect("link");
        symlink("one", scratch.join("link to dir")).expect("link");
        // wimlib stores a link that two sources lead to as its first meeting was stored, fixed or not, so
        // no list of these tests has this one twice.
        symlink(scratch.join("links"), scratch.join("links/absolute")).expect("link");
        let mut before = Snapshot::of(scratch.path());
        before.settle();
        Self(scratch, before)
    }

    fn run(&self, imager: &Imager, wim: &str, list: &str, more: &[&str]) -> Run {
        fs::write(self.0.join("list"), list).expect("write");
        let _ = fs::remove_file(self.0.join(wim));
        // Reading changes access times.
        self.1.restore_times();
        imager
            .call(["capture", "list", wim, "Name", "--source-list"])
            .args(more)
            .in_dir(self.0.path())
            .run()
    }

    fn listing(&self, imager: &Imager, wim: &str) -> String {
        imager.show("dir", &self.0.join(wim), &[]).out()
    }
}

#[test]
fn the_same_image_as_wimlib() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let sources = Sources::new();
    for (list, more) in [
        ("one /\n", &[][..]),
        ("# comment\n; other\n\r\n\t one  /  \r\ntwo /\r\n", &[]),
        ("one /\ntwo /\nfile /sub/file\n", &[]),
        ("one /\ntwo sub\n", &[]),
        ("one /\nfile\n'with space'\n\"link\"\n'link to dir'\n", &[]),
        ("'link to dir' /\n", &[]),
        ("one /\nlink new\n", &["--dereference"]),
        ("one /\none /sub\n", &[]),
        ("one /\none again\n", &["--norpfix"]),
        ("links /\none /\n", &[]),
        ("links /\none sub\n", &["--norpfix"]),
        ("one /\nlinks sub\n", &[]),
        ("one /\nfile sub\\file\n", &[]),
        ("one /\nfile ///sub//file//\n", &[]),
        ("one /\nfile a\ntwo/b sub/x\n", &[]),
        ("", &[]),
    ] {
        for (imager, wim) in [(&wimforge, "ours.wim"), (&wimlib, "theirs.wim")] {
            let _captured = sources.run(imager, wim, list, more).ok();
        }
        let [ours, theirs] = ["ours.wim", "theirs.wim"].map(|wim| sources.0.join(wim));
        if list.is_empty() {
            // wimlib does not count the root that it makes up, and the two make it at other moments.
            assert_eq!(sources.listing(&wimlib, "ours.wim"), "/\n");
        } else {
            assert_no_semantic_difference(&wimlib, &ours, &theirs);
        }
    }
}

#[test]
fn parents_are_made() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let sources = Sources::new();
    let list = "file a/b/c/file\none /a/b\nlink d\n";
    for (imager, wim) in [(&wimforge, "ours.wim"), (&wimlib, "theirs.wim")] {
        let _captured = sources.run(imager, wim, list, &[]).ok();
    }
    let ours = sources.listing(&wimlib, "ours.wim");
    assert_eq!(ours, sources.listing(&wimlib, "theirs.wim"));
    assert!(ours.contains("/a/b/c/file\n/a/b/sub\n"), "{ours}");
    // Directories that were made up are counted too.
    let info = wimforge
        .show("info", &sources.0.join("ours.wim"), &[])
        .out();
    assert!(info.contains("Directory Count:        5\n"), "{info}");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let sources = Sources::new();
    for (list, more, code) in [
        ("file /\n", &[][..], 40),
        ("one /\nthree /\n", &[], 32),
        ("three /\none /\n", &[], 40),
        ("one /\nfile sub\n", &[], 32),
        ("one /\ntwo a/b\n", &[], 40),
        ("file x\none x\n", &[], 40),
        ("nothing /\n", &[], 63),
        ("one \"unclosed\n", &[], 255),
        ("one /\ntwo /two\n", &["--rpfix"], 24),
    ] {
        for imager in [&wimforge, &wimlib] {
            let run = sources.run(imager, "none.wim", list, more).refused();
            assert_eq!(run.code(), code, "{imager}: {list:?}\n{}", run.err());
        }
        assert!(
            !sources.0.join("none.wim").exists()
                || wimlib.verify(&sources.0.join("none.wim")).code() != 0
        );
        let _ = fs::remove_file(sources.0.join("none.wim"));
    }
}

#[test]
fn two_sources_of_one_file() {
    let sources = Sources::new();
    let list = "one /\ntwo /\nfile sub/x\n";
    // The manual of 2013: an error that names both.
    let run = sources.run(&Imager::plain(), "a.wim", list, &[]);
    let _refused = run.refused_with(23, &["\"/sub/x\"", "\"file\"", "\"one\""]);
    assert!(!sources.0.join("a.wim").exists());
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    // Today's wimlib: the later one.
    for (imager, wim) in [(&wimforge, "ours.wim"), (&wimlib, "theirs.wim")] {
        let run = sources.run(imager, wim, list, &[]).ok();
        assert!(run.out().contains("Updating \"/sub/x\" in WIM image"));
    }
    let [ours, theirs] = ["ours.wim", "theirs.wim"].map(|wim| sources.0.join(wim));
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
    let text = wimlib
        .call(["extract"])
        .arg(&ours)
        .args(["1", "/sub/x", "--to-stdout"])
        .run()
        .ok();
    assert_eq!(text.out(), "some file");
}

#[test]
fn mistakes_in_lists_are_named() {
    let sources = Sources::new();
    let wimforge = Imager::plain();
    for (list, texts) in [
        ("one /\none b c\n", &["list:2", "one or two paths"][..]),
        ("../x\n", &["list:1", "\"..\""]),
        ("one 'x\n", &["list:1", "Missing closing quote: 'x"]),
    ] {
        let run = sources.run(&wimforge, "a.wim", list, &[]);
        let _refused = run.refused_with(255, texts);
    }
    let run = wimforge.call(["capture", "no list", "a.wim", "--source-list"]);
    let _refused = run
        .in_dir(sources.0.path())
        .run()
        .refused_with(255, &["no list", "No such file"]);
}

#[test]
fn a_list_on_standard_input_and_in_utf_16() {
    let sources = Sources::new();
    let wimforge = Imager::plain();
    let list: Vec<u8> = "\u{FEFF}one /\r\nfile f\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let call = wimforge.call(["capture", "-", "a.wim", "--source-list"]);
    let _captured = call.in_dir(sources.0.path()).run_fed(&list).ok();
    let listing = sources.listing(&wimforge, "a.wim");
    assert_eq!(listing, "/\n/a\n/f\n/sub\n/sub/x\n");
    let info = wimforge.show("info", &sources.0.join("a.wim"), &[]).out();
    assert!(info.contains("Name:                   -\n"), "{info}");
}

#[test]
fn large_overlays_of_everything() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let mut sources = Sources::new();
    let mut tree = fixed::everything();
    tree.times = Times {
        mtime: (1_600_000_000, 0),
        atime: (1_600_000_000, 0),
    };
    tree.build(&sources.0.join("everything"));
    // A directory that was read has another access time, so each is read once only.
    for name in ["wide", "wider", "widest"] {
        fixed::wide(700).build(&sources.0.join(name));
    }
    sources.1 = Snapshot::of(sources.0.path());
    let list = "everything /\nwide /\nwider /sub\none /sub\nwidest again\n";
    for (imager, wim) in [(&wimforge, "ours.wim"), (&wimlib, "theirs.wim")] {
        let _captured = sources.run(imager, wim, list, &[]).ok();
    }
    let [ours, theirs] = ["ours.wim", "theirs.wim"].map(|wim| sources.0.join(wim));
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
}
