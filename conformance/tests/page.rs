//! Sentences of the manual page of 2013 that no other test is about.

use crate::support::{SmallDisk, Source, both};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use wimforge_conformance::imaging::{Imager, Options};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tool::{Call, Run};
use wimforge_conformance::tree::{Content, Node, Target, Tree, fixed};
use wimforge_conformance::view::{assert_no_semantic_difference, xml_text};

/// A directory in which lines are typed.
pub struct Place(pub Scratch);

impl Place {
    /// With these files, each with its path for contents.
    pub fn with(files: &[&str]) -> Self {
        let scratch = Scratch::new();
        for file in files {
            let path = scratch.join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("make a directory");
            fs::write(path, file).expect("write");
        }
        Self(scratch)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Runs a line; words in quotes stay together, the first word is a name of wimforge.
    pub fn type_in(&self, line: &str) -> Run {
        let mut words = line.split('"').enumerate().flat_map(|(index, part)| {
            let quoted = index % 2 == 1;
            let parts = match quoted {
                true => vec![part],
                false => part.split_whitespace().collect(),
            };
            parts.into_iter().map(str::to_owned)
        });
        let program = words.next().expect("a program");
        Call::new(locate::wimforge_as(&program))
            .args(words)
            .in_dir(self.0.path())
            .run()
    }

    pub fn says(&self, line: &str) -> String {
        self.type_in(line).ok().out()
    }
}

#[test]
fn the_examples() {
    let place = Place::with(&["somedir/a", "somedir/sub/b", "anotherdir/c"]);
    for line in [
        "wimlib-imagex capture somedir mywim.wim",
        "wimcapture somedir mywim.wim",
        "wimlib-imagex append anotherdir mywim.wim",
    ] {
        place.type_in(line).ok();
    }
    let info = place.says("wimlib-imagex info mywim.wim");
    for line in [
        "Compression:    LZX",
        "Name:                   somedir",
        "Name:                   anotherdir",
    ] {
        assert!(info.contains(line), "{info}");
    }
    // The page types `--norfix`, which its list of options spells `--norpfix`.
    symlink(place.path("somedir/a"), place.path("somedir/absolute")).expect("link");
    for program in ["wimforge", "wimlib-imagex"] {
        for option in ["--norfix", "--norpfix"] {
            place
                .type_in(&format!(
                    "{program} capture somedir mywim.wim --compress=fast --check {option} \
                     \"Some Name\" \"Some Description\""
                ))
                .ok();
            let info = place.says("wiminfo mywim.wim");
            for line in [
                "Compression:    XPRESS",
                "Integrity info",
                "Name:                   Some Name",
                "Description:            Some Description",
            ] {
                assert!(info.contains(line), "{info}");
            }
            assert!(!info.contains("Relative path junction"), "{info}");
        }
    }
}

#[test]
fn the_example_of_backups() {
    let place = Place::with(&["directory/old", "directory/changed"]);
    place.type_in("wimcapture directory bkup-base.wim").ok();
    fs::write(place.path("directory/changed"), "other words").expect("write");
    place
        .type_in(
            "wimcapture directory bkup-2013-08-20.dwm --update-of bkup-base.wim:-1 \
             --delta-from bkup-base.wim",
        )
        .ok();
    let restored = |to: &str| {
        place
            .type_in(&format!(
                "wimapply bkup-2013-08-20.dwm --ref=bkup-base.wim 1 {to}"
            ))
            .ok();
        ["old", "changed"]
            .map(|name| fs::read_to_string(place.path(to).join(name)).expect("a restored file"))
    };
    let expected = ["directory/old", "other words"].map(str::to_owned);
    assert_eq!(restored("one"), expected);
    // Files and images may be added to the base.
    fs::write(place.path("directory/more"), "even more").expect("write");
    place
        .type_in("wimappend directory bkup-base.wim later --rebuild")
        .ok();
    assert_eq!(restored("two"), expected);
}

#[test]
fn mount_points_are_entered() {
    let place = Place::with(&["source/file"]);
    let Some(disk) = SmallDisk::mount(place.path("source/mounted")) else {
        return;
    };
    fs::write(disk.0.join("inside"), "on another file system").expect("write");
    place.type_in("wimforge capture source a.wim").ok();
    let listed = place.says("wimforge dir a.wim");
    assert_eq!(listed, "/\n/file\n/mounted\n/mounted/inside\n");
}

#[test]
fn verbose_names_what_is_captured() {
    let place = Place::with(&["source/sub/file", "source/excluded"]);
    fs::write(place.path("config"), "[ExclusionList]\nexcluded\n").expect("write");
    for program in ["wimforge", "wimlib-imagex"] {
        let line = format!("{program} capture source a.wim --config=config");
        let said = place.says(&format!("{line} --verbose"));
        for expected in [
            "Scanning \"source/sub\"\n",
            "Scanning \"source/sub/file\"\n",
            "Excluding \"source/excluded\" from capture",
        ] {
            assert!(said.contains(expected), "{said}");
        }
        assert!(!place.says(&line).contains("source/sub"));
    }
}

/// The default of append is what was done before on the WIM.
#[test]
fn fixing_of_links_follows_the_archive() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let nodes = vec![
        Node::file(0, "file", Content::text(1, 10)),
        Node::symlink(0, "link", Target::Inside(1, Vec::new())),
    ];
    let tree = Tree {
        nodes,
        ..Tree::default()
    };
    let source = Source::new(&tree);
    // Without any image the header decides nothing.
    let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
        let wim = source.scratch.join(format!("{imager}.wim"));
        let call = imager.capture(&source.path, &wim, &Options::default());
        call.arg("--norpfix").run().ok();
        imager.call(["delete"]).arg(&wim).arg("1").run().ok();
        source.before.restore_times();
        let call = imager.append(&source.path, &wim, "again", &Options::default());
        call.run().ok();
        source.before.restore_times();
        wim
    });
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
    for (before, then) in [
        (&["--norpfix"][..], &[][..]),
        (&["--rpfix"], &[]),
        (&["--norpfix"], &["--rpfix"]),
        (&["--rpfix"], &["--norpfix"]),
    ] {
        let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
            let wim = source.scratch.join(format!("{imager}.wim"));
            let call = imager.capture(&source.path, &wim, &Options::default());
            call.args(before).run().ok();
            source.before.restore_times();
            let call = imager.append(&source.path, &wim, "second", &Options::default());
            call.args(then).run().ok();
            source.before.restore_times();
            wim
        });
        assert_no_semantic_difference(&wimlib, &ours, &theirs);
        let moved = source.scratch.join("moved");
        wimforge.apply(&ours, 2, &moved).run().ok();
        let target = fs::read_link(moved.join("link")).expect("a link");
        let is_fixed = target.starts_with(&moved);
        assert_eq!(
            is_fixed,
            then != ["--norpfix"] && (then == ["--rpfix"] || before == ["--rpfix"])
        );
        fs::remove_dir_all(moved).expect("remove");
    }
}

/// A rebuilt WIM has no holes, and `optimize` removes what an append that was stopped has left.
#[test]
fn holes_go_away() {
    let place = Place::with(&["source/file"]);
    let size = |name: &str| fs::metadata(place.path(name)).expect("a file").len();
    for name in ["holes.wim", "rebuilt.wim", "stopped.wim"] {
        place
            .type_in(&format!("wimforge capture source {name}"))
            .ok();
    }
    place.type_in("wimforge append source holes.wim again").ok();
    place
        .type_in("wimforge append source rebuilt.wim again --rebuild")
        .ok();
    // A blob table and XML data of one image.
    let hole = 50 + 700;
    assert!(size("rebuilt.wim") + hole < size("holes.wim"));
    let before = size("holes.wim");
    place.type_in("wimforge optimize holes.wim").ok();
    assert!(size("holes.wim") + hole < before);

    let clean = size("stopped.wim");
    let mut bytes = fs::read(place.path("stopped.wim")).expect("read");
    bytes.extend([0x55; 100_000]);
    // The flag "being written".
    bytes[0x10] |= 0x40;
    fs::write(place.path("stopped.wim"), bytes).expect("write");
    place.type_in("wimforge optimize stopped.wim").ok();
    assert_eq!(size("stopped.wim"), clean);
}

#[test]
fn names_of_images() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let place = Place::with(&["source/sub/file"]);
    let names = |imager: &Imager, wim: &str| {
        let xml = imager.show("info", &place.path(wim), &["--xml"]);
        let xml = xml_text(xml.stdout());
        let names = xml.split("<IMAGE ").skip(1).map(|image| {
            let name = image
                .split_once("<NAME>")
                .and_then(|rest| rest.1.split_once("</NAME>"));
            name.map(|name| name.0.to_owned())
        });
        names.collect::<Vec<_>>()
    };
    let all = [(&wimforge, "ours.wim"), (&wimlib, "theirs.wim")].map(|(imager, wim)| {
        let run = |words: &[&str]| {
            let call = imager.call(words.iter().copied()).in_dir(place.0.path());
            call.run()
        };
        run(&["capture", "source", wim]).ok();
        for words in [
            &["append", "source/", wim][..],
            &["append", "./source", wim],
            &["append", "source", wim, ""],
            &["append", "source", wim, ""],
            &["append", "source", wim, "", "described"],
            &["append", "source//sub", wim],
            &["append", "source/sub/..", wim],
            &["append", "source", wim, "a <b> & c"],
        ] {
            run(words).ok();
        }
        run(&["append", "source", wim, "source (2)"]).refused_with(11, &["source (2)"]);
        if imager.name == "wimforge" {
            // wimlib 1.13 writes XML data that is none.
            run(&["append", "source", wim, "a\u{1}b"]).refused_with(24, &[]);
        }
        names(&wimlib, wim)
    });
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0][1], Some("source (1)".to_owned()));
    assert_eq!(all[0][3], None);
}

/// What append does to the integrity table, and what has no effect on it.
#[test]
fn options_of_append() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let checked = Options::checked();
    for (first, then, text) in [
        (&checked, "--nocheck", ""),
        (&checked, "--no-check", ""),
        (
            &Options::default(),
            "--check",
            "does not contain integrity information",
        ),
        (&Options::default(), "--include-integrity", ""),
        (&Options::default(), "--compress=none", ""),
        (&Options::default(), "--create", ""),
    ] {
        let wims = [&wimforge, &wimlib].map(|imager| {
            let wim = source.captured(imager, &format!("{imager}.wim"), first);
            let call = imager.append(&source.path, &wim, "second", &Options::default());
            let run = call.arg(then).run().ok();
            assert!(run.err().contains(text), "{run}");
            source.before.restore_times();
            wim
        });
        assert_no_semantic_difference(&wimlib, &wims[0], &wims[1]);
    }
    // An archive that is not there.
    let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
        let wim = source.scratch.join(format!("new-{imager}.wim"));
        let call = imager.append(&source.path, &wim, "first", &Options::default());
        call.clone().run().refused_with(47, &[]);
        assert!(!wim.exists());
        call.args(["--create", "--compress=fast"]).run().ok();
        source.before.restore_times();
        wim
    });
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
}

#[test]
fn options_that_contradict_each_other() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::wide(2));
    let old = source.captured(&wimforge, "old.wim", &Options::default());
    let before = fs::read(&old).expect("read");
    let new = source.scratch.join("new.wim");
    for (verb, line, code) in [
        ("capture", "--check --nocheck", 24),
        ("capture", "--rpfix --norpfix", 24),
        ("capture", "--compress=none --chunk-size=64K", 15),
        ("capture", "--chunk-size=3", 15),
        ("capture", "--chunk-size=64KB", 255),
        ("capture", "--threads=-1", 255),
        ("capture", "--threads=x", 255),
        ("capture", "--compress=lzx:x", 255),
        ("capture", "--compress=", 255),
        ("capture", "--create", 255),
        ("capture", "--unsafe-compact", 255),
        ("capture", "--snapshot", 68),
        ("capture", "--image-property=novalue", 255),
        ("capture", "--config=/nowhere", 83),
        ("capture", "--update-of=1 --update-of=1", 255),
        ("append", "--rpfix --norpfix", 24),
        ("append", "--pipable --not-pipable", 24),
        ("append", "--compress=zip", 255),
        ("append", "--snapshot", 68),
        ("append", "--frob", 255),
    ] {
        for imager in [&wimforge, &wimlib] {
            let wim = match verb {
                "capture" => &new,
                _ => &old,
            };
            let call = imager.call([verb]).arg(&source.path).arg(wim).arg("name");
            let run = call.args(line.split(' ')).run().refused();
            assert_eq!(run.code(), code, "{imager} {verb} {line}: {}", run.err());
            if imager.name == "wimforge" {
                assert!(!new.exists(), "{line}");
            }
            assert!(fs::read(&old).expect("read") == before, "{imager} {line}");
            let _ = fs::remove_file(&new);
        }
    }
}

/// A file in a list is a file, even if it is an NTFS volume.
#[test]
fn volumes_in_lists_are_files() {
    let place = Place::with(&["volume"]);
    let mut bytes = vec![0; 1 << 20];
    bytes[..11].copy_from_slice(b"\xEB\x52\x90NTFS    ");
    bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
    fs::write(place.path("volume"), bytes).expect("write");
    fs::write(place.path("list"), "volume v\n").expect("write");
    place
        .type_in("wimforge capture list a.wim --source-list")
        .ok();
    assert_eq!(place.says("wimforge dir a.wim"), "/\n/v\n");
}

/// `..` in the place where a source goes: wimlib takes it for a name, and loses what is below it.
#[test]
fn places_of_sources_with_dots() {
    let place = Place::with(&["one/file", "inner/nothing"]);
    let run = |list: &str, more: &str| {
        fs::write(place.path("list"), list).expect("write");
        place.type_in(&format!(
            "wimlib-imagex capture list a.wim --source-list {more}"
        ))
    };
    for list in ["one a/../b\n", "one ..\n", "inner/../one\n"] {
        run(list, "").refused_with(255, &["list:1", "\"..\""]);
        assert!(!place.path("a.wim").exists());
    }
    for (list, listed) in [
        ("inner/../one x\n", "/\n/x\n/x/file\n"),
        ("./one/\n", "/\n/one\n/one/file\n"),
        ("one ./x/./y\n", "/\n/x\n/x/y\n/x/y/file\n"),
        ("one .\n", "/\n/file\n"),
    ] {
        run(list, "").ok();
        assert_eq!(place.says("wimforge dir a.wim"), listed, "{list}");
    }
}

#[test]
fn with_posixly_correct_options_come_first() {
    let place = Place::with(&["source/file"]);
    let run = |words: &[&str]| {
        let call = Call::new(locate::wimforge()).args(words);
        call.env("POSIXLY_CORRECT", "1")
            .in_dir(place.0.path())
            .run()
    };
    run(&["capture", "--check", "source", "a.wim"]).ok();
    run(&[
        "capture",
        "source",
        "a.wim",
        "name",
        "description",
        "--check",
    ])
    .refused_with(255, &[]);
    // Behind `--` nothing is an option.
    place.type_in("wimforge capture source -- --odd.wim").ok();
    assert!(place.path("--odd.wim").exists());
}

/// Names that are not UTF-8 are kept if that is asked for, and come back.
#[test]
fn names_that_are_not_utf_8_can_be_kept() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = Place::with(&["source/file"]);
    let odd = OsStr::from_bytes(b"latin-\xe9-\xed\xa0\x80-\xff");
    fs::write(place.path("source").join(odd), "odd").expect("write");
    symlink(odd, place.path("source/link")).expect("link");
    place
        .type_in("wimforge capture source a.wim")
        .refused_with(31, &["latin-"]);
    place
        .type_in("wimforge capture source a.wim --escape-names")
        .ok();
    if let Some(wimlib) = Imager::wimlib() {
        wimlib.verify(&place.path("a.wim")).ok();
    }
    let before = Snapshot::of(&place.path("source"));
    place
        .type_in("wimforge apply a.wim 1 restored --escape-names")
        .ok();
    let after = Snapshot::of(&place.path("restored"));
    assert_eq!(
        before.nodes.keys().collect::<Vec<_>>(),
        after.nodes.keys().collect::<Vec<_>>()
    );
    assert_eq!(
        fs::read_link(place.path("restored/link"))
            .expect("a link")
            .as_os_str(),
        odd
    );
}
