//! Symbolic links: fixing, links that point outside, limits.

use crate::support::{Source, agree, both, rules_for};
use std::fs;
use std::os::unix::fs::symlink;
use wimforge_conformance::compare::{Rules, assert_same_tree};
use wimforge_conformance::imaging::{Fixing, Imager, Options};
use wimforge_conformance::known;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tree::{Node, Target, Tree, fixed};
use wimforge_conformance::view::{self, View, assert_no_semantic_difference};

fn fixing(fixing: Fixing) -> Options {
    Options {
        fixing,
        ..Options::default()
    }
}

#[test]
fn absolute_links_are_fixed_or_kept() {
    for mode in [Fixing::Default, Fixing::On, Fixing::Off] {
        agree(&fixed::absolute_links(), &fixing(mode));
    }
}

#[test]
fn a_link_into_the_source_through_another_name_of_it() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let alias = source.scratch.join("alias");
    symlink(&source.path, &alias).expect("link");
    symlink(alias.join("hello"), source.path.join("through alias")).expect("link");
    symlink(alias.join("sub/../hello"), source.path.join("dots")).expect("link");
    symlink(
        source.path.join("sub/../../source/hello"),
        source.path.join("out and in"),
    )
    .expect("link");
    let source = Source {
        before: Snapshot::of(&source.path),
        ..source
    };
    let ours = source.captured(&wimforge, "ours.wim", &Options::default());
    let theirs = source.captured(&wimlib, "theirs.wim", &Options::default());
    let restored = |imager: &Imager, wim, name: &str| {
        let dir = source.scratch.join(name);
        imager.apply(wim, 1, &dir).run().ok();
        let snapshot = Snapshot::of(&dir);
        fs::remove_dir_all(&dir).expect("remove");
        snapshot
    };
    // Restored to the same place, so that the targets can be compared as they are.
    let expected = restored(&wimlib, &theirs, "restored");
    let rules = Rules {
        access_times: false,
        ..Rules::default()
    };
    for (imager, wim) in [(&wimlib, &ours), (&wimforge, &ours), (&wimforge, &theirs)] {
        let what = format!("{} applied by {imager}", wim.display());
        assert_same_tree(&what, &expected, &restored(imager, wim, "restored"), rules);
    }
}

#[test]
fn the_source_is_a_link() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::absolute_links());
    let alias = source.scratch.join("alias");
    symlink(&source.path, &alias).expect("link");
    let (ours, theirs) = (source.scratch.join("a.wim"), source.scratch.join("b.wim"));
    for (imager, wim) in [(&wimforge, &ours), (&wimlib, &theirs)] {
        imager.capture(&alias, wim, &Options::default()).run().ok();
        source.before.restore_times();
    }
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
    source.assert_restored(&wimlib, &ours, 1, rules_for(&Options::default()));
}

#[test]
fn by_default_links_that_point_outside_are_left_out_and_named() {
    let nodes = vec![
        Node::file(0, "file", wimforge_conformance::tree::Content::text(1, 10)),
        Node::symlink(0, "inside", Target::Inside(1, Vec::new())),
        Node::symlink(0, "outside", Target::Text(b"/elsewhere/target".to_vec())),
    ];
    let source = Source::new(&Tree {
        nodes,
        ..Tree::default()
    });
    let wimforge = Imager::plain();
    let listing = |name: &str, args: &[&str]| {
        let wim = source.scratch.join(name);
        let run = wimforge
            .capture(&source.path, &wim, &Options::default())
            .args(args)
            .run()
            .ok();
        (
            run.out() + &run.err(),
            wimforge.show("dir", &wim, &[]).out(),
        )
    };
    let (said, listed) = listing("omitted.wim", &[]);
    assert_eq!(listed, "/\n/file\n/inside\n");
    for text in ["outside", "/elsewhere/target"] {
        assert!(
            said.contains(text),
            "the warning should name {text}: {said}"
        );
    }
    for args in [
        ["--outside-links=keep"].as_slice(),
        &["--compat=wimlib"],
        &["--norpfix"],
    ] {
        let (_, listed) = listing("kept.wim", args);
        assert_eq!(listed, "/\n/file\n/inside\n/outside\n", "with {args:?}");
    }
    let (_, listed) = listing("omitted.wim", &["--compat=wimlib", "--outside-links=omit"]);
    assert_eq!(listed, "/\n/file\n/inside\n");
}

#[test]
fn the_longest_target() {
    // Reparse data is at most 16384 bytes with its header of 8; a relative target appears twice.
    let longest = (16384 - 8 - 12 - 4) / 4;
    let tree = |length: usize| Tree {
        nodes: vec![Node::symlink(0, "long", Target::Text(vec![b'x'; length]))],
        ..Tree::default()
    };
    // POSIX allows 4095 bytes.
    agree(&tree(longest), &Options::default());

    let source = Source::new(&tree(longest + 1));
    let wim = source.scratch.join("a.wim");
    Imager::plain()
        .capture(&source.path, &wim, &Options::default())
        .run()
        .refused_with(51, &["long"]);
    assert_eq!(source.scratch.names(), ["source"]);
}

#[test]
fn names_of_a_linked_link_become_separate() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    fs::hard_link(source.path.join("to file"), source.path.join("other name")).expect("link");
    let source = Source {
        before: Snapshot::of(&source.path),
        ..source
    };
    source.before.restore_times();
    let options = Options::default();
    let ours = source.captured(&wimforge, "a.wim", &options);
    let theirs = source.captured(&wimlib, "b.wim", &options);
    for eyes in [&wimlib, &wimforge] {
        let [one, two] = [&ours, &theirs]
            .map(|wim| View::of(eyes, wim).without(known::ELEMENT_THAT_COUNTS_LINKED_LINKS));
        assert_eq!(view::differences(&one, &two), [""; 0], "seen by {eyes}");
    }
    source.assert_restored(&wimlib, &ours, 1, rules_for(&options));
    source.assert_restored(&wimforge, &theirs, 1, rules_for(&options));
}

#[test]
fn rpfix_and_norpfix_exclude_each_other() {
    let source = Source::new(&Tree::default());
    let wim = source.scratch.join("a.wim");
    Imager::plain()
        .capture(&source.path, &wim, &Options::default())
        .args(["--rpfix", "--norpfix"])
        .run()
        .refused();
    assert_eq!(source.scratch.names(), ["source"]);
}
