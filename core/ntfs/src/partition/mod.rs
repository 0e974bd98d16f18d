//! Partitions of a disk: where volumes are in the image of a whole disk.

mod gpt;
mod mbr;

use std::fmt;
use std::sync::Arc;

use thiserror::Error as ThisError;

use crate::device::{ReadAt, Window, read_exact};
use crate::error::Error;
use crate::recognise::{FileSystem, HEAD, recognise};

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number, as other tools count: the place in the table, logical drives from 5 on.
    pub number: u32,
    /// What its table says it is for.
    pub kind: Kind,
    /// Where it begins, in bytes.
    pub start: u64,
    /// Bytes.
    pub length: u64,
}

/// What a partition is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Type byte of a table in the first sector.
    Mbr(u8),
    /// Type, own id and name from a GUID partition table.
    Gpt {
        /// What it is for.
        kind: Guid,
        /// Its own id.
        id: Guid,
        /// Its name, UTF-16.
        name: Vec<u16>,
    },
}

impl Kind {
    /// Whether partitions of this type can hold an NTFS volume.
    #[must_use]
    pub fn may_hold_ntfs(&self) -> bool {
        match self {
            Kind::Mbr(kind) => matches!(kind, 0x07 | 0x17 | 0x27),
            Kind::Gpt { kind, .. } => matches!(*kind, Guid::BASIC_DATA | Guid::RECOVERY),
        }
    }
}

/// A GUID in the byte order of Windows.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// The type of ordinary Windows partitions.
    pub const BASIC_DATA: Self = Self([
        0xA2, 0xA0, 0xD0, 0xEB, 0xE5, 0xB9, 0x33, 0x44, 0x87, 0xC0, 0x68, 0xB6, 0xB7, 0x26, 0x99,
        0xC7,
    ]);
    /// The type of partitions with Windows' recovery tools.
    pub const RECOVERY: Self = Self([
        0xA4, 0xBB, 0x94, 0xDE, 0xD1, 0x06, 0x40, 0x4D, 0xA1, 0x6A, 0xBF, 0xD5, 0x01, 0x79, 0xD6,
        0xAC,
    ]);
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        for (place, index) in ORDER.into_iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02x}", self.0[index])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why there are no partitions to list.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum PartitionError {
    /// The device could not be read.
    #[error(transparent)]
    Device(#[from] Error),
    /// The first sector has no partition table.
    #[error("no partition table")]
    NoTable,
    /// A header or table of GUID partitions is damaged, and its copy too.
    #[error("the GUID partition table is damaged: {0}")]
    Gpt(&'static str),
    /// The chain of extended partitions is damaged.
    #[error("the extended partitions are damaged: {0}")]
    Extended(&'static str),
}

/// Lists the partitions of a disk.
///
/// The sector size is found from the place of a GUID partition table; without one it is taken to be
/// 512 bytes.
///
/// # Errors
/// There is no table, or it is damaged.
pub fn list(disk: &dyn ReadAt) -> Result<Vec<Partition>, PartitionError> {
    match mbr::list(disk)? {
        mbr::Table::Partitions(partitions) => Ok(partitions),
        mbr::Table::Protective => {
            let mut first = None;
            for sector in [512, 4096] {
                match gpt::list(disk, sector) {
                    Ok(partitions) => return Ok(partitions),
                    Err(error) => {
                        first.get_or_insert(error);
                    }
                }
            }
            Err(first.unwrap_or(PartitionError::NoTable))
        }
    }
}

impl Partition {
    /// The bytes of the partition.
    #[must_use]
    pub fn window(&self, disk: Arc<dyn ReadAt>) -> Window {
        Window::new(disk, self.start, self.length)
    }

    /// What the partition begins with.
    ///
    /// # Errors
    /// The device's.
    pub fn file_system(&self, disk: &dyn ReadAt) -> Result<FileSystem, Error> {
        let length = self.length.min(disk.size().saturating_sub(self.start));
        let mut head = vec![0; length.min(HEAD as u64) as usize];
        read_exact(disk, self.start, &mut head)?;
        Ok(recognise(&head))
    }
}

/// Reads bytes of a table; a disk that ends before is not one with partitions.
fn read(disk: &dyn ReadAt, offset: u64, length: usize) -> Result<Vec<u8>, PartitionError> {
    let fits = offset
        .checked_add(length as u64)
        .is_some_and(|end| end <= disk.size());
    if !fits {
        return Err(PartitionError::NoTable);
    }
    let mut data = vec![0; length];
    read_exact(disk, offset, &mut data)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_shown_in_their_order() {
        assert_eq!(
            Guid::BASIC_DATA.to_string(),
            "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
        );
        assert_eq!(
            Guid::RECOVERY.to_string(),
            "de94bba4-06d1-4d40-a16a-bfd50179d6ac"
        );
    }
}
