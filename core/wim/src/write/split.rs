//! Cutting an archive into parts.
//!
//! Every part is an archive of its own with the GUID of the set, its number, and the XML data of the
//! whole. The first has all metadata. Data is cut in the order in which it lies; a resource is never
//! divided, so one that is larger than a part makes a larger part.

use super::capture::WriteOptions;
use super::draft::Draft;
use super::means::Means;
use super::pipable::{self, Contents, Part};
use super::rebuild::{Recompress, copy_metadata};
use super::transfer::{Reuse, Transfer, place_key};
use crate::archive::{Archive, BlobId, Place};
use crate::format::{Guid, Header, HeaderFlags, Layout};
use crate::port::Storage;
use crate::{Error, ErrorKind, Result};

/// Which data goes into which part.
pub struct Split<'a> {
    archive: &'a Archive,
    parts: Vec<Vec<BlobId>>,
    guid: Guid,
}

impl<'a> Split<'a> {
    /// Plans parts of at most `part_size` bytes of data each. `guid` is that of the set.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for a part size of 0, [`ErrorKind::PartNumber`] for more than 65,535
    /// parts, [`ErrorKind::SplitUnsupported`] for a part of a split WIM.
    pub fn plan(archive: &'a Archive, part_size: u64, guid: Guid) -> Result<Self> {
        if part_size == 0 {
            let what = "a part must have at least one byte";
            return Err(Error::new(ErrorKind::Parameter, what));
        }
        if archive.header().parts > 1 {
            return Err(Error::new(
                ErrorKind::SplitUnsupported,
                "it is a part of a split WIM; join the parts first",
            ));
        }
        let metadata = archive.images.iter().map(|image| image.resource.size);
        let mut filled: u64 = metadata.fold(0, u64::saturating_add);
        let mut parts: Vec<Vec<BlobId>> = vec![Vec::new()];
        for (size, blobs) in units(archive) {
            if filled > 0 && filled.saturating_add(size) > part_size {
                parts.push(Vec::new());
                filled = 0;
            }
            filled = filled.saturating_add(size);
            if let Some(part) = parts.last_mut() {
                part.extend(blobs);
            }
        }
        if u16::try_from(parts.len()).is_err() {
            return Err(Error::new(
                ErrorKind::PartNumber,
                format!("{} parts are more than a split WIM can have", parts.len()),
            ));
        }
        Ok(Self {
            archive,
            parts,
            guid,
        })
    }

    /// Number of parts.
    #[must_use]
    pub fn parts(&self) -> u16 {
        self.parts.len() as u16
    }

    /// Bytes of data of a part, from 1, when they are uncompressed.
    #[must_use]
    pub fn bytes(&self, part: u16) -> u64 {
        let blobs = self.parts[usize::from(part) - 1].iter();
        let sizes = blobs.map(|&id| self.archive.blobs.get(id).size);
        sizes.fold(0, u64::saturating_add)
    }

    /// Writes a part, from 1, into an empty storage.
    ///
    /// # Errors
    /// [`ErrorKind::HashMismatch`] for data that is not compressed or has to be compressed again,
    /// [`ErrorKind::Decompression`] for the latter; [`ErrorKind::Cancelled`]; what the storages return.
    pub fn write(&self, part: u16, storage: &dyn Storage, means: &Means<'_>) -> Result<u64> {
        let archive = self.archive;
        if archive.header().layout == Layout::Pipable {
            return self.write_pipable(part, storage, means);
        }
        let mut draft = self.begin(part, storage, means.options)?;
        let reuse = Reuse::ALONE | Reuse::SOLID;
        draft.write(storage, |draft, output| {
            if part == 1 {
                for index in 1..=archive.image_count() {
                    let kept = Recompress::WhereNeeded;
                    let metadata = copy_metadata(archive, index, output, kept, means)?;
                    draft.images.push(metadata);
                }
            }
            let wanted = &self.parts[usize::from(part) - 1];
            let transfer = Transfer {
                from: archive,
                wanted: wanted.clone(),
                reuse,
            };
            transfer.run(&mut draft.blobs, output, means)?;
            for &id in wanted {
                draft.take_references(archive.blobs.get(id));
            }
            Ok(())
        })?;
        draft.finish(storage, means.observer)
    }

    /// Parts of a pipable archive are pipable, and can follow each other in a pipe.
    fn write_pipable(&self, part: u16, storage: &dyn Storage, means: &Means<'_>) -> Result<u64> {
        let contents = Contents::part(
            self.archive,
            Part {
                number: part,
                count: self.parts(),
                guid: self.guid,
                blobs: &self.parts[usize::from(part) - 1],
            },
        );
        let to = pipable::Destination::File(storage);
        let summary = pipable::write(to, contents, means)?;
        Ok(summary.size)
    }

    fn begin(&self, part: u16, storage: &dyn Storage, options: &WriteOptions) -> Result<Draft> {
        let old = self.archive.header();
        let kept_flags = HeaderFlags::RP_FIX | HeaderFlags::READONLY;
        let spanned = match self.parts() {
            1 => HeaderFlags::empty(),
            _ => HeaderFlags::SPANNED,
        };
        let header = Header {
            layout: Layout::Seekable,
            version: old.version,
            flags: (old.flags & kept_flags) | spanned,
            compression: options.compression,
            guid: self.guid,
            part,
            parts: self.parts(),
            ..Header::default()
        };
        let with_table = options.integrity.includes(!old.integrity.is_absent());
        Draft::begin(storage, header, self.archive.xml.clone(), with_table)
    }
}

/// What cannot be divided: resources with their stored sizes and the blobs in them, in the order in
/// which they lie.
fn units(archive: &Archive) -> Vec<(u64, Vec<BlobId>)> {
    let used_solids: std::collections::HashSet<u32> = archive
        .blobs
        .iter()
        .filter(|(_, blob)| blob.references > 0)
        .filter_map(|(_, blob)| match blob.place {
            Place::Solid { solid, .. } => Some(solid),
            _ => None,
        })
        .collect();
    let mut blobs: Vec<BlobId> = archive
        .blobs
        .iter()
        .filter(|(_, blob)| match blob.place {
            Place::Alone { file: 0, .. } => blob.references > 0,
            // A solid resource is copied as a whole, also with what nothing refers to.
            Place::Solid { solid, .. } => {
                archive.blobs.file_of(blob) == Some(0) && used_solids.contains(&solid)
            }
            _ => false,
        })
        .map(|(id, _)| id)
        .collect();
    blobs.sort_unstable_by_key(|&id| place_key(archive, id));
    let mut units: Vec<(u64, Vec<BlobId>)> = Vec::new();
    let mut last_solid = None;
    for id in blobs {
        let (size, solid) = match archive.blobs.get(id).place {
            Place::Alone { resource, .. } => (resource.size, None),
            Place::Solid { solid, .. } => {
                let home = &archive.blobs.solids[solid as usize];
                (home.resource.size, Some(solid))
            }
            Place::Claimed | Place::Lost | Place::Elsewhere => continue,
        };
        match units.last_mut() {
            Some(unit) if solid.is_some() && solid == last_solid => unit.1.push(id),
            _ => units.push((size, vec![id])),
        }
        last_solid = solid;
    }
    units
}
