//! Opening an archive.

use std::sync::Arc;

use super::blobs::{Blob, BlobPool, Place, Solid};
use super::chunks::ChunkMap;
use crate::format::{
    BlobEntry, Compression, Header, HeaderFlags, Layout, ResourceFlags, ResourceHeader, Version,
};
use crate::hash::Sha1;
use crate::image::Image;
use crate::limits::Limits;
use crate::port::{Storage, read_exact_at};
use crate::xml::WimXml;
use crate::{Error, ErrorKind, Result, format};

/// How to open.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Bounds on what the file may make us allocate.
    pub limits: Limits,
}

/// One file of a set: the archive itself, another part of a split WIM, or the base of a delta.
#[derive(Clone)]
pub struct ArchiveFile {
    /// Its bytes.
    pub storage: Arc<dyn Storage + Send>,
    /// Its header.
    pub header: Header,
}

/// The metadata resource of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataResource {
    /// Which file of the set.
    pub file: u16,
    /// Where in it.
    pub resource: ResourceHeader,
    /// SHA-1 of the uncompressed metadata.
    pub hash: Sha1,
}

/// An archive open for reading.
pub struct Archive {
    /// The file that was opened, then others whose blobs may be used.
    pub files: Vec<ArchiveFile>,
    /// The XML data.
    pub xml: WimXml,
    /// The metadata resource of every image.
    pub images: Vec<MetadataResource>,
    /// All blobs that can be reached.
    pub blobs: BlobPool,
    /// Size of the file.
    pub size: u64,
    /// What is unusual but does not prevent reading.
    pub warnings: Vec<String>,
    limits: Limits,
}

impl Archive {
    /// Opens an archive: reads header, XML data and blob table.
    ///
    /// # Errors
    /// [`ErrorKind::NotWim`], [`ErrorKind::Header`], [`ErrorKind::Version`],
    /// [`ErrorKind::Incomplete`], [`ErrorKind::Xml`], [`ErrorKind::BlobTable`] and the other kinds
    /// that concern these structures; what the storage returns.
    pub fn open(storage: Arc<dyn Storage + Send>, options: &OpenOptions) -> Result<Self> {
        let name = storage.name();
        Self::open_unnamed(storage, options).map_err(|error| error.at(name))
    }

    fn open_unnamed(storage: Arc<dyn Storage + Send>, options: &OpenOptions) -> Result<Self> {
        let size = storage.len()?;
        let mut header = read_header(&*storage, size)?;
        let warnings = check_header(&mut header, size)?;
        let mut archive = Self {
            files: vec![ArchiveFile { storage, header }],
            xml: WimXml::default(),
            images: Vec::new(),
            blobs: BlobPool::default(),
            size,
            warnings,
            limits: options.limits,
        };
        archive.read_xml()?;
        archive.read_blob_table(0, size)?;
        archive.check_image_count()?;
        Ok(archive)
    }

    /// An archive of which only header and XML data are at hand.
    pub(super) fn without_data(
        storage: Arc<dyn Storage + Send>,
        header: Header,
        xml: WimXml,
        limits: Limits,
    ) -> Self {
        Self {
            files: vec![ArchiveFile { storage, header }],
            xml,
            images: Vec::new(),
            blobs: BlobPool::default(),
            size: 0,
            warnings: Vec::new(),
            limits,
        }
    }

    /// The header of the file that was opened.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.files[0].header
    }

    /// The storage of the file that was opened.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn Storage + Send> {
        &self.files[0].storage
    }

    /// The limits it was opened with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Number of images.
    #[must_use]
    pub fn image_count(&self) -> u32 {
        self.images.len() as u32
    }

    /// Reads the tree of an image, from 1. Everything unusual is given to `report`.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchImage`], [`ErrorKind::NoMetadata`], [`ErrorKind::Metadata`],
    /// [`ErrorKind::HashMismatch`], [`ErrorKind::Decompression`]; what the storage returns.
    pub fn read_image(
        &self,
        index: u32,
        report: &mut dyn FnMut(format::metadata::Finding),
    ) -> Result<Image> {
        let metadata = self.read_metadata(index)?;
        format::metadata::decode(&metadata, &self.limits, report)
            .map_err(|error| error.at(format_args!("image {index}")))
    }

    /// The uncompressed metadata of an image, from 1, with its hash checked.
    ///
    /// # Errors
    /// As [`Archive::read_image`].
    pub fn read_metadata(&self, index: u32) -> Result<Vec<u8>> {
        if self.header().part != 1 {
            return Err(Error::new(
                ErrorKind::NoMetadata,
                "this is not the first part of a split WIM; only that one has the images",
            ));
        }
        let slot = (index as usize)
            .checked_sub(1)
            .and_then(|slot| self.images.get(slot));
        let metadata = slot.ok_or_else(|| {
            Error::new(
                ErrorKind::NoSuchImage,
                format!(
                    "there is no image {index}; the WIM has {}",
                    self.images.len()
                ),
            )
        })?;
        let resource = &metadata.resource;
        let most = self
            .size
            .saturating_mul(self.limits.metadata_ratio)
            .min(self.limits.metadata_size);
        if resource.uncompressed_size > most {
            return Err(Error::new(
                ErrorKind::Metadata,
                format!(
                    "the metadata of image {index} claims to have {} bytes, of which at most {most} are \
                     believed for a file of {} bytes: a decompression bomb?",
                    resource.uncompressed_size, self.size
                ),
            ));
        }
        let file = &self.files[usize::from(metadata.file)];
        let chunks = ChunkMap::load(
            &*file.storage,
            resource,
            file.header.compression,
            file.header.layout,
        )?;
        let data = chunks.decode_all(&*file.storage)?;
        Sha1::of(&data)
            .must_be(&metadata.hash)
            .map_err(|error| error.at(format_args!("metadata of image {index}")))?;
        Ok(data)
    }

    /// Reads a table-like resource of a file whole.
    pub(super) fn read_table(&self, file: usize, resource: &ResourceHeader) -> Result<Vec<u8>> {
        let file = &self.files[file];
        let limit = self.limits.metadata_size;
        if resource.uncompressed_size > limit || resource.size > self.size.max(limit) {
            return Err(Error::new(
                ErrorKind::Memory,
                "a table is larger than the limit",
            ));
        }
        let compression = match resource.is_compressed() {
            true => file.header.compression,
            false => Compression::None,
        };
        let chunks = ChunkMap::load(&*file.storage, resource, compression, file.header.layout)?;
        chunks.decode_all(&*file.storage)
    }

    fn read_xml(&mut self) -> Result<()> {
        let resource = self.files[0].header.xml;
        if resource.uncompressed_size > self.limits.xml_size {
            return Err(Error::new(
                ErrorKind::Xml,
                "the XML data is larger than the limit",
            ));
        }
        let bytes = self.read_table(0, &resource)?;
        self.xml = WimXml::parse(&bytes, &self.limits)?;
        let images = self.files[0].header.images;
        if self.xml.image_count() != images as usize {
            return Err(Error::new(
                ErrorKind::ImageCount,
                format!(
                    "the header counts {images} images, the XML data {}",
                    self.xml.image_count()
                ),
            ));
        }
        Ok(())
    }

    /// Reads the blob table of a file of the set into the pool.
    pub(super) fn read_blob_table(&mut self, file: usize, size: u64) -> Result<()> {
        let header = &self.files[file].header;
        let (resource, part, version) = (header.blob_table, header.part, header.version);
        let table = self.read_table(file, &resource)?;
        let mut entries = BlobEntry::decode_all(&table).peekable();
        let mut number = 0u32;
        while let Some(entry) = entries.next() {
            number += 1;
            let solid = version == Version::Solid && entry.is_solid();
            if !solid {
                self.add_entry(file, entry, part, size, number)?;
                continue;
            }
            let mut run = vec![entry];
            while let Some(entry) = entries.next_if(BlobEntry::is_solid) {
                run.push(entry);
            }
            self.add_solid_run(file, &run, part, size, number)?;
            number += run.len() as u32 - 1;
        }
        Ok(())
    }

    fn bad_entry(number: u32, what: &str) -> Error {
        Error::new(
            ErrorKind::BlobTable,
            format!("entry {number} of the blob table: {what}"),
        )
    }

    /// A blob with a resource of its own, or the metadata of an image.
    fn add_entry(
        &mut self,
        file: usize,
        mut entry: BlobEntry,
        part: u16,
        file_size: u64,
        number: u32,
    ) -> Result<()> {
        // In files without solid resources the flag means nothing.
        entry.resource.flags.remove(ResourceFlags::SOLID);
        let resource = entry.resource;
        if resource.end().is_none_or(|end| end > file_size) {
            return Err(Self::bad_entry(
                number,
                "the resource lies outside of the file",
            ));
        }
        if !resource.is_compressed() && resource.size != resource.uncompressed_size {
            return Err(Self::bad_entry(
                number,
                "the two sizes of an uncompressed resource differ",
            ));
        }
        if entry.hash.is_zero()
            || resource.size == 0
            || resource.uncompressed_size == 0
            || entry.part != part
        {
            self.warnings
                .push(format!("entry {number} of the blob table is ignored"));
            return Ok(());
        }
        if entry.is_metadata() {
            return self.add_metadata(file, &entry, part, number);
        }
        let place = Place::Alone {
            file: file as u16,
            resource,
        };
        self.add_blob(&entry, resource.uncompressed_size, place, number)
    }

    fn add_metadata(
        &mut self,
        file: usize,
        entry: &BlobEntry,
        part: u16,
        number: u32,
    ) -> Result<()> {
        if entry.references > 1 {
            return Err(Self::bad_entry(
                number,
                "metadata with a reference count above 1",
            ));
        }
        if entry.references == 0 {
            return Ok(());
        }
        if part != 1 || file != 0 {
            return Ok(());
        }
        self.images.push(MetadataResource {
            file: file as u16,
            resource: entry.resource,
            hash: entry.hash,
        });
        Ok(())
    }

    fn add_blob(&mut self, entry: &BlobEntry, size: u64, place: Place, number: u32) -> Result<()> {
        if let Some(known) = self.blobs.find(&entry.hash) {
            // Another file of the set may well have the same data.
            if self.blobs.file_of(self.blobs.get(known)) == self.blobs.file_at(place) {
                self.warnings
                    .push(format!("entry {number} of the blob table repeats a SHA-1"));
                let known = self.blobs.get_mut(known);
                known.references = known.references.max(entry.references);
            }
            return Ok(());
        }
        self.blobs.insert(Blob {
            hash: entry.hash,
            references: entry.references,
            size,
            place,
        })?;
        Ok(())
    }

    /// A run of solid resources and the blobs in them.
    fn add_solid_run(
        &mut self,
        file: usize,
        run: &[BlobEntry],
        part: u16,
        file_size: u64,
        number: u32,
    ) -> Result<()> {
        let first = self.blobs.solids.len();
        for entry in run.iter().filter(|entry| entry.is_solid_resource()) {
            if entry.resource.end().is_none_or(|end| end > file_size) {
                return Err(Self::bad_entry(
                    number,
                    "a solid resource lies outside of the file",
                ));
            }
            let chunks = ChunkMap::load_solid(&*self.files[file].storage, &entry.resource)?;
            self.blobs.solids.push(Solid {
                file: file as u16,
                resource: entry.resource,
                chunks,
            });
        }
        let totals: Vec<u64> = self.blobs.solids[first..]
            .iter()
            .map(|solid| solid.chunks.total())
            .collect();
        for entry in run.iter().filter(|entry| !entry.is_solid_resource()) {
            let size = entry.resource.size;
            if entry.is_metadata() {
                return Err(Self::bad_entry(number, "metadata in a solid resource"));
            }
            if entry.hash.is_zero() || size == 0 || entry.part != part {
                self.warnings.push(format!(
                    "an entry of the solid run at entry {number} is ignored"
                ));
                continue;
            }
            let place = locate(entry.resource.offset, size, &totals);
            let (index, offset) = place.ok_or_else(|| {
                Self::bad_entry(number, "a blob lies outside of its solid resource")
            })?;
            let place = Place::Solid {
                solid: (first + index) as u32,
                offset,
            };
            self.add_blob(entry, size, place, number)?;
        }
        Ok(())
    }

    fn check_image_count(&mut self) -> Result<()> {
        if self.header().part != 1 {
            return Ok(());
        }
        let expected = self.header().images as usize;
        if self.images.len() > expected {
            self.warnings
                .push("there is more metadata than images; the surplus is ignored".into());
            self.images.truncate(expected);
        }
        if self.images.len() < expected {
            self.warnings.push(format!(
                "there is metadata for {} of {expected} images only",
                self.images.len()
            ));
        }
        Ok(())
    }
}

/// Finds the resource of a run that holds a blob: index, and offset in its data.
fn locate(mut offset: u64, size: u64, totals: &[u64]) -> Option<(usize, u64)> {
    for (index, &total) in totals.iter().enumerate() {
        let end = offset.checked_add(size)?;
        if end <= total {
            return Some((index, offset));
        }
        offset = offset.checked_sub(total)?;
    }
    None
}

/// Checks what a header says about its file; returns what is unusual.
pub(super) fn check_header(header: &mut Header, size: u64) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for (what, resource) in [
        ("blob table", &header.blob_table),
        ("XML data", &header.xml),
        ("integrity table", &header.integrity),
    ] {
        if resource.is_absent() {
            continue;
        }
        if resource.uncompressed_size > size && !resource.is_compressed() {
            return Err(Error::new(
                ErrorKind::Header,
                format!(
                    "{what} claims {} bytes of a file of {size}",
                    resource.uncompressed_size
                ),
            ));
        }
        if resource.end().is_none_or(|end| end > size) {
            return Err(Error::new(
                ErrorKind::Header,
                format!("{what} lies outside of the file"),
            ));
        }
    }
    if header.blob_table.is_absent() && header.xml.is_absent() {
        return Err(Error::new(
            ErrorKind::Incomplete,
            "the file was not finished by its writer",
        ));
    }
    if header.flags.contains(HeaderFlags::WRITE_IN_PROGRESS) {
        warnings.push(
            "it is marked as being written: another process may be changing it, or one died while \
             writing it"
                .into(),
        );
    }
    if header.boot_index > header.images {
        warnings.push(format!(
            "boot index {} is larger than the number of images; treated as 0",
            header.boot_index
        ));
        header.boot_index = 0;
    }
    Ok(warnings)
}

/// Reads the header; that of a pipable file is the last one, since the first is incomplete.
pub(super) fn read_header(storage: &dyn Storage, size: u64) -> Result<Header> {
    let mut bytes = [0; Header::SIZE];
    if size < Header::SIZE as u64 {
        let mut start = vec![0; size as usize];
        read_exact_at(storage, 0, &mut start)?;
        return Err(match Header::layout_of(&start) {
            Some(_) => Error::new(ErrorKind::UnexpectedEnd, "the file ends within its header"),
            None => Error::new(ErrorKind::NotWim, "not a WIM file (it is too short)"),
        });
    }
    read_exact_at(storage, 0, &mut bytes)?;
    let header = Header::decode(&bytes)?;
    if header.layout == Layout::Seekable {
        return Ok(header);
    }
    read_exact_at(storage, size - Header::SIZE as u64, &mut bytes)?;
    let last = Header::decode(&bytes).map_err(|error| {
        Error::new(
            ErrorKind::Pipable,
            "no header at the end of the pipable WIM",
        )
        .because(error)
    })?;
    match last.layout {
        Layout::Pipable => Ok(last),
        Layout::Seekable => Err(Error::new(
            ErrorKind::Pipable,
            "the header at the end is not pipable",
        )),
    }
}
