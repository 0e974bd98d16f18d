//! Reading the data of blobs.

use std::sync::Arc;

use super::blobs::{Blob, Place};
use super::chunks::{ChunkMap, Chunks};
use super::open::Archive;
use crate::hash::{Hasher, Sha1};
use crate::port::{Storage, WorkerState};
use crate::{Error, ErrorKind, Result};

/// A blob ready to be read at any offset.
pub struct BlobReader<'a> {
    storage: &'a dyn Storage,
    chunks: Chunks<'a>,
    /// Where the blob begins in the data of its resource.
    offset: u64,
    size: u64,
    hash: Sha1,
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
                hash: blob.hash,
            }),
            Place::Solid { solid, offset } => {
                let solid = &self.blobs.solids[solid as usize];
                Ok(BlobReader {
                    storage: &*self.files[usize::from(solid.file)].storage,
                    chunks: Chunks::Borrowed(&solid.chunks),
                    offset,
                    size: blob.size,
                    hash: blob.hash,
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

    /// Reads all of it, in pieces given to `out`, and then compares it with its hash.
    ///
    /// # Errors
    /// As [`BlobReader::read`]; [`ErrorKind::HashMismatch`].
    pub fn read_all(
        &self,
        state: &mut WorkerState,
        out: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut hasher = Hasher::new();
        self.read(0, self.size, state, &mut |piece| {
            hasher.update(piece);
            out(piece)
        })?;
        hasher.finish().must_be(&self.hash)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use wimforge_codec::Format;

    use super::*;
    use crate::apply::{ApplyOptions, Restorer, Selected};
    use crate::archive::OpenOptions;
    use crate::format::Compression;
    use crate::port::memory::MemoryStorage;
    use crate::port::memory_target::MemoryTarget;
    use crate::port::{Inline, Silent};
    use crate::testing::{Tree, noise, solidify};

    /// Counts the bytes that are read.
    struct Counting(MemoryStorage, AtomicU64);

    impl Storage for Counting {
        fn name(&self) -> String {
            self.0.name()
        }

        fn len(&self) -> Result<u64> {
            self.0.len()
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
            self.1.fetch_add(buffer.len() as u64, Ordering::Relaxed);
            self.0.read_at(offset, buffer)
        }

        fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
            self.0.write_at(offset, data)
        }

        fn set_len(&self, size: u64) -> Result<()> {
            self.0.set_len(size)
        }

        fn sync(&self) -> Result<()> {
            self.0.sync()
        }
    }

    #[test]
    fn only_the_chunks_of_the_file_wanted_are_read() {
        const CHUNK: u32 = 1 << 16;
        let mut tree = Tree::new();
        for number in 0..40 {
            tree.file(&number.to_string(), &noise(number, 50_000));
        }
        tree.file("large", &noise(41, 3_000_000));
        let chunked = tree.archive(Compression::Chunked(Format::Lzx, CHUNK));
        let solid = solidify(&chunked, Format::Lzms, CHUNK);
        for bytes in [chunked, solid] {
            let storage = Arc::new(Counting(MemoryStorage::new(bytes), AtomicU64::new(0)));
            let archive = Archive::open(storage.clone(), &OpenOptions::default()).unwrap();
            let image = archive.read_image(1, &mut |_| {}).unwrap();
            let reads = |what: &mut dyn FnMut()| {
                storage.1.store(0, Ordering::Relaxed);
                what();
                storage.1.load(Ordering::Relaxed)
            };
            let dentry = image.lookup(b"/20").unwrap();
            let target = MemoryTarget::new();
            let one = reads(&mut || {
                let path = b"20".to_vec();
                let restorer = Restorer {
                    target: &target,
                    options: &ApplyOptions::default(),
                    workers: &Inline,
                    observer: &Silent,
                };
                let selected = [Selected { dentry, path }];
                restorer.restore(&archive, &image, &selected).unwrap();
            });
            assert!(
                (30_000..=2 * u64::from(CHUNK) + 100).contains(&one),
                "{one}"
            );
            let large = image.lookup(b"/large").unwrap();
            let stream = image.streams(image.inode_of(large))[0];
            let blob = archive
                .blobs
                .find(&image.content(stream.content).hash)
                .unwrap();
            let blob = *archive.blobs.get(blob);
            let piece = reads(&mut || {
                let reader = archive.reader(&blob).unwrap();
                let mut state = WorkerState::default();
                reader
                    .read(1_500_000, 10, &mut state, &mut |_| Ok(()))
                    .unwrap();
            });
            // And the table of the chunks, if it was not read before.
            assert!((10..=2 * u64::from(CHUNK)).contains(&piece), "{piece}");
        }
    }
}
