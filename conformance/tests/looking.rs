//! What is taken out of archives, and what is found in them: extract, diff, verify.

use crate::changes::written;
use crate::support::{Source, both};
use std::fs;
use std::path::{Path, PathBuf};
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tree::fixed;

#[test]
fn extracted_files_are_where_wimlib_puts_them() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let files = [
        ("d/one.txt", "one\n"),
        ("d/e/two.txt", "two\n"),
        ("f/one.txt", "three\n"),
        ("Top.TXT", "top\n"),
    ];
    let (dir, wim) = written(&wimlib, &files);
    let list = dir.join("list");
    fs::write(&list, "/d/one.txt\n# comment\n\"/f/*\"\n").expect("write");
    let list = format!("@{}", list.display());
    let calls: [&[&str]; 18] = [
        &[],
        &["/d"],
        &["d/e/two.txt", "\\Top.TXT"],
        &["/d", "/d/one.txt"],
        &["/*/one.txt"],
        &["/*/*.txt", "--preserve-dir-structure"],
        &["/nope"],
        &["/no*", "--nullglob"],
        &["/d/*", "--no-wildcards"],
        &["d/one.txt", "Top.TXT", "--to-stdout"],
        &["/*/one.txt", "--to-stdout"],
        &["d", "--to-stdout"],
        &["/Top.TXT/x"],
        &[&list],
        &["d//e/"],
        &["TOP.txt"],
        &["/"],
        &["/top*"],
    ];
    for args in calls {
        for ignore_case in ["0", "1"] {
            let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
                let target = Scratch::new();
                let call = imager.call(["extract"]).arg(&wim).arg("1").args(args);
                let call = call.env("WIMLIB_IMAGEX_IGNORE_CASE", ignore_case);
                let run = call.in_dir(target.path()).run();
                let is_data = args.contains(&"--to-stdout");
                let data = is_data.then(|| run.stdout().to_vec());
                let tree = format!("{:?}", Snapshot::of(target.path()).totals());
                (run.code(), data, target.names(), tree)
            });
            assert_eq!(ours, theirs, "{args:?}, ignoring case: {ignore_case}");
        }
    }
}

#[test]
fn differences_between_images_and_directories() {
    let Some((wimforge, _)) = both() else {
        return;
    };
    let own = Imager::own();
    let files = ["a", "d/b", "d/c", "same"].map(|name| (name, name));
    let (dir, wim) = written(&wimforge, &files);
    let source = dir.join("source");
    let diff = |args: [&Path; 2]| own.call(["diff"]).args(args).arg("--no-times").run();
    let nothing = diff([&wim, &source]);
    assert_eq!((nothing.code(), nothing.out()), (0, String::new()));
    fs::write(source.join("a"), "A").expect("write");
    fs::remove_file(source.join("d/b")).expect("remove");
    fs::write(source.join("d/new"), "x").expect("write");
    let expected = "~ /a  (data)\n- /d/b\n+ /d/new\n";
    let to_directory = diff([&wim, &source]);
    assert_eq!(
        (to_directory.code(), to_directory.out()),
        (1, expected.into())
    );
    let append = wimforge.append(&source, &wim, "second", &Options::default());
    let _run = append.run().ok();
    let image = |number: u32| PathBuf::from(format!("{}:{number}", wim.display()));
    let between = diff([&image(1), &image(2)]);
    assert_eq!((between.code(), between.out()), (1, expected.into()));
    let json = own.call(["diff", "--json", "--no-times"]);
    let json = json.args([image(1), image(2)]).run();
    let first = json.out();
    let first = first.lines().next().unwrap_or_default();
    assert!(
        first.contains(r#""path":"/a""#) && first.contains(r#""change":"changed""#),
        "{first}"
    );
}

#[test]
fn what_is_damaged_is_named_and_the_rest_verified() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::wide(20));
    let wim = source.captured(&wimlib, "x.wim", &Options::with(Compression::None));
    let mut bytes = fs::read(&wim).expect("read");
    // Two files: their data stands in front of everything else.
    for at in [209, 215] {
        bytes[at] ^= 1;
    }
    fs::write(&wim, &bytes).expect("write");
    let run = wimforge.verify(&wim);
    assert_eq!(run.code(), 28, "{}", run.err());
    let named = run.err().matches("image 1: /").count();
    assert!(named >= 2, "{}", run.err());
    let target = source.scratch.join("restored");
    let apply = || wimforge.apply(&wim, 1, &target);
    let _refused = apply().run().refused_with(28, &["/"]);
    let _run = apply().arg("--recover-data").run().ok();
    assert_eq!(Snapshot::of(&target).totals().0, source.before.totals().0);
}

#[test]
fn what_only_windows_can_do_is_refused_before_anything_is_made() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (dir, wim) = written(&wimlib, &[("one", "1")]);
    let target = dir.join("target");
    for option in ["--wimboot", "--compact=lzx", "--compact=xpress4k"] {
        for imager in [&wimforge, &wimlib] {
            let call = imager.call(["apply", option]).arg(&wim).arg(&target);
            let _refused = call.run().refused_with(68, &["Windows"]);
            let call = imager.call(["extract", option]).arg(&wim).arg("1");
            let call = call.arg(format!("--dest-dir={}", target.display()));
            let _refused = call.run().refused_with(68, &["Windows"]);
        }
        assert!(!target.exists(), "{option}");
    }
}

/// What is said on the way about integrity tables and metadata, for those who read along.
#[test]
fn progress_of_checks_is_told_in_the_words_of_wimlib() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let checked = Options::checked();
    let wim = source.scratch.join("a.wim");
    let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
        let captured = imager.capture(&source.path, &wim, &checked).run().ok();
        source.before.restore_times();
        let said = captured.out() + &imager.verify(&wim).ok().out();
        let lines = said.split(['\r', '\n']);
        let told = lines.filter(|line| line.contains("integrity") || line.contains("metadata"));
        let mut told: Vec<String> = told
            .map(|line| {
                line.split_once(": ")
                    .map_or(line, |(what, _)| what)
                    .to_owned()
            })
            .collect();
        told.dedup();
        told
    });
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 3, "{ours:?}");
}
