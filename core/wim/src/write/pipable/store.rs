//! The second pass over file data: every blob is read, compressed and written in order.
//!
//! Its hash and size are known, nothing is written twice and nothing taken back, so this is simpler than
//! packing into a file with random access. A blob of another archive whose chunks are compressed as those
//! of the new one is copied chunk by chunk.

use std::sync::Arc;

use super::resource::{Head, Writing};
use crate::archive::{BlobId, BlobPool, Place};
use crate::format::{Compression, ResourceFlags};
use crate::hash::{Hasher, Sha1};
use crate::port::{Event, Observer, Ordered, Phase, Unit, WorkerState, Workers};
use crate::scan::Origin;
use crate::write::blob_writer::Slice;
use crate::write::buffers::Buffer;
use crate::write::load::{Loader, Opened};
use crate::write::output::Output;
use crate::write::pack::{PackOptions, Packing, compress_chunks};
use crate::write::plan::Item;
use crate::write::rebuild::Recompress;
use crate::{Error, ErrorKind, Result};

/// Bytes that one task reads and compresses, unless a chunk is larger.
const PIECE: u64 = 1 << 20;
/// Most blobs that one task reads and compresses.
const BATCH_ITEMS: usize = 64;
/// Tasks in flight for each worker.
const IN_FLIGHT: usize = 3;

/// A blob to be stored, and where its data comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub blob: BlobId,
    pub item: Item,
}

/// What storing needs from outside.
pub(super) struct Context<'a> {
    pub loader: &'a Loader<'a>,
    pub packing: PackOptions,
    /// Whether chunks of other archives are copied where they fit.
    pub recompress: Recompress,
    /// What to call an item in messages.
    pub name: &'a dyn Fn(&Item) -> String,
    pub observer: &'a dyn Observer,
}

/// Stores the blobs in this order and notes their places in the pool.
pub(super) fn store_all(
    blobs: &[Stored],
    pool: &mut BlobPool,
    output: &mut Output<'_>,
    context: &Context<'_>,
    workers: &dyn Workers,
) -> Result<()> {
    let mut result = Ok(());
    let slot = &mut result;
    workers.scope(Box::new(|threads| {
        let total = blobs.iter().map(|stored| stored.item.expected.size);
        let mut driver = Driver {
            queue: Ordered::new(threads),
            pool,
            output,
            context,
            loader: context.loader,
            most_in_flight: IN_FLIGHT * workers.threads(),
            writing: None,
            done: 0,
            total: total.fold(0, u64::saturating_add),
        };
        *slot = driver.run(blobs);
    }));
    result
}

/// A part of a blob, or all of it.
#[derive(Clone, Copy)]
struct Part {
    stored: Stored,
    start: u64,
    len: u64,
}

impl Part {
    fn is_first(&self) -> bool {
        self.start == 0
    }

    fn is_last(&self) -> bool {
        self.start + self.len == self.stored.item.expected.size
    }
}

/// The data of a part.
enum Loaded {
    /// Read from its source, and compressed if it is to be.
    Read { data: Slice, chunks: Packing },
    /// Chunks as another archive stores them.
    Copied(Vec<Vec<u8>>),
}

/// The blob that is being written.
struct Open {
    writing: Writing,
    hasher: Hasher,
    /// Nothing can be checked where chunks are copied.
    is_hashed: bool,
}

struct Driver<'d, 'env, 'o> {
    queue: Ordered<'d, 'env, Vec<(Part, Result<Loaded>)>>,
    pool: &'d mut BlobPool,
    output: &'d mut Output<'o>,
    context: &'d Context<'d>,
    loader: &'env Loader<'env>,
    most_in_flight: usize,
    writing: Option<Open>,
    done: u64,
    total: u64,
}

impl Driver<'_, '_, '_> {
    fn run(&mut self, blobs: &[Stored]) -> Result<()> {
        // Parts are whole chunks: both sizes are powers of two.
        let piece = PIECE.max(u64::from(self.context.packing.compression.chunk_size()));
        let mut batch = Vec::new();
        let mut bytes = 0;
        for &stored in blobs {
            let size = stored.item.expected.size;
            let mut start = 0;
            while start < size {
                let len = (size - start).min(piece);
                if bytes + len > piece || batch.len() >= BATCH_ITEMS {
                    self.submit(std::mem::take(&mut batch))?;
                    bytes = 0;
                }
                batch.push(Part { stored, start, len });
                bytes += len;
                start += len;
            }
        }
        self.submit(batch)?;
        while self.step()? {}
        Ok(())
    }

    fn submit(&mut self, batch: Vec<Part>) -> Result<()> {
        while self.queue.in_flight() > self.most_in_flight {
            self.step()?;
        }
        let (loader, packing) = (self.loader, self.context.packing);
        let copies = self.context.recompress != Recompress::All;
        self.queue.submit(move |state| {
            let parts = batch.into_iter();
            parts
                .map(|part| (part, load(loader, &part, packing, copies, state)))
                .collect()
        });
        Ok(())
    }

    /// Takes the oldest results and writes them; false if there are none.
    fn step(&mut self) -> Result<bool> {
        let observer = self.context.observer;
        if observer.cancelled() {
            let what = "stopped while writing file data";
            return Err(Error::new(ErrorKind::Cancelled, what));
        }
        let Some(batch) = self.queue.oldest()? else {
            return Ok(false);
        };
        for (part, loaded) in batch {
            let written = loaded.and_then(|loaded| self.write(&part, loaded));
            written.map_err(|error| match error.kind() {
                ErrorKind::Write => error,
                _ => error.at((self.context.name)(&part.stored.item)),
            })?;
            self.done += part.len;
        }
        observer.event(&Event::Progress {
            phase: Phase::Write,
            unit: Unit::Bytes,
            done: self.done,
            total: self.total,
        });
        Ok(true)
    }

    fn write(&mut self, part: &Part, loaded: Loaded) -> Result<()> {
        let blob = *self.pool.get(part.stored.blob);
        if part.is_first() {
            let head = Head {
                size: blob.size,
                hash: blob.hash,
                flags: ResourceFlags::empty(),
                chunk_size: match self.context.packing.compression {
                    Compression::None => None,
                    Compression::Chunked(_, chunk_size) => Some(chunk_size),
                },
            };
            self.writing = Some(Open {
                writing: Writing::begin(self.output, head)?,
                hasher: Hasher::new(),
                is_hashed: true,
            });
        }
        let Some(open) = &mut self.writing else {
            return Ok(());
        };
        match loaded {
            Loaded::Read { data, chunks } => {
                open.hasher.update(data.bytes());
                match self.context.packing.compression {
                    Compression::None => open.writing.push(self.output, data.bytes())?,
                    Compression::Chunked(..) => {
                        for chunk in chunks.wait()? {
                            open.writing.push(self.output, chunk.stored())?;
                        }
                    }
                }
            }
            Loaded::Copied(chunks) => {
                open.is_hashed = false;
                for chunk in chunks {
                    open.writing.push(self.output, &chunk)?;
                }
            }
        }
        match self.writing.take_if(|_| part.is_last()) {
            Some(open) => self.end(&part.stored, open),
            None => Ok(()),
        }
    }

    fn end(&mut self, stored: &Stored, open: Open) -> Result<()> {
        let resource = open.writing.end(self.output)?;
        let blob = self.pool.get_mut(stored.blob);
        if open.is_hashed {
            let hash = open.hasher.finish();
            match stored.item.origin {
                Origin::Blob { .. } => hash.must_be(&blob.hash)?,
                _ if hash != blob.hash => return Err(changed_since(blob.hash, hash)),
                _ => {}
            }
        }
        blob.place = Place::Alone { file: 0, resource };
        Ok(())
    }
}

/// A file is not what it was when it was hashed, and what was written before speaks of that.
fn changed_since(before: Sha1, now: Sha1) -> Error {
    Error::new(
        ErrorKind::Changed,
        format!(
            "the file was changed while it was being captured: it had SHA-1 {before} and now has {now}"
        ),
    )
}

fn load(
    loader: &Loader<'_>,
    part: &Part,
    packing: PackOptions,
    copies: bool,
    state: &mut WorkerState,
) -> Result<Loaded> {
    let item = &part.stored.item;
    let mut opened = loader.open(item.origin, item.expected.size)?;
    if copies
        && let Opened::Blob(blob) = &opened
        && let Some(chunks) = blob.stored_chunks(packing.compression, part.start, part.len)?
    {
        return Ok(Loaded::Copied(chunks));
    }
    let mut buffer = vec![0; part.len as usize];
    opened.read_exact(part.start, &mut buffer, state)?;
    let data = Slice::all(&Arc::new(Buffer::from(buffer)));
    let chunks = match packing.compression {
        Compression::None => Packing::Here(Vec::new()),
        Compression::Chunked(format, chunk_size) => {
            let chunks = data.cut(chunk_size).collect();
            compress_chunks(state, format, chunk_size, packing.level, chunks)?
        }
    };
    Ok(Loaded::Read { data, chunks })
}
