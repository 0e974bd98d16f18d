//! Every blob against its hash.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use super::images::Images;
use super::report::{Collector, Severity};
use crate::archive::open::Archive;
use crate::archive::sweep::{Receiver, sweep};
use crate::archive::{BlobId, Place};
use crate::image::{MAX_REPARSE_DATA, TAG_MOUNT_POINT, TAG_SYMLINK};
use crate::order::sort_by;
use crate::port::{Observer, Phase, Workers};
use crate::{Error, ErrorKind, Result};

/// Reads all blobs; reports those that are damaged with the files that have them.
pub(super) fn check(
    archive: &Archive,
    images: &Images,
    found: &mut Collector,
    workers: &dyn Workers,
    observer: &dyn Observer,
) -> Result<()> {
    let wanted: Vec<BlobId> = archive.blobs.iter().map(|(id, _)| id).collect();
    let links = Links {
        wanted: &wanted,
        tags: &images.links,
        bad: Mutex::default(),
    };
    let mut damaged: Vec<(BlobId, Error)> = Vec::new();
    let mut bytes = 0u64;
    sweep(
        archive,
        &wanted,
        &links,
        Phase::VerifyData,
        workers,
        observer,
        &mut |index, damage| {
            let id = wanted[index];
            bytes = bytes.saturating_add(archive.blobs.get(id).size);
            damaged.extend(damage.map(|error| (id, error)));
            Ok(())
        },
    )?;
    found.report.blobs += wanted.len() as u64;
    found.report.bytes = found.report.bytes.saturating_add(bytes);
    let mut bad_links = links
        .bad
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    sort_by(&mut bad_links, Ord::cmp);
    let concerned: HashSet<BlobId> = damaged
        .iter()
        .map(|entry| entry.0)
        .chain(bad_links.iter().copied())
        .collect();
    let files = images.files_of(archive, &concerned, observer)?;
    report(archive, images, &damaged, &bad_links, files, found);
    Ok(())
}

fn report(
    archive: &Archive,
    images: &Images,
    damaged: &[(BlobId, Error)],
    bad_links: &[BlobId],
    mut files: HashMap<BlobId, Vec<super::AffectedFile>>,
    found: &mut Collector,
) {
    for (id, error) in damaged {
        let blob = archive.blobs.get(*id);
        let files = files.remove(id).unwrap_or_default();
        let is_unused = images.complete && images.references[id.index()] == 0;
        let (file, place) = match blob.place {
            Place::Alone { file, resource } => (file, format!("at byte {}", resource.offset)),
            Place::Solid { solid, offset } => {
                let home = &archive.blobs.solids[solid as usize];
                let place = format!(
                    "{offset} bytes into the solid resource at byte {}",
                    home.resource.offset
                );
                (home.file, place)
            }
            Place::Claimed | Place::Elsewhere | Place::Lost => (0, "nowhere".into()),
        };
        let what = format!("blob {} {place} is damaged: {error}", blob.hash);
        let (severity, what) = match is_unused {
            true => (
                Severity::Deviation,
                format!("{what} (nothing refers to it)"),
            ),
            false => (Severity::Damage, what),
        };
        let what = match archive.files.get(usize::from(file)) {
            Some(one) if archive.files.len() > 1 => format!("{}: {what}", one.storage.name()),
            _ => what,
        };
        found.add(severity, error.kind(), what, files);
    }
    for id in bad_links {
        let hash = archive.blobs.get(*id).hash;
        found.add(
            Severity::Deviation,
            ErrorKind::ReparseData,
            format!("blob {hash} is not a valid link"),
            files.remove(id).unwrap_or_default(),
        );
    }
}

/// Looks at the data of links; everything else needs only to be hashed.
struct Links<'a> {
    wanted: &'a [BlobId],
    tags: &'a HashSet<(BlobId, u32)>,
    bad: Mutex<Vec<BlobId>>,
}

impl Receiver for Links<'_> {
    fn takes_damaged(&self) -> bool {
        false
    }

    fn whole(&self, index: usize, data: &[u8], _damage: Option<&Error>) -> Result<()> {
        if data.len() > MAX_REPARSE_DATA {
            return Ok(());
        }
        let id = self.wanted[index];
        let is_bad = |tag, names_at| self.tags.contains(&(id, tag)) && !names_fit(data, names_at);
        if is_bad(TAG_SYMLINK, 12) || is_bad(TAG_MOUNT_POINT, 8) {
            let mut bad = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
            bad.push(id);
        }
        Ok(())
    }

    fn begin(&self, _index: usize, _size: u64) -> Result<()> {
        Ok(())
    }

    fn part(&self, _index: usize, _offset: u64, _data: &[u8]) -> Result<()> {
        Ok(())
    }

    fn end(&self, _index: usize, _damage: Option<&Error>) -> Result<()> {
        Ok(())
    }
}

/// Whether both names of a link lie in its data and have whole units.
fn names_fit(data: &[u8], names_at: usize) -> bool {
    let field = |at: usize| {
        let bytes = data.get(at..at + 2)?.first_chunk()?;
        Some(usize::from(u16::from_le_bytes(*bytes)))
    };
    data.len() >= names_at
        && [0, 4]
            .into_iter()
            .all(|at| match (field(at), field(at + 2)) {
                (Some(start), Some(size)) => {
                    start % 2 == 0 && size % 2 == 0 && names_at + start + size <= data.len()
                }
                _ => false,
            })
}
