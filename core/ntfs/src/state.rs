//! What a volume says about itself: its name, its version, and whether it was left in order.

use std::sync::Arc;

use thiserror::Error as ThisError;
use zerocopy::FromBytes;
use zerocopy::little_endian::{U16, U64};
use zerocopy::{Immutable, KnownLayout, Unaligned};

use crate::attribute::AttributeType;
use crate::context::Context;
use crate::error::{Error, Fault, Place, Result};
use crate::file::File;
use crate::log_file::{self, LogState};
use crate::mft::Mft;
use crate::name::{self, ascii};
use crate::record::FileReference;

/// The record of `$Volume`.
const VOLUME: u32 = 3;

/// The value of $VOLUME_INFORMATION.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Information {
    reserved: U64,
    major: u8,
    minor: u8,
    flags: U16,
}

const DIRTY: u16 = 1;

/// What a volume says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeInfo {
    /// The label, UTF-16.
    pub label: Vec<u16>,
    /// Major and minor version: 3.1 since Windows XP.
    pub version: (u8, u8),
    /// All flags as stored.
    pub flags: u16,
    /// Records of `$MFT`, used or not.
    pub records: u32,
    /// In how many runs `$MFT` is.
    pub mft_runs: usize,
    /// Security descriptors in `$Secure`.
    pub descriptors: usize,
}

impl VolumeInfo {
    /// Whether the volume waits for a check.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.flags & DIRTY != 0
    }
}

/// Something about a volume that its reader should know. None of it stops reading.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Warning {
    /// Windows wants to check the volume.
    #[error("the volume is marked dirty: chkdsk should be run")]
    Dirty,
    /// Windows is hibernated, or was shut down by fast startup.
    #[error("Windows is hibernated on the volume: what it has not written yet is missing")]
    Hibernated,
    /// The journal is in use.
    #[error("the volume was not dismounted: its log may hold changes that are not read")]
    LogOpen,
    /// The journal has no valid start.
    #[error("the log of the volume is damaged")]
    LogUnknown,
    /// The journal could not be looked at.
    #[error("the log of the volume cannot be read: {0}")]
    LogUnreadable(Error),
    /// The device ends before the volume does.
    #[error("the volume has {expected} bytes, but only {found} are there")]
    CutOff {
        /// Bytes of the volume.
        expected: u64,
        /// Bytes of the device.
        found: u64,
    },
    /// What the volume says about itself cannot be read: name, version and state are unknown.
    #[error("the volume information cannot be read: {0}")]
    InformationUnusable(Error),
    /// Record 0 was damaged, its copy was used.
    #[error("the first record of $MFT is damaged: its copy was used")]
    MirrorUsed,
    /// The index of descriptors by number is damaged, that by hash was used.
    #[error("the index of security descriptors is damaged, the second one was used: {0}")]
    SecurityIndex(Error),
    /// Descriptors are not to be had.
    #[error("the security descriptors cannot be found: {0}")]
    SecurityUnusable(Error),
    /// The origins of object ids are not to be had.
    #[error("the index of object ids is damaged: {0}")]
    ObjectIdsUnusable(Error),
}

/// Reads `$Volume`.
pub(crate) fn information(context: &Arc<Context>, mft: &Mft) -> Result<VolumeInfo> {
    let file = File::load(context, mft, FileReference(u64::from(VOLUME)))?;
    let kind = AttributeType::VOLUME_INFORMATION;
    let value = file.resident(kind, &[])?;
    let (information, _) = value
        .and_then(|value| Information::ref_from_prefix(value).ok())
        .ok_or_else(|| Fault::VolumeInformation.at(Place::attribute(VOLUME, kind, &[])))?;
    let label = match file.resident(AttributeType::VOLUME_NAME, &[]) {
        Ok(Some(value)) => name::units(value).map(name::to_vec).unwrap_or_default(),
        Ok(None) | Err(_) => Vec::new(),
    };
    Ok(VolumeInfo {
        label,
        version: (information.major, information.minor),
        flags: information.flags.get(),
        records: mft.records(),
        mft_runs: mft.runs(),
        descriptors: 0,
    })
}

/// Looks at the journal.
pub(crate) fn log_warning(context: &Arc<Context>, mft: &Mft) -> Option<Warning> {
    let reference = FileReference(u64::from(log_file::LOG_FILE));
    match File::load(context, mft, reference).and_then(|file| log_file::state(&file)) {
        Ok(LogState::Closed) => None,
        Ok(LogState::Open) => Some(Warning::LogOpen),
        Ok(LogState::Unknown) => Some(Warning::LogUnknown),
        Err(error) => Some(Warning::LogUnreadable(error)),
    }
}

/// The name of the file that keeps the memory of a hibernated Windows, in the root.
pub(crate) const HIBERNATION_FILE: [u16; 12] = ascii(b"hiberfil.sys");

/// Whether a hibernation file holds a system that waits to be resumed.
pub(crate) fn is_hibernated(file: &File) -> Result<bool> {
    let stream = file.open_stream(&[])?;
    let mut signature = [0; 4];
    stream.read_at(0, &mut signature)?;
    Ok(stream.size() >= 4096 && matches!(&signature, b"hibr" | b"HIBR"))
}
