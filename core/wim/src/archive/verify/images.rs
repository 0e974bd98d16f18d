//! The trees of all images, and what else the archive says about them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::report::{AffectedFile, Collector, Severity};
use super::structure::is_plain_name;
use crate::archive::open::Archive;
use crate::archive::{BlobId, Place, prefix_size};
use crate::hash::Sha1;
use crate::image::{
    Image, ImageNumbers, Inode, MAX_REPARSE_DATA, StreamKind, TAG_MOUNT_POINT, TAG_SYMLINK,
};
use crate::port::{Event, Observer, Phase, Unit};
use crate::{Error, ErrorKind, Result, text};

/// What the trees say about the data.
#[derive(Default)]
pub(super) struct Images {
    /// Images whose tree could be read, from 1.
    readable: Vec<u32>,
    /// Whether these are all.
    pub complete: bool,
    /// References to each blob.
    pub references: Vec<u64>,
    /// Blobs that are the data of symbolic links, and of junctions.
    pub links: HashSet<(BlobId, u32)>,
}

impl Images {
    /// Reads every tree once.
    pub fn check(
        archive: &Archive,
        found: &mut Collector,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let mut images = Self {
            complete: true,
            references: vec![0; archive.blobs.len()],
            ..Self::default()
        };
        if archive.header().part != 1 {
            // Only the first part of a split WIM has images.
            images.complete = false;
            return Ok(images);
        }
        let total = u64::from(archive.image_count());
        for index in 1..=archive.image_count() {
            if observer.cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, "stopped while verifying"));
            }
            let read = archive.read_image(index, &mut |finding| {
                found.deviation(
                    0,
                    ErrorKind::Metadata,
                    format!(
                        "image {index}: metadata at byte {}: {}",
                        finding.offset, finding.what
                    ),
                );
            });
            match read {
                Ok(image) => {
                    images.readable.push(index);
                    images.image(archive, index, &image, found);
                }
                Err(error) => {
                    images.complete = false;
                    let error = error.at(format_args!("image {index} is lost"));
                    found.error(0, &error);
                }
            }
            observer.event(&Event::Progress {
                phase: Phase::VerifyMetadata,
                unit: Unit::Items,
                done: u64::from(index),
                total,
            });
        }
        observer.event(&Event::Finished {
            phase: Phase::VerifyMetadata,
        });
        if images.complete {
            images.check_references(archive, found);
        }
        check_document(archive, found);
        Ok(images)
    }

    fn image(&mut self, archive: &Archive, index: u32, image: &Image, found: &mut Collector) {
        found.report.images += 1;
        let mut missing = HashSet::new();
        for (_, inode) in image.inodes() {
            for stream in image.streams(inode) {
                let hash = image.content(stream.content).hash;
                if hash.is_zero() {
                    continue;
                }
                let Some(blob) = archive.blobs.find(&hash) else {
                    missing.insert(hash);
                    continue;
                };
                self.references[blob.index()] += u64::from(inode.names);
                if stream.kind == StreamKind::Reparse
                    && matches!(inode.reparse_tag, TAG_SYMLINK | TAG_MOUNT_POINT)
                {
                    self.links.insert((blob, inode.reparse_tag));
                }
            }
        }
        for dentry in image.walk_all() {
            found.report.entries += 1;
            let name = image.name(dentry);
            let wrong = match Some(dentry) == image.root() || is_plain_name(name) {
                true => reparse_problem(archive, image, image.inode_of(dentry)),
                false => Some("its name is not allowed"),
            };
            if let Some(wrong) = wrong {
                let path = image.path(dentry);
                let what = format!("image {index}: {}: {wrong}", text::Show(&path));
                found.deviation(0, ErrorKind::Metadata, what);
            }
        }
        if !missing.is_empty() {
            report_missing(index, image, &missing, found);
        }
        check_numbers(archive, index, image, missing.is_empty(), found);
    }

    /// The blob table says how often each blob is referred to.
    fn check_references(&self, archive: &Archive, found: &mut Collector) {
        let main = archive.header();
        for ((_, blob), &counted) in archive.blobs.iter().zip(&self.references) {
            let file = match blob.place {
                Place::Alone { file, .. } => file,
                Place::Solid { solid, .. } => archive.blobs.solids[solid as usize].file,
                Place::Claimed | Place::Elsewhere | Place::Lost => continue,
            };
            let home = &archive.files[usize::from(file)].header;
            // The base of a delta has counts of its own.
            let is_ours = file == 0 || (main.parts > 1 && home.guid == main.guid);
            if is_ours && u64::from(blob.references) != counted {
                found.deviation(
                    usize::from(file),
                    ErrorKind::BlobTable,
                    format!(
                        "blob {} has the reference count {}, but {counted} references were found",
                        blob.hash, blob.references
                    ),
                );
            }
        }
    }

    /// Every file that has one of these blobs.
    pub fn files_of(
        &self,
        archive: &Archive,
        blobs: &HashSet<BlobId>,
        observer: &dyn Observer,
    ) -> Result<HashMap<BlobId, Vec<AffectedFile>>> {
        let mut files: HashMap<BlobId, Vec<AffectedFile>> = HashMap::new();
        if blobs.is_empty() {
            return Ok(files);
        }
        for &index in &self.readable {
            if observer.cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, "stopped while verifying"));
            }
            let Ok(image) = archive.read_image(index, &mut |_| {}) else {
                continue;
            };
            for dentry in image.walk_all() {
                let mut last = None;
                for stream in image.streams(image.inode_of(dentry)) {
                    let hash = image.content(stream.content).hash;
                    let blob = archive.blobs.find(&hash).filter(|id| blobs.contains(id));
                    if let Some(blob) = blob
                        && last != Some(blob)
                    {
                        last = Some(blob);
                        files.entry(blob).or_default().push(AffectedFile {
                            image: index,
                            path: image.path(dentry),
                        });
                    }
                }
            }
        }
        Ok(files)
    }
}

/// What is wrong with a reparse point as far as its data needs not be read.
fn reparse_problem(archive: &Archive, image: &Image, inode: &Inode) -> Option<&'static str> {
    if !inode.attributes.is_reparse_point() {
        return None;
    }
    let is_link = matches!(inode.reparse_tag, TAG_SYMLINK | TAG_MOUNT_POINT);
    let Some(stream) = image.unnamed_stream(inode, StreamKind::Reparse) else {
        return Some("it is a reparse point without reparse data");
    };
    if inode.reparse_tag == 0 {
        return Some("its reparse tag is 0");
    }
    let hash = image.content(stream.content).hash;
    if hash.is_zero() {
        return is_link.then_some("it is a link without a target");
    }
    let blob = archive.blobs.find(&hash)?;
    let is_large = archive.blobs.get(blob).size > MAX_REPARSE_DATA as u64;
    is_large.then_some("its reparse data is too large")
}

/// Data that is in none of the files, with the paths of the files that it belongs to.
fn report_missing(index: u32, image: &Image, missing: &HashSet<Sha1>, found: &mut Collector) {
    let mut files: BTreeMap<Sha1, Vec<AffectedFile>> = BTreeMap::new();
    for dentry in image.walk_all() {
        for stream in image.streams(image.inode_of(dentry)) {
            let hash = image.content(stream.content).hash;
            if missing.contains(&hash) {
                files.entry(hash).or_default().push(AffectedFile {
                    image: index,
                    path: image.path(dentry),
                });
            }
        }
    }
    for (hash, files) in files {
        found.add(
            Severity::Damage,
            ErrorKind::MissingBlob,
            format!("image {index}: data with SHA-1 {hash} is in none of the files given"),
            files,
        );
    }
}

/// What the XML data says about an image.
fn check_numbers(
    archive: &Archive,
    index: u32,
    image: &Image,
    sizes_known: bool,
    found: &mut Collector,
) {
    let numbers = ImageNumbers::of(image, |content| {
        let blob = archive.blobs.find(&content.hash);
        blob.map_or(0, |blob| archive.blobs.get(blob).size)
    });
    let xml = &archive.xml;
    for (name, counted, is_known) in [
        ("DIRCOUNT", numbers.directories, true),
        ("FILECOUNT", numbers.files, true),
        ("TOTALBYTES", numbers.total_bytes, sizes_known),
        ("HARDLINKBYTES", numbers.hard_link_bytes, sizes_known),
    ] {
        let wrong = match xml.number(index, name) {
            None => format!("there is no {name}"),
            Some(told) if is_known && told != counted => {
                format!("{name} is {told}, but {counted} were counted")
            }
            Some(_) => continue,
        };
        let what = format!("XML data of image {index}: {wrong}");
        found.deviation(0, ErrorKind::Xml, what);
    }
    for name in ["CREATIONTIME", "LASTMODIFICATIONTIME"] {
        if xml.time(index, name).is_none() {
            let what = format!("XML data of image {index}: there is no valid {name}");
            found.deviation(0, ErrorKind::Xml, what);
        }
    }
}

/// The XML data as a whole.
fn check_document(archive: &Archive, found: &mut Collector) {
    let xml = &archive.xml;
    let header = archive.header();
    let mut wrong = |what: &str| found.deviation(0, ErrorKind::Xml, format!("XML data: {what}"));
    let images = xml.root().elements().filter(|e| e.name == "IMAGE");
    let in_order = images
        .zip(1u32..)
        .all(|(image, index)| image.attribute("INDEX") == Some(&index.to_string()));
    if !in_order {
        wrong("the images are not in the order of their indexes");
    }
    let mut names = HashSet::new();
    let count = xml.image_count() as u32;
    let is_new = |index| {
        let name = xml.name(index);
        name.is_empty() || names.insert(name)
    };
    if !(1..=count).all(is_new) {
        wrong("two images have the same name");
    }
    if let Ok(bytes) = archive.read_table(0, &header.xml)
        && !bytes.starts_with(&[0xFF, 0xFE])
    {
        wrong("it does not begin with a byte order mark");
    }
    if header.parts == 1 {
        let expected = header.xml.offset.checked_sub(prefix_size(header.layout));
        match xml.total_bytes() {
            None => wrong("there is no TOTALBYTES of the whole file"),
            told if told != expected => {
                wrong("TOTALBYTES of the whole file is not the place of the XML data");
            }
            Some(_) => {}
        }
    }
}
