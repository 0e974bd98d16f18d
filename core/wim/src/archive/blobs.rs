//! The pool of blobs: what is stored where, found by hash.

use hashbrown::HashTable;

use super::chunks::ChunkMap;
use crate::format::ResourceHeader;
use crate::hash::Sha1;
use crate::{Error, ErrorKind, Result};

/// The number of a blob in its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(u32);

impl BlobId {
    /// As a vector index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A piece of data.
#[derive(Clone, Copy, Debug)]
pub struct Blob {
    /// SHA-1 of the data.
    pub hash: Sha1,
    /// References from the images of the file that is being read or written.
    pub references: u32,
    /// Bytes of the data.
    pub size: u64,
    /// Where it is.
    pub place: Place,
}

/// Where a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a resource of its own.
    Alone {
        /// Which file of a set; 0 is the one that was opened.
        file: u16,
        /// Where in it.
        resource: ResourceHeader,
    },
    /// In a solid resource.
    Solid {
        /// Which, in [`BlobPool::solids`].
        solid: u32,
        /// Where in its uncompressed data.
        offset: u64,
    },
    /// In another archive, which has to be given too when this one is read: the base of a delta.
    Elsewhere,
    /// About to be written.
    Claimed,
    /// Given up: it could not be read.
    Lost,
}

/// A solid resource.
#[derive(Clone, Debug)]
pub struct Solid {
    /// Which file of a set.
    pub file: u16,
    /// Where in it.
    pub resource: ResourceHeader,
    /// Its chunks.
    pub chunks: ChunkMap,
}

/// All blobs that can be reached.
#[derive(Debug, Default)]
pub struct BlobPool {
    blobs: Vec<Blob>,
    index: HashTable<u32>,
    /// The solid resources that blobs lie in.
    pub solids: Vec<Solid>,
}

/// SHA-1 spreads well, so its first bytes are the table's hash. Whoever crafts an archive to make
/// them collide slows down the reading of that archive by at most the number of its entries squared
/// over the table's group width; entries are bounded by the size of the file.
fn key(hash: &Sha1) -> u64 {
    hash.short()
}

impl BlobPool {
    /// The blob with this hash.
    #[must_use]
    pub fn find(&self, hash: &Sha1) -> Option<BlobId> {
        let found = self
            .index
            .find(key(hash), |&index| self.blobs[index as usize].hash == *hash);
        found.map(|&index| BlobId(index))
    }

    /// Adds a blob that is not there yet.
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] if there are 2^32 already.
    pub fn insert(&mut self, blob: Blob) -> Result<BlobId> {
        let index = u32::try_from(self.blobs.len())
            .map_err(|_| Error::new(ErrorKind::Memory, "more than 2^32 blobs"))?;
        self.blobs.push(blob);
        let blobs = &self.blobs;
        self.index.insert_unique(key(&blob.hash), index, |&index| {
            key(&blobs[index as usize].hash)
        });
        Ok(BlobId(index))
    }

    /// Adds the blobs of a base that are not here, so that they need not be stored.
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] if there are 2^32 already.
    pub fn add_elsewhere(&mut self, base: &BlobPool) -> Result<()> {
        let reachable = |blob: &&Blob| !matches!(blob.place, Place::Claimed | Place::Lost);
        for blob in base.blobs.iter().filter(reachable) {
            if self.find(&blob.hash).is_none() {
                self.insert(Blob {
                    references: 0,
                    place: Place::Elsewhere,
                    ..*blob
                })?;
            }
        }
        Ok(())
    }

    /// Takes a blob out of the index, so that it is not found any more.
    pub fn lose(&mut self, id: BlobId) {
        let hash = self.blobs[id.0 as usize].hash;
        if let Ok(entry) = self.index.find_entry(key(&hash), |&index| index == id.0) {
            entry.remove();
        }
        self.blobs[id.0 as usize].place = Place::Lost;
    }

    /// A blob.
    #[must_use]
    pub fn get(&self, id: BlobId) -> &Blob {
        &self.blobs[id.0 as usize]
    }

    /// A blob, to be changed; its hash must stay.
    pub fn get_mut(&mut self, id: BlobId) -> &mut Blob {
        &mut self.blobs[id.0 as usize]
    }

    /// The file of the set that a place is in; `None` for data that is in none.
    #[must_use]
    pub fn file_at(&self, place: Place) -> Option<u16> {
        match place {
            Place::Alone { file, .. } => Some(file),
            Place::Solid { solid, .. } => Some(self.solids[solid as usize].file),
            Place::Claimed | Place::Elsewhere | Place::Lost => None,
        }
    }

    /// The file of the set that has a blob.
    #[must_use]
    pub fn file_of(&self, blob: &Blob) -> Option<u16> {
        self.file_at(blob.place)
    }

    /// All blobs.
    pub fn iter(&self) -> impl Iterator<Item = (BlobId, &Blob)> {
        (0u32..).map(BlobId).zip(&self.blobs)
    }

    /// All blobs, to be changed; hashes must stay.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Blob> {
        self.blobs.iter_mut()
    }

    /// Number of blobs, lost ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blobs.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blobs.is_empty()
    }
}
