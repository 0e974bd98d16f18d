//! What every command makes of an archive that comes through a pipe.

use crate::pipable::{assert_restored_from_pipe, captured, tree};
use crate::support::{Source, both, rules_for};
use std::fs;
use std::path::Path;
use wimforge_conformance::compare::assert_same_tree;
use wimforge_conformance::imaging::{COMPRESSIONS, Compression, Imager, Options};
use wimforge_conformance::scratch::{Scratch, names_in};
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tree::fixed;

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
