//! Changes of an archive that exists: of what it says about its images, of which images it has, of the
//! tree of one.
//!
//! A change is data, so that the same one can be made in place, while the archive is written anew, or
//! while it is written as a pipable one.

use std::collections::{BTreeSet, HashMap};

use super::draft::Draft;
use super::export::Existing;
use super::means::Means;
use super::update::ChangedImage;
use crate::hash::Sha1;
use crate::image::Image;
use crate::port::Storage;
use crate::xml::{WimXml, check_text};
use crate::{Error, ErrorKind, Result};

/// See the module.
pub enum Change<'a> {
    /// None: the archive is only written anew.
    Nothing,
    /// Texts of the XML data and the boot index.
    Describe(Vec<Setting>),
    /// Images leave.
    Delete(Departure),
    /// The tree of an image is another.
    Replace(Box<ChangedImage<'a>>),
    /// Images of other archives come in.
    Add(Vec<Existing<'a>>),
}

/// Images that leave an archive, and how many references to data go with them. Their trees can be many
/// and large; they are needed only one after the other.
#[derive(Clone, Debug, Default)]
pub struct Departure {
    images: BTreeSet<u32>,
    references: HashMap<Sha1, u32>,
}

impl Departure {
    /// Another image, from 1, with its tree.
    pub fn add(&mut self, index: u32, tree: &Image) {
        if !self.images.insert(index) {
            return;
        }
        for (_, hash) in tree.data() {
            let count = self.references.entry(hash).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// The images in the order in which they can be taken out: numbers in front of one stay.
    pub(super) fn last_first(&self) -> impl Iterator<Item = u32> {
        self.images.iter().rev().copied()
    }
}

/// Something that an archive says about its images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The boot image, from 1; 0 for none.
    Boot(u32),
    /// A property in the XML data; an empty value removes it.
    Property {
        /// The image, from 1.
        image: u32,
        /// Path of the element.
        name: String,
        /// Its new text.
        value: String,
    },
}

impl Draft {
    /// Makes a change. Where that writes anything it stands behind what is there already; only
    /// [`Draft::finish`] makes it part of the archive.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchImage`], [`ErrorKind::ImageNameInUse`]; [`ErrorKind::Parameter`] for texts
    /// that XML cannot hold; what [`Draft::add`] returns, and for images of other archives
    /// [`ErrorKind::MissingBlob`], [`ErrorKind::HashMismatch`], [`ErrorKind::Decompression`] and
    /// [`ErrorKind::Metadata`]. Everything is undone then.
    pub fn make(
        &mut self,
        storage: &dyn Storage,
        change: Change<'_>,
        means: &Means<'_>,
    ) -> Result<()> {
        let made = match change {
            Change::Nothing => Ok(()),
            Change::Describe(settings) => self.described().set_all(&settings),
            Change::Delete(departure) => self.delete_images(&departure),
            Change::Replace(changed) => return self.replace_image(storage, *changed, means),
            Change::Add(existing) => return self.add_existing(storage, &existing, means),
        };
        made.map_err(|error| self.undo(storage, error))
    }

    fn delete_images(&mut self, departure: &Departure) -> Result<()> {
        for index in departure.last_first() {
            if index == 0 || index as usize > self.images.len() {
                return Err(no_such_image(index));
            }
            self.kept_table = None;
            self.forget_image(index);
        }
        for (hash, &count) in &departure.references {
            self.release(hash, count);
        }
        Ok(())
    }

    /// So many references less.
    pub(super) fn release(&mut self, hash: &Sha1, count: u32) {
        if let Some(id) = self.blobs.find(hash) {
            let references = &mut self.blobs.get_mut(id).references;
            *references = references.saturating_sub(count);
        }
    }

    /// Takes an image out of the archive; those behind it move up.
    pub(super) fn forget_image(&mut self, index: u32) {
        let slot = index as usize - 1;
        if slot < self.images.len() {
            self.images.remove(slot);
        }
        self.described().forget(index);
    }

    fn described(&mut self) -> Described<'_> {
        Described {
            xml: &mut self.xml,
            boot_index: &mut self.header.boot_index,
        }
    }
}

/// What an archive says about its images.
pub(super) struct Described<'a> {
    pub xml: &'a mut WimXml,
    pub boot_index: &'a mut u32,
}

impl Described<'_> {
    pub fn set_all(&mut self, settings: &[Setting]) -> Result<()> {
        settings.iter().try_for_each(|setting| self.set(setting))
    }

    fn set(&mut self, setting: &Setting) -> Result<()> {
        match setting {
            Setting::Boot(index) if *index as usize > self.xml.image_count() => {
                Err(no_such_image(*index))
            }
            Setting::Boot(index) => {
                *self.boot_index = *index;
                Ok(())
            }
            Setting::Property { image, name, value } => {
                check_text(name, value)?;
                if name == "NAME" && self.xml.find(value).is_some_and(|other| other != *image) {
                    return Err(Error::new(
                        ErrorKind::ImageNameInUse,
                        format!("there is already an image named {value:?} in the WIM"),
                    ));
                }
                let element = self.xml.image_mut(*image);
                let element = element.ok_or_else(|| no_such_image(*image))?;
                element.set_property(name, value)
            }
        }
    }

    /// Takes an image out; those behind it move up.
    pub fn forget(&mut self, index: u32) {
        self.xml.remove_image(index);
        *self.boot_index = match (*self.boot_index).cmp(&index) {
            std::cmp::Ordering::Less => *self.boot_index,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => *self.boot_index - 1,
        };
    }
}

/// An image was named that is not there.
pub(super) fn no_such_image(index: u32) -> Error {
    let what = format!("there is no image {index}");
    Error::new(ErrorKind::NoSuchImage, what)
}
