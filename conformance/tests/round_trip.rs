//! There and back again with `--unix-data`: each program restores what the other captured, in every
//! form that an archive can have, as root and as an ordinary user.

use crate::support::{Source, both, generated};
use proptest::prelude::*;
use proptest::sample::select;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, makedev, mknodat};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use wimforge_conformance::compare::{Links, Rules, assert_same_tree};
use wimforge_conformance::imaging::Imager;
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tool::Call;
use wimforge_conformance::tree::{Tree, fixed, strategy};

/// How an archive lies in its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Plain,
    /// Restored from a file and from a pipe.
    Pipable,
    Split,
    PipableSplit,
    /// Without the data that an archive of a part of the tree has.
    Delta,
}

use Layout::{Delta, Pipable, PipableSplit, Plain, Split};

/// Every layout of these.
const TYPES: [&str; 5] = [
    "--compress=none",
    "--compress=xpress",
    "--compress=lzx",
    "--compress=lzms",
    "--solid",
];

/// Every chunk size that both programs know but the largest ones, which need gigabytes of memory.
const CHUNKS: [(&str, &[&str]); 6] = [
    (
        "--compress=xpress --chunk-size",
        &["4K", "8K", "16K", "64K"],
    ),
    (
        "--compress=lzx --chunk-size",
        &["64K", "128K", "256K", "512K", "1M", "2M"],
    ),
    ("--compress=lzms --chunk-size", &["32K", "64K", "1M", "16M"]),
    (
        "--solid --solid-compress=xpress --solid-chunk-size",
        &["4K", "64K"],
    ),
    (
        "--solid --solid-compress=lzx --solid-chunk-size",
        &["32K", "2M"],
    ),
    (
        "--solid --solid-compress=lzms --solid-chunk-size",
        &["32K", "1M"],
    ),
];

/// Everything that both programs can write, and solid split sets, which only wimforge can.
fn layouts_of(capture: &str) -> Vec<Layout> {
    let mut layouts = vec![Plain, Pipable, Split, PipableSplit, Delta];
    if capture.contains("--solid") {
        layouts.retain(|layout| !matches!(layout, Pipable | PipableSplit));
    }
    layouts
}

/// An archive, and what else of it there is.
struct Made {
    wim: PathBuf,
    reference: Option<String>,
    layout: Layout,
}

/// One program captures.
fn made(maker: &Imager, source: &Source, capture: &str, layout: Layout, dir: &Scratch) -> Made {
    let wim = dir.join("made.wim");
    let mut call = maker.call(["capture"]).arg(&source.path).arg(&wim);
    call = call
        .args(capture.split(' '))
        .args(["--unix-data", "--norpfix"]);
    let mut reference = None;
    match layout {
        Plain => call = call.arg("--check"),
        Split => {}
        Pipable | PipableSplit => call = call.arg("--pipable"),
        Delta => {
            let base = dir.join("base.wim");
            let part = fs::read_dir(&source.path).expect("read");
            let part = part.map(|entry| entry.expect("read").path());
            // Some directory, or the only file there is.
            let part = part.max_by_key(|path| (path.is_dir(), path.clone()));
            let part = part
                .filter(|path| path.is_dir())
                .unwrap_or(source.path.clone());
            let _run = maker
                .call(["capture"])
                .arg(part)
                .args([base.as_os_str(), "base".as_ref()])
                .run()
                .ok();
            source.before.restore_times();
            call = call.arg(format!("--delta-from={}", base.display()));
            reference = Some(base.display().to_string());
        }
    }
    let _run = call.run().ok();
    source.before.restore_times();
    if !matches!(layout, Split | PipableSplit) {
        return Made {
            wim,
            reference,
            layout,
        };
    }
    let part = dir.join("part.swm");
    let call = maker.call(["split"]).arg(&wim).arg(&part).arg("0.03");
    let _run = call.run().ok();
    Made {
        wim: part,
        reference: Some(dir.join("part*.swm").display().to_string()),
        layout,
    }
}

/// The other one restores.
#[track_caller]
fn assert_restored(reader: &Imager, source: &Source, made: &Made, what: &str) {
    let rules = Rules {
        links: Links::Same,
        unix_data: true,
        ..Rules::default()
    };
    let reference = made.reference.iter().map(|glob| format!("--ref={glob}"));
    let options: Vec<String> = reference.chain(["--unix-data".into()]).collect();
    let dir = Scratch::new();
    let target = dir.join("restored");
    let from_file = reader.call(["apply"]).arg(&made.wim).arg("1").arg(&target);
    let _run = from_file.args(&options).run().ok();
    assert_same_tree(what, &source.before, &Snapshot::of(&target), rules);
    if made.layout == Pipable {
        let target = dir.join("from pipe");
        let from_pipe = reader.call(["apply", "-", "1"]).arg(&target);
        let bytes = fs::read(&made.wim).expect("read");
        let _run = from_pipe.args(&options).run_fed(&bytes).ok();
        let what = format!("{what}, from a pipe");
        assert_same_tree(&what, &source.before, &Snapshot::of(&target), rules);
    }
}

/// Each program captures the source in this form, and the other one restores it.
#[track_caller]
fn there_and_back(source: &Source, capture: &str, layout: Layout) {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    for (maker, reader) in [(&wimforge, &wimlib), (&wimlib, &wimforge)] {
        if layout == Split && capture.contains("--solid") && maker.name == "wimlib" {
            continue;
        }
        let dir = Scratch::new();
        let made = made(maker, source, capture, layout, &dir);
        let what = format!("{capture} {layout:?} of {maker} restored by {reader}");
        assert_restored(reader, source, &made, &what);
    }
}

/// Extended attributes, modes, owners and special files, as far as this user and this file system have
/// them: what is not there is not compared.
fn furnish(root: &Path) {
    let set = |name: &str, attribute: &str, value: &[u8]| {
        let _ = lsetxattr(root.join(name), attribute, value, XattrFlags::empty());
    };
    let capability = [
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    // Version 2; owner, user 1000, group, mask, others.
    let list = [
        &[2, 0, 0, 0][..],
        &[1, 0, 6, 0, 255, 255, 255, 255],
        &[2, 0, 4, 0, 232, 3, 0, 0],
        &[4, 0, 4, 0, 255, 255, 255, 255],
        &[16, 0, 4, 0, 255, 255, 255, 255],
        &[32, 0, 0, 0, 255, 255, 255, 255],
    ]
    .concat();
    let owned = |name: &str, user, group| {
        let _ = lchown(root.join(name), Some(user), Some(group));
    };
    owned("hello", 1000, 100);
    owned("to file", 5, 6);
    owned("sub/deeper", 1000, 1001);
    for (name, mode) in [
        ("sub/deeper/random", 0o6755),
        ("sub/deeper", 0o1777),
        ("sub/text", 0o400),
        ("Upper", 0),
    ] {
        fs::set_permissions(root.join(name), Permissions::from_mode(mode)).expect("set mode");
    }
    set("hello", "user.comment", b"x\0y");
    set("hello", "user.empty", b"");
    set("hello", "user.long", &[7; 3000]);
    set("hello", "trusted.t", b"1");
    set("sub", "user.of a directory", b"d");
    set("sub/text", "security.capability", &capability);
    set("upper", "system.posix_acl_access", &list);
    set("sub", "system.posix_acl_default", &list);
    for (name, kind, device) in [
        ("pipe", FileType::Fifo, 0),
        ("socket", FileType::Socket, 0),
        ("null", FileType::CharacterDevice, makedev(1, 3)),
        ("block", FileType::BlockDevice, makedev(259, 70_000)),
    ] {
        let _ = mknodat(
            CWD,
            root.join(name),
            kind,
            Mode::from_raw_mode(0o640),
            device,
        );
    }
}

#[test]
fn in_every_layout() {
    let source = Source::prepared(&fixed::everything(), furnish);
    for capture in TYPES {
        for layout in layouts_of(capture) {
            there_and_back(&source, capture, layout);
        }
    }
}

#[test]
fn with_chunks_of_every_size() {
    let source = Source::prepared(&fixed::everything(), furnish);
    for (capture, sizes) in CHUNKS {
        for size in sizes {
            there_and_back(&source, &format!("{capture}={size}"), Plain);
        }
    }
}

#[test]
fn at_every_level() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let rules = Rules {
        links: Links::Moved,
        ..Rules::default()
    };
    for compression in [
        "compress=xpress",
        "compress=lzx",
        "compress=lzms",
        "solid-compress=lzx",
    ] {
        for level in (20..=100).step_by(5) {
            let dir = Scratch::new();
            let solid = compression.starts_with("solid").then_some("--solid");
            let wim = dir.join("a.wim");
            let call = wimlib.call(["capture"]).arg(&source.path).arg(&wim);
            let call = call.arg(format!("--{compression}:{level}")).args(solid);
            let _run = call.run().ok();
            source.before.restore_times();
            match level % 20 {
                0 => source.assert_restored(&wimforge, &wim, 1, rules),
                _ => drop(wimforge.verify(&wim).ok()),
            }
        }
    }
}

proptest! {
    #![proptest_config(generated(10))]
    #[test]
    fn generated_trees(
        tree in strategy::trees(30),
        (capture, layout) in select(&TYPES[..]).prop_flat_map(|capture| (Just(capture), select(layouts_of(capture)))),
    ) {
        there_and_back(&Source::new(&tree), capture, layout);
    }
}

#[test]
fn a_real_tree() {
    let real = Path::new("/usr/share/perl5");
    let Some((_, wimlib)) = both() else {
        return;
    };
    if !real.is_dir() {
        locate::skip("/usr/share/perl5 is not there");
        return;
    }
    // A copy, whose times nobody changes.
    let dir = Scratch::new();
    let wim = dir.join("real.wim");
    let call = wimlib.call(["capture", "--compress=none", "--unix-data", "--norpfix"]);
    let _run = call.arg(real).arg(&wim).run().ok();
    let source = Source::prepared(&Tree::default(), |path| {
        let call = wimlib.call(["apply", "--unix-data"]).arg(&wim).arg(path);
        let _run = call.run().ok();
    });
    for (capture, layout) in [
        ("--compress=none", Split),
        ("--compress=xpress", Pipable),
        ("--compress=lzx", Delta),
        ("--compress=lzms", PipableSplit),
        ("--solid", Plain),
    ] {
        there_and_back(&source, capture, layout);
    }
}

#[test]
fn sparse_files_are_sparse_again() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let on_disk = |root: &Path| {
        let found = fs::metadata(root.join("sparse")).expect("it is there");
        found.blocks() * 512
    };
    if on_disk(&source.path) >= 1_000_000 {
        locate::skip("no sparse files in the temporary directory");
        return;
    }
    for capture in ["--compress=lzx", "--solid", "--pipable"] {
        let dir = Scratch::new();
        let made = made(&wimlib, &source, capture, Plain, &dir);
        let target = dir.join("restored");
        let _run = wimforge.apply(&made.wim, 1, &target).run().ok();
        assert!(
            on_disk(&target) <= on_disk(&source.path) + 8192,
            "{capture}"
        );
    }
}

#[test]
fn by_an_ordinary_user() {
    let (Some(theirs), Some(setpriv)) = (locate::wimlib(), locate::setpriv()) else {
        return;
    };
    const NOBODY: u32 = 65_534;
    let source = Source::prepared(&fixed::everything(), |root| {
        furnish(root);
        let _ = fs::remove_file(root.join("null"));
        let _ = fs::remove_file(root.join("block"));
    });
    // All is this user's own, so all of it comes back.
    for path in source.before.nodes.keys() {
        let path = wimforge_conformance::snapshot::join(&source.path, path);
        lchown(&path, Some(NOBODY), Some(NOBODY)).expect("change the owner");
        for name in ["trusted.t", "security.capability"] {
            let _ = rustix::fs::lremovexattr(&path, name);
        }
    }
    fs::set_permissions(source.path.join("Upper"), Permissions::from_mode(0o600)).expect("mode");
    source.before.restore_times();
    let before = Snapshot::of(&source.path);
    before.restore_times();
    let place = source.scratch.join("nobody");
    fs::create_dir(&place).expect("mkdir");
    lchown(&place, Some(NOBODY), Some(NOBODY)).expect("change the owner");
    let wimforge = crate::support::for_everyone(&source.scratch);
    let run = |program: &Path, args: &[&str], paths: [&Path; 2]| {
        let call = Call::new(program).args(args).args(paths).arg("--unix-data");
        let _run = call.as_nobody(&setpriv).run().ok();
    };
    for (maker, reader) in [(&wimforge, &theirs), (&theirs, &wimforge)] {
        let (wim, target) = (place.join("x.wim"), place.join("restored"));
        run(maker, &["capture", "--norpfix"], [&source.path, &wim]);
        before.restore_times();
        run(reader, &["apply"], [&wim, &target]);
        let rules = Rules {
            unix_data: true,
            ..Rules::default()
        };
        let what = format!("restored by {}", reader.display());
        assert_same_tree(&what, &before, &Snapshot::of(&target), rules);
        fs::remove_dir_all(&target).expect("remove");
        fs::remove_file(&wim).expect("remove");
    }
}
