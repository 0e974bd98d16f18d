//! The one verb, and what the tests share.

use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use rustix::fs::{FileType, Mode, mknodat};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use wimforge_conformance::compare::{Links, Rules, assert_same_tree};
use wimforge_conformance::imaging::{Fixing, Imager, Options};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tool::Call;
use wimforge_conformance::tree::Tree;
use wimforge_conformance::view::{assert_no_semantic_difference, assert_same_eyes};

/// How many generated trees a property is tried on, and which.
pub fn generated(default_cases: u32) -> Config {
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse().ok());
    Config {
        cases: number("WIMFORGE_CASES").unwrap_or(default_cases),
        rng_seed: match env::var("WIMFORGE_SEED").as_deref() {
            Ok("random") => RngSeed::Random,
            Ok(seed) => RngSeed::Fixed(seed.parse().expect("WIMFORGE_SEED is a number")),
            // The usual run is the same every time: a red one is the fault of a change.
            Err(_) => RngSeed::Fixed(20_131_102),
        },
        max_shrink_iters: 200,
        max_shrink_time: 60_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    }
}

/// A number from the environment.
pub fn number(name: &str, default: u64) -> u64 {
    env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

/// Both programs, wimforge by wimlib's name, or nothing if there is no wimlib.
pub fn both() -> Option<(Imager, Imager)> {
    Some((Imager::drop_in(), Imager::wimlib()?))
}

/// A source tree on disk and what it held when it was made.
pub struct Source {
    pub scratch: Scratch,
    pub path: PathBuf,
    pub before: Snapshot,
}

impl Source {
    pub fn new(tree: &Tree) -> Self {
        Self::prepared(tree, |_| {})
    }

    /// A tree that `prepare` gives what no [`Tree`] describes.
    pub fn prepared(tree: &Tree, prepare: impl FnOnce(&Path)) -> Self {
        let scratch = Scratch::new();
        let path = scratch.join("source");
        tree.build(&path);
        prepare(&path);
        let before = Snapshot::of(&path);
        before.restore_times();
        Self {
            scratch,
            path,
            before,
        }
    }

    /// Captures it into a new archive with this name, and leaves it as if it had not been read.
    pub fn captured(&self, imager: &Imager, name: &str, options: &Options) -> PathBuf {
        let wim = self.scratch.join(name);
        imager.capture(&self.path, &wim, options).run().ok();
        self.before.restore_times();
        wim
    }

    /// Restores an image and asserts that it is the source.
    #[track_caller]
    pub fn assert_restored(&self, imager: &Imager, wim: &Path, image: usize, rules: Rules) {
        let dir = Scratch::new();
        let target = dir.join("restored");
        imager.apply(wim, image, &target).run().ok();
        let after = Snapshot::of(&target);
        let what = format!("{} applied by {imager}", wim.display());
        assert_same_tree(&what, &self.before, &after, rules);
    }
}

/// Links into the source move with it unless they are captured as they are.
pub fn rules_for(options: &Options) -> Rules {
    Rules {
        links: match options.fixing {
            Fixing::Off => Links::Same,
            Fixing::Default | Fixing::On => Links::Moved,
        },
        ..Rules::default()
    }
}

/// The one verb: capture a tree with wimforge and with wimlib, look at both archives with both
/// programs, restore both archives with both programs, and compare everything.
#[track_caller]
pub fn agree(tree: &Tree, options: &Options) {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(tree);
    let ours = source.captured(&wimforge, "wimforge.wim", options);
    let theirs = source.captured(&wimlib, "wimlib.wim", options);
    let rules = rules_for(options);

    let after = Snapshot::of(&source.path);
    assert_same_tree(
        "the source after capture",
        &source.before,
        &after,
        Rules::default(),
    );

    source.assert_restored(&wimlib, &ours, 1, rules);
    source.assert_restored(&wimforge, &theirs, 1, rules);
    source.assert_restored(&wimforge, &ours, 1, rules);

    assert_no_semantic_difference(&wimlib, &ours, &theirs);
    assert_no_semantic_difference(&wimforge, &ours, &theirs);
    assert_same_eyes(&wimforge, &wimlib, &ours);
    assert_same_eyes(&wimforge, &wimlib, &theirs);
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

pub fn make_special(path: &Path, kind: FileType, device: u64) -> rustix::io::Result<()> {
    let mode = Mode::from_raw_mode(0o666);
    mknodat(rustix::fs::CWD, path, kind, mode, device)
}
