//! Archives that are changed, by update and info: what wimforge makes of one is what wimlib makes of it.

use crate::life::{assert_sound, two_images};
use crate::support::{both, rules_for};
use std::fs;
use std::path::{Path, PathBuf};
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::view::{assert_no_semantic_difference, assert_same_eyes};

/// Both programs do the same to copies of an archive; then the archives say the same.
#[track_caller]
fn assert_same_changes(
    wim: &Path,
    dir: &Scratch,
    change: impl Fn(&Imager, &Path) -> Vec<i32>,
) -> PathBuf {
    let Some((wimforge, wimlib)) = both() else {
        return wim.to_owned();
    };
    let [ours, theirs] =
        [(&wimforge, "ours.wim"), (&wimlib, "theirs.wim")].map(|(imager, name)| {
            let to = dir.join(name);
            fs::copy(wim, &to).expect("copy");
            (change(imager, &to), to)
        });
    assert_eq!(ours.0, theirs.0, "exit codes");
    assert_sound(&[&wimforge, &wimlib], &ours.1, None);
    assert_no_semantic_difference(&wimlib, &ours.1, &theirs.1);
    assert_same_eyes(&wimforge, &wimlib, &ours.1);
    ours.1
}

/// A directory with these files, and an archive of it.
pub fn written(imager: &Imager, files: &[(&str, &str)]) -> (Scratch, PathBuf) {
    let dir = Scratch::new();
    let source = dir.join("source");
    for (path, text) in files {
        let path = source.join(path);
        fs::create_dir_all(path.parent().expect("below the source")).expect("mkdir");
        fs::write(path, text).expect("write");
    }
    let wim = dir.join("source.wim");
    let call = imager.capture(&source, &wim, &Options::default());
    let _run = call.run().ok();
    (dir, wim)
}

#[test]
fn names_properties_and_boot_index_are_changed() {
    let Some((_, wimlib)) = both() else {
        return;
    };
    let (first, _second, wim) = two_images(&wimlib, Compression::Xpress);
    let changes: [&[&str]; 11] = [
        &["2", "--boot"],
        &["2", "--boot"],
        &["0", "--boot"],
        &["--boot"],
        &["9", "--boot"],
        &["1", "New name", "New description"],
        &["1", "second"],
        &["all", "x"],
        &[
            "1",
            "--image-property",
            "A/B=c",
            "--image-property",
            "FLAGS=Pro",
        ],
        &["2", "", "--nocheck"],
        &["2", "again", "--check"],
    ];
    let changed = assert_same_changes(&wim, &first.scratch, |imager, wim| {
        let run = |args: &&[&str]| imager.call(["info"]).arg(wim).args(*args).run().code();
        changes.iter().map(run).collect()
    });
    let appended = wimlib.append(&first.path, &changed, "third", &Options::default());
    let _run = appended.run().ok();
    first.before.restore_times();
    first.assert_restored(&wimlib, &changed, 3, rules_for(&Options::default()));
}

#[test]
fn files_are_added_deleted_and_renamed() {
    let Some((_, wimlib)) = both() else {
        return;
    };
    let files = [
        ("d/one", "1"),
        ("d/e/two", "22"),
        ("top", "333"),
        ("old", "4"),
        // A directory that is made by the way has the time of that, which is not the same for both.
        ("a b/d", "55555"),
    ];
    let (dir, wim) = written(&wimlib, &files);
    let more = dir.join("more");
    fs::create_dir_all(&more).expect("mkdir");
    fs::write(more.join("new"), "five".repeat(20_000)).expect("write");
    fs::write(more.join("one"), "another").expect("write");
    let before = Snapshot::of(&more);
    let more = more.display();
    let lists = [
        format!("add {more} /added\nrename /top /d/top\n# comment\n\ndelete /old\n"),
        format!("add --no-replace {more}/one /d/one\n"),
        format!("add {more} /d\n"),
        format!("add {more}/new \"/a b/c\"\n"),
        format!("add {more} /d/top\n"),
        format!("add {more}/nothing /x\n"),
        "delete /d\n".into(),
        "delete /added/new\ndelete /nothing\n".into(),
        "delete --force /nothing\ndelete --recursive '/d/e'\n".into(),
        "rename /d/one /d/uno\nrename /added /\n".into(),
        "rename /d '/a b'\nrename /d '/e f'\n".into(),
        "rename /d '/e f'\n".into(),
        "rename /added/new /q/r\n".into(),
        "rename /added/one /added/new\n".into(),
        "frob /x\n".into(),
        "add /x\n".into(),
        "delete \"/x\n".into(),
    ];
    let _changed = assert_same_changes(&wim, &dir, |imager, wim| {
        let update = |list: &String| {
            before.restore_times();
            let call = imager.call(["update"]).arg(wim).arg("1");
            let code = call.run_fed(list.as_bytes()).code();
            // Which failure it is of several is for people.
            i32::from(code != 0)
        };
        lists.iter().map(update).collect()
    });
}

#[test]
fn pipable_archives_stay_pipable_when_they_are_changed() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (dir, wim) = written(&wimlib, &[("d/one", "1"), ("two", "22")]);
    let source = dir.join("source");
    let options = Options::default();
    let call = wimlib.append(&source.join("d"), &wim, "second", &options);
    let _run = call.run().ok();
    let _run = wimlib.call(["optimize", "--pipable"]).arg(&wim).run().ok();
    let more = dir.join("more");
    fs::create_dir(&more).expect("mkdir");
    fs::write(more.join("new"), "more".repeat(30_000)).expect("write");
    let before = Snapshot::of(&more);
    let other = dir.join("other.wim");
    let _run = wimlib.capture(&source, &other, &options).run().ok();
    let text = |path: &Path| path.display().to_string();
    let changes: [&[String]; 6] = [
        &["info".into(), "1".into(), "first".into(), "--boot".into()],
        &[
            "update".into(),
            "1".into(),
            format!("--command=add {}/new /d/new", text(&more)),
        ],
        &[
            "update".into(),
            "1".into(),
            "--command=delete /two".into(),
            "--check".into(),
        ],
        &["delete".into(), "2".into()],
        &["delete".into(), "1".into(), "--soft".into()],
        &["optimize".into(), "--recompress".into()],
    ];
    for change in changes {
        let changed = assert_same_changes(&wim, &dir, |imager, wim| {
            before.restore_times();
            let call = imager.call([&change[0]]).arg(wim).args(&change[1..]);
            vec![call.run().code()]
        });
        let info = wimlib.show("info", &changed, &[]).out();
        assert!(info.contains("Pipable"), "{change:?}: {info}");
        let bytes = fs::read(&changed).expect("read");
        let target = Scratch::new();
        let call = wimforge.call(["apply", "-", "1"]).arg(target.path());
        let _run = call.run_fed(&bytes).ok();
    }
    let changed = assert_same_changes(&wim, &dir, |imager, wim| {
        let call = imager.call(["export"]).arg(&other).arg("1").arg(wim);
        vec![call.arg("third").run().code()]
    });
    assert!(wimlib.show("info", &changed, &[]).out().contains("Pipable"));
}

#[test]
fn what_cannot_be_renamed_is_refused_with_the_codes_of_wimlib() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (_dir, wim) = written(&wimlib, &[("d/one", "1"), ("e/two", "2"), ("file", "3")]);
    let bytes = fs::read(&wim).expect("read");
    for (rename, code) in [
        ("/d /d/x", 41),
        ("/ /d/x", 41),
        ("/d /", 41),
        ("/file /", 32),
        ("/file /d", 32),
        ("/d /file", 40),
        ("/d /e", 41),
        ("/file /file/x", 40),
        ("/nothing /x", 49),
    ] {
        for imager in [&wimforge, &wimlib] {
            let command = format!("--command=rename {rename}");
            let call = imager.call(["update"]).arg(&wim).arg("1").arg(command);
            assert_eq!(call.run().code(), code, "{imager}: {rename}");
        }
        assert!(fs::read(&wim).expect("read") == bytes, "{rename}");
    }
}
