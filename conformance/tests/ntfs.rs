//! NTFS volumes, formatted by mkntfs, filled through the ntfs-3g driver or by wimlib.
//!
//! These tests need those programs and the right to mount.

mod options;

use crate::support::both;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::tool::Call;
use wimforge_conformance::view::assert_no_semantic_difference;

/// A volume in a file.
struct Volume {
    path: PathBuf,
}

impl Volume {
    /// An empty one; `None` if there is no mkntfs.
    fn format(scratch: &Scratch, name: &str, cluster: u32) -> Option<Self> {
        Self::format_sized(scratch, name, cluster, 96 << 20)
    }

    fn format_sized(scratch: &Scratch, name: &str, cluster: u32, size: u64) -> Option<Self> {
        let mkntfs = locate::require("mkntfs", "MKNTFS_BIN", &["mkntfs"], "ntfs-3g")?;
        let path = scratch.join(name);
        let file = fs::File::create(&path).expect("create a volume");
        file.set_len(size).expect("size of a volume");
        let _formatted = Call::new(mkntfs)
            .args(["-F", "-q", "-Q", "-c", &cluster.to_string()])
            .arg(&path)
            .run()
            .ok();
        Some(Self { path })
    }

    /// Mounts it for as long as `fill` takes; `false` if that is not possible here.
    fn fill(&self, scratch: &Scratch, fill: impl FnOnce(&Path)) -> bool {
        let Some(driver) = locate::require("ntfs-3g", "NTFS_3G_BIN", &["ntfs-3g"], "ntfs-3g")
        else {
            return false;
        };
        let at = scratch.join("mounted");
        fs::create_dir_all(&at).expect("a mount point");
        let mounted = Call::new(driver)
            .args(["-o", "streams_interface=xattr,compression,remove_hiberfile"])
            .args([&self.path, &at])
            .run();
        if !mounted.succeeded() {
            assert!(
                std::env::var_os("WIMFORGE_REQUIRE_TOOLS").is_none(),
                "cannot mount: {mounted}"
            );
            locate::skip("mounting through ntfs-3g is not possible");
            return false;
        }
        let mounted = Mounted(at);
        fill(&mounted.0);
        true
    }
}

/// Where a volume is mounted: a test that fails does not leave the driver behind.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Call::new("umount").arg(&self.0).run();
        assert!(
            unmounted.succeeded() || std::thread::panicking(),
            "{unmounted}"
        );
        // The driver ends a moment after that.
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
}

fn set(path: &Path, name: &str, value: &[u8]) {
    use rustix::fs::{XattrFlags, lsetxattr};
    lsetxattr(path, name, value, XattrFlags::empty())
        .unwrap_or_else(|error| panic!("{name} of {}: {error}", path.display()));
}

/// A link to a directory by its full path, as Windows makes it.
fn junction(target: &str) -> Vec<u8> {
    let units =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let (stored, shown) = (units(&format!("\\??\\{target}")), units(target));
    let fields = [0, stored.len(), stored.len() + 2, shown.len()];
    let mut data: Vec<u8> = fields
        .into_iter()
        .flat_map(|field| (field as u16).to_le_bytes())
        .collect();
    data.extend([stored, vec![0; 2], shown, vec![0; 2]].concat());
    reparse_point(0xA000_0003, &data)
}

fn reparse_point(tag: u32, data: &[u8]) -> Vec<u8> {
    let mut point = tag.to_le_bytes().to_vec();
    point.extend((data.len() as u16).to_le_bytes());
    point.extend([0, 0]);
    point.extend(data);
    point
}

/// Bytes that do not repeat soon.
fn noise(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Puts one of everything on a volume.
fn everything(root: &Path) {
    let write = |name: &str, data: &[u8]| {
        fs::write(root.join(name), data).expect("write a file");
        root.join(name)
    };
    let directory = |name: &str| {
        fs::create_dir(root.join(name)).expect("make a directory");
        root.join(name)
    };
    let first = write("first", b"first\n");
    let inner = directory("directory");
    fs::hard_link(&first, inner.join("second")).expect("link");
    set(&first, "user.stream", b"named");
    set(&first, "user.empty", b"");
    set(&inner, "user.of a directory", &noise(5000, 3));
    let large = write("large", &[noise(3_000_000, 1), vec![7; 1_000_000]].concat());
    // Hidden, system, and not to be indexed.
    set(&large, "system.ntfs_attrib", &0x2006_u32.to_le_bytes());
    let id: Vec<u8> = (1..=64).collect();
    set(&large, "system.ntfs_object_id", &id);
    let sparse = write("sparse", b"start");
    let file = fs::File::options().write(true).open(&sparse);
    let file = file.expect("open a file");
    file.write_all_at(b"end", 3_000_000)
        .expect("write behind a hole");
    drop(file);
    let empty = write("empty", b"");
    set(&empty, "system.ntfs_object_id", &id[16..32]);
    let long_file = write("A long name.text", b"long");
    set(&long_file, "system.ntfs_dos_name", b"ALONGN~1.TEX");
    let long = directory("A long directory");
    set(&long, "system.ntfs_dos_name", b"ALONGD~1");
    symlink("first", root.join("relative")).expect("make a link");
    let point = directory("junction");
    set(
        &point,
        "system.ntfs_reparse_data",
        &junction("C:\\directory"),
    );
    let point = write("unknown", b"");
    let data = reparse_point(0x8000_0099, b"hello");
    set(&point, "system.ntfs_reparse_data", &data);
    system_compressed(root);
    let compressed = directory("compressed");
    set(&compressed, "system.ntfs_attrib", &0x0800_u32.to_le_bytes());
    let text = b"the same over and over, ".repeat(20_000);
    let _inherits = write("compressed/text", &text);
    let many = directory("many");
    for number in 0..300_usize {
        let name = format!("file {number}");
        fs::write(many.join(name), noise(number * 7, number as u32)).expect("write a file");
    }
    // More attributes and more runs than one record holds: an attribute list.
    let spread = write("spread", b"over several records");
    for number in 0..40 {
        set(
            &spread,
            &format!("user.stream {number}"),
            &noise(90, number),
        );
    }
    fs::hard_link(&long_file, inner.join("Another long name.text")).expect("link");
    let mut fragments = ["fragments", "more fragments"]
        .map(|name| fs::File::create(root.join(name)).expect("create a file"));
    for number in 0..600 {
        for file in &mut fragments {
            file.write_all(&noise(4096, number))
                .expect("append to a file");
        }
    }
    for name in ["pagefile.sys", "hiberfil.sys", "swapfile.sys"] {
        let _excluded = write(name, b"excluded");
    }
    let _excluded = directory("$RECYCLE.BIN");
    let _unusual = write("gr\u{fc}\u{df}e \u{1F600}", b"name");
}

/// What the file that [`system_compressed`] makes shows.
fn shown() -> Vec<u8> {
    noise(3000, 11)
}

/// Makes a file that is compressed by the system, in one chunk that is stored as it is.
fn system_compressed(root: &Path) {
    let path = root.join("system-compressed");
    let file = fs::File::create(&path).expect("create a file");
    file.set_len(shown().len() as u64).expect("size of a file");
    drop(file);
    set(&path, "user.WofCompressedData", &shown());
    let data: Vec<u8> = [1_u32, 2, 1, 0]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    let point = reparse_point(0x8000_0017, &data);
    set(&path, "system.ntfs_reparse_data", &point);
}

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

/// Damages the record of the file with this name, so that it looks like a torn write.
fn damage(volume: &Path, name: &str) {
    let mut bytes = fs::read(volume).expect("read a volume");
    let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let places = bytes.windows(units.len()).enumerate();
    let records: Vec<usize> = places
        .filter(|(_, window)| *window == units)
        .map(|(at, _)| at / 1024 * 1024)
        .filter(|at| bytes[*at..].starts_with(b"FILE"))
        .collect();
    assert!(!records.is_empty(), "no record of {name}");
    for record in records {
        bytes[record + 510] ^= 0xFF;
    }
    fs::write(volume, bytes).expect("write a volume");
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

/// Puts a volume into the only partition of a disk.
fn disk_with(volume: &Path, disk: &Path) {
    const START: u32 = 2048;
    let volume = fs::read(volume).expect("read a volume");
    let mut bytes = vec![0; START as usize * 512];
    let sectors = (volume.len() / 512) as u32;
    bytes[446 + 4] = 7;
    bytes[446 + 8..446 + 12].copy_from_slice(&START.to_le_bytes());
    bytes[446 + 12..446 + 16].copy_from_slice(&sectors.to_le_bytes());
    bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
    bytes.extend(volume);
    fs::write(disk, bytes).expect("write a disk");
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
