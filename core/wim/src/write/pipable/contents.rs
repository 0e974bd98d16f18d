//! What goes into a pipable archive.

use super::prepared::{Kept, Prepared};
use crate::Result;
use crate::archive::{Archive, BlobId};
use crate::format::{Guid, Header, HeaderFlags, Layout, Version};
use crate::write::capture::{CaptureSummary, NewImage, WriteOptions, refuse_if_read_only};
use crate::write::change::{Change, Described};
use crate::write::export::{Existing, element_of};
use crate::write::means::Means;
use crate::write::rebuild::{Rebuild, Recompress, Scope};
use crate::write::update::ChangedImage;
use crate::xml::WimXml;

/// The images of a pipable archive that is to be written: any of other archives, one of them perhaps
/// with another tree, and a new one.
#[derive(Default)]
pub struct Contents<'a> {
    archives: Vec<&'a Archive>,
    images: Vec<Kept>,
    xml: WimXml,
    /// GUID and flags come from here.
    header: Option<Header>,
    boot_index: u32,
    links_fixed: bool,
    recompress: Recompress,
    changed: Option<ChangedImage<'a>>,
    new: Option<NewImage<'a>>,
    part: Option<Part<'a>>,
}

/// A part of an archive that is cut into several.
pub(in crate::write) struct Part<'a> {
    /// From 1.
    pub number: u16,
    pub count: u16,
    /// That of the set.
    pub guid: Guid,
    /// The data that is in it.
    pub blobs: &'a [BlobId],
}

impl<'a> Contents<'a> {
    /// All images of an archive, whose GUID, XML data and boot image are kept.
    ///
    /// # Errors
    /// [`ErrorKind::ReadOnly`].
    pub fn of(archive: &'a Archive, scope: Scope) -> Result<Self> {
        if scope == Scope::OwnFile {
            refuse_if_read_only(archive.header(), &archive.storage().name())?;
        }
        let kept = |index| Kept {
            archive: 0,
            index,
            scope,
        };
        Ok(Self {
            archives: vec![archive],
            images: (1..=archive.image_count()).map(kept).collect(),
            xml: archive.xml.clone(),
            header: Some(archive.header().clone()),
            boot_index: archive.header().boot_index,
            ..Self::default()
        })
    }

    /// A part of an archive; the first one has all metadata.
    pub(in crate::write) fn part(archive: &'a Archive, part: Part<'a>) -> Self {
        let kept = |index| Kept {
            archive: 0,
            index,
            scope: Scope::OwnFile,
        };
        Self {
            archives: vec![archive],
            images: (1..=archive.image_count()).map(kept).collect(),
            xml: archive.xml.clone(),
            header: Some(archive.header().clone()),
            part: Some(part),
            ..Self::default()
        }
    }

    /// What is left of an archive by this plan.
    ///
    /// # Errors
    /// [`ErrorKind::ReadOnly`].
    pub fn rebuild(archive: &'a Archive, plan: &Rebuild) -> Result<Self> {
        let mut contents = Self::of(archive, plan.scope)?;
        contents.recompress = plan.recompress;
        for index in plan.left_out().into_iter().rev() {
            contents.forget_image(index);
        }
        Ok(contents)
    }

    /// Makes a change.
    ///
    /// # Errors
    /// [`ErrorKind::ImageNameInUse`], [`ErrorKind::NoSuchImage`], [`ErrorKind::Parameter`].
    pub fn make(&mut self, change: Change<'a>) -> Result<()> {
        match change {
            Change::Nothing => {}
            Change::Describe(settings) => self.described().set_all(&settings)?,
            Change::Delete(departure) => {
                for index in departure.last_first() {
                    self.forget_image(index);
                }
            }
            Change::Replace(changed) => self.changed = Some(*changed),
            Change::Add(existing) => {
                for one in &existing {
                    self.add_existing(one)?;
                }
            }
        }
        Ok(())
    }

    fn described(&mut self) -> Described<'_> {
        Described {
            xml: &mut self.xml,
            boot_index: &mut self.boot_index,
        }
    }

    fn forget_image(&mut self, index: u32) {
        let slot = (index as usize).wrapping_sub(1);
        if slot < self.images.len() {
            self.images.remove(slot);
        }
        self.described().forget(index);
    }

    /// Adds an image of another archive.
    fn add_existing(&mut self, existing: &Existing<'a>) -> Result<()> {
        let element = element_of(&self.xml, existing)?;
        let known = |archive: &&Archive| std::ptr::eq(*archive, existing.from);
        let archive = self.archives.iter().position(known);
        let archive = archive.unwrap_or_else(|| {
            self.archives.push(existing.from);
            self.archives.len() - 1
        });
        self.recompress = existing.recompress;
        self.images.push(Kept {
            archive: archive as u16,
            index: existing.index,
            scope: Scope::WholeSet,
        });
        self.links_fixed |= existing.from.header().flags.contains(HeaderFlags::RP_FIX);
        let index = self.xml.push_image(element);
        if existing.boot {
            self.boot_index = index;
        }
        Ok(())
    }

    /// With a new image behind those that are there.
    #[must_use]
    pub fn with(mut self, new: NewImage<'a>) -> Self {
        self.new = Some(new);
        self
    }

    /// Whether the archive that is written anew has an integrity table.
    pub(super) fn has_integrity_table(&self) -> bool {
        let header = self.header.as_ref();
        header.is_some_and(|header| !header.integrity.is_absent())
    }

    /// Finds out all that has to be known: every hash, and so all metadata.
    pub(super) fn prepare(mut self, means: &Means<'_>) -> Result<(Prepared<'a>, CaptureSummary)> {
        let header = self.new_header(means.options);
        let mut prepared = Prepared::new(header, &self.archives, means.options, self.recompress);
        prepared.guid_of_images = self.header.is_none() && means.options.guid.is_none();
        prepared.xml = std::mem::take(&mut self.xml);
        let changed_slot = self
            .changed
            .as_ref()
            .map(|changed| changed.index as usize - 1);
        for (slot, &kept) in self.images.iter().enumerate() {
            if Some(slot) != changed_slot {
                prepared.add_kept(kept)?;
                continue;
            }
            if let (Some(changed), Some(from)) = (&self.changed, self.archives.first()) {
                prepared.claim_stored(&changed.scanned.image, 0, from, kept.scope)?;
            }
        }
        prepared.sort_by_place();
        if let Some(changed) = self.changed {
            prepared.add_changed(changed, means)?;
        }
        let summary = match self.new {
            Some(new) => prepared.add_new(new, means)?,
            None => CaptureSummary::default(),
        };
        prepared.header.images = prepared.xml.image_count() as u32;
        if let Some(part) = &self.part {
            prepared.restrict_to(part);
        }
        Ok((prepared, summary))
    }

    fn new_header(&self, options: &WriteOptions) -> Header {
        let old = self.header.as_ref();
        let kept = HeaderFlags::RP_FIX | HeaderFlags::READONLY;
        let mut flags = old.map_or(HeaderFlags::empty(), |old| old.flags & kept);
        flags.set(
            HeaderFlags::RP_FIX,
            flags.contains(HeaderFlags::RP_FIX) || self.links_fixed,
        );
        Header {
            layout: Layout::Pipable,
            version: Version::least(options.compression),
            flags,
            compression: options.compression,
            guid: old.map_or(options.guid.unwrap_or_default(), |old| old.guid),
            part: 1,
            parts: 1,
            boot_index: self.boot_index,
            ..Header::default()
        }
    }
}
