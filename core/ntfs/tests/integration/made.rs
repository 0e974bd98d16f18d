//! Volumes made in memory: every structure that the reader knows, compared with what was put in.

use wimforge_ntfs::{Catalog, Error, Fault, FileReference, Unsupported};

use crate::maker::attribute::{Attribute, ENCRYPTED, SPARSE};
use crate::maker::filler::{noise, text};
use crate::maker::{DOS, Maker, POSIX, ROOT, WIN32, WIN32_AND_DOS};
use crate::support::{Tree, open};

/// Cluster and record sizes, with sectors of 512 bytes or, for the last ones, 4096.
const SIZES: [(usize, usize, usize); 9] = [
    (512, 1024, 512),
    (1024, 1024, 512),
    (2048, 2048, 2048),
    (4096, 1024, 512),
    (8192, 4096, 512),
    (65536, 1024, 512),
    (2 << 20, 1024, 512),
    (4096, 4096, 4096),
    (65536, 4096, 4096),
];

#[test]
fn every_size() {
    for (cluster, record, sector) in SIZES {
        let mut maker = Maker::new(cluster, record);
        maker.sector_size = sector;
        let data = noise(200_000, 1);
        let file = maker.file(ROOT, "file");
        let attribute = maker.stored(0x80, "", &data);
        maker.attribute(file, attribute);
        let directory = maker.directory(ROOT, "directory");
        for number in 0..500 {
            let file = maker.file(directory, &format!("entry {number}"));
            let value = number.to_string();
            maker.attribute(file, Attribute::resident(0x80, "", value));
        }
        let volume = open(maker.finish());
        assert_eq!(volume.geometry().cluster_size as usize, cluster);
        assert_eq!(volume.geometry().record_size as usize, record);
        assert_eq!(volume.geometry().serial, 0x1234_5678_9ABC_DEF0);
        assert_eq!(
            volume.info().label,
            "made".encode_utf16().collect::<Vec<_>>()
        );
        assert_eq!(volume.info().version, (3, 1));
        assert!(volume.warnings().is_empty(), "{:?}", volume.warnings());
        let tree = Tree::read(&volume);
        assert_eq!(tree.get("/file").streams[""], data);
        for number in 0..500 {
            let node = tree.get(&format!("/directory/entry {number}"));
            assert_eq!(node.streams[""], number.to_string().as_bytes());
            assert!(node.up_to_date);
        }
        assert_eq!(tree.nodes.len(), 503);
        assert!(tree.refused.is_empty());
    }
}

#[test]
fn names_in_all_spaces() {
    let mut maker = Maker::new(4096, 1024);
    let directory = maker.directory(ROOT, "directory");
    let file = maker.nameless(0x20, 0);
    maker.link(file, ROOT, "Long file name", WIN32);
    maker.link(file, ROOT, "LONGFI~1", DOS);
    maker.link(file, directory, "hard link", POSIX);
    maker.link(file, directory, "Another long name", WIN32);
    let short = maker.nameless(0x20, 0);
    maker.link(short, ROOT, "SHORT", WIN32_AND_DOS);
    for name in ["a", "A", "b\\c:d", "\u{1}", "日本語"] {
        maker.file(directory, name);
    }
    let tree = Tree::read(&open(maker.finish()));
    let record = tree.get("/Long file name").record;
    assert_eq!(tree.get("/Long file name").short_name, "LONGFI~1");
    for path in ["/directory/hard link", "/directory/Another long name"] {
        assert_eq!(tree.get(path).record, record);
        assert_eq!(tree.get(path).short_name, "");
    }
    assert_eq!(tree.get("/SHORT").short_name, "SHORT");
    assert_eq!(
        tree.paths(),
        [
            "/",
            "/Long file name",
            "/SHORT",
            "/directory",
            "/directory/\u{1}",
            "/directory/A",
            "/directory/Another long name",
            "/directory/a",
            "/directory/b\\c:d",
            "/directory/hard link",
            "/directory/日本語",
        ]
    );
}

#[test]
fn runs_holes_and_sizes() {
    let cluster = 4096;
    let mut maker = Maker::new(cluster, 1024);
    let data = noise(5 * cluster + 100, 3);

    let file = maker.file(ROOT, "scattered");
    let attribute = maker.scattered("", &data);
    maker.attribute(file, attribute);

    let file = maker.file(ROOT, "initialised");
    let attribute = maker.stored(0x80, "", &data).with_initialised(5000);
    maker.attribute(file, attribute);

    let file = maker.file(ROOT, "sparse");
    let (first, _) = maker.store(&data[..cluster]);
    let (second, _) = maker.store(&data[cluster..3 * cluster]);
    let runs = vec![
        (None, 2),
        (Some(second), 2),
        (None, 3),
        (Some(first), 1),
        (None, 1),
    ];
    let size = 8 * cluster as u64 + 17;
    let attribute = Attribute::clusters(0x80, "", runs, size, cluster as u64);
    maker.attribute(file, attribute.with_flags(SPARSE));

    let file = maker.file(ROOT, "empty");
    let attribute = Attribute::clusters(0x80, "", Vec::new(), 0, cluster as u64);
    maker.attribute(file, attribute);

    let tree = Tree::read(&open(maker.finish()));
    assert_eq!(tree.get("/scattered").streams[""], data);
    let mut expected = data[..5000].to_vec();
    expected.resize(data.len(), 0);
    assert_eq!(tree.get("/initialised").streams[""], expected);
    let mut expected = vec![0; 2 * cluster];
    expected.extend(&data[cluster..3 * cluster]);
    expected.resize(7 * cluster, 0);
    expected.extend(&data[..cluster]);
    expected.resize(size as usize, 0);
    assert_eq!(tree.get("/sparse").streams[""], expected);
    assert_eq!(tree.get("/empty").streams[""], b"");
}

#[test]
fn attributes_in_several_records() {
    let mut maker = Maker::new(512, 1024);
    maker.mft_pieces = 12;
    let data = noise(40_000, 4);
    let file = maker.file(ROOT, "pieces");
    let pieces = maker.scattered("", &data).split(9);
    assert!(pieces.len() > 8);
    for piece in pieces.into_iter().rev() {
        maker.extension(file, vec![piece]);
    }
    for number in 0..30 {
        let stream = Attribute::resident(0x80, &format!("stream {number}"), [number; 10]);
        maker.extension(file, vec![stream]);
    }
    let linked = maker.file(ROOT, "linked");
    let mut names = Vec::new();
    for number in 0..40 {
        let name = format!("link {number} with a long name");
        maker.link(linked, ROOT, &name, POSIX);
        names.push(name);
    }
    // The names do not fit into the base record.
    let record = maker.records.get_mut(&linked).unwrap();
    let moved: Vec<_> = record.attributes.drain(1..).collect();
    for part in moved.chunks(6) {
        maker.extension(linked, part.to_vec());
    }
    maker.attribute(linked, Attribute::resident(0x80, "", "contents"));

    let volume = open(maker.finish());
    assert!(volume.info().mft_runs > 8);
    let tree = Tree::read(&volume);
    let node = tree.get("/pieces");
    assert_eq!(node.streams[""], data);
    assert_eq!(node.streams.len(), 31);
    for number in 0..30 {
        assert_eq!(node.streams[&format!("stream {number}")], [number; 10]);
    }
    for name in names {
        let node = tree.get(&format!("/{name}"));
        assert_eq!(node.streams[""], b"contents");
        assert!(node.up_to_date);
    }
    assert!(tree.refused.is_empty());
}

#[test]
fn compressed_by_the_file_system() {
    for cluster in [512, 1024, 4096] {
        let mut maker = Maker::new(cluster, 1024);
        let unit = 16 * cluster;
        let mut data = text(2 * unit);
        data.extend(vec![0; 2 * unit]);
        data.extend(noise(unit, 5));
        data.extend(text(unit + unit / 3));
        let file = maker.file(ROOT, "compressed");
        let attribute = maker.compressed("", &data);
        let half = data.len() as u64 / 7;
        maker.attribute(file, attribute.clone());
        let file = maker.file(ROOT, "initialised");
        maker.attribute(file, attribute.clone().with_initialised(half));
        // Pieces that end within a unit.
        let file = maker.file(ROOT, "pieces");
        for piece in attribute.split(3) {
            maker.extension(file, vec![piece]);
        }
        let tree = Tree::read(&open(maker.finish()));
        assert_eq!(tree.get("/compressed").streams[""], data);
        assert_eq!(tree.get("/pieces").streams[""], data);
        data[half as usize..].fill(0);
        assert_eq!(tree.get("/initialised").streams[""], data);
    }
}

#[test]
fn compressed_by_the_system() {
    for method in 0..4 {
        let mut maker = Maker::new(4096, 1024);
        let mut files = Vec::new();
        for (number, size) in [1, 100, 4096, 4097, 32768, 100_000, 262_144]
            .into_iter()
            .enumerate()
        {
            let mut data = text(size);
            let middle = size / 2;
            let noisy = noise(size / 4, 6);
            data[middle..middle + noisy.len()].copy_from_slice(&noisy);
            maker.wof(ROOT, &format!("file {number}"), &data, method);
            files.push(data);
        }
        let volume = open(maker.finish());
        let tree = Tree::read(&volume);
        for (number, data) in files.iter().enumerate() {
            let path = format!("/file {number}");
            let node = tree.get(&path);
            assert_eq!(&node.streams[""], data, "method {method}");
            assert_eq!(node.streams.len(), 1);
            assert_eq!(node.attributes, 0x620);
            assert_eq!(
                wimforge_ntfs::wof::visible_attributes(node.attributes),
                0x20
            );
            // As it is stored it is a hole.
            let file = volume.file(volume.find_path(&path).unwrap()).unwrap();
            let packed = file.open_stream(&wimforge_ntfs::wof::STREAM).unwrap();
            assert!(data.len() < 4096 || packed.size() < data.len() as u64 * 4 / 5);
            let mut plain = vec![1; data.len()];
            file.open_stream(&[])
                .unwrap()
                .read_at(0, &mut plain)
                .unwrap();
            assert!(plain.iter().all(|byte| *byte == 0));
        }
    }
}

#[test]
fn system_compression_that_cannot_be_read() {
    let mut maker = Maker::new(4096, 1024);
    let data = text(50_000);
    for (name, words) in [
        ("wim", [1, 1, 2, 0]),
        ("method", [1, 2, 1, 4]),
        ("other", [1, 3, 1, 0]),
    ] {
        let file = maker.nameless(0x420, 0);
        maker.link(file, ROOT, name, POSIX);
        let mut point = 0x8000_0017u32.to_le_bytes().to_vec();
        point.extend([16, 0, 0, 0]);
        point.extend(words.into_iter().flat_map(u32::to_le_bytes));
        maker.attribute(file, Attribute::resident(0xC0, "", point));
        maker.attribute(file, Attribute::resident(0x80, "", "plain"));
    }
    let cut = maker.wof(ROOT, "cut", &data, 0);
    let record = maker.records.get_mut(&cut).unwrap();
    for attribute in &mut record.attributes {
        if !attribute.name.is_empty() {
            *attribute = Attribute::resident(0x80, "WofCompressedData", [9; 30]);
        }
    }
    let volume = open(maker.finish());
    let contents = |name: &str| {
        let file = volume.file(volume.find_path(name).unwrap()).unwrap();
        let mut data = vec![0; 10];
        file.open_contents()
            .and_then(|stream| stream.read_at(0, &mut data))
    };
    let reason = |name| match contents(name) {
        Err(Error::Unsupported { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason("wim"), Unsupported::InWim);
    assert!(matches!(
        reason("method"),
        Unsupported::SystemCompression { method: 4, .. }
    ));
    assert!(matches!(
        reason("other"),
        Unsupported::SystemCompression { provider: 3, .. }
    ));
    assert!(matches!(
        contents("cut"),
        Err(Error::Damaged {
            fault: Fault::Wof(_),
            ..
        })
    ));
}

#[test]
fn descriptors_ids_and_reparse_points() {
    let mut maker = Maker::new(4096, 1024);
    let mut files = Vec::new();
    for number in 0..300u32 {
        let descriptor = noise(40 + number as usize, u64::from(number) + 1);
        let id = maker.descriptor(&descriptor);
        let file = maker.nameless(0x20, id);
        maker.link(file, ROOT, &format!("secure {number}"), POSIX);
        files.push(descriptor);
    }
    for number in 0..2 {
        let file = maker.file(ROOT, &format!("inline {number}"));
        maker.attribute(file, Attribute::resident(0x50, "", [7; 24]));
    }
    let file = maker.file(ROOT, "elsewhere");
    let attribute = maker.stored(0x50, "", &noise(5000, 8));
    maker.attribute(file, attribute);
    let file = maker.file(ROOT, "object");
    maker.object_id(file, [3; 16], [4; 48]);
    let file = maker.file(ROOT, "lost object");
    maker.attribute(file, Attribute::resident(0x40, "", [5; 16]));

    let point = |tag: u32| {
        [
            &tag.to_le_bytes()[..],
            &[5, 0, 0, 0],
            b"helloGUID and more text",
        ]
        .concat()
    };
    for (name, attributes, attribute) in [
        ("link", 0x420, Some(point(0xA000_000C))),
        ("foreign", 0x400, Some(point(0x0000_0042))),
        ("data only", 0x20, Some(point(0xA000_000C))),
        ("attribute only", 0x400, None),
    ] {
        let file = maker.nameless(attributes, 0);
        maker.link(file, ROOT, name, POSIX);
        if let Some(value) = attribute {
            maker.attribute(file, Attribute::resident(0xC0, "", value));
        }
    }
    let file = maker.file(ROOT, "attributes");
    let packed = [&[20, 0, 0, 0, 0x80, 3, 5, 0][..], b"ONE\0value\0\0\0"].concat();
    maker.attribute(file, Attribute::resident(0xE0, "", packed));

    let tree = Tree::read(&open(maker.finish()));
    for (number, descriptor) in files.into_iter().enumerate() {
        let node = tree.get(&format!("/secure {number}"));
        assert_eq!(node.security, Some(descriptor));
    }
    for number in 0..2 {
        let node = tree.get(&format!("/inline {number}"));
        assert_eq!(node.security, Some(vec![7; 24]));
    }
    assert_eq!(tree.get("/elsewhere").security, Some(noise(5000, 8)));
    assert_eq!(tree.get("/object").security, None);
    let id = tree.get("/object").object_id.unwrap();
    assert_eq!((&id[..16], &id[16..]), (&[3; 16][..], &[4; 48][..]));
    let id = tree.get("/lost object").object_id.unwrap();
    assert_eq!((&id[..16], &id[16..]), (&[5; 16][..], &[0; 48][..]));

    let point = tree.get("/link").reparse_point.clone().unwrap();
    assert_eq!((point.tag, &point.data[..]), (0xA000_000C, &b"hello"[..]));
    let point = tree.get("/foreign").reparse_point.clone().unwrap();
    assert_eq!(
        (point.tag, &point.data[..]),
        (0x42, &b"helloGUID and more te"[..])
    );
    assert_eq!(tree.get("/data only").reparse_point, None);
    assert_eq!(tree.get("/attribute only").reparse_point, None);
    assert_eq!(tree.get("/attribute only").attributes, 0x80);
    let attributes = &tree.get("/attributes").extended_attributes;
    assert_eq!(
        (attributes[0].flags, &attributes[0].name[..]),
        (0x80, &b"ONE"[..])
    );
    assert_eq!(attributes[0].value, b"value");
}

#[test]
fn the_second_copy_of_a_descriptor() {
    let mut maker = Maker::new(4096, 1024);
    let descriptor = noise(100, 1);
    let id = maker.descriptor(&descriptor);
    let mut bytes = maker.finish();
    let find = |bytes: &[u8], from: usize| {
        let rest = bytes[from..]
            .windows(100)
            .position(|window| window == descriptor);
        from + rest.unwrap()
    };
    let first = find(&bytes, 0);
    let second = find(&bytes, first + 1);
    bytes[first] ^= 1;
    assert_eq!(open(bytes.clone()).descriptor(id).unwrap(), descriptor);
    bytes[second] ^= 1;
    assert!(open(bytes).descriptor(id).is_err());
}

#[test]
fn encrypted_files_are_told() {
    let mut maker = Maker::new(4096, 1024);
    let file = maker.nameless(0x4020, 0);
    maker.link(file, ROOT, "secret", POSIX);
    let attribute = maker.stored(0x80, "", &[1; 5000]).with_flags(ENCRYPTED);
    maker.attribute(file, attribute);
    let volume = open(maker.finish());
    let found = volume.find_path("/SECRET").unwrap();
    let catalog = Catalog::read(&volume).unwrap();
    let info = catalog.get(found).unwrap();
    assert!(info.is_encrypted());
    assert!(info.streams().next().unwrap().is_encrypted);
    assert!(matches!(
        volume.file(found).unwrap().open_stream(&[]),
        Err(Error::Unsupported {
            reason: Unsupported::Encrypted,
            ..
        })
    ));
}

#[test]
fn workers_share_a_volume() {
    let mut maker = Maker::new(4096, 1024);
    let data = text(300_000);
    maker.wof(ROOT, "wof", &data, 1);
    let file = maker.file(ROOT, "lznt1");
    let attribute = maker.compressed("", &data);
    maker.attribute(file, attribute);
    let volume = open(maker.finish());
    let streams = ["wof", "lznt1"].map(|name| {
        let file = volume.file(volume.find_path(name).unwrap()).unwrap();
        file.open_contents().unwrap()
    });
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (streams, data) = (&streams, &data);
            scope.spawn(move || {
                for step in 0..40usize {
                    let offset = (step * 7919 + worker * 65_537) % data.len();
                    for stream in streams {
                        let mut buffer = vec![0; 50_000];
                        let count = stream.read_at(offset as u64, &mut buffer).unwrap();
                        assert_eq!(buffer[..count], data[offset..offset + count]);
                    }
                }
            });
        }
    });
}

#[test]
fn a_bare_reference_finds_any_sequence() {
    let mut maker = Maker::new(4096, 1024);
    let file = maker.file(ROOT, "file");
    let volume = open(maker.finish());
    let catalog = Catalog::read(&volume).unwrap();
    for (sequence, good) in [(0, true), (3, true), (4, false)] {
        let reference = FileReference::new(file, sequence);
        assert_eq!(volume.file(reference).is_ok(), good);
        assert_eq!(catalog.get(reference).is_ok(), good);
    }
    assert_eq!(catalog.len(), catalog.files().count());
    assert_eq!(catalog.broken(), 0);
}
