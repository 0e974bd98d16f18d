//! The library component writes the same bytes as the native program.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use wimforge_conformance::imaging::{COMPRESSIONS, Compression};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::tree::{Tree, fixed, strategy};

use crate::support::*;

/// Captures one tree and appends another, both ways.
#[track_caller]
fn same_bytes(one: &Path, two: &Path, how: Compression) {
    let scratch = Scratch::new();
    let (native, ours) = (scratch.join("native.wim"), scratch.join("library.wim"));
    let expected = by_program(one, &native, how, &[]);
    let name = one.file_name().unwrap().to_str().unwrap();
    let mut instance = instance();
    let got = by_library(
        &mut instance,
        directory(one),
        &ours,
        compression(how),
        &image(name),
    );
    assert_same_bytes(&format!("capture, {how:?}"), &expected, &got);

    let expected = appended_by_program(two, &native, "second");
    let got = appended_by_library(&mut instance, directory(two), &ours, &image("second"));
    assert_same_bytes(&format!("append, {how:?}"), &expected, &got);
    assert_restored_by_wimlib(&ours, &[one, two]);
}

#[test]
fn fixed_trees() {
    for (one, two) in [
        (fixed::everything(), fixed::borders()),
        (fixed::absolute_links(), fixed::wide(300)),
    ] {
        let scratch = Scratch::new();
        let paths = [scratch.join("one"), scratch.join("two")];
        one.build(&paths[0]);
        two.build(&paths[1]);
        for how in COMPRESSIONS {
            same_bytes(&paths[0], &paths[1], how);
        }
    }
}

#[test]
fn large_files() {
    let scratch = Scratch::new();
    let path = scratch.join("bulky");
    fixed::bulky(11, 5).build(&path);
    same_bytes(&path, &path, Compression::Xpress);
}

#[test]
fn a_real_tree() {
    let path = Path::new("/usr/lib/python3");
    if !path.is_dir() {
        locate::skip("/usr/lib/python3 is not there");
        return;
    }
    same_bytes(path, path, Compression::Lzx);
}

proptest! {
    #![proptest_config(Config {
        cases: 8,
        rng_seed: RngSeed::Fixed(20_131_102),
        failure_persistence: None,
        ..Config::default()
    })]
    #[test]
    fn generated_trees(one in strategy::trees(30), two in strategy::trees(30), how in 0..COMPRESSIONS.len()) {
        let build = |tree: &Tree, path: &Path| tree.build(path);
        let scratch = Scratch::new();
        let paths = [scratch.join("one"), scratch.join("two")];
        build(&one, &paths[0]);
        build(&two, &paths[1]);
        same_bytes(&paths[0], &paths[1], COMPRESSIONS[how]);
    }
}
