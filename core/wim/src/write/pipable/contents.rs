//! What goes into a pipable archive, and all that is found out about it before it is written.

use std::collections::HashSet;

use super::hash::hash_all;
use super::resource::{Head, Writing};
use super::store::{Context, Stored, store_all};
use crate::archive::{Archive, Blob, BlobId, BlobPool, MetadataResource, Place};
use crate::format::{Compression, Guid, Header, HeaderFlags, Layout, ResourceFlags, Version};
use crate::hash::Sha1;
use crate::image::{DentryId, Image, ImageNumbers};
use crate::order::sort_by;
use crate::port::{Observer, Source, Workers};
use crate::scan::{Origin, Pending, Scanned};
use crate::time::FileTime;
use crate::write::capture::{
    CaptureSummary, NewImage, WriteOptions, count_references, properties_of, refuse_if_read_only,
};
use crate::write::change::{Change, Described, no_such_image};
use crate::write::export::{Existing, element_of};
use crate::write::load::{Expected, Loader};
use crate::write::means::Means;
use crate::write::metadata::{Metadata, compress_in_order};
use crate::write::output::Output;
use crate::write::pack::PackOptions;
use crate::write::plan::{Files, Item};
use crate::write::rebuild::{Rebuild, Recompress, Scope};
use crate::write::supply::BlobSupply;
use crate::write::transfer::place_key;
use crate::write::update::ChangedImage;
use crate::xml::WimXml;
use crate::{Result, text};

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

/// An image of one of the archives.
#[derive(Clone, Copy)]
struct Kept {
    archive: u16,
    /// From 1.
    index: u32,
    /// Which of its data is taken over.
    scope: Scope,
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
    pub(super) fn prepare(
        mut self,
        options: &WriteOptions,
        workers: &dyn Workers,
        observer: &dyn Observer,
    ) -> Result<(Prepared<'a>, CaptureSummary)> {
        let mut prepared = Prepared {
            header: self.new_header(options),
            guid_of_images: self.header.is_none() && options.guid.is_none(),
            xml: std::mem::take(&mut self.xml),
            images: Vec::new(),
            pool: BlobPool::default(),
            stored: Vec::new(),
            dentries: Vec::new(),
            sources: &[],
            inline: Vec::new(),
            latest_time: None,
            supplies: self.archives.iter().copied().map(BlobSupply::new).collect(),
            archives: std::mem::take(&mut self.archives),
            packing: options.packing(options.compression),
            recompress: self.recompress,
        };
        let means = Means {
            options,
            workers,
            observer,
        };
        let changed_slot = self
            .changed
            .as_ref()
            .map(|changed| changed.index as usize - 1);
        for (slot, &kept) in self.images.iter().enumerate() {
            if Some(slot) != changed_slot {
                prepared.add_kept(kept)?;
                continue;
            }
            if let (Some(changed), Some(from)) = (&self.changed, prepared.archives.first()) {
                prepared.claim_stored(&changed.scanned.image, 0, from, kept.scope)?;
            }
        }
        prepared.sort_by_place();
        if let Some(changed) = self.changed {
            prepared.add_changed(changed, &means)?;
        }
        let summary = match self.new {
            Some(new) => prepared.add_new(new, &means)?,
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

/// An archive of which everything is known but where it lies.
pub(super) struct Prepared<'a> {
    pub header: Header,
    pub guid_of_images: bool,
    pub xml: WimXml,
    pub pool: BlobPool,
    archives: Vec<&'a Archive>,
    images: Vec<Held>,
    stored: Vec<Stored>,
    /// A name of each file to be read, by the number of its item.
    dentries: Vec<(usize, DentryId)>,
    sources: &'a [&'a dyn Source],
    inline: Vec<u8>,
    latest_time: Option<FileTime>,
    supplies: Vec<BlobSupply<'a>>,
    packing: PackOptions,
    recompress: Recompress,
}

/// Where the metadata of an image comes from, and its hash.
enum Held {
    /// As it is in one of the archives.
    Stored(Kept, Sha1),
    /// A tree that is new.
    Tree(Box<Image>, Sha1),
}

impl<'a> Prepared<'a> {
    /// Hashes of the metadata of all images.
    pub fn hashes(&self) -> Vec<Sha1> {
        let hashes = self.images.iter().map(|image| match image {
            Held::Stored(_, hash) | Held::Tree(_, hash) => *hash,
        });
        hashes.collect()
    }

    /// Leaves what belongs to a part.
    fn restrict_to(&mut self, part: &Part<'_>) {
        self.header.part = part.number;
        self.header.parts = part.count;
        self.header.guid = part.guid;
        self.header.flags.set(HeaderFlags::SPANNED, part.count > 1);
        let wanted: HashSet<BlobId> = part.blobs.iter().copied().collect();
        self.stored.retain(|stored| match stored.item.origin {
            Origin::Blob { id, .. } => wanted.contains(&id),
            _ => false,
        });
        if part.number > 1 {
            self.images.clear();
        }
    }

    /// An image that stays as it is, and its blobs.
    fn add_kept(&mut self, kept: Kept) -> Result<()> {
        let slot = (kept.index as usize).wrapping_sub(1);
        let from = self.archives[usize::from(kept.archive)];
        let metadata = from.images.get(slot);
        let metadata = metadata.ok_or_else(|| no_such_image(kept.index))?;
        let image = from.read_image(kept.index, &mut |_| {})?;
        self.claim_stored(&image, kept.archive, from, kept.scope)?;
        count_references(&image, &mut self.pool);
        self.images.push(Held::Stored(kept, metadata.hash));
        Ok(())
    }

    /// Notes what of the data of an image is in an archive.
    fn claim_stored(
        &mut self,
        image: &Image,
        archive: u16,
        from: &Archive,
        scope: Scope,
    ) -> Result<()> {
        for (dentry, hash) in image.data() {
            if self.pool.find(&hash).is_some() {
                continue;
            }
            let Some(id) = from.blobs.find(&hash) else {
                if scope == Scope::OwnFile {
                    continue;
                }
                let path = image.path(dentry);
                return Err(from.missing(&hash).at(text::Show(&path)));
            };
            let blob = *from.blobs.get(id);
            if scope == Scope::OwnFile && from.blobs.file_of(&blob) != Some(0) {
                continue;
            }
            self.claim(hash, blob.size, |number| Item {
                number,
                origin: Origin::Blob { archive, id },
                expected: Expected {
                    size: blob.size,
                    write_time: FileTime::default(),
                    unnamed: false,
                },
            })?;
        }
        Ok(())
    }

    /// What comes from other archives is read in the order in which it lies there.
    fn sort_by_place(&mut self) {
        let archives = &self.archives;
        let place = |stored: &Stored| match stored.item.origin {
            Origin::Blob { archive, id } => {
                (archive, place_key(archives[usize::from(archive)], id))
            }
            _ => (u16::MAX, (0, 0, 0)),
        };
        sort_by(&mut self.stored, |a, b| place(a).cmp(&place(b)));
    }

    /// Notes that a blob is to be stored.
    fn claim(&mut self, hash: Sha1, size: u64, item: impl FnOnce(usize) -> Item) -> Result<()> {
        let blob = self.pool.insert(Blob {
            hash,
            references: 0,
            size,
            place: Place::Claimed,
        })?;
        self.stored.push(Stored {
            blob,
            item: item(self.dentries.len()),
        });
        Ok(())
    }

    /// Hashes the files of the new image, and notes what of it is to be stored.
    fn add_new(&mut self, new: NewImage<'a>, means: &Means<'_>) -> Result<CaptureSummary> {
        let index = self.xml.add_image(&new.name)?;
        let properties = properties_of(&new, means.observer)?;
        for base in new.bases {
            self.pool.add_elsewhere(base)?;
        }
        self.sources = new.sources;
        self.latest_time = new.latest_time;
        let slot = self.images.len();
        let (numbers, skipped) = self.add_tree(slot, new.scanned, means)?;
        let now = means.options.now;
        self.xml.set_numbers(index, &numbers, Some(now), now);
        if let Some(element) = self.xml.image_mut(index) {
            for (name, value) in &properties {
                element.set_property(name, value)?;
            }
        }
        if new.links_fixed {
            self.header.flags |= HeaderFlags::RP_FIX;
        }
        if new.boot {
            self.header.boot_index = index;
        }
        Ok(CaptureSummary {
            image: index,
            numbers,
            skipped,
            size: 0,
        })
    }

    /// The same for an image whose tree was changed. What of it the archive has was claimed before.
    fn add_changed(&mut self, changed: ChangedImage<'a>, means: &Means<'_>) -> Result<()> {
        self.sources = changed.sources;
        self.latest_time = changed.latest_time;
        let slot = (changed.index as usize).wrapping_sub(1);
        if slot > self.images.len() {
            return Err(no_such_image(changed.index));
        }
        let (numbers, _) = self.add_tree(slot, changed.scanned, means)?;
        let now = means.options.now;
        self.xml.set_numbers(changed.index, &numbers, None, now);
        Ok(())
    }

    /// Hashes the files of a scan, and puts its tree among the images. Also returns how many files were
    /// left out.
    fn add_tree(
        &mut self,
        slot: usize,
        scanned: Scanned,
        means: &Means<'_>,
    ) -> Result<(ImageNumbers, u64)> {
        let Scanned {
            mut image,
            pending,
            inline,
            skipped,
            ..
        } = scanned;
        self.inline = inline;
        // What a template or the scan knows needs not be hashed.
        let unknown: Vec<Pending> = pending
            .iter()
            .filter(|pending| image.content(pending.content).hash.is_zero())
            .copied()
            .collect();
        let loader = self.loader();
        let mut files = Files::new(&mut image, &unknown);
        hash_all(
            &mut files,
            &loader,
            means.options.on_unreadable,
            means.workers,
            means.observer,
        )?;
        let unreadable = files.unreadable;
        drop(unknown);
        image.remove_files(&unreadable)?;
        self.claim_new(slot, &image, &pending)?;
        drop(pending);
        count_references(&image, &mut self.pool);
        let numbers = ImageNumbers::of(&image, |content| content.size);
        let hash = Metadata::Tree(&image).hash()?;
        self.images.insert(slot, Held::Tree(Box::new(image), hash));
        Ok((numbers, skipped + unreadable.len() as u64))
    }

    fn claim_new(&mut self, slot: usize, image: &Image, pending: &[Pending]) -> Result<()> {
        for pending in pending {
            let content = *image.content(pending.content);
            let is_left_out = image.inode_of(pending.dentry).names == 0;
            if is_left_out || self.pool.find(&content.hash).is_some() {
                continue;
            }
            self.claim(content.hash, content.size, |number| Item {
                number,
                origin: pending.origin,
                expected: Expected {
                    size: content.size,
                    write_time: image.inode_of(pending.dentry).write_time,
                    unnamed: false,
                },
            })?;
            self.dentries.push((slot, pending.dentry));
        }
        Ok(())
    }

    fn loader(&self) -> Loader<'_> {
        Loader {
            sources: self.sources,
            inline: &self.inline,
            latest_time: self.latest_time,
            archives: &self.supplies,
        }
    }

    /// What to call an item in messages.
    fn name(&self, item: &Item) -> String {
        if let Origin::Blob { archive, id } = item.origin {
            let from = self.archives[usize::from(archive)];
            return format!("blob {}", from.blobs.get(id).hash);
        }
        let named = self.dentries.get(item.number);
        match named.and_then(|&(slot, dentry)| Some((self.images.get(slot)?, dentry))) {
            Some((Held::Tree(image, _), dentry)) => text::Show(&image.path(dentry)).to_string(),
            _ => "a file".into(),
        }
    }

    /// Writes the metadata of all images.
    pub fn write_metadata(
        &self,
        output: &mut Output<'_>,
        workers: &dyn Workers,
    ) -> Result<Vec<MetadataResource>> {
        let mut written = Vec::new();
        for image in &self.images {
            written.push(match image {
                Held::Stored(kept, hash) => {
                    let from = self.archives[usize::from(kept.archive)];
                    let bytes = from.read_metadata(kept.index)?;
                    self.write_one(output, Metadata::Stored(&bytes), *hash, workers)?
                }
                Held::Tree(image, hash) => {
                    self.write_one(output, Metadata::Tree(image), *hash, workers)?
                }
            });
        }
        Ok(written)
    }

    fn write_one(
        &self,
        output: &mut Output<'_>,
        metadata: Metadata<'_>,
        hash: Sha1,
        workers: &dyn Workers,
    ) -> Result<MetadataResource> {
        let head = Head {
            size: metadata.size(),
            hash,
            flags: ResourceFlags::METADATA,
            chunk_size: match self.packing.compression {
                Compression::None => None,
                Compression::Chunked(_, chunk_size) => Some(chunk_size),
            },
        };
        let mut writing = Writing::begin(output, head)?;
        match self.packing.compression {
            Compression::None => {
                metadata.encode(&mut |piece| writing.push(output, piece))?;
            }
            Compression::Chunked(format, chunk_size) => {
                let packing = (format, chunk_size, self.packing.level);
                compress_in_order(metadata, packing, workers, &mut |chunk| {
                    writing.push(output, chunk.stored())
                })?;
            }
        }
        Ok(MetadataResource {
            file: 0,
            resource: writing.end(output)?,
            hash,
        })
    }

    /// Stores all blobs.
    pub fn store(
        &mut self,
        output: &mut Output<'_>,
        workers: &dyn Workers,
        observer: &dyn Observer,
    ) -> Result<()> {
        let mut pool = std::mem::take(&mut self.pool);
        let stored = store_all(
            &self.stored,
            &mut pool,
            output,
            &Context {
                loader: &self.loader(),
                packing: self.packing,
                recompress: self.recompress,
                name: &|item| self.name(item),
                observer,
            },
            workers,
        );
        self.pool = pool;
        stored
    }
}
