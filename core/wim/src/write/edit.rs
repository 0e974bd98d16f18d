//! Changes that need no new data: of the XML data, of the boot index, images taken out.

use super::draft::Draft;
use crate::hash::Sha1;
use crate::image::Image;
use crate::xml::WimXml;
use crate::{Error, ErrorKind, Result};

/// Nothing of this touches the file: [`Draft::finish`] writes new tables and then the header.
impl Draft {
    /// The XML data, to be changed. The number of its images must stay.
    pub fn xml_mut(&mut self) -> &mut WimXml {
        &mut self.xml
    }

    /// The boot image, from 1; 0 for none.
    #[must_use]
    pub fn boot_index(&self) -> u32 {
        self.header.boot_index
    }

    /// Makes an image the boot image; 0 for none.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchImage`].
    pub fn set_boot_index(&mut self, index: u32) -> Result<()> {
        if index as usize > self.xml.image_count() {
            return Err(Error::new(
                ErrorKind::NoSuchImage,
                format!(
                    "there is no image {index} that could become the boot image; the WIM has {}",
                    self.xml.image_count()
                ),
            ));
        }
        self.header.boot_index = index;
        Ok(())
    }

    /// Gives an image another name.
    ///
    /// # Errors
    /// [`ErrorKind::ImageNameInUse`]; [`ErrorKind::NoSuchImage`]; [`ErrorKind::Parameter`] for a name
    /// that XML cannot hold.
    pub fn rename_image(&mut self, index: u32, name: &str) -> Result<()> {
        if self.xml.find(name).is_some_and(|other| other != index) {
            return Err(Error::new(
                ErrorKind::ImageNameInUse,
                format!("there is already an image named {name:?} in the WIM"),
            ));
        }
        self.set_property(index, "NAME", name)
    }

    /// Sets a property of an image in the XML data; an empty value removes it.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchImage`]; [`ErrorKind::Parameter`] for a text that XML cannot hold.
    pub fn set_property(&mut self, index: u32, name: &str, value: &str) -> Result<()> {
        crate::xml::check_text(name, value)?;
        let image = self.xml.image_mut(index);
        let image = image.ok_or_else(|| {
            Error::new(ErrorKind::NoSuchImage, format!("there is no image {index}"))
        })?;
        image.set_property(name, value)
    }

    /// Takes an image out. Its data stays in the file until the archive is rebuilt; `tree` is its tree,
    /// for the reference counts.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchImage`].
    pub fn delete_image(&mut self, index: u32, tree: &Image) -> Result<()> {
        if index == 0 || index as usize > self.images.len() {
            let what = format!("there is no image {index}");
            return Err(Error::new(ErrorKind::NoSuchImage, what));
        }
        self.kept_table = None;
        for (_, hash) in tree.data() {
            self.release(&hash);
        }
        self.forget_image(index);
        Ok(())
    }

    /// One reference less.
    pub(super) fn release(&mut self, hash: &Sha1) {
        if let Some(id) = self.blobs.find(hash) {
            let references = &mut self.blobs.get_mut(id).references;
            *references = references.saturating_sub(1);
        }
    }
}
