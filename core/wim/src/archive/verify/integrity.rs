//! The file against its integrity table.

use super::report::Collector;
use crate::archive::integrity::hash_range;
use crate::archive::open::Archive;
use crate::format::Header;
use crate::format::integrity::{IntegrityTable, KEPT_PIECE_SIZES};
use crate::port::{Event, Observer, Ordered, Phase, Unit, Workers, read_vec_at};
use crate::{Error, ErrorKind, Result};

/// Compares every piece, several at once.
pub(super) fn check(
    archive: &Archive,
    file: usize,
    found: &mut Collector,
    workers: &dyn Workers,
    observer: &dyn Observer,
) -> Result<()> {
    let one = &archive.files[file];
    let resource = one.header.integrity;
    if resource.is_absent() {
        return Ok(());
    }
    found.report.integrity_tables += 1;
    let storage = &*one.storage;
    let end = one.header.blob_table.end().unwrap_or(0);
    let size = storage.len().map(|size| resource.size.min(size) as usize);
    let table = size
        .and_then(|size| read_vec_at(storage, resource.offset, size))
        .and_then(|bytes| IntegrityTable::decode(&bytes, end));
    let table = match table {
        Ok(table) => table,
        Err(error) => {
            found.error(file, &error);
            return Ok(());
        }
    };
    if !KEPT_PIECE_SIZES.contains(&table.piece_size) {
        found.deviation(
            file,
            ErrorKind::IntegrityTable,
            format!(
                "the integrity table has the unusual piece size {}",
                table.piece_size
            ),
        );
    }
    observer.event(&Event::VerifyBegin {
        file: &storage.name(),
    });
    let total = end.saturating_sub(Header::SIZE as u64);
    let mut result = Ok(());
    let slot = &mut result;
    let table = &table;
    workers.scope(Box::new(move |pool| {
        let mut queue = Ordered::new(pool);
        let mut next = 0u64;
        let mut done = 0u64;
        *slot = loop {
            while queue.in_flight() < 2 * workers.threads() && next < table.pieces.len() as u64 {
                let range = IntegrityTable::range(table.piece_size, next, end);
                queue.submit(move |_| hash_range(storage, range.clone(), observer));
                next += 1;
            }
            let hash = match queue.oldest() {
                Ok(Some(hash)) => hash,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            let range = IntegrityTable::range(table.piece_size, done, end);
            let expected = table.pieces.get(done as usize);
            match hash {
                Ok(hash) if Some(&hash) == expected => {}
                Ok(_) => found.damage(
                    file,
                    ErrorKind::Integrity,
                    format!(
                        "bytes {} to {} are not what the integrity table says",
                        range.start, range.end
                    ),
                ),
                Err(error) if error.kind() == ErrorKind::Cancelled => break Err(error),
                Err(error) => found.error(file, &error),
            }
            done += 1;
            if observer.cancelled() {
                break Err(Error::new(ErrorKind::Cancelled, "stopped while hashing"));
            }
            observer.event(&Event::Progress {
                phase: Phase::VerifyIntegrity,
                unit: Unit::Bytes,
                done: range.end.saturating_sub(Header::SIZE as u64),
                total,
            });
        };
    }));
    result?;
    observer.event(&Event::Finished {
        phase: Phase::VerifyIntegrity,
    });
    Ok(())
}
