//! The blobs of an archive as something to be packed: pieces of them, read by several workers at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::archive::{Archive, BlobId, ChunkMap, Chunks, Place};
use crate::format::Compression;
use crate::port::{Storage, WorkerState, read_vec_at};
use crate::{Error, ErrorKind, Result};

/// Opens blobs of one archive.
pub(crate) struct BlobSupply<'a> {
    archive: &'a Archive,
    /// The resource that was opened last: a large blob is opened for each of its pieces.
    last: Mutex<Option<(Resource, Arc<ChunkMap>)>>,
    decoded: Cache,
}

/// A resource by its place: which file of the set, and where in it.
type Resource = (u16, u64);

/// Chunks from this size on are worth being decoded once for all pieces and blobs that lie in them.
const SHARED_CHUNK: u32 = 256 << 10;

impl<'a> BlobSupply<'a> {
    pub fn new(archive: &'a Archive) -> Self {
        Self {
            archive,
            last: Mutex::default(),
            decoded: Cache::default(),
        }
    }

    /// Prepares to read a blob.
    pub fn open(&'a self, id: BlobId) -> Result<OpenBlob<'a>> {
        let blob = self.archive.blobs.get(id);
        let pool = &self.archive.blobs;
        let (number, at, chunks, start, is_shared) = match blob.place {
            Place::Alone { file, resource } => {
                let at = (file, resource.offset);
                let chunks = self.chunks(at, id)?;
                let is_shared = chunks.format().is_some() && chunks.chunk_size() >= SHARED_CHUNK;
                (file, at, Chunks::Shared(chunks), 0, is_shared)
            }
            Place::Solid { solid, offset } => {
                let solid = &pool.solids[solid as usize];
                let at = (solid.file, solid.resource.offset);
                (
                    solid.file,
                    at,
                    Chunks::Borrowed(&solid.chunks),
                    offset,
                    true,
                )
            }
            Place::Claimed | Place::Elsewhere | Place::Lost => {
                return Err(self.archive.missing(&blob.hash));
            }
        };
        Ok(OpenBlob {
            storage: &*self.archive.files[usize::from(number)].storage,
            decoded: is_shared.then_some(&self.decoded),
            resource: at,
            chunks,
            start,
        })
    }

    /// The chunks of a blob with a resource of its own.
    fn chunks(&self, at: Resource, id: BlobId) -> Result<Arc<ChunkMap>> {
        if let Some((known, chunks)) = &*lock(&self.last)
            && *known == at
        {
            return Ok(Arc::clone(chunks));
        }
        let blob = self.archive.blobs.get(id);
        let chunks = Arc::new(self.archive.load_chunks(blob)?);
        *lock(&self.last) = Some((at, Arc::clone(&chunks)));
        Ok(chunks)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A blob that is open.
pub(crate) struct OpenBlob<'a> {
    storage: &'a dyn Storage,
    chunks: Chunks<'a>,
    resource: Resource,
    /// Where the blob begins in the data of its resource.
    start: u64,
    /// For resources whose chunks are shared by several pieces or blobs.
    decoded: Option<&'a Cache>,
}

impl OpenBlob<'_> {
    /// The chunks of a part of the blob as they are stored, if they are compressed like this and the
    /// blob has its resource for itself; the part is made of whole chunks.
    pub fn stored_chunks(
        &self,
        compression: Compression,
        offset: u64,
        len: u64,
    ) -> Result<Option<Vec<Vec<u8>>>> {
        let Compression::Chunked(format, chunk_size) = compression else {
            return Ok(None);
        };
        let is_alone = matches!(self.chunks, Chunks::Shared(_));
        if !is_alone || self.chunks.format() != Some((format, chunk_size)) {
            return Ok(None);
        }
        let size = u64::from(chunk_size);
        let (first, count) = ((offset / size) as usize, len.div_ceil(size) as usize);
        let chunks = self.chunks.stored().skip(first).take(count);
        chunks
            .map(|(at, size)| read_vec_at(self.storage, at + self.chunks.prefix(), size as usize))
            .collect::<Result<_>>()
            .map(Some)
    }

    /// Fills the whole buffer from `offset` of the blob.
    pub fn read_exact(
        &self,
        offset: u64,
        buffer: &mut [u8],
        state: &mut WorkerState,
    ) -> Result<()> {
        let start = self.start + offset;
        let end = start + buffer.len() as u64;
        if end > self.chunks.total() {
            let what = "a blob lies outside of its resource";
            return Err(Error::new(ErrorKind::Decompression, what));
        }
        let chunk_size = u64::from(self.chunks.chunk_size());
        let (first, after) = (start / chunk_size, end.div_ceil(chunk_size));
        let Some(decoded) = self.decoded else {
            let mut data = vec![0; self.chunks.len_of(first, after) as usize];
            self.chunks
                .decode(self.storage, first, after, state, &mut data)?;
            let skipped = (start - first * chunk_size) as usize;
            buffer.copy_from_slice(&data[skipped..skipped + buffer.len()]);
            return Ok(());
        };
        for index in first..after {
            let chunk = decoded.chunk((self.resource, index), chunk_size, || {
                let mut data = vec![0; self.chunks.len_of(index, index + 1) as usize];
                self.chunks
                    .decode(self.storage, index, index + 1, state, &mut data)?;
                Ok(data)
            })?;
            let begin = index * chunk_size;
            let from = start.max(begin);
            let to = end.min(begin + chunk.len() as u64);
            buffer[(from - start) as usize..(to - start) as usize]
                .copy_from_slice(&chunk[(from - begin) as usize..(to - begin) as usize]);
        }
        Ok(())
    }
}

/// Chunks that were decoded last. A chunk is decoded by the first worker that needs it while others
/// wait for it.
#[derive(Default)]
struct Cache(Mutex<VecDeque<Slot>>);

/// A resource and the number of a chunk in it.
type ChunkKey = (Resource, u64);

/// A chunk's data, or what went wrong in a form that can be told to everybody who waits.
type Decoded = Result<Arc<Vec<u8>>, (ErrorKind, String)>;

struct Slot {
    key: ChunkKey,
    cost: u64,
    data: Arc<OnceLock<Decoded>>,
}

/// Bytes of chunks that are kept; always at least two chunks.
const KEPT: u64 = 16 << 20;

impl Cache {
    fn chunk(
        &self,
        key: ChunkKey,
        cost: u64,
        decode: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Arc<Vec<u8>>> {
        let data = {
            let mut slots = lock(&self.0);
            let known = slots.iter().position(|slot| slot.key == key);
            let slot = match known.and_then(|index| slots.remove(index)) {
                Some(slot) => slot,
                None => {
                    let mut held: u64 = slots.iter().map(|slot| slot.cost).sum();
                    while slots.len() >= 2 && held + cost > KEPT {
                        held -= slots.pop_front().map_or(0, |slot| slot.cost);
                    }
                    Slot {
                        key,
                        cost,
                        data: Arc::default(),
                    }
                }
            };
            let data = Arc::clone(&slot.data);
            slots.push_back(slot);
            data
        };
        let result = data.get_or_init(|| match decode() {
            Ok(data) => Ok(Arc::new(data)),
            Err(error) => Err((error.kind(), error.to_string())),
        });
        match result {
            Ok(data) => Ok(Arc::clone(data)),
            Err((kind, text)) => Err(Error::new(*kind, text.clone())),
        }
    }
}
