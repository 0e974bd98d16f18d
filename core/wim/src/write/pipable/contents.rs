//! What goes into a pipable archive, and all that is found out about it before it is written.

use super::hash::hash_all;
use super::resource::{Head, Writing};
use super::store::{Context, Stored, store_all};
use crate::archive::{Archive, Blob, BlobPool, MetadataResource, Place};
use crate::format::{Compression, Header, HeaderFlags, Layout, ResourceFlags, Version};
use crate::hash::Sha1;
use crate::image::{DentryId, Image, ImageNumbers};
use crate::port::{Observer, Source, Workers};
use crate::scan::{Origin, Pending, Scanned};
use crate::time::FileTime;
use crate::write::capture::{
    CaptureSummary, NewImage, WriteOptions, count_references, refuse_if_read_only,
};
use crate::write::export::{Existing, element_of};
use crate::write::load::{Expected, Loader};
use crate::write::metadata::{Metadata, compress_in_order};
use crate::write::output::Output;
use crate::write::pack::PackOptions;
use crate::write::plan::{Files, Item};
use crate::write::rebuild::Scope;
use crate::write::supply::BlobSupply;
use crate::xml::{WimXml, check_text};
use crate::{Error, ErrorKind, Result, text};

/// The images of a pipable archive that is to be written: any of another archive, and a new one.
#[derive(Default)]
pub struct Contents<'a> {
    from: Option<&'a Archive>,
    /// Images of that archive, from 1.
    images: Vec<u32>,
    scope: Scope,
    xml: WimXml,
    /// GUID, flags and boot index come from here.
    header: Option<Header>,
    boot_index: u32,
    links_fixed: bool,
    new: Option<NewImage<'a>>,
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
        Ok(Self {
            from: Some(archive),
            images: (1..=archive.image_count()).collect(),
            scope,
            xml: archive.xml.clone(),
            header: Some(archive.header().clone()),
            boot_index: archive.header().boot_index,
            ..Self::default()
        })
    }

    /// Adds an image of another archive, always the same one. Returns its index.
    ///
    /// # Errors
    /// [`ErrorKind::ImageNameInUse`], [`ErrorKind::NoSuchImage`], [`ErrorKind::Parameter`].
    pub fn add_existing(&mut self, existing: &Existing<'a>) -> Result<u32> {
        if self
            .from
            .is_some_and(|from| !std::ptr::eq(from, existing.from))
        {
            let what = "a pipable WIM can be made of the images of one other WIM only";
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
        let element = element_of(&self.xml, existing)?;
        self.from = Some(existing.from);
        self.scope = Scope::WholeSet;
        self.images.push(existing.index);
        self.links_fixed |= existing.from.header().flags.contains(HeaderFlags::RP_FIX);
        let index = self.xml.push_image(element);
        if existing.boot {
            self.boot_index = index;
        }
        Ok(index)
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
            from: self.from,
            kept: std::mem::take(&mut self.images),
            tree: None,
            pool: BlobPool::default(),
            stored: Vec::new(),
            dentries: Vec::new(),
            sources: &[],
            inline: Vec::new(),
            latest_time: None,
            supply: self.from.map(BlobSupply::new),
            packing: options.packing(options.compression),
        };
        if let Some(from) = self.from {
            prepared.add_kept(from, self.scope)?;
        }
        let summary = match self.new {
            Some(new) => prepared.add_new(new, options, workers, observer)?,
            None => CaptureSummary::default(),
        };
        prepared.header.images = prepared.xml.image_count() as u32;
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
            version: match options.compression {
                Compression::Chunked(wimforge_codec::Format::Lzms, _) => Version::Solid,
                _ => Version::Classic,
            },
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
    from: Option<&'a Archive>,
    /// Images of that archive.
    kept: Vec<u32>,
    /// The tree of the new image, with the hash of its metadata.
    tree: Option<(Image, Sha1)>,
    stored: Vec<Stored>,
    /// A name of each item of the new image, by its number.
    dentries: Vec<DentryId>,
    sources: &'a [&'a dyn Source],
    inline: Vec<u8>,
    latest_time: Option<FileTime>,
    supply: Option<BlobSupply<'a>>,
    packing: PackOptions,
}

impl<'a> Prepared<'a> {
    /// Hashes of the metadata of all images.
    pub fn hashes(&self) -> Vec<Sha1> {
        let kept = self.kept.iter().filter_map(|&index| {
            let metadata = self.from?.images.get(index as usize - 1)?;
            Some(metadata.hash)
        });
        kept.chain(self.tree.as_ref().map(|tree| tree.1)).collect()
    }

    /// The blobs of the images that are kept.
    fn add_kept(&mut self, from: &Archive, scope: Scope) -> Result<()> {
        for index in self.kept.clone() {
            let image = from.read_image(index, &mut |_| {})?;
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
                    origin: Origin::Blob(id),
                    expected: Expected {
                        size: blob.size,
                        write_time: FileTime::default(),
                        unnamed: false,
                    },
                })?;
            }
            count_references(&image, &mut self.pool);
        }
        let supply = from;
        self.stored.sort_by_key(|stored| match stored.item.origin {
            Origin::Blob(id) => crate::write::transfer::place_key(supply, id),
            _ => (0, 0, 0),
        });
        Ok(())
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
    fn add_new(
        &mut self,
        new: NewImage<'a>,
        options: &WriteOptions,
        workers: &dyn Workers,
        observer: &dyn Observer,
    ) -> Result<CaptureSummary> {
        let index = self.xml.add_image(&new.name)?;
        for (name, value) in &new.properties {
            check_text(name, value)?;
        }
        for base in new.bases {
            self.pool.add_elsewhere(base)?;
        }
        let Scanned {
            mut image,
            pending,
            inline,
            skipped,
            ..
        } = new.scanned;
        self.sources = new.sources;
        self.inline = inline;
        self.latest_time = new.latest_time;
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
            options.on_unreadable,
            workers,
            observer,
        )?;
        let unreadable = files.unreadable;
        drop(unknown);
        image.remove_files(&unreadable)?;
        self.claim_new(&image, &pending)?;
        drop(pending);
        count_references(&image, &mut self.pool);
        let numbers = ImageNumbers::of(&image, |content| content.size);
        self.xml
            .set_numbers(index, &numbers, Some(options.now), options.now);
        if let Some(element) = self.xml.image_mut(index) {
            for (name, value) in &new.properties {
                element.set_property(name, value)?;
            }
        }
        if new.links_fixed {
            self.header.flags |= HeaderFlags::RP_FIX;
        }
        if new.boot {
            self.header.boot_index = index;
        }
        let hash = Metadata::Tree(&image).hash()?;
        self.tree = Some((image, hash));
        Ok(CaptureSummary {
            image: index,
            numbers,
            skipped: skipped + unreadable.len() as u64,
            size: 0,
        })
    }

    fn claim_new(&mut self, image: &Image, pending: &[Pending]) -> Result<()> {
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
            self.dentries.push(pending.dentry);
        }
        Ok(())
    }

    fn loader(&self) -> Loader<'_> {
        Loader {
            sources: self.sources,
            inline: &self.inline,
            latest_time: self.latest_time,
            blobs: self.supply.as_ref(),
        }
    }

    /// What to call an item in messages.
    fn name(&self, item: &Item) -> String {
        match (item.origin, &self.tree, self.dentries.get(item.number)) {
            (Origin::Blob(id), ..) => match self.from {
                Some(from) => format!("blob {}", from.blobs.get(id).hash),
                None => "a blob".into(),
            },
            (_, Some((image, _)), Some(&dentry)) => text::Show(&image.path(dentry)).to_string(),
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
        for (&index, hash) in self.kept.iter().zip(self.hashes()) {
            if let Some(from) = self.from {
                let bytes = from.read_metadata(index)?;
                let metadata = Metadata::Stored(&bytes);
                written.push(self.write_one(output, metadata, hash, workers)?);
            }
        }
        if let Some((image, hash)) = &self.tree {
            let metadata = Metadata::Tree(image);
            written.push(self.write_one(output, metadata, *hash, workers)?);
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
                name: &|item| self.name(item),
                observer,
            },
            workers,
        );
        self.pool = pool;
        stored
    }
}
