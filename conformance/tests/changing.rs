//! Files that change while they are captured. The program is held up between its scan and its reading
//! of the data: it names every file on a pipe that nobody empties until the change is made.

use crate::support::Source;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use wimforge_conformance::imaging::{Imager, Options};
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::tool::Call;
use wimforge_conformance::tree::fixed;

/// What is changed, and something behind it that takes a while to name.
struct Scene {
    scratch: Scratch,
    source: PathBuf,
}

/// How a run ended.
struct Ending {
    code: Option<i32>,
    said: String,
}

impl Scene {
    fn new() -> Self {
        let scratch = Scratch::new();
        let source = scratch.join("source");
        let many = source.join("z");
        fs::create_dir_all(source.join("a")).expect("make a directory");
        fs::write(source.join("a/victim"), [b'v'; 50_000]).expect("write");
        fs::write(source.join("a/bystander"), "always the same").expect("write");
        // Paths so long that these few are three times what a pipe holds.
        let deepest = (0..14).fold(many, |path, _| path.join("d".repeat(240)));
        fs::create_dir_all(&deepest).expect("make directories");
        for number in 0..50 {
            File::create(deepest.join(format!("{number:0200}"))).expect("create");
        }
        Self { scratch, source }
    }

    /// Starts `call`, makes the change when `a` has been scanned and `z` not to its end, and waits.
    fn run(&self, call: &Call, change: impl FnOnce(&Path)) -> Ending {
        let call = call.clone().args(["--verbose", "--compress=none"]);
        let mut child = call
            .command()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start");
        let mut out = BufReader::with_capacity(64, child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        // Directories are entered in the order of their names.
        while !line.contains("/z/") {
            line.clear();
            assert!(
                out.read_line(&mut line).expect("read") > 0,
                "nothing more was said"
            );
        }
        change(&self.source.join("a/victim"));
        let mut err = child.stderr.take().expect("a pipe");
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            err.read_to_string(&mut said).expect("read");
            said
        });
        let mut rest = Vec::new();
        out.read_to_end(&mut rest).expect("read");
        let code = child.wait().expect("wait").code();
        let said = said.join().expect("a thread");
        assert!(!said.contains("panicked"), "{said}");
        Ending { code, said }
    }

    /// The call that captures the source.
    fn capture(&self, options: &[&str]) -> Call {
        let call = Imager::plain().call(["capture"]).args(options);
        call.arg(&self.source).arg(self.wim())
    }

    fn wim(&self) -> PathBuf {
        self.scratch.join("a.wim")
    }

    fn data(&self, name: &str) -> Vec<u8> {
        let call = Imager::plain().call(["extract", "--to-stdout"]);
        let run = call.arg(self.wim()).args(["1", name]).run().ok();
        run.stdout().to_vec()
    }

    fn listing(&self) -> String {
        Imager::plain()
            .show("dir", &self.wim(), &["--path=/a"])
            .out()
    }
}

fn shrink(file: &Path) {
    fs::write(file, "short").expect("write");
}

fn grow(file: &Path) {
    let mut file = OpenOptions::new().append(true).open(file).expect("open");
    file.write_all(&[b'n'; 70_000]).expect("write");
}

fn vanish(file: &Path) {
    fs::remove_file(file).expect("remove");
}

/// Same size, other contents, another time.
fn alter(file: &Path) {
    fs::write(file, [b'w'; 50_000]).expect("write");
}

/// Nothing must wait for somebody who writes into it.
fn become_fifo(file: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    fs::remove_file(file).expect("remove");
    mknodat(CWD, file, FileType::Fifo, Mode::from_raw_mode(0o666), 0).expect("make a FIFO");
}

fn become_directory(file: &Path) {
    fs::remove_file(file).expect("remove");
    fs::create_dir(file).expect("make a directory");
}

fn become_link(file: &Path) {
    fs::remove_file(file).expect("remove");
    std::os::unix::fs::symlink("bystander", file).expect("link");
}

/// What happens to a file.
type Change = fn(&Path);

/// Changes, and the exit code if what was found in the scan cannot be had any more.
const LOSSES: [(Change, i32, &str); 5] = [
    (shrink, 88, "shrink"),
    (vanish, 47, "vanish"),
    (become_fifo, 88, "FIFO"),
    (become_directory, 88, "directory"),
    (become_link, 47, "link"),
];

#[test]
fn what_was_lost_ends_the_capture_or_is_left_out() {
    for (change, code, what) in LOSSES {
        let layouts = ["--not-pipable", "--pipable"];
        // A file that cannot be opened any more is the same to both.
        let layouts = layouts.iter().take(if code == 88 { 2 } else { 1 });
        for &layout in layouts {
            let scene = Scene::new();
            let ending = scene.run(&scene.capture(&[layout]), change);
            assert_eq!(ending.code, Some(code), "{what} {layout}: {}", ending.said);
            assert!(ending.said.contains("a/victim"), "{what}: {}", ending.said);
            assert_eq!(scene.scratch.names(), ["source"], "{what} {layout}");

            let scene = Scene::new();
            let call = scene.capture(&[layout, "--on-error=skip"]);
            let ending = scene.run(&call, change);
            assert_eq!(ending.code, Some(3), "{what} {layout}: {}", ending.said);
            assert!(ending.said.contains("a/victim"), "{what}: {}", ending.said);
            Imager::plain().verify(&scene.wim()).ok();
            assert_eq!(scene.listing(), "/a\n/a/bystander\n", "{what} {layout}");
        }
    }
}

#[test]
fn what_was_found_in_the_scan_is_stored() {
    for (change, byte, what) in [(grow as Change, b'v', "grow"), (alter, b'w', "alter")] {
        for layout in ["--not-pipable", "--pipable"] {
            let scene = Scene::new();
            let ending = scene.run(&scene.capture(&[layout]), change);
            assert_eq!(ending.code, Some(0), "{what} {layout}: {}", ending.said);
            let text = "a/victim: the file was changed while it was being captured";
            assert!(
                ending.said.contains(text),
                "{what} {layout}: {}",
                ending.said
            );
            Imager::plain().verify(&scene.wim()).ok();
            assert!(
                scene.data("/a/victim") == vec![byte; 50_000],
                "{what} {layout}"
            );
        }
    }
}

#[test]
fn an_archive_that_is_appended_to_stays_as_it_was() {
    let old = Source::new(&fixed::everything());
    let imager = Imager::plain();
    let wim = old.captured(&imager, "old.wim", &Options::default());
    let before = fs::read(&wim).expect("read");
    for more in ["--threads=1", "--rebuild", "--pipable"] {
        let scene = Scene::new();
        let call = imager.call(["append", more]).arg(&scene.source).arg(&wim);
        let ending = scene.run(&call, shrink);
        assert_eq!(ending.code, Some(88), "{more}: {}", ending.said);
        assert!(fs::read(&wim).expect("read") == before, "{more}");
        assert_eq!(old.scratch.names(), ["old.wim", "source"], "{more}");
    }
}

/// A directory that is not there any more when it is to be listed.
#[test]
fn directories_that_vanish() {
    let scene = Scene::new();
    let late = scene.source.join("zz");
    // A few directories may be read ahead.
    for number in 0..20 {
        fs::create_dir(scene.source.join(format!("z{number}"))).expect("make a directory");
    }
    fs::create_dir(&late).expect("make a directory");
    let remove = |_: &Path| fs::remove_dir(&late).expect("remove");
    let call = scene.capture(&[]);
    let ending = scene.run(&call, remove);
    assert_eq!(ending.code, Some(48), "{}", ending.said);
    assert!(ending.said.contains("zz"), "{}", ending.said);
    assert_eq!(scene.scratch.names(), ["source"]);

    fs::create_dir(&late).expect("make a directory");
    let ending = scene.run(&call.arg("--on-error=skip"), remove);
    assert_eq!(ending.code, Some(3), "{}", ending.said);
    Imager::plain().verify(&scene.wim()).ok();
}
