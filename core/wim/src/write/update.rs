//! Putting a changed tree in the place of an image.

use super::capture::{StoredTree, TreeData, WriteOptions, store_tree};
use super::draft::Draft;
use crate::archive::Archive;
use crate::hash::Sha1;
use crate::image::Image;
use crate::port::{Observer, Source, Storage, Workers};
use crate::scan::Scanned;
use crate::time::FileTime;
use crate::{Error, ErrorKind, Result};

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
    /// refers to any more, stay in the file until the archive is rebuilt. Returns the number of files
    /// that could not be read.
    ///
    /// # Errors
    /// As [`Draft::add`]; [`ErrorKind::NoSuchImage`]. Everything is undone then.
    pub fn replace_image(
        &mut self,
        storage: &dyn Storage,
        changed: ChangedImage<'_>,
        options: &WriteOptions,
        workers: &dyn Workers,
        observer: &dyn Observer,
    ) -> Result<u64> {
        self.write(storage, |draft, output| {
            let slot = (changed.index as usize).wrapping_sub(1);
            if slot >= draft.images.len() {
                let what = format!("there is no image {}", changed.index);
                return Err(Error::new(ErrorKind::NoSuchImage, what));
            }
            for hash in &changed.old_data {
                draft.release(hash);
            }
            let data = TreeData {
                sources: changed.sources,
                latest_time: changed.latest_time,
                compression: draft.header.compression,
            };
            let StoredTree {
                metadata,
                numbers,
                skipped,
            } = store_tree(
                changed.scanned,
                &data,
                output,
                &mut draft.blobs,
                options,
                workers,
                observer,
            )?;
            draft.images[slot] = metadata;
            draft
                .xml
                .set_numbers(changed.index, &numbers, None, options.now);
            Ok(skipped)
        })
    }
}
