//! Archives that must not be changed, or not now.

use crate::failures::Setting;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::time::Duration;
use wimforge_conformance::imaging::Options;

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
