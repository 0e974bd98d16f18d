//! What the tests share.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use wimforge::file::{Access, FileStorage};
use wimforge::posix::{PosixSource, PosixSourceOptions};
use wimforge_conformance::compare::{Links, Rules, assert_same_tree};
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::{Kind, Snapshot};
use wimforge_core::port::{Feed, Sink, Storage};
use wimforge_core::time::FileTime;
use wimforge_host_example::bindings::exports::wimforge::imaging::writer::ImageOptions;
use wimforge_host_example::bindings::wimforge::imaging::types;
use wimforge_host_example::library::{self, Instance, Library, What};

/// The moment at which all archives of these tests are made.
pub const EPOCH: i64 = 1_700_000_000;

pub fn now() -> u64 {
    FileTime::from_unix(EPOCH, 0).0
}

/// The directory with both components, brought up to date first.
pub fn components() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = std::env::var_os("WIMFORGE_COMPONENTS") {
            return path.into();
        }
        let me = std::env::current_exe().expect("path of the running program");
        let target = me.ancestors().nth(3).expect("target directory");
        let out = target.join("components");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let built = Command::new(root.join("host-wasi/build"))
            .arg(&out)
            .env("CARGO_TARGET_DIR", target)
            .status();
        assert!(
            built.expect("host-wasi/build runs").success(),
            "cannot build the components"
        );
        out
    })
}

/// The library component, compiled once.
pub fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let path = components().join("wimforge-library.wasm");
        Library::open(&path).expect("the library is a component of world `imaging`")
    })
}

pub fn instance() -> Instance {
    library().instantiate().expect("an instance")
}

pub fn compression(compression: Compression) -> types::Compression {
    match compression {
        Compression::None => types::Compression::None,
        Compression::Xpress => types::Compression::Xpress,
        Compression::Lzx => types::Compression::Lzx,
        Compression::Lzms => types::Compression::Lzms,
    }
}

/// A directory as the native program sees it.
pub fn directory(path: &Path) -> What {
    let source = PosixSource::open(path, PosixSourceOptions::default()).expect("a directory");
    What::Tree(Arc::new(source))
}

/// An empty file.
pub fn new_file(path: &Path) -> Arc<dyn Storage + Send> {
    fs::write(path, b"").expect("make a file");
    old_file(path)
}

pub fn old_file(path: &Path) -> Arc<dyn Storage + Send> {
    Arc::new(FileStorage::open(path, Access::Modify).expect("open a file"))
}

pub fn reading_file(path: &Path) -> Arc<dyn Storage + Send> {
    Arc::new(FileStorage::open(path, Access::Read).expect("open a file"))
}

/// An image like those that the native program makes reproducibly.
pub fn image(name: &str) -> ImageOptions {
    ImageOptions {
        latest_time: Some(now()),
        ..library::image(name)
    }
}

/// Captures through the library; returns the archive.
#[track_caller]
pub fn by_library(
    instance: &mut Instance,
    what: What,
    wim: &Path,
    how: types::Compression,
    image: &ImageOptions,
) -> Vec<u8> {
    let options = library::options(how, now());
    let mut writing = instance.create(new_file(wim), &options).unwrap().unwrap();
    writing.add(what, image, None).unwrap().unwrap();
    let size = writing.finish(None).unwrap().unwrap();
    let bytes = fs::read(wim).expect("read an archive");
    assert_eq!(size, bytes.len() as u64);
    bytes
}

/// Appends through the library; returns the archive.
#[track_caller]
pub fn appended_by_library(
    instance: &mut Instance,
    what: What,
    wim: &Path,
    image: &ImageOptions,
) -> Vec<u8> {
    let options = library::options(types::Compression::None, now());
    let mut writing = instance.append(old_file(wim), &options).unwrap().unwrap();
    writing.add(what, image, None).unwrap().unwrap();
    writing.finish(None).unwrap().unwrap();
    fs::read(wim).expect("read an archive")
}

/// Captures with the native program; returns the archive.
pub fn by_program(source: &Path, wim: &Path, how: Compression, more: &[&str]) -> Vec<u8> {
    Imager::plain()
        .capture(source, wim, &Options::with(how))
        .args(more)
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
        .run()
        .ok();
    fs::read(wim).expect("read an archive")
}

/// Appends with the native program; returns the archive.
pub fn appended_by_program(source: &Path, wim: &Path, name: &str) -> Vec<u8> {
    Imager::plain()
        .append(source, wim, name, &Options::default())
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
        .run()
        .ok();
    fs::read(wim).expect("read an archive")
}

#[track_caller]
pub fn assert_same_bytes(what: &str, one: &[u8], two: &[u8]) {
    if one != two {
        let at = one.iter().zip(two).position(|(a, b)| a != b);
        let sizes = (one.len(), two.len());
        panic!("{what}: {sizes:?} bytes, first difference at {at:?}");
    }
}

/// wimlib verifies an archive.
#[track_caller]
pub fn assert_verified_by_wimlib(wim: &Path) {
    if let Some(wimlib) = Imager::wimlib() {
        wimlib.verify(wim).ok();
    }
}

/// wimlib verifies an archive, and restores its images, of which these are the trees.
#[track_caller]
pub fn assert_restored_by_wimlib(wim: &Path, trees: &[&Path]) {
    let Some(wimlib) = Imager::wimlib() else {
        return;
    };
    wimlib.verify(wim).ok();
    for (index, tree) in (1..).zip(trees) {
        let scratch = Scratch::new();
        let target = scratch.join("restored");
        wimlib.apply(wim, index, &target).run().ok();
        assert_captured(&format!("image {index} by wimlib"), tree, &target);
    }
}

/// A directory restored from an archive that was made of a tree at [`EPOCH`] has everything but absolute
/// links that lead outside and special files, and no later times.
#[track_caller]
pub fn assert_captured(what: &str, tree: &Path, restored: &Path) {
    let mut expected = Snapshot::of(tree);
    expected.nodes.retain(|_, node| match &node.kind {
        Kind::Symlink(target) => {
            let target = Path::new(OsStr::from_bytes(target));
            target.is_relative() || target.starts_with(tree)
        }
        Kind::Dir | Kind::File { .. } => true,
        Kind::Special(_) => false,
    });
    for node in expected.nodes.values_mut() {
        node.times.mtime = node.times.mtime.min((EPOCH, 0));
    }
    let rules = Rules {
        links: Links::Moved,
        access_times: false,
        ..Rules::default()
    };
    assert_same_tree(what, &expected, &Snapshot::of(restored), rules);
}

/// A sink that keeps what it gets.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Kept {
    fn write(&mut self, data: &[u8]) -> wimforge_core::Result<()> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> wimforge_core::Result<()> {
        Ok(())
    }
}

/// A feed of bytes in memory.
pub struct Bytes(pub VecDeque<u8>);

impl Feed for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> wimforge_core::Result<usize> {
        Ok(self.0.read(buffer).unwrap_or(0))
    }
}

pub fn feed(bytes: &[u8]) -> Box<Bytes> {
    Box::new(Bytes(bytes.to_vec().into()))
}

/// A program of another host, or nothing after saying that the test is skipped.
pub fn installed(what: &str, below: &str) -> Option<PathBuf> {
    let hosts = std::env::var_os("WIMFORGE_HOSTS")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let home =
                || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
            cache.unwrap_or_else(home).join("wimforge/hosts")
        });
    let path = hosts.join(below);
    if path.exists() {
        return Some(path);
    }
    let text = format!("{what} is not there; conformance/hosts/install gets it");
    assert!(
        std::env::var_os("WIMFORGE_REQUIRE_TOOLS").is_none(),
        "{text}"
    );
    locate::skip(&text);
    None
}
