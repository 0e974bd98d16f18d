//! Capture and append as wholes, over memory.

mod change;
mod compact;
mod solid;
mod straight;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use wimforge_codec::{Format, Level};

use super::{
    CaptureSummary, IntegrityChoice, Means, NewImage, Rebuild, WriteOptions, append, capture,
    rebuild,
};
use crate::archive::verify::{VerifyOptions, verify};
use crate::archive::{Archive, OpenOptions};
use crate::format::{Compression, Guid};
use crate::port::memory::MemoryStorage;
use crate::port::memory_source::{MemorySource, Trouble};
use crate::port::{Event, Inline, Observer, OnUnreadable, Silent, Source, Storage, WorkerState};
use crate::scan::{OutsideLinks, ScanOptions, Scanned, Scanner};
use crate::testing::{means, noise};
use crate::time::FileTime;
use crate::{Error, ErrorKind, Result};

fn options(compression: Compression) -> WriteOptions {
    WriteOptions {
        compression,
        level: Level::QUICK,
        solid: None,
        integrity: IntegrityChoice::Keep,
        guid: Some(Guid([7; 16])),
        now: FileTime(133_000_000_000_000_000),
        on_unreadable: OnUnreadable::Fail,
    }
}

const LZX: Compression = Compression::Chunked(Format::Lzx, 32768);

fn scan(source: &dyn Source, on_unreadable: OnUnreadable, observer: &dyn Observer) -> Scanned {
    let options = ScanOptions {
        fix_links: Some(OutsideLinks::Omit),
        on_unreadable,
        ..ScanOptions::default()
    };
    let mut scanner = Scanner::new(&options, observer);
    scanner.add_root(source).unwrap();
    scanner.finish().unwrap()
}

fn image<'a>(name: &str, scanned: Scanned, sources: &'a [&'a dyn Source]) -> NewImage<'a> {
    NewImage {
        scanned,
        sources,
        name: name.into(),
        properties: Vec::new(),
        boot: false,
        bases: &[],
        links_fixed: true,
        latest_time: None,
    }
}

fn capture_to(
    storage: &dyn Storage,
    source: &MemorySource,
    options: &WriteOptions,
    observer: &dyn Observer,
) -> Result<CaptureSummary> {
    let scanned = scan(source, options.on_unreadable, observer);
    let means = Means {
        observer,
        ..means(options)
    };
    capture(storage, image("one", scanned, &[source]), &means)
}

fn open(bytes: Vec<u8>) -> Archive {
    Archive::open(Arc::new(MemoryStorage::new(bytes)), &OpenOptions::default()).unwrap()
}

fn captured(source: &MemorySource, options: &WriteOptions) -> Vec<u8> {
    let storage = MemoryStorage::default();
    capture_to(&storage, source, options, &Silent).unwrap();
    storage.bytes()
}

/// The file's data as an archive gives it back.
fn read(archive: &Archive, index: u32, path: &str) -> Vec<u8> {
    let image = archive
        .read_image(index, &mut |finding| panic!("{finding:?}"))
        .unwrap();
    let dentry = image
        .lookup(path.as_bytes())
        .unwrap_or_else(|| panic!("{path} is missing"));
    let stream = image.streams(image.inode_of(dentry))[0];
    let hash = image.content(stream.content).hash;
    let mut data = Vec::new();
    if !hash.is_zero() {
        let blob = archive.blobs.find(&hash).unwrap();
        let reader = archive.reader(archive.blobs.get(blob)).unwrap();
        let mut add = |piece: &[u8]| {
            data.extend_from_slice(piece);
            Ok(())
        };
        reader
            .read_all(&mut WorkerState::default(), &mut add)
            .unwrap();
    }
    data
}

fn assert_sound(bytes: Vec<u8>) {
    let report = verify(&open(bytes), &VerifyOptions::default(), &Inline, &Silent).unwrap();
    assert!(report.is_clean(), "{:?}", report.problems);
}

fn text(size: usize) -> Vec<u8> {
    (0..)
        .flat_map(|n: u32| format!("line {n} of a text; ").into_bytes())
        .take(size)
        .collect()
}

/// Files of every size that the pipeline treats differently.
fn varied() -> MemorySource {
    let mut source = MemorySource::new();
    for size in [
        0,
        1,
        255,
        32767,
        32768,
        32769,
        65536,
        1 << 20,
        (1 << 20) + 1,
        3 << 20,
    ] {
        source.file(&format!("text/{size}"), text(size));
        source.file(&format!("noise/{size}"), noise(size as u64, size));
    }
    // Above the size of items that are held whole: one alone in its size, two alike, one equal in
    // size only, one that does not compress.
    source.file("large/alone", text((9 << 20) + 5));
    source.file("large/a", text((9 << 20) + 6));
    source.file("large/b", text((9 << 20) + 6));
    source.file("large/c", noise(1, (9 << 20) + 6));
    let hard: Vec<u8> = (0..9 << 20)
        .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ (i >> 3) as u8)
        .collect();
    // Held whole in several buffers: what does not compress, and what does so late.
    let late = [&hard[1..1 << 20], &text(1 << 20)].concat();
    source.file("held/hard", hard[1..2 << 20].to_vec());
    source.file("held/late", late);
    source.file("large/hard", hard);
    source.file("copy", text(32769));
    source.hard_link("copy", "text/link");
    source
        .link("relative", "text/1")
        .link("inside", "/memory/text")
        .link("outside", "/etc/passwd");
    source.directory("empty");
    source
}

#[test]
fn everything_comes_back() {
    let source = varied();
    for compression in [
        Compression::None,
        Compression::Chunked(Format::Xpress, 4096),
        LZX,
    ] {
        for integrity in [IntegrityChoice::Omit, IntegrityChoice::Include] {
            let bytes = captured(
                &source,
                &WriteOptions {
                    integrity,
                    ..options(compression)
                },
            );
            let archive = open(bytes.clone());
            assert_eq!(read(&archive, 1, "/text/65536"), text(65536));
            assert_eq!(
                read(&archive, 1, "/noise/1048577"),
                noise(1_048_577, 1_048_577)
            );
            assert_eq!(read(&archive, 1, "/large/b"), text((9 << 20) + 6));
            assert_eq!(read(&archive, 1, "/large/c"), noise(1, (9 << 20) + 6));
            let image = archive.read_image(1, &mut |_| {}).unwrap();
            assert!(image.lookup(b"/outside").is_none() && image.lookup(b"/inside").is_some());
            let linked = image.inode_of(image.lookup(b"/copy").unwrap());
            assert_eq!(linked.names, 2);
            let blob = archive
                .blobs
                .find(&crate::hash::Sha1::of(&text(32769)))
                .unwrap();
            assert_eq!(
                archive.blobs.get(blob).references,
                3,
                "two names of one file, and a copy"
            );
            assert_sound(bytes);
        }
    }
}

#[test]
fn appending_stores_only_what_is_new() {
    let mut source = MemorySource::new();
    source.file("a", text(100_000)).file("b", noise(2, 50_000));
    let bytes = captured(
        &source,
        &WriteOptions {
            integrity: IntegrityChoice::Include,
            ..options(LZX)
        },
    );
    let before = bytes.len();
    source.file("c", b"new".to_vec());
    let storage = Arc::new(MemoryStorage::new(bytes));
    for (number, name) in [(2, "two"), (3, "three")] {
        let archive = Archive::open(storage.clone(), &OpenOptions::default()).unwrap();
        let scanned = scan(&source, OnUnreadable::Fail, &Silent);
        let summary = append(
            archive,
            image(name, scanned, &[&source]),
            &means(&options(LZX)),
        )
        .unwrap();
        assert_eq!(summary.image, number);
    }
    let bytes = storage.bytes();
    assert!(
        bytes.len() < before + 6000,
        "{} after {before}",
        bytes.len()
    );
    let archive = open(bytes.clone());
    assert_eq!(archive.image_count(), 3);
    assert_eq!(read(&archive, 3, "/b"), noise(2, 50_000));
    assert!(
        archive.integrity_table().unwrap().is_some(),
        "a table that was there is kept"
    );
    assert_sound(bytes.clone());

    let scanned = scan(&source, OnUnreadable::Fail, &Silent);
    let clash = append(
        open(bytes),
        image("two", scanned, &[&source]),
        &means(&options(LZX)),
    );
    assert_eq!(clash.unwrap_err().kind(), ErrorKind::ImageNameInUse);

    let rebuilt = MemoryStorage::default();
    let archive = Archive::open(storage, &OpenOptions::default()).unwrap();
    rebuild(&archive, &rebuilt, None, &means(&options(LZX))).unwrap();
    let archive = open(rebuilt.bytes());
    assert_eq!(read(&archive, 1, "/a"), text(100_000));
    assert_eq!(read(&archive, 2, "/c"), b"new");
    assert_sound(rebuilt.bytes());
}

/// Collects warnings and files that were left out.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn event(&self, event: &Event<'_>) {
        let note = match event {
            Event::Warning(text) => (*text).to_owned(),
            Event::Skipped { path, error } => format!("{}: {error}", String::from_utf8_lossy(path)),
            _ => return,
        };
        self.0.lock().unwrap().push(note);
    }
}

#[test]
fn troubled_files_end_the_capture_or_are_left_out() {
    for (trouble, kind, size) in [
        (Trouble::Unreadable, ErrorKind::Open, 1000),
        (Trouble::Shrunk(10), ErrorKind::Changed, 1000),
        (Trouble::Unreadable, ErrorKind::Open, 2 << 20),
        (Trouble::Shrunk(1_000_000), ErrorKind::Changed, 2 << 20),
        (Trouble::Unreadable, ErrorKind::Open, 9 << 20),
        (Trouble::Shrunk(9_000_000), ErrorKind::Changed, 9 << 20),
    ] {
        let mut source = MemorySource::new();
        source.file("before", text(5000));
        source.troubled("d/bad", noise(3, size), trouble);
        source.file("z/after", text(6000));
        let error =
            capture_to(&MemoryStorage::default(), &source, &options(LZX), &Silent).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains("/d/bad"), "{error}");

        let skipping = WriteOptions {
            on_unreadable: OnUnreadable::Skip,
            ..options(LZX)
        };
        let (storage, notes) = (MemoryStorage::default(), Notes::default());
        let summary = capture_to(&storage, &source, &skipping, &notes).unwrap();
        assert_eq!((summary.skipped, summary.numbers.files), (1, 2));
        assert_eq!(notes.0.lock().unwrap().len(), 1);
        assert_eq!(read(&open(storage.bytes()), 1, "/z/after"), text(6000));
        assert_sound(storage.bytes());
    }
}

#[test]
fn an_unreadable_directory_is_left_out_with_all_below_it() {
    let mut source = MemorySource::new();
    source.file("a", text(100)).file("locked/b", text(200));
    source.lock_directory("locked");
    let skipping = WriteOptions {
        on_unreadable: OnUnreadable::Skip,
        ..options(LZX)
    };
    let storage = MemoryStorage::default();
    let summary = capture_to(&storage, &source, &skipping, &Silent).unwrap();
    assert_eq!(
        (
            summary.skipped,
            summary.numbers.directories,
            summary.numbers.files
        ),
        (1, 1, 1)
    );
    let archive = open(storage.bytes());
    let image = archive.read_image(1, &mut |_| {}).unwrap();
    assert!(image.lookup(b"/locked").is_none() && image.lookup(b"/a").is_some());
    assert_sound(storage.bytes());
}

#[test]
fn a_file_that_was_written_to_is_reported() {
    for (size, compression) in [(1000, LZX), (9 << 20, LZX), (9 << 20, Compression::None)] {
        let mut source = MemorySource::new();
        source.troubled("log", text(size), Trouble::Touched);
        let (storage, notes) = (MemoryStorage::default(), Notes::default());
        capture_to(&storage, &source, &options(compression), &notes).unwrap();
        let notes = notes.0.into_inner().unwrap();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("/log"));
        assert_eq!(read(&open(storage.bytes()), 1, "/log"), text(size));
    }
}

#[test]
fn unchanged_data_is_read_once_unless_it_is_large_and_twice_there() {
    let mut source = MemorySource::new();
    source
        .file("a", text(1000))
        .file("b", text(1000))
        .file("c", noise(1, 2000));
    captured(&source, &options(LZX));
    assert_eq!(source.opened(), 3);
}

/// Fails at one of its operations that change it, and at all that follow, as a machine that dies.
struct Dying {
    inner: MemoryStorage,
    left: AtomicU64,
    /// Bytes of the failing write that still reach the medium.
    torn: usize,
}

impl Dying {
    fn step(&self) -> Result<()> {
        let dead = || Error::new(ErrorKind::Write, "the machine died");
        let step = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        step.map(drop).map_err(|_| dead())
    }
}

impl Storage for Dying {
    fn name(&self) -> String {
        "dying".into()
    }

    fn len(&self) -> Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        let was_alive = self.left.load(Ordering::Relaxed) > 0;
        if let Err(error) = self.step() {
            // The header is less than a sector, which a medium writes whole or not at all.
            if was_alive && data.len() > 512 {
                self.inner
                    .write_at(offset, &data[..self.torn.min(data.len())])?;
            }
            return Err(error);
        }
        self.inner.write_at(offset, data)
    }

    fn set_len(&self, size: u64) -> Result<()> {
        self.step()?;
        self.inner.set_len(size)
    }

    fn sync(&self) -> Result<()> {
        self.step()
    }
}

#[test]
fn an_append_that_dies_anywhere_leaves_the_old_images() {
    let mut source = MemorySource::new();
    source.file("a", text(100_000));
    let old = captured(
        &source,
        &WriteOptions {
            integrity: IntegrityChoice::Include,
            ..options(LZX)
        },
    );
    source.file("b", noise(4, 700_000)).file("c", text(80_000));
    let mut survived = 0;
    for steps in 0.. {
        let storage = Arc::new(Dying {
            inner: MemoryStorage::new(old.clone()),
            left: AtomicU64::new(steps),
            torn: 1000,
        });
        let archive = Archive::open(storage.clone(), &OpenOptions::default()).unwrap();
        let scanned = scan(&source, OnUnreadable::Fail, &Silent);
        let result = append(
            archive,
            image("two", scanned, &[&source]),
            &means(&options(LZX)),
        );
        let bytes = storage.inner.bytes();
        let archive = open(bytes.clone());
        assert_eq!(
            read(&archive, 1, "/a"),
            text(100_000),
            "died at step {steps}"
        );
        if archive.image_count() == 2 {
            assert_eq!(read(&archive, 2, "/b"), noise(4, 700_000));
        }
        if result.is_ok() {
            assert_eq!(archive.image_count(), 2);
            assert_sound(bytes);
            break;
        }
        survived += 1;
        // The next append finds its way.
        let repaired = Arc::new(MemoryStorage::new(bytes));
        let archive = Archive::open(repaired.clone(), &OpenOptions::default()).unwrap();
        if archive.image_count() == 1 {
            let scanned = scan(&source, OnUnreadable::Fail, &Silent);
            append(
                archive,
                image("two", scanned, &[&source]),
                &means(&options(LZX)),
            )
            .unwrap();
            assert_sound(repaired.bytes());
        }
    }
    assert!(survived > 5, "only {survived} points of failure");
}

#[test]
fn a_pipable_archive_that_dies_anywhere_is_none() {
    use super::pipable::{self, Contents, Destination};

    let mut source = MemorySource::new();
    source.file("a", text(100_000)).file("b", noise(4, 900_000));
    let old = captured(&source, &options(LZX));
    let mut died = 0;
    // A new one, and one that an archive is written into together with a new image.
    for appended in [None, Some(open(old))] {
        for steps in 0.. {
            let storage = Dying {
                inner: MemoryStorage::default(),
                left: AtomicU64::new(steps),
                torn: 1000,
            };
            let contents = match &appended {
                None => Contents::default(),
                Some(archive) => Contents::rebuild(archive, &Rebuild::default()).unwrap(),
            };
            let scanned = scan(&source, OnUnreadable::Fail, &Silent);
            let sources: [&dyn Source; 1] = [&source];
            let contents = contents.with(image("new", scanned, &sources));
            let to = Destination::File(&storage);
            let written = pipable::write(to, contents, &means(&options(LZX)));
            let bytes = storage.inner.bytes();
            let opened = Archive::open(
                Arc::new(MemoryStorage::new(bytes.clone())),
                &OpenOptions::default(),
            );
            if opened.is_ok() {
                assert_sound(bytes);
            }
            if written.is_ok() {
                assert!(opened.is_ok());
                break;
            }
            died += 1;
        }
    }
    assert!(died > 5, "only {died} points of failure");
}

#[test]
fn a_failed_append_restores_the_file() {
    let mut source = MemorySource::new();
    source.file("a", text(100_000));
    let old = captured(&source, &options(LZX));
    source.troubled("bad", noise(5, 3000), Trouble::Unreadable);
    let storage = Arc::new(MemoryStorage::new(old.clone()));
    let archive = Archive::open(storage.clone(), &OpenOptions::default()).unwrap();
    let scanned = scan(&source, OnUnreadable::Fail, &Silent);
    let error = append(
        archive,
        image("two", scanned, &[&source]),
        &means(&options(LZX)),
    );
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Open);
    assert_eq!(storage.bytes(), old);
}
