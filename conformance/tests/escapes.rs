//! Archives whose names want out of the directory that they are restored to, and directories that others
//! change meanwhile.

use sha1::{Digest, Sha1};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::scratch::{Scratch, names_in};

/// Gives a name in the metadata of an uncompressed archive with one image other text of the same length,
/// and mends the hash.
fn rename_within(wim: &Path, from: &str, to: &str) {
    let mut bytes = fs::read(wim).expect("read");
    let field = |bytes: &[u8], at: usize| {
        let number = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        (number & ((1 << 56) - 1)) as usize
    };
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let (old, new) = (utf16(from), utf16(to));
    assert_eq!(old.len(), new.len(), "{from} {to}");
    let table = field(&bytes, 0x38);
    let entry = (table..table + field(&bytes, 0x30))
        .step_by(50)
        .find(|&entry| bytes[entry + 7] & 2 != 0)
        .expect("an image");
    let start = field(&bytes, entry + 8);
    let end = start + field(&bytes, entry);
    let found = bytes[start..end]
        .windows(old.len())
        .position(|at| at == old);
    let at = start + found.unwrap_or_else(|| panic!("{from} is not there"));
    bytes[at..at + new.len()].copy_from_slice(&new);
    let hash = Sha1::digest(&bytes[start..end]);
    bytes[entry + 30..entry + 50].copy_from_slice(&hash);
    fs::write(wim, bytes).expect("write");
}

/// A place to restore to, with something beside it and above it that must stay.
struct Ground {
    scratch: Scratch,
    outer: PathBuf,
    target: PathBuf,
}

impl Ground {
    fn new() -> Self {
        let scratch = Scratch::new();
        let outer = scratch.join("outer");
        let target = outer.join("target");
        fs::create_dir_all(&target).expect("mkdir");
        fs::write(outer.join("kept"), "kept").expect("write");
        Self {
            scratch,
            outer,
            target,
        }
    }

    #[track_caller]
    fn assert_contained(&self, what: &str) {
        assert_eq!(names_in(&self.outer), ["kept", "target"], "{what}");
        let kept = fs::read(self.outer.join("kept")).expect("read");
        assert_eq!(kept, b"kept", "{what}");
        assert_eq!(names_in(self.scratch.path()), ["outer"], "{what}");
    }
}

/// An archive with a file whose name became `name`, another in a directory whose name became that, and a
/// link that leads out.
fn hostile(dir: &Scratch, name: &str) -> PathBuf {
    let source = dir.join("source");
    let long = |first: char| -> String {
        let rest = name.encode_utf16().count().saturating_sub(1);
        std::iter::once(first)
            .chain(std::iter::repeat_n('x', rest))
            .collect()
    };
    let (file, directory) = (long('F'), long('D'));
    fs::create_dir_all(source.join("safe").join(&directory)).expect("mkdir");
    fs::write(source.join("safe").join(&directory).join("kept"), "evil").expect("write");
    fs::write(source.join("safe").join(&file), "evil").expect("write");
    fs::write(source.join("good"), "good").expect("write");
    symlink("../../outer", source.join("out")).expect("link");
    let wim = dir.join("hostile.wim");
    let call = Imager::drop_in().capture(&source, &wim, &Options::with(Compression::None));
    let _run = call.run().ok();
    rename_within(&wim, &file, name);
    rename_within(&wim, &directory, name);
    wim
}

#[test]
fn no_name_leads_out() {
    let wimforge = Imager::drop_in();
    for name in [
        ".",
        "..",
        "../kept",
        "../../kept",
        "/kept",
        "a/../../kept",
        "x/y",
        "\0kept",
        "k\0",
    ] {
        let dir = Scratch::new();
        let wim = hostile(&dir, name);
        let joined = dir.join("joined.wim");
        let part = dir.join("part.swm");
        let _run = wimforge
            .call(["split"])
            .arg(&wim)
            .arg(&part)
            .arg("1")
            .run()
            .ok();
        let _run = wimforge.call(["join"]).arg(&joined).arg(&part).run().ok();
        let updated = dir.join("updated.wim");
        fs::copy(&wim, &updated).expect("copy");
        let rename = "--command=rename /safe /out2";
        let _run = wimforge
            .call(["update"])
            .arg(&updated)
            .args(["1", rename])
            .run()
            .ok();
        for args in [
            &["/*"][..],
            &["/*/*"],
            &["/*/*/*", "--preserve-dir-structure"],
            &[
                "/*/*/kept",
                "--preserve-dir-structure",
                "--include-invalid-names",
            ],
            &["/safe/../kept", "--nullglob"],
        ] {
            let extract = wimforge.call(["extract"]).arg(&wim).arg("1").args(args);
            let ground = Ground::new();
            // What was dropped from the tree is not there.
            let run = extract.clone().in_dir(&ground.target).run();
            assert!([0, 49].contains(&run.code()), "{run}");
            ground.assert_contained(&format!("{name:?} {args:?}"));
            let ground = Ground::new();
            let run = extract
                .arg(format!("--dest-dir={}", ground.target.display()))
                .run();
            assert!([0, 49].contains(&run.code()), "{run}");
            ground.assert_contained(&format!("{name:?} {args:?} --dest-dir"));
        }
        for wim in [&wim, &joined, &updated] {
            for more in [None, Some("--include-invalid-names")] {
                let ground = Ground::new();
                let _run = wimforge.apply(wim, 1, &ground.target).args(more).run().ok();
                ground.assert_contained(name);
                assert!(ground.target.join("good").exists());
            }
        }
    }
}

/// What cannot have its name gets another one if that is asked for, also where it was selected itself.
#[test]
fn invalid_names_are_replaced() {
    let wimforge = Imager::drop_in();
    let dir = Scratch::new();
    let wim = hostile(&dir, "a/b");
    for (args, place) in [
        (&["/*/*"][..], "."),
        (&["/safe"], "safe"),
        (&["/*/*", "--preserve-dir-structure"], "safe"),
        (&["/*/*/kept", "--preserve-dir-structure"], "safe"),
    ] {
        let target = dir.join("target");
        let extract = wimforge.call(["extract"]).arg(&wim).arg("1").args(args);
        let extract = extract.arg(format!("--dest-dir={}", target.display()));
        let without = extract.run().ok();
        assert!(without.err().contains("left out"), "{without}");
        let with = extract.arg("--include-invalid-names").run().ok();
        assert!(!with.err().contains("left out"), "{with}");
        let names = names_in(&target.join(place));
        assert_eq!(names, ["a\u{FFFD}b (invalid filename #1)"], "{args:?}");
        let kept = target.join(place).join(&names[0]).join("kept");
        assert_eq!(fs::read(kept).expect("read"), b"evil", "{args:?}");
        fs::remove_dir_all(target).expect("remove");
    }
}

#[test]
fn links_of_the_image_and_of_the_target_are_not_followed() {
    let wimforge = Imager::drop_in();
    let dir = Scratch::new();
    let source = dir.join("source");
    fs::create_dir_all(source.join("dd/sub")).expect("mkdir");
    fs::write(source.join("dd/kept"), "evil").expect("write");
    fs::write(source.join("dd/sub/kept"), "evil").expect("write");
    symlink("..", source.join("ll")).expect("link");
    let wim = dir.join("links.wim");
    let call = wimforge.capture(&source, &wim, &Options::with(Compression::None));
    let _run = call.run().ok();
    // A link and a directory of one name.
    rename_within(&wim, "ll", "dd");
    for args in [
        &["/"][..],
        &["/dd", "/dd/kept"],
        &["/*/kept", "--preserve-dir-structure"],
    ] {
        for planted in [false, true] {
            let ground = Ground::new();
            if planted {
                symlink("..", ground.target.join("dd")).expect("link");
                symlink("../kept", ground.target.join("kept")).expect("link");
            }
            let call = wimforge.call(["extract"]).arg(&wim).arg("1").args(args);
            let _run = call.in_dir(&ground.target).run();
            ground.assert_contained(&format!("{args:?} {planted}"));
        }
    }
}

#[test]
fn a_directory_that_becomes_a_link_meanwhile_is_not_entered() {
    let wimforge = Imager::drop_in();
    let dir = Scratch::new();
    let source = dir.join("source");
    for number in 0..300 {
        let below = source.join(format!("d/{}", number % 10));
        fs::create_dir_all(&below).expect("mkdir");
        fs::write(below.join(number.to_string()), number.to_string()).expect("write");
    }
    let wim = dir.join("a.wim");
    let call = wimforge.capture(&source, &wim, &Options::with(Compression::None));
    let _run = call.run().ok();
    let ground = Ground::new();
    let outside = ground.scratch.join("outer/kept-too");
    fs::create_dir(&outside).expect("mkdir");
    let (inside, aside) = (ground.target.join("d"), ground.target.join("aside"));
    let done = AtomicBool::new(false);
    let swapped = thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let mut swapped = 0;
            while !done.load(Ordering::Relaxed) {
                if fs::rename(&inside, &aside).is_ok() {
                    swapped += u32::from(symlink(&outside, &inside).is_ok());
                    thread::sleep(Duration::from_micros(50));
                    let _ = fs::remove_file(&inside);
                    let _ = fs::rename(&aside, &inside);
                }
            }
            swapped
        });
        for _ in 0..6 {
            // Whether it succeeds depends on what it meets.
            let _run = wimforge.apply(&wim, 1, &ground.target).run();
        }
        done.store(true, Ordering::Relaxed);
        swapper.join().expect("the other one ends")
    });
    assert!(swapped > 0);
    assert_eq!(names_in(&outside), [""; 0]);
}
