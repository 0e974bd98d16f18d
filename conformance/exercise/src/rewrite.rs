//! Everything that makes archives of archives, for archives of which nothing can be believed.

use std::sync::Arc;

use wimforge_codec::Level;
use wimforge_core::Result;
use wimforge_core::archive::{Archive, OpenOptions};
use wimforge_core::format::Guid;
use wimforge_core::image::diff::{Aspects, diff};
use wimforge_core::port::memory::MemoryStorage;
use wimforge_core::port::{Inline, OnUnreadable, Silent};
use wimforge_core::time::FileTime;
use wimforge_core::write::pipable::{self, Contents, Destination};
use wimforge_core::write::{
    Change, Departure, Draft, Existing, IntegrityChoice, Means, Rebuild, Recompress, Setting,
    Split, WriteOptions,
};

/// Optimizes, exports, splits, deletes, describes and compares. What comes of it without an error must
/// be an archive; the file that was changed in place must be what it was before if there was an error.
pub fn everything(archive: &Archive, data: &[u8]) {
    let options = WriteOptions {
        compression: archive.header().compression,
        level: Level::QUICK,
        solid: None,
        integrity: IntegrityChoice::Keep,
        guid: Some(Guid([7; 16])),
        now: FileTime(133_000_000_000_000_000),
        on_unreadable: OnUnreadable::Fail,
    };
    let means = Means {
        options: &options,
        workers: &Inline,
        observer: &Silent,
    };
    for recompress in [Recompress::WhereNeeded, Recompress::All] {
        let plan = Rebuild {
            recompress,
            without: Vec::from_iter((archive.image_count() > 1).then_some(1)),
            ..Rebuild::default()
        };
        written(|storage| {
            Draft::rebuild(archive, &plan, storage, &means)?.finish(storage, &Silent)?;
            Ok(())
        });
        written(|storage| {
            let contents = Contents::rebuild(archive, &plan)?;
            let to = Destination::File(storage);
            pipable::write(to, contents, &means).map(drop)
        });
    }
    written(|storage| {
        let mut draft = Draft::create(storage, &options)?;
        draft.make(storage, Change::Add(images(archive)), &means)?;
        draft.finish(storage, &Silent).map(drop)
    });
    if let Ok(split) = Split::plan(archive, 1000, Guid([7; 16])) {
        for part in 1..=split.parts().min(10) {
            let _ = split.write(part, &MemoryStorage::default(), &means);
        }
    }
    let name = Setting::Property {
        image: 1,
        name: "NAME".into(),
        value: "another".into(),
    };
    in_place(data, &means, |_| Change::Describe(vec![name]));
    in_place(data, &means, |archive| {
        let mut departure = Departure::default();
        if let Ok(tree) = archive.read_image(1, &mut |_| {}) {
            departure.add(1, &tree);
        }
        Change::Delete(departure)
    });
    let trees =
        (1..=archive.image_count().min(2)).map(|index| archive.read_image(index, &mut |_| {}));
    if let [Ok(first), .., Ok(last)] = &trees.collect::<Vec<_>>()[..] {
        let _ = diff(first, last, Aspects::all());
    }
}

fn images(archive: &Archive) -> Vec<Existing<'_>> {
    let existing = |index| Existing {
        from: archive,
        index,
        name: Some(index.to_string()),
        description: None,
        properties: Vec::new(),
        boot: false,
        recompress: Recompress::WhereNeeded,
    };
    (1..=archive.image_count()).map(existing).collect()
}

/// Writes a new archive, which can be opened if nothing was wrong.
fn written(write: impl FnOnce(&MemoryStorage) -> Result<()>) {
    let storage = MemoryStorage::default();
    if write(&storage).is_ok() {
        let storage = Arc::new(storage);
        Archive::open(storage, &OpenOptions::default()).expect("what was written is an archive");
    }
}

/// Changes a copy of the archive in place.
fn in_place(data: &[u8], means: &Means<'_>, change: impl FnOnce(&Archive) -> Change<'static>) {
    let storage = Arc::new(MemoryStorage::new(data.to_vec()));
    let Ok(archive) = Archive::open(storage.clone(), &OpenOptions::default()) else {
        return;
    };
    let change = change(&archive);
    let Ok(mut draft) = Draft::append(archive, means.options) else {
        return;
    };
    let made = draft.make(&*storage, change, means);
    match made.and_then(|()| draft.finish(&*storage, &Silent)) {
        Ok(_) => {
            Archive::open(storage, &OpenOptions::default())
                .expect("what was changed is an archive");
        }
        Err(_) => assert!(storage.bytes() == data, "what was not changed is as it was"),
    }
}
