//! Packing an archive together where it is.
//!
//! What is in use moves towards the front, in the order in which it lies, over what is not; then the
//! tables are written behind it and the file is cut off there. No second copy of the archive is made, so
//! this is the way where there is no room for one, and the price is safety: while data moves, the
//! tables in the file speak of places that may have been overwritten. A crash in the middle leaves an
//! archive with the flag "being written" set, whose hashes tell which data is lost. Everything that can be
//! checked is checked before the first byte moves.

use super::append::integrity_plan;
use super::capture::{IntegrityChoice, refuse_if_read_only};
use super::draft::Draft;
use crate::archive::{Archive, Blob, Place};
use crate::format::{Header, HeaderFlags, Layout, ResourceHeader};
use crate::port::{Event, Observer, Phase, Storage, Unit, bring_forward};
use crate::{Error, ErrorKind, Result};

/// The number of no file: of a resource that is gone.
const NO_FILE: u16 = u16::MAX;

/// Packs an archive together; returns its new size. The caller holds the lock on the file. It cannot
/// be stopped.
///
/// # Errors
/// [`ErrorKind::ReadOnly`]; [`ErrorKind::CannotCompact`] for archives that are pipable or whose parts
/// overlap, before anything was changed; what the storage returns, which leaves the archive damaged.
pub fn compact(
    archive: Archive,
    integrity: IntegrityChoice,
    observer: &dyn Observer,
) -> Result<u64> {
    let moves = plan(&archive)?;
    let end = moves
        .last()
        .map_or(Header::SIZE as u64, |last| last.to + last.size);
    if is_packed(&archive, integrity, end) {
        return Ok(archive.size);
    }
    let storage = std::sync::Arc::clone(archive.storage());
    let in_progress = archive.header().flags | HeaderFlags::WRITE_IN_PROGRESS;
    storage.write_at(Header::FLAGS_OFFSET, &in_progress.bits().to_le_bytes())?;
    storage.sync()?;
    run(&moves, end, &*storage, observer)?;
    draft(archive, &moves, end, integrity).finish(&*storage, observer)
}

/// Whether [`compact`] can be done.
///
/// # Errors
/// [`ErrorKind::ReadOnly`], [`ErrorKind::CannotCompact`].
pub fn check_compactable(archive: &Archive) -> Result<()> {
    plan(archive).map(drop)
}

/// A part of the file and where it goes, never further back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Move {
    from: u64,
    size: u64,
    to: u64,
}

/// Where everything goes that is in use, in the order of the file.
fn plan(archive: &Archive) -> Result<Vec<Move>> {
    let name = archive.storage().name();
    refuse_if_read_only(archive.header(), &name)?;
    let impossible = |what: &str| {
        let what = format!("{name} cannot be packed together where it is: {what}");
        Error::new(ErrorKind::CannotCompact, what)
    };
    if archive.header().layout == Layout::Pipable {
        return Err(impossible("it is pipable"));
    }
    let mut used: Vec<ResourceHeader> = used(archive);
    // Images with the same tree may share its resource.
    used.sort_unstable_by_key(|resource| (resource.offset, resource.size));
    used.dedup_by_key(|resource| (resource.offset, resource.size));
    let mut moves = Vec::with_capacity(used.len());
    let mut to = Header::SIZE as u64;
    let mut free_from = to;
    for resource in used {
        let end = resource.end().filter(|&end| end <= archive.size);
        let end = end.ok_or_else(|| impossible("data lies behind its end"))?;
        if resource.offset < free_from {
            return Err(impossible("parts of it overlap"));
        }
        moves.push(Move {
            from: resource.offset,
            size: resource.size,
            to,
        });
        to += resource.size;
        free_from = end;
    }
    Ok(moves)
}

/// The resources of the file that anything refers to.
fn used(archive: &Archive) -> Vec<ResourceHeader> {
    let images = archive.images.iter().map(|image| image.resource);
    let blobs = archive.blobs.iter().filter(|(_, blob)| is_used(blob));
    let alone = blobs.filter_map(|(_, blob)| match blob.place {
        Place::Alone { resource, .. } => Some(resource),
        _ => None,
    });
    let solids = archive.blobs.solids.iter().zip(used_solids(archive));
    let solids = solids.filter_map(|(solid, used)| used.then_some(solid.resource));
    images.chain(alone).chain(solids).collect()
}

/// For each solid resource whether anything refers to data in it.
fn used_solids(archive: &Archive) -> Vec<bool> {
    let mut used = vec![false; archive.blobs.solids.len()];
    for (_, blob) in archive.blobs.iter().filter(|(_, blob)| is_used(blob)) {
        if let Place::Solid { solid, .. } = blob.place {
            used[solid as usize] = true;
        }
    }
    used
}

fn is_used(blob: &Blob) -> bool {
    blob.references > 0
}

/// Whether there is nothing to be gained.
fn is_packed(archive: &Archive, integrity: IntegrityChoice, end: u64) -> bool {
    let header = archive.header();
    let has_table = !header.integrity.is_absent();
    let changes_table = match integrity {
        IntegrityChoice::Keep => false,
        IntegrityChoice::Include => !has_table,
        IntegrityChoice::Omit => has_table,
    };
    let all_used = archive.blobs.iter().all(|(_, blob)| is_used(blob));
    let tables = [header.blob_table, header.xml, header.integrity];
    let tables = tables.iter().filter(|table| !table.is_absent());
    let packed = end + tables.map(|table| table.size).sum::<u64>();
    all_used && !changes_table && packed == archive.size
}

fn run(moves: &[Move], end: u64, storage: &dyn Storage, observer: &dyn Observer) -> Result<()> {
    for one in moves.iter().filter(|one| one.from != one.to) {
        bring_forward(storage, one.from, one.to, one.size, &mut |done| {
            observer.event(&Event::Progress {
                phase: Phase::Write,
                unit: Unit::Bytes,
                done: one.to + done,
                total: end,
            });
        })?;
    }
    Ok(())
}

/// The archive as it is when everything has moved.
fn draft(mut archive: Archive, moves: &[Move], end: u64, integrity: IntegrityChoice) -> Draft {
    let (piece_size, _) = integrity_plan(&archive, integrity, end);
    let moved = |resource: &mut ResourceHeader| {
        let at = moves.binary_search_by_key(&resource.offset, |one| one.from);
        if let Ok(at) = at {
            resource.offset = moves[at].to;
        }
    };
    let header = archive.header().clone();
    archive
        .images
        .iter_mut()
        .for_each(|image| moved(&mut image.resource));
    let solids = used_solids(&archive);
    let unused = archive.blobs.iter().filter(|(_, blob)| !is_used(blob));
    let unused: Vec<_> = unused.map(|(id, _)| id).collect();
    unused.into_iter().for_each(|id| archive.blobs.lose(id));
    for blob in archive.blobs.iter_mut() {
        if let Place::Alone { resource, .. } = &mut blob.place {
            moved(resource);
        }
    }
    for (solid, used) in archive.blobs.solids.iter_mut().zip(solids) {
        moved(&mut solid.resource);
        if !used {
            solid.file = NO_FILE;
        }
    }
    Draft {
        header,
        xml: archive.xml,
        images: archive.images,
        blobs: archive.blobs,
        position: end,
        recorder: None,
        piece_size,
        guid_of_images: false,
        kept_table: None,
        before: None,
        is_undone: false,
    }
}
