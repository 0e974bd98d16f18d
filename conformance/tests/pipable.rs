//! Pipable archives, written to files and pipes.

use crate::support::{Source, both, rules_for};
use std::fs;
use std::path::{Path, PathBuf};
use wimforge_conformance::compare::assert_same_tree;
use wimforge_conformance::imaging::{COMPRESSIONS, Imager, Options};
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tree::{Content, Node, Tree, fixed};
use wimforge_conformance::view::{assert_no_semantic_difference, assert_same_eyes};

/// A tree with files that are compressed in several pieces, some of them alike.
pub fn tree() -> Tree {
    let mut tree = fixed::everything();
    tree.nodes.extend([
        Node::file(0, "large", Content::text(7, 6_000_000)),
        Node::file(0, "large again", Content::text(7, 6_000_000)),
        Node::file(0, "large too", Content::text(8, 6_000_000)),
        Node::file(0, "exact", Content::text(9, 65_536)),
    ]);
    tree
}

pub fn captured(source: &Source, imager: &Imager, name: &str, options: &Options) -> PathBuf {
    let wim = source.scratch.join(name);
    let call = imager.capture(&source.path, &wim, options).arg("--pipable");
    let run = call.run().ok();
    assert!(
        run.err().contains("Creating a pipable WIM"),
        "{}",
        run.err()
    );
    source.before.restore_times();
    wim
}

/// Restores from a pipe and compares.
pub fn assert_restored_from_pipe(source: &Source, imager: &Imager, bytes: &[u8], image: &str) {
    let dir = Scratch::new();
    let target = dir.join("restored");
    let call = imager.call(["apply", "-", image]).arg(&target);
    call.run_fed(bytes).ok();
    let what = format!("applied from a pipe by {imager}");
    let rules = rules_for(&Options::default());
    assert_same_tree(&what, &source.before, &Snapshot::of(&target), rules);
}

#[test]
fn written_to_files() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&tree());
    for (compression, check) in COMPRESSIONS.into_iter().zip([false, true, true]) {
        let options = Options {
            check,
            boot: check,
            ..Options::with(compression)
        };
        let ours = captured(&source, &wimforge, "ours.wim", &options);
        let theirs = captured(&source, &wimlib, "theirs.wim", &options);
        assert_no_semantic_difference(&wimlib, &ours, &theirs);
        assert_no_semantic_difference(&wimforge, &ours, &theirs);
        assert_same_eyes(&wimforge, &wimlib, &ours);
        assert_same_eyes(&wimforge, &wimlib, &theirs);
        let rules = rules_for(&options);
        source.assert_restored(&wimlib, &ours, 1, rules);
        source.assert_restored(&wimforge, &ours, 1, rules);
        source.assert_restored(&wimforge, &theirs, 1, rules);
        let bytes = fs::read(&ours).expect("read");
        assert_restored_from_pipe(&source, &wimlib, &bytes, "1");
        assert_restored_from_pipe(&source, &wimforge, &bytes, "1");
    }
}

#[test]
fn written_to_standard_output() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&tree());
    let ours = source.scratch.join("ours.wim");
    for verb in ["capture", "append"] {
        let call = wimforge.call([verb]).arg(&source.path);
        let run = call.args(["-", "Name"]).run().ok();
        source.before.restore_times();
        fs::write(&ours, run.stdout()).expect("write");
        assert!(run.err().contains("Scanning"), "information goes aside");
        let _verified = wimlib.verify(&ours).ok();
        assert_restored_from_pipe(&source, &wimlib, run.stdout(), "Name");
        assert_restored_from_pipe(&source, &wimforge, run.stdout(), "Name");
        let theirs = captured(&source, &wimlib, "theirs.wim", &Options::default());
        source.assert_restored(&wimforge, &ours, 1, rules_for(&Options::default()));
        assert!(wimforge.show("info", &theirs, &[]).succeeded());
    }
    // Any number of threads gives the same bytes.
    let outputs = [1, 4].map(|threads| {
        let call = wimforge.call(["capture"]).arg(&source.path).arg("-");
        let run = call
            .arg(format!("--threads={threads}"))
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .run()
            .ok();
        source.before.restore_times();
        run.stdout().to_vec()
    });
    assert!(outputs[0] == outputs[1]);
}

#[test]
fn appended_to() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let magic = |wim: &Path| fs::read(wim).expect("read")[..5].to_vec();
    let source = Source::new(&fixed::everything());
    let other = Source::new(&fixed::wide(30));
    for (more, expected) in [
        (&[][..], b"WLPWM"),
        (&["--rebuild"], b"WLPWM"),
        (&["--not-pipable"], b"MSWIM"),
        (&["--not-pipable", "--check"], b"MSWIM"),
        (&["--check", "--boot"], b"WLPWM"),
        (&["--update-of=1"], b"WLPWM"),
    ] {
        let options = Options::default();
        let ours = captured(&source, &wimforge, "ours.wim", &options);
        let theirs = captured(&source, &wimlib, "theirs.wim", &options);
        for (imager, wim) in [(&wimforge, &ours), (&wimlib, &theirs)] {
            let call = imager.append(&other.path, wim, "second", &options);
            call.args(more).run().ok();
            other.before.restore_times();
            assert_eq!(magic(wim), expected, "{more:?}");
        }
        assert_no_semantic_difference(&wimlib, &ours, &theirs);
        let rules = rules_for(&options);
        source.assert_restored(&wimlib, &ours, 1, rules);
        other.assert_restored(&wimlib, &ours, 2, rules);
        other.assert_restored(&wimforge, &ours, 2, rules);
        if expected == b"WLPWM" {
            let bytes = fs::read(&ours).expect("read");
            assert_restored_from_pipe(&source, &wimlib, &bytes, "1");
            assert_restored_from_pipe(&source, &wimforge, &bytes, "1");
            assert_restored_from_pipe(&other, &wimlib, &bytes, "second");
            assert_restored_from_pipe(&other, &wimforge, &bytes, "second");
        }
    }
    // An ordinary archive becomes pipable.
    let wim = source.captured(&wimforge, "ordinary.wim", &Options::default());
    let call = wimforge.append(&other.path, &wim, "second", &Options::default());
    call.arg("--pipable").run().ok();
    assert_eq!(magic(&wim), b"WLPWM");
    let _verified = wimlib.verify(&wim).ok();
}

#[test]
fn pipable_deltas() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&tree());
    let base = captured(&source, &wimforge, "base.wim", &Options::default());
    fs::write(source.path.join("new"), "not in the base").expect("write");
    let source = Source {
        before: Snapshot::of(&source.path),
        ..source
    };
    source.before.restore_times();
    let delta = source.scratch.join("delta.wim");
    let call = wimforge.capture(&source.path, &delta, &Options::default());
    call.args(["--pipable", "--update-of=1"])
        .arg(format!("--delta-from={}", base.display()))
        .run()
        .ok();
    source.before.restore_times();
    assert!(fs::metadata(&delta).expect("stat").len() < 20_000);
    // In a pipe the base follows the delta.
    let mut both = fs::read(&delta).expect("read");
    both.extend(fs::read(&base).expect("read"));
    assert_restored_from_pipe(&source, &wimlib, &both, "1");
    assert_restored_from_pipe(&source, &wimforge, &both, "1");
    let target = source.scratch.join("nowhere");
    let call = wimforge.call(["apply", "-", "1"]).arg(&target);
    let delta = fs::read(&delta).expect("read");
    let _missing = call.run_fed(&delta).refused_with(55, &["base"]);
}

#[test]
fn options_that_contradict_each_other() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::wide(3));
    let wim = source.scratch.join("a.wim");
    for (to, more) in [
        (wim.as_path(), &["--pipable", "--not-pipable"][..]),
        (wim.as_path(), &["--pipable", "--solid"]),
        (Path::new("-"), &["--solid"]),
        (Path::new("-"), &["--not-pipable"]),
        (Path::new("-"), &["--check"]),
        (Path::new("-"), &["--include-integrity"]),
    ] {
        for imager in [&wimforge, &wimlib] {
            let call = imager.call(["capture"]).arg(&source.path).arg(to);
            let _refused = call.args(more).run().refused_with(24, &[]);
        }
    }
    assert!(!wim.exists());
}

#[test]
fn destinations_that_take_no_more() {
    let wimforge = Imager::plain();
    let source = Source::new(&tree());
    let full = Path::new("/dev/full");
    let call = wimforge.capture(&source.path, full, &Options::default());
    let _refused = call.arg("--pipable").run().refused_with(72, &["/dev/full"]);
    // Without --pipable a device cannot be written at all.
    let call = wimforge.capture(&source.path, full, &Options::default());
    let _refused = call.run().refused_with(24, &["pipable"]);
    // A reader that goes away.
    let program = wimforge_conformance::locate::wimforge()
        .display()
        .to_string();
    let line = format!(
        "set -o pipefail; {program} capture '{}' - --compress=none | head -c 1000 >/dev/null",
        source.path.display()
    );
    let run = wimforge_conformance::tool::Call::new("/bin/bash")
        .args(["-c", &line])
        .run();
    let _refused = run.refused_with(72, &["standard output"]);
}

/// "For the most part, wimlib operates on pipable WIMs transparently": what is made of one, and one of
/// what, beside wimlib.
#[test]
fn operated_on_transparently() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let magic = |wim: &Path| fs::read(wim).expect("read")[..5].to_vec();
    let source = Source::new(&fixed::everything());
    let rules = rules_for(&Options::default());
    for imager in [&wimforge, &wimlib] {
        let wim = captured(&source, imager, "a.wim", &Options::default());
        let path = |name: &str| source.scratch.join(name);
        let run = |line: &[&str]| {
            let call = wimforge.call(line.iter().copied());
            call.in_dir(source.scratch.path()).run().ok()
        };
        for (name, line, expected) in [
            (
                "ordinary.wim",
                &["export", "a.wim", "1", "ordinary.wim", "--not-pipable"][..],
                b"MSWIM",
            ),
            (
                "again.wim",
                &["export", "ordinary.wim", "1", "again.wim", "--pipable"],
                b"WLPWM",
            ),
            (
                "again.wim",
                &["optimize", "again.wim", "--not-pipable"],
                b"MSWIM",
            ),
            (
                "again.wim",
                &["optimize", "again.wim", "--pipable"],
                b"WLPWM",
            ),
            ("again.wim", &["optimize", "again.wim"], b"WLPWM"),
        ] {
            let _run = run(line);
            assert_eq!(magic(&path(name)), expected, "{line:?}");
            let _verified = wimlib.verify(&path(name)).ok();
            source.assert_restored(&wimlib, &path(name), 1, rules);
        }
        // Parts of a pipable WIM are pipable, and may follow each other in a pipe.
        let _split = run(&["split", "a.wim", "part.swm", "0.08"]);
        let names = source.scratch.names();
        let parts: Vec<_> = names.iter().filter(|name| name.ends_with(".swm")).collect();
        assert!(parts.len() > 1);
        let mut all = Vec::new();
        for part in ["part.swm", "part2.swm", "part3.swm"] {
            if path(part).exists() {
                assert_eq!(magic(&path(part)), b"WLPWM");
                all.extend(fs::read(path(part)).expect("read"));
            }
        }
        let reference = format!("--ref={}", path("part*.swm").display());
        for reader in [&wimforge, &wimlib] {
            let verify = reader.call(["verify", &reference]).arg(path("part.swm"));
            let _verified = verify.run().ok();
            assert_restored_from_pipe(&source, reader, &all, "1");
        }
        for name in names.iter().filter(|name| *name != "source") {
            fs::remove_file(path(name)).expect("remove");
        }
        drop(wim);
    }
}
