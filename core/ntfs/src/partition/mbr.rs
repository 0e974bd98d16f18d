//! The old partition table: four entries at the end of the first sector.
//!
//! One of them can be an *extended* partition, whose first sector has a table again: one entry for a
//! logical drive, placed relative to this table, and one for the next table, placed relative to the
//! extended partition.

use std::collections::HashSet;

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{Kind, Partition, PartitionError, read};
use crate::device::ReadAt;

/// Bytes of a sector. Disks with larger ones carry GUID partition tables.
const SECTOR: u64 = 512;
/// Where the table is in its sector.
const TABLE: usize = 446;
/// The last two bytes of a sector with a table.
const MARK: [u8; 2] = [0x55, 0xAA];
/// Tables of extended partitions that are followed.
const MOST_TABLES: usize = 256;

const PROTECTIVE: u8 = 0xEE;

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Entry {
    status: u8,
    chs_first: [u8; 3],
    kind: u8,
    chs_last: [u8; 3],
    first: U32,
    count: U32,
}

impl Entry {
    fn is_used(&self) -> bool {
        self.kind != 0 && self.count.get() != 0
    }

    fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0F | 0x85)
    }

    fn partition(&self, number: u32, base: u64) -> Partition {
        Partition {
            number,
            kind: Kind::Mbr(self.kind),
            start: (base + u64::from(self.first.get())) * SECTOR,
            length: u64::from(self.count.get()) * SECTOR,
        }
    }
}

/// What the first sector says.
pub(super) enum Table {
    Partitions(Vec<Partition>),
    /// The disk has a GUID partition table.
    Protective,
}

fn table(disk: &dyn ReadAt, sector: u64) -> Result<Option<Vec<u8>>, PartitionError> {
    let data = read(disk, sector * SECTOR, SECTOR as usize)?;
    Ok(data.ends_with(&MARK).then(|| data[TABLE..].to_vec()))
}

fn entries(table: &[u8]) -> &[Entry] {
    <[Entry]>::ref_from_prefix_with_elems(table, 4).map_or(&[], |(entries, _)| entries)
}

pub(super) fn list(disk: &dyn ReadAt) -> Result<Table, PartitionError> {
    let first = table(disk, 0)?.ok_or(PartitionError::NoTable)?;
    let mut partitions = Vec::new();
    let mut extended = Vec::new();
    for (number, entry) in (1..).zip(entries(&first)) {
        if !entry.is_used() {
            continue;
        }
        if entry.kind == PROTECTIVE {
            return Ok(Table::Protective);
        }
        if entry.is_extended() {
            extended.push(u64::from(entry.first.get()));
        } else {
            partitions.push(entry.partition(number, 0));
        }
    }
    let mut number = 5;
    for base in extended {
        logical(disk, base, &mut number, &mut partitions)?;
    }
    Ok(Table::Partitions(partitions))
}

/// Follows the tables of an extended partition.
fn logical(
    disk: &dyn ReadAt,
    base: u64,
    number: &mut u32,
    partitions: &mut Vec<Partition>,
) -> Result<(), PartitionError> {
    let mut seen = HashSet::new();
    let mut next = Some(base);
    while let Some(at) = next.take() {
        if !seen.insert(at) || seen.len() > MOST_TABLES {
            return Err(PartitionError::Extended("they form a loop"));
        }
        let table = match table(disk, at) {
            Ok(Some(table)) => table,
            Ok(None) => return Err(PartitionError::Extended("a table lacks its mark")),
            Err(PartitionError::NoTable) => {
                return Err(PartitionError::Extended("a table is beyond the disk"));
            }
            Err(error) => return Err(error),
        };
        for entry in entries(&table).iter().filter(|entry| entry.is_used()) {
            if entry.is_extended() {
                next = Some(base + u64::from(entry.first.get()));
            } else {
                partitions.push(entry.partition(*number, at));
                *number += 1;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes an entry into the table of a sector.
    fn set(disk: &mut [u8], sector: usize, index: usize, kind: u8, first: u32, count: u32) {
        let start = sector * SECTOR as usize;
        disk[start + 510..start + 512].copy_from_slice(&MARK);
        let at = start + TABLE + 16 * index;
        disk[at + 4] = kind;
        disk[at + 8..at + 12].copy_from_slice(&first.to_le_bytes());
        disk[at + 12..at + 16].copy_from_slice(&count.to_le_bytes());
    }

    fn starts(disk: &[u8]) -> Vec<(u32, u64, u64)> {
        super::super::list(&disk)
            .unwrap()
            .iter()
            .map(|found| (found.number, found.start / SECTOR, found.length / SECTOR))
            .collect()
    }

    #[test]
    fn primary_and_logical() {
        let mut disk = vec![0; 200 * 512];
        set(&mut disk, 0, 0, 0x07, 10, 5);
        set(&mut disk, 0, 2, 0x0F, 50, 100);
        set(&mut disk, 50, 0, 0x07, 2, 8);
        set(&mut disk, 50, 1, 0x05, 20, 30);
        set(&mut disk, 70, 0, 0x0C, 3, 9);
        assert_eq!(starts(&disk), [(1, 10, 5), (5, 52, 8), (6, 73, 9)]);
        let found = super::super::list(&disk).unwrap();
        assert!(found[0].kind.may_hold_ntfs() && !found[2].kind.may_hold_ntfs());
    }

    #[test]
    fn loops_and_ends() {
        let mut disk = vec![0; 200 * 512];
        assert!(matches!(list(&disk), Err(PartitionError::NoTable)));
        set(&mut disk, 0, 0, 0x05, 50, 100);
        assert!(matches!(list(&disk), Err(PartitionError::Extended(_))));
        set(&mut disk, 50, 0, 0x05, 0, 100);
        assert!(matches!(list(&disk), Err(PartitionError::Extended(_))));
        set(&mut disk, 50, 0, 0x05, 0xFFFF_FFFF, 100);
        assert!(matches!(list(&disk), Err(PartitionError::Extended(_))));
    }
}
