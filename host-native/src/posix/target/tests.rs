use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

fn target() -> (tempfile::TempDir, PosixTarget) {
    let directory = tempfile::tempdir().unwrap();
    let target = PosixTarget::open(&directory.path().join("out")).unwrap();
    (directory, target)
}

fn metadata<'a>() -> FileMetadata<'a> {
    FileMetadata {
        times: Some([
            FileTime(0),
            FileTime::from_unix(1_600_000_000, 123_456_700),
            FileTime::from_unix(-86_400, 987_654_300),
        ]),
        ..FileMetadata::default()
    }
}

#[test]
fn files_links_and_times() {
    let (directory, target) = target();
    let out = directory.path().join("out");
    target.make_directory(b"d").unwrap();
    target.make_directory(b"d").unwrap();
    let file = target.create_file(b"d/f").unwrap();
    file.write_at(3, b"def").unwrap();
    file.write_at(0, b"abc").unwrap();
    assert_eq!(file.set_metadata(&metadata()).unwrap(), Missed::empty());
    target.hard_link(b"d/f", b"g").unwrap();
    target
        .symbolic_link(LinkTarget::AsIs(b"d/f"), b"l")
        .unwrap();
    target
        .symbolic_link(LinkTarget::UnderRoot(b"/d"), b"m")
        .unwrap();
    target.set_metadata(b"l", &metadata()).unwrap();
    target.set_metadata(b"d", &metadata()).unwrap();
    target.set_metadata(b"", &metadata()).unwrap();

    let [f, g] = ["d/f", "g"].map(|name| fs::metadata(out.join(name)).unwrap());
    assert_eq!(f.ino(), g.ino());
    for path in ["d/f", "l", "d", ""] {
        let found = fs::symlink_metadata(out.join(path)).unwrap();
        let times = (found.mtime(), found.mtime_nsec(), found.atime_nsec());
        assert_eq!(times, (-86_400, 987_654_300, 123_456_700), "{path}");
    }
    assert_eq!(fs::read(out.join("g")).unwrap(), b"abcdef");
    let absolute = out.canonicalize().unwrap().join("d");
    assert_eq!(fs::read_link(out.join("m")).unwrap(), absolute);
}

#[test]
fn copies_are_equal_and_keep_holes() {
    let (directory, target) = target();
    let original = target.create_file(b"a").unwrap();
    original.set_len(3 << 20).unwrap();
    original.write_at(1 << 20, b"middle").unwrap();
    let copy = target.create_file(b"b").unwrap();
    assert!(copy.copy_from(&*original, 3 << 20).unwrap());
    let path = directory.path().join("out").join("b");
    let mut expected = vec![0; 3 << 20];
    expected[1 << 20..][..6].copy_from_slice(b"middle");
    assert!(fs::read(&path).unwrap() == expected);
    assert!(fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20);
}

#[test]
fn what_is_in_the_way_is_replaced() {
    let (directory, target) = target();
    let out = directory.path().join("out");
    let outside = directory.path().join("outside");
    fs::write(&outside, "keep").unwrap();
    symlink(&outside, out.join("f")).unwrap();
    fs::create_dir(out.join("g")).unwrap();
    fs::hard_link(&outside, out.join("h")).unwrap();
    for name in [&b"f"[..], b"g", b"h"] {
        let file = target.create_file(name).unwrap();
        file.write_at(0, b"new").unwrap();
    }
    target.symbolic_link(LinkTarget::AsIs(b"x"), b"f").unwrap();
    target.symbolic_link(LinkTarget::AsIs(b"y"), b"f").unwrap();
    target.hard_link(b"h", b"g").unwrap();
    target.make_directory(b"f").unwrap();
    assert_eq!(fs::read(&outside).unwrap(), b"keep");
    assert_eq!(fs::read(out.join("g")).unwrap(), b"new");
    assert!(out.join("f").symlink_metadata().unwrap().is_dir());

    fs::create_dir_all(out.join("full/of")).unwrap();
    let error = target.create_file(b"full").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Open);
}

#[test]
fn links_are_never_followed() {
    let (directory, target) = target();
    let out = directory.path().join("out");
    let outside = directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("x"), "keep").unwrap();
    let before = fs::metadata(outside.join("x")).unwrap();
    symlink(&outside, out.join("way")).unwrap();
    symlink("x", outside.join("inner")).unwrap();

    assert!(target.create_file(b"way/new").is_err());
    assert!(target.create_file(b"way/x").is_err());
    assert!(target.make_directory(b"way/d").is_err());
    assert!(
        target
            .symbolic_link(LinkTarget::AsIs(b"q"), b"way/l")
            .is_err()
    );
    assert!(target.hard_link(b"way/x", b"stolen").is_err());
    assert!(target.set_metadata(b"way/x", &metadata()).is_err());
    let unix = UnixData {
        mode: 0o100_777,
        ..UnixData::default()
    };
    let with_mode = FileMetadata {
        unix: Some(unix),
        ..metadata()
    };
    // The link itself may be changed, not what it leads to.
    symlink(outside.join("x"), out.join("single")).unwrap();
    target.set_metadata(b"single", &with_mode).unwrap();
    for path in [&b".."[..], b"../x", b"a/../../x", b".", b"/etc/x", b"a//b"] {
        assert!(target.create_file(path).is_err(), "{path:?}");
        assert!(target.make_directory(path).is_err(), "{path:?}");
    }
    let after = fs::metadata(outside.join("x")).unwrap();
    assert_eq!(before.mode(), after.mode());
    assert_eq!(before.mtime_nsec(), after.mtime_nsec());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 2);
}

#[test]
fn a_directory_swapped_for_a_link_is_not_entered() {
    let (directory, target) = target();
    let out = directory.path().join("out");
    let outside = directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    target.make_directory(b"d").unwrap();
    target.make_directory(b"d/e").unwrap();
    drop(target.create_file(b"d/f").unwrap());
    // The directory is open by now; what another process puts in its place is not looked at.
    fs::rename(out.join("d"), out.join("moved")).unwrap();
    symlink(&outside, out.join("d")).unwrap();
    let file = target.create_file(b"d/g").unwrap();
    file.write_at(0, b"data").unwrap();
    let _ = target.create_file(b"d/e/h");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fs::read(out.join("moved/g")).unwrap(), b"data");
}

#[test]
fn modes_and_devices() {
    let (directory, target) = target();
    let out = directory.path().join("out");
    let me = fs::metadata(&out).unwrap();
    let unix = |mode| UnixData {
        uid: me.uid(),
        gid: me.gid(),
        mode,
        rdev: 0,
    };
    let set = |mode| FileMetadata {
        unix: Some(unix(mode)),
        ..metadata()
    };
    let file = target.create_file(b"f").unwrap();
    assert_eq!(file.set_metadata(&set(0o104_750)).unwrap(), Missed::empty());
    target.make_directory(b"d").unwrap();
    target.set_metadata(b"d", &set(0o041_311)).unwrap();
    let fifo = unix(0o010_640);
    assert_eq!(target.make_special(&fifo, b"p").unwrap(), Missed::empty());
    target.set_metadata(b"p", &set(0o010_640)).unwrap();
    let mode = |name: &str| {
        let found = fs::symlink_metadata(out.join(name)).unwrap();
        found.permissions().mode()
    };
    assert_eq!(mode("f"), 0o104_750);
    assert_eq!(mode("d"), 0o041_311);
    assert_eq!(mode("p"), 0o010_640);
    // Someone else's program must not run under this user's name.
    let other = FileMetadata {
        unix: Some(UnixData {
            uid: u32::MAX - 1,
            ..unix(0o104_755)
        }),
        ..metadata()
    };
    let missed = file.set_metadata(&other).unwrap();
    assert_eq!(missed.contains(Missed::OWNER), mode("f") == 0o100_755);
}

#[test]
fn names() {
    let (_directory, target) = target();
    for bad in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'x'; 256]] {
        assert!(!target.allows_name(bad), "{bad:?}");
    }
    for good in [&b"..."[..], b"a\\b", b"a:b", &[b'x'; 255]] {
        assert!(target.allows_name(good), "{good:?}");
    }
}
