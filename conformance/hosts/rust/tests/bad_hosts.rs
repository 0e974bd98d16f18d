//! Hosts that fail, give too little or too much, lie, or want to stop: always an error, never a trap,
//! and what was there before stays valid.

mod fate;
mod pipes;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use wimforge_core::Result;
use wimforge_core::archive::verify::{VerifyOptions, verify};
use wimforge_core::archive::{Archive, OpenOptions};
use wimforge_core::port::memory::MemoryStorage;
use wimforge_core::port::memory_source::MemorySource;
use wimforge_core::port::{Inline, Silent, Storage};
use wimforge_host_example::bindings::wimforge::imaging::observer::Event;
use wimforge_host_example::bindings::wimforge::imaging::types::{Compression, ErrorCode};
use wimforge_host_example::library::{Given, Instance, What, options};
use wimforge_host_example::ports::Watch;

use self::fate::{BadSource, BadStorage, Fate, Trouble};
use crate::support::*;

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
