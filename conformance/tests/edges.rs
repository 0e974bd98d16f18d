//! Archives at the edges of the format: read-only ones, empty ones, images that share their metadata,
//! foreign XML, images of one name, archives that hold too much, archives that want to escape.

use crate::support::{Source, both, for_everyone};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tool::Call;
use wimforge_conformance::tree::fixed;
use wimforge_conformance::view::{assert_no_semantic_difference, assert_same_eyes, xml_text};

/// An archive with one small file.
fn small(imager: &Imager, dir: &Scratch, options: &Options) -> PathBuf {
    let source = dir.join("source");
    fs::create_dir_all(&source).expect("mkdir");
    fs::write(source.join("file"), "data").expect("write");
    let wim = dir.join("small.wim");
    let _run = imager.capture(&source, &wim, options).run().ok();
    wim
}

/// Every way to change an archive; each is given its path.
fn changes(dir: &Scratch) -> Vec<(Vec<String>, Vec<String>)> {
    let source = dir.join("source").display().to_string();
    let other = dir.join("other.wim").display().to_string();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    vec![
        (words("info"), words("1 new-name")),
        (words("delete"), words("1")),
        (words("delete"), words("1 --soft")),
        (words("optimize"), vec![]),
        (
            words("update"),
            vec!["1".into(), "--command=delete /file".into()],
        ),
        (vec!["append".into(), source], words("another")),
        (vec!["export".into(), other, "1".into()], words("another")),
    ]
}

#[test]
fn read_only_archives_are_not_changed() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let dir = Scratch::new();
    let wim = small(&wimlib, &dir, &Options::default());
    fs::copy(&wim, dir.join("other.wim")).expect("copy");
    let mut bytes = fs::read(&wim).expect("read");
    bytes[0x10] |= 4;
    fs::write(&wim, &bytes).expect("write");
    for (before, after) in changes(&dir) {
        let call = |imager: &Imager| {
            let call = imager.call(&before).arg(&wim).args(&after);
            call.run().code()
        };
        assert_eq!((call(&wimforge), call(&wimlib)), (71, 71), "{before:?}");
        assert!(fs::read(&wim).expect("read") == bytes, "{before:?}");
    }
    let info = wimforge.show("info", &wim, &[]).out();
    assert!(info.contains("Readonly"), "{info}");
    // What is made of it is read-only only if it is the same archive.
    let exported = dir.join("exported.wim");
    let call = wimforge.call(["export"]).arg(&wim).arg("1").arg(&exported);
    let _run = call.run().ok();
    let call = wimforge
        .call(["info"])
        .arg(&exported)
        .args(["1", "changed"]);
    let _run = call.run().ok();
}

#[test]
fn archives_without_images_and_empty_images() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let dir = Scratch::new();
    let empty = dir.join("empty");
    fs::create_dir(&empty).expect("mkdir");
    for (maker, reader) in [(&wimforge, &wimlib), (&wimlib, &wimforge)] {
        let wim = dir.join("empty.wim");
        let _run = maker.capture(&empty, &wim, &Options::default()).run().ok();
        let _run = reader.verify(&wim).ok();
        let target = Scratch::new();
        let _run = reader.apply(&wim, 1, target.path()).run().ok();
        assert!(target.names().is_empty());
        let listed = [maker, reader].map(|imager| imager.show("dir", &wim, &["1"]).out());
        assert_eq!(listed, ["/\n", "/\n"]);
        let _run = maker.call(["delete"]).arg(&wim).arg("1").run().ok();
        let info = reader.show("info", &wim, &[]).out();
        assert!(info.contains("Image Count:    0"), "{info}");
        let _run = reader.verify(&wim).ok();
        let _run = reader.call(["optimize"]).arg(&wim).run().ok();
        let again = reader.append(&empty, &wim, "again", &Options::default());
        let _run = again.run().ok();
        let _run = maker.verify(&wim).ok();
    }
}

#[test]
fn images_that_share_their_metadata() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let dir = Scratch::new();
    let wim = small(&wimlib, &dir, &Options::default());
    let call = wimlib.append(&dir.join("source"), &wim, "second", &Options::default());
    let _run = call.run().ok();
    let other = dir.join("other.wim");
    // Neither program refuses to have the same image twice.
    for imager in [&wimforge, &wimlib] {
        let _ = fs::remove_file(&other);
        for name in ["one", "two", "three"] {
            let call = imager.call(["export"]).arg(&wim).arg("1").arg(&other);
            let _run = call.arg(name).run().ok();
        }
        for reader in [&wimforge, &wimlib] {
            let _run = reader.verify(&other).ok();
        }
        assert_same_eyes(&wimforge, &wimlib, &other);
        let ours = dir.join("ours.wim");
        let theirs = dir.join("theirs.wim");
        for (program, copy) in [(&wimforge, &ours), (&wimlib, &theirs)] {
            fs::copy(&other, copy).expect("copy");
            let _run = program.call(["delete"]).arg(copy).arg("two").run().ok();
            let soft = program.call(["delete", "--soft"]).arg(copy).arg("1");
            let _run = soft.run().ok();
            let _run = wimlib.verify(copy).ok();
        }
        assert_no_semantic_difference(&wimlib, &ours, &theirs);
    }
}

/// Puts other XML data at the end of an archive, and lets the header point there.
fn with_xml(wim: &Path, change: impl Fn(String) -> String) {
    let mut bytes = fs::read(wim).expect("read");
    let field = |at: usize| {
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")) & ((1 << 56) - 1)
    };
    let (size, offset) = (field(0x48) as usize, field(0x50) as usize);
    let text = change(xml_text(&bytes[offset..offset + size]));
    let encoded: Vec<u8> = std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    bytes.truncate(offset);
    bytes.extend_from_slice(&encoded);
    let size = (encoded.len() as u64).to_le_bytes();
    bytes[0x48..0x4f].copy_from_slice(&size[..7]);
    bytes[0x58..0x60].copy_from_slice(&size);
    fs::write(wim, bytes).expect("write");
}

#[test]
fn foreign_xml_survives_every_change() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let dir = Scratch::new();
    let wim = small(&wimlib, &dir, &Options::default());
    fs::copy(&wim, dir.join("other.wim")).expect("copy");
    const FOREIGN: &str = "<VENDOR KEY=\"a&amp;b\"><X>1</X><X>2</X> text </VENDOR>";
    with_xml(&wim, |text| {
        // Behind everything else, and the count of directories behind that of files.
        let text = text.replace("</IMAGE>", &format!("{FOREIGN}</IMAGE>"));
        let text = text.replace("</WIM>", "<OF_ALL>1</OF_ALL></WIM>");
        let (from, to) = ("<DIRCOUNT>", "</DIRCOUNT>");
        let start = text.find(from).expect("it counts directories");
        let end = text.find(to).expect("it counts directories") + to.len();
        let count = text[start..end].to_owned();
        let text = text.replace(&count, "");
        text.replace("</IMAGE>", &format!("{count}</IMAGE>"))
    });
    for imager in [&wimforge, &wimlib] {
        let _run = imager.verify(&wim).ok();
    }
    for (before, after) in changes(&dir) {
        if before[0] == "delete" {
            continue;
        }
        let copy = dir.join("copy.wim");
        fs::copy(&wim, &copy).expect("copy");
        let call = wimforge.call(&before).arg(&copy).args(&after);
        let _run = call.run().ok();
        let xml = xml_text(wimlib.show("info", &copy, &["--xml"]).stdout());
        assert!(xml.contains(FOREIGN), "{before:?}: {xml}");
        assert!(xml.contains("<OF_ALL>1</OF_ALL>"), "{before:?}: {xml}");
        let _run = wimlib.verify(&copy).ok();
    }
    let exported = dir.join("exported.wim");
    let call = wimforge.call(["export"]).arg(&wim).arg("1").arg(&exported);
    let _run = call.run().ok();
    let xml = xml_text(wimlib.show("info", &exported, &["--xml"]).stdout());
    assert!(xml.contains(FOREIGN), "{xml}");
}

#[test]
fn images_of_one_name_are_restored_side_by_side() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let dir = Scratch::new();
    let wim = small(&wimlib, &dir, &Options::default());
    let source = dir.join("source");
    for (name, file) in [("second", "b"), ("third", "c")] {
        fs::write(source.join(file), file).expect("write");
        let call = wimlib.append(&source, &wim, name, &Options::default());
        let _run = call.run().ok();
    }
    with_xml(&wim, |text| {
        let text = text.replace("<NAME>second</NAME>", "<NAME>source</NAME>");
        text.replace("<NAME>third</NAME>", "<NAME>../source</NAME>")
    });
    let target = Scratch::new();
    let below = target.join("below");
    let _run = wimforge
        .call(["apply"])
        .arg(&wim)
        .arg("all")
        .arg(&below)
        .run()
        .ok();
    assert_eq!(target.names(), ["below"]);
    let mut names: Vec<String> = wimforge_conformance::scratch::names_in(&below);
    names.sort();
    assert_eq!(names, ["3", "source", "source (2)"]);
    assert!(!below.join("source/b").exists() && below.join("source (2)/b").exists());
}

#[test]
fn what_an_archive_holds_can_be_limited() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let own = Imager::own();
    let dir = Scratch::new();
    let source = dir.join("source");
    fs::create_dir(&source).expect("mkdir");
    for name in ["a", "b"] {
        fs::write(source.join(name), vec![0; 3 << 20]).expect("write");
    }
    let pipable = dir.join("pipable.wim");
    let wim = dir.join("bomb.wim");
    let _run = wimlib
        .capture(&source, &wim, &Options::default())
        .run()
        .ok();
    fs::copy(&wim, &pipable).expect("copy");
    let _run = wimlib
        .call(["optimize", "--pipable"])
        .arg(&pipable)
        .run()
        .ok();
    assert!(fs::metadata(&wim).expect("size").len() < 20_000);
    let bytes = fs::read(&pipable).expect("read");
    for (limit, code) in [("5M", 72), ("6M", 0)] {
        let limit = format!("--max-size={limit}");
        let target = Scratch::new();
        let apply = own.call(["apply"]).arg(&wim).arg("1").arg(target.join("t"));
        assert_eq!(apply.arg(&limit).run().code(), code);
        let call = own.call(["extract"]).arg(&wim).args(["1", "/a", "/b"]);
        let call = call.arg(format!("--dest-dir={}", target.join("e").display()));
        assert_eq!(call.arg(&limit).run().code(), code);
        let call = own
            .call(["apply", "-", "1"])
            .arg(target.join("p"))
            .arg(&limit);
        assert_eq!(call.run_fed(&bytes).code(), code);
    }
    let _run = wimforge.verify(&wim).ok();
}

#[test]
fn an_ordinary_user_restores_what_root_captured_and_the_other_way_round() {
    let (Some((wimforge, wimlib)), Some(setpriv)) = (both(), locate::setpriv()) else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let options = Options {
        further: &["--unix-data"],
        ..Options::with(Compression::Xpress)
    };
    let everyone = |path: &Path| {
        fs::set_permissions(path, Permissions::from_mode(0o777)).expect("set mode");
    };
    everyone(source.scratch.path());
    let wim = source.captured(&wimlib, "root.wim", &options);
    let program = for_everyone(&source.scratch);
    let place = source.scratch.join("nobody");
    fs::create_dir(&place).expect("mkdir");
    everyone(&place);
    let target = place.join("restored");
    let as_nobody = |verb: &str, from: &Path, to: &Path| {
        let call = Call::new(&program).args([verb, "--unix-data"]);
        call.arg(from).arg(to).as_nobody(&setpriv).run().ok()
    };
    let run = as_nobody("apply", &wim, &target);
    assert!(run.err().contains("owner"), "{}", run.err());
    let entries = |snapshot: Snapshot| snapshot.totals().0;
    assert_eq!(entries(Snapshot::of(&target)), source.before.totals().0);
    let own = place.join("own.wim");
    let _run = as_nobody("capture", &target, &own);
    let again = place.join("again");
    let _run = wimforge.verify(&own).ok();
    let call = wimlib.apply(&own, 1, &again).arg("--unix-data");
    let _run = call.run().ok();
    assert_eq!(entries(Snapshot::of(&again)), source.before.totals().0);
}
