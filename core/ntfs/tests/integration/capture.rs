//! Volumes made in memory as sources of capture.

use std::sync::Arc;

use wimforge_core::ErrorKind;
use wimforge_core::port::{Entry, EntryBatch, Kind, Node, Silent, Source, Wanted, WindowsMetadata};
use wimforge_core::scan::{Origin, ScanOptions, Scanner};
use wimforge_ntfs::source::{SourceOptions, describe, find_volume};
use wimforge_ntfs::{NtfsSource, ReadAt, name};

use crate::maker::attribute::{Attribute, ENCRYPTED};
use crate::maker::filler::{noise, text};
use crate::maker::{DOS, Maker, POSIX, ROOT, WIN32};

const EVERYTHING: Wanted = Wanted {
    xattrs: true,
    security: true,
    strict_security: true,
};

fn source(maker: Maker, decode_system_compression: bool) -> NtfsSource {
    let options = SourceOptions {
        decode_system_compression,
    };
    NtfsSource::open(Arc::new(maker.finish()), "volume".into(), options).unwrap()
}

fn root_of(source: &NtfsSource) -> EntryBatch {
    let root = source.root(EVERYTHING).unwrap();
    source.read_dir(root.entries[0].node, EVERYTHING).unwrap()
}

fn find<'a>(batch: &'a EntryBatch, wanted: &str) -> &'a Entry {
    let mut entries = batch.iter();
    let found = entries.find(|(name, _)| name::Display(name).to_string() == wanted);
    found.unwrap_or_else(|| panic!("no {wanted}")).1
}

fn windows(entry: &Entry) -> &WindowsMetadata {
    match &entry.kind {
        Kind::Windows(windows) => windows,
        other => panic!("{other:?}"),
    }
}

fn read(source: &NtfsSource, node: Node, stream: u32) -> Vec<u8> {
    let mut opened = source.open(node, stream).unwrap();
    assert_eq!(opened.stamp().unwrap(), None);
    let mut data = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = opened.read_at(data.len() as u64, &mut buffer).unwrap();
        if count == 0 {
            return data;
        }
        data.extend(&buffer[..count]);
    }
}

#[test]
fn everything_about_a_file() {
    let mut maker = Maker::new(4096, 1024);
    let data = noise(50_000, 3);
    let descriptor = maker.descriptor(&[1, 0, 4, 128, 7, 7, 7, 7]);
    let file = maker.nameless(0x8000_0021, descriptor);
    maker.link(file, ROOT, "A long name", WIN32);
    maker.link(file, ROOT, "ALONGN~1", DOS);
    maker.link(file, ROOT, "second", POSIX);
    let stored = maker.stored(0x80, "", &data);
    maker.attribute(file, stored);
    maker.attribute(file, Attribute::resident(0x80, "one", b"1".to_vec()));
    maker.attribute(file, Attribute::resident(0x80, "two", Vec::new()));
    maker.object_id(file, [5; 16], [6; 48]);
    let mut attributes = vec![];
    for (step, letter) in [(16u32, b'Z'), (0, b'A')] {
        attributes.extend(step.to_le_bytes());
        attributes.extend([0x80, 1, 2, 0, letter, 0, 8, 9, 0, 0, 0, 0]);
    }
    maker.attribute(file, Attribute::resident(0xE0, "", attributes));
    let source = source(maker, true);
    assert_eq!(source.warnings().count(), 0);
    let batch = root_of(&source);
    let [one, two] = ["A long name", "second"].map(|name| find(&batch, name));
    assert_eq!(batch.entries.len(), 2);
    assert!(batch.problems.is_empty() && batch.warnings.is_empty());
    assert!(one.shared && two.shared);
    assert_eq!(one.identity, two.identity);
    assert_eq!(one.size, data.len() as u64);
    let found = windows(one);
    assert_eq!(found.attributes, 0x8000_0021);
    assert_eq!(name::Display(&found.short_name).to_string(), "ALONGN~1");
    assert!(windows(two).short_name.is_empty());
    assert_eq!(*found.security, [1, 0, 4, 128, 7, 7, 7, 7]);
    let extra = one.extra.as_ref().unwrap();
    let mut id = [6; 64];
    id[..16].fill(5);
    assert_eq!(extra.object_id, Some(id));
    let names: Vec<_> = extra.xattrs.iter().map(|xattr| &xattr.name[..]).collect();
    assert_eq!(names, [b"A", b"Z"]);
    assert_eq!(
        (extra.xattrs[0].flags, &extra.xattrs[0].value[..]),
        (0x80, &[8, 9][..])
    );
    let streams: Vec<_> = extra
        .named_streams
        .iter()
        .map(|stream| stream.size)
        .collect();
    assert_eq!(streams, [1, 0]);
    assert_eq!(read(&source, one.node, 0), data);
    assert_eq!(read(&source, two.node, 1), b"1");
    assert_eq!(read(&source, two.node, 2), b"");
    assert!(source.locality(one.node, 0) > 0);
    let plain = source
        .read_dir(Node(u64::from(ROOT)), Wanted::default())
        .unwrap();
    let plain = find(&plain, "second");
    assert!(windows(plain).security.is_empty());
    assert!(plain.extra.as_ref().unwrap().xattrs.is_empty());
}

#[test]
fn files_compressed_by_the_system() {
    let data = text(100_000);
    for decode in [true, false] {
        let mut maker = Maker::new(4096, 1024);
        let file = maker.wof(ROOT, "packed", &data, 1);
        maker.attribute(file, Attribute::resident(0x80, "zone", b"3".to_vec()));
        let foreign = maker.wof(ROOT, "foreign", &data, 9);
        let _ = foreign;
        let source = source(maker, decode);
        let batch = root_of(&source);
        let entry = find(&batch, "packed");
        let extra = entry.extra.as_ref().unwrap();
        let found = windows(entry);
        assert_eq!(entry.size, data.len() as u64);
        if decode {
            assert!(found.reparse.is_none());
            assert_eq!(found.attributes, 0x20);
            assert_eq!(extra.named_streams.len(), 1);
            assert_eq!(read(&source, entry.node, 0), data);
            assert_eq!(read(&source, entry.node, 1), b"3");
            assert_eq!(batch.warnings.len(), 1, "an unknown method");
        } else {
            assert_eq!(found.reparse.as_ref().unwrap().tag, 0x8000_0017);
            assert_eq!(found.attributes, 0x620);
            assert_eq!(extra.named_streams.len(), 2);
            assert_eq!(read(&source, entry.node, 0), vec![0; data.len()]);
            assert!(batch.warnings.is_empty());
        }
        let entry = find(&batch, "foreign");
        assert!(windows(entry).reparse.is_some());
        assert_eq!(entry.extra.as_ref().unwrap().named_streams.len(), 1);
        assert_eq!(read(&source, entry.node, 0).len(), data.len());
    }
}

#[test]
fn encrypted_files_are_marked() {
    let mut maker = Maker::new(4096, 1024);
    let file = maker.nameless(0x4000, 0);
    maker.link(file, ROOT, "secret", POSIX);
    let stored = maker.stored(0x80, "", &noise(600, 1)).with_flags(ENCRYPTED);
    maker.attribute(file, stored);
    let source = source(maker, true);
    let batch = root_of(&source);
    assert!(windows(find(&batch, "secret")).unreadable_encryption);
}

#[test]
fn damage_concerns_one_entry() {
    let mut maker = Maker::new(4096, 1024);
    let good = maker.file(ROOT, "good");
    maker.attribute(good, Attribute::resident(0x80, "", b"data".to_vec()));
    let bad = maker.file(ROOT, "bad");
    maker.records.get_mut(&bad).unwrap().attributes[0] = Attribute::resident(0x10, "", vec![0; 3]);
    let lost = maker.nameless(0x20, 4711);
    maker.link(lost, ROOT, "lost", POSIX);
    let source = source(maker, true);
    let batch = root_of(&source);
    let mut problems: Vec<_> = batch
        .problems
        .iter()
        .map(|problem| name::Display(&problem.name).to_string())
        .collect();
    problems.sort();
    assert_eq!(problems, ["bad", "lost"]);
    for problem in &batch.problems {
        assert_eq!(problem.error.kind(), ErrorKind::Ntfs);
    }
    let text = batch
        .problems
        .iter()
        .map(|problem| problem.error.to_string());
    assert!(
        text.into_iter()
            .any(|text| text.contains(&format!("record {bad}")))
    );
    assert_eq!(read(&source, find(&batch, "good").node, 0), b"data");
    // Without --strict-acls a lost descriptor is a warning.
    let lenient = Wanted {
        strict_security: false,
        ..EVERYTHING
    };
    let batch = source.read_dir(Node(u64::from(ROOT)), lenient).unwrap();
    assert_eq!((batch.problems.len(), batch.warnings.len()), (1, 1));
    assert!(windows(find(&batch, "lost")).security.is_empty());
}

#[test]
fn what_a_volume_warns_of() {
    let mut maker = Maker::new(4096, 1024);
    maker.volume_flags = 1;
    let file = maker.file(ROOT, "hiberfil.sys");
    let mut memory = b"hibr".to_vec();
    memory.resize(4096, 0);
    let stored = maker.stored(0x80, "", &memory);
    maker.attribute(file, stored);
    let source = source(maker, true);
    let warnings: Vec<String> = source.warnings().collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings.iter().all(|text| text.starts_with("\"volume\": ")));
    assert!(warnings[0].contains("dirty") && warnings[1].contains("hibernated"));
}

#[test]
fn data_is_read_in_the_order_of_its_place() {
    let mut maker = Maker::new(4096, 1024);
    // The later a file is in the tree, the earlier is its data.
    for number in (0..9).rev() {
        let file = maker.file(ROOT, &format!("file {number}"));
        let stored = maker.stored(0x80, "", &noise(9000, number));
        maker.attribute(file, stored);
    }
    let source = source(maker, true);
    let options = ScanOptions::default();
    let mut scanner = Scanner::new(&options, &Silent);
    scanner.add_root(&source).unwrap();
    let scanned = scanner.finish().unwrap();
    assert_eq!(scanned.pending.len(), 9);
    let places: Vec<u64> = scanned
        .pending
        .iter()
        .map(|pending| match pending.origin {
            Origin::Source { node, stream, .. } => source.locality(node, u32::from(stream)),
            Origin::Inline { .. } | Origin::Blob { .. } => 0,
        })
        .collect();
    assert!(places.is_sorted() && places[0] > 0, "{places:?}");
    let names = scanned.pending.iter().map(|pending| pending.dentry);
    assert!(!names.is_sorted());
}

#[test]
fn a_disk_with_partitions() {
    let mut volume = Maker::new(4096, 1024);
    volume.file(ROOT, "file");
    let volume = volume.finish();
    let sectors = (volume.len() / 512) as u32;
    let disk = |with_ntfs: &[u32]| -> Arc<dyn ReadAt> {
        let mut disk = vec![0; (2048 + 3 * sectors as usize) * 512];
        disk[510..512].copy_from_slice(&[0x55, 0xAA]);
        for index in 0..3u32 {
            let start = 2048 + index * sectors;
            let at = 446 + 16 * index as usize;
            disk[at + 4] = 7;
            disk[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
            disk[at + 12..at + 16].copy_from_slice(&sectors.to_le_bytes());
            if with_ntfs.contains(&(index + 1)) {
                let at = start as usize * 512;
                disk[at..at + volume.len()].copy_from_slice(&volume);
            }
        }
        Arc::new(disk)
    };
    let sizes = |disk, number| find_volume(disk, "disk", number).map(|found| found.size());
    assert_eq!(sizes(disk(&[2]), None).unwrap(), volume.len() as u64);
    assert_eq!(sizes(disk(&[1, 3]), Some(3)).unwrap(), volume.len() as u64);
    for (found, number, kind, message) in [
        (&[1, 3][..], None, ErrorKind::Ntfs, "--partition"),
        (&[], None, ErrorKind::Ntfs, "none of its partitions"),
        (&[1], Some(7), ErrorKind::Parameter, "no partition 7"),
    ] {
        let error = sizes(disk(found), number).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(message), "{error}");
    }
    let whole: Arc<dyn ReadAt> = Arc::new(volume.clone());
    assert_eq!(
        sizes(Arc::clone(&whole), None).unwrap(),
        volume.len() as u64
    );
    assert_eq!(
        sizes(whole, Some(1)).unwrap_err().kind(),
        ErrorKind::Parameter
    );
    let text = describe(disk(&[2]), "disk", None).unwrap().unwrap().text;
    assert_eq!(text.matches("Contents: ").count(), 3, "{text}");
    let text = describe(disk(&[2]), "disk", Some(2)).unwrap().unwrap().text;
    assert!(text.contains("Label:                  made\n"), "{text}");
}
