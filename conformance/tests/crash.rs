//! Killed or interrupted in the middle: the old archive is still there, and nothing half-made has its
//! name.

use crate::support::{Source, rules_for};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::thread::sleep;
use std::time::{Duration, Instant};
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::tool::Call;
use wimforge_conformance::tree::fixed;

/// When to strike, in parts of the time that a whole run takes.
const MOMENTS: [f64; 7] = [0.02, 0.1, 0.3, 0.6, 0.85, 0.95, 0.99];
const FEW_MOMENTS: [f64; 3] = [0.05, 0.5, 0.9];

struct Stage {
    old: Source,
    new: Source,
    imager: Imager,
    wim: PathBuf,
    /// The archive of the old tree.
    before: Vec<u8>,
}

impl Stage {
    fn new() -> Self {
        let old = Source::new(&fixed::everything());
        let imager = Imager::plain();
        let options = Options::with(Compression::Xpress);
        let wim = old.captured(&imager, "a.wim", &options);
        let before = fs::read(&wim).expect("read");
        Self {
            old,
            new: Source::new(&fixed::bulky(16, 5)),
            imager,
            wim,
            before,
        }
    }

    fn reset(&self) {
        fs::write(&self.wim, &self.before).expect("write");
        for name in self.old.scratch.names() {
            if !["a.wim", "source"].contains(&name.as_str()) {
                fs::remove_file(self.old.scratch.join(name)).expect("remove");
            }
        }
    }

    fn capture(&self, wim: &Path) -> Call {
        let options = Options {
            threads: Some(1),
            ..Options::with(Compression::Xpress)
        };
        self.imager.capture(&self.new.path, wim, &options)
    }

    fn append(&self, rebuild: bool) -> Call {
        let options = Options {
            rebuild,
            threads: Some(1),
            ..Options::default()
        };
        // With a fixed clock, the result is always the same.
        self.imager
            .append(&self.new.path, &self.wim, "new", &options)
            .env("SOURCE_DATE_EPOCH", "1700000000")
    }

    /// Sends the signal at each of the moments of a run and looks at what is left.
    fn strike(
        &self,
        call: &Call,
        signal: Signal,
        moments: &[f64],
        look: impl Fn(&str, ExitStatus),
    ) {
        // On a busy machine a run may take less time than the one before and get away: again then.
        let mut struck = 0;
        for _ in 0..5 {
            self.reset();
            let whole = call.run().ok().elapsed();
            for &moment in moments {
                let after = whole.mul_f64(moment);
                let what = format!("{signal:?} after {after:?} of {whole:?}: {}", call.line());
                let (status, hit) = self.strike_once(call, signal, after);
                struck += u32::from(hit);
                look(&what, status);
            }
            if struck >= 2 {
                return;
            }
        }
        panic!("only {struck} runs were struck");
    }

    /// Starts a run and sends the signal some time later, unless it has ended by then; how it ended,
    /// and whether it was struck.
    fn strike_once(&self, call: &Call, signal: Signal, after: Duration) -> (ExitStatus, bool) {
        self.reset();
        let mut child = call.start();
        sleep(after);
        let running = child.try_wait().expect("wait").is_none();
        if running {
            kill_process(Pid::from_child(&child), signal).expect("kill");
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = child.try_wait().expect("wait") {
                return (status, running);
            }
            assert!(Instant::now() < deadline, "it does not stop at {signal:?}");
            sleep(Duration::from_millis(2));
        }
    }

    /// The archive is the old one, or the new one and whole. Says whether it was replaced, which may have
    /// happened just before the blow.
    fn assert_old_or_whole(&self, what: &str, status: ExitStatus) -> bool {
        let replaced = fs::read(&self.wim).expect("read") != self.before;
        assert!(replaced || !status.success(), "{what}: not replaced");
        if replaced {
            self.imager.verify(&self.wim).ok();
        }
        replaced
    }

    fn assert_images(&self, what: &str, finished: bool) {
        self.imager.verify(&self.wim).ok();
        let rules = rules_for(&Options::default());
        self.old.assert_restored(&self.imager, &self.wim, 1, rules);
        if let Some(wimlib) = Imager::wimlib() {
            wimlib.verify(&self.wim).ok();
            self.old.assert_restored(&wimlib, &self.wim, 1, rules);
        }
        let info = self.imager.show("info", &self.wim, &[]).out();
        let images = info.matches("Index:                  ").count();
        let expected = if finished { 2 } else { 1 };
        assert_eq!(images, expected, "{what}: images in the archive");
    }
}

#[test]
fn kill_9_in_the_middle_of_a_new_capture() {
    let stage = Stage::new();
    let fresh = stage.old.scratch.join("fresh.wim");
    stage.strike(
        &stage.capture(&fresh),
        Signal::KILL,
        &MOMENTS,
        |what, status| {
            // The blow may have come after the archive got its name and before the program ended.
            if fresh.exists() {
                stage.imager.verify(&fresh).ok();
            } else {
                assert!(!status.success(), "{what}: a finished archive is missing");
            }
        },
    );
}

#[test]
fn kill_9_in_the_middle_of_a_capture_over_an_archive() {
    let stage = Stage::new();
    stage.strike(
        &stage.capture(&stage.wim),
        Signal::KILL,
        &MOMENTS,
        |what, status| {
            stage.assert_old_or_whole(what, status);
        },
    );
}

#[test]
fn kill_9_in_the_middle_of_an_append() {
    let stage = Stage::new();
    let call = stage.append(false);
    call.run().ok();
    let usual = fs::read(&stage.wim).expect("read");
    stage.strike(&call, Signal::KILL, &MOMENTS, |what, _| {
        // The last write may have happened just before the blow.
        let text = stage.imager.show("info", &stage.wim, &[]).out();
        let finished = text.contains("Image Count:    2");
        stage.assert_images(what, finished);
        if !finished {
            // The next append works and leaves no junk behind the end.
            call.run().ok();
            stage.assert_images(what, true);
            let again = fs::read(&stage.wim).expect("read");
            assert_eq!(
                again.len(),
                usual.len(),
                "{what}: size after appending again"
            );
            assert!(
                again == usual,
                "{what}: another archive than without the blow"
            );
        }
    });
}

#[test]
fn kill_9_in_the_middle_of_a_rebuild() {
    let stage = Stage::new();
    stage.strike(
        &stage.append(true),
        Signal::KILL,
        &MOMENTS,
        |what, status| {
            let replaced = stage.assert_old_or_whole(what, status);
            stage.assert_images(what, replaced);
        },
    );
}

#[test]
fn kill_9_in_the_middle_of_writing_pipable_archives() {
    let stage = Stage::new();
    let fresh = stage.old.scratch.join("fresh.wim");
    let capture = stage.capture(&fresh).arg("--pipable");
    stage.strike(&capture, Signal::KILL, &FEW_MOMENTS, |what, status| {
        if fresh.exists() {
            stage.imager.verify(&fresh).ok();
        } else {
            assert!(!status.success(), "{what}: a finished archive is missing");
        }
    });
    let append = stage.append(false).arg("--pipable");
    stage.strike(&append, Signal::KILL, &FEW_MOMENTS, |what, status| {
        let replaced = stage.assert_old_or_whole(what, status);
        stage.assert_images(what, replaced);
    });
}

#[test]
fn interrupting_leaves_no_mess() {
    let stage = Stage::new();
    let fresh = stage.old.scratch.join("fresh.wim");
    for signal in [Signal::INT, Signal::TERM] {
        for call in [
            stage.capture(&fresh),
            stage.capture(&stage.wim),
            stage.append(false),
            stage.append(true),
        ] {
            stage.strike(&call, signal, &FEW_MOMENTS, |what, status| {
                if status.success() {
                    return;
                }
                assert_eq!(
                    stage.old.scratch.names(),
                    ["a.wim", "source"],
                    "{what}: files left"
                );
                let same = fs::read(&stage.wim).expect("read") == stage.before;
                assert!(same, "{what}: the old archive changed");
            });
        }
    }
}

#[test]
fn interrupting_a_restoration_stops_it() {
    let stage = Stage::new();
    stage.capture(&stage.wim).run().ok();
    let target = stage.old.scratch.join("restored");
    let call = stage.imager.apply(&stage.wim, 1, &target);
    let mut child = call.start();
    sleep(Duration::from_millis(20));
    let _ = kill_process(Pid::from_child(&child), Signal::INT);
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().expect("wait").is_none() {
        assert!(Instant::now() < deadline, "it does not stop");
        sleep(Duration::from_millis(2));
    }
}
