//! Comparing a file with its integrity table.

use super::open::Archive;
use crate::format::integrity::IntegrityTable;
use crate::hash::Hasher;
use crate::port::{Event, Observer, Phase, Storage, Unit, read_exact_at, read_vec_at};
use crate::{Error, ErrorKind, Result};

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrityState {
    /// The file has no table.
    Absent,
    /// The file agrees with its table.
    Good,
}

/// Bytes read at once.
const READ: usize = 1 << 20;

impl Archive {
    /// The integrity table of the file that was opened, if it has one.
    ///
    /// # Errors
    /// [`ErrorKind::IntegrityTable`]; what the storage returns.
    pub fn integrity_table(&self) -> Result<Option<IntegrityTable>> {
        let resource = self.header().integrity;
        if resource.is_absent() {
            return Ok(None);
        }
        let end = self.header().blob_table.end().unwrap_or(0);
        let bytes = read_vec_at(&**self.storage(), resource.offset, resource.size as usize)?;
        IntegrityTable::decode(&bytes, end)
            .map(Some)
            .map_err(|error| error.at(self.storage().name()))
    }
}

/// Compares the file with its integrity table.
///
/// # Errors
/// [`ErrorKind::Integrity`] for the first piece that differs, [`ErrorKind::IntegrityTable`],
/// [`ErrorKind::Cancelled`]; what the storage returns.
pub fn check_integrity(archive: &Archive, observer: &dyn Observer) -> Result<IntegrityState> {
    let Some(table) = archive.integrity_table()? else {
        return Ok(IntegrityState::Absent);
    };
    let storage = &**archive.storage();
    observer.event(&Event::VerifyBegin {
        file: &storage.name(),
    });
    let end = archive.header().blob_table.end().unwrap_or(0);
    let mut done = 0;
    for (index, expected) in (0..).zip(&table.pieces) {
        let range = IntegrityTable::range(table.piece_size, index, end);
        let size = range.end - range.start;
        let hash = hash_range(storage, range.clone(), observer)?;
        if hash != *expected {
            return Err(Error::new(
                ErrorKind::Integrity,
                format!(
                    "{}: bytes {} to {} have SHA-1 {hash}, the integrity table says {expected}",
                    storage.name(),
                    range.start,
                    range.end
                ),
            ));
        }
        done += size;
        observer.event(&Event::Progress {
            phase: Phase::VerifyIntegrity,
            unit: Unit::Bytes,
            done,
            total: end.saturating_sub(crate::format::Header::SIZE as u64),
        });
    }
    Ok(IntegrityState::Good)
}

/// SHA-1 of a range of a file.
pub(crate) fn hash_range(
    storage: &dyn Storage,
    range: std::ops::Range<u64>,
    observer: &dyn Observer,
) -> Result<crate::hash::Sha1> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; READ];
    let mut at = range.start;
    while at < range.end {
        if observer.cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "stopped while hashing"));
        }
        let size = (range.end - at).min(READ as u64) as usize;
        read_exact_at(storage, at, &mut buffer[..size])?;
        hasher.update(&buffer[..size]);
        at += size as u64;
    }
    Ok(hasher.finish())
}
