//! Pipable archives: written to files and pipes, read from both.

use crate::support::{Source, both, rules_for};
use std::fs;
use std::path::{Path, PathBuf};
use wimforge_conformance::compare::assert_same_tree;
use wimforge_conformance::imaging::{COMPRESSIONS, Compression, Imager, Options};
use wimforge_conformance::scratch::{Scratch, names_in};
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tree::{Content, Node, Tree, fixed};
use wimforge_conformance::view::{assert_no_semantic_difference, assert_same_eyes};

/// A tree with files that are compressed in several pieces, some of them alike.
fn tree() -> Tree {
    let mut tree = fixed::everything();
    tree.nodes.extend([
        Node::file(0, "large", Content::text(7, 6_000_000)),
        Node::file(0, "large again", Content::text(7, 6_000_000)),
        Node::file(0, "large too", Content::text(8, 6_000_000)),
        Node::file(0, "exact", Content::text(9, 65_536)),
    ]);
    tree
}

fn captured(source: &Source, imager: &Imager, name: &str, options: &Options) -> PathBuf {
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
fn assert_restored_from_pipe(source: &Source, imager: &Imager, bytes: &[u8], image: &str) {
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

#[test]
fn what_wimlib_writes_into_a_pipe() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&tree());
    for compression in COMPRESSIONS {
        let wim = captured(&source, &wimlib, "theirs.wim", &Options::with(compression));
        let bytes = fs::read(&wim).expect("read");
        assert_restored_from_pipe(&source, &wimforge, &bytes, "1");
    }
}

#[test]
fn pipes_that_are_damaged_or_end_early() {
    let wimforge = Imager::plain();
    let source = Source::new(&fixed::everything());
    let wim = captured(&source, &wimforge, "a.wim", &Options::default());
    let bytes = fs::read(&wim).expect("read");
    let apply_to = |dir: &Path, bytes: &[u8]| {
        let call = wimforge.call(["apply", "-", "1"]).arg(dir.join("out"));
        call.run_fed(bytes)
    };
    let apply = |bytes: &[u8]| apply_to(Scratch::new().path(), bytes);
    // Cut off anywhere before the last data.
    for end in [1, 100, 208, 240, 300, 1000, 2000, bytes.len() / 2] {
        let _refused = apply(&bytes[..end]).refused();
    }
    // What comes from the pipe is checked before it is believed.
    for at in (0..bytes.len() - 3000).step_by(bytes.len() / 97) {
        let mut bad = bytes.clone();
        bad[at] ^= 0x55;
        let dir = Scratch::new();
        let run = apply_to(dir.path(), &bad);
        // The header and names in the XML data are protected by nothing; and a byte that only fills up
        // the last bits of a chunk changes nothing.
        if run.succeeded() && at >= 208 + 40 {
            let restored = Snapshot::of(&dir.join("out"));
            let rules = rules_for(&Options::default());
            assert_same_tree(&format!("byte {at}"), &source.before, &restored, rules);
        }
    }
    let ordinary = source.captured(&wimforge, "b.wim", &Options::default());
    let ordinary = fs::read(ordinary).expect("read");
    let _refused = apply(&ordinary).refused_with(44, &["not pipable"]);
    let _refused = apply(b"something else altogether, and long enough to be a header, or so it seems, although it takes quite some words to fill two hundred and eight bytes, which is what the header of a WIM has, neither more nor less.").refused_with(43, &[]);
}

/// `info`, `dir` and `verify` from a pipe say what they say of the file.
#[test]
fn looked_at_in_a_pipe() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&tree());
    for imager in [&wimforge, &wimlib] {
        let wim = captured(&source, imager, "a.wim", &Options::default());
        let call = imager.append(&source.path, &wim, "second", &Options::default());
        call.run().ok();
        source.before.restore_times();
        let bytes = fs::read(&wim).expect("read");
        let piped = |line: &[&str]| wimforge.call(line.iter().copied()).run_fed(&bytes);
        for image in ["1", "second", "all"] {
            let expected = wimforge.show("dir", &wim, &[image]).out();
            assert_eq!(piped(&["dir", "-", image]).ok().out(), expected);
        }
        let below = ["dir", "-", "1", "--path=/sub", "--one-file-only"];
        assert_eq!(piped(&below).ok().out(), "/sub\n");
        let images = |text: &str| text.split("Available Images:").nth(1).map(str::to_owned);
        let expected = images(&wimforge.show("info", &wim, &[]).out());
        assert!(expected.is_some());
        assert_eq!(images(&piped(&["info", "-"]).ok().out()), expected);
        let verified = piped(&["verify", "-"]).ok();
        assert!(verified.out().contains("successfully verified"));
        for line in [
            &["dir", "-", "1", "--detailed"][..],
            &["info", "-", "--blobs"],
            &["info", "-", "--check"],
            &["verify", "-", "--ref=x"],
        ] {
            let _refused = piped(line).refused_with(24, &["from a pipe"]);
        }
        let _refused = piped(&["dir", "-", "3"]).refused_with(18, &[]);
    }
}

#[test]
fn damage_is_found_in_a_pipe() {
    let wimforge = Imager::plain();
    let source = Source::new(&tree());
    let options = Options::with(Compression::None);
    let wim = captured(&source, &wimforge, "a.wim", &options);
    let mut bytes = fs::read(&wim).expect("read");
    let verify = |bytes: &[u8]| wimforge.call(["verify", "-"]).run_fed(bytes);
    let _verified = verify(&bytes).ok();
    let cut = verify(&bytes[..bytes.len() / 2]);
    let _refused = cut.refused_with(65, &["the pipe ends"]);
    // A byte of the largest files, which come in several pieces.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let run = verify(&bytes).refused_with(28, &["has SHA-1", "large"]);
    assert!(run.err().contains("failed verification"), "{run}");
    // A base that does not follow its delta.
    let delta = source.scratch.join("delta.wim");
    let call = captured(&source, &wimforge, "base.wim", &options);
    let base = format!("--delta-from={}", call.display());
    let call = wimforge.capture(&source.path, &delta, &options);
    call.args(["--pipable", &base]).run().ok();
    let mut both = fs::read(&delta).expect("read");
    let _refused = verify(&both).refused_with(55, &["does not come through the pipe"]);
    both.extend(fs::read(source.scratch.join("base.wim")).expect("read"));
    let _verified = verify(&both).ok();
}

/// `extract -`: parts of what comes, to a directory or to standard output.
#[test]
fn extracted_from_a_pipe() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&tree());
    for imager in [&wimforge, &wimlib] {
        let options = Options::with(Compression::Xpress);
        let wim = captured(&source, imager, "a.wim", &options);
        let bytes = fs::read(&wim).expect("read");
        let extract = |words: &[&str]| {
            let dir = Scratch::new();
            let target = format!("--dest-dir={}", dir.join("out").display());
            let line = ["extract", "-", "1"].iter().chain(words).copied();
            let run = wimforge.call(line).arg(&target).run_fed(&bytes);
            (run, dir)
        };
        // The same as from the file.
        for words in [
            &["/sub"][..],
            &["/hello", "/large*", "--preserve-dir-structure"],
            &["/sub/text", "/to file", "/empty"],
            &["/s*", "/no*", "--nullglob"],
        ] {
            let (run, piped) = extract(words);
            run.ok();
            let dir = Scratch::new();
            let call = wimforge.call(["extract"]).arg(&wim).arg("1").args(words);
            let target = format!("--dest-dir={}", dir.join("out").display());
            call.arg(target).run().ok();
            let [expected, found] = [&dir, &piped].map(|dir| {
                let mut snapshot = Snapshot::of(&dir.join("out"));
                // Only the whole image has times for it.
                snapshot.nodes.remove(&b""[..]);
                snapshot
            });
            let rules = rules_for(&Options::default());
            assert_same_tree(&format!("{words:?}"), &expected, &found, rules);
        }
        let file = |name: &str| fs::read(source.path.join(name)).expect("read");
        let print = |names: &[&str]| {
            let line = ["extract", "-", "1", "--to-stdout"]
                .iter()
                .chain(names)
                .copied();
            wimforge.call(line).run_fed(&bytes)
        };
        // In the order in which they are asked for, whatever the order in the pipe; also twice.
        for names in [
            &["large too", "hello", "sub/random"][..],
            &["sub/random", "hello", "large too"],
            &[
                "hello",
                "empty",
                "sub/again",
                "exact",
                "large",
                "large again",
            ],
        ] {
            let names: Vec<&str> = names
                .iter()
                .map(|name| match *name {
                    "sub/random" => "sub/deeper/random",
                    other => other,
                })
                .collect();
            let expected: Vec<u8> = names.iter().flat_map(|name| file(name)).collect();
            assert!(print(&names).ok().stdout() == expected, "{names:?}");
        }
        let _refused = print(&["sub"]).refused_with(42, &["/sub"]);
        let _refused = print(&["nothing"]).refused_with(49, &["nothing"]);
        // What is named twice comes once.
        let (run, dir) = extract(&["/hello", "/s*/t*", "/sub/deeper/same*", "/sub/text"]);
        let _extracted = run.ok();
        assert_eq!(names_in(&dir.join("out")), ["hello", "same text", "text"]);
        for option in ["--check", "--ref=x"] {
            let (run, _) = extract(&["/hello", option]);
            let _refused = run.refused_with(24, &["from a pipe"]);
        }
        let cut = wimforge.call(["extract", "-", "1", "/hello", "/large", "--to-stdout"]);
        let _refused = cut.run_fed(&bytes[..4000]).refused();
    }
    let wim = source.captured(&wimforge, "ordinary.wim", &Options::default());
    let call = wimforge.call(["extract", "-", "1", "/hello", "--to-stdout"]);
    let ordinary = fs::read(wim).expect("read");
    let _refused = call.run_fed(&ordinary).refused_with(44, &["not pipable"]);
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
