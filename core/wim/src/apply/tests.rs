use std::collections::BTreeMap;

use wimforge_codec::Format;

use super::*;
use crate::format::Compression;
use crate::image::items::{UNIX_DATA, push_item};
use crate::image::{FileAttributes, NOT_FIXED, StreamKind, UnixData};
use crate::port::memory_target::{MemoryEntry, MemoryMetadata, MemoryTarget};
use crate::port::{Inline, Silent};
use crate::testing::{Tree, file_inode, noise, open, solidify};

const XPRESS: Compression = Compression::Chunked(Format::Xpress, 32768);

type Entries = BTreeMap<Vec<u8>, (MemoryEntry, MemoryMetadata)>;

fn to<'a>(target: &'a MemoryTarget, options: &'a ApplyOptions) -> Restorer<'a> {
    Restorer {
        target,
        options,
        workers: &Inline,
        observer: &Silent,
    }
}

fn restored(bytes: Vec<u8>, options: &ApplyOptions) -> Result<(Entries, ApplySummary)> {
    let archive = open(bytes)?;
    let target = MemoryTarget::new();
    let summary = to(&target, options).apply(&archive, 1)?;
    Ok((target.entries(), summary))
}

fn data<'e>(entries: &'e Entries, path: &str) -> &'e [u8] {
    match &entries[path.as_bytes()].0 {
        MemoryEntry::File { data, .. } => data,
        other => panic!("{path} is {other:?}"),
    }
}

fn number(entries: &Entries, path: &str) -> usize {
    match &entries[path.as_bytes()].0 {
        MemoryEntry::File { number, .. } => *number,
        other => panic!("{path} is {other:?}"),
    }
}

fn sample() -> Tree {
    let mut tree = Tree::new();
    tree.file("a.txt", b"hello");
    tree.hard_link("a.txt", "d/again");
    tree.file("d/same", b"hello");
    tree.file("d/e/medium", &noise(1, 100_000));
    tree.file("empty", b"");
    tree.directory("void");
    tree.file("large", &noise(2, 9_000_000));
    tree.file("large too", &noise(2, 9_000_000));
    tree.link("d/link", "../a.txt", false, NOT_FIXED);
    tree.link("d/inside", "/d/e", true, 0);
    tree.link("d/outside", "/etc", true, NOT_FIXED);
    tree
}

#[test]
fn trees_come_back() {
    let plain = sample().archive(Compression::None);
    let chunked = sample().archive(XPRESS);
    let solid = solidify(&chunked, Format::Xpress, 32768);
    let solid_large_chunks = solidify(&chunked, Format::Lzx, 2 << 20);
    for bytes in [plain, chunked, solid, solid_large_chunks] {
        let (entries, summary) = restored(bytes, &ApplyOptions::default()).unwrap();
        assert_eq!(data(&entries, "a.txt"), b"hello");
        assert_eq!(data(&entries, "d/again"), b"hello");
        assert_eq!(data(&entries, "d/same"), b"hello");
        assert_eq!(number(&entries, "a.txt"), number(&entries, "d/again"));
        assert_ne!(number(&entries, "a.txt"), number(&entries, "d/same"));
        assert_eq!(data(&entries, "d/e/medium"), noise(1, 100_000));
        assert_eq!(data(&entries, "empty"), b"");
        assert!(data(&entries, "large") == noise(2, 9_000_000));
        assert!(data(&entries, "large too") == noise(2, 9_000_000));
        assert_eq!(entries[&b"void"[..]].0, MemoryEntry::Directory);
        let link = |target: &[u8], under_root| MemoryEntry::Link {
            target: target.to_vec(),
            under_root,
        };
        assert_eq!(entries[&b"d/link"[..]].0, link(b"../a.txt", false));
        assert_eq!(entries[&b"d/inside"[..]].0, link(b"/d/e", true));
        assert_eq!(entries[&b"d/outside"[..]].0, link(b"/etc", false));
        let times = file_inode(FileAttributes::NORMAL);
        let times = Some([times.creation_time, times.access_time, times.write_time]);
        assert!(entries.values().all(|entry| entry.1.times == times));
        assert_eq!(
            (summary.directories, summary.files, summary.hard_links),
            (4, 9, 1)
        );
    }
}

#[test]
fn links_stay_if_asked_to() {
    let options = ApplyOptions {
        links: LinkFixing::Keep,
        ..ApplyOptions::default()
    };
    let (entries, _) = restored(sample().archive(XPRESS), &options).unwrap();
    let kept = MemoryEntry::Link {
        target: b"/d/e".to_vec(),
        under_root: false,
    };
    assert_eq!(entries[&b"d/inside"[..]].0, kept);
}

#[test]
fn sparse_files_have_their_size() {
    let mut tree = Tree::new();
    let mut content = vec![0; 50_000];
    content[20_000] = 1;
    content.extend(noise(1, 10_000));
    content.extend(vec![0; 7_777]);
    let inode = file_inode(FileAttributes::SPARSE_FILE);
    tree.any("", "s", inode, StreamKind::Data, &content, &[]);
    let (entries, _) = restored(tree.archive(XPRESS), &ApplyOptions::default()).unwrap();
    assert_eq!(data(&entries, "s"), content);
}

#[test]
fn names_that_cannot_be_are_left_out_or_renamed() {
    let mut tree = Tree::new();
    let inode = || file_inode(FileAttributes::NORMAL);
    tree.any("", "../up", inode(), StreamKind::Data, b"bad", &[]);
    tree.any("d", "/etc", inode(), StreamKind::Data, b"bad too", &[]);
    tree.file("good", b"good");
    let bytes = tree.archive(Compression::None);
    let (entries, summary) = restored(bytes.clone(), &ApplyOptions::default()).unwrap();
    let paths: Vec<_> = entries
        .keys()
        .map(|path| text::Show(path).to_string())
        .collect();
    assert_eq!(paths, ["", "d", "good"]);
    assert_eq!(summary.skipped, 2);
    let options = ApplyOptions {
        include_invalid_names: true,
        ..ApplyOptions::default()
    };
    let (entries, summary) = restored(bytes, &options).unwrap();
    assert_eq!(data(&entries, "..\u{FFFD}up (invalid filename #1)"), b"bad");
    assert_eq!(
        data(&entries, "d/\u{FFFD}etc (invalid filename #2)"),
        b"bad too"
    );
    assert_eq!(summary.skipped, 0);
}

#[test]
fn renamed_files_get_names_that_nobody_has() {
    let mut tree = Tree::new();
    let inode = || file_inode(FileAttributes::NORMAL);
    tree.any("", "a/\u{FFFD}", inode(), StreamKind::Data, b"one", &[]);
    tree.any("", "a\u{FFFD}/", inode(), StreamKind::Data, b"two", &[]);
    tree.file("a\u{FFFD}\u{FFFD} (invalid filename #1)", b"three");
    let options = ApplyOptions {
        include_invalid_names: true,
        ..ApplyOptions::default()
    };
    let (entries, _) = restored(tree.archive(Compression::None), &options).unwrap();
    let place = |number| format!("a\u{FFFD}\u{FFFD} (invalid filename #{number})");
    let mut found = [1, 2, 3].map(|number| data(&entries, &place(number)));
    assert_eq!(found[0], b"three");
    found.sort_unstable();
    assert_eq!(found, [&b"one"[..], b"three", b"two"]);
}

#[test]
fn unix_data_is_restored_if_asked_for() {
    let mut tree = Tree::new();
    let item = |mode| {
        let unix = UnixData {
            uid: 7,
            gid: 8,
            mode,
            rdev: 0x103,
        };
        let mut items = Vec::new();
        push_item(&mut items, UNIX_DATA, &unix.encode());
        (unix, items)
    };
    let (file, file_items) = item(0o100_640);
    let (device, device_items) = item(0o020_600);
    let inode = || file_inode(FileAttributes::NORMAL);
    tree.any("", "file", inode(), StreamKind::Data, b"x", &file_items);
    tree.any("", "null", inode(), StreamKind::Data, b"", &device_items);
    let bytes = tree.archive(Compression::None);
    let (entries, _) = restored(bytes.clone(), &ApplyOptions::default()).unwrap();
    assert_eq!(entries[&b"file"[..]].1.unix, None);
    assert_eq!(data(&entries, "null"), b"");
    let options = ApplyOptions {
        unix_data: true,
        ..ApplyOptions::default()
    };
    let (entries, _) = restored(bytes, &options).unwrap();
    assert_eq!(entries[&b"file"[..]].1.unix, Some(file));
    assert_eq!(entries[&b"null"[..]].0, MemoryEntry::Special(device));
}

#[test]
fn damaged_data_is_an_error_or_recovered() {
    let mut bytes = sample().archive(XPRESS);
    let archive = open(bytes.clone()).unwrap();
    let hash = crate::hash::Sha1::of(&noise(1, 100_000));
    let blob = archive.blobs.get(archive.blobs.find(&hash).unwrap());
    let crate::archive::Place::Alone { resource, .. } = blob.place else {
        panic!("solid");
    };
    bytes[(resource.offset + resource.size / 2) as usize] ^= 0x55;
    let error = restored(bytes.clone(), &ApplyOptions::default()).unwrap_err();
    let kinds = [ErrorKind::HashMismatch, ErrorKind::Decompression];
    assert!(kinds.contains(&error.kind()));
    assert!(error.to_string().contains("/d/e/medium"), "{error}");
    let options = ApplyOptions {
        recover_data: true,
        ..ApplyOptions::default()
    };
    let (entries, summary) = restored(bytes, &options).unwrap();
    assert_eq!(summary.damaged, 1);
    let found = data(&entries, "d/e/medium");
    assert_eq!(found.len(), 100_000);
    assert_eq!(found[..32768], noise(1, 100_000)[..32768]);
}

#[test]
fn parts_of_an_image() {
    let archive = open(sample().archive(XPRESS)).unwrap();
    let image = archive.read_image(1, &mut |_| {}).unwrap();
    let select = |from: &[u8], to: &[u8]| Selected {
        dentry: image.lookup(from).unwrap(),
        path: to.to_vec(),
    };
    let selected = [select(b"/d", b"x/y"), select(b"/d/same", b"alone")];
    let target = MemoryTarget::new();
    let options = ApplyOptions::default();
    let restorer = to(&target, &options);
    restorer.restore(&archive, &image, &selected).unwrap();
    let entries = target.entries();
    assert_eq!(data(&entries, "x/y/same"), b"hello");
    assert_eq!(data(&entries, "x/y/again"), b"hello");
    assert_eq!(data(&entries, "alone"), b"hello");
    assert!(!entries.contains_key(&b"a.txt"[..]));
}

#[test]
fn where_no_hard_links_can_be_made_files_are_copied() {
    let archive = open(sample().archive(XPRESS)).unwrap();
    let target = MemoryTarget::without_hard_links();
    let warnings = Warnings::default();
    let options = ApplyOptions::default();
    let restorer = Restorer {
        observer: &warnings,
        ..to(&target, &options)
    };
    restorer.apply(&archive, 1).unwrap();
    let entries = target.entries();
    assert_eq!(data(&entries, "a.txt"), b"hello");
    assert_eq!(data(&entries, "d/again"), b"hello");
    assert_ne!(number(&entries, "a.txt"), number(&entries, "d/again"));
    assert_eq!(entries[&b"a.txt"[..]].1, entries[&b"d/again"[..]].1);
    let warnings = warnings.0.into_inner().unwrap();
    assert!(
        warnings.iter().any(|text| text.contains("1 hard links")),
        "{warnings:?}"
    );
}

/// Keeps the warnings.
#[derive(Default)]
struct Warnings(std::sync::Mutex<Vec<String>>);

impl Observer for Warnings {
    fn event(&self, event: &Event<'_>) {
        if let Event::Warning(text) = event {
            self.0.lock().unwrap().push((*text).to_owned());
        }
    }
}
