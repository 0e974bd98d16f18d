//! A volume to be damaged.

use super::attribute::Attribute;
use super::filler::{noise, text};
use super::{DOS, Maker, ROOT, WIN32};

/// A small volume that has some of everything.
pub fn volume(cluster: usize) -> Vec<u8> {
    let mut maker = Maker::new(cluster, 1024);
    maker.index_fill = 300;
    maker.mft_pieces = 5;
    let id = maker.descriptor(&noise(60, 1));
    for number in 0..6 {
        maker.descriptor(&noise(50, number + 2));
    }
    let directory = maker.directory(ROOT, "directory");
    let deep = maker.directory(directory, "deep");
    let file = maker.nameless(0x20, id);
    maker.link(file, deep, "long name", WIN32);
    maker.link(file, deep, "LONGNA~1", DOS);
    maker.link(file, directory, "hard link", 0);
    maker.attribute(file, Attribute::resident(0x80, "", "contents"));
    maker.attribute(file, Attribute::resident(0x80, "stream", "more"));
    maker.object_id(file, [1; 16], [2; 48]);
    let packed = [&[20, 0, 0, 0, 0, 3, 5, 0][..], b"ONE\0value\0\0\0"].concat();
    maker.attribute(file, Attribute::resident(0xE0, "", packed));
    for number in 0..20 {
        maker.file(directory, &format!("entry {number}"));
    }
    let file = maker.file(ROOT, "compressed");
    let attribute = maker.compressed("", &text(20_000));
    maker.attribute(file, attribute);
    let file = maker.file(ROOT, "pieces");
    for piece in maker.scattered("", &noise(12_000, 9)).split(4) {
        maker.extension(file, vec![piece]);
    }
    maker.wof(ROOT, "lzx", &text(40_000), 1);
    maker.wof(ROOT, "xpress", &text(9_000), 0);
    maker.finish()
}

/// Where metadata is: the boot sector, records, index blocks, descriptors.
pub fn metadata(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut ranges = vec![(0, 90)];
    for at in (0..bytes.len().saturating_sub(1024)).step_by(512) {
        match &bytes[at..at + 4] {
            b"FILE" => {
                let used = u32::from_le_bytes(bytes[at + 24..at + 28].try_into().unwrap());
                ranges.push((at, used as usize));
            }
            b"INDX" => ranges.push((at, 512)),
            _ => {}
        }
    }
    ranges
}
