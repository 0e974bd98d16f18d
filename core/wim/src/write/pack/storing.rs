//! What becomes of new data: it is cut into chunks that are compressed and then written as a resource, or
//! written as it is, or added to the solid resource.

use super::Driver;
use super::collecting::Collecting;
use super::jobs::{Done, compress_chunks};
use crate::Result;
use crate::archive::{BlobId, Place};
use crate::format::Compression;
use crate::format::resource::Chunking;
use crate::write::blob_writer::{PackedChunk, Slice, write_whole};

/// Bytes of chunks that are compressed together.
const PACK_BATCH: usize = 256 << 10;

/// Chunks on their way to the next compression task.
#[derive(Default)]
pub(super) struct Run {
    chunks: Vec<Slice>,
    bytes: usize,
}

impl Run {
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
}

impl Driver<'_, '_, '_> {
    /// Writes a new blob, or cuts its pieces into chunks that go on to be compressed.
    pub(super) fn store(&mut self, blob: BlobId, pieces: Vec<Slice>) -> Result<()> {
        let size = pieces.iter().map(|piece| piece.range.len() as u64).sum();
        if let Some(solid) = &mut self.solid {
            let offset = solid.position();
            for piece in &pieces {
                solid.push(self.output, piece.bytes())?;
            }
            self.in_flight -= size;
            self.gathered(blob, offset);
            return Ok(());
        }
        let chunk_size = match self.options.compression {
            Compression::None => {
                let raw = |raw| PackedChunk {
                    raw,
                    compressed: None,
                };
                let chunks: Vec<_> = pieces.into_iter().map(raw).collect();
                let chunking = Chunking {
                    total: size,
                    chunk_size: u32::MAX,
                };
                return self.write_blob(blob, chunking, &chunks);
            }
            Compression::Chunked(_, chunk_size) => chunk_size,
        };
        let chunking = Chunking {
            total: size,
            chunk_size,
        };
        self.collecting.push_back(Collecting::new(blob, chunking));
        for chunk in pieces.iter().flat_map(|piece| piece.cut(chunk_size)) {
            self.run.bytes += chunk.range.len();
            self.run.chunks.push(chunk);
            if self.run.bytes >= PACK_BATCH {
                self.submit_run();
            }
        }
        Ok(())
    }

    /// Queues the chunks that have come together.
    pub(super) fn submit_run(&mut self) {
        let Compression::Chunked(format, chunk_size) = self.options.compression else {
            return;
        };
        let run = std::mem::take(&mut self.run);
        if run.is_empty() {
            return;
        }
        let level = self.options.level;
        self.queue.submit(move |state| {
            Done::Packed(compress_chunks(
                state, format, chunk_size, level, run.chunks,
            ))
        });
    }

    /// A chunk was compressed; the blob it completes is written.
    pub(super) fn collect(&mut self, chunk: PackedChunk) -> Result<()> {
        let Some(front) = self.collecting.front_mut() else {
            return Ok(());
        };
        front.push(chunk);
        if !front.is_complete() {
            return Ok(());
        }
        match self.collecting.pop_front() {
            Some(complete) => self.write_blob(complete.blob, complete.chunking, &complete.chunks),
            None => Ok(()),
        }
    }

    fn write_blob(
        &mut self,
        blob: BlobId,
        chunking: Chunking,
        chunks: &[PackedChunk],
    ) -> Result<()> {
        let resource = write_whole(self.output, chunking, chunks)?;
        self.in_flight -= chunking.total;
        self.enter(blob, resource);
        Ok(())
    }

    /// A blob is in the solid resource, from `offset` on.
    pub(super) fn gathered(&mut self, blob: BlobId, offset: u64) {
        let blob = self.pool.get_mut(blob);
        self.done_bytes += blob.size;
        // The resource takes its place in the pool when it is complete.
        blob.place = Place::Solid {
            solid: self.next_solid,
            offset,
        };
        self.report();
    }
}
