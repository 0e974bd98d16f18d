//! GUID partition tables.
//!
//! The header is in the second sector, its copy in the last one; each has a checksum over itself and
//! one over the table of entries that it points to.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::{Guid, Kind, Partition, PartitionError, read};
use crate::crc32::crc32;
use crate::device::ReadAt;

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    signature: [u8; 8],
    revision: U32,
    size: U32,
    /// Over the header, with this field zero.
    crc: U32,
    reserved: U32,
    own_sector: U64,
    other_sector: U64,
    first_usable: U64,
    last_usable: U64,
    disk: [u8; 16],
    table: U64,
    entries: U32,
    entry_size: U32,
    table_crc: U32,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Entry {
    kind: [u8; 16],
    id: [u8; 16],
    first: U64,
    /// Inclusive.
    last: U64,
    flags: U64,
    name: [U16; 36],
}

const HEADER: usize = size_of::<Header>();
/// Bytes of the largest table that is believed; usual are 16 KiB.
const MOST: u64 = 1 << 20;

/// Lists the partitions, from the copy of the header if the first is damaged.
pub(super) fn list(disk: &dyn ReadAt, sector: u64) -> Result<Vec<Partition>, PartitionError> {
    let last = (disk.size() / sector).saturating_sub(1);
    list_from(disk, sector, 1).or_else(|error| list_from(disk, sector, last).map_err(|_| error))
}

fn list_from(
    disk: &dyn ReadAt,
    sector: u64,
    number: u64,
) -> Result<Vec<Partition>, PartitionError> {
    use PartitionError::Gpt;
    let mut block = read(disk, number * sector, sector as usize)?;
    let (header, _) = Header::read_from_prefix(&block).map_err(|_| Gpt("no header"))?;
    if &header.signature != b"EFI PART" {
        return Err(Gpt("no header"));
    }
    block[16..20].fill(0);
    let size = header.size.get() as usize;
    let whole = block.get(..size).filter(|_| size >= HEADER);
    if whole.map(crc32) != Some(header.crc.get()) {
        return Err(Gpt("wrong checksum of the header"));
    }
    let (entries, step) = (header.entries.get(), header.entry_size.get());
    let length = u64::from(entries) * u64::from(step);
    if (step as usize) < size_of::<Entry>() || step % 8 != 0 || length > MOST {
        return Err(Gpt("impossible size of the table"));
    }
    let start = header.table.get().checked_mul(sector);
    let start = start.ok_or(Gpt("the table is beyond the disk"))?;
    let table = read(disk, start, length as usize)?;
    if crc32(&table) != header.table_crc.get() {
        return Err(Gpt("wrong checksum of the table"));
    }
    let mut partitions = Vec::new();
    for (number, entry) in (1..).zip(table.chunks_exact(step as usize)) {
        let Ok((entry, _)) = Entry::ref_from_prefix(entry) else {
            continue;
        };
        if entry.kind != [0; 16] {
            partitions.push(entry.partition(number, sector)?);
        }
    }
    Ok(partitions)
}

impl Entry {
    fn partition(&self, number: u32, sector: u64) -> Result<Partition, PartitionError> {
        let (first, last) = (self.first.get(), self.last.get());
        let bytes = |sectors: u64| sectors.checked_mul(sector);
        let length = last.checked_sub(first).and_then(|count| bytes(count + 1));
        match (bytes(first), length) {
            (Some(start), Some(length)) => Ok(Partition {
                number,
                kind: Kind::Gpt {
                    kind: Guid(self.kind),
                    id: Guid(self.id),
                    name: self
                        .name
                        .iter()
                        .map(|unit| unit.get())
                        .take_while(|unit| *unit != 0)
                        .collect(),
                },
                start,
                length,
            }),
            _ => Err(PartitionError::Gpt("an entry of impossible size")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_header(disk: &mut [u8], sector: usize, number: usize, table: usize) {
        let at = number * sector;
        let entries = &disk[table * sector..table * sector + 4 * 128];
        let table_crc = crc32(entries).to_le_bytes();
        let header = &mut disk[at..at + 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[12] = 92;
        header[16..20].fill(0);
        header[72] = table as u8;
        header[80] = 4;
        header[84] = 128;
        header[88..92].copy_from_slice(&table_crc);
        let crc = crc32(header).to_le_bytes();
        header[16..20].copy_from_slice(&crc);
    }

    fn disk(sector: usize) -> Vec<u8> {
        let mut disk = vec![0; 100 * sector];
        disk[510..512].copy_from_slice(&[0x55, 0xAA]);
        disk[446 + 4] = 0xEE;
        disk[446 + 12] = 99;
        let entry = &mut disk[2 * sector + 128..][..128];
        entry[..16].copy_from_slice(&Guid::BASIC_DATA.0);
        entry[16] = 1;
        entry[32] = 40;
        entry[40] = 49;
        entry[56] = b'D';
        let (front, back) = disk.split_at_mut(90 * sector);
        back[..512].copy_from_slice(&front[2 * sector..2 * sector + 512]);
        write_header(&mut disk, sector, 1, 2);
        write_header(&mut disk, sector, 99, 90);
        disk
    }

    #[test]
    fn both_sector_sizes_and_the_copy() {
        for sector in [512, 4096] {
            let mut disk = disk(sector);
            for damage in [false, true] {
                if damage {
                    disk[sector + 40] ^= 1;
                }
                let found = super::super::list(&disk).unwrap();
                assert_eq!(found.len(), 1);
                assert_eq!(found[0].number, 2);
                assert_eq!(found[0].start, 40 * sector as u64);
                assert_eq!(found[0].length, 10 * sector as u64);
                assert!(found[0].kind.may_hold_ntfs());
            }
            disk[90 * sector + 200] ^= 1;
            assert!(super::super::list(&disk).is_err());
        }
    }
}
