//! What is known of a pipable archive before its first byte is written: everything but where it lies.

use std::collections::HashSet;

use super::contents::Part;
use super::hash::hash_all;
use super::resource::{Head, Writing};
use super::store::{Context, Stored, store_all};
use crate::archive::{Archive, Blob, BlobId, BlobPool, MetadataResource, Place};
use crate::format::{Compression, Header, HeaderFlags, ResourceFlags};
use crate::hash::Sha1;
use crate::image::{DentryId, Image, ImageNumbers};
use crate::order::sort_by;
use crate::port::{Observer, Source, Workers};
use crate::scan::{Origin, Pending, Scanned};
use crate::time::FileTime;
use crate::write::capture::{
    CaptureSummary, NewImage, WriteOptions, count_references, properties_of,
};
use crate::write::change::no_such_image;
use crate::write::load::{Expected, Loader};
use crate::write::means::Means;
use crate::write::metadata::{Metadata, compress_in_order};
use crate::write::output::Output;
use crate::write::pack::PackOptions;
use crate::write::plan::{Files, Item};
use crate::write::rebuild::{Recompress, Scope};
use crate::write::supply::BlobSupply;
use crate::write::transfer::{blob_name, place_key};
use crate::write::update::ChangedImage;
use crate::xml::WimXml;
use crate::{Result, text};

/// An image of one of the archives.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    pub archive: u16,
    /// From 1.
    pub index: u32,
    /// Which of its data is taken over.
    pub scope: Scope,
}

/// An archive of which everything is known but where it lies.
pub(super) struct Prepared<'a> {
    pub header: Header,
    pub guid_of_images: bool,
    pub xml: WimXml,
    pub pool: BlobPool,
    archives: Vec<&'a Archive>,
    supplies: Vec<BlobSupply<'a>>,
    images: Vec<Held>,
    stored: Vec<Stored>,
    /// A name of each file to be read, by the number of its item.
    dentries: Vec<(usize, DentryId)>,
    sources: &'a [&'a dyn Source],
    inline: Vec<u8>,
    latest_time: Option<FileTime>,
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
    /// Without any image, of which some are going to come from these archives.
    pub fn new(
        header: Header,
        archives: &[&'a Archive],
        options: &WriteOptions,
        recompress: Recompress,
    ) -> Self {
        Self {
            header,
            guid_of_images: false,
            xml: WimXml::default(),
            pool: BlobPool::default(),
            archives: archives.to_vec(),
            supplies: archives.iter().copied().map(BlobSupply::new).collect(),
            images: Vec::new(),
            stored: Vec::new(),
            dentries: Vec::new(),
            sources: &[],
            inline: Vec::new(),
            latest_time: None,
            packing: options.packing(options.compression),
            recompress,
        }
    }

    /// Hashes of the metadata of all images.
    pub fn hashes(&self) -> Vec<Sha1> {
        let hashes = self.images.iter().map(|image| match image {
            Held::Stored(_, hash) | Held::Tree(_, hash) => *hash,
        });
        hashes.collect()
    }

    /// Leaves what belongs to a part.
    pub fn restrict_to(&mut self, part: &Part<'_>) {
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
    pub fn add_kept(&mut self, kept: Kept) -> Result<()> {
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
    pub fn claim_stored(
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
    pub fn sort_by_place(&mut self) {
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
    pub fn add_new(&mut self, new: NewImage<'a>, means: &Means<'_>) -> Result<CaptureSummary> {
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
    pub fn add_changed(&mut self, changed: ChangedImage<'a>, means: &Means<'_>) -> Result<()> {
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
            return blob_name(self.archives[usize::from(archive)], id);
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
