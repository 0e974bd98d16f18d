//! `$LogFile`, as far as telling whether it was closed.
//!
//! The log begins with two copies of a restart page. In it is a list of clients that have the log
//! open: none, or a flag, says that the volume was dismounted properly. A log that is all ones was
//! never used. The log itself is not replayed.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::attribute::AttributeType;
use crate::error::Result;
use crate::file::File;
use crate::fixup;
use crate::stream::Stream;

/// The record of `$LogFile`.
pub(crate) const LOG_FILE: u32 = 2;

/// How a restart page begins.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct PageHeader {
    signature: [u8; 4],
    fix_up_offset: U16,
    fix_up_count: U16,
    checked: U64,
    page_size: U32,
    log_page_size: U32,
    restart_area: U16,
    minor: U16,
    major: U16,
}

/// How the restart area begins.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RestartArea {
    lsn: U64,
    clients: U16,
    first_free: U16,
    first_in_use: U16,
    flags: U16,
}

const NO_CLIENT: u16 = 0xFFFF;
const CLOSED: u16 = 2;
const RSTR: [u8; 4] = *b"RSTR";
const PAGE: usize = 4096;

/// Whether the log was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogState {
    /// Closed, or never used.
    Closed,
    /// In use: changes may be missing from what is read.
    Open,
    /// There is no valid restart page.
    Unknown,
}

/// Looks at both restart pages.
pub(crate) fn state(file: &File) -> Result<LogState> {
    let Some(stream) = file.open(AttributeType::DATA, &[])? else {
        return Ok(LogState::Unknown);
    };
    let mut first = vec![0; PAGE];
    let count = stream.read_at(0, &mut first)?;
    if count > 0 && first[..count].iter().all(|byte| *byte == 0xFF) {
        return Ok(LogState::Closed);
    }
    let size = page_size(&first).unwrap_or(PAGE);
    let pages = [page(&stream, 0, size)?, page(&stream, size, size)?];
    let newest = pages.into_iter().flatten().max_by_key(|page| page.0);
    Ok(newest.map_or(LogState::Unknown, |(_, state)| state))
}

fn page_size(page: &[u8]) -> Option<usize> {
    let (header, _) = PageHeader::ref_from_prefix(page).ok()?;
    let size = header.page_size.get() as usize;
    let usable = size.is_power_of_two() && (512..=65536).contains(&size);
    (usable && header.signature == RSTR).then_some(size)
}

/// The sequence number and state that a restart page tells, if it is one.
fn page(stream: &Stream, offset: usize, size: usize) -> Result<Option<(u64, LogState)>> {
    let mut page = vec![0; size];
    if stream.read_at(offset as u64, &mut page)? < size {
        return Ok(None);
    }
    Ok(parse(&mut page))
}

fn parse(page: &mut [u8]) -> Option<(u64, LogState)> {
    fixup::undo(page, RSTR).ok()?;
    let (header, _) = PageHeader::ref_from_prefix(page).ok()?;
    let area = page.get(usize::from(header.restart_area.get())..)?;
    let (area, _) = RestartArea::ref_from_prefix(area).ok()?;
    let closed = area.first_in_use.get() == NO_CLIENT || area.flags.get() & CLOSED != 0;
    let state = if closed {
        LogState::Closed
    } else {
        LogState::Open
    };
    Some((area.lsn.get(), state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restart_page(first_in_use: u16, flags: u16) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        page[..8].copy_from_slice(b"RSTR\x1E\0\x09\0");
        page[24] = 0x30;
        page[0x30] = 77;
        page[0x3C..0x3E].copy_from_slice(&first_in_use.to_le_bytes());
        page[0x3E..0x40].copy_from_slice(&flags.to_le_bytes());
        page
    }

    #[test]
    fn closed_by_either_sign() {
        for (client, flags, state) in [
            (NO_CLIENT, 0, LogState::Closed),
            (0, CLOSED, LogState::Closed),
            (0, 0, LogState::Open),
        ] {
            let mut page = restart_page(client, flags);
            assert_eq!(parse(&mut page), Some((77, state)));
        }
        let mut page = restart_page(0, 0);
        page[24] = 0xFF;
        page[25] = 0xFF;
        assert_eq!(parse(&mut page), None);
        assert_eq!(parse(&mut [0; 4096]), None);
    }
}
