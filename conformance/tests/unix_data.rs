//! `--unix-data`: what POSIX systems know of files and Windows does not.

use crate::support::{Source, both};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lgetxattr, llistxattr, lsetxattr, mknodat};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use wimforge_conformance::imaging::Imager;
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::tree::{Times, fixed};
use wimforge_conformance::view::assert_no_semantic_difference;

/// Owner, group, mode, device number and extended attributes.
type Facts = (u32, u32, u32, u64, Vec<(String, Vec<u8>)>);

/// A directory with everything that needs UNIX data; nothing if that is not allowed here.
fn source() -> Option<(Scratch, PathBuf)> {
    let scratch = Scratch::new();
    let dir = scratch.join("source");
    fs::create_dir_all(dir.join("sub")).expect("make a directory");
    let set = |name: &str, key: &str, value: &[u8]| {
        lsetxattr(dir.join(name), key, value, XattrFlags::empty())
    };
    let special = |name: &str, kind: FileType, device: u64| {
        mknodat(
            CWD,
            dir.join(name),
            kind,
            Mode::from_raw_mode(0o640),
            device,
        )
    };
    for name in ["file", "sub/set-id", "empty"] {
        fs::write(dir.join(name), name.strip_prefix("em").map_or(name, |_| "")).expect("write");
    }
    symlink("file", dir.join("link")).expect("link");
    let made = special("null", FileType::CharacterDevice, (1 << 8) | 3)
        .and_then(|()| special("block", FileType::BlockDevice, (7 << 8) | 300 & 0xff))
        .and_then(|()| special("sub/fifo", FileType::Fifo, 0))
        .and_then(|()| set("sub", "trusted.of.directory", b"d"))
        .and_then(|()| set("link", "trusted.of.link", b"l"));
    if made.is_err() {
        locate::skip("cannot make devices or trusted attributes: not root, or forbidden here");
        return None;
    }
    drop(UnixListener::bind(dir.join("socket")).expect("a socket"));
    set("file", "user.text", b"value").expect("set an attribute");
    set("file", "user.empty", b"").expect("set an attribute");
    set("file", "user.large", &[7; 1000]).expect("set an attribute");
    for (name, owner, group) in [
        ("file", 1000, 100_000),
        ("sub/set-id", 3, 4),
        ("link", 5, 6),
        ("sub/fifo", 7, 8),
        ("sub", 65_536, 1),
    ] {
        lchown(dir.join(name), Some(owner), Some(group)).expect("change the owner");
    }
    for (name, mode) in [
        ("file", 0o600),
        ("sub/set-id", 0o6755),
        ("sub", 0o1777),
        ("empty", 0),
    ] {
        fs::set_permissions(dir.join(name), Permissions::from_mode(mode)).expect("set mode");
    }
    settle(&dir);
    Some((scratch, dir))
}

/// Lets reading change no access time.
fn settle(dir: &Path) {
    let times = Times::default().settled();
    for name in [
        "sub/set-id",
        "sub/fifo",
        "sub",
        "file",
        "empty",
        "link",
        "null",
        "block",
        "socket",
        "",
    ] {
        times.set(&dir.join(name)).expect("set times");
    }
}

/// What is known of every file.
fn facts(dir: &Path) -> BTreeMap<PathBuf, Facts> {
    let mut all = BTreeMap::new();
    let mut stack = vec![dir.to_owned()];
    while let Some(path) = stack.pop() {
        let metadata = fs::symlink_metadata(&path).expect("stat");
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).expect("read a directory");
            stack.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
        let of = (
            metadata.uid(),
            metadata.gid(),
            metadata.mode(),
            metadata.rdev(),
            xattrs(&path),
        );
        let below = path.strip_prefix(dir).expect("below").to_owned();
        all.insert(below, of);
    }
    all
}

fn xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0; 4096];
    let size = llistxattr(path, &mut names).unwrap_or(0);
    let names = names[..size]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty());
    let mut all: Vec<_> = names
        .map(|name| {
            let mut value = vec![0; 4096];
            let size = lgetxattr(path, name, &mut value).expect("an attribute");
            value.truncate(size);
            (String::from_utf8_lossy(name).into_owned(), value)
        })
        .collect();
    all.sort();
    all
}

fn restored(
    imager: &Imager,
    scratch: &Scratch,
    wim: &Path,
    more: &[&str],
) -> BTreeMap<PathBuf, Facts> {
    let target = scratch.join("restored");
    imager.apply(wim, 1, &target).args(more).run().ok();
    let found = facts(&target);
    fs::remove_dir_all(target).expect("remove");
    found
}

#[test]
fn everything_comes_back() {
    let (Some((wimforge, wimlib)), Some((scratch, dir))) = (both(), source()) else {
        return;
    };
    let before = facts(&dir);
    assert_eq!(before.len(), 10);
    let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
        let wim = scratch.join(format!("{imager}.wim"));
        let call = imager.call(["capture", "--unix-data"]).arg(&dir).arg(&wim);
        call.run().ok();
        settle(&dir);
        wim
    });
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
    for (reader, wim) in [(&wimforge, &ours), (&wimforge, &theirs), (&wimlib, &ours)] {
        assert_eq!(
            restored(reader, &scratch, wim, &["--unix-data"]),
            before,
            "{reader}"
        );
    }
    // If it is not asked for, it is passed over with a warning, and what has no data is an empty file.
    let target = scratch.join("without");
    let run = wimforge.apply(&ours, 1, &target).run().ok();
    let ignored = "Ignoring UNIX metadata (uid/gid/mode/rdev) of 10 files";
    assert!(run.err().contains(ignored), "{run}");
    let null = fs::symlink_metadata(target.join("null")).expect("stat");
    assert!(null.is_file() && null.len() == 0);
}

#[test]
fn without_it_nothing_of_that_is_stored() {
    let (Some((wimforge, wimlib)), Some((scratch, dir))) = (both(), source()) else {
        return;
    };
    let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
        let wim = scratch.join(format!("{imager}.wim"));
        let run = imager.call(["capture"]).arg(&dir).arg(&wim).run().ok();
        for name in ["null", "block", "sub/fifo", "socket"] {
            let path = dir.join(name).display().to_string();
            let said = run.out() + &run.err();
            assert!(
                said.contains(&path),
                "{imager} does not warn of {name}: {said}"
            );
        }
        settle(&dir);
        wim
    });
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
    let found = restored(&wimforge, &scratch, &ours, &["--unix-data"]);
    let names: Vec<_> = found
        .keys()
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(names, ["", "empty", "file", "link", "sub", "sub/set-id"]);
    assert!(
        found
            .values()
            .all(|facts| facts.0 == 0 && facts.4.is_empty()),
        "{found:?}"
    );
}

/// The form of the manual of 2013: owner, group and mode of 16 bits, in a stream that comes behind the
/// files in a pipe.
#[test]
fn in_a_stream() {
    let Some((scratch, dir)) = source() else {
        return;
    };
    let wimforge = Imager::plain();
    let mut expected = facts(&dir);
    // What cannot be expressed has what any new file has.
    expected.retain(|path, _| {
        !["null", "block", "sub/fifo", "socket"].contains(&&*path.to_string_lossy())
    });
    for (path, facts) in &mut expected {
        facts.4.clear();
        if ["file", "sub"].contains(&&*path.to_string_lossy()) {
            (facts.0, facts.1) = (0, 0);
            facts.2 = facts.2 & !0o7777 | if path.ends_with("sub") { 0o755 } else { 0o644 };
        }
    }
    for layout in ["--not-pipable", "--pipable"] {
        let wim = scratch.join("a.wim");
        let call = wimforge.call(["capture", "--unix-data=stream", layout]);
        let run = call.arg(&dir).arg(&wim).run().ok();
        for name in ["source/file", "source/sub"] {
            assert!(run.err().contains(name), "{run}");
        }
        assert_eq!(
            restored(&wimforge, &scratch, &wim, &["--unix-data"]),
            expected,
            "{layout}"
        );
        if layout == "--pipable" {
            let bytes = fs::read(&wim).expect("read");
            let target = scratch.join("piped");
            let call = wimforge
                .call(["apply", "-", "1", "--unix-data"])
                .arg(&target);
            call.run_fed(&bytes).ok();
            assert_eq!(facts(&target), expected);
            // A part of it, and a pipe that ends too early.
            let part = scratch.join("part");
            let call = wimforge.call(["extract", "-", "1", "/sub", "--unix-data"]);
            call.arg(format!("--dest-dir={}", part.display()))
                .run_fed(&bytes)
                .ok();
            assert_eq!(
                facts(&part)[Path::new("sub/set-id")],
                expected[Path::new("sub/set-id")]
            );
            // Wherever the pipe ends: all of it, or an error.
            let mut refused = 0;
            for end in (300..bytes.len()).step_by(53) {
                let target = scratch.join("cut");
                let call = wimforge
                    .call(["apply", "-", "1", "--unix-data"])
                    .arg(&target);
                match call.run_fed(&bytes[..end]).succeeded() {
                    true => assert_eq!(facts(&target), expected, "cut to {end}"),
                    false => refused += 1,
                }
                let _ = fs::remove_dir_all(&target);
            }
            assert!(refused > 10, "{refused}");
        }
    }
}

/// A directory whose files have modes of their own, which any user can give.
fn with_modes() -> Source {
    Source::prepared(&fixed::everything(), |dir| {
        for (name, mode) in [("hello", 0o640), ("sub", 0o2751)] {
            let mode = Permissions::from_mode(mode);
            fs::set_permissions(dir.join(name), mode).expect("set the mode");
        }
    })
}

fn owners_and_modes(dir: &Path) -> [(u32, u32, u32); 3] {
    ["hello", "sub", "sub/text"].map(|name| {
        let metadata = fs::metadata(dir.join(name)).expect("stat");
        (metadata.uid(), metadata.gid(), metadata.mode())
    })
}

/// Captures with a stream for each file, not compressed.
fn captured_with_streams(source: &Source, layout: &str) -> PathBuf {
    let wim = source.scratch.join("a.wim");
    let call = Imager::plain().call(["capture", "--unix-data=stream", "--compress=none", layout]);
    call.arg(&source.path).arg(&wim).run().ok();
    wim
}

#[test]
fn in_a_stream_by_any_user() {
    let wimforge = Imager::plain();
    let source = with_modes();
    for layout in ["--not-pipable", "--pipable"] {
        let wim = captured_with_streams(&source, layout);
        let target = source.scratch.join(layout);
        let call = wimforge.apply(&wim, 1, &target).arg("--unix-data");
        call.run().ok();
        let expected = owners_and_modes(&source.path);
        assert_eq!(owners_and_modes(&target), expected, "{layout}");
        if let Some(wimlib) = Imager::wimlib() {
            wimlib.verify(&wim).ok();
        }
    }
}

/// A damaged stream is an error, but with `--recover-data` it costs no more than owner and mode.
#[test]
fn in_a_damaged_stream() {
    let wimforge = Imager::plain();
    let source = with_modes();
    let hello = fs::metadata(source.path.join("hello")).expect("stat");
    let stream: Vec<u8> = [0, hello.uid(), hello.gid(), hello.mode()]
        .iter()
        .flat_map(|&field| (field as u16).to_le_bytes())
        .collect();
    for layout in ["--not-pipable", "--pipable"] {
        let wim = captured_with_streams(&source, layout);
        let mut bytes = fs::read(&wim).expect("read");
        let at = bytes.windows(stream.len()).position(|at| at == stream);
        // The mode.
        bytes[at.expect("the stream") + 6] ^= 0x12;
        fs::write(&wim, &bytes).expect("write");
        for from in [wim.to_str().expect("UTF-8"), "-"] {
            if from == "-" && layout != "--pipable" {
                continue;
            }
            let what = format!("{layout} {from}");
            let apply = |name: &str, more: &[&str]| {
                let target = source.scratch.join(name);
                let call = wimforge
                    .call(["apply", from, "1", "--unix-data"])
                    .args(more);
                let run = call.arg(&target).run_fed(&bytes);
                (run, target)
            };
            let (run, _) = apply("refused", &[]);
            let named = if from == "-" {
                "owners and modes"
            } else {
                "/hello"
            };
            let _refused = run.refused_with(28, &[named, "SHA-1"]);
            let (run, target) = apply("recovered", &["--recover-data"]);
            let run = run.ok();
            assert!(run.err().contains(named), "{what}: {run}");
            let [hello, rest @ ..] = owners_and_modes(&target);
            let [expected, others @ ..] = owners_and_modes(&source.path);
            assert_ne!(hello.2, expected.2, "{what}");
            assert_eq!(rest, others, "{what}");
            let [found, expected] =
                [&target, &source.path].map(|dir| fs::read(dir.join("hello")).expect("read"));
            assert!(found == expected, "{what}");
            for name in ["refused", "recovered"] {
                let _ = fs::remove_dir_all(source.scratch.join(name));
            }
        }
    }
}
