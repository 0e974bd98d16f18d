//! `--update-of` and `--delta-from`.

use crate::support::{Source, both};
use std::fs;
use std::path::{Path, PathBuf};
use wimforge_conformance::compare::{Rules, assert_same_tree};
use wimforge_conformance::imaging::{Imager, Options};
use wimforge_conformance::snapshot::{Snapshot, times_of};
use wimforge_conformance::tree::fixed;
use wimforge_conformance::view::{View, differences};

/// A source with an archive of how it was, and then changed.
struct Changed {
    source: Source,
    now: Snapshot,
}

impl Changed {
    /// The archive is `NAME.wim` for each program.
    fn new(imagers: &[&Imager]) -> Self {
        let source = Source::new(&fixed::everything());
        for imager in imagers {
            source.captured(imager, &format!("{imager}.wim"), &Options::default());
        }
        fs::write(source.path.join("hello"), "other words").expect("write");
        fs::write(source.path.join("new file"), "was not there").expect("write");
        fs::remove_file(source.path.join("empty")).ok();
        let now = Snapshot::of(&source.path);
        now.restore_times();
        Self { source, now }
    }

    fn wim(&self, imager: &Imager) -> PathBuf {
        self.source.scratch.join(format!("{imager}.wim"))
    }

    /// Changes a file's contents but neither its size nor its times, so that only who reads it knows.
    fn deceive(&self, name: &str) {
        let path = self.source.path.join(name);
        let metadata = fs::metadata(&path).expect("there is such a file");
        let mut data = fs::read(&path).expect("read");
        data[0] ^= 0x20;
        fs::write(&path, data).expect("write");
        times_of(&metadata).set(&path).expect("set times");
    }

    fn append(&self, imager: &Imager, more: &[&str]) {
        let wim = self.wim(imager);
        let call = imager.append(&self.source.path, &wim, "second", &Options::default());
        call.args(more).run().ok();
        self.now.restore_times();
    }

    fn assert_restored(&self, imager: &Imager, wim: &Path, image: &str, more: &[&str]) {
        let target = self.source.scratch.join("restored");
        let call = imager.call(["apply"]).arg(wim).arg(image).arg(&target);
        call.args(more).run().ok();
        let rules = Rules {
            access_times: false,
            links: wimforge_conformance::compare::Links::Moved,
            ..Rules::default()
        };
        let what = format!("{} applied by {imager}", wim.display());
        assert_same_tree(&what, &self.now, &Snapshot::of(&target), rules);
        fs::remove_dir_all(target).expect("remove");
    }
}

#[test]
fn an_update_is_the_same_image() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    for more in ["--update-of=1", "--update-of=-1"] {
        let changed = Changed::new(&[&wimforge, &wimlib]);
        changed.append(&wimforge, &[more]);
        changed.append(&wimlib, &[more]);
        let [ours, theirs] = [&wimforge, &wimlib].map(|imager| changed.wim(imager));
        for eyes in [&wimlib, &wimforge] {
            let found = differences(&View::of(eyes, &ours), &View::of(eyes, &theirs));
            assert_eq!(found, [""; 0], "{eyes}");
        }
        changed.assert_restored(&wimlib, &ours, "2", &[]);
        changed.assert_restored(&wimforge, &ours, "2", &[]);
    }
}

#[test]
fn unchanged_files_are_not_read() {
    let wimforge = Imager::plain();
    let changed = Changed::new(&[&wimforge]);
    let wim = changed.wim(&wimforge);
    let [honest, deceived] = ["honest.wim", "deceived.wim"].map(|name| {
        let copy = changed.source.scratch.join(name);
        fs::copy(&wim, &copy).expect("copy");
        copy
    });
    let append = |wim: &Path, update_of: &str| {
        let call = wimforge.append(&changed.source.path, wim, "second", &Options::default());
        let run = call.arg(format!("--update-of={update_of}")).run().ok();
        changed.now.restore_times();
        run
    };
    // Without a colon, with an empty archive, by name, and with an archive of its own.
    let named = format!("{}:source", wim.display());
    for (index, update_of) in ["1", ":1", "source", &named].iter().enumerate() {
        let copy = changed.source.scratch.join(format!("{index}.wim"));
        fs::copy(&wim, &copy).expect("copy");
        append(&copy, update_of);
        changed.assert_restored(&wimforge, &copy, "2", &[]);
    }
    append(&honest, "1");
    changed.deceive("sub/text");
    append(&deceived, "1");
    let text = |wim: &Path| {
        let call = wimforge.call(["dir"]).arg(wim).args(["2", "--detailed"]);
        call.run().ok().out()
    };
    assert_eq!(text(&honest), text(&deceived));
}

#[test]
fn data_that_must_be_stored_is_read_and_checked() {
    let wimforge = Imager::plain();
    let changed = Changed::new(&[&wimforge]);
    let wim = changed.wim(&wimforge);
    let update_of = format!("--update-of={}:1", wim.display());
    let new = changed.source.scratch.join("new.wim");
    let capture = || {
        let call = wimforge.capture(&changed.source.path, &new, &Options::default());
        let run = call.arg(&update_of).run();
        changed.now.restore_times();
        run
    };
    let _captured = capture().ok();
    changed.assert_restored(&wimforge, &new, "1", &[]);
    fs::remove_file(&new).expect("remove");
    changed.deceive("sub/text");
    let _refused = capture().refused_with(88, &["sub/text", "SHA-1"]);
    assert!(!new.exists());
}

#[test]
fn deltas_are_read_with_their_bases() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let changed = Changed::new(&[&wimforge, &wimlib]);
    for (writer, base) in [
        (&wimforge, &wimforge),
        (&wimforge, &wimlib),
        (&wimlib, &wimforge),
    ] {
        let base = changed.wim(base);
        let from = format!("--delta-from={}", base.display());
        let reference = format!("--ref={}", base.display());
        let delta = changed.source.scratch.join("delta.dwm");
        for more in [&[&*from][..], &[&*from, "--update-of=-1"]] {
            let call = writer.capture(&changed.source.path, &delta, &Options::default());
            call.args(more).run().ok();
            changed.now.restore_times();
            let size = |path: &Path| fs::metadata(path).expect("there is one").len();
            assert!(size(&delta) < size(&base), "{writer}");
            for reader in [&wimforge, &wimlib] {
                let _missing = reader.verify(&delta).refused_with(55, &[]);
                let verify = reader.call(["verify"]).arg(&delta).arg(&reference);
                verify.run().ok();
                changed.assert_restored(reader, &delta, "1", &[&reference]);
            }
        }
    }
}

#[test]
fn several_bases() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let changed = Changed::new(&[&wimforge]);
    let base = changed.wim(&wimforge);
    let other = changed.source.scratch.join("other");
    fs::create_dir(&other).expect("make");
    fs::copy(changed.source.path.join("new file"), other.join("x")).expect("copy");
    let second = changed.source.scratch.join("second.wim");
    wimforge
        .capture(&other, &second, &Options::default())
        .run()
        .ok();
    let bases = [&base, &second];
    let from = bases.map(|base| format!("--delta-from={}", base.display()));
    let references = bases.map(|base| format!("--ref={}", base.display()));
    let delta = changed.source.scratch.join("delta.dwm");
    let call = wimforge.capture(&changed.source.path, &delta, &Options::default());
    let run = call.args(&from).run().ok();
    assert!(
        run.out().contains("Capturing delta WIM based on 2 WIMs"),
        "{}",
        run.out()
    );
    changed.now.restore_times();
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    for reader in [&wimforge, &wimlib] {
        changed.assert_restored(reader, &delta, "1", &references);
    }
    // One of them alone does not do.
    let _missing = wimforge
        .call(["apply"])
        .arg(&delta)
        .arg("1")
        .arg(changed.source.scratch.join("nowhere"))
        .arg(references[1])
        .run()
        .refused_with(55, &["delta.dwm"]);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let changed = Changed::new(&[&wimforge, &wimlib]);
    let source = &changed.source.path;
    for (verb, more, code) in [
        ("append", &["--update-of=2"][..], 18),
        ("append", &["--update-of=-2"], 18),
        ("append", &["--update-of=0"], 18),
        ("append", &["--update-of=no such name"], 18),
        ("append", &["--update-of=1", "--update-of=1"], 255),
        ("append", &["--update-of=nowhere.wim:1"], 47),
        ("append", &["--delta-from=nowhere.wim"], 47),
        ("capture", &["--update-of=1"], 255),
    ] {
        for imager in [&wimforge, &wimlib] {
            let wim = match verb {
                "append" => changed.wim(imager),
                _ => changed.source.scratch.join("new.wim"),
            };
            let before = fs::read(&wim).ok();
            let call = imager.call([verb]).arg(source).arg(&wim).arg("second");
            let run = call.args(more).run().refused();
            assert_eq!(run.code(), code, "{imager} {verb} {more:?}: {}", run.err());
            if imager.name == "wimforge" {
                assert_eq!(before, fs::read(&wim).ok(), "{verb} {more:?}");
            }
        }
    }
}

#[test]
fn an_image_is_added_as_a_delta() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let changed = Changed::new(&[&wimforge, &wimlib]);
    let base = changed.source.scratch.join("base.wim");
    fs::copy(changed.wim(&wimlib), &base).expect("copy");
    let other = changed.source.scratch.join("other");
    fs::create_dir(&other).expect("make");
    fs::write(other.join("file"), "in neither").expect("write");
    let from = format!("--delta-from={}", base.display());
    let reference = format!("--ref={}", base.display());
    for imager in [&wimforge, &wimlib] {
        let wim = changed.wim(imager);
        imager.capture(&other, &wim, &Options::default()).run().ok();
        changed.append(
            imager,
            &[&from, "--update-of", &format!("{}:1", base.display())],
        );
        assert!(fs::metadata(&wim).expect("stat").len() < 20_000);
        for reader in [&wimforge, &wimlib] {
            changed.assert_restored(reader, &wim, "2", &[&reference]);
        }
    }
}

/// `--check` verifies the archives that are compared with, too.
#[test]
fn damaged_bases_are_found() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let checked = Options::checked();
    let base = source.captured(&wimlib, "base.wim", &checked);
    let mut bytes = fs::read(&base).expect("read");
    bytes[300] ^= 1;
    fs::write(&base, bytes).expect("write");
    let new = source.scratch.join("new.wim");
    for more in [
        format!("--delta-from={}", base.display()),
        format!("--update-of={}:1", base.display()),
    ] {
        for imager in [&wimforge, &wimlib] {
            let call = imager.capture(&source.path, &new, &checked).arg(&more);
            call.run().refused_with(13, &[]);
            let _ = fs::remove_file(&new);
        }
    }
}

/// Whatever reads data says that it is not there, and with the base it is.
#[test]
fn without_its_base_a_delta_is_of_little_use() {
    let wimforge = Imager::plain();
    let changed = Changed::new(&[&wimforge]);
    let base = changed.wim(&wimforge);
    let delta = changed.source.scratch.join("delta.dwm");
    let call = wimforge.capture(&changed.source.path, &delta, &Options::default());
    call.arg(format!("--delta-from={}", base.display()))
        .run()
        .ok();
    let dir = |name: &str| changed.source.scratch.join(name).display().to_string();
    let to = |name: &str| format!("--dest-dir={}", dir(name));
    for (verb, more) in [
        ("apply", vec!["1".into(), dir("applied")]),
        (
            "extract",
            vec!["1".into(), "/sub/text".into(), to("extracted")],
        ),
        (
            "extract",
            vec!["1".into(), "/sub/text".into(), "--to-stdout".into()],
        ),
        ("export", vec!["1".into(), dir("exported.wim")]),
        ("verify", vec![]),
    ] {
        let call = wimforge.call([verb]).arg(&delta).args(&more);
        let run = call.clone().run();
        let run = run.refused_with(55, &["delta.dwm", "--ref=GLOB"]);
        match verb {
            "extract" => assert!(run.stdout().is_empty()),
            "export" => assert!(!changed.source.scratch.join("exported.wim").exists()),
            _ => {}
        }
        call.arg(format!("--ref={}", base.display())).run().ok();
    }
}
