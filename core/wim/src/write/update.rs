//! Putting a changed tree in the place of an image.

use super::capture::{TreeData, store_tree};
use super::change::no_such_image;
use super::draft::Draft;
use super::means::Means;
use crate::Result;
use crate::archive::Archive;
use crate::hash::Sha1;
use crate::image::Image;
use crate::port::{Source, Storage};
use crate::scan::Scanned;
use crate::time::FileTime;

/// An image that was changed.
pub struct ChangedImage<'a> {
    /// Its index, from 1.
    pub index: u32,
    /// Its tree as it is now.
    pub scanned: Scanned,
    /// The data that its tree referred to before, once for each reference: see [`Image::data`].
    pub old_data: Vec<Sha1>,
    /// The sources that were added, in order.
    pub sources: &'a [&'a dyn Source],
    /// See [`crate::scan::ScanOptions::latest_time`].
    pub latest_time: Option<FileTime>,
}

/// Fills in the sizes of an image's data, which the metadata does not tell.
pub fn fill_in_sizes(image: &mut Image, archive: &Archive) {
    image.set_sizes(|hash| {
        let blob = archive.blobs.find(hash)?;
        Some(archive.blobs.get(blob).size)
    });
}

impl Draft {
    /// Writes the new data and the metadata of a changed image. The old metadata, and data that nothing
    /// refers to any more, stay in the file until the archive is rebuilt.
    ///
    /// # Errors
    /// As [`Draft::add`]; [`crate::ErrorKind::NoSuchImage`]. Everything is undone then.
    pub(super) fn replace_image(
        &mut self,
        storage: &dyn Storage,
        changed: ChangedImage<'_>,
        means: &Means<'_>,
    ) -> Result<()> {
        self.write(storage, |draft, output| {
            let slot = (changed.index as usize).wrapping_sub(1);
            if slot >= draft.images.len() {
                return Err(no_such_image(changed.index));
            }
            for hash in &changed.old_data {
                draft.release(hash, 1);
            }
            let data = TreeData {
                sources: changed.sources,
                latest_time: changed.latest_time,
                compression: draft.header.compression,
            };
            let stored = store_tree(changed.scanned, &data, output, &mut draft.blobs, means)?;
            draft.images[slot] = stored.metadata;
            let xml = &mut draft.xml;
            xml.set_numbers(changed.index, &stored.numbers, None, means.options.now);
            Ok(())
        })
    }
}
