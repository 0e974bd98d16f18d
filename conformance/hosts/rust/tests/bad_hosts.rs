//! Hosts that fail, give too little or too much, lie, or want to stop: always an error, never a trap,
//! and what was there before stays valid.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use wimforge_core::archive::verify::{VerifyOptions, verify};
use wimforge_core::archive::{Archive, OpenOptions};
use wimforge_core::port::memory::MemoryStorage;
use wimforge_core::port::memory_source::MemorySource;
use wimforge_core::port::memory_target::{MemoryEntry, MemoryMetadata, MemoryTarget};
use wimforge_core::port::{
    EntryBatch, Feed, Inline, Node, OpenStream, Silent, Sink, Source, Stamp, Storage, Wanted,
};
use wimforge_core::{Error, ErrorKind, Result};
use wimforge_host_example::bindings::exports::wimforge::imaging::archive::{
    RestoreOptions, Restored, VerifyReport,
};
use wimforge_host_example::bindings::wimforge::imaging::observer::Event;
use wimforge_host_example::bindings::wimforge::imaging::types::{Compression, ErrorCode};
use wimforge_host_example::library::{Given, Instance, What, options};
use wimforge_host_example::ports::Watch;

use crate::support::*;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Nothing,
    /// Every call fails from this one on.
    From(u64),
    /// This call fails, later ones do not.
    Only(u64),
    /// Reads give a few bytes at a time.
    Short,
    /// Reads give more than was asked for.
    TooMuch,
    /// Sizes are wrong by so many bytes.
    Lies(i64),
}

/// Counts the calls of all ports of a host and says which of them fail.
struct Fate {
    trouble: Trouble,
    calls: AtomicU64,
}

impl Fate {
    fn new(trouble: Trouble) -> Arc<Self> {
        let calls = AtomicU64::new(0);
        Arc::new(Self { trouble, calls })
    }

    fn call(&self, kind: ErrorKind) -> Result<()> {
        let call = self.calls.fetch_add(1, Relaxed);
        let fails = match self.trouble {
            Trouble::From(first) => call >= first,
            Trouble::Only(one) => call == one,
            _ => false,
        };
        match fails {
            true => Err(Error::new(kind, format!("call {call} fails on purpose"))),
            false => Ok(()),
        }
    }

    fn size(&self, size: u64) -> u64 {
        match self.trouble {
            Trouble::Lies(by) => size.saturating_add_signed(by),
            _ => size,
        }
    }

    fn read(
        &self,
        buffer: &mut [u8],
        read: impl FnOnce(&mut [u8]) -> Result<usize>,
    ) -> Result<usize> {
        self.call(ErrorKind::Read)?;
        match self.trouble {
            Trouble::Short => {
                let few = buffer.len().min(1 + buffer.len() / 3);
                read(&mut buffer[..few])
            }
            Trouble::TooMuch => read(buffer).map(|size| size + 5),
            _ => read(buffer),
        }
    }
}

struct BadStorage(Arc<MemoryStorage>, Arc<Fate>);

impl Storage for BadStorage {
    fn name(&self) -> String {
        "bad storage".into()
    }

    fn len(&self) -> Result<u64> {
        self.1.call(ErrorKind::Read)?;
        Ok(self.1.size(self.0.len()?))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.1.read(buffer, |buffer| self.0.read_at(offset, buffer))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.1.call(ErrorKind::Write)?;
        self.0.write_at(offset, data)
    }

    fn set_len(&self, size: u64) -> Result<()> {
        self.1.call(ErrorKind::Write)?;
        // Whoever lied about the size may be asked for it.
        match size > 1 << 30 {
            true => Err(Error::new(ErrorKind::Write, "the medium is full")),
            false => self.0.set_len(size),
        }
    }

    fn sync(&self) -> Result<()> {
        self.1.call(ErrorKind::Write)
    }
}

struct BadSource(Arc<MemorySource>, Arc<Fate>);

struct BadStream<'a>(Box<dyn OpenStream + 'a>, &'a Fate);

impl BadSource {
    fn lie(&self, mut batch: EntryBatch) -> EntryBatch {
        for entry in batch.entries.iter_mut().filter(|entry| entry.size > 0) {
            entry.size = self.1.size(entry.size);
        }
        batch
    }
}

impl Source for BadSource {
    fn name(&self) -> String {
        "bad source".into()
    }

    fn root(&self, wanted: Wanted) -> Result<EntryBatch> {
        self.1.call(ErrorKind::Stat)?;
        self.0.root(wanted)
    }

    fn read_dir(&self, directory: Node, wanted: Wanted) -> Result<EntryBatch> {
        self.1.call(ErrorKind::OpenDirectory)?;
        Ok(self.lie(self.0.read_dir(directory, wanted)?))
    }

    fn open(&self, node: Node, stream: u32) -> Result<Box<dyn OpenStream + '_>> {
        self.1.call(ErrorKind::Open)?;
        Ok(Box::new(BadStream(self.0.open(node, stream)?, &self.1)))
    }

    fn inside_root(&self, target: &[u16]) -> Result<Option<usize>> {
        self.0.inside_root(target)
    }
}

impl OpenStream for BadStream<'_> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let Self(stream, fate) = self;
        fate.read(buffer, |buffer| stream.read_at(offset, buffer))
    }

    fn stamp(&mut self) -> Result<Option<Stamp>> {
        self.1.call(ErrorKind::Stat)?;
        self.0.stamp()
    }
}

fn noise(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as u8
    };
    (0..size).map(|_| next()).collect()
}

fn tree(seed: u32) -> Arc<MemorySource> {
    let mut tree = MemorySource::new();
    tree.file("a/small", noise(300, seed))
        .file("a/medium", noise(70_000, seed + 1))
        .file("large", noise(5_300_000, seed + 2))
        .link("a/link", "small");
    Arc::new(tree)
}

type End = Given<u64>;

/// Captures, or appends if there is something; a trap ends the test.
fn write(
    instance: &mut Instance,
    medium: &Arc<MemoryStorage>,
    tree: &Arc<MemorySource>,
    fate: &Arc<Fate>,
    watch: Option<Box<dyn Watch>>,
) -> End {
    let is_new = medium.len().unwrap() == 0;
    let storage: Arc<dyn Storage + Send> =
        Arc::new(BadStorage(Arc::clone(medium), Arc::clone(fate)));
    let source = What::Tree(Arc::new(BadSource(Arc::clone(tree), Arc::clone(fate))));
    let options = options(Compression::Xpress, now());
    let name = if is_new { "first" } else { "second" };
    let mut writing = match is_new {
        true => instance.create(storage, &options),
        false => instance.append(storage, &options),
    }
    .expect("no trap")?;
    match writing.add(source, &image(name), watch).expect("no trap") {
        Ok(_) => writing.finish(None).expect("no trap"),
        Err(error) => {
            writing.abandon().expect("no trap");
            Err(error)
        }
    }
}

/// Opens an archive natively: number of images, and whether all data is right.
fn examine(bytes: Vec<u8>) -> Result<(u32, bool)> {
    let storage = Arc::new(MemoryStorage::new(bytes));
    let archive = Archive::open(storage, &OpenOptions::default())?;
    let report = verify(&archive, &VerifyOptions::default(), &Inline, &Silent)?;
    Ok((archive.image_count(), report.is_intact()))
}

fn first() -> Vec<u8> {
    let medium = Arc::new(MemoryStorage::default());
    let fate = Fate::new(Trouble::Nothing);
    write(&mut instance(), &medium, &tree(1), &fate, None).unwrap();
    medium.bytes()
}

#[test]
fn failing_captures_finish_nothing() {
    let source = tree(1);
    let count = {
        let fate = Fate::new(Trouble::Nothing);
        let medium = Arc::new(MemoryStorage::default());
        write(&mut instance(), &medium, &source, &fate, None).unwrap();
        fate.calls.load(Relaxed)
    };
    let mut instance = instance();
    for call in 0..count {
        for trouble in [Trouble::From(call), Trouble::Only(call)] {
            let medium = Arc::new(MemoryStorage::default());
            let end = write(&mut instance, &medium, &source, &Fate::new(trouble), None);
            let error = end.expect_err("a failure is told");
            assert!(
                error.to_string().contains("on purpose"),
                "{trouble:?}: {error}"
            );
            // What was finished all the same, because only the last sync failed, is whole.
            if let Ok(found) = examine(medium.bytes()) {
                assert_eq!(found, (1, true), "{trouble:?}");
            }
        }
    }
}

#[test]
fn failing_appends_leave_the_old_archive() {
    let (old, source) = (first(), tree(7));
    let count = {
        let fate = Fate::new(Trouble::Nothing);
        let medium = Arc::new(MemoryStorage::new(old.clone()));
        write(&mut instance(), &medium, &source, &fate, None).unwrap();
        assert_eq!(examine(medium.bytes()).unwrap(), (2, true));
        fate.calls.load(Relaxed)
    };
    let mut instance = instance();
    for call in 0..count {
        let medium = Arc::new(MemoryStorage::new(old.clone()));
        let fate = Fate::new(Trouble::Only(call));
        let end = write(&mut instance, &medium, &source, &fate, None);
        let error = end.expect_err("a failure is told");
        assert!(error.to_string().contains("on purpose"), "{call}: {error}");
        assert!(medium.bytes() == old, "call {call}: the archive changed");

        let medium = Arc::new(MemoryStorage::new(old.clone()));
        let fate = Fate::new(Trouble::From(call));
        write(&mut instance, &medium, &source, &fate, None).expect_err("a failure is told");
        let (images, intact) = examine(medium.bytes()).expect("it is still an archive");
        assert!(
            intact && (1..=2).contains(&images),
            "call {call}: {images} images"
        );
    }
}

#[test]
fn short_reads_change_nothing() {
    let old = first();
    let expected = {
        let medium = Arc::new(MemoryStorage::new(old.clone()));
        write(
            &mut instance(),
            &medium,
            &tree(7),
            &Fate::new(Trouble::Nothing),
            None,
        )
        .unwrap();
        medium.bytes()
    };
    let medium = Arc::new(MemoryStorage::new(old));
    write(
        &mut instance(),
        &medium,
        &tree(7),
        &Fate::new(Trouble::Short),
        None,
    )
    .unwrap();
    assert_same_bytes("short reads", &expected, &medium.bytes());
}

#[test]
fn lies_are_found_out() {
    let old = first();
    for trouble in [
        Trouble::TooMuch,
        Trouble::Lies(-1),
        Trouble::Lies(1),
        Trouble::Lies(1 << 32),
        Trouble::Lies(1 << 57),
        Trouble::Lies(i64::MAX),
    ] {
        let medium = Arc::new(MemoryStorage::new(old.clone()));
        let mut instance = instance();
        let end = write(&mut instance, &medium, &tree(7), &Fate::new(trouble), None);
        if let Err(error) = &end {
            assert!(
                !matches!(error, ErrorCode::Cancelled),
                "{trouble:?}: {error}"
            );
        }
        // A file that claims to be shorter than it is was changed, which is only a warning.
        assert!(end.is_err() || trouble == Trouble::Lies(-1), "{trouble:?}");
        let (images, intact) = examine(medium.bytes()).expect("it is still an archive");
        assert!(intact, "{trouble:?}");
        assert_eq!(images, if end.is_ok() { 2 } else { 1 }, "{trouble:?}");
    }
}

/// Stops after so many questions.
struct Impatient(u32);

impl Watch for Impatient {
    fn event(&mut self, _event: Event) {}

    fn cancelled(&mut self) -> bool {
        self.0 = self.0.saturating_sub(1);
        self.0 == 0
    }
}

#[test]
fn whoever_stops_leaves_the_old_archive() {
    let old = first();
    let mut instance = instance();
    for patience in 1..8 {
        let medium = Arc::new(MemoryStorage::new(old.clone()));
        let fate = Fate::new(Trouble::Nothing);
        let watch = Box::new(Impatient(patience));
        let end = write(&mut instance, &medium, &tree(7), &fate, Some(watch));
        assert!(
            matches!(end, Err(ErrorCode::Cancelled)),
            "{patience}: {end:?}"
        );
        assert!(medium.bytes() == old, "{patience}: the archive changed");
    }
}

struct BadFeed(Box<Bytes>, Arc<Fate>);

impl Feed for BadFeed {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Self(feed, fate) = self;
        fate.read(buffer, |buffer| feed.read(buffer))
    }
}

struct BadSink(Kept, Arc<Fate>);

impl Sink for BadSink {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        self.1.call(ErrorKind::Write)?;
        self.0.write(data)
    }

    fn flush(&mut self) -> Result<()> {
        self.1.call(ErrorKind::Write)
    }
}

/// Writes a pipable archive; a trap ends the test.
fn pipe(
    instance: &mut Instance,
    fate: &Arc<Fate>,
    watch: Option<Box<dyn Watch>>,
) -> (Vec<u8>, End) {
    let kept = Kept::default();
    let sink = Box::new(BadSink(kept.clone(), Arc::clone(fate)));
    let source = What::Tree(Arc::new(BadSource(tree(1), Arc::clone(fate))));
    let options = options(Compression::Xpress, now());
    let writing = instance.pipe(sink, None, &options).expect("no trap");
    let mut writing = writing.expect("nothing is asked of the host yet");
    let end = match writing
        .add(source, &image("first"), watch)
        .expect("no trap")
    {
        Ok(_) => writing.finish(None).expect("no trap"),
        Err(error) => {
            // It cannot be gone on with.
            writing
                .finish(None)
                .expect("no trap")
                .expect_err("it was given up");
            Err(error)
        }
    };
    (kept.bytes(), end)
}

fn first_piped() -> Vec<u8> {
    let (bytes, end) = pipe(&mut instance(), &Fate::new(Trouble::Nothing), None);
    assert_eq!(end.unwrap(), bytes.len() as u64);
    bytes
}

type Entries = BTreeMap<Vec<u8>, (MemoryEntry, MemoryMetadata)>;

/// Restores from a feed; a trap ends the test.
fn restore(
    instance: &mut Instance,
    bytes: &[u8],
    fate: &Arc<Fate>,
    watch: Option<Box<dyn Watch>>,
) -> (Entries, Given<Restored>) {
    let target = Arc::new(MemoryTarget::new());
    let input = Box::new(BadFeed(feed(bytes), Arc::clone(fate)));
    let end = instance.open_piped(input).expect("no trap");
    let end = end.and_then(|archive| {
        let options = RestoreOptions::empty();
        let end = archive.extract(1, &[], Arc::clone(&target) as _, &[], options, watch);
        end.expect("no trap")
    });
    (target.entries(), end)
}

fn verify_piped(instance: &mut Instance, bytes: &[u8], fate: &Arc<Fate>) -> Given<VerifyReport> {
    let input = Box::new(BadFeed(feed(bytes), Arc::clone(fate)));
    let archive = instance.open_piped(input).expect("no trap")?;
    archive.verify(None).expect("no trap")
}

/// What has its metadata is as it should be; the rest may be missing or cut off.
#[track_caller]
fn assert_honest(got: &Entries, whole: &Entries, what: &str) {
    for (path, (entry, metadata)) in got {
        let (right_entry, right_metadata) = &whole[path];
        let data = |entry: &MemoryEntry| match entry {
            MemoryEntry::File { data, .. } => Some(data.clone()),
            _ => None,
        };
        if metadata.times.is_some() {
            let is_right = data(entry) == data(right_entry) && metadata == right_metadata;
            assert!(is_right, "{what}: {path:?} only looks complete");
        }
    }
}

#[test]
fn failing_pipes_finish_nothing() {
    let whole = first_piped();
    let count = {
        let fate = Fate::new(Trouble::Nothing);
        pipe(&mut instance(), &fate, None).1.unwrap();
        fate.calls.load(Relaxed)
    };
    let mut instance = instance();
    // The data of the large file goes in many calls that are alike.
    for call in (0..30).chain((30..count).step_by(11)) {
        let (bytes, end) = pipe(&mut instance, &Fate::new(Trouble::Only(call)), None);
        let error = end.expect_err("a failure is told").to_string();
        assert!(error.contains("on purpose"), "{call}: {error}");
        assert!(
            whole.starts_with(&bytes),
            "{call}: something else was written"
        );
        if bytes.len() < whole.len() {
            let end = verify_piped(&mut instance, &bytes, &Fate::new(Trouble::Nothing));
            assert!(end.is_err(), "{call}: {} bytes are an archive", bytes.len());
        }
    }
    for patience in [1, 2, 3, 5, 8] {
        let watch = Box::new(Impatient(patience));
        let (bytes, end) = pipe(&mut instance, &Fate::new(Trouble::Nothing), Some(watch));
        assert!(
            matches!(end, Err(ErrorCode::Cancelled)),
            "{patience}: {end:?}"
        );
        assert!(bytes.len() < whole.len());
    }
    for trouble in [Trouble::TooMuch, Trouble::Lies(1), Trouble::Lies(1 << 57)] {
        let (bytes, end) = pipe(&mut instance, &Fate::new(trouble), None);
        assert!(end.is_err(), "{trouble:?}");
        assert!(bytes.len() < whole.len(), "{trouble:?}");
    }
    let (bytes, end) = pipe(&mut instance, &Fate::new(Trouble::Short), None);
    assert_eq!(end.unwrap(), whole.len() as u64);
    assert_same_bytes("short reads", &whole, &bytes);
}

#[test]
fn failing_feeds_restore_nothing_wrong() {
    let bytes = first_piped();
    let fate = Fate::new(Trouble::Nothing);
    let (whole, end) = restore(&mut instance(), &bytes, &fate, None);
    assert_eq!(end.unwrap().files, 4);
    let count = fate.calls.load(Relaxed);
    let mut instance = instance();
    let mut failures = 0;
    // The data of the large file comes in many calls that are alike.
    for call in (0..40).chain((40..count).step_by(29)) {
        let fate = || Fate::new(Trouble::Only(call));
        let (entries, end) = restore(&mut instance, &bytes, &fate(), None);
        match end {
            // What comes behind the data is not needed.
            Ok(_) => assert_eq!(entries, whole),
            Err(error) => {
                failures += 1;
                let is_right =
                    matches!(&error, ErrorCode::Read(text) if text.contains("on purpose"));
                assert!(is_right, "{call}: {error}");
                assert_honest(&entries, &whole, &format!("call {call}"));
            }
        }
        let end = verify_piped(&mut instance, &bytes, &fate());
        assert!(matches!(end, Err(ErrorCode::Read(_))), "{call}: {end:?}");
    }
    assert!(failures > 5, "{failures} of {count} calls mattered");

    let (entries, end) = restore(&mut instance, &bytes, &Fate::new(Trouble::Short), None);
    assert!(end.is_ok() && entries == whole, "{end:?}");
    let (entries, end) = restore(&mut instance, &bytes, &Fate::new(Trouble::TooMuch), None);
    assert!(matches!(end, Err(ErrorCode::Read(_))), "{end:?}");
    assert!(entries.is_empty());
    for patience in 1..4 {
        let watch = Box::new(Impatient(patience));
        let fate = Fate::new(Trouble::Nothing);
        let (entries, end) = restore(&mut instance, &bytes, &fate, Some(watch));
        assert!(
            matches!(end, Err(ErrorCode::Cancelled)),
            "{patience}: {end:?}"
        );
        assert_honest(&entries, &whole, "stopped");
    }
}

#[test]
fn feeds_that_end_too_early_or_are_damaged() {
    let bytes = first_piped();
    let fate = Fate::new(Trouble::Nothing);
    let mut instance = instance();
    let (whole, _) = restore(&mut instance, &bytes, &fate, None);
    for length in (0..bytes.len()).step_by(bytes.len() / 12) {
        let cut = &bytes[..length];
        let (entries, end) = restore(&mut instance, cut, &fate, None);
        match end {
            // Only what comes behind the data is missing.
            Ok(_) => assert_eq!(entries, whole),
            Err(error) => {
                assert!(matches!(error, ErrorCode::Read(_)), "{length}: {error}");
                assert_honest(&entries, &whole, &format!("{length} bytes"));
            }
        }
        let end = verify_piped(&mut instance, cut, &fate);
        assert!(matches!(end, Err(ErrorCode::Read(_))), "{length}: {end:?}");
    }
    for at in (0..400)
        .step_by(7)
        .chain((400..bytes.len()).step_by(bytes.len() / 8))
    {
        let mut changed = bytes.clone();
        changed[at] ^= 0x41;
        let (entries, end) = restore(&mut instance, &changed, &fate, None);
        if let Ok(end) = end {
            assert!(end.damaged == 0 && at < 3000, "{at}: {end:?}");
        }
        drop(entries);
        verify_piped(&mut instance, &changed, &fate).ok();
    }
}

#[test]
fn a_writer_that_is_dropped_leaves_the_old_archive() {
    let old = first();
    let medium = Arc::new(MemoryStorage::new(old.clone()));
    let mut instance = instance();
    let options = options(Compression::Xpress, now());
    let mut writing = instance
        .append(Arc::clone(&medium) as _, &options)
        .unwrap()
        .unwrap();
    let what = What::Tree(tree(7));
    writing.add(what, &image("second"), None).unwrap().unwrap();
    assert!(medium.bytes().len() > old.len());
    writing.abandon().unwrap();
    assert!(medium.bytes() == old, "the archive changed");
}

#[test]
fn names_and_arguments_that_cannot_be_are_refused() {
    let old = first();
    let mut instance = instance();
    let medium = Arc::new(MemoryStorage::new(old.clone()));
    let fitting = options(Compression::Xpress, now());
    let mut writing = instance
        .append(Arc::clone(&medium) as _, &fitting)
        .unwrap()
        .unwrap();
    let end = writing
        .add(What::Tree(tree(7)), &image("first"), None)
        .unwrap();
    assert!(matches!(end, Err(ErrorCode::NameInUse(_))), "{end:?}");
    writing.abandon().unwrap();
    assert!(medium.bytes() == old, "the archive changed");

    let mut wrong = fitting;
    wrong.chunk_size = 12345;
    let end = instance
        .create(Arc::new(MemoryStorage::default()), &wrong)
        .unwrap();
    assert!(matches!(end.err(), Some(ErrorCode::Argument(_))));
    wrong.compression = Compression::Lzms;
    wrong.chunk_size = 1 << 30;
    let end = instance
        .create(Arc::new(MemoryStorage::default()), &wrong)
        .unwrap();
    assert!(matches!(end.err(), Some(ErrorCode::Memory(_))));
}

#[test]
fn damaged_archives_are_errors() {
    let whole = first();
    let mut instance = instance();
    let mut try_it = |bytes: Vec<u8>| {
        let storage: Arc<dyn Storage + Send> = Arc::new(MemoryStorage::new(bytes));
        let Ok(mut reading) = instance.open(vec![storage]).expect("no trap") else {
            return;
        };
        reading.verify(None).expect("no trap").ok();
        if let Ok(mut image) = reading.image(1).expect("no trap") {
            image.list(&[]).expect("no trap").ok();
        }
    };
    for length in (0..whole.len()).step_by(whole.len() / 40) {
        try_it(whole[..length].to_vec());
    }
    for step in 0..200 {
        let mut bytes = whole.clone();
        let header = step < 100;
        let at = match header {
            true => step * 2,
            false => whole.len() - 1 - (step - 100) * 37,
        };
        bytes[at] ^= 0x41;
        try_it(bytes);
    }
}
