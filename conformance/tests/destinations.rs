//! Places that an archive cannot be written to, or not as one thinks.

use crate::failures::Setting;
use crate::support::{Source, make_special};
use rustix::fs::FileType;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;
use wimforge_conformance::compare::{Rules, assert_same_tree};
use wimforge_conformance::imaging::Options;
use wimforge_conformance::scratch::names_in;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tree::fixed;

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
