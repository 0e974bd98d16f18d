//! Blobs into a solid resource: concatenated, cut into chunks, compressed in parallel.
//!
//! ```text
//! data of new blobs, in order ─▶ unit (one chunk, or several small ones)
//!     full ─▶ compress (parallel, as many units as there are workers)
//!         in order: write the chunks behind room for header and chunk table
//! end: header and table go directly in front of the first chunk
//! ```
//!
//! How many chunks there will be is known only at the end, when it is known what was a duplicate. Room
//! is left for as many as the plan has bytes for; what is not needed stays as a hole in front of the
//! resource, as other writers leave it too.

use std::sync::Arc;

use wimforge_codec::{Format, Level};
use zerocopy::IntoBytes;
use zerocopy::byteorder::little_endian::{U32, U64};

use super::jobs::{OWN_BUFFER, Packing, compress_chunks, compress_large_unit};
use crate::Result;
use crate::archive::{ChunkMap, Solid};
use crate::format::resource::{Chunking, SolidHeader};
use crate::format::{Compression, ResourceFlags, ResourceHeader};
use crate::port::{Observer, Ordered, Pool, WorkerState};
use crate::write::blob_writer::{PackedChunk, Slice};
use crate::write::buffers::Buffer;
use crate::write::output::Output;

/// How solid resources are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SolidOptions {
    /// Their compression format.
    pub format: Format,
    /// Bytes of data that are compressed together.
    pub chunk_size: u32,
    /// Effort of compression.
    pub level: Level,
    /// Which data stands next to which.
    pub order: SolidOrder,
}

/// The order of blobs in a solid resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SolidOrder {
    /// By the extension of the file's name, then by its name: data of one kind side by side.
    #[default]
    Similarity,
    /// As in the tree, or as the source is fast to read.
    Tree,
}

impl SolidOptions {
    /// The usual chunk size of a format in solid resources.
    #[must_use]
    pub const fn default_chunk_size(format: Format) -> u32 {
        match format {
            Format::Xpress | Format::Lzx => 1 << 15,
            Format::Lzms => 1 << 26,
        }
    }
}

/// Bytes that are compressed by one task, unless a chunk is larger.
const UNIT: usize = 512 << 10;
/// Bytes of units in flight for each worker, unless a unit is larger.
const IN_FLIGHT: usize = 4 << 20;

/// A solid resource being written at the end of an output.
pub(crate) struct SolidWriter<'d, 'env> {
    queue: Ordered<'d, 'env, Result<Packing>>,
    options: SolidOptions,
    /// Asked while large chunks are compressed whether to stop.
    observer: &'env dyn Observer,
    /// Most units in flight. Nothing that is written depends on it.
    most_units: usize,
    unit_size: usize,
    unit: Vec<u8>,
    /// Bytes that may still come.
    expected: u64,
    /// Bytes of data in all units but the current one.
    submitted: u64,
    /// Where the room for header and table begins.
    room: u64,
    /// Where the first chunk stands; `None` as long as nothing was pushed.
    first: Option<u64>,
    sizes: Vec<u32>,
}

impl<'d, 'env> SolidWriter<'d, 'env> {
    /// A resource for at most `expected` bytes of data. Nothing is written before data comes.
    pub fn new(
        pool: &'d dyn Pool<'env>,
        threads: usize,
        options: SolidOptions,
        expected: u64,
        observer: &'env dyn Observer,
    ) -> Self {
        let chunk_size = options.chunk_size as usize;
        let unit_size = UNIT.next_multiple_of(chunk_size);
        Self {
            queue: Ordered::new(pool),
            options,
            observer,
            most_units: threads * (IN_FLIGHT / unit_size).max(1),
            unit_size,
            unit: Vec::new(),
            expected,
            submitted: 0,
            room: 0,
            first: None,
            sizes: Vec::new(),
        }
    }

    /// Bytes of data so far: where the next blob will stand.
    pub fn position(&self) -> u64 {
        self.submitted + self.unit.len() as u64
    }

    /// Adds data.
    pub fn push(&mut self, output: &mut Output<'_>, mut data: &[u8]) -> Result<()> {
        if self.first.is_none() {
            self.leave_room(output)?;
        }
        while !data.is_empty() {
            if self.unit.capacity() == 0 {
                self.begin_unit(output)?;
            }
            let (now, later) = data.split_at(data.len().min(self.unit_size - self.unit.len()));
            self.unit.extend_from_slice(now);
            data = later;
            if self.unit.len() == self.unit_size {
                self.submit();
            }
        }
        Ok(())
    }

    /// Takes back everything from `position` on, if that is still possible.
    pub fn take_back(&mut self, position: u64) -> bool {
        match position.checked_sub(self.submitted) {
            Some(kept) => {
                self.unit.truncate(kept as usize);
                true
            }
            None => false,
        }
    }

    /// Writes what is left; `None` if there was no data.
    pub fn finish(mut self, output: &mut Output<'_>) -> Result<Option<Solid>> {
        let Some(first) = self.first else {
            return Ok(None);
        };
        if !self.unit.is_empty() {
            self.submit();
        }
        while self.write_oldest(output)? {}
        if self.submitted == 0 {
            output.rewind(self.room);
            return Ok(None);
        }
        let SolidOptions {
            format, chunk_size, ..
        } = self.options;
        let header = SolidHeader {
            uncompressed_size: U64::new(self.submitted),
            chunk_size: U32::new(chunk_size),
            compression: U32::new(Compression::Chunked(format, chunk_size).number()),
        };
        let mut front = header.as_bytes().to_vec();
        front.extend(self.sizes.iter().flat_map(|size| size.to_le_bytes()));
        let offset = first - front.len() as u64;
        output.patch(offset, &front)?;
        let resource = ResourceHeader {
            size: output.position() - offset,
            flags: ResourceFlags::SOLID,
            offset,
            uncompressed_size: self.submitted,
        };
        let chunking = Chunking {
            total: self.submitted,
            chunk_size,
        };
        Ok(Some(Solid {
            file: 0,
            resource,
            chunks: ChunkMap::chunked(chunking, format, first, 0, &self.sizes),
        }))
    }

    fn leave_room(&mut self, output: &mut Output<'_>) -> Result<()> {
        self.room = output.position();
        let most = self.expected.div_ceil(u64::from(self.options.chunk_size));
        let zeros = [0; 4096];
        let mut left = SolidHeader::SIZE + 4 * most;
        while left > 0 {
            let size = left.min(zeros.len() as u64);
            output.append(&zeros[..size as usize])?;
            left -= size;
        }
        self.first = Some(output.position());
        Ok(())
    }

    /// Waits until there may be one more unit in memory.
    fn begin_unit(&mut self, output: &mut Output<'_>) -> Result<()> {
        while self.queue.in_flight() >= self.most_units {
            self.write_oldest(output)?;
        }
        let left = self.expected.saturating_sub(self.submitted);
        let size = usize::try_from(left).map_or(self.unit_size, |left| left.min(self.unit_size));
        self.unit.reserve_exact(size.max(1));
        Ok(())
    }

    fn submit(&mut self) {
        let unit = std::mem::take(&mut self.unit);
        self.submitted += unit.len() as u64;
        let (options, observer) = (self.options, self.observer);
        self.queue
            .submit(move |state| compress_unit(unit, options, observer, state));
    }

    /// Writes the chunks of the oldest unit in flight; false if there is none.
    fn write_oldest(&mut self, output: &mut Output<'_>) -> Result<bool> {
        let Some(packing) = self.queue.oldest()? else {
            return Ok(false);
        };
        for chunk in packing?.wait()? {
            let stored = chunk.stored();
            self.sizes.push(stored.len() as u32);
            output.append(stored)?;
        }
        Ok(true)
    }
}

/// Compresses the chunks of a unit.
fn compress_unit(
    unit: Vec<u8>,
    options: SolidOptions,
    observer: &dyn Observer,
    state: &mut WorkerState,
) -> Result<Packing> {
    let chunk_size = options.chunk_size as usize;
    if chunk_size >= OWN_BUFFER && state.remote().is_none() {
        let SolidOptions { format, level, .. } = options;
        let chunk = compress_large_unit(state, observer, format, options.chunk_size, level, unit)?;
        return Ok(Packing::Here(vec![chunk]));
    }
    let unit = Arc::new(Buffer::from(unit));
    let chunks = Slice::all(&unit).cut(options.chunk_size).collect();
    drop(unit);
    let mut packing = compress_chunks(
        state,
        options.format,
        options.chunk_size,
        options.level,
        chunks,
    )?;
    // What was not stored raw frees its part of a large unit before the unit waits to be written.
    if let Packing::Here(chunks) = &mut packing {
        chunks.iter_mut().for_each(PackedChunk::forget_raw);
    }
    Ok(packing)
}
