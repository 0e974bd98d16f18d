//! Volumes with something wrong, made in memory: what is refused, what is told, what still works.

use std::sync::Arc;

use wimforge_ntfs::{
    Catalog, Error, Fault, FileReference, FileSystem, Limits, ReadAt, Volume, Warning, partition,
};

use crate::maker::attribute::{Attribute, Body, SPARSE};
use crate::maker::{Maker, POSIX, ROOT, fix_ups, reference};
use crate::support::{Tree, open};

#[test]
fn entries_that_are_out_of_date() {
    let mut maker = Maker::new(4096, 1024);
    let good = maker.file(ROOT, "good");
    let good_directory = maker.directory(ROOT, "home");
    maker.entry(good, ROOT, "other name", POSIX);
    let unused = maker.file(ROOT, "unused");
    maker.records.get_mut(&unused).unwrap().flags = 0;
    let broken = maker.file(ROOT, "broken");
    maker.records.get_mut(&broken).unwrap().attributes.clear();
    let extended = maker.file(ROOT, "extended");
    let extension = maker.extension(extended, vec![Attribute::resident(0x80, "", "x")]);
    maker.entry(extension, ROOT, "an extension", POSIX);
    maker.file(ROOT, "reused");
    maker.file(ROOT, "slash/ed");
    for head in maker
        .heads(ROOT)
        .filter(|head| **head == reference(extension + 1))
    {
        *head += 1 << 48;
    }
    maker.entry(10_000, ROOT, "nowhere", POSIX);
    // Directories in two places, under two names, and within themselves.
    let both = maker.directory(ROOT, "both");
    maker.link(both, good_directory, "both again", POSIX);
    maker.entry(both, ROOT, "both also", POSIX);
    let twice = maker.directory(ROOT, "twice");
    let inner = maker.directory(twice, "inner");
    maker.entry(twice, inner, "loop", POSIX);

    let tree = Tree::read(&open(maker.finish()));
    assert_eq!(
        tree.paths(),
        [
            "/",
            "/both",
            "/extended",
            "/good",
            "/home",
            "/other name",
            "/twice",
            "/twice/inner"
        ]
    );
    assert!(!tree.get("/other name").up_to_date);
    let mut refused: Vec<_> = tree
        .refused
        .iter()
        .map(|(path, error)| match error {
            Error::Damaged { fault, .. } => (path.as_str(), fault.clone()),
            other => panic!("{other}"),
        })
        .collect();
    refused.sort_by_key(|found| found.0);
    let extended = u64::from(extended);
    assert_eq!(
        refused,
        [
            ("/an extension", Fault::IsExtension(extended)),
            ("/both also", Fault::ForeignDirectory),
            ("/broken", Fault::NoAttribute),
            ("/home/both again", Fault::ForeignDirectory),
            ("/nowhere", Fault::BeyondMft),
            (
                "/reused",
                Fault::Stale {
                    expected: 4,
                    found: 3
                }
            ),
            ("/slash/ed", Fault::ImpossibleName),
            ("/twice/inner/loop", Fault::ForeignDirectory),
            ("/unused", Fault::NotInUse),
        ]
    );
}

#[test]
fn damage_of_one_file_does_not_hide_the_others() {
    let mut maker = Maker::new(4096, 1024);
    for number in 0..10 {
        let file = maker.file(ROOT, &format!("file {number}"));
        maker.attribute(file, Attribute::resident(0x80, "", "contents"));
    }
    let mut bytes = maker.finish();
    // The torn write of the record of file 4.
    let name: Vec<u8> = "file 4".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let record = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, window)| window == b"FILE")
        .map(|(at, _)| at)
        .find(|at| {
            bytes[*at..at + 400]
                .windows(12)
                .any(|window| window == name)
        })
        .unwrap();
    bytes[record + 510] ^= 1;
    let tree = Tree::read(&open(bytes));
    assert_eq!(tree.nodes.len(), 10);
    assert_eq!(tree.refused.len(), 1);
    assert!(matches!(
        tree.refused[0].1,
        Error::Damaged {
            fault: Fault::TornWrite { piece: 0 },
            ..
        }
    ));
}

#[test]
fn warnings() {
    let warnings = |change: &dyn Fn(&mut Maker)| {
        let mut maker = Maker::new(4096, 1024);
        change(&mut maker);
        let volume = open(maker.finish());
        volume
            .warnings()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(warnings(&|_| {}).len(), 0);
    let dirty = warnings(&|maker| maker.volume_flags = 1);
    assert_eq!(dirty, [Warning::Dirty.to_string()]);
    assert_eq!(warnings(&|maker| maker.volume_flags = 0x80).len(), 0);
    for (start, length, hibernated) in [
        (b"hibr", 4096, true),
        (b"HIBR", 9000, true),
        (b"hibr", 4095, false),
        (b"wake", 4096, false),
        (b"\0\0\0\0", 4096, false),
    ] {
        let found = warnings(&|maker| {
            let mut data = start.to_vec();
            data.resize(length, 1);
            let file = maker.file(ROOT, "HiberFil.sys");
            let attribute = maker.stored(0x80, "", &data);
            maker.attribute(file, attribute);
        });
        let expected: &[String] = &[Warning::Hibernated.to_string()];
        assert_eq!(found, if hibernated { expected } else { &[] });
    }
}

#[test]
fn the_mirror_stands_in() {
    let mut maker = Maker::new(4096, 1024);
    maker.file(ROOT, "file");
    let mut bytes = maker.finish();
    let mft = u64::from_le_bytes(bytes[48..56].try_into().unwrap()) as usize * 4096;
    bytes[mft] = 0;
    let volume = open(bytes);
    assert!(matches!(volume.warnings(), [Warning::MirrorUsed]));
    assert_eq!(Tree::read(&volume).paths(), ["/", "/file"]);
}

#[test]
fn the_copy_of_the_boot_sector() {
    for (cluster, record, sector) in [(4096, 1024, 512), (4096, 4096, 4096)] {
        let mut maker = Maker::new(cluster, record);
        maker.sector_size = sector;
        maker.file(ROOT, "file");
        let mut bytes = maker.finish();
        bytes[..512].fill(0);
        let device: Arc<Vec<u8>> = Arc::new(bytes);
        assert!(matches!(
            Volume::open(device.clone(), Limits::default()),
            Err(Error::NotNtfs(FileSystem::Empty))
        ));
        let volume = Volume::open_by_copy(device, Limits::default()).unwrap();
        assert_eq!(Tree::read(&volume).paths(), ["/", "/file"]);
    }
    let empty: Arc<Vec<u8>> = Arc::new(Vec::new());
    assert!(Volume::open_by_copy(empty.clone(), Limits::default()).is_err());
    assert!(Volume::open(empty, Limits::default()).is_err());
}

#[test]
fn a_partition_of_a_disk() {
    let mut maker = Maker::new(4096, 1024);
    maker.file(ROOT, "file");
    let volume = maker.finish();
    let mut disk = vec![0; 64 * 512];
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    disk[446 + 16 + 4] = 7;
    disk[446 + 16 + 8] = 64;
    let sectors = (volume.len() / 512) as u32;
    disk[446 + 16 + 12..446 + 32].copy_from_slice(&sectors.to_le_bytes());
    disk.extend(&volume);
    disk.extend([0xAB; 5000]);
    let disk: Arc<dyn ReadAt> = Arc::new(disk);
    match Volume::open(Arc::clone(&disk), Limits::default()) {
        Err(Error::NotNtfs(FileSystem::MbrDisk)) => {}
        other => panic!("{:?}", other.err()),
    }
    let found = partition::list(&*disk).unwrap();
    assert_eq!((found.len(), found[0].number), (1, 2));
    assert_eq!(found[0].file_system(&*disk).unwrap(), FileSystem::Ntfs);
    let window = found[0].window(disk);
    let volume = Volume::open(Arc::new(window), Limits::default()).unwrap();
    assert!(volume.warnings().is_empty());
    assert_eq!(Tree::read(&volume).paths(), ["/", "/file"]);
}

#[test]
fn sizes_beyond_all_reason() {
    let mut maker = Maker::new(4096, 1024);
    let file = maker.file(ROOT, "huge");
    let size = 1 << 60;
    let (lcn, _) = maker.store(b"the end");
    let runs = vec![(None, (size >> 12) - 1), (Some(lcn), 1)];
    let attribute = Attribute::clusters(0x80, "", runs, size - 4096 + 7, 4096);
    maker.attribute(file, attribute.with_flags(SPARSE));
    let file = maker.file(ROOT, "impossible");
    let runs = vec![(None, 1 << 54)];
    let mut attribute = Attribute::clusters(0x80, "", runs, 0, 4096);
    if let Body::Clusters { allocated, .. } = &mut attribute.body {
        *allocated = 1 << 62;
    }
    maker.attribute(file, attribute.with_flags(SPARSE));
    let file = maker.file(ROOT, "list");
    let list = Attribute::clusters(0x20, "", vec![(None, size >> 12)], size, 4096);
    maker.attribute(file, list);

    let volume = open(maker.finish());
    let file = |name: &str| volume.file(volume.find_path(name).unwrap());
    let stream = file("huge").unwrap().open_stream(&[]).unwrap();
    let mut buffer = [1; 5000];
    assert_eq!(stream.read_at(1 << 59, &mut buffer).unwrap(), 5000);
    assert_eq!(buffer, [0; 5000]);
    assert_eq!(stream.read_at(size - 4096, &mut buffer).unwrap(), 7);
    assert_eq!(&buffer[..7], b"the end");
    assert_eq!(stream.read_at(u64::MAX, &mut buffer).unwrap(), 0);
    assert!(file("impossible").unwrap().open_stream(&[]).is_err());
    assert!(matches!(file("list"), Err(Error::Limit { .. })));
}

/// Directories that share the blocks of one index, to make reading take the square of their size.
#[test]
fn borrowed_entries_are_not_read_to_the_end() {
    let mut maker = Maker::new(4096, 1024);
    let rich = maker.directory(ROOT, "rich");
    for number in 0..3000 {
        maker.file(rich, &format!("entry {number}"));
    }
    let poor = maker.directory(ROOT, "poor");
    maker.move_entries(rich, poor);
    let volume = open(maker.finish());
    let poor = volume.find_path("poor").unwrap();
    assert!(matches!(volume.list(poor), Err(Error::Limit { .. })));
}

#[test]
fn volumes_that_are_cut_off() {
    let mut maker = Maker::new(4096, 1024);
    let file = maker.file(ROOT, "file");
    let bytes = {
        let attribute = maker.stored(0x80, "", &[1; 10_000]);
        maker.attribute(file, attribute);
        maker.finish()
    };
    let mut cut = 0;
    while cut < bytes.len() {
        let device = Arc::new(bytes[..cut].to_vec());
        match Volume::open(device, Limits::default()) {
            Ok(volume) => assert!(
                volume.warnings().iter().any(|warning| {
                    cut + 4096 > bytes.len() || matches!(warning, Warning::CutOff { .. })
                }) || cut + 4096 > bytes.len()
            ),
            Err(Error::NotNtfs(kind)) => {
                assert!(cut < 11 && matches!(kind, FileSystem::Empty | FileSystem::Unknown));
            }
            Err(_) => {}
        }
        cut = cut * 9 / 8 + 1;
    }
}

/// A restart page of the log.
fn restart_page(lsn: u64, first_client: u16, flags: u16) -> Vec<u8> {
    let mut page = vec![0; 4096];
    page[..8].copy_from_slice(b"RSTR\x1E\0\x09\0");
    page[16..20].copy_from_slice(&4096u32.to_le_bytes());
    page[24] = 0x40;
    page[0x40..0x48].copy_from_slice(&lsn.to_le_bytes());
    page[0x4C..0x4E].copy_from_slice(&first_client.to_le_bytes());
    page[0x4E..0x50].copy_from_slice(&flags.to_le_bytes());
    fix_ups(&mut page, 30);
    page
}

#[test]
fn states_of_the_log() {
    const NOBODY: u16 = 0xFFFF;
    let warning = |pages: [Vec<u8>; 2]| {
        let mut maker = Maker::new(4096, 1024);
        let log = maker.stored(0x80, "", &pages.concat());
        let record = maker.records.get_mut(&2).unwrap();
        record.attributes.retain(|attribute| attribute.kind != 0x80);
        record.attributes.push(log);
        let volume = open(maker.finish());
        let found: Vec<_> = volume.warnings().iter().map(ToString::to_string).collect();
        found.first().cloned().unwrap_or_default()
    };
    let (open, unknown) = (
        Warning::LogOpen.to_string(),
        Warning::LogUnknown.to_string(),
    );
    let bad = || vec![0x11; 4096];
    let unused = || vec![0xFF; 4096];
    for (pages, expected) in [
        ([unused(), unused()], ""),
        ([restart_page(5, NOBODY, 0), restart_page(4, 0, 0)], ""),
        ([restart_page(5, 0, 0), restart_page(6, NOBODY, 0)], ""),
        ([restart_page(5, 0, 2), bad()], ""),
        ([restart_page(5, 0, 0), restart_page(4, NOBODY, 0)], &open),
        ([bad(), restart_page(4, 0, 0)], &open),
        ([bad(), bad()], &unknown),
    ] {
        assert_eq!(warning(pages), expected);
    }
}

/// Replaces a name wherever it is.
fn rename(bytes: &mut [u8], from: &str, to: &str) {
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let (from, to) = (utf16(from), utf16(to));
    let mut at = 0;
    while let Some(found) = bytes[at..]
        .windows(from.len())
        .position(|window| window == from)
    {
        at += found;
        bytes[at..at + to.len()].copy_from_slice(&to);
    }
}

#[test]
fn tables_that_are_lost() {
    let mut maker = Maker::new(4096, 1024);
    let id = maker.descriptor(&[8; 100]);
    let file = maker.nameless(0x20, id);
    maker.link(file, ROOT, "file", POSIX);
    maker.object_id(file, [1; 16], [2; 48]);
    let whole = maker.finish();

    let mut bytes = whole.clone();
    rename(&mut bytes, "$SII", "$SIX");
    let volume = open(bytes.clone());
    assert!(matches!(volume.warnings(), [Warning::SecurityIndex(_)]));
    assert_eq!(volume.descriptor(id).unwrap(), [8; 100]);
    assert!(matches!(
        volume.descriptor(id + 1),
        Err(Error::Damaged {
            fault: Fault::NoSecurityId(_),
            ..
        })
    ));

    rename(&mut bytes, "$SDH", "$SDX");
    let volume = open(bytes);
    assert!(matches!(volume.warnings(), [Warning::SecurityUnusable(_)]));
    assert!(volume.descriptor(id).is_err());
    let found = volume.find_path("file").unwrap();
    assert!(
        volume
            .security_descriptor(&volume.file(found).unwrap())
            .is_err()
    );

    let mut bytes = whole.clone();
    rename(&mut bytes, "$ObjId", "$ObjIx");
    let volume = open(bytes);
    let object_id = volume
        .object_id(&volume.file(found).unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(
        (&object_id[..16], &object_id[16..]),
        (&[1; 16][..], &[0; 48][..])
    );

    let mut bytes = whole;
    let mft = u64::from_le_bytes(bytes[48..56].try_into().unwrap()) as usize * 4096;
    bytes[mft + 3 * 1024..][..4].copy_from_slice(b"BAAD");
    let volume = open(bytes);
    assert!(matches!(
        volume.warnings(),
        [Warning::InformationUnusable(_)]
    ));
    assert!(volume.info().label.is_empty());
    assert_eq!(Tree::read(&volume).paths(), ["/", "/file"]);
}

/// A disk with a spot that cannot be read.
struct Scratched {
    bytes: Vec<u8>,
    spot: std::ops::Range<u64>,
}

impl ReadAt for Scratched {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        if offset < self.spot.end && offset + buf.len() as u64 > self.spot.start {
            return Err(std::io::Error::other("scratched"));
        }
        self.bytes.read_at(offset, buf)
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

#[test]
fn a_bad_spot_on_the_disk() {
    let mut maker = Maker::new(4096, 1024);
    let mut records = Vec::new();
    for number in 0..100 {
        records.push(maker.file(ROOT, &format!("file {number:02}")));
    }
    let bytes = maker.finish();
    let mft = u64::from_le_bytes(bytes[48..56].try_into().unwrap()) * 4096;
    let start = mft + u64::from(records[50]) * 1024 + 512;
    let spot = start..start + 512;
    let volume = Volume::open(Arc::new(Scratched { bytes, spot }), Limits::default()).unwrap();
    let catalog = Catalog::read(&volume).unwrap();
    assert_eq!(catalog.broken(), 1);
    let listing = catalog.list(&volume, FileReference::ROOT).unwrap();
    assert_eq!(listing.len(), 99);
    let [refused] = listing.refused() else {
        panic!("{:?}", listing.refused());
    };
    assert_eq!(refused.reference.number(), u64::from(records[50]));
    assert!(
        matches!(refused.error, Error::Device { .. }),
        "{}",
        refused.error
    );
}
