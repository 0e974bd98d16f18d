//! The library in hosts of other languages: each captures a real directory, appends, lists, and reads a
//! file.

use std::fs;
use std::path::{Path, PathBuf};

use wimforge_conformance::imaging::{Compression, Imager};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tool::Call;

use crate::support::*;

fn hosts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tree(root: &Path) {
    fs::create_dir_all(root.join("sub/empty")).unwrap();
    fs::write(root.join("file"), b"some text ".repeat(3_000)).unwrap();
    fs::write(root.join("sub/größe"), b"abc").unwrap();
    fs::hard_link(root.join("file"), root.join("sub/again")).unwrap();
    std::os::unix::fs::symlink("sub/größe", root.join("link")).unwrap();
    std::os::unix::fs::symlink(root.join("sub"), root.join("absolute")).unwrap();
    std::os::unix::fs::symlink("/etc", root.join("outside")).unwrap();
}

/// What a host does is what the native program does.
#[track_caller]
fn like_the_program(host: &Call) {
    let scratch = Scratch::new();
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    tree(&one);
    tree(&two);
    fs::write(two.join("new"), b"only here").unwrap();
    let before = [Snapshot::of(&one), Snapshot::of(&two)];
    let restore_times = || before.iter().for_each(Snapshot::restore_times);
    let host = host.clone().env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    let (native, ours) = (scratch.join("native.wim"), scratch.join("ours.wim"));
    let run = |verb: &str, paths: &[&Path], words: &[&str]| {
        let call = host.clone().arg(verb).args(paths);
        call.args(words).run()
    };

    let expected = by_program(&one, &native, Compression::Lzx, &[]);
    restore_times();
    let _captured = run("capture", &[&one, &ours], &["one"]).ok();
    restore_times();
    assert_same_bytes("capture", &expected, &fs::read(&ours).unwrap());

    let expected = appended_by_program(&two, &native, "two");
    restore_times();
    let _appended = run("append", &[&two, &ours], &["two"]).ok();
    restore_times();
    assert_same_bytes("append", &expected, &fs::read(&ours).unwrap());
    assert_restored_by_wimlib(&ours, &[&one, &two]);
    restore_times();

    let program = Imager::plain()
        .call(["capture"])
        .arg(&two)
        .args(["-", "two"]);
    let program = program.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    let piped = program.run().ok();
    restore_times();
    let pipe = run("pipe", &[&two], &["two"]).ok();
    restore_times();
    assert_same_bytes("pipe", piped.stdout(), pipe.stdout());
    let verify = host.clone().arg("verify");
    let verified = verify.run_fed(pipe.stdout()).ok().out();
    assert!(verified.ends_with(" blobs, 0 problems\n"), "{verified}");
    let refused = verify.run_fed(b"something else").refused();
    assert!(refused.err().contains("read"), "{refused}");

    let listed = run("list", &[&ours], &["2", "sub"]).ok().out();
    assert_eq!(
        listed.lines().collect::<Vec<_>>(),
        ["again", "empty", "größe"]
    );
    let read = run("read", &[&ours], &["2", "file"]).ok();
    assert!(read.stdout() == b"some text ".repeat(3_000));
    let taken = run("append", &[&two, &ours], &["two"]).refused();
    assert!(taken.err().contains("name-in-use"), "{taken}");
    let nobody = run("read", &[&ours], &["2", "nobody"]).refused();
    assert!(nobody.err().contains("not-found"), "{nobody}");
    assert_same_bytes("refused", &expected, &fs::read(&ours).unwrap());
}

#[test]
fn node() {
    let Some(jco) = installed("jco", "node/node_modules/.bin/jco") else {
        return;
    };
    let Some(node) = locate::require("Node.js", "NODE_BIN", &["node"], "nodejs") else {
        return;
    };
    let scratch = Scratch::new();
    let library = scratch.join("library");
    let _transpiled = Call::new(jco)
        .arg("transpile")
        .arg(components().join("wimforge-library.wasm"))
        .args(["--instantiation", "sync", "--name", "library", "-o"])
        .arg(&library)
        .run()
        .ok();
    // What jco writes is a module.
    fs::write(library.join("package.json"), r#"{"type": "module"}"#).unwrap();
    like_the_program(
        &Call::new(node)
            .arg(hosts().join("node/host.mjs"))
            .arg(&library),
    );
}

#[test]
fn python() {
    let Some(python) = installed("Python's wasmtime", "python/bin/python") else {
        return;
    };
    let host = Call::new(python).arg(hosts().join("python/host.py"));
    like_the_program(&host.arg(components().join("wimforge-library.wasm")));
}
