//! Packing together in place.

use super::*;
use crate::archive::IntegrityState;
use crate::write::{
    Change, Departure, Draft, Means, SolidOptions, SolidOrder, check_compactable, compact,
};

/// An archive of two images with holes in it, the first of which is gone.
fn holey(options: &WriteOptions) -> Arc<MemoryStorage> {
    let storage = Arc::new(MemoryStorage::default());
    capture_to(&*storage, &varied(), options, &Silent).unwrap();
    for (name, seed) in [("two", 1), ("three", 2)] {
        let mut source = MemorySource::new();
        source.file("kept", text(100_000));
        source.file("noise", noise(seed, 200_000));
        let archive = Archive::open(storage.clone(), &OpenOptions::default()).unwrap();
        let scanned = scan(&source, OnUnreadable::Fail, &Silent);
        let sources: [&dyn Source; 1] = [&source];
        let new = image(name, scanned, &sources);
        append(archive, new, &means(options)).unwrap();
    }
    let archive = Archive::open(storage.clone(), &OpenOptions::default()).unwrap();
    let gone = archive.read_image(1, &mut |_| {}).unwrap();
    let means = Means {
        options,
        workers: &Inline,
        observer: &Silent,
    };
    let mut draft = Draft::append(archive, options).unwrap();
    let mut departure = Departure::default();
    departure.add(1, &gone);
    let change = Change::Delete(departure);
    draft.make(&*storage, change, &means).unwrap();
    draft.finish(&*storage, &Silent).unwrap();
    storage
}

fn compacted(storage: &Arc<MemoryStorage>) -> u64 {
    let archive = Archive::open(storage.clone(), &OpenOptions::default()).unwrap();
    check_compactable(&archive).unwrap();
    compact(archive, IntegrityChoice::Keep, &Silent).unwrap()
}

#[test]
fn what_is_in_use_moves_together() {
    let solid = SolidOptions {
        format: Format::Lzx,
        chunk_size: 32768,
        level: Level::QUICK,
        order: SolidOrder::Tree,
    };
    for (solid, integrity) in [
        (None, IntegrityChoice::Include),
        (None, IntegrityChoice::Omit),
        (Some(solid), IntegrityChoice::Include),
    ] {
        let options = WriteOptions {
            solid,
            integrity,
            ..options(LZX)
        };
        let storage = holey(&options);
        let before = storage.bytes();
        let size = compacted(&storage);
        let after = storage.bytes();
        assert_eq!(size, after.len() as u64);
        assert!(size < before.len() as u64);
        // As small as an archive that is written anew, and with the same in it.
        let anew = MemoryStorage::default();
        let archive = open(before);
        rebuild(&archive, &anew, None, &means(&options)).unwrap();
        assert_eq!(size, anew.bytes().len() as u64, "{solid:?}");
        assert_sound(after.clone());
        let archive = open(after.clone());
        assert_eq!(archive.image_count(), 2);
        assert_eq!(read(&archive, 1, "/kept"), text(100_000));
        assert_eq!(read(&archive, 2, "/noise"), noise(2, 200_000));
        let state = crate::archive::check_integrity(&archive, &Silent).unwrap();
        let expected = match integrity {
            IntegrityChoice::Include => IntegrityState::Good,
            _ => IntegrityState::Absent,
        };
        assert_eq!(state, expected);
        // Nothing is left to be done.
        compacted(&storage);
        assert!(storage.bytes() == after);
    }
}

#[test]
fn a_crash_in_the_middle_is_seen() {
    let storage = holey(&options(LZX));
    let before = storage.bytes();
    compacted(&storage);
    let after = storage.bytes();
    for point in 0.. {
        let dying = Arc::new(Dying {
            inner: MemoryStorage::new(before.clone()),
            left: AtomicU64::new(point),
            torn: 700,
        });
        let archive = Archive::open(dying.clone(), &OpenOptions::default()).unwrap();
        let done = compact(archive, IntegrityChoice::Keep, &Silent);
        let left = dying.inner.bytes();
        if done.is_ok() {
            assert!(left == after);
            break;
        }
        // Either nothing was lost, or the flag in the header says that something may be.
        let flags = left[0x10];
        let is_flagged = flags & 0x40 != 0;
        let is_whole = left == before || left.get(..after.len()) == Some(&after[..]);
        assert!(is_flagged || is_whole, "at {point}");
    }
}

#[test]
fn what_cannot_be_packed_together_is_left_alone() {
    let storage = holey(&options(LZX));
    let mut bytes = storage.bytes();
    // READONLY.
    bytes[0x10] |= 0x04;
    let archive = open(bytes);
    let kind = |archive: &Archive| check_compactable(archive).unwrap_err().kind();
    assert_eq!(kind(&archive), ErrorKind::ReadOnly);
}
