//! What workers do.

use std::sync::Arc;

use wimforge_codec::{Compressor, Format, Level};

use super::super::blob_writer::{PackedChunk, Slice};
use super::super::buffers::{Buffer, Buffers};
use super::super::load::Loader;
use super::super::plan::Item;
use super::relay::{StreamHash, Turn};
use super::stripe::Stripe;
use crate::hash::{Hasher, Sha1};
use crate::port::{Observer, RemoteJob, WorkerState};
use crate::{Error, ErrorKind, Result};

/// What comes back from a worker.
pub(super) enum Done {
    /// Small items, loaded into one buffer, one behind the other.
    Loaded {
        items: Vec<Item>,
        buffer: Arc<Buffer>,
        read: Vec<Result<Read>>,
    },
    /// An item that is held in several buffers.
    Held { item: Item, held: Result<Held> },
    /// Chunks of small items, compressed.
    Packed(Result<Packing>),
    /// A piece of a large item, of `len` bytes.
    Piece { piece: Result<Piece>, len: u64 },
    /// A stripe of items that go straight into the archive.
    Stripe(Stripe),
}

/// An item in buffers of its own.
pub(super) struct Held {
    pub pieces: Vec<Slice>,
    pub read: Read,
}

/// What was found out about an item while it was read.
pub(super) struct Read {
    pub hash: Sha1,
    /// The file is not what it was when it was scanned.
    pub changed: bool,
}

/// A piece of a large item.
pub(super) struct Piece {
    pub buffer: Arc<Buffer>,
    /// Its chunks, if they were wanted.
    pub chunks: Packing,
    /// The file is not what it was when it was scanned; only the last piece looks.
    pub changed: bool,
}

/// Reads and hashes small items.
pub(super) fn load_batch(
    loader: &Loader<'_>,
    items: Vec<Item>,
    mut buffer: Buffer,
    state: &mut WorkerState,
) -> Done {
    let mut rest = &mut buffer[..];
    let mut read = Vec::with_capacity(items.len());
    for item in &items {
        let (data, behind) = rest.split_at_mut(item.expected.size as usize);
        read.push(read_item(loader, item, data, state));
        rest = behind;
    }
    let mut end = 0;
    let data = items.iter().map(|item| {
        let start = end;
        end += item.expected.size as usize;
        &buffer[start..end]
    });
    let hashes = Sha1::of_each(data);
    let read = read.into_iter().zip(hashes);
    let read = read.map(|(changed, hash)| changed.map(|changed| Read { hash, changed }));
    Done::Loaded {
        read: read.collect(),
        items,
        buffer: Arc::new(buffer),
    }
}

/// Reads all of an item; whether it has changed.
fn read_item(
    loader: &Loader<'_>,
    item: &Item,
    data: &mut [u8],
    state: &mut WorkerState,
) -> Result<bool> {
    let mut opened = loader.open(item.origin, item.expected.size)?;
    opened.read_exact(0, data, state)?;
    loader.changed(&mut opened, item.expected)
}

/// Reads and hashes an item into buffers for `piece` bytes each.
pub(super) fn load_held(
    loader: &Loader<'_>,
    item: &Item,
    piece: u64,
    buffers: &Arc<Buffers>,
    state: &mut WorkerState,
) -> Result<Held> {
    let size = item.expected.size;
    let mut opened = loader.open(item.origin, size)?;
    let mut hasher = Hasher::new();
    let mut pieces = Vec::with_capacity(size.div_ceil(piece) as usize);
    let mut start = 0;
    while start < size {
        let len = piece.min(size - start) as usize;
        let mut buffer = buffers.take(len);
        opened.read_exact(start, &mut buffer, state)?;
        hasher.update(&buffer);
        pieces.push(Slice::all(&Arc::new(buffer)));
        start += len as u64;
    }
    let read = Read {
        hash: hasher.finish(),
        changed: loader.changed(&mut opened, item.expected)?,
    };
    Ok(Held { pieces, read })
}

/// Where a piece lies and what is done with it.
#[derive(Clone, Copy)]
pub(super) struct PieceJob {
    pub item: Item,
    pub start: u64,
    pub is_last: bool,
    pub pack: Option<(Format, u32, Level)>,
}

/// Reads a piece of a large item, as long as the buffer, hashes it when that is its turn, and compresses it if
/// asked to.
pub(super) fn load_piece(
    loader: &Loader<'_>,
    job: &PieceJob,
    mut buffer: Buffer,
    hash: &StreamHash,
    turn: Turn<'_>,
    state: &mut WorkerState,
) -> Result<Piece> {
    let changed = read_piece(loader, job, &mut buffer, state);
    turn.hash(&[(hash, changed.is_ok().then_some(&buffer[..]))]);
    let changed = changed?;
    let buffer = Arc::new(buffer);
    let chunks = match job.pack {
        None => Packing::Here(Vec::new()),
        Some((format, chunk_size, level)) => {
            let chunks = Slice::all(&buffer).cut(chunk_size).collect();
            compress_chunks(state, format, chunk_size, level, chunks)?
        }
    };
    Ok(Piece {
        buffer,
        chunks,
        changed,
    })
}

/// Fills the buffer; whether the file has changed.
fn read_piece(
    loader: &Loader<'_>,
    job: &PieceJob,
    buffer: &mut [u8],
    state: &mut WorkerState,
) -> Result<bool> {
    let mut opened = loader.open(job.item.origin, job.item.expected.size)?;
    opened.read_exact(job.start, buffer, state)?;
    Ok(job.is_last && loader.changed(&mut opened, job.item.expected)?)
}

/// Chunks that are compressed, or on their way.
pub(in crate::write) enum Packing {
    Here(Vec<PackedChunk>),
    Elsewhere {
        chunks: Vec<Slice>,
        job: Box<dyn RemoteJob>,
    },
}

impl Packing {
    /// The compressed chunks, once they are there.
    pub fn wait(self) -> Result<Vec<PackedChunk>> {
        let (chunks, job) = match self {
            Packing::Here(chunks) => return Ok(chunks),
            Packing::Elsewhere { chunks, job } => (chunks, job),
        };
        let compressed = job.wait()?;
        let fits = |(raw, packed): (&Slice, &Option<Vec<u8>>)| {
            let size = packed.as_ref().map(Vec::len);
            size.is_none_or(|size| 0 < size && size < raw.range.len())
        };
        if compressed.len() != chunks.len() || !chunks.iter().zip(&compressed).all(fits) {
            return Err(Error::new(
                ErrorKind::Memory,
                "chunks that were compressed elsewhere came back in impossible sizes",
            ));
        }
        let both = chunks.into_iter().zip(compressed);
        Ok(both
            .map(|(raw, packed)| PackedChunk {
                raw,
                compressed: packed.map(|packed| Slice {
                    range: 0..packed.len(),
                    buffer: Arc::new(packed.into()),
                }),
            })
            .collect())
    }
}

/// Compresses chunks, or has them compressed elsewhere.
pub(in crate::write) fn compress_chunks(
    state: &mut WorkerState,
    format: Format,
    chunk_size: u32,
    level: Level,
    chunks: Vec<Slice>,
) -> Result<Packing> {
    let Some(remote) = state.remote() else {
        return compress_here(state, format, chunk_size, level, chunks).map(Packing::Here);
    };
    let bytes: Vec<&[u8]> = chunks.iter().map(Slice::bytes).collect();
    let job = remote.submit(format, chunk_size, level, &bytes)?;
    Ok(Packing::Elsewhere { chunks, job })
}

/// Chunks from this size on are compressed into buffers of their own, in bytes.
pub(super) const OWN_BUFFER: usize = 4 << 20;

/// Compresses chunks; the results of small ones share one buffer.
fn compress_here(
    state: &mut WorkerState,
    format: Format,
    chunk_size: u32,
    level: Level,
    chunks: Vec<Slice>,
) -> Result<Vec<PackedChunk>> {
    if chunk_size as usize >= OWN_BUFFER {
        let compressor = state.compressor(format, chunk_size, level)?;
        let pack = |raw| compress_large_chunk(compressor, raw);
        return Ok(chunks.into_iter().map(pack).collect());
    }
    let mut scratch = state.take_buffer();
    let compressor = state.compressor(format, chunk_size, level)?;
    let mut packed = Vec::new();
    let mut ranges = Vec::with_capacity(chunks.len());
    for chunk in &chunks {
        let input = chunk.bytes();
        if scratch.len() < input.len() {
            scratch.resize(input.len(), 0);
        }
        let size = compressor.compress(input, &mut scratch[..input.len() - 1]);
        let start = packed.len();
        ranges.push(size.map(|size| {
            packed.extend_from_slice(&scratch[..size]);
            start..start + size
        }));
    }
    state.give_back(scratch);
    let buffer = Arc::new(Buffer::from(packed));
    let with_ranges = chunks.into_iter().zip(ranges);
    Ok(with_ranges
        .map(|(raw, range)| PackedChunk {
            raw,
            compressed: range.map(|range| Slice {
                buffer: Arc::clone(&buffer),
                range,
            }),
        })
        .collect())
}

/// What ends the operation when the user wants to stop.
pub(super) fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "stopped while writing file data")
}

/// Compresses a large chunk that nobody needs any more once it is compressed.
///
/// # Errors
/// [`ErrorKind::Cancelled`]: that takes long enough for the user to change their mind.
pub(super) fn compress_large_unit(
    state: &mut WorkerState,
    observer: &dyn Observer,
    format: Format,
    chunk_size: u32,
    level: Level,
    mut unit: Vec<u8>,
) -> Result<PackedChunk> {
    let compressor = state.compressor(format, chunk_size, level)?;
    let mut packed = vec![0; unit.len() - 1];
    let stop = || observer.cancelled();
    let size = compressor.compress_in_place(&mut unit, &mut packed, &stop);
    if size.is_none() && stop() {
        return Err(stopped());
    }
    if let Some(size) = size {
        packed.truncate(size);
        packed.shrink_to_fit();
        unit = packed;
    }
    Ok(PackedChunk {
        raw: Slice {
            range: 0..unit.len(),
            buffer: Arc::new(unit.into()),
        },
        compressed: None,
    })
}

/// The buffer comes as fresh zeros, of which only what is written to takes memory.
fn compress_large_chunk(compressor: &mut Compressor, raw: Slice) -> PackedChunk {
    let input = raw.bytes();
    let mut packed = vec![0; input.len() - 1];
    let compressed = compressor.compress(input, &mut packed).map(|size| {
        packed.truncate(size);
        packed.shrink_to_fit();
        Slice {
            buffer: Arc::new(packed.into()),
            range: 0..size,
        }
    });
    PackedChunk { raw, compressed }
}
