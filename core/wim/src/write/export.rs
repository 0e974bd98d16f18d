//! Images of other archives.

use super::capture::{WriteOptions, count_references};
use super::change::no_such_image;
use super::draft::Draft;
use super::means::Means;
use super::output::Output;
use super::rebuild::{Recompress, copy_metadata};
use super::transfer::Transfer;
use crate::archive::{Archive, BlobId};
use crate::format::HeaderFlags;
use crate::port::Storage;
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
    /// Adds images of other archives, with all data that is not there yet. Everything that the XML
    /// data says about them is kept.
    ///
    /// # Errors
    /// [`ErrorKind::ImageNameInUse`]; [`ErrorKind::NoSuchImage`]; [`ErrorKind::MissingBlob`],
    /// [`ErrorKind::HashMismatch`], [`ErrorKind::Decompression`] and [`ErrorKind::Metadata`] for what
    /// cannot be taken over; [`ErrorKind::Cancelled`]; what the storages return. Everything is undone
    /// then.
    pub(super) fn add_existing(
        &mut self,
        storage: &dyn Storage,
        existing: &[Existing<'_>],
        means: &Means<'_>,
    ) -> Result<()> {
        self.write(storage, |draft, output| {
            let options = &WriteOptions {
                compression: draft.header.compression,
                ..means.options.clone()
            };
            let means = &Means { options, ..*means };
            for one in existing {
                let element = element_of(&draft.xml, one)?;
                let index = draft.xml.push_image(element);
                draft.header.flags |= one.from.header().flags & HeaderFlags::RP_FIX;
                if one.boot {
                    draft.header.boot_index = index;
                }
            }
            // The data of images that come from one archive goes in at once: into one solid resource
            // if it has to be solid.
            let is_same = |a: &Existing<'_>, b: &Existing<'_>| std::ptr::eq(a.from, b.from);
            for group in existing.chunk_by(is_same) {
                draft.add_data(group, output, means)?;
            }
            for one in existing {
                let kept = one.recompress;
                let metadata = copy_metadata(one.from, one.index, output, kept, means)?;
                draft.images.push(metadata);
            }
            Ok(())
        })
    }

    /// Takes over the data of images of one archive, and counts their references.
    fn add_data(
        &mut self,
        group: &[Existing<'_>],
        output: &mut Output<'_>,
        means: &Means<'_>,
    ) -> Result<()> {
        let Some(first) = group.first() else {
            return Ok(());
        };
        let from = first.from;
        let mut wanted: Vec<BlobId> = Vec::new();
        let mut trees = Vec::new();
        for one in group {
            let image = from.read_image(one.index, &mut |_| {})?;
            for (dentry, hash) in image.data() {
                if self.blobs.find(&hash).is_some() {
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
            trees.push(image);
        }
        let transfer = Transfer {
            from,
            wanted,
            reuse: first.recompress.reuse(),
        };
        transfer.run(&mut self.blobs, output, means)?;
        for tree in &trees {
            count_references(tree, &mut self.blobs);
        }
        Ok(())
    }
}

/// What the XML data is going to say about the image.
pub(super) fn element_of(xml: &WimXml, existing: &Existing<'_>) -> Result<crate::xml::Element> {
    let element = existing.from.xml.image(existing.index);
    let mut element = element
        .ok_or_else(|| no_such_image(existing.index))?
        .clone();
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
