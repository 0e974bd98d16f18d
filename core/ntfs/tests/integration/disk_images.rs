//! Disk images made by qemu-img, byte for byte, and damaged ones.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use wimforge_ntfs::ReadAt;
use wimforge_ntfs::disk_image::{self, DiskFormat, DiskImageError};

use crate::maker::filler::noise;
use crate::mutated::Patched;
use crate::programs::{Disk, have, run};
use crate::support::Dice;

const MIB: usize = 1 << 20;

/// A disk with data here and there.
fn disk() -> Vec<u8> {
    let mut bytes = vec![0; 37 * MIB];
    for (number, at) in [0, 3 * MIB - 700, 4 * MIB, 17 * MIB + 4096, 37 * MIB - 5000]
        .into_iter()
        .enumerate()
    {
        let data = noise(5000, number as u64 + 1);
        bytes[at..at + data.len()].copy_from_slice(&data);
    }
    bytes
}

fn path(directory: &Path, name: &str) -> String {
    directory.join(name).to_str().unwrap().to_owned()
}

fn open(path: &str) -> Result<Option<disk_image::DiskImage>, DiskImageError> {
    let file: Arc<dyn ReadAt> = Arc::new(Disk(fs::File::open(path).unwrap()));
    disk_image::open(&file)
}

fn contents(disk: &dyn ReadAt) -> Vec<u8> {
    let mut bytes = vec![0x55; disk.size() as usize];
    let mut done = 0;
    while done < bytes.len() {
        let end = (done + 300_007).min(bytes.len());
        let count = disk.read_at(done as u64, &mut bytes[done..end]).unwrap();
        assert!(count > 0, "nothing at {done}");
        done += count;
    }
    assert_eq!(disk.read_at(done as u64, &mut [0]).unwrap(), 0);
    bytes
}

/// Converts the disk, reads the image and compares.
fn converted(format: &str, options: &str, expected: DiskFormat) {
    if !have(&["qemu-img"]) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (raw, image) = (path(scratch.path(), "raw"), path(scratch.path(), "image"));
    let original = disk();
    fs::write(&raw, &original).unwrap();
    let arguments = [
        "convert", "-f", "raw", "-O", format, "-o", options, &raw, &image,
    ];
    assert!(run("qemu-img", &arguments));
    let found = open(&image).unwrap().unwrap();
    assert_eq!(found.format, expected);
    assert!(contents(&*found.disk) == original, "{format} {options}");
}

#[test]
fn vhd() {
    converted("vpc", "subformat=dynamic,force_size=on", DiskFormat::Vhd);
    converted("vpc", "subformat=fixed,force_size=on", DiskFormat::Vhd);
}

#[test]
fn vhdx() {
    for options in [
        "subformat=dynamic,block_size=1M",
        "subformat=dynamic,block_size=8M",
        "subformat=dynamic,block_state_zero=off",
        "subformat=fixed",
    ] {
        converted("vhdx", options, DiskFormat::Vhdx);
    }
}

#[test]
fn a_raw_disk_is_no_disk_image() {
    for bytes in [vec![], vec![0; 511], disk()] {
        let file: Arc<dyn ReadAt> = Arc::new(bytes);
        assert!(disk_image::open(&file).unwrap().is_none());
    }
}

/// What a program that died wrote only to the log counts.
#[test]
fn the_log_of_a_vhdx_file_is_replayed() {
    if !have(&["qemu-img", "qemu-io"]) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let image = path(scratch.path(), "image.vhdx");
    assert!(run(
        "qemu-img",
        &["create", "-f", "vhdx", "-o", "block_size=1M", &image, "40M"]
    ));
    // A new block is entered into the block table, through the log. The entry stays there, but
    // qemu-io has done what it says and marks the log as empty.
    let write = ["-f", "vhdx", "-c", "write -P 0x42 9M 64k", &image];
    assert!(run("qemu-io", &write));
    let mut bytes = fs::read(&image).unwrap();
    let read = |bytes: &[u8]| {
        let file: Arc<dyn ReadAt> = Arc::new(bytes.to_vec());
        disk_image::open(&file).map(|found| contents(&*found.unwrap().disk))
    };
    let original = read(&bytes).unwrap();
    assert!(
        original[9 * MIB..][..64 << 10]
            .iter()
            .all(|byte| *byte == 0x42)
    );

    // Undo what it says, and mark the log as one to be replayed.
    let table = block_table(&bytes);
    bytes[table..table + 4096].fill(0);
    assert!(read(&bytes).unwrap() != original);
    let log = u64::from_le_bytes(bytes[(64 << 10) + 72..][..8].try_into().unwrap()) as usize;
    let id: [u8; 16] = bytes[log + 32..][..16].try_into().unwrap();
    for header in [64 << 10, 128 << 10] {
        let header = &mut bytes[header..][..4096];
        header[48..64].copy_from_slice(&id);
        header[4..8].fill(0);
        let checksum = crc32c(header);
        header[4..8].copy_from_slice(&checksum.to_le_bytes());
    }
    assert!(read(&bytes).unwrap() == original);

    // Without a valid entry there is nothing to go by.
    bytes[log + 100] ^= 1;
    let error = read(&bytes).err().unwrap().to_string();
    assert!(error.contains("log"), "{error}");
}

fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg())
        })
    })
}

/// Where the block allocation table of a VHDX file lies.
fn block_table(bytes: &[u8]) -> usize {
    let regions = &bytes[192 << 10..][16..];
    let entry = regions
        .chunks_exact(32)
        .find(|entry| entry.starts_with(&0x2DC2_7766u32.to_le_bytes()))
        .unwrap();
    u64::from_le_bytes(entry[16..24].try_into().unwrap()) as usize
}

#[test]
fn differencing_disks_are_refused() {
    if !have(&["qemu-img"]) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let image = path(scratch.path(), "image.vhd");
    assert!(run("qemu-img", &["create", "-f", "vpc", &image, "8M"]));
    let mut bytes = fs::read(&image).unwrap();
    let end = bytes.len() - 512;
    for footer in [0, end] {
        bytes[footer + 63] = 4;
        bytes[footer + 64..footer + 68].fill(0);
        let sum = bytes[footer..footer + 512]
            .iter()
            .fold(0u32, |sum, byte| sum + u32::from(*byte));
        bytes[footer + 64..footer + 68].copy_from_slice(&(!sum).to_be_bytes());
    }
    let file: Arc<dyn ReadAt> = Arc::new(bytes);
    let error = disk_image::open(&file).err().unwrap();
    assert!(matches!(
        error,
        DiskImageError::Unsupported(DiskFormat::Vhd, _)
    ));
}

/// Whatever is in a disk image, opening and reading it neither panics nor hangs.
#[test]
fn damaged_images() {
    if !have(&["qemu-img"]) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let raw = path(scratch.path(), "raw");
    fs::write(&raw, &disk()[..5 * MIB]).unwrap();
    for (format, options) in [
        ("vpc", "subformat=dynamic,force_size=on"),
        ("vhdx", "subformat=dynamic,block_size=1M"),
    ] {
        let image = path(scratch.path(), "image");
        let arguments = [
            "convert", "-f", "raw", "-O", format, "-o", options, &raw, &image,
        ];
        assert!(run("qemu-img", &arguments));
        let base = Arc::new(fs::read(&image).unwrap());
        let places: Vec<usize> = (0..base.len())
            .filter(|at| base[*at] != 0)
            .take(3000)
            .collect();
        let mut dice = Dice(7);
        for _ in 0..1500 {
            let changes = (0..=dice.roll(4))
                .map(|_| {
                    (
                        places[dice.roll(places.len())] + dice.roll(3),
                        dice.roll(256) as u8,
                    )
                })
                .filter(|(at, _)| *at < base.len())
                .collect();
            let base = Arc::clone(&base);
            let file: Arc<dyn ReadAt> = Arc::new(Patched { base, changes });
            if let Ok(Some(found)) = disk_image::open(&file) {
                let mut buffer = [0; 4096];
                for part in 0..8 {
                    let _ = found
                        .disk
                        .read_at(found.disk.size() / 8 * part, &mut buffer);
                }
            }
        }
    }
}
