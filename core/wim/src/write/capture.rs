//! A new archive with one image.

use wimforge_codec::Level;

use super::draft::Draft;
use super::load::Loader;
use super::means::Means;
use super::metadata::{Metadata, write_metadata};
use super::output::Output;
use super::pack::{Context, PackOptions, SolidOptions, SolidOrder, pack};
use super::plan::{Files, sort_by_similarity};
use crate::archive::{BlobPool, MetadataResource};
use crate::format::{Compression, Guid, Header, HeaderFlags, Version};
use crate::hash::{Hasher, Sha1};
use crate::image::{Image, ImageNumbers};
use crate::port::{Event, Observer, OnUnreadable, Source, Storage};
use crate::scan::Scanned;
use crate::time::FileTime;
use crate::windows;
use crate::xml::{WimXml, check_text};
use crate::{Error, ErrorKind, Result};

/// An image about to be added to an archive.
pub struct NewImage<'a> {
    /// The tree and what is still to be read.
    pub scanned: Scanned,
    /// The sources that were scanned, in order.
    pub sources: &'a [&'a dyn Source],
    /// Its name; empty for none.
    pub name: String,
    /// Properties in the order in which they are to stand in the XML data.
    pub properties: Vec<(String, String)>,
    /// Whether it becomes the boot image.
    pub boot: bool,
    /// Archives whose data needs not be stored, because readers are given them too: the bases of a
    /// delta.
    pub bases: &'a [&'a BlobPool],
    /// Whether links of it were made relative to its root.
    pub links_fixed: bool,
    /// See [`crate::scan::ScanOptions::latest_time`].
    pub latest_time: Option<FileTime>,
}

/// Whether the archive gets an integrity table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IntegrityChoice {
    /// If it had one before.
    #[default]
    Keep,
    /// Yes.
    Include,
    /// No.
    Omit,
}

impl IntegrityChoice {
    /// Whether there is going to be a table, where there was one before or not.
    pub(super) fn includes(self, had_one: bool) -> bool {
        match self {
            IntegrityChoice::Keep => had_one,
            IntegrityChoice::Include => true,
            IntegrityChoice::Omit => false,
        }
    }
}

/// How an archive is written.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// Compression of a new archive; one that exists keeps its own.
    pub compression: Compression,
    /// Effort of compression.
    pub level: Level,
    /// Put new data into a solid resource instead of one resource for each blob.
    pub solid: Option<SolidOptions>,
    /// Integrity table.
    pub integrity: IntegrityChoice,
    /// GUID of a new archive; made from the hashes of the metadata if there is none.
    pub guid: Option<Guid>,
    /// The time now.
    pub now: FileTime,
    /// Files that cannot be read.
    pub on_unreadable: OnUnreadable,
}

impl WriteOptions {
    /// How data is packed in an archive of this compression.
    pub(super) fn packing(&self, compression: Compression) -> PackOptions {
        PackOptions {
            compression,
            level: self.level,
            solid: self.solid,
            on_unreadable: self.on_unreadable,
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CaptureSummary {
    /// Index of the new image.
    pub image: u32,
    /// Its counts.
    pub numbers: ImageNumbers,
    /// Files that could not be read and were left out, those of the scan included.
    pub skipped: u64,
    /// Size of the archive in bytes.
    pub size: u64,
}

/// Writes a new archive into an empty storage. The caller puts it in its place afterwards; everything
/// is on the medium then.
///
/// # Errors
/// [`ErrorKind::Open`], [`ErrorKind::Read`], [`ErrorKind::Changed`] for files; [`ErrorKind::Write`];
/// [`ErrorKind::Cancelled`]; [`ErrorKind::Parameter`] for names and properties.
pub fn capture(
    storage: &dyn Storage,
    new: NewImage<'_>,
    means: &Means<'_>,
) -> Result<CaptureSummary> {
    let mut draft = Draft::create(storage, means.options)?;
    let summary = draft.add(storage, new, means)?;
    let size = draft.finish(storage, means.observer)?;
    Ok(CaptureSummary { size, ..summary })
}

/// A GUID that depends only on the images, whose metadata has these hashes.
pub(super) fn guid_of(images: impl IntoIterator<Item = Sha1>) -> Guid {
    let mut hasher = Hasher::new();
    for hash in images {
        hasher.update(hash.as_bytes());
    }
    let hash = hasher.finish();
    let mut guid = [0; 16];
    guid.copy_from_slice(&hash.as_bytes()[..16]);
    Guid(guid)
}

/// An image whose data and metadata are written.
pub(super) struct Added {
    pub metadata: MetadataResource,
    pub summary: CaptureSummary,
}

/// Writes the data and the metadata of a new image, counts its references, and enters it into XML
/// data and header.
pub(super) fn add_image(
    new: NewImage<'_>,
    output: &mut Output<'_>,
    pool: &mut BlobPool,
    xml: &mut WimXml,
    header: &mut Header,
    means: &Means<'_>,
) -> Result<Added> {
    let options = means.options;
    let index = xml.add_image(&new.name)?;
    let properties = properties_of(&new, means.observer)?;
    for base in new.bases {
        pool.add_elsewhere(base)?;
    }
    let data = TreeData {
        sources: new.sources,
        latest_time: new.latest_time,
        compression: header.compression,
    };
    if options.solid.is_some() {
        header.version = Version::Solid;
    }
    let stored = store_tree(new.scanned, &data, output, pool, means)?;
    let metadata = stored.metadata;
    xml.set_numbers(index, &stored.numbers, Some(options.now), options.now);
    if let Some(element) = xml.image_mut(index) {
        for (name, value) in &properties {
            element.set_property(name, value)?;
        }
    }
    header.images = xml.image_count() as u32;
    header.flags.set(
        HeaderFlags::RP_FIX,
        new.links_fixed || header.flags.contains(HeaderFlags::RP_FIX),
    );
    if new.boot {
        header.boot_index = index;
        header.boot_metadata = metadata.resource;
    }
    Ok(Added {
        metadata,
        summary: CaptureSummary {
            image: index,
            numbers: stored.numbers,
            skipped: stored.skipped,
            size: 0,
        },
    })
}

/// What Windows says of itself, if it is there, and then what the user says.
pub(super) fn properties_of(
    new: &NewImage<'_>,
    observer: &dyn Observer,
) -> Result<Vec<(String, String)>> {
    for (name, value) in &new.properties {
        check_text(name, value)?;
    }
    let found = windows::describe(&new.scanned, new.sources);
    for remark in &found.remarks {
        observer.event(&Event::Remark(remark));
    }
    let mut properties = found.properties;
    properties.extend(new.properties.iter().cloned());
    Ok(properties)
}

/// Where the data of a tree comes from and how it is stored.
pub(super) struct TreeData<'a> {
    pub sources: &'a [&'a dyn Source],
    pub latest_time: Option<FileTime>,
    pub compression: Compression,
}

/// A tree whose data and metadata are written.
pub(super) struct StoredTree {
    pub metadata: MetadataResource,
    pub numbers: ImageNumbers,
    /// Files that could not be read, those of the scan included.
    pub skipped: u64,
}

/// Writes the data and the metadata of a tree, and counts its references.
pub(super) fn store_tree(
    scanned: Scanned,
    data: &TreeData<'_>,
    output: &mut Output<'_>,
    pool: &mut BlobPool,
    means: &Means<'_>,
) -> Result<StoredTree> {
    let options = means.options;
    let Scanned {
        mut image,
        mut pending,
        inline,
        skipped,
        ..
    } = scanned;
    if options
        .solid
        .is_some_and(|solid| solid.order == SolidOrder::Similarity)
    {
        sort_by_similarity(&mut pending, &image);
    }
    let loader = Loader {
        sources: data.sources,
        inline: &inline,
        latest_time: data.latest_time,
        archives: &[],
    };
    let context = Context {
        loader: &loader,
        options: options.packing(data.compression),
        workers: means.workers,
        observer: means.observer,
        done_before: 0,
    };
    // What is known already, from a template, and stored already needs not be read.
    pending.retain(|pending| {
        let content = image.content(pending.content);
        content.hash.is_zero() || pool.find(&content.hash).is_none()
    });
    let mut files = Files::new(&mut image, &pending);
    pack(&mut files, pool, output, &context)?;
    let unreadable = files.unreadable;
    drop(pending);
    image.remove_files(&unreadable)?;
    count_references(&image, pool);
    let tree = Metadata::Tree(&image);
    Ok(StoredTree {
        metadata: write_metadata(output, tree, data.compression, means)?,
        numbers: ImageNumbers::of(&image, |content| content.size),
        skipped: skipped + unreadable.len() as u64,
    })
}

/// Adds the references of an image to its blobs: one for each stream of each name of a file.
pub(super) fn count_references(image: &Image, pool: &mut BlobPool) {
    for (_, inode) in image.inodes() {
        for stream in image.streams(inode) {
            let content = image.content(stream.content);
            if let Some(blob) = pool.find(&content.hash) {
                let references = &mut pool.get_mut(blob).references;
                *references = references.saturating_add(inode.names);
            }
        }
    }
}

/// Refuses options that an archive's header does not allow.
pub(super) fn refuse_if_read_only(header: &Header, name: &str) -> Result<()> {
    let why = if header.parts > 1 {
        "is part of a split WIM"
    } else if header.flags.contains(HeaderFlags::READONLY) {
        "is marked read-only in its header"
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::ReadOnly,
        format!("cannot modify {name}: it {why}"),
    ))
}
