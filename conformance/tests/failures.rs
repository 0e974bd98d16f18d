//! Bad input: a clear error, and nothing lost.

use crate::support::Source;
use rustix::fs::{FileType, FlockOperation, Mode, flock, mknodat};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use wimforge_conformance::compare::{Rules, assert_same_tree};
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::{Scratch, names_in};
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tool::Call;
use wimforge_conformance::tree::{Content, Tree, fixed};

/// A source, and an archive of it that must survive.
struct Setting {
    source: Source,
    imager: Imager,
    wim: PathBuf,
    bytes: Vec<u8>,
}

impl Setting {
    fn new() -> Self {
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

    fn path(&self, name: &str) -> PathBuf {
        self.source.scratch.join(name)
    }

    fn capture(&self, source: &Path, wim: &Path) -> Call {
        self.imager.capture(source, wim, &Options::default())
    }

    fn append(&self, source: &Path, rebuild: bool) -> Call {
        let options = Options {
            rebuild,
            ..Options::default()
        };
        self.imager.append(source, &self.wim, "new", &options)
    }

    /// Asserts that the archive is what it was and that nothing lies beside it but these.
    #[track_caller]
    fn nothing_lost(&self, others: &[&str]) {
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

/// The program where any user can run it.
pub fn for_everyone(scratch: &Scratch) -> PathBuf {
    let copy = scratch.join("wimforge");
    // Another process copies it: what is open for writing here, if only for a moment, could stay
    // open in a process that another test starts, and would be "busy".
    let call = Call::new("install").args(["-m", "755"]);
    let _run = call.arg(locate::wimforge()).arg(&copy).run().ok();
    copy
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

/// A small file system of its own.
pub struct SmallDisk(pub PathBuf);

impl SmallDisk {
    /// `None`, and a line that says why, where nothing can be mounted.
    pub fn mount(dir: PathBuf) -> Option<Self> {
        fs::create_dir(&dir).expect("make a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "none"])
            .arg(&dir)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            locate::skip("cannot mount a small tmpfs: not root, or forbidden here");
        }
        mounted.then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

#[test]
fn full_disk() {
    let large = Source::new(&fixed::bulky(4, 1));
    let small = Source::new(&fixed::everything());
    let Some(disk) = SmallDisk::mount(large.scratch.join("disk")) else {
        return;
    };
    let wim = disk.0.join("a.wim");
    let imager = Imager::plain();
    let options = Options::with(Compression::None);
    let text = ["No space left on device"];

    imager
        .capture(&large.path, &wim, &options)
        .run()
        .refused_with(72, &text);
    assert_eq!(names_in(&disk.0), [""; 0]);

    imager
        .capture(&small.path, &wim, &Options::default())
        .run()
        .ok();
    let before = fs::read(&wim).expect("read");
    let calls = [
        imager.capture(&large.path, &wim, &options),
        imager.append(&large.path, &wim, "new", &options),
        imager.append(
            &large.path,
            &wim,
            "new",
            &Options {
                rebuild: true,
                ..options.clone()
            },
        ),
    ];
    for call in calls {
        call.run().refused_with(72, &text);
        assert!(
            fs::read(&wim).expect("read") == before,
            "the old archive changed"
        );
        assert_eq!(names_in(&disk.0), ["a.wim"]);
    }

    for more in [
        "--pipable",
        "--unsafe-compact",
        "--pipable --rebuild --check",
    ] {
        let call = imager.append(&large.path, &wim, "new", &options);
        let call = call.args(more.split(' '));
        call.run().refused_with(72, &text);
        assert!(
            fs::read(&wim).expect("read") == before,
            "the old archive changed: {more}"
        );
        assert_eq!(names_in(&disk.0), ["a.wim"], "{more}");
    }
    let fresh = disk.0.join("fresh.wim");
    for more in ["--pipable", "--check"] {
        let call = imager.capture(&large.path, &fresh, &options).arg(more);
        call.run().refused_with(72, &text);
        assert_eq!(names_in(&disk.0), ["a.wim"], "{more}");
    }

    // The other verbs, where only a little is left.
    let other = large.captured(&imager, "other.wim", &options);
    let filler = disk.0.join("filler");
    let block = vec![1; 4096];
    let mut file = File::create(&filler).expect("create");
    while file.write_all(&block).is_ok() {}
    let filled = file.metadata().expect("size").len();
    file.set_len(filled - filled % 4096 - 3 * 4096)
        .expect("make room");
    let new = disk.0.join("new");
    let call = |verb: &str| imager.call([verb]);
    let command = format!("--command=add {} /new", large.path.display());
    for call in [
        call("optimize").arg(&wim).arg("--compress=none"),
        call("export")
            .arg(&other)
            .arg("1")
            .arg(&wim)
            .arg("new")
            .arg("--rebuild"),
        call("export")
            .arg(&wim)
            .arg("1")
            .arg(&new)
            .arg("--compress=none"),
        call("split").arg(&wim).arg(&new).arg("0.1"),
        call("join").arg(&new).arg(&wim),
        call("update").arg(&wim).arg("1").arg(command),
        call("delete").arg(&wim).arg("1").args(["--check"]),
    ] {
        // Deleting needs next to nothing.
        let is_small = call.line().contains(" delete ");
        match is_small {
            true => drop(call.run().ok()),
            false => {
                call.run().refused_with(72, &text);
                assert!(fs::read(&wim).expect("read") == before, "{}", call.line());
            }
        }
        assert_eq!(names_in(&disk.0), ["a.wim", "filler"], "{}", call.line());
    }
    fs::remove_file(filler).expect("remove");

    // Restoring onto a full disk fails too, and says so.
    let wim = large.captured(&imager, "large.wim", &options);
    let target = disk.0.join("restored");
    imager.apply(&wim, 1, &target).run().refused_with(72, &text);
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
fn archive_inside_the_captured_directory() {
    let setting = Setting::new();
    let wim = setting.source.path.join("sub/inside.wim");
    for round in 0..3 {
        let run = if round < 2 {
            setting.capture(&setting.source.path, &wim)
        } else {
            setting
                .imager
                .append(&setting.source.path, &wim, "n", &Options::default())
        };
        run.run().ok();
        let image = if round < 2 { "1" } else { "2" };
        let listed = setting.imager.show("dir", &wim, &[image]).out();
        let expected = setting.imager.show("dir", &setting.wim, &["1"]).out();
        assert_eq!(listed, expected, "in round {round}");
        setting.imager.verify(&wim).ok();
        assert_eq!(
            names_in(&setting.source.path.join("sub")),
            [
                "again",
                "another name of hello",
                "deeper",
                "inside.wim",
                "text",
                "up"
            ]
        );
    }
    setting.nothing_lost(&[]);
}

#[test]
fn destination_is_a_directory() {
    let setting = Setting::new();
    let before = Snapshot::of(&setting.source.path);
    setting
        .capture(&setting.source.path, &setting.source.path)
        .run()
        .refused_with(47, &["source", "directory"]);
    let rules = Rules {
        access_times: false,
        ..Rules::default()
    };
    let after = Snapshot::of(&setting.source.path);
    assert_same_tree("the directory", &before, &after, rules);
    setting.nothing_lost(&[]);
}

#[test]
fn destination_in_a_missing_directory() {
    let setting = Setting::new();
    setting
        .capture(&setting.source.path, &setting.path("missing/a.wim"))
        .run()
        .refused_with(47, &["missing/a.wim", "No such file or directory"]);
    setting.nothing_lost(&[]);
}

#[test]
fn destination_is_a_fifo() {
    let setting = Setting::new();
    let fifo = setting.path("fifo");
    make_special(&fifo, FileType::Fifo, 0).expect("make a FIFO");
    setting
        .capture(&setting.source.path, &fifo)
        .within(Duration::from_secs(60))
        .run()
        .refused_with(
            // Writing in sequence is possible in the pipable form only.
            24,
            &["fifo"],
        );
    let kind = fs::symlink_metadata(&fifo)
        .expect("still there")
        .file_type();
    assert!(kind.is_fifo());
    setting.nothing_lost(&["fifo"]);
}

#[test]
fn destination_is_dev_full() {
    let setting = Setting::new();
    let full = setting.path("full");
    // A device of our own: a program that replaced it would harm nobody.
    if make_special(&full, FileType::CharacterDevice, (1 << 8) | 7).is_err() {
        locate::skip("cannot make a device: not root");
        return;
    }
    let alias = setting.path("alias");
    symlink(&full, &alias).expect("link");
    for path in [&full, &alias] {
        setting
            .capture(&setting.source.path, path)
            .within(Duration::from_secs(60))
            .run()
            .refused();
        let kind = fs::symlink_metadata(&full)
            .expect("still there")
            .file_type();
        assert!(kind.is_char_device());
        assert!(fs::symlink_metadata(&alias).expect("link").is_symlink());
    }
    setting.nothing_lost(&["full", "alias"]);
}

fn make_special(path: &Path, kind: FileType, device: u64) -> rustix::io::Result<()> {
    let mode = Mode::from_raw_mode(0o666);
    mknodat(rustix::fs::CWD, path, kind, mode, device)
}

#[test]
fn standard_output_cannot_be_written() {
    let setting = Setting::new();
    for verb in ["info", "dir"] {
        let line = format!("exec \"$0\" {verb} \"$1\" > /dev/full");
        Call::new("/bin/sh")
            .args(["-c", &line])
            .arg(locate::wimforge())
            .arg(&setting.wim)
            .run()
            .refused();
        // A reader that went away is no panic.
        let line = format!("\"$0\" {verb} \"$1\" | head -c 1 > /dev/null");
        Call::new("/bin/sh")
            .args(["-c", &line])
            .arg(locate::wimforge())
            .arg(&setting.wim)
            .run()
            .ok();
    }
}

#[test]
fn destination_is_a_link_to_an_archive() {
    let setting = Setting::new();
    let link = setting.path("link.wim");
    symlink("old.wim", &link).expect("link");
    fs::set_permissions(&setting.wim, Permissions::from_mode(0o640)).expect("set mode");
    let other = Source::new(&fixed::wide(10));
    setting.capture(&other.path, &link).run().ok();
    assert!(fs::symlink_metadata(&link).expect("link").is_symlink());
    let mode = fs::metadata(&setting.wim)
        .expect("mode")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640, "the mode of the replaced file is kept");
    let listed = setting.imager.show("dir", &setting.wim, &[]).out();
    assert!(listed.contains("/file 9\n"), "{listed}");
    assert_eq!(
        setting.source.scratch.names(),
        ["link.wim", "old.wim", "source"]
    );
}

#[test]
fn a_new_archive_has_the_mode_of_any_new_file() {
    let setting = Setting::new();
    let plain = setting.path("plain");
    File::create(&plain).expect("create");
    let mode = |path: &Path| fs::metadata(path).expect("mode").permissions().mode();
    assert_eq!(mode(&setting.wim), mode(&plain));
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
fn archives_that_must_not_be_changed() {
    // READONLY in the header flags, then part 1 of 2.
    for (at, value) in [(0x10, 0x04), (0x2a, 2)] {
        let mut setting = Setting::new();
        setting.bytes[at] |= value;
        fs::write(&setting.wim, &setting.bytes).expect("write");
        for rebuild in [false, true] {
            setting
                .append(&setting.source.path, rebuild)
                .run()
                .refused_with(71, &["old.wim"]);
        }
        setting.nothing_lost(&[]);
    }
}

#[test]
fn locked_archives() {
    let setting = Setting::new();
    let file = File::open(&setting.wim).expect("open");
    flock(&file, FlockOperation::NonBlockingLockExclusive).expect("lock");
    for rebuild in [false, true] {
        setting
            .append(&setting.source.path, rebuild)
            .within(Duration::from_secs(60))
            .run()
            .refused_with(1, &["old.wim"]);
    }
    setting
        .capture(&setting.source.path, &setting.wim)
        .within(Duration::from_secs(60))
        .run()
        .refused_with(1, &["old.wim"]);
    drop(file);
    setting.nothing_lost(&[]);
}

/// Several programs that add an image at the same moment: each does it, or says that another is at it.
#[test]
fn appends_at_once() {
    let setting = Setting::new();
    for more in ["--threads=1", "--rebuild", "--pipable"] {
        setting
            .capture(&setting.source.path, &setting.wim)
            .run()
            .ok();
        let codes: Vec<i32> = std::thread::scope(|scope| {
            let setting = &setting;
            let runs: Vec<_> = (0..6)
                .map(|number| {
                    scope.spawn(move || {
                        let name = format!("image {number}");
                        let source = &setting.source.path;
                        let call =
                            setting
                                .imager
                                .append(source, &setting.wim, &name, &Options::default());
                        call.arg(more).run().code()
                    })
                })
                .collect();
            let runs = runs.into_iter();
            runs.map(|run| run.join().expect("a thread")).collect()
        });
        assert!(
            codes.iter().all(|code| [0, 1].contains(code)),
            "{more}: {codes:?}"
        );
        let added = codes.iter().filter(|&&code| code == 0).count();
        assert!(added > 0, "{more}");
        setting.imager.verify(&setting.wim).ok();
        let info = setting.imager.show("info", &setting.wim, &[]).out();
        let count = format!("Image Count:    {}\n", 1 + added);
        assert!(info.contains(&count), "{more}: {codes:?} {info}");
        assert_eq!(setting.source.scratch.names(), ["old.wim", "source"]);
    }
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
