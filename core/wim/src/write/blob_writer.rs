//! Chunks to resources.
//!
//! Chunks arrive in the order of the blobs and, in a blob, in order. A blob whose chunks are all in
//! memory is written when its last chunk has come: then its size is known, and it is stored raw if
//! chunks and table would not be smaller than the data. A *streamed* blob is written as its chunks
//! come, behind room for its chunk table, which is filled in at the end.

use std::ops::Range;
use std::sync::Arc;

use super::buffers::Buffer;
use super::output::Output;
use crate::Result;
use crate::format::resource::Chunking;
use crate::format::{ResourceFlags, ResourceHeader};

/// A chunk's data, uncompressed and, if that is smaller, compressed.
#[derive(Clone, Debug)]
pub(crate) struct PackedChunk {
    pub raw: Slice,
    pub compressed: Option<Slice>,
}

/// A part of a shared buffer.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub buffer: Arc<Buffer>,
    pub range: Range<usize>,
}

impl Slice {
    pub fn all(buffer: &Arc<Buffer>) -> Self {
        Self {
            buffer: Arc::clone(buffer),
            range: 0..buffer.len(),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.range.clone()]
    }

    /// Its chunks.
    pub fn cut(&self, chunk_size: u32) -> impl Iterator<Item = Slice> {
        let (size, end) = (chunk_size as usize, self.range.end);
        self.range.clone().step_by(size).map(move |start| Slice {
            buffer: Arc::clone(&self.buffer),
            range: start..(start + size).min(end),
        })
    }
}

impl PackedChunk {
    /// Keeps the uncompressed data no longer if it is not what is stored.
    pub fn forget_raw(&mut self) {
        if let Some(compressed) = &self.compressed {
            self.raw = compressed.clone();
        }
    }

    /// What is stored.
    pub fn stored(&self) -> &[u8] {
        self.compressed.as_ref().unwrap_or(&self.raw).bytes()
    }
}

/// Writes a blob whose chunks are all at hand.
pub(crate) fn write_whole(
    output: &mut Output<'_>,
    chunking: Chunking,
    chunks: &[PackedChunk],
) -> Result<ResourceHeader> {
    let offset = output.position();
    let stored: u64 = chunks.iter().map(|chunk| chunk.stored().len() as u64).sum();
    let size = chunking.table_size() + stored;
    let compressed = size < chunking.total;
    if compressed {
        let mut table = Vec::with_capacity(chunking.table_size() as usize);
        let mut start = 0;
        for chunk in chunks.iter().take(chunks.len().saturating_sub(1)) {
            start += chunk.stored().len() as u64;
            chunking.push_entry(&mut table, start);
        }
        output.append(&table)?;
        for chunk in chunks {
            output.append(chunk.stored())?;
        }
    } else {
        for chunk in chunks {
            output.append(chunk.raw.bytes())?;
        }
    }
    Ok(resource(
        offset,
        output.position(),
        chunking.total,
        compressed,
    ))
}

fn resource(offset: u64, end: u64, total: u64, compressed: bool) -> ResourceHeader {
    ResourceHeader {
        size: end - offset,
        flags: match compressed {
            true => ResourceFlags::COMPRESSED,
            false => ResourceFlags::empty(),
        },
        offset,
        uncompressed_size: total,
    }
}

/// A blob that is written as its chunks come.
#[derive(Debug)]
pub(crate) struct Streamed {
    chunking: Chunking,
    offset: u64,
    /// Stored bytes so far.
    stored: u64,
    table: Vec<u8>,
    chunks: u64,
}

/// How a streamed blob ended.
pub(crate) enum StreamedEnd {
    /// It is written.
    Written(ResourceHeader),
    /// Compression did not make it smaller. Nothing is written; the data has to come again, raw.
    NotSmaller,
}

impl Streamed {
    pub fn begin(output: &mut Output<'_>, chunking: Chunking) -> Result<Self> {
        let offset = output.position();
        let room = [0; 4096];
        let mut left = chunking.table_size();
        while left > 0 {
            let size = left.min(room.len() as u64);
            output.append(&room[..size as usize])?;
            left -= size;
        }
        Ok(Self {
            chunking,
            offset,
            stored: 0,
            table: Vec::new(),
            chunks: 0,
        })
    }

    pub fn push(&mut self, output: &mut Output<'_>, chunk: &PackedChunk) -> Result<()> {
        if self.chunks > 0 {
            self.chunking.push_entry(&mut self.table, self.stored);
        }
        self.chunks += 1;
        self.stored += chunk.stored().len() as u64;
        output.append(chunk.stored())
    }

    pub fn end(self, output: &mut Output<'_>) -> Result<StreamedEnd> {
        debug_assert_eq!(self.chunks, self.chunking.count());
        if self.chunking.table_size() + self.stored >= self.chunking.total {
            output.rewind(self.offset);
            return Ok(StreamedEnd::NotSmaller);
        }
        output.patch(self.offset, &self.table)?;
        let end = output.position();
        Ok(StreamedEnd::Written(resource(
            self.offset,
            end,
            self.chunking.total,
            true,
        )))
    }
}
