//! Blobs of another archive into the one that is being written.
//!
//! A resource whose compression and chunk size fit is copied as it is stored; a solid resource only if
//! all of its blobs are wanted. Everything else is decoded and packed like the data of a file. Copies
//! come first, in the order in which they lie, then the rest in that order. Whatever passes through
//! uncompressed is checked against its hash, as wimlib does; to decode what is only copied would cost
//! more than the copy.

use std::collections::{HashMap, VecDeque};

use super::load::{Expected, Loader};
use super::means::Means;
use super::output::Output;
use super::pack::{Context, PackOptions, pack};
use super::plan::{Item, Manifest};
use super::supply::BlobSupply;
use crate::archive::{Archive, ArchiveFile, Blob, BlobId, BlobPool, Place, Solid};
use crate::format::{Compression, Layout, ResourceHeader};
use crate::hash::{Hasher, Sha1};
use crate::port::{Event, Observer, OnUnreadable, Phase, Storage, Unit, read_exact_at};
use crate::scan::Origin;
use crate::time::FileTime;
use crate::{Error, ErrorKind, Result};

bitflags::bitflags! {
    /// What may be copied as it is stored.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Reuse: u8 {
        /// Resources of single blobs that are compressed as those of the new archive.
        const ALONE = 1;
        /// Solid resources.
        const SOLID = 2;
    }
}

/// Blobs that are wanted of another archive.
pub(crate) struct Transfer<'a> {
    pub from: &'a Archive,
    /// Of its pool. Those that the new archive has already are passed over.
    pub wanted: Vec<BlobId>,
    pub reuse: Reuse,
}

impl Transfer<'_> {
    /// Stores the blobs and enters them into the pool, without references.
    ///
    /// # Errors
    /// [`ErrorKind::MissingBlob`], [`ErrorKind::HashMismatch`], [`ErrorKind::Decompression`],
    /// [`ErrorKind::Cancelled`]; what the storages return.
    pub fn run(
        mut self,
        pool: &mut BlobPool,
        output: &mut Output<'_>,
        means: &Means<'_>,
    ) -> Result<()> {
        let options = PackOptions {
            on_unreadable: OnUnreadable::Fail,
            ..means.options.packing(means.options.compression)
        };
        let from = self.from;
        self.wanted
            .retain(|&id| pool.find(&from.blobs.get(id).hash).is_none());
        // By number too, for hostile archives have several blobs in one place.
        self.wanted
            .sort_unstable_by_key(|&id| (place_key(from, id), id));
        self.wanted.dedup();
        if options.solid.is_none() && options.compression != from.header().compression {
            // Other compression was asked for, and nothing about solid resources.
            self.reuse.remove(Reuse::SOLID);
        }
        let whole_solids = match self.reuse.contains(Reuse::SOLID) {
            true => self.whole_solids(),
            false => Vec::new(),
        };
        let (copied, packed): (Vec<_>, Vec<_>) =
            self.wanted
                .iter()
                .partition(|&&id| match from.blobs.get(id).place {
                    Place::Alone { file, resource } => {
                        let file = &from.files[usize::from(file)];
                        self.reuse.contains(Reuse::ALONE)
                            && fits(file, &resource, options.compression)
                    }
                    Place::Solid { solid, .. } => whole_solids.binary_search(&solid).is_ok(),
                    Place::Claimed | Place::Elsewhere | Place::Lost => false,
                });
        let size = |ids: &[BlobId]| {
            let sizes = ids.iter().map(|&id| from.blobs.get(id).size);
            sizes.fold(0, u64::saturating_add)
        };
        let copied_bytes = size(&copied);
        let mut copy = Copy {
            from,
            pool,
            output,
            observer: means.observer,
            done: 0,
            total: copied_bytes.saturating_add(size(&packed)),
        };
        copy.all(&copied)?;
        if packed.is_empty() {
            return Ok(());
        }
        let supply = [BlobSupply::new(from)];
        let loader = Loader {
            sources: &[],
            inline: &[],
            latest_time: None,
            archives: &supply,
        };
        let context = Context {
            loader: &loader,
            options,
            workers: means.workers,
            observer: means.observer,
            done_before: copied_bytes,
        };
        let mut manifest = Blobs { from, ids: packed };
        pack(&mut manifest, pool, output, &context)
    }

    /// Solid resources all of whose blobs are wanted, by number.
    fn whole_solids(&self) -> Vec<u32> {
        let mut unwanted: HashMap<u32, u64> = HashMap::new();
        for (_, blob) in self.from.blobs.iter() {
            if let Place::Solid { solid, .. } = blob.place {
                *unwanted.entry(solid).or_default() += 1;
            }
        }
        for &id in &self.wanted {
            if let Place::Solid { solid, .. } = self.from.blobs.get(id).place {
                *unwanted.entry(solid).or_default() -= 1;
            }
        }
        let whole = unwanted.into_iter().filter(|entry| entry.1 == 0);
        let mut whole: Vec<u32> = whole.map(|entry| entry.0).collect();
        whole.sort_unstable();
        whole
    }
}

/// What to call a blob in messages.
pub(super) fn blob_name(from: &Archive, id: BlobId) -> String {
    let blob = from.blobs.get(id);
    let file = from.blobs.file_of(blob).unwrap_or(0);
    let name = from.files[usize::from(file)].storage.name();
    format!("{name}: blob {}", blob.hash)
}

/// Sorts blobs into the order in which they lie.
pub(super) fn place_key(from: &Archive, id: BlobId) -> (u16, u64, u64) {
    match from.blobs.get(id).place {
        Place::Alone { file, resource } => (file, resource.offset, 0),
        Place::Solid { solid, offset } => {
            let solid = &from.blobs.solids[solid as usize];
            (solid.file, solid.resource.offset, offset)
        }
        Place::Claimed | Place::Elsewhere | Place::Lost => (u16::MAX, u64::MAX, 0),
    }
}

/// Whether a resource of a file is what an archive of this compression would hold.
pub(super) fn fits(
    file: &ArchiveFile,
    resource: &ResourceHeader,
    compression: Compression,
) -> bool {
    if file.header.layout == Layout::Pipable {
        return false;
    }
    match (resource.is_compressed(), file.header.compression) {
        (true, source) => source == compression,
        // In an archive with this compression it turned out not to be worth it.
        (false, source) => compression == Compression::None || source == compression,
    }
}

/// Copies resources as they are stored.
struct Copy<'c, 'o> {
    from: &'c Archive,
    pool: &'c mut BlobPool,
    output: &'c mut Output<'o>,
    observer: &'c dyn Observer,
    done: u64,
    total: u64,
}

/// Most bytes that are copied at once.
const PIECE: u64 = 1 << 20;

impl Copy<'_, '_> {
    /// Blobs in the order in which they lie.
    fn all(&mut self, ids: &[BlobId]) -> Result<()> {
        let mut rest = ids;
        while let Some(&first) = rest.first() {
            if self.observer.cancelled() {
                return Err(Error::new(
                    ErrorKind::Cancelled,
                    "stopped while copying data",
                ));
            }
            let count = match self.from.blobs.get(first).place {
                Place::Alone { file, resource } => self.neighbours(file, resource, rest)?,
                Place::Solid { solid, .. } => self.solid(solid, rest)?,
                Place::Claimed | Place::Elsewhere | Place::Lost => 1,
            };
            let (now, later) = rest.split_at(count);
            let sizes = now.iter().map(|&id| self.from.blobs.get(id).size);
            self.done = sizes.fold(self.done, u64::saturating_add);
            self.observer.event(&Event::Progress {
                phase: Phase::Write,
                unit: Unit::Bytes,
                done: self.done,
                total: self.total,
            });
            rest = later;
        }
        Ok(())
    }

    /// Resources that lie one behind the other are copied together. Returns how many blobs.
    fn neighbours(&mut self, file: u16, first: ResourceHeader, ids: &[BlobId]) -> Result<usize> {
        let target = self.output.position();
        let storage = &*self.from.files[usize::from(file)].storage;
        let mut check = Check::default();
        let mut end = first.offset;
        let mut count = 0;
        for &id in ids {
            let blob = self.from.blobs.get(id);
            let Place::Alone {
                file: other,
                resource,
            } = blob.place
            else {
                break;
            };
            let is_next = other == file && resource.offset == end;
            if !is_next || (count > 0 && end + resource.size - first.offset > PIECE) {
                break;
            }
            end += resource.size;
            count += 1;
            check.expect(&resource, blob.hash);
            let resource = ResourceHeader {
                offset: target + (resource.offset - first.offset),
                ..resource
            };
            self.pool.insert(Blob {
                references: 0,
                place: Place::Alone { file: 0, resource },
                ..*blob
            })?;
        }
        let size = end - first.offset;
        copy_bytes(storage, first.offset, size, self.output, check)?;
        Ok(count)
    }

    /// A solid resource with all of its blobs. Returns how many these are.
    fn solid(&mut self, number: u32, ids: &[BlobId]) -> Result<usize> {
        let old = &self.from.blobs.solids[number as usize];
        let storage = &*self.from.files[usize::from(old.file)].storage;
        let resource = copy_resource(storage, &old.resource, None, self.output)?;
        let chunks = old.chunks.moved(old.resource.offset, resource.offset);
        let new = self.pool.solids.len() as u32;
        self.pool.solids.push(Solid {
            file: 0,
            resource,
            chunks,
        });
        let mut count = 0;
        for &id in ids {
            let blob = self.from.blobs.get(id);
            match blob.place {
                Place::Solid { solid, offset } if solid == number => {
                    self.pool.insert(Blob {
                        references: 0,
                        place: Place::Solid { solid: new, offset },
                        ..*blob
                    })?;
                    count += 1;
                }
                _ => break,
            }
        }
        Ok(count)
    }
}

/// Copies a resource as it is stored. `hash` is that of its data, if it is one piece of data.
///
/// # Errors
/// [`ErrorKind::HashMismatch`] if it is not compressed and does not have this hash; what the storages
/// return.
pub(crate) fn copy_resource(
    from: &dyn Storage,
    resource: &ResourceHeader,
    hash: Option<Sha1>,
    output: &mut Output<'_>,
) -> Result<ResourceHeader> {
    let mut check = Check::default();
    if let Some(hash) = hash {
        check.expect(resource, hash);
    }
    let offset = output.position();
    copy_bytes(from, resource.offset, resource.size, output, check)?;
    Ok(ResourceHeader {
        offset,
        ..*resource
    })
}

fn copy_bytes(
    from: &dyn Storage,
    mut offset: u64,
    mut size: u64,
    output: &mut Output<'_>,
    mut check: Check,
) -> Result<()> {
    let mut buffer = vec![0; size.min(PIECE) as usize];
    while size > 0 {
        let now = size.min(PIECE) as usize;
        read_exact_at(from, offset, &mut buffer[..now])?;
        check
            .pass(&buffer[..now])
            .map_err(|error| error.at(from.name()))?;
        output.append(&buffer[..now])?;
        offset += now as u64;
        size -= now as u64;
    }
    Ok(())
}

/// Hashes what is not compressed while it is copied.
#[derive(Default)]
struct Check {
    /// Of each resource the bytes that are still to come, and the hash if it can be checked.
    coming: VecDeque<(u64, Option<Sha1>)>,
    hasher: Hasher,
}

impl Check {
    /// The next resource, and the hash of its data.
    fn expect(&mut self, resource: &ResourceHeader, hash: Sha1) {
        let hash = (!resource.is_compressed()).then_some(hash);
        self.coming.push_back((resource.size, hash));
    }

    /// The next bytes of these resources.
    fn pass(&mut self, mut bytes: &[u8]) -> Result<()> {
        while let Some((left, hash)) = self.coming.front_mut() {
            let (now, later) = bytes.split_at((bytes.len() as u64).min(*left) as usize);
            bytes = later;
            *left -= now.len() as u64;
            if hash.is_some() {
                self.hasher.update(now);
            }
            if *left > 0 {
                break;
            }
            if let Some(hash) = hash {
                let found = std::mem::take(&mut self.hasher).finish();
                found
                    .must_be(hash)
                    .map_err(|error| error.at(format_args!("blob {hash}")))?;
            }
            self.coming.pop_front();
        }
        Ok(())
    }
}

/// Blobs to be packed anew.
struct Blobs<'a> {
    from: &'a Archive,
    ids: Vec<BlobId>,
}

impl Manifest for Blobs<'_> {
    fn len(&self) -> usize {
        self.ids.len()
    }

    fn item(&self, number: usize) -> Item {
        let id = self.ids[number];
        Item {
            number,
            origin: Origin::Blob { archive: 0, id },
            expected: Expected {
                size: self.from.blobs.get(id).size,
                write_time: FileTime::default(),
                unnamed: false,
            },
        }
    }

    fn settle(&mut self, number: usize, hash: Sha1) -> Result<()> {
        hash.must_be(&self.from.blobs.get(self.ids[number]).hash)
    }

    fn path(&self, number: usize) -> Vec<u8> {
        blob_name(self.from, self.ids[number]).into_bytes()
    }

    fn leave_out(&mut self, _number: usize) {}
}
