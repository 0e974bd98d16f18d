//! The rest of an archive's life: export, optimize, delete, split, join, update, info, extract, diff.
//! Every verb does the same to the same archive in wimforge's hands and in wimlib's, and each program
//! reads what the other made of it.

use crate::support::{Source, both, rules_for};
use std::fs;
use std::path::{Path, PathBuf};
use wimforge_conformance::compare::Rules;
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tree::fixed;
use wimforge_conformance::view::{assert_no_semantic_difference, assert_same_eyes};

/// An archive with two images that have some data in common, one of them the boot image.
fn two_images(imager: &Imager, compression: Compression) -> (Source, Source, PathBuf) {
    let first = Source::new(&fixed::everything());
    let second = Source::new(&fixed::wide(30));
    let options = Options {
        check: true,
        boot: true,
        ..Options::with(compression)
    };
    let wim = first.captured(imager, "two.wim", &options);
    let call = imager.append(&second.path, &wim, "second", &Options::default());
    let _appended = call.arg("--image-property=X/Y=foreign").run().ok();
    second.before.restore_times();
    (first, second, wim)
}

/// Both programs find nothing wrong with an archive, whose other files these globs name.
#[track_caller]
fn assert_sound(imagers: &[&Imager], wim: &Path, references: Option<&str>) {
    for imager in imagers {
        let mut call = imager.call(["verify"]).arg(wim);
        if let Some(glob) = references {
            call = call.arg(format!("--ref={glob}"));
        }
        let _run = call.run().ok();
    }
}

#[test]
fn exported_images_are_those_of_the_source() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (first, second, wim) = two_images(&wimlib, Compression::Lzx);
    let dir = Scratch::new();
    let ways: [&[&str]; 6] = [
        &[],
        &["--recompress"],
        &["--compress=xpress"],
        &["--compress=none"],
        &["--compress=lzms", "--check"],
        &["--solid"],
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let export = |imager: &Imager, name: String| {
            let to = dir.join(name);
            let call = imager.call(["export"]).arg(&wim).arg("all").arg(&to);
            let _run = call.args(way).run().ok();
            to
        };
        let ours = export(&wimforge, format!("ours{number}.wim"));
        let theirs = export(&wimlib, format!("theirs{number}.wim"));
        assert_sound(&[&wimforge, &wimlib], &ours, None);
        assert_no_semantic_difference(&wimlib, &ours, &theirs);
        assert_same_eyes(&wimforge, &wimlib, &ours);
        let rules = rules_for(&Options::default());
        first.assert_restored(&wimlib, &ours, 1, rules);
        second.assert_restored(&wimforge, &theirs, 2, rules);
    }
}

#[test]
fn one_image_goes_into_another_archive() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (_first, second, wim) = two_images(&wimforge, Compression::Xpress);
    for rebuild in [&[][..], &["--rebuild"]] {
        let dir = Scratch::new();
        let [ours, theirs] =
            [(&wimforge, "ours.wim"), (&wimlib, "theirs.wim")].map(|(imager, name)| {
                let to = dir.join(name);
                let export = |args: &[&str]| {
                    let call = imager.call(["export"]).arg(&wim).arg(args[0]).arg(&to);
                    call.args(&args[1..]).run()
                };
                let _new = export(&["second"]).ok();
                let _again = export(&["second"]).refused_with(11, &["second"]);
                let named = [&["1", "other name", "its description", "--boot"], rebuild].concat();
                let _more = export(&named).ok();
                let _other = export(&["1", "x", "--compress=lzx"]).refused_with(255, &[]);
                to
            });
        assert_sound(&[&wimforge, &wimlib], &ours, None);
        assert_no_semantic_difference(&wimlib, &ours, &theirs);
        let info = wimlib.show("info", &ours, &[]).out();
        assert!(info.contains("Boot Index:     2"), "{info}");
        let xml = wimforge.show("info", &ours, &["--xml"]);
        let foreign = "<X><Y>foreign</Y></X>".encode_utf16();
        let foreign: Vec<u8> = foreign.flat_map(u16::to_le_bytes).collect();
        let found = xml.stdout().windows(foreign.len()).any(|at| at == foreign);
        assert!(found, "foreign elements of the XML data are kept");
        second.assert_restored(&wimlib, &ours, 1, rules_for(&Options::default()));
    }
}

#[test]
fn archives_are_written_anew() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (first, _second, wim) = two_images(&wimlib, Compression::Lzx);
    for (number, way) in [
        &["--recompress"][..],
        &["--compress=xpress", "--nocheck"],
        &["--compress=none"],
        &["--solid"],
        &[],
    ]
    .into_iter()
    .enumerate()
    {
        let copy = |name: &str| {
            let to = first.scratch.join(format!("{name}{number}.wim"));
            fs::copy(&wim, &to).expect("copy");
            to
        };
        let (ours, theirs) = (copy("ours"), copy("theirs"));
        let _run = wimforge.call(["optimize"]).arg(&ours).args(way).run().ok();
        let _run = wimlib.call(["optimize"]).arg(&theirs).args(way).run().ok();
        assert_sound(&[&wimforge, &wimlib], &ours, None);
        assert_no_semantic_difference(&wimlib, &ours, &theirs);
        assert_same_eyes(&wimforge, &wimlib, &ours);
        first.assert_restored(&wimlib, &ours, 1, rules_for(&Options::default()));
    }
}

#[test]
fn images_are_deleted() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (_first, second, wim) = two_images(&wimlib, Compression::Lzx);
    for (image, soft) in [("1", false), ("1", true), ("second", false), ("all", true)] {
        let [ours, theirs] =
            [(&wimforge, "ours.wim"), (&wimlib, "theirs.wim")].map(|(imager, name)| {
                let to = second.scratch.join(name);
                fs::copy(&wim, &to).expect("copy");
                let call = imager.call(["delete"]).arg(&to).arg(image);
                let _run = call.args(soft.then_some("--soft")).run().ok();
                let again = imager.call(["delete"]).arg(&to).arg("9").run();
                let _again = again.refused_with(18, &["9"]);
                to
            });
        assert_sound(&[&wimforge, &wimlib], &ours, None);
        if image != "all" {
            assert_no_semantic_difference(&wimlib, &ours, &theirs);
        }
        if image == "1" {
            second.assert_restored(&wimlib, &ours, 1, rules_for(&Options::default()));
        }
        let sizes = [&ours, &theirs].map(|wim| fs::metadata(wim).expect("size").len());
        assert!(sizes[0].abs_diff(sizes[1]) < 100, "{sizes:?}");
    }
}

#[test]
fn split_and_joined_again() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (first, second, wim) = two_images(&wimlib, Compression::None);
    for (splitter, reader) in [(&wimforge, &wimlib), (&wimlib, &wimforge)] {
        let dir = Scratch::new();
        let part = dir.join("part.swm");
        let call = splitter.call(["split"]).arg(&wim).arg(&part).arg("0.02");
        let _run = call.run().ok();
        assert!(dir.names().len() > 2, "{:?}", dir.names());
        let glob = dir.join("part*.swm").display().to_string();
        assert_sound(&[reader], &part, Some(&glob));
        let target = dir.join("restored");
        let apply = || reader.call(["apply"]).arg(&part).arg("1").arg(&target);
        let _alone = apply().run().refused_with(55, &[]);
        // wimforge finds that out before it makes anything.
        let _ = fs::remove_dir_all(&target);
        let _run = apply().arg(format!("--ref={glob}")).run().ok();
        let after = Snapshot::of(&target);
        let rules = rules_for(&Options::default());
        wimforge_conformance::compare::assert_same_tree("split", &first.before, &after, rules);
        let joined = dir.join("joined.wim");
        let mut parts: Vec<PathBuf> = dir.names().iter().map(|name| dir.join(name)).collect();
        parts.retain(|path| path.extension().is_some_and(|extension| extension == "swm"));
        parts.reverse();
        let join = |parts: &[PathBuf]| reader.call(["join"]).arg(&joined).args(parts).run();
        let _missing = join(&parts[1..]).refused_with(62, &[]);
        let _run = join(&parts).ok();
        assert_sound(&[&wimforge, &wimlib], &joined, None);
        second.assert_restored(splitter, &joined, 2, rules);
    }
}

#[test]
fn solid_archives_are_split_too() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let options = Options::default();
    let wim = source.scratch.join("solid.wim");
    let call = wimlib.capture(&source.path, &wim, &options).arg("--solid");
    let _run = call.run().ok();
    source.before.restore_times();
    let part = source.scratch.join("part.swm");
    let call = wimforge.call(["split"]).arg(&wim).arg(&part).arg("0.01");
    let _run = call.run().ok();
    let glob = source.scratch.join("part*.swm").display().to_string();
    assert_sound(&[&wimforge, &wimlib], &part, Some(&glob));
}

#[test]
fn a_delta_is_read_with_its_base() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let options = Options::default();
    let base = source.captured(&wimforge, "base.wim", &options);
    let delta = source.scratch.join("delta.wim");
    let call = wimlib.capture(&source.path, &delta, &options);
    let _run = call
        .arg(format!("--delta-from={}", base.display()))
        .run()
        .ok();
    source.before.restore_times();
    let reference = format!("--ref={}", base.display());
    for verb in ["apply", "extract"] {
        let dir = Scratch::new();
        let target = dir.join("restored");
        let restore = || match verb {
            "apply" => wimforge.call(["apply"]).arg(&delta).arg(&target),
            _ => {
                let call = wimforge.call(["extract"]).arg(&delta).arg("1");
                call.arg(format!("--dest-dir={}", target.display()))
            }
        };
        let _alone = restore().run().refused_with(55, &["delta.wim", "base"]);
        let _run = restore().arg(&reference).run().ok();
        let after = Snapshot::of(&target);
        let rules = rules_for(&options);
        wimforge_conformance::compare::assert_same_tree(verb, &source.before, &after, rules);
    }
    let verify = || wimforge.call(["verify"]).arg(&delta);
    let _alone = verify().run().refused_with(55, &["/"]);
    let _run = verify().arg(&reference).run().ok();
    let whole = source.scratch.join("whole.wim");
    let export = wimforge.call(["export"]).arg(&delta).arg("1").arg(&whole);
    let _run = export.arg(&reference).run().ok();
    assert_sound(&[&wimlib], &whole, None);
}

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

/// A directory with these files, and an archive of it.
fn written(imager: &Imager, files: &[(&str, &str)]) -> (Scratch, PathBuf) {
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
    let _rules = Rules::default();
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
