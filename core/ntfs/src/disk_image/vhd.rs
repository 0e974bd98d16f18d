//! VHD: a footer that describes the disk, and for dynamic disks a table of blocks.
//!
//! All numbers are big-endian. The footer is the last 512 bytes of the file; a dynamic disk has a copy
//! of it at the start, with the place of a second header in it.
//!
//! | footer at | size | |
//! |---|---|---|
//! | 0 | 8 | `conectix` |
//! | 16 | 8 | place of the dynamic header |
//! | 48 | 8 | size of the disk in bytes |
//! | 60 | 4 | type: 2 fixed, 3 dynamic, 4 differencing |
//! | 64 | 4 | ones' complement of the sum of all other bytes |
//!
//! | dynamic header at | size | |
//! |---|---|---|
//! | 0 | 8 | `cxsparse` |
//! | 16 | 8 | place of the block table |
//! | 28 | 4 | entries of the table |
//! | 32 | 4 | bytes of a block |
//! | 36 | 4 | sum, as above |
//!
//! The table has 4 bytes for each block: the sector of 512 bytes where it begins, or all ones. A block
//! begins with a bitmap of the sectors that were written, a whole number of sectors long. The others
//! are zeros in the file as well, so the bitmap need not be looked at.

use std::sync::Arc;

use super::mapped::Mapped;
use super::{DiskFormat, DiskImageError, Result, array_at, table_at};
use crate::device::{ReadAt, Window};

const SECTOR: u64 = 512;
const FOOTER: usize = 512;
const HEADER: usize = 1024;
/// The largest block that is accepted; 2 MiB is usual.
const LARGEST_BLOCK: u64 = 1 << 28;

const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const DIFFERENCING: u32 = 4;

/// The disk in a VHD file; `None` if it is none.
pub(super) fn open(file: &Arc<dyn ReadAt>) -> Result<Option<Arc<dyn ReadAt>>> {
    let at_end = file.size().checked_sub(FOOTER as u64);
    let at_end = match at_end {
        Some(offset) => array_at::<FOOTER>(&**file, offset)?.and_then(Footer::decode),
        None => None,
    };
    let at_start = array_at::<FOOTER>(&**file, 0)?;
    let marked = at_start.is_some_and(|bytes| bytes.starts_with(b"conectix"));
    let Some(footer) = at_end.or_else(|| at_start.and_then(Footer::decode)) else {
        return match marked {
            true => Err(damaged("the checksum of its footer is wrong")),
            false => Ok(None),
        };
    };
    match footer.kind {
        FIXED => {
            let data = file.size().saturating_sub(FOOTER as u64);
            if footer.size > data {
                return Err(damaged("it ends before the disk does"));
            }
            Ok(Some(Arc::new(Window::new(file.clone(), 0, footer.size))))
        }
        DYNAMIC => dynamic(file, &footer).map(|disk| Some(Arc::new(disk) as _)),
        DIFFERENCING => Err(DiskImageError::Unsupported(
            DiskFormat::Vhd,
            "it holds the differences from another disk only; merge it into that one first",
        )),
        _ => Err(damaged("its type is unknown")),
    }
}

fn damaged(what: &'static str) -> DiskImageError {
    DiskImageError::Damaged(DiskFormat::Vhd, what)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |n| u32::from_be_bytes(*n))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |n| u64::from_be_bytes(*n))
}

/// Whether the sum of all bytes but the four of the sum itself is right.
fn sum_is_right(bytes: &[u8], at: usize) -> bool {
    let (before, rest) = bytes.split_at(at);
    let sum = before
        .iter()
        .chain(&rest[4..])
        .fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    !sum == u32_at(bytes, at)
}

struct Footer {
    header: u64,
    size: u64,
    kind: u32,
}

impl Footer {
    fn decode(bytes: [u8; FOOTER]) -> Option<Self> {
        let valid = bytes.starts_with(b"conectix") && sum_is_right(&bytes, 64);
        valid.then(|| Self {
            header: u64_at(&bytes, 16),
            size: u64_at(&bytes, 48),
            kind: u32_at(&bytes, 60),
        })
    }
}

fn dynamic(file: &Arc<dyn ReadAt>, footer: &Footer) -> Result<Mapped> {
    let header = array_at::<HEADER>(&**file, footer.header)?
        .filter(|header| header.starts_with(b"cxsparse") && sum_is_right(header, 36))
        .ok_or_else(|| damaged("it has no valid header of a dynamic disk"))?;
    let block_size = u64::from(u32_at(&header, 32));
    if !block_size.is_power_of_two() || !(SECTOR..=LARGEST_BLOCK).contains(&block_size) {
        return Err(damaged("the size of its blocks is not possible"));
    }
    let count = footer.size.div_ceil(block_size);
    if count > u64::from(u32_at(&header, 28)) {
        return Err(damaged("its table of blocks is shorter than the disk"));
    }
    let table = table_at(&**file, u64_at(&header, 16), count * 4)?
        .ok_or_else(|| damaged("its table of blocks lies outside of the file"))?;
    let bitmap = (block_size / SECTOR).div_ceil(8).next_multiple_of(SECTOR);
    let blocks = table
        .chunks_exact(4)
        .map(|entry| match u32_at(entry, 0) {
            u32::MAX => 0,
            sector => u64::from(sector) * SECTOR + bitmap,
        })
        .collect();
    Ok(Mapped {
        file: file.clone(),
        size: footer.size,
        block_size,
        blocks,
    })
}
