//! The log of a VHDX file that was not closed properly.
//!
//! Changes to headers, tables and bitmaps are written to a circular log first. An entry is a header of
//! 64 bytes, descriptors of 32 bytes, and a sector of 4 KiB for each descriptor of data:
//!
//! | entry at | | descriptor at | data | zeros |
//! |---|---|---|---|---|
//! | 0 | `loge` | 0 | `desc` | `zero` |
//! | 4 | checksum | 4 | last 4 bytes | – |
//! | 8 | length of the entry | 8 | first 8 bytes | length |
//! | 12 | where the oldest entry is that matters | 16 | place in the file | place in the file |
//! | 16 | sequence number | 24 | sequence number | sequence number |
//! | 24 | number of descriptors | | | |
//! | 32 | id of the log | | | |
//! | 48 | bytes the file had to have | | | |
//!
//! A data sector is `data`, the upper half of the sequence number, 4,084 bytes, the lower half; what
//! these marks displaced is in the descriptor. What has to be replayed is the valid chain of entries
//! with the highest sequence number that begins at the place its last entry names.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::super::{Result, table_at};
use super::{Header, checksum_is_right, damaged, guid_at, u32_at, u64_at};
use crate::device::ReadAt;

const SECTOR: usize = 4096;
const ENTRY: usize = 64;
const DESCRIPTOR: usize = 32;
/// The longest log that is accepted; 1 MiB is usual.
const LONGEST: u64 = 64 << 20;
/// Most pieces of 4 KiB that it may set to zero.
const MOST: u64 = 1 << 18;

/// What a piece of 4 KiB of the file is after the replay.
type Sector = Option<Box<[u8]>>;

/// The file as it is after its log was replayed.
pub(super) struct Replayed {
    file: Arc<dyn ReadAt>,
    size: u64,
    /// By place, divided by 4 KiB; `None` for zeros.
    sectors: BTreeMap<u64, Sector>,
}

impl Replayed {
    pub fn new(file: Arc<dyn ReadAt>, header: &Header) -> Result<Self> {
        let lengths = SECTOR as u64..=LONGEST;
        if !lengths.contains(&header.log_length) || !header.log_length.is_multiple_of(SECTOR as u64)
        {
            return Err(damaged("the length of its log is not possible"));
        }
        let log = table_at(&*file, header.log_offset, header.log_length)?
            .ok_or_else(|| damaged("its log lies outside of the file"))?;
        let chain = Log {
            bytes: &log,
            id: header.log_id,
        }
        .active_chain();
        let Some(last) = chain.last() else {
            return Err(damaged(
                "its log has to be replayed and holds nothing valid",
            ));
        };
        let needed = u64_at(last, 48);
        if needed > file.size() {
            return Err(damaged("it is shorter than its log says"));
        }
        let mut replayed = Self {
            size: file.size(),
            file,
            sectors: BTreeMap::new(),
        };
        for entry in &chain {
            replayed.replay(entry)?;
        }
        Ok(replayed)
    }

    fn replay(&mut self, entry: &[u8]) -> Result<()> {
        let count = u32_at(entry, 24) as usize;
        let mut data = entry[descriptors_end(count)..].chunks_exact(SECTOR);
        for descriptor in entry[ENTRY..].chunks_exact(DESCRIPTOR).take(count) {
            let place = u64_at(descriptor, 16);
            if !place.is_multiple_of(SECTOR as u64) {
                return Err(damaged("its log writes to an odd place"));
            }
            let number = place / SECTOR as u64;
            if descriptor.starts_with(b"zero") {
                let length = u64_at(descriptor, 8);
                // Zeros beyond the end of the file are there already.
                let end = place.saturating_add(length).min(self.size);
                if self.sectors.len() as u64 + (end / SECTOR as u64).saturating_sub(number) > MOST {
                    return Err(damaged("its log writes more than the tables of a disk"));
                }
                for number in number..end / SECTOR as u64 {
                    self.sectors.insert(number, None);
                }
                continue;
            }
            let Some(sector) = data.next() else {
                return Err(damaged("its log lacks data"));
            };
            let mut sector: Box<[u8]> = sector.into();
            sector[..8].copy_from_slice(&descriptor[8..16]);
            sector[SECTOR - 4..].copy_from_slice(&descriptor[4..8]);
            self.sectors.insert(number, Some(sector));
            self.size = self.size.max(place.saturating_add(SECTOR as u64));
        }
        Ok(())
    }
}

impl ReadAt for Replayed {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let sector = SECTOR as u64;
        let number = offset / sector;
        let within = (offset % sector) as usize;
        if let Some(found) = self.sectors.get(&number) {
            let count = buf.len().min(SECTOR - within);
            match found {
                Some(bytes) => buf[..count].copy_from_slice(&bytes[within..within + count]),
                None => buf[..count].fill(0),
            }
            return Ok(count);
        }
        let next = self.sectors.range(number..).next();
        let until = next.map_or(u64::MAX, |(number, _)| number * sector);
        let count = (until - offset).min(buf.len() as u64) as usize;
        self.file.read_at(offset, &mut buf[..count])
    }

    fn size(&self) -> u64 {
        self.size
    }
}

fn descriptors_end(count: usize) -> usize {
    (ENTRY + count * DESCRIPTOR).next_multiple_of(SECTOR)
}

struct Log<'a> {
    bytes: &'a [u8],
    id: [u8; 16],
}

impl Log<'_> {
    /// The entries to replay, oldest first.
    fn active_chain(&self) -> Vec<Vec<u8>> {
        let mut best: Vec<Vec<u8>> = Vec::new();
        let mut start = 0;
        while start < self.bytes.len() {
            let (chain, next) = self.chain_from(start);
            let sequence = |chain: &[Vec<u8>]| chain.last().map(|entry| u64_at(entry, 16));
            if sequence(&chain) > sequence(&best) {
                best = chain;
            }
            start = next;
        }
        best
    }

    /// The chain of valid entries that begins at a place, without those before the tail that its last
    /// entry names; empty if that lies elsewhere. And where to look for the next chain.
    fn chain_from(&self, start: usize) -> (Vec<Vec<u8>>, usize) {
        let mut entries: Vec<(usize, Vec<u8>)> = Vec::new();
        let (mut at, mut total) = (start, 0);
        while let Some(entry) = self.entry(at) {
            let follows = entries
                .last()
                .is_none_or(|(_, last)| u64_at(&entry, 16) == u64_at(last, 16).wrapping_add(1));
            total += entry.len();
            if !follows || total > self.bytes.len() {
                break;
            }
            let place = at;
            at = (at + entry.len()) % self.bytes.len();
            entries.push((place, entry));
        }
        let next = match at > start {
            true => at,
            false if entries.is_empty() => start + SECTOR,
            false => self.bytes.len(),
        };
        let Some((_, last)) = entries.last() else {
            return (Vec::new(), next);
        };
        let tail = u32_at(last, 12) as usize;
        let Some(first) = entries.iter().position(|(place, _)| *place == tail) else {
            return (Vec::new(), next);
        };
        let chain = entries.into_iter().skip(first).map(|(_, entry)| entry);
        (chain.collect(), next)
    }

    /// A valid entry, which may go on at the start of the log.
    fn entry(&self, at: usize) -> Option<Vec<u8>> {
        let header = self.bytes.get(at..at + ENTRY)?;
        let length = u32_at(header, 8) as usize;
        let count = u32_at(header, 24) as usize;
        let possible = header.starts_with(b"loge")
            && guid_at(header, 32) == self.id
            && length.is_multiple_of(SECTOR)
            && length <= self.bytes.len()
            && count <= length / DESCRIPTOR
            && descriptors_end(count) <= length;
        if !possible {
            return None;
        }
        let entry: Vec<u8> = self
            .bytes
            .iter()
            .cycle()
            .skip(at)
            .take(length)
            .copied()
            .collect();
        checksum_is_right(&entry).then_some(entry)
    }
}
