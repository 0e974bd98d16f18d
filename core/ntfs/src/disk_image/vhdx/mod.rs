//! VHDX: two headers, two copies of a table of regions, and in these the facts about the disk and the
//! table of its blocks.
//!
//! All numbers are little-endian; checksums are CRC-32C over the structure with zeros in their place.
//!
//! | offset | |
//! |---|---|
//! | 0 | `vhdxfile` |
//! | 64 KiB, 128 KiB | header: `head`, checksum, sequence number; of the valid ones the later counts |
//! | 192 KiB, 256 KiB | region table: `regi`, checksum, count, then 32 bytes for each region |
//!
//! The *metadata* region is a table of items (size of blocks, size of the disk, size of sectors). The
//! *block allocation table* has 8 bytes for each block: its state in the lowest three bits, its place in
//! MiB in the upper 44. After so many entries as cover 2^23 sectors stands one for a bitmap that only
//! differencing disks use.

mod log;

use std::sync::Arc;

use self::log::Replayed;
use super::mapped::Mapped;
use super::{DiskFormat, DiskImageError, Result, array_at, table_at};
use crate::crc32::crc32c;
use crate::device::ReadAt;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// Headers and region tables lie at these places.
const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
const REGIONS: [u64; 2] = [192 * KIB, 256 * KIB];
const HEADER: usize = 4 << 10;
const REGION_TABLE: usize = 64 << 10;
const METADATA_TABLE: u64 = 64 * KIB;
/// Sectors that one bitmap of a differencing disk covers.
const SECTORS_OF_BITMAP: u64 = 1 << 23;
/// The largest disk: 64 TiB.
const LARGEST_DISK: u64 = 64 << 40;

/// A GUID as it is stored.
const fn guid(first: u32, second: u16, third: u16, rest: [u8; 8]) -> [u8; 16] {
    let [a, b, c, d] = first.to_le_bytes();
    let [e, f] = second.to_le_bytes();
    let [g, h] = third.to_le_bytes();
    let [i, j, k, l, m, n, o, p] = rest;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

const BLOCK_TABLE: [u8; 16] = guid(
    0x2DC2_7766,
    0xF623,
    0x4200,
    [0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08],
);
const METADATA: [u8; 16] = guid(
    0x8B7C_A206,
    0x4790,
    0x4B9A,
    [0xB8, 0xFE, 0x57, 0x5F, 0x05, 0x0F, 0x88, 0x6E],
);
const FILE_PARAMETERS: [u8; 16] = guid(
    0xCAA1_6737,
    0xFA36,
    0x4D43,
    [0xB3, 0xB6, 0x33, 0xF0, 0xAA, 0x44, 0xE7, 0x6B],
);
const DISK_SIZE: [u8; 16] = guid(
    0x2FA5_4224,
    0xCD1B,
    0x4876,
    [0xB2, 0x11, 0x5D, 0xBE, 0xD8, 0x3B, 0xF4, 0xB8],
);
const SECTOR_SIZE: [u8; 16] = guid(
    0x8141_BF1D,
    0xA96F,
    0x4709,
    [0xBA, 0x47, 0xF2, 0x33, 0xA8, 0xFA, 0xAB, 0x5F],
);

/// States of a block.
const UNMAPPED_BUT_LISTED: u64 = 3;
const PRESENT: u64 = 6;
const PARTLY_PRESENT: u64 = 7;

/// The disk in a VHDX file; `None` if it is none.
pub(super) fn open(file: &Arc<dyn ReadAt>) -> Result<Option<Arc<dyn ReadAt>>> {
    if array_at::<8>(&**file, 0)?.is_none_or(|mark| mark != *b"vhdxfile") {
        return Ok(None);
    }
    let header = Header::current(&**file)?;
    let file: Arc<dyn ReadAt> = match header.log_id == [0; 16] {
        true => file.clone(),
        false => Arc::new(Replayed::new(file.clone(), &header)?),
    };
    let regions = Regions::read(&*file)?;
    let facts = Facts::read(&*file, regions.metadata)?;
    let blocks = read_blocks(&*file, regions.block_table, &facts)?;
    Ok(Some(Arc::new(Mapped {
        file,
        size: facts.size,
        block_size: facts.block_size,
        blocks,
    })))
}

fn damaged(what: &'static str) -> DiskImageError {
    DiskImageError::Damaged(DiskFormat::Vhdx, what)
}

fn unsupported(what: &'static str) -> DiskImageError {
    DiskImageError::Unsupported(DiskFormat::Vhdx, what)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |n| u16::from_le_bytes(*n))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |n| u32::from_le_bytes(*n))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.map_or(0, |n| u64::from_le_bytes(*n))
}

fn guid_at(bytes: &[u8], at: usize) -> [u8; 16] {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().unwrap_or_default()
}

/// Whether the checksum in bytes 4 to 7 is right.
fn checksum_is_right(bytes: &[u8]) -> bool {
    let expected = u32_at(bytes, 4);
    let mut bytes = bytes.to_vec();
    bytes[4..8].fill(0);
    crc32c(&bytes) == expected
}

/// What is needed of a header.
struct Header {
    sequence: u64,
    log_id: [u8; 16],
    log_length: u64,
    log_offset: u64,
}

impl Header {
    /// The valid header with the higher sequence number.
    fn current(file: &dyn ReadAt) -> Result<Self> {
        let mut current: Option<Self> = None;
        for place in HEADERS {
            let Some(bytes) = array_at::<HEADER>(file, place)? else {
                continue;
            };
            if !bytes.starts_with(b"head") || !checksum_is_right(&bytes) {
                continue;
            }
            if u16_at(&bytes, 66) != 1 {
                return Err(unsupported("its version is unknown"));
            }
            let header = Self {
                sequence: u64_at(&bytes, 8),
                log_id: guid_at(&bytes, 48),
                log_length: u64::from(u32_at(&bytes, 68)),
                log_offset: u64_at(&bytes, 72),
            };
            if current
                .as_ref()
                .is_none_or(|other| other.sequence < header.sequence)
            {
                current = Some(header);
            }
        }
        current.ok_or_else(|| damaged("both headers are"))
    }
}

/// Place and length.
type Range = (u64, u64);

struct Regions {
    metadata: Range,
    block_table: Range,
}

impl Regions {
    fn read(file: &dyn ReadAt) -> Result<Self> {
        for place in REGIONS {
            let table = array_at::<REGION_TABLE>(file, place)?;
            let table =
                table.filter(|table| table.starts_with(b"regi") && checksum_is_right(table));
            if let Some(table) = table {
                return Self::decode(&table);
            }
        }
        Err(damaged("both copies of its region table are"))
    }

    fn decode(table: &[u8; REGION_TABLE]) -> Result<Self> {
        let (mut metadata, mut block_table) = (None, None);
        let count = u32_at(table, 8) as usize;
        for entry in table[16..].chunks_exact(32).take(count) {
            let range = (u64_at(entry, 16), u64::from(u32_at(entry, 24)));
            let required = u32_at(entry, 28) & 1 != 0;
            match guid_at(entry, 0) {
                METADATA => metadata = Some(range),
                BLOCK_TABLE => block_table = Some(range),
                _ if required => return Err(unsupported("it needs a region of unknown kind")),
                _ => {}
            }
        }
        match (metadata, block_table) {
            (Some(metadata), Some(block_table)) => Ok(Self {
                metadata,
                block_table,
            }),
            _ => Err(damaged("a region is missing")),
        }
    }
}

/// The facts about a disk.
struct Facts {
    block_size: u64,
    size: u64,
    sector_size: u64,
}

impl Facts {
    fn read(file: &dyn ReadAt, (start, length): Range) -> Result<Self> {
        let table = table_at(file, start, length.min(METADATA_TABLE))?
            .filter(|table| table.starts_with(b"metadata"))
            .ok_or_else(|| damaged("its metadata cannot be found"))?;
        let mut facts = Self {
            block_size: 0,
            size: 0,
            sector_size: 0,
        };
        let count = usize::from(u16_at(&table, 10));
        for entry in table.chunks_exact(32).skip(1).take(count) {
            let place = start.saturating_add(u64::from(u32_at(entry, 16)));
            let required = u32_at(entry, 24) & 4 != 0;
            let value = || -> Result<[u8; 8]> {
                array_at(file, place)?.ok_or_else(|| damaged("its metadata ends too early"))
            };
            match guid_at(entry, 0) {
                FILE_PARAMETERS => {
                    let value = value()?;
                    facts.block_size = u64::from(u32_at(&value, 0));
                    if u32_at(&value, 4) & 2 != 0 {
                        return Err(unsupported(
                            "it holds the differences from another disk only; merge it into that \
                             one first",
                        ));
                    }
                }
                DISK_SIZE => facts.size = u64_at(&value()?, 0),
                SECTOR_SIZE => facts.sector_size = u64::from(u32_at(&value()?, 0)),
                _ if required && !is_harmless(&guid_at(entry, 0)) => {
                    return Err(unsupported("it needs metadata of unknown kind"));
                }
                _ => {}
            }
        }
        facts.check()
    }

    fn check(self) -> Result<Self> {
        let block_is_possible =
            self.block_size.is_power_of_two() && (MIB..=256 * MIB).contains(&self.block_size);
        let sector_is_possible = matches!(self.sector_size, 512 | 4096);
        if !block_is_possible || !sector_is_possible || self.size > LARGEST_DISK {
            return Err(damaged("its sizes are not possible"));
        }
        Ok(self)
    }
}

/// Required items that say nothing about where data is: the disk's id and the physical sector size.
fn is_harmless(id: &[u8; 16]) -> bool {
    const DISK_ID: [u8; 16] = guid(
        0xBECA_12AB,
        0xB2E6,
        0x4523,
        [0x93, 0xEF, 0xC3, 0x09, 0xE0, 0x00, 0xC7, 0x46],
    );
    const PHYSICAL_SECTOR_SIZE: [u8; 16] = guid(
        0xCDA3_48C7,
        0x445D,
        0x4471,
        [0x9C, 0xC9, 0xE9, 0x88, 0x52, 0x51, 0xC5, 0x56],
    );
    *id == DISK_ID || *id == PHYSICAL_SECTOR_SIZE
}

/// The place of every block of the disk.
fn read_blocks(file: &dyn ReadAt, (start, length): Range, facts: &Facts) -> Result<Vec<u64>> {
    let count = facts.size.div_ceil(facts.block_size);
    let run = (SECTORS_OF_BITMAP * facts.sector_size / facts.block_size).max(1);
    let entries = count + count.saturating_sub(1) / run;
    let short = || damaged("its table of blocks is shorter than the disk");
    if entries * 8 > length {
        return Err(short());
    }
    let table = table_at(file, start, entries * 8)?.ok_or_else(short)?;
    let mut blocks = Vec::with_capacity(count as usize);
    for entries in table.chunks((run as usize + 1) * 8) {
        let left = count as usize - blocks.len();
        for entry in entries.chunks_exact(8).take(left.min(run as usize)) {
            let entry = u64_at(entry, 0);
            let place = entry & !(MIB - 1);
            blocks.push(match entry & 7 {
                PRESENT if place != 0 => place,
                PRESENT => return Err(damaged("a block lies on top of the headers")),
                PARTLY_PRESENT => return Err(damaged("a block is said to be elsewhere in part")),
                state if state <= UNMAPPED_BUT_LISTED => 0,
                _ => return Err(damaged("the state of a block is unknown")),
            });
        }
    }
    Ok(blocks)
}
