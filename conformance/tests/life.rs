//! The rest of an archive's life: export, optimize, delete. Every verb does the same to the same archive in
//! wimforge's hands and in wimlib's, and each program reads what the other made of it.

use crate::support::{Source, both, rules_for};
use std::fs;
use std::path::{Path, PathBuf};
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::tree::fixed;
use wimforge_conformance::view::{assert_no_semantic_difference, assert_same_eyes};

/// An archive with two images that have some data in common, one of them the boot image.
pub fn two_images(imager: &Imager, compression: Compression) -> (Source, Source, PathBuf) {
    let first = Source::new(&fixed::everything());
    let second = Source::new(&fixed::wide(30));
    let options = Options {
        check: true,
        boot: true,
        ..Options::with(compression)
    };
    let wim = first.captured(imager, "two.wim", &options);
    let call = imager.append(&second.path, &wim, "second", &Options::default());
    let _appended = call.arg("--image-property=X/Y=foreign").run().ok();
    second.before.restore_times();
    (first, second, wim)
}

/// Both programs find nothing wrong with an archive, whose other files these globs name.
#[track_caller]
pub fn assert_sound(imagers: &[&Imager], wim: &Path, references: Option<&str>) {
    for imager in imagers {
        let mut call = imager.call(["verify"]).arg(wim);
        if let Some(glob) = references {
            call = call.arg(format!("--ref={glob}"));
        }
        let _run = call.run().ok();
    }
}

#[test]
fn exported_images_are_those_of_the_source() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (first, second, wim) = two_images(&wimlib, Compression::Lzx);
    let dir = Scratch::new();
    let ways: [&[&str]; 6] = [
        &[],
        &["--recompress"],
        &["--compress=xpress"],
        &["--compress=none"],
        &["--compress=lzms", "--check"],
        &["--solid"],
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let export = |imager: &Imager, name: String| {
            let to = dir.join(name);
            let call = imager.call(["export"]).arg(&wim).arg("all").arg(&to);
            let _run = call.args(way).run().ok();
            to
        };
        let ours = export(&wimforge, format!("ours{number}.wim"));
        let theirs = export(&wimlib, format!("theirs{number}.wim"));
        assert_sound(&[&wimforge, &wimlib], &ours, None);
        assert_no_semantic_difference(&wimlib, &ours, &theirs);
        assert_same_eyes(&wimforge, &wimlib, &ours);
        let rules = rules_for(&Options::default());
        first.assert_restored(&wimlib, &ours, 1, rules);
        second.assert_restored(&wimforge, &theirs, 2, rules);
    }
}

#[test]
fn one_image_goes_into_another_archive() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (_first, second, wim) = two_images(&wimforge, Compression::Xpress);
    for rebuild in [&[][..], &["--rebuild"]] {
        let dir = Scratch::new();
        let [ours, theirs] =
            [(&wimforge, "ours.wim"), (&wimlib, "theirs.wim")].map(|(imager, name)| {
                let to = dir.join(name);
                let export = |args: &[&str]| {
                    let call = imager.call(["export"]).arg(&wim).arg(args[0]).arg(&to);
                    call.args(&args[1..]).run()
                };
                let _new = export(&["second"]).ok();
                let _again = export(&["second"]).refused_with(11, &["second"]);
                let named = [&["1", "other name", "its description", "--boot"], rebuild].concat();
                let _more = export(&named).ok();
                let _other = export(&["1", "x", "--compress=lzx"]).refused_with(255, &[]);
                to
            });
        assert_sound(&[&wimforge, &wimlib], &ours, None);
        assert_no_semantic_difference(&wimlib, &ours, &theirs);
        let info = wimlib.show("info", &ours, &[]).out();
        assert!(info.contains("Boot Index:     2"), "{info}");
        let xml = wimforge.show("info", &ours, &["--xml"]);
        let foreign = "<X><Y>foreign</Y></X>".encode_utf16();
        let foreign: Vec<u8> = foreign.flat_map(u16::to_le_bytes).collect();
        let found = xml.stdout().windows(foreign.len()).any(|at| at == foreign);
        assert!(found, "foreign elements of the XML data are kept");
        second.assert_restored(&wimlib, &ours, 1, rules_for(&Options::default()));
    }
}

#[test]
fn archives_are_written_anew() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (first, _second, wim) = two_images(&wimlib, Compression::Lzx);
    for (number, way) in [
        &["--recompress"][..],
        &["--compress=xpress", "--nocheck"],
        &["--compress=none"],
        &["--solid"],
        &[],
    ]
    .into_iter()
    .enumerate()
    {
        let copy = |name: &str| {
            let to = first.scratch.join(format!("{name}{number}.wim"));
            fs::copy(&wim, &to).expect("copy");
            to
        };
        let (ours, theirs) = (copy("ours"), copy("theirs"));
        let _run = wimforge.call(["optimize"]).arg(&ours).args(way).run().ok();
        let _run = wimlib.call(["optimize"]).arg(&theirs).args(way).run().ok();
        assert_sound(&[&wimforge, &wimlib], &ours, None);
        assert_no_semantic_difference(&wimlib, &ours, &theirs);
        assert_same_eyes(&wimforge, &wimlib, &ours);
        first.assert_restored(&wimlib, &ours, 1, rules_for(&Options::default()));
    }
}

#[test]
fn images_are_deleted() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (_first, second, wim) = two_images(&wimlib, Compression::Lzx);
    for (image, soft) in [("1", false), ("1", true), ("second", false), ("all", true)] {
        let [ours, theirs] =
            [(&wimforge, "ours.wim"), (&wimlib, "theirs.wim")].map(|(imager, name)| {
                let to = second.scratch.join(name);
                fs::copy(&wim, &to).expect("copy");
                let call = imager.call(["delete"]).arg(&to).arg(image);
                let _run = call.args(soft.then_some("--soft")).run().ok();
                let again = imager.call(["delete"]).arg(&to).arg("9").run();
                let _again = again.refused_with(18, &["9"]);
                to
            });
        assert_sound(&[&wimforge, &wimlib], &ours, None);
        if image != "all" {
            assert_no_semantic_difference(&wimlib, &ours, &theirs);
        }
        if image == "1" {
            second.assert_restored(&wimlib, &ours, 1, rules_for(&Options::default()));
        }
        let sizes = [&ours, &theirs].map(|wim| fs::metadata(wim).expect("size").len());
        assert!(sizes[0].abs_diff(sizes[1]) < 100, "{sizes:?}");
    }
}
