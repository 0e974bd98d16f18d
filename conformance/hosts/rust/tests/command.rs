//! The command component in the wasmtime command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use wimforge_conformance::compare::{Links, Rules, assert_same_tree};
use wimforge_conformance::imaging::{COMPRESSIONS, Compression, Imager};
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tool::Call;

use crate::support::*;
use crate::volume::volume;

/// The command component with this directory given to it.
pub fn command(directory: &Path) -> Option<Call> {
    let wasmtime = installed("wasmtime", "python/bin/wasmtime")?;
    let call = Call::new(&wasmtime)
        .args(["run", "--allow-precompiled"])
        .args(["--env", &format!("SOURCE_DATE_EPOCH={EPOCH}")])
        .arg("--dir")
        .arg(directory)
        .arg(compiled(&wasmtime));
    Some(call)
}

/// The command component as code of this machine, so that not every run has to make that.
fn compiled(wasmtime: &Path) -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = components().join("wimforge.cwasm");
        let compile = Call::new(wasmtime).arg("compile").arg("-o").arg(&path);
        let _compiled = compile.arg(components().join("wimforge.wasm")).run().ok();
        path
    })
}

/// A tree without anything that wasi:filesystem cannot tell.
pub fn tellable(root: &Path) {
    fs::create_dir_all(root.join("sub/empty")).unwrap();
    fs::write(root.join("file"), b"some text ".repeat(30_000)).unwrap();
    fs::write(root.join("sub/größe"), b"abc").unwrap();
    fs::write(root.join("nothing"), b"").unwrap();
    fs::hard_link(root.join("file"), root.join("sub/again")).unwrap();
    std::os::unix::fs::symlink("sub/größe", root.join("link")).unwrap();
    std::os::unix::fs::symlink("sub", root.join("to directory")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.join("broken")).unwrap();
    // Too large to be held whole.
    let large: Vec<u8> = (0..5_000_000u32)
        .map(|number| (number >> 9) as u8)
        .collect();
    fs::write(root.join("large"), large).unwrap();
}

/// The command component, the directory given to it, and in that a tree that it can tell.
fn with_source() -> Option<(Call, Scratch, PathBuf)> {
    let scratch = Scratch::new();
    let command = command(scratch.path())?;
    let source = scratch.join("source");
    tellable(&source);
    Some((command, scratch, source))
}

#[test]
fn a_file_that_is_not_there_is_named_once() {
    let Some((command, scratch, source)) = with_source() else {
        return;
    };
    let call = command.arg("capture").arg(&source);
    for (config, cause) in [("nowhere.ini", "No such file"), ("source", "directory")] {
        let config = format!("--config={}", scratch.join(config).display());
        let run = call.clone().arg(scratch.join("a.wim")).arg(&config).run();
        let run = run.refused_with(1, &["cannot read the capture configuration", cause]);
        assert_eq!(
            run.err().matches(&config["--config=".len()..]).count(),
            1,
            "{run}"
        );
    }
}

#[test]
fn it_writes_the_same_bytes() {
    let Some((command, scratch, source)) = with_source() else {
        return;
    };
    let before = Snapshot::of(&source);
    for how in COMPRESSIONS {
        let (native, ours) = (scratch.join("native.wim"), scratch.join("ours.wim"));
        let expected = by_program(&source, &native, how, &[]);
        before.restore_times();
        let capture = command.clone().arg("capture").arg(&source).arg(&ours);
        let _captured = capture.arg(format!("--compress={}", how.word())).run().ok();
        before.restore_times();
        let got = fs::read(&ours).unwrap();
        assert_same_bytes(&format!("capture, {how:?}"), &expected, &got);

        let expected = appended_by_program(&source, &native, "second");
        before.restore_times();
        let append = command
            .clone()
            .arg("append")
            .arg(&source)
            .arg(&ours)
            .arg("second");
        let _appended = append.run().ok();
        before.restore_times();
        let got = fs::read(&ours).unwrap();
        assert_same_bytes(&format!("append, {how:?}"), &expected, &got);
        assert_restored_by_wimlib(&ours, &[&source, &source]);
        before.restore_times();
        fs::remove_file(&ours).unwrap();
    }
    assert_eq!(
        scratch.names(),
        ["native.wim", "source"],
        "something was left behind"
    );
}

#[test]
fn it_shows_and_restores() {
    let Some((command, scratch, source)) = with_source() else {
        return;
    };
    let wim = scratch.join("x.wim");
    by_program(&source, &wim, Compression::Lzx, &[]);
    // What the program restores is what is expected: an archive's times are coarser than a tree's.
    let native = scratch.join("native");
    Imager::plain().apply(&wim, 1, &native).run().ok();
    let before = Snapshot::of(&native);
    let listed = command
        .clone()
        .arg("dir")
        .arg(&wim)
        .arg("1")
        .run()
        .ok()
        .out();
    assert!(listed.lines().any(|line| line == "/sub/größe"), "{listed}");
    let shown = command.clone().arg("info").arg(&wim).run().ok().out();
    assert!(shown.contains("source"), "{shown}");
    let _verified = command.clone().arg("verify").arg(&wim).run().ok();
    let restored = scratch.join("restored");
    let apply = command.clone().arg("apply").arg(&wim).arg("1");
    let apply = apply.arg(&restored);
    let _applied = apply.run().ok();
    let rules = Rules {
        links: Links::Same,
        access_times: false,
        ..Rules::default()
    };
    assert_same_tree("applied", &before, &Snapshot::of(&restored), rules);
    // Once more, over what is there.
    let _again = apply.run().ok();
    assert_same_tree("applied again", &before, &Snapshot::of(&restored), rules);
}

#[test]
fn it_captures_a_volume() {
    let scratch = Scratch::new();
    let (Some(command), Some(volume)) = (command(scratch.path()), volume(&scratch)) else {
        return;
    };
    let expected = by_program(
        &volume,
        &scratch.join("native.wim"),
        Compression::Xpress,
        &[],
    );
    let ours = scratch.join("ours.wim");
    let capture = command.arg("capture").arg(&volume).arg(&ours);
    let _captured = capture.arg("--compress=xpress").run().ok();
    assert_same_bytes("a volume", &expected, &fs::read(&ours).unwrap());
}

#[test]
fn failures_leave_nothing_behind() {
    let Some((command, scratch, source)) = with_source() else {
        return;
    };
    let wim = scratch.join("x.wim");
    fs::write(&wim, b"something else").unwrap();
    // An absolute link cannot be read here.
    std::os::unix::fs::symlink("/etc/passwd", source.join("absolute")).unwrap();
    let run = command
        .clone()
        .arg("capture")
        .arg(&source)
        .arg(&wim)
        .run()
        .refused();
    assert!(run.err().contains("absolute"), "{run}");
    assert_eq!(fs::read(&wim).unwrap(), b"something else");
    let outside = command
        .clone()
        .arg("capture")
        .arg("/etc")
        .arg(&wim)
        .run()
        .refused();
    assert!(outside.err().contains("--dir"), "{outside}");
    assert_eq!(
        scratch.names(),
        ["source", "x.wim"],
        "something was left behind"
    );
    fs::remove_file(source.join("absolute")).unwrap();

    // An archive inside of what is captured does not become a part of it.
    let inside = source.join("inside.wim");
    let _first = command
        .clone()
        .arg("capture")
        .arg(&source)
        .arg(&inside)
        .run()
        .ok();
    let _second = command
        .clone()
        .arg("append")
        .arg(&source)
        .arg(&inside)
        .arg("2")
        .run()
        .ok();
    let listed = command
        .clone()
        .arg("dir")
        .arg(&inside)
        .arg("all")
        .run()
        .ok()
        .out();
    assert!(!listed.contains("inside.wim"), "{listed}");
}

#[test]
fn help_says_what_is_different() {
    let scratch = Scratch::new();
    let Some(command) = command(scratch.path()) else {
        return;
    };
    let help = command.clone().arg("--help").run().ok().out();
    assert!(help.contains("wasi:filesystem"), "{help}");
    let help = command.arg("capture").arg("--help").run().ok().out();
    assert!(
        help.contains("wasi:filesystem") && help.contains("--compress"),
        "{help}"
    );
}
