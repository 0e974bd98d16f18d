//! What the command line prints, as snapshots, and the names it answers to.
//!
//! Everything is fixed: relative paths, `SOURCE_DATE_EPOCH`, no compression. To accept a change:
//! `INSTA_UPDATE=always cargo test -p wimforge-conformance command_line`, then look at the diff.

use std::fs;
use wimforge_conformance::locate;
use wimforge_conformance::scratch::{Scratch, names_in};
use wimforge_conformance::tool::Call;
use wimforge_conformance::tree::{Content, Node, Target, Times, Tree};

fn tree() -> Tree {
    let moment = |seconds| Times {
        mtime: (seconds, 0),
        atime: (seconds, 0),
    };
    Tree {
        times: moment(1_500_000_000),
        nodes: vec![
            Node::dir(0, "directory").at(moment(1_500_000_001)),
            Node::file(0, "file", Content::Bytes(b"hello\n".to_vec())).at(moment(1_500_000_002)),
            Node::hard_link(1, "linked", 0).at(moment(1_500_000_002)),
            Node::file(1, "empty", Content::Bytes(Vec::new())).at(moment(1_500_000_003)),
            Node::symlink(0, "link", Target::Text(b"directory".to_vec())).at(moment(1_500_000_004)),
            Node::file(1, "grüße 😀", Content::text(1, 1000)).at(moment(1_500_000_005)),
        ],
    }
}

/// A directory with a source and an archive, and the program called from within.
struct Place(Scratch);

impl Place {
    fn new() -> Self {
        let scratch = Scratch::new();
        tree().build(&scratch.join("source"));
        Self(scratch)
    }

    fn with_archive() -> Self {
        let place = Self::new();
        let line = "capture source a.wim Name Description --compress=none --check --boot --quiet";
        place.call(line).run().ok();
        place
    }

    fn call(&self, line: &str) -> Call {
        self.call_as("wimforge", line)
    }

    fn call_as(&self, name: &str, line: &str) -> Call {
        Call::new(locate::wimforge_as(name))
            .args(line.split_whitespace())
            .in_dir(self.0.path())
            .env("SOURCE_DATE_EPOCH", "1600000000")
    }

    /// Everything that a command says.
    fn says(&self, line: &str) -> String {
        self.says_as("wimforge", line)
    }

    fn says_as(&self, name: &str, line: &str) -> String {
        let run = self.call_as(name, line).run();
        let mut text = format!("$ {name} {line}\nexit code {}\n", run.code());
        for (title, printed) in [
            ("standard output", run.out()),
            ("standard error", run.err()),
        ] {
            if !printed.is_empty() {
                let printed = printed.replace('\r', "␍");
                text += &format!("--- {title}\n{printed}");
                if !printed.ends_with('\n') {
                    text += "(no line feed)\n";
                }
            }
        }
        text
    }
}

#[test]
fn info() {
    let place = Place::with_archive();
    insta::assert_snapshot!("info", place.says("info a.wim"));
    insta::assert_snapshot!("info_image", place.says("info a.wim 1"));
    insta::assert_snapshot!("info_header", place.says("info a.wim --header"));
    place.call("info a.wim --extract-xml=out.xml").run().ok();
    let extracted = fs::read(place.0.join("out.xml")).expect("read");
    let printed = place.call("info a.wim --xml").run().ok();
    assert_eq!(extracted, printed.stdout());
    insta::assert_snapshot!("info_xml", wimforge_conformance::view::xml_text(&extracted));
}

#[test]
fn dir() {
    let place = Place::with_archive();
    insta::assert_snapshot!("dir", place.says("dir a.wim"));
    insta::assert_snapshot!("dir_path", place.says("dir a.wim 1 --path=/directory"));
    insta::assert_snapshot!("dir_missing_path", place.says("dir a.wim --path=/missing"));
    insta::assert_snapshot!("dir_detailed", place.says("dir a.wim --detailed"));
}

#[test]
fn capture_append_verify_and_apply() {
    let place = Place::new();
    let capture = "capture source a.wim Name Description --compress=none --threads=1";
    insta::assert_snapshot!("capture", place.says(capture));
    let append = "append source a.wim Second --threads=1";
    insta::assert_snapshot!("append", place.says(append));
    insta::assert_snapshot!("append_taken", place.says("append source a.wim Name"));
    insta::assert_snapshot!("verify", place.says("verify a.wim"));
    insta::assert_snapshot!("apply", place.says("apply a.wim 2 restored"));
    insta::assert_snapshot!("apply_which", place.says("apply a.wim restored2"));
    insta::assert_snapshot!("info_two", place.says("info a.wim"));
}

#[test]
fn quiet_is_quiet() {
    let place = Place::new();
    for line in [
        "capture source a.wim --quiet",
        "append source a.wim Second --quiet",
        "verify a.wim --quiet",
        "apply a.wim 1 restored --quiet",
    ] {
        let run = place.call(line).run().ok();
        assert_eq!(
            (run.out(), run.err()),
            (String::new(), String::new()),
            "{line}"
        );
    }
}

#[test]
fn help_and_version() {
    let place = Place::new();
    insta::assert_snapshot!("help", place.says("--help"));
    for verb in ["capture", "append", "apply", "info", "dir", "verify"] {
        let text = place.says(&format!("{verb} --help"));
        insta::assert_snapshot!(format!("help_{verb}"), text);
    }
    let version = place.call("--version").run().ok().out();
    assert!(version.starts_with("wimforge "), "{version}");
}

#[test]
fn wrong_usage() {
    let place = Place::with_archive();
    let mut all = String::new();
    for line in [
        "",
        "frobnicate",
        "capture",
        "capture source",
        "capture source b.wim name description more",
        "capture source b.wim --frob",
        "capture source b.wim --compress=zip",
        "capture source b.wim --compress=lzx:0",
        "capture source b.wim --threads=some",
        "capture source b.wim --rpfix --norpfix",
        "info",
        "dir a.wim 1 2",
        "apply a.wim",
    ] {
        all += &place.says(line);
        all += "\n";
    }
    insta::assert_snapshot!("wrong_usage", all);
    assert_eq!(names_in(place.0.path()), ["a.wim", "source"]);
}

#[test]
fn errors() {
    let place = Place::with_archive();
    fs::write(place.0.join("text"), "no archive").expect("write");
    let mut all = String::new();
    for line in [
        "capture missing b.wim",
        "capture source missing/b.wim",
        "capture source source",
        "append missing a.wim",
        "append source missing.wim",
        "append source a.wim Name",
        "info missing.wim",
        "info text",
        "info a.wim 2",
        "dir a.wim Nobody",
        "verify text",
        "apply a.wim 3 restored",
    ] {
        all += &place.says(line);
        all += "\n";
    }
    insta::assert_snapshot!("errors", all);
}

#[test]
fn options_may_be_written_in_many_ways() {
    let place = Place::new();
    for line in [
        "capture --compress none source b.wim",
        "capture -compress=none source b.wim",
        "capture source --check b.wim --boot",
        "capture --compress=NONE source b.wim",
        "capture --compress=fast source b.wim",
        "capture --compress=maximum source b.wim",
        "capture --compress=max source b.wim",
        "capture --compress=lzx:100 source b.wim",
        "capture --threads=0 source b.wim",
        "capture --check -- source b.wim",
    ] {
        for name in ["wimforge", "wimlib-imagex"] {
            place.call_as(name, line).run().ok();
            place.call("verify b.wim").run().ok();
        }
    }
    // Abbreviations of wimlib's options.
    place
        .call_as("wimlib-imagex", "capture --comp=none --norp source b.wim")
        .run()
        .ok();
    let info = place.call("info b.wim").run().ok().out();
    assert!(info.contains("Compression:    None"), "{info}");
}

#[test]
fn default_names() {
    let place = Place::new();
    for (source, name) in [
        ("source", "source"),
        ("source//", "source"),
        ("./source/.", "."),
    ] {
        place.call(&format!("capture {source} b.wim")).run().ok();
        let info = place.call("info b.wim 1").run().ok().out();
        assert!(
            info.contains(&format!("Name:                   {name}\n")),
            "{source}: {info}"
        );
    }
}

#[test]
fn the_names_of_wimlib() {
    let place = Place::new();
    let run = |name: &str, line: &str| place.call_as(name, line).run().ok();
    run("wimcapture", "source a.wim");
    run("wimappend", "source a.wim second");
    let by_name = run("wiminfo", "a.wim").out();
    assert_eq!(by_name, run("wimlib-imagex", "info a.wim").out());
    let by_name = run("wimdir", "a.wim 2").out();
    assert_eq!(by_name, run("wimforge", "dir a.wim 2").out());
    run("wimverify", "a.wim");
    run("wimapply", "a.wim 2 restored");
    assert_eq!(
        names_in(&place.0.join("restored")),
        names_in(&place.0.join("source"))
    );
}

#[test]
fn images_by_name() {
    let place = Place::with_archive();
    place.call("append source a.wim Second").run().ok();
    let by_name = place.call("info a.wim Second").run().ok().out();
    assert_eq!(by_name, place.call("info a.wim 2").run().ok().out());
    place.call("apply a.wim Second restored").run().ok();
    assert!(place.0.join("restored/directory/empty").exists());
}

#[test]
fn applying_all_images_makes_a_directory_for_each() {
    let place = Place::with_archive();
    place.call("append source a.wim Second").run().ok();
    place.call("apply a.wim all restored").run().ok();
    assert_eq!(names_in(&place.0.join("restored")), ["Name", "Second"]);
}
