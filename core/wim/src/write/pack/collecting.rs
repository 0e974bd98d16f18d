//! A blob whose chunks come back from the workers one after the other.

use crate::archive::BlobId;
use crate::format::resource::Chunking;
use crate::write::blob_writer::PackedChunk;

/// A blob whose chunks are being compressed.
pub(super) struct Collecting {
    pub blob: BlobId,
    pub chunking: Chunking,
    pub chunks: Vec<PackedChunk>,
    /// Bytes by which the chunks that have come are smaller than their data.
    saved: u64,
}

impl Collecting {
    pub fn new(blob: BlobId, chunking: Chunking) -> Self {
        Self {
            blob,
            chunking,
            chunks: Vec::with_capacity(chunking.count() as usize),
            saved: 0,
        }
    }

    /// Adds the next chunk. Once it is certain that the blob is stored compressed, its
    /// data is not needed any more.
    pub fn push(&mut self, mut chunk: PackedChunk) {
        let was_smaller = self.is_smaller();
        self.saved += (chunk.raw.range.len() - chunk.stored().len()) as u64;
        if was_smaller {
            chunk.forget_raw();
        } else if self.is_smaller() {
            chunk.forget_raw();
            self.chunks.iter_mut().for_each(PackedChunk::forget_raw);
        }
        self.chunks.push(chunk);
    }

    fn is_smaller(&self) -> bool {
        self.saved > self.chunking.table_size()
    }

    pub fn is_complete(&self) -> bool {
        self.chunks.len() as u64 == self.chunking.count()
    }
}
