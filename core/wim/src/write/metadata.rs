//! Writing the metadata resource of an image without holding all of it.

use std::sync::Arc;

use wimforge_codec::{Format, Level};

use super::blob_writer::{PackedChunk, Slice, Streamed, StreamedEnd};
use super::buffers::Buffer;
use super::means::Means;
use super::output::Output;
use super::pack::{Packing, compress_chunks};
use crate::archive::MetadataResource;
use crate::format::metadata::{encode, encoded_size};
use crate::format::resource::Chunking;
use crate::format::{Compression, ResourceFlags, ResourceHeader};
use crate::hash::{Hasher, Sha1};
use crate::image::Image;
use crate::port::{Ordered, Workers};
use crate::{Error, ErrorKind, Result};

/// Bytes that are compressed together.
const BATCH: usize = 512 << 10;

/// The metadata of an image.
#[derive(Clone, Copy)]
pub(crate) enum Metadata<'a> {
    /// A tree that is encoded piece by piece.
    Tree(&'a Image),
    /// As it was read from another archive.
    Stored(&'a [u8]),
}

impl Metadata<'_> {
    /// Bytes of it.
    pub fn size(self) -> u64 {
        match self {
            Metadata::Tree(image) => encoded_size(image),
            Metadata::Stored(bytes) => bytes.len() as u64,
        }
    }

    /// Gives all of it, piece by piece.
    pub fn encode(self, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self {
            Metadata::Tree(image) => encode(image, out),
            Metadata::Stored(bytes) => bytes.chunks(BATCH).try_for_each(out),
        }
    }

    /// Its SHA-1.
    pub fn hash(self) -> Result<Sha1> {
        let mut hasher = Hasher::new();
        self.encode(&mut |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        Ok(hasher.finish())
    }
}

/// Writes the metadata of an image at the end of the output.
pub(crate) fn write_metadata(
    output: &mut Output<'_>,
    metadata: Metadata<'_>,
    compression: Compression,
    means: &Means<'_>,
) -> Result<MetadataResource> {
    let total = metadata.size();
    let compressed = match compression {
        Compression::None => None,
        Compression::Chunked(format, chunk_size) => {
            let packing = (format, chunk_size, means.options.level);
            write_compressed(output, metadata, packing, means.workers)?
        }
    };
    match compressed {
        Some(written) => Ok(written),
        None => write_raw(output, metadata, total),
    }
}

fn write_raw(
    output: &mut Output<'_>,
    metadata: Metadata<'_>,
    total: u64,
) -> Result<MetadataResource> {
    let offset = output.position();
    let mut hasher = Hasher::new();
    metadata.encode(&mut |piece| {
        hasher.update(piece);
        output.append(piece)
    })?;
    let resource = ResourceHeader {
        size: total,
        flags: ResourceFlags::METADATA,
        offset,
        uncompressed_size: total,
    };
    Ok(MetadataResource {
        file: 0,
        resource,
        hash: hasher.finish(),
    })
}

/// `None` if compression does not make it smaller.
fn write_compressed(
    output: &mut Output<'_>,
    metadata: Metadata<'_>,
    packing: (Format, u32, Level),
    workers: &dyn Workers,
) -> Result<Option<MetadataResource>> {
    let chunking = Chunking {
        total: metadata.size(),
        chunk_size: packing.1,
    };
    let mut streamed = Streamed::begin(output, chunking)?;
    let hash = compress_in_order(metadata, packing, workers, &mut |chunk| {
        streamed.push(output, chunk)
    })?;
    match streamed.end(output)? {
        StreamedEnd::NotSmaller => Ok(None),
        StreamedEnd::Written(mut resource) => {
            resource.flags |= ResourceFlags::METADATA;
            Ok(Some(MetadataResource {
                file: 0,
                resource,
                hash,
            }))
        }
    }
}

/// Gives the metadata in compressed chunks, in order. Returns its SHA-1.
pub(super) fn compress_in_order(
    metadata: Metadata<'_>,
    packing: (Format, u32, Level),
    workers: &dyn Workers,
    each: &mut dyn FnMut(&PackedChunk) -> Result<()>,
) -> Result<Sha1> {
    let mut result = None;
    let slot = &mut result;
    workers.scope(Box::new(|threads| {
        let batch_size = BATCH.next_multiple_of(packing.1 as usize);
        let mut compression = InOrder {
            queue: Ordered::new(threads),
            packing,
            batch_size,
            batch: Vec::with_capacity(batch_size),
            hasher: Hasher::new(),
            each,
        };
        *slot = Some(compression.run(metadata));
    }));
    result.unwrap_or_else(|| Err(Error::new(ErrorKind::Memory, "the host ran no worker")))
}

struct InOrder<'d, 'env> {
    queue: Ordered<'d, 'env, Result<Packing>>,
    packing: (Format, u32, Level),
    batch_size: usize,
    /// What comes next.
    batch: Vec<u8>,
    hasher: Hasher,
    each: &'d mut dyn FnMut(&PackedChunk) -> Result<()>,
}

impl InOrder<'_, '_> {
    fn run(&mut self, metadata: Metadata<'_>) -> Result<Sha1> {
        metadata.encode(&mut |piece| self.take(piece))?;
        self.submit();
        while self.step()? {}
        Ok(std::mem::take(&mut self.hasher).finish())
    }

    fn take(&mut self, mut piece: &[u8]) -> Result<()> {
        self.hasher.update(piece);
        while !piece.is_empty() {
            let room = (self.batch_size - self.batch.len()).min(piece.len());
            self.batch.extend_from_slice(&piece[..room]);
            piece = &piece[room..];
            if self.batch.len() == self.batch_size {
                self.submit();
                if self.queue.in_flight() > MOST_IN_FLIGHT {
                    self.step()?;
                }
            }
        }
        Ok(())
    }

    fn submit(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let next = Vec::with_capacity(self.batch_size);
        let buffer = Arc::new(Buffer::from(std::mem::replace(&mut self.batch, next)));
        let (format, chunk_size, level) = self.packing;
        self.queue.submit(move |state| {
            let chunks = Slice::all(&buffer).cut(chunk_size).collect();
            compress_chunks(state, format, chunk_size, level, chunks)
        });
    }

    /// Takes the oldest result; false if there is none.
    fn step(&mut self) -> Result<bool> {
        let Some(packed) = self.queue.oldest()? else {
            return Ok(false);
        };
        packed?.wait()?.iter().try_for_each(&mut *self.each)?;
        Ok(true)
    }
}

/// Batches in flight.
const MOST_IN_FLIGHT: usize = 8;
