//! Volumes to be captured, with one of everything on them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::tool::Call;

/// A volume in a file.
pub struct Volume {
    pub path: PathBuf,
}

impl Volume {
    /// An empty one; `None` if there is no mkntfs.
    pub fn format(scratch: &Scratch, name: &str, cluster: u32) -> Option<Self> {
        Self::format_sized(scratch, name, cluster, 96 << 20)
    }

    pub fn format_sized(scratch: &Scratch, name: &str, cluster: u32, size: u64) -> Option<Self> {
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
    pub fn fill(&self, scratch: &Scratch, fill: impl FnOnce(&Path)) -> bool {
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

pub fn set(path: &Path, name: &str, value: &[u8]) {
    use rustix::fs::{XattrFlags, lsetxattr};
    lsetxattr(path, name, value, XattrFlags::empty())
        .unwrap_or_else(|error| panic!("{name} of {}: {error}", path.display()));
}

/// A link to a directory by its full path, as Windows makes it.
pub fn junction(target: &str) -> Vec<u8> {
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

pub fn reparse_point(tag: u32, data: &[u8]) -> Vec<u8> {
    let mut point = tag.to_le_bytes().to_vec();
    point.extend((data.len() as u16).to_le_bytes());
    point.extend([0, 0]);
    point.extend(data);
    point
}

/// Bytes that do not repeat soon.
pub fn noise(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Puts one of everything on a volume.
pub fn everything(root: &Path) {
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
pub fn shown() -> Vec<u8> {
    noise(3000, 11)
}

/// Makes a file that is compressed by the system, in one chunk that is stored as it is.
pub fn system_compressed(root: &Path) {
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

/// Damages the record of the file with this name, so that it looks like a torn write.
pub fn damage(volume: &Path, name: &str) {
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

/// Puts a volume into the only partition of a disk.
pub fn disk_with(volume: &Path, disk: &Path) {
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
