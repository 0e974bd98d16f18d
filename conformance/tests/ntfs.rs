//! NTFS volumes, formatted by mkntfs, filled through the ntfs-3g driver or by wimlib.
//!
//! These tests need those programs and the right to mount.

mod options;
mod volume;

use self::volume::{Volume, damage, disk_with, everything, shown, system_compressed};
use crate::support::both;
use std::fs;
use std::path::Path;
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::tool::Call;
use wimforge_conformance::view::assert_no_semantic_difference;

fn options() -> Options {
    Options::with(Compression::Xpress)
}

/// Cluster sizes that mkntfs can make.
const CLUSTERS: [u32; 4] = [512, 2048, 4096, 65536];

#[test]
fn a_volume_is_captured_as_wimlib_does() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let scratch = Scratch::new();
    for cluster in CLUSTERS {
        let Some(volume) = Volume::format(&scratch, "volume", cluster) else {
            return;
        };
        if !volume.fill(&scratch, everything) {
            return;
        }
        let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
            let wim = scratch.join(format!("{imager}.wim"));
            let run = imager.capture(&volume.path, &wim, &options()).run().ok();
            assert!(
                run.out()
                    .contains("Capturing WIM image from NTFS filesystem on "),
                "{run}"
            );
            wim
        });
        assert_no_semantic_difference(&wimlib, &ours, &theirs);
        assert_no_semantic_difference(&wimforge, &ours, &theirs);
    }
}

#[test]
fn a_volume_that_wimlib_restored_is_captured_again() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let scratch = Scratch::new();
    let Some(volume) = Volume::format(&scratch, "volume", 4096) else {
        return;
    };
    if !volume.fill(&scratch, everything) {
        return;
    }
    let wim = scratch.join("first.wim");
    wimforge.capture(&volume.path, &wim, &options()).run().ok();
    let Some(restored) = Volume::format(&scratch, "restored", 1024) else {
        return;
    };
    let _applied = wimlib.apply(&wim, 1, &restored.path).run().ok();
    // The image has the name of its source.
    let again = Scratch::new();
    let source = again.join("volume");
    fs::rename(&restored.path, &source).expect("rename the volume");
    let wim_again = again.join("second.wim");
    wimforge.capture(&source, &wim_again, &options()).run().ok();
    assert_no_semantic_difference(&wimlib, &wim, &wim_again);
}

#[test]
fn files_compressed_by_the_system_are_decoded() {
    let scratch = Scratch::new();
    let Some(volume) = Volume::format(&scratch, "volume", 4096) else {
        return;
    };
    if !volume.fill(&scratch, system_compressed) {
        return;
    }
    let wimforge = Imager::plain();
    for (what, decoded) in [("decode", true), ("keep", false)] {
        let wim = scratch.join(format!("{what}.wim"));
        let capture = wimforge.capture(&volume.path, &wim, &options());
        let _captured = capture.arg(format!("--wof={what}")).run().ok();
        let path = "--path=/system-compressed";
        let listed = wimforge.show("dir", &wim, &["--detailed", path]).out();
        assert_eq!(listed.contains("Reparse Tag"), !decoded, "{listed}");
        assert_eq!(listed.contains("WofCompressedData"), !decoded, "{listed}");
    }
    let restored = scratch.join("restored");
    let apply = wimforge.apply(&scratch.join("decode.wim"), 1, &restored);
    let _restored = apply.run().ok();
    let found = fs::read(restored.join("system-compressed")).expect("read a file");
    assert!(found == shown());
}

#[test]
fn damage_is_reported_with_path_and_record() {
    let scratch = Scratch::new();
    let Some(volume) = Volume::format(&scratch, "volume", 4096) else {
        return;
    };
    if !volume.fill(&scratch, everything) {
        return;
    }
    damage(&volume.path, "file 77");
    let wimforge = Imager::plain();
    let wim = scratch.join("a.wim");
    let capture = wimforge.capture(&volume.path, &wim, &options());
    let texts = ["many/file 77: record ", "torn write"];
    let _refused = capture.run().refused_with(46, &texts);
    let run = capture.arg("--on-error=skip").run();
    let _skipped = run.refused_with(3, &texts);
    let _verified = wimforge.verify(&wim).ok();
    let listed = wimforge.show("dir", &wim, &[]).out();
    assert!(listed.contains("/many/file 78\n") && !listed.contains("/many/file 77\n"));
}

#[test]
fn a_volume_is_not_written_over() {
    let scratch = Scratch::new();
    let Some(volume) = Volume::format(&scratch, "volume", 4096) else {
        return;
    };
    let before = fs::read(&volume.path).expect("read a volume");
    let capture = Imager::plain().capture(&volume.path, &volume.path, &options());
    let _refused = capture.run().refused_with(24, &["volume"]);
    assert!(fs::read(&volume.path).expect("read a volume") == before);
}

#[test]
fn a_volume_is_appended_and_described() {
    let scratch = Scratch::new();
    let Some(volume) = Volume::format(&scratch, "volume", 4096) else {
        return;
    };
    let wimforge = Imager::plain();
    let wim = scratch.join("a.wim");
    wimforge.capture(&volume.path, &wim, &options()).run().ok();
    let append = wimforge.append(&volume.path, &wim, "again", &options());
    let _appended = append.run().ok();
    let _verified = wimforge.verify(&wim).ok();
    let text = wimforge.show("info", &volume.path, &[]).out();
    assert!(
        text.contains("Cluster Size:           4096 bytes\n"),
        "{text}"
    );
    // Under wimlib's name it is only a file that is no archive.
    let info = Imager::drop_in().call(["info"]).arg(&volume.path).run();
    let _refused = info.refused_with(43, &[]);
}

#[test]
fn a_hibernated_windows_is_not_captured_by_mistake() {
    let scratch = Scratch::new();
    let Some(volume) = Volume::format(&scratch, "volume", 4096) else {
        return;
    };
    let hibernated = |root: &Path| {
        let image = [&b"hibr"[..], &[0; 8192]].concat();
        fs::write(root.join("hiberfil.sys"), image).expect("write a file");
    };
    if !volume.fill(&scratch, hibernated) {
        return;
    }
    let wim = scratch.join("a.wim");
    let refused = Imager::plain().capture(&volume.path, &wim, &options());
    let _refused = refused
        .run()
        .refused_with(46, &["hibernated", "--compat=wimlib"]);
    assert!(!wim.exists());
    for imager in [Imager::own(), Imager::drop_in()] {
        let run = imager.capture(&volume.path, &wim, &options()).run().ok();
        assert!(run.err().contains("hibernated"), "{run}");
    }
    // `info` describes it, as it does every volume.
    let text = Imager::plain().show("info", &volume.path, &[]).err();
    assert!(text.contains("hibernated"), "{text}");
}

#[test]
fn disk_images_are_captured_like_the_disk_in_them() {
    let scratch = Scratch::new();
    let Some(volume) = Volume::format(&scratch, "volume", 4096) else {
        return;
    };
    let qemu_img = || locate::require("qemu-img", "QEMU_IMG_BIN", &["qemu-img"], "qemu-utils");
    let Some(qemu_img) = qemu_img() else {
        return;
    };
    if !volume.fill(&scratch, everything) {
        return;
    }
    let wimforge = Imager::plain();
    let capture = |source: &Path| {
        let wim = source.with_extension("wim");
        let capture = wimforge.call(["capture"]).args([source, &wim]);
        let capture = capture.args(["name", "--compress=none"]);
        capture.env("SOURCE_DATE_EPOCH", "1600000000").run().ok();
        fs::read(wim).expect("read an archive")
    };
    let raw = scratch.join("raw");
    disk_with(&volume.path, &raw);
    let expected = capture(&raw);
    let convert = |name: &str, options: &[&str]| {
        let image = scratch.join(name);
        let call = Call::new(&qemu_img).args(["convert", "-f", "raw"]);
        call.args(options).args([&raw, &image]).run().ok();
        image
    };
    for (name, options) in [
        ("dynamic.vhd", &["-O", "vpc"][..]),
        ("fixed.vhd", &["-O", "vpc", "-o", "subformat=fixed"]),
        ("disk.vhdx", &["-O", "vhdx"]),
        ("disk.qcow2", &["-O", "qcow2"]),
        ("compressed.qcow2", &["-O", "qcow2", "-c"]),
    ] {
        let image = convert(name, options);
        assert!(capture(&image) == expected, "{name}");
        let info = wimforge.show("info", &image, &["--partition=1"]).out();
        assert!(info.contains("NTFS Version"), "{name}: {info}");
        fs::remove_file(image).expect("remove an image");
    }

    // An image on top of another, which must lie beside it.
    let on_top = |of: &Path, name: &str| {
        let image = scratch.join(name);
        let call = Call::new(&qemu_img).args(["create", "-f", "qcow2", "-F", "raw", "-b"]);
        call.args([of, &image]).run().ok();
        image
    };
    let beside = on_top(&raw, "on top.qcow2");
    assert!(capture(&beside) == expected);
    let elsewhere = Scratch::new();
    let moved = elsewhere.join("moved.qcow2");
    fs::copy(&beside, &moved).expect("copy an image");
    let refused = wimforge.capture(&moved, &elsewhere.join("a.wim"), &options());
    let _refused = refused
        .run()
        .refused_with(46, &["raw", "its own directory"]);
    let mut damaged = fs::read(&beside).expect("read an image");
    damaged[24..32].fill(0xFF);
    fs::write(&moved, damaged).expect("write an image");
    let _refused = refused.run().refused_with(46, &["QCOW2", "moved.qcow2"]);
}

#[test]
fn what_is_no_volume_is_refused_by_its_name() {
    let scratch = Scratch::new();
    let wim = scratch.join("a.wim");
    let wimforge = Imager::plain();
    let refused = |source: &Path, code: i32, text: &str| {
        let run = wimforge.capture(source, &wim, &options()).run();
        let _refused = run.refused_with(code, &[text]);
        assert!(!wim.exists(), "{} left something", source.display());
    };
    let head = |name: &str, marks: &[(usize, &[u8])]| {
        let mut bytes = vec![0; 1 << 20];
        for (at, mark) in marks {
            bytes[*at..at + mark.len()].copy_from_slice(mark);
        }
        let path = scratch.join(name);
        fs::write(&path, bytes).expect("write a file");
        path
    };
    let signed: (usize, &[u8]) = (510, &[0x55, 0xAA]);
    refused(&head("a", &[(3, b"-FVE-FS-"), signed]), 46, "BitLocker");
    refused(&head("b", &[(3, b"ReFS\0\0\0\0")]), 46, "ReFS");
    refused(&head("c", &[(3, b"EXFAT   "), signed]), 46, "exFAT");
    refused(&head("d", &[(82, b"FAT32   "), signed]), 46, "FAT");
    refused(&head("e", &[(1080, &[0x53, 0xEF])]), 46, "ext4");
    refused(&head("f", &[(0, b"MSWIM\0\0\0")]), 46, "WIM");
    refused(&head("g", &[]), 46, "not an NTFS volume");
    refused(Path::new("/dev/null"), 69, "/dev/null");
    refused(&scratch.join("missing"), 63, "missing");
}
