//! Bad input: a clear error, and nothing lost.

use crate::support::{Source, for_everyone, make_special};
use rustix::fs::FileType;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wimforge_conformance::imaging::{Imager, Options};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::{Scratch, names_in};
use wimforge_conformance::tool::Call;
use wimforge_conformance::tree::{Content, Tree, fixed};

/// A source, and an archive of it that must survive.
pub struct Setting {
    pub source: Source,
    pub imager: Imager,
    pub wim: PathBuf,
    pub bytes: Vec<u8>,
}

impl Setting {
    pub fn new() -> Self {
        let source = Source::new(&fixed::everything());
        let imager = Imager::plain();
        let wim = source.captured(&imager, "old.wim", &Options::default());
        let bytes = fs::read(&wim).expect("read");
        Self {
            source,
            imager,
            wim,
            bytes,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.source.scratch.join(name)
    }

    pub fn capture(&self, source: &Path, wim: &Path) -> Call {
        self.imager.capture(source, wim, &Options::default())
    }

    pub fn append(&self, source: &Path, rebuild: bool) -> Call {
        let options = Options {
            rebuild,
            ..Options::default()
        };
        self.imager.append(source, &self.wim, "new", &options)
    }

    /// Asserts that the archive is what it was and that nothing lies beside it but these.
    #[track_caller]
    pub fn nothing_lost(&self, others: &[&str]) {
        assert!(
            fs::read(&self.wim).expect("the old archive") == self.bytes,
            "the old archive changed"
        );
        let mut expected = vec!["old.wim".to_owned(), "source".to_owned()];
        expected.extend(others.iter().map(|&name| name.to_owned()));
        expected.sort();
        assert_eq!(self.source.scratch.names(), expected);
    }
}

#[test]
fn missing_source() {
    let setting = Setting::new();
    let missing = setting.path("not there");
    let text = ["not there", "No such file or directory"];
    setting
        .capture(&missing, &setting.path("new.wim"))
        .run()
        .refused_with(63, &text);
    setting
        .capture(&missing, &setting.wim)
        .run()
        .refused_with(63, &text);
    for rebuild in [false, true] {
        setting
            .append(&missing, rebuild)
            .run()
            .refused_with(63, &text);
    }
    setting.nothing_lost(&[]);
}

#[test]
fn unreadable_files_and_directories() {
    let Some(setpriv) = locate::setpriv() else {
        return;
    };
    let scratch = Scratch::new();
    let program = for_everyone(&scratch);
    let home = scratch.join("home");
    fs::create_dir(&home).expect("make a directory");
    fs::set_permissions(&home, Permissions::from_mode(0o777)).expect("set mode");
    let source = scratch.join("source");
    fixed::everything().build(&source);
    let mode = Permissions::from_mode(0o644);
    let run = |args: &[&str], source: &Path| {
        Call::new(&program)
            .args(args)
            .arg(source)
            .arg(home.join("a.wim"))
            .as_nobody(&setpriv)
            .run()
    };
    run(&["capture"], &source).ok();
    let before = fs::read(home.join("a.wim")).expect("read");

    for (locked, code) in [("sub/text", 47), ("sub/deeper", 48)] {
        let path = source.join(locked);
        let mode = fs::metadata(&path).expect("mode").permissions();
        fs::set_permissions(&path, Permissions::from_mode(0o000)).expect("set mode");
        for args in [
            ["capture"].as_slice(),
            &["append"],
            &["append", "--rebuild"],
            &["capture", "--threads=4"],
        ] {
            run(args, &source).refused_with(code, &[locked, "Permission denied"]);
            assert!(
                fs::read(home.join("a.wim")).expect("read") == before,
                "the old archive changed"
            );
            assert_eq!(names_in(&home), ["a.wim"]);
        }
        fs::set_permissions(&path, mode).expect("set mode");
    }

    // What was left out is named, to people and to programs.
    let path = source.join("sub/text");
    fs::set_permissions(&path, Permissions::from_mode(0o000)).expect("set mode");
    let skipping = run(&["capture", "--on-error=skip", "--json"], &source);
    assert_eq!(skipping.code(), 3, "{skipping}");
    let out = skipping.out();
    let object = |event: &str| {
        let event = format!("\"event\":\"{event}\"");
        out.lines().find(|line| line.contains(&event)).unwrap_or("")
    };
    let skipped = object("skipped");
    for text in ["\"code\":47", "\"path\":\"/sub/text\"", "Permission denied"] {
        assert!(skipped.contains(text), "{skipping}");
    }
    assert!(object("error").contains("\"code\":3"), "{skipping}");
    fs::set_permissions(&path, mode).expect("set mode");

    // A directory that cannot be written into.
    fs::set_permissions(&home, Permissions::from_mode(0o555)).expect("set mode");
    run(&["capture"], &source).refused_with(47, &["a.wim"]);
    assert_eq!(names_in(&home), ["a.wim"]);
}

#[test]
fn not_a_wim() {
    let setting = Setting::new();
    let text = setting.path("text");
    fs::write(&text, "This is no archive.\n".repeat(100)).expect("write");
    let empty = setting.path("empty");
    File::create(&empty).expect("create");
    let short = setting.path("short");
    fs::write(&short, "MSWIM\0\0\0").expect("write");
    for file in [&text, &empty, &short] {
        let before = fs::read(file).expect("read");
        for verb in ["info", "dir", "verify"] {
            setting.imager.call([verb]).arg(file).run().refused();
        }
        let target = setting.path("restored");
        setting.imager.apply(file, 1, &target).run().refused();
        setting
            .imager
            .append(&setting.source.path, file, "n", &Options::default())
            .run()
            .refused();
        assert!(fs::read(file).expect("read") == before, "it was changed");
        assert!(!target.exists(), "a target was made for nothing");
    }
    let name = text.to_string_lossy();
    for verb in ["info", "dir", "verify"] {
        let run = setting.imager.call([verb]).arg(&text).run();
        run.refused_with(43, &[&name]);
    }
    setting.nothing_lost(&["text", "empty", "short"]);
}

#[test]
fn missing_archive() {
    let setting = Setting::new();
    let missing = setting.path("missing.wim");
    for verb in ["info", "dir", "verify"] {
        let run = setting.imager.call([verb]).arg(&missing).run();
        run.refused_with(47, &["missing.wim", "No such file or directory"]);
    }
    let target = setting.path("restored");
    setting
        .imager
        .apply(&missing, 1, &target)
        .run()
        .refused_with(47, &["missing.wim"]);
    setting
        .imager
        .append(&setting.source.path, &missing, "n", &Options::default())
        .run()
        .refused_with(47, &["missing.wim"]);
    // A directory is no archive either.
    let run = setting
        .imager
        .call(["info"])
        .arg(&setting.source.path)
        .run();
    run.refused();
    setting.nothing_lost(&[]);
}

#[test]
fn source_is_special() {
    let setting = Setting::new();
    let fifo = setting.path("fifo");
    make_special(&fifo, FileType::Fifo, 0).expect("make a FIFO");
    for source in [fifo.as_path(), Path::new("/dev/null")] {
        setting
            .capture(source, &setting.path("new.wim"))
            .within(Duration::from_secs(60))
            .run()
            .refused_with(69, &[&source.to_string_lossy()]);
    }
    setting.nothing_lost(&["fifo"]);
}

#[test]
fn special_files_are_left_out_with_a_warning() {
    let setting = Setting::new();
    make_special(&setting.source.path.join("pipe"), FileType::Fifo, 0).expect("make a FIFO");
    let run = setting
        .capture(&setting.source.path, &setting.path("new.wim"))
        .run()
        .ok();
    let said = run.out() + &run.err();
    assert!(said.contains("pipe"), "no warning: {said}");
    let listed = setting.imager.show("dir", &setting.path("new.wim"), &[]);
    assert!(!listed.out().contains("pipe"));
}

#[test]
fn names_that_are_not_utf_8() {
    let setting = Setting::new();
    for name in [
        b"latin-\xe9".as_slice(),
        b"pair-\xed\xa0\x80\xed\xb0\x80",
        b"overlong-\xc0\x80",
        b"beyond-\xf4\x90\x80\x80",
    ] {
        let path = setting.source.path.join(std::ffi::OsStr::from_bytes(name));
        File::create(&path).expect("create");
        let word = String::from_utf8_lossy(&name[..4]).into_owned();
        setting
            .capture(&setting.source.path, &setting.path("new.wim"))
            .run()
            .refused_with(31, &[&word]);
        fs::remove_file(&path).expect("remove");
    }
    setting.nothing_lost(&[]);
}

#[test]
fn images_that_do_not_exist() {
    let setting = Setting::new();
    for image in ["2", "0", "no such name"] {
        for verb in ["info", "dir"] {
            let run = setting
                .imager
                .call([verb])
                .arg(&setting.wim)
                .arg(image)
                .run();
            run.refused_with(18, &[]);
        }
        let target = setting.path("restored");
        let call = setting.imager.call(["apply"]).arg(&setting.wim);
        call.arg(image).arg(&target).run().refused_with(18, &[]);
        assert!(!target.exists(), "a target was made for nothing");
    }
    setting.nothing_lost(&[]);
}

#[test]
fn apply_does_not_harm_what_is_there() {
    let setting = Setting::new();
    // The target is a file.
    let file = setting.path("file");
    fs::write(&file, "mine").expect("write");
    setting.imager.apply(&setting.wim, 1, &file).run().refused();
    assert_eq!(fs::read(&file).expect("read"), b"mine");

    // A link in the target where the image has a directory must not be followed.
    let (target, elsewhere) = (setting.path("target"), setting.path("elsewhere"));
    fs::create_dir(&target).expect("make a directory");
    Tree::default().build(&elsewhere);
    symlink(&elsewhere, target.join("sub")).expect("link");
    let _either = setting.imager.apply(&setting.wim, 1, &target).run();
    assert_eq!(names_in(&elsewhere), [""; 0], "wrote through a link");
}

#[test]
fn a_source_that_is_one_file() {
    // A file is taken for an NTFS volume; this one is none.
    let setting = Setting::new();
    let file = setting.path("file");
    let nodes = vec![wimforge_conformance::tree::Node::file(
        0,
        "volume",
        Content::text(1, 100_000),
    )];
    Tree {
        nodes,
        ..Tree::default()
    }
    .build(&file);
    setting
        .capture(&file.join("volume"), &setting.path("new.wim"))
        .run()
        .refused();
    setting.nothing_lost(&["file"]);
}
