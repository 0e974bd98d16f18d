//! Volumes made by other programs (on Linux): formatted by mkntfs and filled through the ntfs-3g driver, or by
//! wimlib.
//!
//! These tests need those programs, and the right to mount. Without them they say so and pass, unless
//! `WIMFORGE_REQUIRE_TOOLS` is set.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::XattrFlags;
use wimforge_ntfs::{Limits, Volume, file_attributes};

use crate::maker::filler::{noise, text};
use crate::mutated;
use crate::other_reader;
use crate::programs::{Disk, have, installed, missing, run};
use crate::support::{Node, Tree};

/// A volume in a file.
struct Image {
    directory: tempfile::TempDir,
}

impl Image {
    fn format(megabytes: u64, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image = Self { directory };
        let file = fs::File::create(image.path()).unwrap();
        file.set_len(megabytes << 20).unwrap();
        let path = image.path();
        let arguments = [&["-F", "-q", "-Q"], options, &[path.to_str().unwrap()]].concat();
        assert!(run("mkntfs", &arguments));
        image
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("volume.img")
    }

    /// Mounts the volume; `None` if that is not possible here.
    fn mount(&self) -> Option<Mount> {
        let at = self.directory.path().join("mounted");
        fs::create_dir_all(&at).unwrap();
        let (image, directory) = (self.path(), at.to_str().unwrap().to_owned());
        let arguments = [
            "-o",
            "streams_interface=windows",
            image.to_str().unwrap(),
            &directory,
        ];
        if run("ntfs-3g", &arguments) {
            Some(Mount(at))
        } else {
            missing("mounting through ntfs-3g");
            None
        }
    }

    fn open(&self) -> Volume {
        let disk = Disk(fs::File::open(self.path()).unwrap());
        Volume::open(Arc::new(disk), Limits::default()).unwrap()
    }
}

/// A mounted volume; unmounted when dropped.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        for _ in 0..50 {
            if run("umount", &[self.0.to_str().unwrap()]) {
                // The driver ends a moment after that.
                std::thread::sleep(std::time::Duration::from_millis(200));
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

/// What was put on a volume: the streams of each path.
type Expected = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

/// Fills a mounted volume and keeps book.
struct Filler<'a> {
    root: &'a Path,
    expected: Expected,
}

impl<'a> Filler<'a> {
    fn new(mount: &'a Mount) -> Self {
        Self {
            root: &mount.0,
            expected: Expected::from([("/".into(), BTreeMap::new())]),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn directory(&mut self, path: &str) {
        fs::create_dir(self.path(path)).unwrap();
        self.expected.insert(format!("/{path}"), BTreeMap::new());
    }

    fn file(&mut self, path: &str, data: &[u8]) {
        fs::write(self.path(path), data).unwrap();
        let streams = BTreeMap::from([(String::new(), data.to_vec())]);
        self.expected.insert(format!("/{path}"), streams);
    }

    fn stream(&mut self, path: &str, name: &str, data: &[u8]) {
        fs::write(self.path(&format!("{path}:{name}")), data).unwrap();
        let streams = self.expected.get_mut(&format!("/{path}")).unwrap();
        streams.insert(name.into(), data.to_vec());
    }

    fn link(&mut self, from: &str, to: &str) {
        fs::hard_link(self.path(from), self.path(to)).unwrap();
        let streams = self.expected[&format!("/{from}")].clone();
        self.expected.insert(format!("/{to}"), streams);
    }

    fn attribute(&self, path: &str, name: &str, value: &[u8]) {
        let name = format!("system.ntfs_{name}");
        rustix::fs::setxattr(self.path(path), name, value, XattrFlags::empty()).unwrap();
    }

    fn attributes(&self, path: &str, attributes: u32) {
        self.attribute(path, "attrib_be", &attributes.to_be_bytes());
    }

    /// Some of everything that the driver can write.
    fn everything(&mut self, compression: bool) {
        self.file("empty", b"");
        self.file("small", b"hello");
        self.file("large", &noise(1_000_001, 1));
        self.directory("directory");
        self.directory("directory/inner");
        self.stream("directory", "of a directory", b"stream");
        for number in 0..12usize {
            self.stream("small", &format!("stream {number}"), &vec![7; number * 100]);
        }
        self.stream("small", "large stream", &noise(200_000, 2));
        self.link("small", "directory/hard link");
        for number in 0..100 {
            let name = format!("directory/inner/link {number} with a rather long name");
            self.link("large", &name);
        }
        self.sparse();
        if compression {
            self.directory("compressed");
            self.attributes("compressed", 0x810);
            let mut mixed = vec![0; 300_000];
            mixed.extend(noise(70_000, 3));
            mixed.extend(text(150_000));
            for (name, data) in [
                ("text", text(500_000)),
                ("noise", noise(200_000, 4)),
                ("mixed", mixed),
                ("tiny", b"resident".to_vec()),
            ] {
                self.file(&format!("compressed/{name}"), &data);
            }
        }
        self.fragments();
        self.file("A long file name.text", b"long");
        self.attribute("A long file name.text", "dos_name", b"ALONGF~1.TEX");
        self.file("SHORT.TXT", b"short");
        self.attribute("SHORT.TXT", "dos_name", b"SHORT.TXT");
        for name in [
            "ünï",
            "日本語",
            "back\\slash",
            "trailing.",
            " leading",
            "a",
            "A",
        ] {
            self.file(&format!("directory/{name}"), name.as_bytes());
        }
        self.file("object", b"");
        self.attribute("object", "object_id", &(1..=64).collect::<Vec<_>>());
        self.file("attributes", b"");
        let packed = b"\x14\0\0\0\0\x03\x05\0ONE\0value\0\0\0";
        self.attribute("attributes", "ea", packed);
        self.file("reparse", b"");
        self.attribute("reparse", "reparse_data", b"\x1E\0\0\x80\x05\0\0\0hello");
        let foreign = [&b"\x42\0\0\0\x05\0\0\0"[..], &[9; 16], b"hello"].concat();
        self.file("foreign", b"");
        self.attribute("foreign", "reparse_data", &foreign);
        self.file("descriptor", b"");
        self.attribute("descriptor", "acl", &descriptor());
    }

    fn sparse(&mut self) {
        let mut data = vec![0; 5_000_000];
        data[1_000_000..1_100_000].copy_from_slice(&noise(100_000, 5));
        let file = fs::File::create(self.path("sparse")).unwrap();
        file.set_len(data.len() as u64).unwrap();
        file.write_all_at(&data[1_000_000..1_100_000], 1_000_000)
            .unwrap();
        let streams = BTreeMap::from([(String::new(), data)]);
        self.expected.insert("/sparse".into(), streams);
    }

    /// Files that grow in turns.
    fn fragments(&mut self) {
        let mut files: Vec<_> = (0..4u64)
            .map(|number| {
                let name = format!("fragments {number}");
                let file = fs::File::create(self.path(&name)).unwrap();
                (name, file, Vec::new())
            })
            .collect();
        for round in 0..300u64 {
            for (number, (_, file, data)) in files.iter_mut().enumerate() {
                let sizes = [4096, 1000, 8192, 5000];
                let size = sizes[(round as usize + number) % 4];
                let piece = noise(size, round * 4 + number as u64 + 10);
                file.write_all(&piece).unwrap();
                data.extend(piece);
            }
        }
        for (name, _, data) in files {
            let streams = BTreeMap::from([(String::new(), data)]);
            self.expected.insert(format!("/{name}"), streams);
        }
    }
}

/// A descriptor with an owner, a group and an empty DACL.
fn descriptor() -> Vec<u8> {
    let mut out = vec![1, 0, 4, 0x80];
    for offset in [20u32, 32, 0, 44] {
        out.extend(offset.to_le_bytes());
    }
    let sid = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
    out.extend(sid);
    out.extend(sid);
    out.extend([2, 0, 8, 0, 0, 0, 0, 0]);
    out
}

fn check(tree: &Tree, expected: &Expected) {
    assert!(tree.refused.is_empty(), "{:?}", tree.refused);
    let paths: Vec<_> = expected.keys().map(String::as_str).collect();
    assert_eq!(tree.paths(), paths);
    for (path, streams) in expected {
        let node = tree.get(path);
        assert!(node.up_to_date, "{path}");
        let names: Vec<_> = node.streams.keys().collect();
        assert_eq!(names, streams.keys().collect::<Vec<_>>(), "{path}");
        for (name, data) in streams {
            assert!(node.streams[name] == *data, "{path}:{name} differs");
        }
    }
}

/// What [`Filler::everything`] sets beside streams.
fn check_rest(tree: &Tree, compression: bool) {
    let record = tree.get("/small").record;
    assert_eq!(tree.get("/directory/hard link").record, record);
    assert_eq!(
        tree.get("/A long file name.text").short_name,
        "ALONGF~1.TEX"
    );
    assert_eq!(tree.get("/SHORT.TXT").short_name, "SHORT.TXT");
    assert_eq!(tree.get("/small").short_name, "");
    let id = tree.get("/object").object_id.unwrap();
    assert_eq!(id.to_vec(), (1..=64).collect::<Vec<_>>());
    let attributes = &tree.get("/attributes").extended_attributes;
    assert_eq!(attributes.len(), 1);
    assert_eq!(
        (&attributes[0].name[..], &attributes[0].value[..]),
        (&b"ONE"[..], &b"value"[..])
    );
    let point = tree.get("/reparse").reparse_point.clone().unwrap();
    assert_eq!((point.tag, &point.data[..]), (0x8000_001E, &b"hello"[..]));
    let point = tree.get("/foreign").reparse_point.clone().unwrap();
    assert_eq!(point.data, [&[9; 16][..], b"hello"].concat());
    let found = tree.get("/descriptor").security.clone().unwrap();
    assert_eq!(found, descriptor());
    assert!(tree.nodes.values().all(|node| node.security.is_some()));
    assert!(tree.get("/directory").attributes & file_attributes::DIRECTORY != 0);
    assert!(tree.get("/sparse").attributes & file_attributes::SPARSE != 0);
    if compression {
        let text = tree.get("/compressed/text");
        assert!(text.attributes & file_attributes::COMPRESSED != 0);
    }
    for node in tree.nodes.values() {
        // Between 2020 and 2100.
        for time in [node.times.creation, node.times.write, node.times.access] {
            assert!((132_223_104_000_000_000..157_000_000_000_000_000).contains(&time));
        }
    }
}

fn everything(megabytes: u64, options: &[&str], cluster: u32, record: u32) {
    if !have(&["mkntfs", "ntfs-3g", "umount"]) {
        return;
    }
    let image = Image::format(megabytes, options);
    let compression = cluster <= 4096;
    let Some(mount) = image.mount() else { return };
    let mut filler = Filler::new(&mount);
    filler.everything(compression);
    let expected = filler.expected;
    drop(mount);
    let volume = image.open();
    assert_eq!(volume.geometry().cluster_size, cluster);
    assert_eq!(volume.geometry().record_size, record);
    assert!(volume.warnings().is_empty(), "{:?}", volume.warnings());
    let used = volume.used_clusters().unwrap();
    assert!(used > 0 && used < volume.geometry().clusters);
    let tree = Tree::read(&volume);
    check(&tree, &expected);
    check_rest(&tree, compression);
    if cluster <= 4096 {
        let mut device = fs::File::open(image.path()).unwrap();
        let compared = other_reader::compare(&mut device, &tree);
        assert!(compared > 10, "only {compared} streams");
    }
}

/// One file in thousands of pieces, with its run list in several records.
#[test]
fn a_file_in_many_pieces() {
    if !have(&["mkntfs", "ntfs-3g", "umount"]) {
        return;
    }
    let image = Image::format(16, &["-c", "512"]);
    let Some(mount) = image.mount() else { return };
    // Fill the volume with small files, then make every second one room for the large one.
    let name = |number: usize| mount.0.join(format!("filler {number}"));
    let mut count = 0;
    while fs::write(name(count), noise(1500, count as u64)).is_ok() {
        count += 1;
    }
    let _ = fs::remove_file(name(count));
    for number in (0..count).step_by(2) {
        fs::remove_file(name(number)).unwrap();
    }
    let data = noise(count / 3 * 1500, 77);
    fs::write(mount.0.join("pieces"), &data).unwrap();
    drop(mount);
    let volume = image.open();
    let file = volume.file(volume.find_path("pieces").unwrap()).unwrap();
    let runs = file.open_stream(&[]).unwrap().extents().unwrap().len();
    assert!(runs > 400, "{runs} runs");
    let tree = Tree::read(&volume);
    assert!(tree.get("/pieces").streams[""] == data);
    assert!(tree.refused.is_empty());
    for number in (1..count).step_by(2) {
        let node = tree.get(&format!("/filler {number}"));
        assert!(node.streams[""] == noise(1500, number as u64));
    }
}

#[test]
fn clusters_of_512_bytes() {
    everything(40, &["-c", "512"], 512, 1024);
}

#[test]
fn clusters_of_1_kib() {
    everything(40, &["-c", "1024"], 1024, 1024);
}

#[test]
fn clusters_of_4_kib() {
    everything(40, &["-c", "4096", "-L", "label"], 4096, 1024);
}

#[test]
fn clusters_of_16_kib() {
    everything(60, &["-c", "16384"], 16384, 1024);
}

#[test]
fn clusters_of_64_kib() {
    everything(120, &["-c", "65536"], 65536, 1024);
}

#[test]
fn records_of_4_kib() {
    everything(40, &["-s", "4096", "-c", "4096"], 4096, 4096);
}

#[test]
fn many_files_in_one_directory() {
    const COUNT: usize = 20_000;
    if !have(&["mkntfs", "ntfs-3g", "umount"]) {
        return;
    }
    let image = Image::format(100, &[]);
    let Some(mount) = image.mount() else { return };
    let directory = mount.0.join("many");
    fs::create_dir(&directory).unwrap();
    for number in 0..COUNT {
        // Not in the order of the names, so that blocks are split.
        let number = number * 7919 % COUNT;
        fs::write(
            directory.join(format!("file number {number}")),
            number.to_string(),
        )
        .unwrap();
    }
    drop(mount);
    let volume = image.open();
    let tree = Tree::read(&volume);
    assert_eq!(tree.nodes.len(), COUNT + 2);
    for number in 0..COUNT {
        let node = tree.get(&format!("/many/file number {number}"));
        assert_eq!(node.streams[""], number.to_string().as_bytes());
    }
    let many = volume.find_path("/MANY").unwrap();
    let listing = volume.list(many).unwrap();
    assert!(listing.is_in_order());
    // Block by block, where the index does not fit into memory.
    let mut limits = Limits::default();
    limits.index_cache = 0;
    let disk = Disk(fs::File::open(image.path()).unwrap());
    let frugal = Volume::open(Arc::new(disk), limits).unwrap();
    let names = |listing: &wimforge_ntfs::Listing| {
        listing
            .entries()
            .map(|entry| entry.name.to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&frugal.list(many).unwrap()), names(&listing));
}

/// wimlib writes onto the volume file what it captured from another one.
#[test]
fn applied_by_wimlib() {
    if !have(&["mkntfs", "ntfs-3g", "umount", "wimlib-imagex"]) {
        return;
    }
    let first = Image::format(40, &[]);
    let Some(mount) = first.mount() else { return };
    let mut filler = Filler::new(&mount);
    filler.everything(true);
    filler.expected.clear();
    symlink("small", filler.path("symbolic link")).unwrap();
    drop(mount);
    let wim = first.directory.path().join("captured.wim");
    let wim = wim.to_str().unwrap();
    let from = first.path();
    let from = from.to_str().unwrap();
    assert!(run(
        "wimlib-imagex",
        &["capture", from, wim, "--compress=none"]
    ));
    for options in [&["-c", "512"][..], &["-s", "4096", "-c", "4096"]] {
        let second = Image::format(40, options);
        let to = second.path();
        assert!(run(
            "wimlib-imagex",
            &["apply", wim, "1", to.to_str().unwrap()]
        ));
        let comparable = |tree: Tree| -> BTreeMap<String, Node> {
            assert!(tree.refused.is_empty(), "{:?}", tree.refused);
            let nodes = tree.nodes.into_iter().map(|(path, mut node)| {
                node.record = 0;
                node.times.change = 0;
                node.extended_attributes.clear();
                // A file without contents may have an empty stream or none.
                node.streams
                    .retain(|name, data| !name.is_empty() || !data.is_empty());
                (path, node)
            });
            nodes.collect()
        };
        let one = comparable(Tree::read(&first.open()));
        let other = comparable(Tree::read(&second.open()));
        assert_eq!(
            one.keys().collect::<Vec<_>>(),
            other.keys().collect::<Vec<_>>()
        );
        for (path, node) in one {
            let same = &other[&path];
            assert!(node.streams == same.streams, "{path}: streams differ");
            let attributes = |node: &Node| {
                let mut node = node.clone();
                node.streams.clear();
                node
            };
            assert_eq!(attributes(&node), attributes(same), "{path}");
        }
    }
}

/// The same damage as for made volumes, on one that another program has written.
#[test]
fn damaged_after_the_driver() {
    if !have(&["mkntfs", "ntfs-3g", "umount"]) {
        return;
    }
    let image = Image::format(30, &["-c", "1024"]);
    let Some(mount) = image.mount() else { return };
    Filler::new(&mount).everything(true);
    drop(mount);
    let rounds = mutated::rounds(150);
    let (opened, _) = mutated::damage(fs::read(image.path()).unwrap(), rounds, 7);
    assert!(opened > rounds / 2);
}

#[test]
fn other_file_systems_are_named() {
    use wimforge_ntfs::{Error, FileSystem};
    for (program, options, kind) in [
        ("mkfs.ext4", &["-q", "-F"][..], FileSystem::Ext),
        ("mkfs.vfat", &[], FileSystem::Fat),
        ("mkfs.exfat", &[], FileSystem::ExFat),
    ] {
        // Whoever reads NTFS need not have these; their marks are tested elsewhere too.
        if !installed(program) {
            eprintln!("SKIPPED: {program} is not available");
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
        assert!(run(program, &[options, &[path.to_str().unwrap()]].concat()));
        let disk = Disk(fs::File::open(&path).unwrap());
        match Volume::open(Arc::new(disk), Limits::default()) {
            Err(Error::NotNtfs(found)) => assert_eq!(found, kind),
            other => panic!("{program}: {:?}", other.err()),
        }
    }
}
