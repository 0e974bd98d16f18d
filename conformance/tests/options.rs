//! Each option of capture and append against wimlib: what it makes, and what it refuses.

use crate::support::{Source, both};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use wimforge_conformance::imaging::{Imager, Options};
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::{Snapshot, times_of};
use wimforge_conformance::tree::{Content, Node, Tree, fixed};
use wimforge_conformance::view::assert_no_semantic_difference;

/// Writes a file whose access time reading does not change.
fn write_settled(path: &Path, text: &str) {
    fs::write(path, text).expect("write");
    let metadata = fs::metadata(path).expect("stat");
    times_of(&metadata).settled().set(path).expect("set times");
}

/// A tree for every pattern of the configurations below.
fn with_names() -> Source {
    let mut tree = fixed::everything();
    let first = tree.nodes.len() + 1;
    tree.nodes.push(Node::dir(0, "dir"));
    for name in ["a.mp3", "b.MP3", "tmp1", "tmp22", "keep this", "x[1]"] {
        tree.nodes.push(Node::file(0, name, Content::text(1, 10)));
        tree.nodes
            .push(Node::file(first, name, Content::text(2, 10)));
    }
    // Directories are read through links, too: that must not show in their access times.
    tree.times = tree.times.settled();
    for node in &mut tree.nodes {
        node.times = node.times.settled();
    }
    Source::new(&tree)
}

fn run_both(source: &Source, programs: &(Imager, Imager), more: &[String]) -> [PathBuf; 2] {
    let (wimforge, wimlib) = programs;
    [wimforge, wimlib].map(|imager| {
        let wim = source.scratch.join(format!("{imager}.wim"));
        let call = imager.call(["capture"]).arg(&source.path).arg(&wim);
        call.args(more).run().ok();
        source.before.restore_times();
        wim
    })
}

#[test]
fn configurations() {
    let Some(programs) = both() else {
        return;
    };
    let source = with_names();
    let file = source.scratch.join("config.ini");
    for text in [
        "[ExclusionList]\n*.mp3\n",
        "[ExclusionList]\r\n  \\dir\\tmp?  \r\n# comment\r\n\r\n",
        "[ExclusionList]\n*\n[ExclusionException]\nkeep this\n",
        "[ExclusionList]\n/dir\n[ExclusionException]\n/dir/keep this\n",
        "[ExclusionList]\n/*\n[ExclusionException]\n/dir/a.mp3\n/sub\n",
        "[ExclusionList]\n\"keep this\"\n'tmp22'\nx[1]\n/*/tmp*\n",
        "[ExclusionList]\n/\n",
        "before any section\n[Unknown]\n*\n[PrepopulateList]\n*\n",
        "[ExclusionList]\nc:\\dir\n",
        "[exclusionlist]\n*\n[ExclusionList]\n'unmatched\n;*\n  # *\n",
        "\u{FEFF}[ExclusionList]\n**3\n?\n",
    ] {
        fs::write(&file, text).expect("write");
        let option = format!("--config={}", file.display());
        let [ours, theirs] = run_both(&source, &programs, std::slice::from_ref(&option));
        if text.contains("\n/\n") {
            continue;
        }
        assert_no_semantic_difference(&programs.1, &ours, &theirs);
        // The same in the encoding of Windows.
        let utf16: Vec<u8> = "\u{FEFF}"
            .encode_utf16()
            .chain(text.trim_start_matches('\u{FEFF}').encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        fs::write(&file, utf16).expect("write");
        let again = source.scratch.join("again.wim");
        let call = programs.0.call(["capture"]).arg(&source.path).arg(&again);
        call.arg(&option).arg("wimforge").run().ok();
        source.before.restore_times();
        let listing = |wim: &Path| programs.0.show("dir", wim, &[]).out();
        assert_eq!(listing(&ours), listing(&again), "{text}");
    }
}

#[test]
fn configurations_that_are_wrong() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = with_names();
    let file = source.scratch.join("config.ini");
    fs::write(&file, "[ExclusionList]\nok\nc:relative\n").expect("write");
    for (config, code) in [(file.as_path(), 14), (Path::new("/nowhere.ini"), 83)] {
        for imager in [&wimforge, &wimlib] {
            let wim = source.scratch.join("a.wim");
            let call = imager.capture(&source.path, &wim, &Options::default());
            let run = call.arg(format!("--config={}", config.display())).run();
            let run = run.refused_with(code, &[]);
            if imager.name == "wimforge" && code == 14 {
                assert!(run.err().contains("config.ini:3"), "{}", run.err());
            }
            let _ = fs::remove_file(&wim);
        }
    }
}

/// Patterns and the names of overlays, if names are to be compared without case.
#[test]
fn names_without_case() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let scratch = Scratch::new();
    for file in ["one/Sub/a.MP3", "one/Sub/b", "two/sUB/c", "two/KEEP"] {
        let path = scratch.join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("make a directory");
        fs::write(path, file).expect("write");
    }
    fs::write(scratch.join("list"), "one /\ntwo /\n").expect("write");
    fs::write(scratch.join("config"), "[ExclusionList]\n*.mp3\n/keep\n").expect("write");
    for (value, expected) in [
        ("1", "/\n/Sub\n/Sub/b\n/Sub/c\n"),
        ("0", "/\n/KEEP\n/Sub\n/Sub/a.MP3\n/Sub/b\n/sUB\n/sUB/c\n"),
    ] {
        for imager in [&wimforge, &wimlib] {
            let line = [
                "capture",
                "list",
                "a.wim",
                "--source-list",
                "--config=config",
            ];
            let call = imager.call(line).in_dir(scratch.path());
            call.env("WIMLIB_IMAGEX_IGNORE_CASE", value).run().ok();
            let listed = wimforge.show("dir", &scratch.join("a.wim"), &[]).out();
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            assert_eq!(sorted(&listed), sorted(expected), "{imager}");
        }
    }
}

#[test]
fn what_each_option_makes() {
    let Some(programs) = both() else {
        return;
    };
    let source = with_names();
    for line in [
        "--flags=Pro --image-property=A/B=c --image-property=Z=1",
        "Name Description --boot --include-integrity",
        "--nocheck",
        "--unix-data",
        "--no-acls",
        "--strict-acls",
        "--compress=MAX:20",
        "--compress=fast --chunk-size=64K",
        "--compress=recovery",
        "--wimboot",
        "--wimboot --flags=Pro --chunk-size=8K",
        "--threads=3 --verbose",
        "--source-list=no",
    ] {
        let more: Vec<String> = line.split(' ').map(Into::into).collect();
        if line.contains("=no") {
            // A flag takes no value.
            let wim = source.scratch.join("none.wim");
            let call = programs.0.call(["capture"]).arg(&source.path).arg(&wim);
            let _refused = call.args(&more).run().refused_with(255, &[]);
            continue;
        }
        let [ours, theirs] = run_both(&source, &programs, &more);
        assert_no_semantic_difference(&programs.1, &ours, &theirs);
    }
}

#[test]
fn links_are_followed() {
    let Some(programs) = both() else {
        return;
    };
    let source = with_names();
    for name in ["dangling", "up"] {
        let _ = fs::remove_file(source.path.join(name));
        let _ = fs::remove_file(source.path.join("sub").join(name));
    }
    let source = Source {
        before: Snapshot::of(&source.path),
        ..source
    };
    source.before.restore_times();
    let [ours, theirs] = run_both(&source, &programs, &["--dereference".into()]);
    assert_no_semantic_difference(&programs.1, &ours, &theirs);
    symlink("../..", source.path.join("sub/loop")).expect("link");
    let wim = source.scratch.join("loop.wim");
    let call = programs.0.capture(&source.path, &wim, &Options::default());
    let _refused = call.arg("--dereference").run().refused_with(48, &["loop"]);
}

#[test]
fn configuration_of_a_wimboot_image() {
    let Some(programs) = both() else {
        return;
    };
    let source = with_names();
    fs::create_dir_all(source.path.join("Windows/System32")).expect("make");
    let source = Source {
        before: Snapshot::of(&source.path),
        ..source
    };
    source.before.restore_times();
    let file = source.scratch.join("config.ini");
    write_settled(&file, "[ExclusionList]\n*.mp3\n");
    let own = source.path.join("Windows/System32/WimBootCompress.ini");
    let config = format!("--config={}", file.display());
    let more = ["--wimboot".to_owned(), config];
    let [ours, theirs] = run_both(&source, &programs, &more);
    assert_no_semantic_difference(&programs.1, &ours, &theirs);
    write_settled(&own, "[ExclusionList]\n/dir\n");
    let source = Source {
        before: Snapshot::of(&source.path),
        ..source
    };
    source.before.restore_times();
    let [ours, theirs] = run_both(&source, &programs, &more[..1]);
    assert_no_semantic_difference(&programs.1, &ours, &theirs);
}

#[test]
fn another_chunk_size_on_append() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    for (more, code) in [
        ("--chunk-size=64K", 0),
        ("--chunk-size=32K", 0),
        ("--chunk-size=3K", 15),
        ("--unsafe-compact", 0),
        ("--snapshot", 68),
    ] {
        let wims = [&wimforge, &wimlib].map(|imager| {
            let name = format!("{imager}.wim");
            let wim = source.captured(imager, &name, &Options::default());
            let before = fs::read(&wim).expect("read");
            let call = imager.append(&source.path, &wim, "second", &Options::default());
            let run = call.arg(more).run();
            source.before.restore_times();
            assert_eq!(run.code(), code, "{imager} {more}: {}", run.err());
            if code != 0 && imager.name == "wimforge" {
                assert!(before == fs::read(&wim).expect("read"), "{more}");
            }
            wim
        });
        if code == 0 {
            assert_no_semantic_difference(&wimlib, &wims[0], &wims[1]);
        }
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let wimforge = Imager::plain();
    let source = with_names();
    let wim = source.scratch.join("a.wim");
    let run = |verb: &str, more: &[&str]| {
        let call = wimforge.call([verb]).arg(&source.path).arg(&wim);
        let run = call.arg("other").args(more).run().ok();
        source.before.restore_times();
        run
    };
    let said = run("capture", &["--dry-run"]).out();
    assert!(said.contains("Would capture 5 directories"), "{said}");
    assert!(!wim.exists());
    run("capture", &[]);
    let before = fs::read(&wim).expect("read");
    let call = wimforge.append(&source.path, &wim, "second", &Options::default());
    let run = call
        .args(["--dry-run", "--update-of=1", "--json"])
        .run()
        .ok();
    assert!(run.out().contains("\"bytes-to-read\":0"), "{}", run.out());
    assert!(before == fs::read(&wim).expect("read"));
}

#[test]
fn json_lines() {
    let wimforge = Imager::plain();
    let source = Source::new(&fixed::everything());
    let wim = source.scratch.join("a.wim");
    let call = wimforge.capture(&source.path, &wim, &Options::default());
    let run = call.arg("--json").run().ok();
    let text = run.out();
    assert!(
        text.lines()
            .all(|line| line.starts_with('{') && line.ends_with('}')),
        "{text}"
    );
    let last = text.lines().last().unwrap_or_default();
    assert!(last.contains("\"event\":\"result\""), "{last}");
    assert!(last.contains("\"image\":1"), "{last}");
    let call = wimforge.append(&source.path, &wim, "source", &Options::default());
    let run = call.arg("--json").run().refused_with(11, &[]);
    assert!(run.out().contains("\"code\":11"), "{}", run.out());
    for (args, text) in [
        (&["info"][..], r#""images":["#),
        (&["dir"], r#""path":"/hello""#),
        (&["verify"], r#""event""#),
    ] {
        let run = wimforge.call(args).arg(&wim).arg("--json").run().ok();
        let out = run.out();
        let objects = out
            .lines()
            .filter(|line| line.starts_with('{') && line.ends_with('}'));
        assert_eq!(objects.count(), out.lines().count(), "{out}");
        assert!(out.contains(text), "{out}");
    }
    // The archive goes to standard output, so the objects go aside.
    let call = wimforge.call(["capture"]).arg(&source.path).arg("-");
    let run = call.arg("--json").run().ok();
    assert!(run.stdout().starts_with(b"WLPWM\0"));
    assert!(run.err().contains("\"event\":\"result\""), "{}", run.err());
}

#[test]
fn completions_and_manual_pages() {
    let wimforge = Imager::plain();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = wimforge.call(["completions", shell]).run().ok().out();
        assert!(script.contains("update-of"), "{shell}");
    }
    let page = wimforge.call(["man", "capture"]).run().ok().out();
    assert!(page.contains(".TH wimforge-capture 1"), "{page}");
    assert!(page.contains("delta\\-from"), "{page}");
    let page = wimforge.call(["man"]).run().ok().out();
    assert!(page.contains("optimize"), "{page}");
    // Both know every option that the help has.
    for verb in ["capture", "append", "apply", "extract", "info", "export"] {
        let help = wimforge.call([verb, "--help"]).run().ok().out();
        let page = wimforge
            .call(["man", verb])
            .run()
            .ok()
            .out()
            .replace('\\', "");
        let script = wimforge.call(["completions", "bash"]).run().ok().out();
        let options = help
            .split_whitespace()
            .filter(|word| word.starts_with("--"));
        let mut count = 0;
        for option in options {
            let name = option.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let name = name.split(['=', '[', '\'']).next().unwrap_or(name);
            assert!(
                page.contains(name),
                "{verb}: {name} is not in the manual page"
            );
            assert!(script.contains(name), "{verb}: {name} is not completed");
            count += 1;
        }
        assert!(count > 5, "{help}");
    }
    let _refused = wimforge
        .call(["man", "nothing"])
        .run()
        .refused_with(255, &["nothing"]);
}

/// A tree whose files differ in nothing that matters here.
#[test]
fn every_spelling_of_an_option() {
    let Some(programs) = both() else {
        return;
    };
    let source = Source::new(&Tree {
        nodes: vec![Node::file(0, "file", Content::text(1, 5000))],
        ..Tree::default()
    });
    for line in [
        "-compress fast -check",
        "--comp=xpress --che",
        "--threads 1 --flags X --boot",
        "-unix-data -norpfix",
    ] {
        let more: Vec<String> = line.split(' ').map(Into::into).collect();
        let [ours, theirs] = run_both(&source, &programs, &more);
        assert_no_semantic_difference(&programs.1, &ours, &theirs);
    }
}

/// Packed together where it is, and what cannot be.
#[test]
fn compaction_in_place() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let more = Source::new(&fixed::wide(20));
    let wims = [&wimforge, &wimlib].map(|imager| {
        let name = format!("{imager}.wim");
        let wim = source.captured(imager, &name, &Options::default());
        let options = Options::default();
        for name in ["second", "third"] {
            imager.append(&more.path, &wim, name, &options).run().ok();
            more.before.restore_times();
        }
        wim
    });
    let both_run = |line: &[&str], code: i32| {
        for (imager, wim) in [&wimforge, &wimlib].iter().zip(&wims) {
            let before = fs::read(wim).expect("read");
            let call = imager.call([line[0]]).arg(wim);
            let run = call.args(&line[1..]).arg("--unsafe-compact").run();
            assert_eq!(run.code(), code, "{run}");
            if code == 85 {
                assert!(before == fs::read(wim).expect("read"), "{run}");
            }
        }
    };
    both_run(&["optimize", "--recompress"], 85);
    both_run(&["optimize", "--compress=xpress"], 85);
    both_run(&["optimize", "--pipable"], 85);
    for line in [
        &["optimize"][..],
        &["delete", "1"],
        &["update", "1", "--command=delete '/file 3'"],
        &["optimize", "--check"],
    ] {
        both_run(line, 0);
        assert_no_semantic_difference(&wimlib, &wims[0], &wims[1]);
        // A whole new file is no smaller.
        let anew = source.scratch.join("anew.wim");
        fs::copy(&wims[0], &anew).expect("copy");
        wimforge.call(["optimize"]).arg(&anew).run().ok();
        let size = |wim: &Path| fs::metadata(wim).expect("stat").len();
        assert_eq!(size(&wims[0]), size(&anew), "{line:?}");
        wimforge.verify(&wims[0]).ok();
        wimlib.verify(&wims[0]).ok();
    }
}

/// What some of Microsoft's programs cannot read is warned of, but not under wimlib's names.
#[test]
fn archives_that_not_every_windows_reads() {
    let source = Source::new(&fixed::everything());
    let own = Imager::plain();
    let said = |imager: &Imager, verb: &str, more: &[&str]| {
        let wim = source.scratch.join("a.wim");
        let call = imager.call([verb]).arg(&source.path).arg(&wim);
        let run = call.args(["new", "--norpfix"]).args(more).run().ok();
        source.before.restore_times();
        run.err()
    };
    const WARNING: &str = "Microsoft's software may not read this WIM: ";
    for (more, expected) in [
        (&["--compress=lzms"][..], "LZMS needs Windows 8.1"),
        (
            &["--solid", "--compress=lzx"],
            "solid resources need Windows 8.1",
        ),
        (
            &["--compress=xpress", "--chunk-size=4K"],
            "4 KiB need Windows 8.1",
        ),
        (&["--chunk-size=64K"], "not of 64 KiB"),
        (&["--unix-data"], "UNIX data is known to"),
    ] {
        let text = said(&own, "capture", more);
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(WARNING)).collect();
        assert!(lines.len() == 1 && lines[0].contains(expected), "{text}");
        assert!(!said(&Imager::drop_in(), "capture", more).contains(WARNING));
    }
    assert_eq!(said(&own, "capture", &[]), "");
    // What the archive is already is not said again.
    said(&own, "capture", &["--compress=lzms"]);
    let wim = source.scratch.join("a.wim");
    let call = own.append(&source.path, &wim, "more", &Options::default());
    assert_eq!(call.args(["--norpfix"]).run().ok().err(), "");
}
