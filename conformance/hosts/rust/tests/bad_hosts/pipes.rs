//! Pipes of bad hosts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{End, Impatient, tree};
use wimforge_core::port::memory_target::{MemoryEntry, MemoryMetadata, MemoryTarget};
use wimforge_host_example::bindings::exports::wimforge::imaging::archive::{
    RestoreOptions, Restored, VerifyReport,
};
use wimforge_host_example::bindings::wimforge::imaging::types::{Compression, ErrorCode};
use wimforge_host_example::library::{Given, Instance, What, options};
use wimforge_host_example::ports::Watch;

use super::fate::{BadFeed, BadSink, BadSource, Fate, Trouble};
use crate::support::*;

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
