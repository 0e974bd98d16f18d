//! Writes what the fuzzers begin with: `cargo run -p wimforge-exercise --bin seeds DIRECTORY`.
#![allow(
    clippy::unwrap_used,
    reason = "a tool for developers, which may just stop"
)]

use std::fs;
use std::path::{Path, PathBuf};

use wimforge_codec::{Compressor, Format, Level, lznt1};
use wimforge_core::archive::{Archive, OpenOptions};
use wimforge_core::format::{Compression, Layout};
use wimforge_core::port::memory::MemoryStorage;
use wimforge_core::port::memory_source::MemorySource;
use wimforge_core::port::{Inline, OnUnreadable, Silent};
use wimforge_core::scan::{ScanOptions, Scanner};
use wimforge_core::time::FileTime;
use wimforge_core::write::pipable::{self, Contents, Destination};
use wimforge_core::write::{IntegrityChoice, Means, NewImage, WriteOptions, capture};

use maker::{Lists, Names};

#[allow(
    dead_code,
    missing_docs,
    reason = "test code, of which only a part is needed here"
)]
#[path = "../../../src/hive.rs"]
mod maker;

fn main() {
    let directory = std::env::args_os().nth(1).expect("a directory to write to");
    let seeds = Seeds(PathBuf::from(directory));
    seeds.codecs();
    seeds.archives();
    seeds.texts();
    seeds.hives();
    seeds.put("volume", "unchanged", &[0]);
    seeds.put("volume", "changed", &[1, 40, 0, 3, 0xFF, 9, 1, 0, 0x80]);
}

struct Seeds(PathBuf);

impl Seeds {
    fn put(&self, target: &str, name: &str, data: &[u8]) {
        let directory = self.0.join(target);
        fs::create_dir_all(&directory).unwrap();
        fs::write(Path::new(&directory).join(name), data).unwrap();
    }

    fn codecs(&self) {
        let text = "What is said once, and what is said once more, and what is said. ".repeat(40);
        let numbers: Vec<u8> = (0..900u32)
            .flat_map(|n| (n * n / 7).to_le_bytes())
            .collect();
        let code = [
            &[0xE8, 1, 2, 0, 0, 0x55, 0x48, 0x89, 0xE5][..],
            &[0xE8, 0xFF, 1, 0, 0, 0xC3],
        ]
        .concat()
        .repeat(60);
        for (what, data) in [
            ("text", text.as_bytes()),
            ("numbers", &numbers),
            ("code", &code),
        ] {
            for (number, (format, name)) in (0u8..).zip([
                (Format::Xpress, "xpress"),
                (Format::Lzx, "lzx"),
                (Format::Lzms, "lzms"),
            ]) {
                let size = 0;
                let chunk_size = format.chunk_sizes().0;
                for level in [20, 50] {
                    let mut compressor = Compressor::new(format, chunk_size, Level(level)).unwrap();
                    let mut out = vec![0; data.len()];
                    let Some(length) = compressor.compress(data, &mut out) else {
                        continue;
                    };
                    let head = (data.len() as u32).to_le_bytes();
                    let seed = [&[size], &head[..3], &out[..length]].concat();
                    self.put(name, &format!("{what}.{level}"), &seed);
                }
                for (level, growth, how) in [(50, 0, ""), (20, 0x26, ".grown")] {
                    let seed = [&[number, 2, level, growth], data].concat();
                    self.put("round_trip", &format!("{name}.{what}{how}"), &seed);
                }
            }
            let mut out = Vec::new();
            lznt1::compress(data, &mut out);
            let head = (data.len() as u32).to_le_bytes();
            self.put("lznt1", what, &[&head[..3], &out[..]].concat());
        }
    }

    fn archives(&self) {
        for (name, compression) in [
            ("none", Compression::None),
            ("xpress", Compression::Chunked(Format::Xpress, 1 << 12)),
            ("lzx", Compression::Chunked(Format::Lzx, 1 << 15)),
            ("lzms", Compression::Chunked(Format::Lzms, 1 << 15)),
        ] {
            let bytes = archive(compression, Layout::Seekable);
            self.put("pipe", name, &archive(compression, Layout::Pipable));
            self.put("archive", name, &bytes);
            self.put("archive_mended", name, &bytes);
            if compression == Compression::None {
                let storage = std::sync::Arc::new(MemoryStorage::new(bytes));
                let archive = Archive::open(storage, &OpenOptions::default()).unwrap();
                let metadata = archive.read_metadata(1).unwrap();
                self.put("metadata", "image", &metadata);
            }
        }
    }

    fn texts(&self) {
        let config = "[ExclusionList]\n/a\n*.txt\n\\b\\?\\*c\n\n[ExclusionException]\n\"/a/b c\"\n";
        self.put("text", "config", config.as_bytes());
        let xml = "\u{FEFF}<WIM><TOTALBYTES>9</TOTALBYTES><IMAGE INDEX=\"1\"><NAME>a&amp;b</NAME>\
                   <X><!-- c --><Y/></X></IMAGE></WIM>";
        let xml: Vec<u8> = xml.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.put("text", "xml", &xml);
    }

    fn hives(&self) {
        for (name, lists, names) in [
            ("lf", Lists::Lf, Names::Latin),
            ("li", Lists::Li, Names::Latin),
            ("ri", Lists::Ri, Names::Wide),
        ] {
            let items = [
                maker::path(
                    "Microsoft\\Windows NT\\CurrentVersion",
                    vec![
                        maker::text("EditionID", "Pro"),
                        maker::number("CurrentMajorVersionNumber", 10),
                        maker::text("text", &"0123456789".repeat(1000)),
                    ],
                ),
                maker::path("a", vec![maker::key("b", vec![]), maker::key("c", vec![])]),
            ];
            self.put("hive", name, &maker::hive(&items, lists, names));
        }
        self.put("hive", "program", &maker::program(0x8664));
    }
}

/// A small archive with some of everything that a source in memory has.
fn archive(compression: Compression, layout: Layout) -> Vec<u8> {
    let mut source = MemorySource::new();
    source.file("a", "contents of a file");
    source.file("directory/b", "repeated ".repeat(20));
    source.file("directory/same", "contents of a file");
    source.link("directory/link", "../a");
    source.hard_link("a", "c");
    let options = ScanOptions::default();
    let mut scanner = Scanner::new(&options, &Silent);
    scanner.add_root(&source).unwrap();
    let new = NewImage {
        scanned: scanner.finish().unwrap(),
        sources: &[&source],
        name: "name".into(),
        properties: vec![("DESCRIPTION".into(), "text".into())],
        boot: true,
        bases: &[],
        links_fixed: true,
        latest_time: None,
    };
    let options = WriteOptions {
        compression,
        level: Level::NORMAL,
        solid: None,
        integrity: IntegrityChoice::Include,
        guid: None,
        now: FileTime(132_223_104_000_000_000),
        on_unreadable: OnUnreadable::Fail,
    };
    let means = Means {
        options: &options,
        workers: &Inline,
        observer: &Silent,
    };
    let storage = MemoryStorage::default();
    match layout {
        Layout::Seekable => capture(&storage, new, &means),
        Layout::Pipable => {
            let contents = Contents::default().with(new);
            let to = Destination::File(&storage);
            pipable::write(to, contents, &means)
        }
    }
    .unwrap();
    storage.bytes()
}
