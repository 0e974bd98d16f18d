//! Every subcommand in the command component: it says what the native program says and writes what it
//! writes.

use std::fs;

use wimforge_conformance::scratch::names_in;

use crate::stages::Stages;
use crate::support::*;

/// Both with the same archive of two images.
fn with_archive() -> Option<Stages> {
    let stages = Stages::new()?;
    stages.assert_alike("capture SOURCE WIM first --compress=xpress", 0);
    let other = stages.scratch.join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("new"), b"only here ".repeat(500)).unwrap();
    fs::write(other.join("file"), b"some text ".repeat(30_000)).unwrap();
    stages.assert_alike("append @other WIM second Text", 0);
    Some(stages)
}

#[test]
fn verbs_that_show() {
    let Some(stages) = with_archive() else {
        return;
    };
    for (line, code) in [
        ("info WIM", 0),
        ("info WIM 2", 0),
        ("info WIM 3", 18),
        ("info WIM --header", 0),
        ("info WIM --blobs", 0),
        ("info WIM --xml", 0),
        ("info WIM --json", 0),
        ("info WIM --extract-xml=%xml", 0),
        ("info %nothing", 47),
        ("info @other/new", 43),
        ("dir WIM 1", 0),
        ("dir WIM first --detailed", 0),
        ("dir WIM second --path=/new --one-file-only", 0),
        ("dir WIM 1 --json", 0),
        ("dir WIM 1 --path=/nowhere", 49),
        ("dir WIM", 255),
        ("verify WIM", 0),
        ("verify WIM --json", 0),
        ("verify @other/new", 43),
        ("extract WIM second new --to-stdout", 0),
        ("diff WIM:1 WIM:2", 1),
        ("diff WIM:1 WIM:2 --json", 1),
        ("diff WIM:1 WIM:1", 0),
        ("diff WIM:2 @other", 0),
        ("diff WIM:1 @other --no-times", 1),
        ("frob", 2),
    ] {
        stages.assert_alike(line, code);
    }
    let _deleted = fs::remove_file(stages.both[0].wim().with_file_name("xml"));
}

#[test]
fn verbs_that_restore() {
    let Some(stages) = with_archive() else {
        return;
    };
    for (line, code) in [
        ("apply WIM 1 %all", 0),
        ("apply WIM second %all", 0),
        ("apply WIM 1 %bounded --max-size=1000", 72),
        ("apply WIM 9 %nothing", 18),
        ("extract WIM 1 file sub/größe --dest-dir=%some", 0),
        (
            "extract WIM 1 /sub --dest-dir=%some --preserve-dir-structure",
            0,
        ),
        ("extract WIM 1 *.mp3 --dest-dir=%some --no-wildcards", 49),
        ("extract WIM 1 *.mp4 --dest-dir=%some --nullglob", 0),
    ] {
        stages.assert_alike(line, code);
    }
}

#[test]
fn verbs_that_change() {
    let Some(stages) = with_archive() else {
        return;
    };
    for (line, code) in [
        ("info WIM 1 renamed New --boot --image-property=A/B=c", 0),
        ("info WIM 1 second", 11),
        ("info WIM --check", 0),
        ("export WIM 1 %exported.wim third --boot", 0),
        ("export WIM second %exported.wim --recompress", 0),
        ("export WIM second %exported.wim", 11),
        (
            "export WIM all %small.wim --solid --solid-chunk-size=64K",
            0,
        ),
        ("delete WIM 1 --soft", 0),
        ("delete WIM 1 --soft", 0),
        ("delete WIM 1", 18),
        ("optimize %exported.wim", 0),
        ("optimize %exported.wim --compress=lzms --check", 0),
        ("optimize %exported.wim --unsafe-compact", 0),
        ("optimize @other/new", 43),
        ("split %exported.wim %part.swm 0.001", 0),
    ] {
        stages.assert_alike(line, code);
    }
    let mut join = "join %joined.wim".to_owned();
    let dir = stages.both[0].wim().with_file_name("");
    for part in names_in(&dir).iter().filter(|name| name.ends_with(".swm")) {
        join += &format!(" %{part}");
    }
    assert!(join.matches(".swm").count() > 1, "{join}");
    for line in [
        &*join,
        "verify %joined.wim",
        "optimize %joined.wim --pipable",
    ] {
        stages.assert_alike(line, 0);
    }
    let list = "add SOURCE/sub /more\ndelete --force /nothing\nrename /new /old\n";
    let source = stages.scratch.join("source").display().to_string();
    let list = list.replace("SOURCE", &source);
    for (line, list, code) in [
        ("update %exported.wim second", &*list, 0),
        ("update %joined.wim second --rebuild", &*list, 0),
        ("update %exported.wim second", "delete /nowhere\n", 49),
        ("update %exported.wim second", "frob\n", 255),
    ] {
        stages.assert_alike_fed(line, list.as_bytes(), code);
    }
    for name in ["exported.wim", "joined.wim", "small.wim"] {
        assert_verified_by_wimlib(&stages.both[1].wim().with_file_name(name));
    }
}

#[test]
fn verbs_with_pipes() {
    let Some(stages) = Stages::new() else {
        return;
    };
    let piped = stages.assert_alike("capture SOURCE - Name --compress=xpress", 0);
    assert_eq!(
        stages.assert_alike("append SOURCE - Name --compress=xpress", 0),
        piped
    );
    for (line, code) in [
        ("info -", 0),
        ("dir -", 0),
        ("verify -", 0),
        ("apply - Name %restored", 0),
        ("extract - 1 sub --dest-dir=%some", 0),
        ("extract - 1 file --to-stdout", 0),
    ] {
        stages.assert_alike_fed(line, &piped, code);
    }
    stages.assert_alike_fed("info -", &[7; 500], 43);
    let cut = &piped[..piped.len() / 2];
    for line in ["verify -", "apply - 1 %cut"] {
        let runs = stages.run_fed(line, cut);
        assert!(runs.iter().all(|run| !run.succeeded()), "{runs:?}");
    }
}
