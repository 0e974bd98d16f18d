//! Nowhere to write to: full disks, devices and pipes that take nothing.

use crate::failures::Setting;
use crate::support::{SmallDisk, Source, make_special};
use rustix::fs::FileType;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::time::Duration;
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::names_in;
use wimforge_conformance::tool::Call;
use wimforge_conformance::tree::fixed;

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

#[test]
fn standard_output_cannot_be_written() {
    let setting = Setting::new();
    for verb in ["info", "dir"] {
        let shell = |line: &str| {
            let line = format!("exec \"$0\" {verb} \"$1\" {line}");
            let call = Call::new("/bin/sh").args(["-c", &line]);
            call.arg(locate::wimforge()).arg(&setting.wim).run()
        };
        shell("> /dev/full").refused();
        // A reader that went away is no panic.
        let left = shell("| head -c 1 > /dev/null").ok();
        assert_eq!(left.err(), "");
    }
}
