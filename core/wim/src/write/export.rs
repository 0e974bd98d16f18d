//! Images of other archives.

use super::capture::{WriteOptions, count_references};
use super::draft::Draft;
use super::rebuild::{Recompress, copy_metadata};
use super::transfer::Transfer;
use crate::archive::{Archive, BlobId};
use crate::format::HeaderFlags;
use crate::port::{Observer, Storage, Workers};
use crate::xml::{WimXml, check_text};
use crate::{Error, ErrorKind, Result, text};

/// An image of another archive that is to be in the one being written.
pub struct Existing<'a> {
    /// The archive.
    pub from: &'a Archive,
    /// The image, from 1.
    pub index: u32,
    /// Its new name, if not the old one.
    pub name: Option<String>,
    /// Its new description, if not the old one.
    pub description: Option<String>,
    /// Properties to be set besides.
    pub properties: Vec<(String, String)>,
    /// Whether it becomes the boot image.
    pub boot: bool,
    /// Whether its data is compressed again although that is not needed.
    pub recompress: Recompress,
}

impl Draft {
    /// Adds an image of another archive, with all data that is not there yet. Everything that the
    /// XML data says about it is kept. Returns its index.
    ///
    /// # Errors
    /// [`ErrorKind::ImageNameInUse`]; [`ErrorKind::NoSuchImage`]; [`ErrorKind::MissingBlob`],
    /// [`ErrorKind::HashMismatch`], [`ErrorKind::Decompression`] and [`ErrorKind::Metadata`] for what
    /// cannot be taken over; [`ErrorKind::Cancelled`]; what the storages return. Everything is undone
    /// then.
    pub fn add_existing(
        &mut self,
        storage: &dyn Storage,
        existing: &Existing<'_>,
        options: &WriteOptions,
        workers: &dyn Workers,
        observer: &dyn Observer,
    ) -> Result<u32> {
        self.write(storage, |draft, output| {
            let from = existing.from;
            let element = element_of(&draft.xml, existing)?;
            let image = from.read_image(existing.index, &mut |_| {})?;
            let mut wanted: Vec<BlobId> = Vec::new();
            for (dentry, hash) in image.data() {
                if draft.blobs.find(&hash).is_some() {
                    continue;
                }
                match from.blobs.find(&hash) {
                    Some(id) => wanted.push(id),
                    None => {
                        let path = image.path(dentry);
                        return Err(from.missing(&hash).at(text::Show(&path)));
                    }
                }
            }
            let transfer = Transfer {
                from,
                wanted,
                reuse: existing.recompress.reuse(),
            };
            let options = &WriteOptions {
                compression: draft.header.compression,
                ..options.clone()
            };
            let packing = options.packing(draft.header.compression);
            transfer.run(&mut draft.blobs, output, packing, workers, observer)?;
            count_references(&image, &mut draft.blobs);
            drop(image);
            let metadata = copy_metadata(
                from,
                existing.index,
                output,
                options,
                workers,
                existing.recompress,
            )?;
            draft.images.push(metadata);
            let index = draft.xml.push_image(element);
            draft.header.flags |= from.header().flags & HeaderFlags::RP_FIX;
            if existing.boot {
                draft.header.boot_index = index;
            }
            Ok(index)
        })
    }
}

/// What the XML data is going to say about the image.
pub(super) fn element_of(xml: &WimXml, existing: &Existing<'_>) -> Result<crate::xml::Element> {
    let element = existing.from.xml.image(existing.index).ok_or_else(|| {
        Error::new(
            ErrorKind::NoSuchImage,
            format!("there is no image {}", existing.index),
        )
    })?;
    let mut element = element.clone();
    let own = [
        ("NAME", existing.name.as_ref()),
        ("DESCRIPTION", existing.description.as_ref()),
    ];
    let own = own
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let more = existing.properties.iter();
    for (name, value) in own.chain(more.map(|(name, value)| (&name[..], value))) {
        check_text(name, value)?;
        element.set_property(name, value)?;
    }
    let name = element.property("NAME").unwrap_or_default();
    match xml.find(&name) {
        None => Ok(element),
        Some(index) => Err(Error::new(
            ErrorKind::ImageNameInUse,
            format!("there is already an image named {name:?} in the WIM, number {index}"),
        )),
    }
}
