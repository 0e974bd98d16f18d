//! Reading the data of blobs.

use std::sync::Arc;

use super::blobs::{Blob, Place};
use super::chunks::{ChunkMap, Chunks};
use super::open::Archive;
use crate::port::{Storage, WorkerState};
use crate::{Error, ErrorKind, Result};

/// A blob ready to be read at any offset.
pub struct BlobReader<'a> {
    storage: &'a dyn Storage,
    chunks: Chunks<'a>,
    /// Where the blob begins in the data of its resource.
    offset: u64,
    size: u64,
}

impl Archive {
    /// Prepares to read a blob.
    ///
    /// # Errors
    /// [`ErrorKind::MissingBlob`] if it is in none of the files; what [`ChunkMap::load`] returns.
    pub fn reader(&self, blob: &Blob) -> Result<BlobReader<'_>> {
        match blob.place {
            Place::Alone { file, .. } => Ok(BlobReader {
                storage: &*self.files[usize::from(file)].storage,
                chunks: Chunks::Shared(Arc::new(self.load_chunks(blob)?)),
                offset: 0,
                size: blob.size,
            }),
            Place::Solid { solid, offset } => {
                let solid = &self.blobs.solids[solid as usize];
                Ok(BlobReader {
                    storage: &*self.files[usize::from(solid.file)].storage,
                    chunks: Chunks::Borrowed(&solid.chunks),
                    offset,
                    size: blob.size,
                })
            }
            Place::Claimed | Place::Elsewhere | Place::Lost => Err(self.missing(&blob.hash)),
        }
    }
}

/// The chunks of blobs that have a resource of their own.
impl Archive {
    pub(crate) fn load_chunks(&self, blob: &Blob) -> Result<ChunkMap> {
        let file = self.blobs.file_of(blob).unwrap_or(0);
        self.load_chunks_from(&*self.files[usize::from(file)].storage, blob)
    }

    /// As [`Archive::load_chunks`], with the bytes of the blob's file.
    pub(crate) fn load_chunks_from(&self, storage: &dyn Storage, blob: &Blob) -> Result<ChunkMap> {
        let Place::Alone { file, resource } = blob.place else {
            return Err(self.missing(&blob.hash));
        };
        let header = &self.files[usize::from(file)].header;
        ChunkMap::load(storage, &resource, header.compression, header.layout)
    }
}

impl BlobReader<'_> {
    /// Bytes of the blob.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are decoded together: reading whole pieces of this size, aligned to the resource,
    /// wastes nothing.
    #[must_use]
    pub fn chunk_size(&self) -> u32 {
        self.chunks.chunk_size()
    }

    /// Reads `size` bytes from `offset` on, in pieces given to `out`.
    ///
    /// # Errors
    /// [`ErrorKind::Decompression`]; what the storage and `out` return.
    pub fn read(
        &self,
        offset: u64,
        size: u64,
        state: &mut WorkerState,
        out: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let end = offset.checked_add(size).filter(|&end| end <= self.size);
        if end.is_none() {
            return Err(Error::new(
                ErrorKind::UnexpectedEnd,
                "reading past the end of a blob",
            ));
        }
        self.chunks
            .read(self.storage, self.offset + offset, size, state, out)
    }

    /// Reads all of it, in pieces given to `out`.
    ///
    /// # Errors
    /// As [`BlobReader::read`].
    pub fn read_all(
        &self,
        state: &mut WorkerState,
        out: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        self.read(0, self.size, state, out)
    }
}
