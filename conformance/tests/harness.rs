//! The harness itself: a comparer that finds nothing proves nothing.

use std::fs;
use std::path::Path;
use wimforge_conformance::compare::{Links, Rules, differences};
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tree::{Target, Times, Tree, fixed, name};

fn changed(tree: &Tree, change: impl FnOnce(&Path)) -> Vec<String> {
    let scratch = Scratch::new();
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    tree.build(&one);
    tree.build(&two);
    let before = Snapshot::of(&one);
    change(&two);
    let after = Snapshot::of(&two);
    let rules = Rules {
        links: Links::Moved,
        ..Rules::default()
    };
    let mut found = differences(&before, &after, rules);
    // A change of a directory's entries changes its times as well.
    found.retain(|line| !line.starts_with("(root): last"));
    found
}

#[test]
fn two_buildings_of_one_tree_are_equal() {
    assert_eq!(changed(&fixed::absolute_links(), |_| {}), [""; 0]);
    assert_eq!(changed(&fixed::borders(), |_| {}), [""; 0]);
}

#[test]
fn each_kind_of_difference_is_found() {
    let tree = fixed::everything();
    let times = Times::default();
    let expect = |found: Vec<String>, texts: &[&str]| {
        assert_eq!(found.len(), texts.len(), "{found:#?}");
        for (line, text) in found.iter().zip(texts) {
            assert!(line.contains(text), "{line} should contain {text}");
        }
    };
    expect(
        changed(&tree, |two| {
            fs::remove_file(two.join("Upper")).expect("remove");
        }),
        &["\"Upper\": missing"],
    );
    expect(
        changed(&tree, |two| fs::write(two.join("new"), "").expect("write")),
        &["\"new\": not in the original"],
    );
    expect(
        changed(&tree, |two| {
            fs::write(two.join("sub/again"), "hellO\n").expect("write");
            times.set(&two.join("sub/again")).expect("times");
        }),
        &["\"sub/again\": contents differ first at byte 4: 4f, expected 6f"],
    );
    expect(
        changed(&tree, |two| {
            let times = Times {
                atime: (times.atime.0, times.atime.1 + 100),
                ..times
            };
            times.set(&two.join("to file")).expect("times");
        }),
        &["\"to file\": last access time"],
    );
    expect(
        changed(&tree, |two| {
            let times = Times {
                mtime: (times.mtime.0, times.mtime.1 + 99),
                ..times
            };
            times.set(&two.join("Upper")).expect("times");
        }),
        &[],
    );
    expect(
        changed(&tree, |two| {
            let path = two.join("sub/another name of hello");
            fs::remove_file(&path).expect("remove");
            fs::write(&path, "hello\n").expect("write");
            times.set(&path).expect("times");
            times.set(&two.join("sub")).expect("times");
        }),
        &["\"sub/another name of hello\": alone, expected linked with \"hello\""],
    );
}

#[test]
fn links_inside_move_and_others_stay() {
    let tree = Tree {
        nodes: vec![
            wimforge_conformance::tree::Node::symlink(0, "in", Target::Inside(0, b"/x".to_vec())),
            wimforge_conformance::tree::Node::symlink(0, "out", Target::Text(b"/x".to_vec())),
        ],
        ..Tree::default()
    };
    let scratch = Scratch::new();
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    tree.build(&one);
    tree.build(&two);
    let (a, b) = (Snapshot::of(&one), Snapshot::of(&two));
    let found = differences(&a, &b, Rules::default());
    assert_eq!(found.len(), 1, "{found:?}");
    let moved = Rules {
        links: Links::Moved,
        ..Rules::default()
    };
    assert_eq!(differences(&a, &b, moved), [""; 0]);
}

#[test]
fn surrogates_in_names() {
    assert_eq!(name::from_units(&[0xd83d, 0xde00]), "😀".as_bytes());
    assert_eq!(
        name::from_units(&[0xde00, 0xd83d]),
        b"\xed\xb8\x80\xed\xa0\xbd"
    );
    assert_eq!(name::legal(&[u16::from(b'/'), 0]), b"_");
    assert_eq!(name::legal(&[u16::from(b'.'); 2]), b"_..");
    assert!(name::legal(&[0x4e00; 300]).len() == 255);
}
