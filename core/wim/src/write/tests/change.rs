//! Changes of an archive that exists, and a machine that dies at any write of them.

use super::*;
use crate::archive::Place;
use crate::hash::Sha1;
use crate::scan::{Depth, Missing};
use crate::write::{
    Change, ChangedImage, Departure, Draft, Existing, Means, Rebuild, Recompress, Scope, Setting,
    Split, fill_in_sizes,
};

/// An archive with two images that have some data in common.
fn two_images() -> (MemorySource, Vec<u8>) {
    let mut source = MemorySource::new();
    source.file("a", text(100_000));
    let one = captured(
        &source,
        &WriteOptions {
            integrity: IntegrityChoice::Include,
            ..options(LZX)
        },
    );
    source.file("b", noise(4, 70_000));
    let storage = Arc::new(MemoryStorage::new(one));
    let archive = Archive::open(storage.clone(), &OpenOptions::default()).unwrap();
    let scanned = scan(&source, OnUnreadable::Fail, &Silent);
    let sources: [&dyn Source; 1] = [&source];
    let new = image("two", scanned, &sources);
    append(archive, new, &means(&options(LZX))).unwrap();
    (source, storage.bytes())
}

/// Everything that can be done to the archive in place.
fn changes(archive: &Archive) -> Vec<Change<'static>> {
    let tree = |index| archive.read_image(index, &mut |_| {}).unwrap();
    let departure = |images: &[u32]| {
        let mut departure = Departure::default();
        for &index in images {
            departure.add(index, &tree(index));
        }
        departure
    };
    let property = |name: &str, value: &str| Setting::Property {
        image: 2,
        name: name.into(),
        value: value.into(),
    };
    let mut old = tree(2);
    fill_in_sizes(&mut old, archive);
    let old_data = old.data().map(|(_, hash)| hash).collect();
    let usual = ScanOptions::default();
    let mut scanner = Scanner::resume(old, &usual, &Silent);
    scanner.delete(b"b", Depth::File, Missing::Refuse).unwrap();
    scanner.rename(b"a", b"c").unwrap();
    let changed = ChangedImage {
        index: 2,
        scanned: scanner.finish().unwrap(),
        old_data,
        sources: &[],
        latest_time: None,
    };
    vec![
        Change::Describe(vec![property("NAME", "other"), Setting::Boot(2)]),
        Change::Describe(vec![property("X/Y", &"long".repeat(1000))]),
        Change::Delete(departure(&[1])),
        Change::Delete(departure(&[1, 2])),
        Change::Replace(Box::new(changed)),
    ]
}

#[test]
fn a_change_that_dies_anywhere_leaves_the_old_archive() {
    let (_, old) = two_images();
    let count = changes(&open(old.clone())).len();
    for number in 0..count {
        let mut survived = 0;
        for steps in 0.. {
            let storage = Arc::new(Dying {
                inner: MemoryStorage::new(old.clone()),
                left: AtomicU64::new(steps),
                torn: 100,
            });
            let archive = Archive::open(storage.clone(), &OpenOptions::default()).unwrap();
            let change = changes(&archive).swap_remove(number);
            let options = options(LZX);
            let made = Draft::append(archive, &options).and_then(|mut draft| {
                draft.make(&*storage, change, &means(&options))?;
                draft.finish(&*storage, &Silent)
            });
            let bytes = storage.inner.bytes();
            if made.is_ok() {
                assert_sound(bytes);
                break;
            }
            survived += 1;
            let archive = open(bytes);
            // Nothing in between: the old header or, if only the last sync is missing, the new one.
            let is_old = archive.xml.name(1) == "one" && archive.xml.name(2) == "two";
            if is_old && archive.image_count() == 2 && archive.header().boot_index == 0 {
                assert_eq!(
                    read(&archive, 1, "/a"),
                    text(100_000),
                    "change {number}, {steps}"
                );
            }
            assert!(archive.image_count() == 2 || matches!(number, 2 | 3));
        }
        assert!(survived > 3, "only {survived} points of failure");
    }
}

#[test]
fn the_same_changes_are_made_in_an_archive_written_anew() {
    let (_, old) = two_images();
    let archive = open(old);
    let options = options(LZX);
    for change in changes(&archive) {
        let storage = MemoryStorage::default();
        let plan = Rebuild::default();
        let mut draft = Draft::rebuild(&archive, &plan, &storage, &means(&options)).unwrap();
        draft.make(&storage, change, &means(&options)).unwrap();
        draft.finish(&storage, &Silent).unwrap();
        assert_sound(storage.bytes());
    }
}

#[test]
fn changes_that_cannot_be_made_leave_the_file_as_it_was() {
    let (_, old) = two_images();
    let nobody = |image| Setting::Property {
        image,
        name: "NAME".into(),
        value: "one".into(),
    };
    for (setting, kind) in [
        (Setting::Boot(3), ErrorKind::NoSuchImage),
        (nobody(3), ErrorKind::ImageNameInUse),
        (nobody(2), ErrorKind::ImageNameInUse),
    ] {
        let storage = Arc::new(MemoryStorage::new(old.clone()));
        let archive = Archive::open(storage.clone(), &OpenOptions::default()).unwrap();
        let options = options(LZX);
        let mut draft = Draft::append(archive, &options).unwrap();
        let change = Change::Describe(vec![setting]);
        let refused = draft.make(&*storage, change, &means(&options));
        assert_eq!(refused.unwrap_err().kind(), kind);
        assert!(storage.bytes() == old);
    }
}

/// The parts of an archive that was cut into as many as possible, as one archive.
fn joined(archive: &Archive, means: &Means<'_>) -> Archive {
    let split = Split::plan(archive, 1, Guid([9; 16])).unwrap();
    assert!(split.parts() > 2);
    let part = |number| {
        let storage = Arc::new(MemoryStorage::default());
        split.write(number, &*storage, means).unwrap();
        storage
    };
    let mut set = Archive::open(part(1), &OpenOptions::default()).unwrap();
    for number in 2..=split.parts() {
        set.add_file(part(number)).unwrap();
    }
    set
}

/// Data that passes through as it is stored is checked where that needs no decoding.
#[test]
fn damaged_data_is_copied_only_where_it_is_compressed() {
    let mut source = MemorySource::new();
    let files = [noise(1, 1000), noise(2, 70_000), text(3_000_000)];
    for (name, data) in ["a", "b", "large"].into_iter().zip(&files) {
        source.file(name, data.clone());
    }
    let rebuilt = |bytes: Vec<u8>, options: &WriteOptions| {
        let storage = MemoryStorage::default();
        let plan = Rebuild::default();
        Draft::rebuild(&open(bytes), &plan, &storage, &means(options))?.finish(&storage, &Silent)
    };
    for compression in [Compression::None, LZX] {
        let options = options(compression);
        let whole = captured(&source, &options);
        rebuilt(whole.clone(), &options).unwrap();
        let blobs = open(whole.clone()).blobs;
        for file in &files {
            let blob = blobs.get(blobs.find(&Sha1::of(file)).unwrap());
            let Place::Alone { resource, .. } = blob.place else {
                panic!("solid");
            };
            assert_eq!(resource.is_compressed(), compression == LZX);
            let mut damaged = whole.clone();
            damaged[(resource.offset + resource.size - 10) as usize] ^= 1;
            let made = rebuilt(damaged, &options).map_err(|error| error.kind());
            match compression {
                Compression::None => assert_eq!(made, Err(ErrorKind::HashMismatch)),
                Compression::Chunked(..) => assert!(made.is_ok()),
            }
        }
    }
}

/// A way to write into a new file.
type Way<'w> = &'w dyn Fn(&dyn Storage) -> Result<u64>;

/// What is written into a new file before that gets its name.
#[test]
fn a_new_archive_made_of_others_that_dies_anywhere_is_none() {
    let (_, old) = two_images();
    let archive = open(old);
    let options = options(LZX);
    let means = means(&options);
    let recompressed = Rebuild {
        recompress: Recompress::All,
        ..Rebuild::default()
    };
    let rebuilt = |storage: &dyn Storage, plan: &Rebuild| {
        Draft::rebuild(&archive, plan, storage, &means)?.finish(storage, &Silent)
    };
    let set = joined(&archive, &means);
    let whole = Rebuild {
        scope: Scope::WholeSet,
        ..Rebuild::default()
    };
    let ways: [Way<'_>; 5] = [
        &|storage| rebuilt(storage, &Rebuild::default()),
        &|storage| rebuilt(storage, &recompressed),
        &|storage| {
            let mut draft = Draft::create(storage, &options)?;
            let existing = Existing {
                from: &archive,
                index: 2,
                name: None,
                description: None,
                properties: Vec::new(),
                boot: false,
                recompress: Recompress::WhereNeeded,
            };
            draft.make(storage, Change::Add(vec![existing]), &means)?;
            draft.finish(storage, &Silent)
        },
        &|storage| Draft::rebuild(&set, &whole, storage, &means)?.finish(storage, &Silent),
        &|storage| Split::plan(&archive, 1, Guid([9; 16]))?.write(1, storage, &means),
    ];
    for (number, way) in ways.iter().enumerate() {
        let mut died = 0;
        for steps in 0.. {
            let storage = Dying {
                inner: MemoryStorage::default(),
                left: AtomicU64::new(steps),
                torn: 100,
            };
            let made = way(&storage);
            let bytes = storage.inner.bytes();
            let opened = Archive::open(
                Arc::new(MemoryStorage::new(bytes.clone())),
                &OpenOptions::default(),
            );
            if made.is_ok() {
                assert!(opened.is_ok(), "way {number}");
                break;
            }
            // If only the last sync is missing it is complete.
            if opened.is_ok() && number < 4 {
                assert_sound(bytes);
            }
            died += 1;
        }
        assert!(died > 3, "way {number}: only {died} points of failure");
    }
}
