//! Writing the metadata resource of an image without holding all of it.

use std::sync::Arc;

use wimforge_codec::{Format, Level};

use super::blob_writer::{Slice, Streamed, StreamedEnd};
use super::output::Output;
use super::pack::{Packing, compress_chunks};
use crate::archive::MetadataResource;
use crate::format::metadata::{encode, encoded_size};
use crate::format::resource::Chunking;
use crate::format::{Compression, ResourceFlags, ResourceHeader};
use crate::hash::Hasher;
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
    fn size(self) -> u64 {
        match self {
            Metadata::Tree(image) => encoded_size(image),
            Metadata::Stored(bytes) => bytes.len() as u64,
        }
    }

    fn encode(self, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self {
            Metadata::Tree(image) => encode(image, out),
            Metadata::Stored(bytes) => bytes.chunks(BATCH).try_for_each(out),
        }
    }
}

/// Writes the metadata of an image at the end of the output.
pub(crate) fn write_metadata(
    output: &mut Output<'_>,
    metadata: Metadata<'_>,
    compression: Compression,
    level: Level,
    workers: &dyn Workers,
) -> Result<MetadataResource> {
    let total = metadata.size();
    let compressed = match compression {
        Compression::None => None,
        Compression::Chunked(format, chunk_size) => {
            let chunking = Chunking { total, chunk_size };
            let mut result = None;
            let slot = &mut result;
            workers.scope(Box::new(|threads| {
                let queue = Ordered::new(threads);
                *slot = Some(write_compressed(
                    output,
                    metadata,
                    chunking,
                    (format, level),
                    queue,
                ));
            }));
            result
                .unwrap_or_else(|| Err(Error::new(ErrorKind::Memory, "the host ran no worker")))?
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
    chunking: Chunking,
    (format, level): (Format, Level),
    mut queue: Ordered<'_, '_, Result<Packing>>,
) -> Result<Option<MetadataResource>> {
    let mut streamed = Streamed::begin(output, chunking)?;
    let mut hasher = Hasher::new();
    let chunk_size = chunking.chunk_size as usize;
    let batch_size = BATCH.next_multiple_of(chunk_size);
    let mut batch = Vec::with_capacity(batch_size);
    let mut write = |packed: Option<Result<Packing>>| -> Result<bool> {
        let Some(packed) = packed else {
            return Ok(false);
        };
        for chunk in packed?.wait()? {
            streamed.push(output, &chunk)?;
        }
        Ok(true)
    };
    let submit = |queue: &mut Ordered<'_, '_, Result<Packing>>, batch: Vec<u8>| {
        queue.submit(move |state| {
            let buffer = Arc::new(batch);
            let starts = (0..buffer.len()).step_by(chunk_size);
            let slices = starts.map(|start| Slice {
                buffer: Arc::clone(&buffer),
                range: start..(start + chunk_size).min(buffer.len()),
            });
            compress_chunks(state, format, chunk_size as u32, level, slices.collect())
        });
    };
    metadata.encode(&mut |mut piece| {
        hasher.update(piece);
        while !piece.is_empty() {
            let room = (batch_size - batch.len()).min(piece.len());
            batch.extend_from_slice(&piece[..room]);
            piece = &piece[room..];
            if batch.len() == batch_size {
                submit(
                    &mut queue,
                    std::mem::replace(&mut batch, Vec::with_capacity(batch_size)),
                );
                if queue.in_flight() > MOST_IN_FLIGHT {
                    write(queue.oldest()?)?;
                }
            }
        }
        Ok(())
    })?;
    if !batch.is_empty() {
        submit(&mut queue, batch);
    }
    while write(queue.oldest()?)? {}
    match streamed.end(output)? {
        StreamedEnd::NotSmaller => Ok(None),
        StreamedEnd::Written(mut resource) => {
            resource.flags |= ResourceFlags::METADATA;
            Ok(Some(MetadataResource {
                file: 0,
                resource,
                hash: hasher.finish(),
            }))
        }
    }
}

/// Batches in flight.
const MOST_IN_FLIGHT: usize = 8;
