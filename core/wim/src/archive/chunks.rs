//! Reading resources: where their chunks lie, and their data.

use std::ops::Deref;
use std::sync::Arc;

use wimforge_codec::Format;
use zerocopy::FromBytes;

use crate::format::resource::{Chunking, PipableHeader, SolidHeader};
use crate::format::{Compression, Layout, ResourceHeader};
use crate::port::{Storage, WorkerState, read_exact_at, read_vec_at};
use crate::{Error, ErrorKind, Result};

/// Where the chunks of a resource lie and how they are compressed.
#[derive(Clone, Debug)]
pub struct ChunkMap {
    chunking: Chunking,
    format: Option<(Format, u32)>,
    /// Offset in the file of every chunk, and of the end; empty if chunks are not compressed.
    offsets: Vec<u64>,
    /// Offset of the first chunk.
    start: u64,
    /// Bytes in front of each chunk that are not its data.
    prefix: u64,
}

/// Bytes in which an uncompressed resource is read.
const RAW_CHUNK: u32 = 128 << 10;

/// Most chunks that the resource's stored size allows, since each has at least one byte.
fn check_count(count: u64, resource: &ResourceHeader) -> Result<()> {
    if count > resource.size {
        return Err(Error::new(
            ErrorKind::Decompression,
            format!("{count} chunks cannot lie in {} bytes", resource.size),
        ));
    }
    Ok(())
}

impl ChunkMap {
    /// The chunks of a stand-alone resource. Reads its chunk table.
    ///
    /// # Errors
    /// [`ErrorKind::Decompression`] if the table is impossible; what the storage returns.
    pub fn load(
        storage: &dyn Storage,
        resource: &ResourceHeader,
        compression: Compression,
        layout: Layout,
    ) -> Result<Self> {
        let total = resource.uncompressed_size;
        let Compression::Chunked(format, chunk_size) = compression else {
            return Self::raw(resource);
        };
        if !resource.is_compressed() {
            return Self::raw(resource);
        }
        let chunking = Chunking { total, chunk_size };
        let count = chunking.count();
        check_count(count, resource)?;
        let table_size = chunking.table_size();
        let prefix = match layout {
            Layout::Seekable => 0,
            Layout::Pipable => 4,
        };
        let outside = table_size.checked_add(prefix * count);
        let stored = outside.and_then(|outside| resource.size.checked_sub(outside));
        let stored = stored.ok_or_else(|| {
            Error::new(
                ErrorKind::Decompression,
                "the chunk table does not fit into the resource",
            )
        })?;
        let (table_at, start) = match layout {
            Layout::Seekable => (resource.offset, resource.offset + table_size),
            Layout::Pipable => (
                resource.offset + resource.size - table_size,
                resource.offset,
            ),
        };
        let sizes = if count == 0 {
            Vec::new()
        } else {
            let table = read_vec_at(storage, table_at, table_size as usize)?;
            chunking.decode_table(&table, stored)?
        };
        Ok(Self::chunked(chunking, format, start, prefix, &sizes))
    }

    /// The chunks of a solid resource. Reads its header and chunk table.
    ///
    /// # Errors
    /// [`ErrorKind::CompressionType`], [`ErrorKind::ChunkSize`], [`ErrorKind::Decompression`]; what
    /// the storage returns.
    pub fn load_solid(storage: &dyn Storage, resource: &ResourceHeader) -> Result<Self> {
        let malformed =
            |what: &str| Error::new(ErrorKind::Decompression, format!("solid resource: {what}"));
        if resource.size < SolidHeader::SIZE {
            return Err(malformed("too short"));
        }
        let bytes = read_vec_at(storage, resource.offset, SolidHeader::SIZE as usize)?;
        let header = SolidHeader::read_from_bytes(&bytes).map_err(|_| malformed("too short"))?;
        let compression =
            Compression::from_number(header.compression.get(), header.chunk_size.get())?;
        let Compression::Chunked(format, chunk_size) = compression else {
            return Err(Error::new(
                ErrorKind::CompressionType,
                "solid resource without compression",
            ));
        };
        let chunking = Chunking {
            total: header.uncompressed_size.get(),
            chunk_size,
        };
        let count = chunking.count();
        check_count(count, resource)?;
        let start = SolidHeader::SIZE + 4 * count;
        let stored = resource
            .size
            .checked_sub(start)
            .ok_or_else(|| malformed("the chunk table does not fit"))?;
        let table = read_vec_at(
            storage,
            resource.offset + SolidHeader::SIZE,
            4 * count as usize,
        )?;
        let mut sizes = Vec::with_capacity(count as usize);
        let mut sum = 0u64;
        for (index, entry) in (0..).zip(table.chunks_exact(4)) {
            let size = u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
            if size == 0 || size > chunking.chunk_len(index) {
                return Err(malformed("a chunk has an impossible size"));
            }
            sum += u64::from(size);
            sizes.push(size);
        }
        if sum > stored {
            return Err(malformed("the chunks do not fit"));
        }
        Ok(Self::chunked(
            chunking,
            format,
            resource.offset + start,
            0,
            &sizes,
        ))
    }

    fn raw(resource: &ResourceHeader) -> Result<Self> {
        if resource.size != resource.uncompressed_size {
            return Err(Error::new(
                ErrorKind::Decompression,
                "the two sizes of an uncompressed resource differ",
            ));
        }
        Ok(Self {
            chunking: Chunking {
                total: resource.uncompressed_size,
                chunk_size: RAW_CHUNK,
            },
            format: None,
            offsets: Vec::new(),
            start: resource.offset,
            prefix: 0,
        })
    }

    /// Chunks of these stored sizes, the first of which begins at `start`, each behind `prefix` bytes.
    pub(crate) fn chunked(
        chunking: Chunking,
        format: Format,
        start: u64,
        prefix: u64,
        sizes: &[u32],
    ) -> Self {
        let mut offsets = Vec::with_capacity(sizes.len() + 1);
        let mut at = start;
        for &size in sizes {
            offsets.push(at);
            at += prefix + u64::from(size);
        }
        offsets.push(at);
        Self {
            chunking,
            format: Some((format, chunking.chunk_size)),
            offsets,
            start,
            prefix,
        }
    }

    /// The same chunks when their resource has been moved in its file.
    #[must_use]
    pub fn moved(&self, from: u64, to: u64) -> Self {
        let shift = |offset: u64| offset.wrapping_sub(from).wrapping_add(to);
        Self {
            offsets: self.offsets.iter().copied().map(shift).collect(),
            start: shift(self.start),
            ..self.clone()
        }
    }

    /// Where each compressed or raw chunk of a chunked resource lies in the file, with what stands in
    /// front of it, and its stored size.
    pub fn stored(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let bounds = self.offsets.windows(2);
        bounds.map(|bounds| (bounds[0], bounds[1] - bounds[0] - self.prefix))
    }

    /// Bytes in front of the data of each stored chunk.
    #[must_use]
    pub fn prefix(&self) -> u64 {
        self.prefix
    }

    /// Uncompressed bytes in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.chunking.total
    }

    /// Uncompressed bytes of every chunk but the last; also a good size for reading.
    #[must_use]
    pub fn chunk_size(&self) -> u32 {
        self.chunking.chunk_size
    }

    /// Number of chunks.
    #[must_use]
    pub fn chunk_count(&self) -> u64 {
        self.chunking.count()
    }

    /// Format and chunk size, `None` if uncompressed.
    #[must_use]
    pub fn format(&self) -> Option<(Format, u32)> {
        self.format
    }

    /// Uncompressed bytes of chunks `first..end`.
    #[must_use]
    pub fn len_of(&self, first: u64, end: u64) -> u64 {
        let start = |index: u64| {
            let start = index.saturating_mul(u64::from(self.chunking.chunk_size));
            start.min(self.total())
        };
        start(end).saturating_sub(start(first))
    }

    /// Decodes all chunks.
    ///
    /// # Errors
    /// As [`ChunkMap::decode`].
    pub fn decode_all(&self, storage: &dyn Storage) -> Result<Vec<u8>> {
        let mut data = vec![0; self.total() as usize];
        let mut state = WorkerState::default();
        self.decode(storage, 0, self.chunk_count(), &mut state, &mut data)?;
        Ok(data)
    }

    /// Decodes chunks `first..end` into `out`, which has the length of their data.
    ///
    /// # Errors
    /// [`ErrorKind::Decompression`]; what the storage returns.
    pub fn decode(
        &self,
        storage: &dyn Storage,
        first: u64,
        end: u64,
        state: &mut WorkerState,
        out: &mut [u8],
    ) -> Result<()> {
        debug_assert_eq!(out.len() as u64, self.len_of(first, end));
        let Some((format, chunk_size)) = self.format else {
            let offset = self.start + first * u64::from(self.chunking.chunk_size);
            return read_exact_at(storage, offset, out);
        };
        let (Some(&run_start), Some(&run_end)) = (
            self.offsets.get(first as usize),
            self.offsets.get(end as usize),
        ) else {
            return Err(Error::new(ErrorKind::Decompression, "no such chunk"));
        };
        let mut buffer = state.take_buffer();
        let stored = prefix_of(&mut buffer, (run_end - run_start) as usize);
        let result = read_exact_at(storage, run_start, stored).and_then(|()| {
            let mut at = 0;
            for index in first..end {
                let size = self.chunking.chunk_len(index) as usize;
                let chunk_start = self.offsets[index as usize] - run_start + self.prefix;
                let chunk_end = self.offsets[index as usize + 1] - run_start;
                let chunk = &stored[chunk_start as usize..chunk_end as usize];
                let target = &mut out[at..at + size];
                if chunk.len() == size {
                    target.copy_from_slice(chunk);
                } else {
                    let decompressor = state.decompressor(format, chunk_size)?;
                    decompressor.decompress(chunk, target).map_err(|error| {
                        let what = format!("chunk {index} of the resource at byte {}", self.start);
                        Error::new(ErrorKind::Decompression, what).because(error)
                    })?;
                }
                at += size;
            }
            Ok(())
        });
        state.give_back(buffer);
        result
    }

    /// Reads `size` bytes of uncompressed data from `offset` on, in pieces given to `out`.
    ///
    /// # Errors
    /// As [`ChunkMap::decode`]; what `out` returns.
    pub fn read(
        &self,
        storage: &dyn Storage,
        offset: u64,
        size: u64,
        state: &mut WorkerState,
        out: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let end = offset.checked_add(size).filter(|&end| end <= self.total());
        let end = end.ok_or_else(|| {
            Error::new(
                ErrorKind::Decompression,
                "a blob lies outside of its resource",
            )
        })?;
        let chunk_size = u64::from(self.chunking.chunk_size);
        let mut buffer = state.take_buffer();
        let mut at = offset;
        while at < end {
            let index = at / chunk_size;
            let piece = prefix_of(&mut buffer, self.len_of(index, index + 1) as usize);
            self.decode(storage, index, index + 1, state, piece)?;
            let from = (at - index * chunk_size) as usize;
            let to = (end - index * chunk_size).min(piece.len() as u64) as usize;
            out(&piece[from..to])?;
            at = (index + 1) * chunk_size;
        }
        state.give_back(buffer);
        Ok(())
    }
}

/// The first `len` bytes of a buffer, whatever they are; it grows if it is shorter.
pub(crate) fn prefix_of(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

/// Chunks that a task can hold on to.
#[derive(Clone)]
pub(crate) enum Chunks<'a> {
    Shared(Arc<ChunkMap>),
    Borrowed(&'a ChunkMap),
}

impl Deref for Chunks<'_> {
    type Target = ChunkMap;

    fn deref(&self) -> &ChunkMap {
        match self {
            Chunks::Shared(chunks) => chunks,
            Chunks::Borrowed(chunks) => chunks,
        }
    }
}

/// Bytes in front of a resource of a pipable file.
#[must_use]
pub fn prefix_size(layout: Layout) -> u64 {
    match layout {
        Layout::Seekable => 0,
        Layout::Pipable => PipableHeader::SIZE,
    }
}
