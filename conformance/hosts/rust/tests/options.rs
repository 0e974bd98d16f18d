//! Each option of capture and append in the command component: the same archive, byte for byte, and the
//! same outcome as from the native program, which is compared with wimlib elsewhere.
//!
//! Not here, because wasi:filesystem has nothing of it: owners, modes, special files and extended attributes
//! (`--unix-data`), absolute links and so `--rpfix`, holes of sparse
//! files; and that two sources of a list lead to the same file.

use std::fs;

use crate::stages::Stages;
use crate::support::*;

/// Both, with what the options speak of.
fn stages() -> Option<Stages> {
    let stages = Stages::new()?;
    let scratch = &stages.scratch;
    let source = scratch.join("source");
    fs::write(scratch.join("config.ini"), "[ExclusionList]\n*.mp3\n/sub\n").unwrap();
    fs::write(scratch.join("wrong.ini"), "[ExclusionList]\nc:x\n").unwrap();
    let list = format!("{0}/sub /\n{0}/song.mp3 /music/la.mp3\n", source.display());
    fs::write(scratch.join("list"), list).unwrap();
    Some(stages)
}

#[test]
fn options_of_capture() {
    let Some(stages) = stages() else {
        return;
    };
    for (line, code) in [
        ("Name Description --boot --check", 0),
        ("--flags=Pro --image-property=A/B=c --image-property Z=1", 0),
        ("--include-integrity --threads=2 --verbose", 0),
        ("--nocheck --norpfix", 0),
        ("--no-acls --strict-acls", 0),
        ("--compress=fast --chunk-size=64K", 0),
        ("--compress=MAX:20", 0),
        ("--compress=recovery", 0),
        ("--solid --solid-compress=lzx --no-solid-sort", 0),
        ("--wimboot", 0),
        ("--dereference --config=@wrong.ini", 14),
        ("--config=@config.ini", 0),
        ("--config=@nowhere.ini", 83),
        ("--pipable", 0),
        ("--pipable --not-pipable", 24),
        ("--pipable --solid", 24),
        ("--check --nocheck", 24),
        ("--rpfix --norpfix", 24),
        ("--compress=none --chunk-size=32K", 15),
        ("--compress=foo", 255),
        ("--frob", 255),
        ("--snapshot", 68),
        ("--update-of=1", 255),
        ("--dry-run --json", 0),
        ("--on-error=skip --escape-names --outside-links=keep", 0),
    ] {
        if line.contains("--dry-run") {
            for run in stages.run(&format!("capture SOURCE WIM {line}")) {
                assert!(run.ok().out().contains("bytes-to-read"));
            }
            assert_eq!(stages.archives(), [None, None]);
            continue;
        }
        stages.assert_same(&format!("capture SOURCE WIM {line}"), code);
        stages.clear();
    }
    stages.assert_same("capture @list WIM --source-list", 0);
    stages.assert_same("capture @source/sub WIM --source-list", 255);
}

#[test]
fn options_of_append() {
    let Some(stages) = stages() else {
        return;
    };
    stages.assert_same("append SOURCE WIM first --create --compress=fast", 0);
    for (line, code) in [
        ("second Text --boot --update-of=-1", 0),
        ("second", 11),
        ("--flags=Pro --include-integrity", 0),
        ("third --check --rebuild", 0),
        ("fourth --unsafe-compact", 0),
        ("fifth --chunk-size=64K", 0),
        ("sixth --chunk-size=3K", 15),
        ("sixth --update-of=9", 18),
        ("sixth --pipable", 0),
        ("seventh --unsafe-compact", 85),
        ("seventh --not-pipable --nocheck", 0),
    ] {
        stages.assert_same(&format!("append SOURCE WIM {line}"), code);
    }
    assert_verified_by_wimlib(&stages.both[1].wim());
    let [_, base] = &stages.both;
    let base = fs::copy(base.wim(), stages.scratch.join("base.wim"));
    assert!(base.is_ok_and(|size| size > 0));
    let delta = "capture SOURCE WIM --delta-from=@base.wim --update-of=-1";
    stages.assert_same(delta, 0);
    let listed = stages.run("dir WIM").map(|run| run.ok().out());
    assert_eq!(listed[0], listed[1]);
    for run in stages.run("verify WIM --ref=@base.wim") {
        let _verified = run.ok();
    }
}
