//! Disks of virtual machines in formats of their own, which store only what was written.
//!
//! | format | module | source |
//! |---|---|---|
//! | VHD, fixed and dynamic | `vhd` | Virtual Hard Disk Image Format Specification 1.0 (Microsoft, 2006) |
//! | VHDX, fixed and dynamic | `vhdx` | \[MS-VHDX\] Virtual Hard Disk v2 (VHDX) File Format |
//!
//! A differencing disk needs its parent and is refused. The log of a VHDX file that was not closed
//! properly is replayed in memory.

mod mapped;
mod vhd;
mod vhdx;

use std::fmt;
use std::sync::Arc;

use thiserror::Error as ThisError;

use crate::device::{ReadAt, read_exact};
use crate::error::Error;

/// A format of disk images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiskFormat {
    /// Virtual Hard Disk, of Virtual PC and Azure.
    Vhd,
    /// Virtual Hard Disk, version 2, of Hyper-V.
    Vhdx,
}

impl fmt::Display for DiskFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DiskFormat::Vhd => "VHD",
            DiskFormat::Vhdx => "VHDX",
        })
    }
}

/// Why a disk image cannot be read.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum DiskImageError {
    /// The file could not be read.
    #[error(transparent)]
    Device(#[from] Error),
    /// It contradicts itself.
    #[error("the {0} disk image is damaged: {1}")]
    Damaged(DiskFormat, &'static str),
    /// It is sound, but not of a kind that can be read.
    #[error("the {0} disk image cannot be read: {1}")]
    Unsupported(DiskFormat, &'static str),
}

type Result<T> = std::result::Result<T, DiskImageError>;

/// A disk in an image.
pub struct DiskImage {
    /// The format of the file.
    pub format: DiskFormat,
    /// The bytes of the disk.
    pub disk: Arc<dyn ReadAt>,
}

/// Opens a disk image; `None` if the file is none, and may be a raw image.
///
/// # Errors
/// If it is one and cannot be read.
pub fn open(file: &Arc<dyn ReadAt>) -> Result<Option<DiskImage>> {
    if let Some(disk) = vhdx::open(file)? {
        let format = DiskFormat::Vhdx;
        return Ok(Some(DiskImage { format, disk }));
    }
    let disk = vhd::open(file)?;
    let format = DiskFormat::Vhd;
    Ok(disk.map(|disk| DiskImage { format, disk }))
}

/// The `N` bytes at an offset; `None` beyond the end of the file.
fn array_at<const N: usize>(file: &dyn ReadAt, offset: u64) -> Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    if offset
        .checked_add(N as u64)
        .is_none_or(|end| end > file.size())
    {
        return Ok(None);
    }
    read_exact(file, offset, &mut bytes)?;
    Ok(Some(bytes))
}

/// The bytes of a table; `None` if it does not lie within the file. So no file can ask for more
/// memory than it has bytes.
fn table_at(file: &dyn ReadAt, offset: u64, length: u64) -> Result<Option<Vec<u8>>> {
    if offset
        .checked_add(length)
        .is_none_or(|end| end > file.size())
    {
        return Ok(None);
    }
    let Ok(length) = usize::try_from(length) else {
        return Ok(None);
    };
    let mut bytes = vec![0; length];
    read_exact(file, offset, &mut bytes)?;
    Ok(Some(bytes))
}
