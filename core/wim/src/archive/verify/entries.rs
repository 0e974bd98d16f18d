//! The entries of the blob table.

use std::collections::HashSet;

use super::report::Collector;
use super::structure::check_prefix;
use crate::ErrorKind;
use crate::archive::chunks::ChunkMap;
use crate::archive::open::Archive;
use crate::archive::{Place, prefix_size};
use crate::format::{BlobEntry, Layout, ResourceFlags, Version};
use crate::hash::Sha1;
use crate::order::sort_by;
use crate::port::read_exact_at;

pub(super) fn check(archive: &Archive, file: usize, found: &mut Collector) {
    let header = &archive.files[file].header;
    let table = match archive.read_table(file, &header.blob_table) {
        Ok(table) => table,
        Err(error) => return found.error(file, &error),
    };
    if !table.len().is_multiple_of(BlobEntry::SIZE) {
        found.deviation(
            file,
            ErrorKind::BlobTable,
            format!(
                "the blob table has {} bytes, not a multiple of 50",
                table.len()
            ),
        );
    }
    let mut checker = Checker {
        archive,
        file,
        found,
        seen: HashSet::new(),
        last: None,
        metadata: 0,
    };
    for (number, entry) in (1u64..).zip(BlobEntry::decode_all(&table)) {
        checker.entry(number, &entry);
    }
    let metadata = checker.metadata;
    if header.part == 1 && file == 0 && metadata != u64::from(header.images) {
        let what = format!(
            "there is metadata of {metadata} images, but the header counts {}",
            header.images
        );
        match metadata < u64::from(header.images) {
            true => found.damage(file, ErrorKind::ImageCount, what),
            false => found.deviation(file, ErrorKind::ImageCount, what),
        }
    }
    check_solid_overlaps(archive, file, found);
}

struct Checker<'a> {
    archive: &'a Archive,
    file: usize,
    found: &'a mut Collector,
    seen: HashSet<Sha1>,
    /// Place of the last blob that is not metadata.
    last: Option<(u64, u64)>,
    metadata: u64,
}

impl Checker<'_> {
    fn wrong(&mut self, number: u64, what: impl std::fmt::Display) {
        self.found.deviation(
            self.file,
            ErrorKind::BlobTable,
            format!("entry {number} of the blob table: {what}"),
        );
    }

    fn entry(&mut self, number: u64, entry: &BlobEntry) {
        let header = &self.archive.files[self.file].header;
        let known = ResourceFlags::METADATA | ResourceFlags::COMPRESSED | ResourceFlags::SOLID;
        if !known.contains(entry.resource.flags) {
            let flags = entry.resource.flags.bits();
            self.wrong(number, format_args!("flags {flags:#x}"));
        }
        if entry.part != header.part {
            let part = entry.part;
            self.wrong(number, format_args!("part number {part}"));
        }
        let is_solid = entry.is_solid() && header.version == Version::Solid;
        if entry.is_solid() && !is_solid {
            self.wrong(number, "the solid flag in a WIM of the usual version");
        }
        if is_solid {
            self.solid(number, entry);
        } else {
            self.alone(number, entry);
        }
    }

    fn solid(&mut self, number: u64, entry: &BlobEntry) {
        if self.archive.files[self.file].header.layout == Layout::Pipable {
            self.wrong(number, "a solid resource in a pipable WIM");
        }
        if entry.is_solid_resource() {
            let (start, end) = (entry.resource.offset, entry.resource.end());
            self.found.span(start, end, "a solid resource");
            if !entry.hash.is_zero() || entry.references != 1 {
                self.wrong(number, "a solid resource with a hash or a reference count");
            }
            return;
        }
        if entry.resource.uncompressed_size != 0 {
            self.wrong(number, "a solid blob with a second size");
        }
        if self.is_empty(number, entry.resource.size, &entry.hash) {
            return;
        }
        let place = self.archive.blobs.find(&entry.hash);
        let place = place.map(|id| self.archive.blobs.get(id).place);
        if let Some(Place::Solid { solid, offset }) = place {
            let home = &self.archive.blobs.solids[solid as usize];
            if usize::from(home.file) == self.file {
                self.in_order(number, (home.resource.offset, offset));
            }
        }
        self.unique(number, &entry.hash);
    }

    fn alone(&mut self, number: u64, entry: &BlobEntry) {
        let one = &self.archive.files[self.file];
        let resource = &entry.resource;
        let what = match entry.is_metadata() {
            true => "the metadata of an image",
            false => "a blob",
        };
        let prefix = prefix_size(one.header.layout);
        let start = resource.offset.saturating_sub(prefix);
        self.found.span(start, resource.end(), what);
        if self.is_empty(number, resource.uncompressed_size, &entry.hash) {
            return;
        }
        if prefix > 0 {
            let storage = &*one.storage;
            check_prefix(storage, resource, what, entry.hash, self.file, self.found);
            self.chunk_prefixes(number, entry);
        }
        if entry.is_metadata() {
            return self.metadata(number, entry);
        }
        self.in_order(number, (resource.offset, 0));
        self.unique(number, &entry.hash);
    }

    fn metadata(&mut self, number: u64, entry: &BlobEntry) {
        if entry.references != 1 {
            let count = entry.references;
            self.wrong(
                number,
                format_args!("metadata with the reference count {count}"),
            );
            if count == 0 {
                return;
            }
        }
        if self.archive.files[self.file].header.part != 1 {
            self.wrong(number, "metadata in a part other than the first");
        }
        if self.last.is_some() {
            self.wrong(number, "metadata behind file data");
        }
        self.metadata += 1;
    }

    /// What is not used at all: blobs of no bytes or without a name.
    fn is_empty(&mut self, number: u64, size: u64, hash: &Sha1) -> bool {
        if size == 0 {
            self.wrong(number, "a blob of size 0");
        } else if hash.is_zero() {
            self.wrong(number, "a blob with the hash zero");
        }
        size == 0 || hash.is_zero()
    }

    fn in_order(&mut self, number: u64, place: (u64, u64)) {
        if self.last.is_some_and(|last| place <= last) {
            self.wrong(number, "not in the order of places");
        }
        self.last = Some(place);
    }

    fn unique(&mut self, number: u64, hash: &Sha1) {
        if !self.seen.insert(*hash) {
            self.wrong(number, format_args!("the blob {hash} is there twice"));
        }
    }

    /// In a pipable file every chunk is preceded by its size, which a sequential reader relies on.
    fn chunk_prefixes(&mut self, number: u64, entry: &BlobEntry) {
        let one = &self.archive.files[self.file];
        let (storage, header) = (&*one.storage, &one.header);
        // A malformed table shows when the data is read.
        let Ok(chunks) =
            ChunkMap::load(storage, &entry.resource, header.compression, header.layout)
        else {
            return;
        };
        for (index, (at, size)) in chunks.stored().enumerate() {
            let mut told = [0; 4];
            let told = read_exact_at(storage, at, &mut told).map(|()| u32::from_le_bytes(told));
            if told.is_ok_and(|told| u64::from(told) != size) {
                self.found.damage(
                    self.file,
                    ErrorKind::Pipable,
                    format!(
                        "entry {number} of the blob table: chunk {index} has another size in \
                         front of it than in the chunk table"
                    ),
                );
            }
        }
    }
}

/// Blobs of a solid resource must not overlap.
fn check_solid_overlaps(archive: &Archive, file: usize, found: &mut Collector) {
    let mut places: Vec<(u32, u64, u64)> = archive
        .blobs
        .iter()
        .filter_map(|(_, blob)| match blob.place {
            Place::Solid { solid, offset }
                if usize::from(archive.blobs.solids[solid as usize].file) == file =>
            {
                Some((solid, offset, offset.saturating_add(blob.size)))
            }
            _ => None,
        })
        .collect();
    sort_by(&mut places, Ord::cmp);
    let overlaps = places
        .windows(2)
        .filter(|pair| pair[0].0 == pair[1].0 && pair[1].1 < pair[0].2)
        .count();
    if overlaps > 0 {
        found.deviation(
            file,
            ErrorKind::BlobTable,
            format!("{overlaps} blobs overlap others in solid resources"),
        );
    }
}
