//! Writing an archive anew, without what nothing refers to: to optimize it, to delete images, to join the
//! parts of a split one, to add an image without leaving holes.

use super::capture::{CaptureSummary, NewImage, count_references, refuse_if_read_only};
use super::change::no_such_image;
use super::draft::Draft;
use super::means::Means;
use super::metadata::{Metadata, write_metadata};
use super::output::Output;
use super::transfer::{Reuse, Transfer, copy_resource, fits};
use crate::Result;
use crate::archive::{Archive, Blob, BlobId, MetadataResource};
use crate::format::{Header, HeaderFlags, Layout, Version};
use crate::image::Image;
use crate::port::Storage;

/// Which data goes into the new archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scope {
    /// What the archive's own file has: a delta stays a delta.
    #[default]
    OwnFile,
    /// What any file of the set has: the parts of a split WIM become one file.
    WholeSet,
}

/// Whether compressed data is taken over as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Recompress {
    /// Where type and chunk size fit.
    #[default]
    WhereNeeded,
    /// Where type and chunk size fit, but only in solid resources: all other data goes into a new one.
    IntoSolid,
    /// Never: everything is compressed again.
    All,
}

impl Recompress {
    pub(super) fn reuse(self) -> Reuse {
        match self {
            Recompress::WhereNeeded => Reuse::ALONE | Reuse::SOLID,
            Recompress::IntoSolid => Reuse::SOLID,
            Recompress::All => Reuse::empty(),
        }
    }
}

/// What of an archive is written anew.
#[derive(Clone, Debug, Default)]
pub struct Rebuild {
    /// Images to be left out, from 1.
    pub without: Vec<u32>,
    /// See [`Scope`].
    pub scope: Scope,
    /// See [`Recompress`].
    pub recompress: Recompress,
}

impl Rebuild {
    /// The images to be left out, in order, none twice.
    pub(super) fn left_out(&self) -> Vec<u32> {
        let mut images = self.without.clone();
        images.sort_unstable();
        images.dedup();
        images
    }
}

/// Writes the archive anew into an empty storage, without what nothing refers to, and adds the image
/// if there is one. The caller puts it in the place of the old one afterwards.
///
/// # Errors
/// As [`super::append()`] and [`Draft::rebuild`].
pub fn rebuild(
    archive: &Archive,
    storage: &dyn Storage,
    new: Option<NewImage<'_>>,
    means: &Means<'_>,
) -> Result<CaptureSummary> {
    let mut draft = Draft::rebuild(archive, &Rebuild::default(), storage, means)?;
    let summary = match new {
        Some(new) => draft.add(storage, new, means)?,
        None => CaptureSummary::default(),
    };
    let size = draft.finish(storage, means.observer)?;
    Ok(CaptureSummary { size, ..summary })
}

impl Draft {
    /// Begins a new archive in an empty storage with the images of another, whose GUID and XML data it
    /// keeps. Its compression is that of the options.
    ///
    /// # Errors
    /// [`ErrorKind::ReadOnly`]; [`ErrorKind::MissingBlob`], [`ErrorKind::HashMismatch`] and
    /// [`ErrorKind::Decompression`] for data that cannot be taken over; [`ErrorKind::Cancelled`]; what
    /// the storages return.
    pub fn rebuild(
        archive: &Archive,
        plan: &Rebuild,
        storage: &dyn Storage,
        means: &Means<'_>,
    ) -> Result<Self> {
        let options = means.options;
        let old = archive.header();
        if plan.scope == Scope::OwnFile {
            refuse_if_read_only(old, &archive.storage().name())?;
        }
        let kept_flags = HeaderFlags::RP_FIX | HeaderFlags::READONLY;
        let header = Header {
            layout: Layout::Seekable,
            version: Version::least(options.compression),
            flags: old.flags & kept_flags,
            compression: options.compression,
            guid: old.guid,
            part: 1,
            parts: 1,
            boot_index: old.boot_index,
            ..Header::default()
        };
        let with_table = options.integrity.includes(!old.integrity.is_absent());
        let mut draft = Self::begin(storage, header, archive.xml.clone(), with_table)?;
        draft.write(storage, |draft, output| {
            draft.take_over(archive, plan, output, means)
        })?;
        for index in plan.left_out().into_iter().rev() {
            draft.forget_image(index);
        }
        Ok(draft)
    }

    /// Copies data and metadata.
    fn take_over(
        &mut self,
        archive: &Archive,
        plan: &Rebuild,
        output: &mut Output<'_>,
        means: &Means<'_>,
    ) -> Result<()> {
        let is_in_scope = |id: BlobId| {
            let file = archive.blobs.file_of(archive.blobs.get(id));
            plan.scope == Scope::WholeSet || file == Some(0)
        };
        let left_out = plan.left_out();
        let kept = || (1..=archive.image_count()).filter(|index| !left_out.contains(index));
        // Where all images stay, the counts of the table do too; else the trees have to be read.
        let mut wanted: Vec<BlobId> = Vec::new();
        let mut trees: Vec<Image> = Vec::new();
        if left_out.is_empty() {
            let counted = archive.blobs.iter().filter(|(_, blob)| blob.references > 0);
            wanted.extend(counted.map(|(id, _)| id).filter(|&id| is_in_scope(id)));
        } else {
            for index in kept() {
                let image = archive.read_image(index, &mut |_| {})?;
                let found = image
                    .data()
                    .filter_map(|(_, hash)| archive.blobs.find(&hash));
                wanted.extend(found.filter(|&id| is_in_scope(id)));
                trees.push(image);
            }
        }
        let transfer = Transfer {
            from: archive,
            wanted: wanted.clone(),
            reuse: plan.recompress.reuse(),
        };
        transfer.run(&mut self.blobs, output, means)?;
        if left_out.is_empty() {
            for id in wanted {
                self.take_references(archive.blobs.get(id));
            }
        }
        for tree in &trees {
            count_references(tree, &mut self.blobs);
        }
        for index in 1..=archive.image_count() {
            // Those left out keep their number until all are there.
            let metadata = match left_out.contains(&index) {
                true => archive.images[index as usize - 1],
                false => copy_metadata(archive, index, output, plan.recompress, means)?,
            };
            self.images.push(metadata);
        }
        Ok(())
    }

    /// A blob that was taken over has as many references as before.
    pub(super) fn take_references(&mut self, old: &Blob) {
        if let Some(id) = self.blobs.find(&old.hash) {
            self.blobs.get_mut(id).references = old.references;
        }
    }
}

/// Writes the metadata of an image of another archive: as it is stored where that fits.
pub(super) fn copy_metadata(
    from: &Archive,
    index: u32,
    output: &mut Output<'_>,
    recompress: Recompress,
    means: &Means<'_>,
) -> Result<MetadataResource> {
    let slot = (index as usize).checked_sub(1);
    let metadata = slot.and_then(|slot| from.images.get(slot));
    let metadata = metadata.ok_or_else(|| no_such_image(index))?;
    let file = &from.files[usize::from(metadata.file)];
    let is_kept = recompress != Recompress::All;
    if is_kept && fits(file, &metadata.resource, means.options.compression) {
        let hash = metadata.hash;
        return Ok(MetadataResource {
            file: 0,
            resource: copy_resource(&*file.storage, &metadata.resource, Some(hash), output)?,
            hash,
        });
    }
    let bytes = from.read_metadata(index)?;
    let stored = Metadata::Stored(&bytes);
    write_metadata(output, stored, means.options.compression, means)
}
