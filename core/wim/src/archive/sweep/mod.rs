//! Reading many blobs, each once, in the order in which they lie in the archive, with their hashes
//! checked: what verifying and restoring have in common.
//!
//! ```text
//! wanted blobs, sorted by place
//!   small resources, about 1 MiB together ─▶ one task: read, decode, hash, hand over each blob
//!   large and solid resources ─▶ pieces of about 1 MiB of chunks, one task each: read, decode,
//!       blobs that lie within the piece: hash, hand over
//!       parts of blobs that go on in the next piece: hand over; the driver hashes them in order
//! ```
//!
//! Tasks run in parallel; their results are taken in the order of submission, so what is reported,
//! and in what order, does not depend on the number of workers. Every chunk is decoded once. The bytes
//! in flight are bounded, except that two pieces may always be under way, however large the chunks of
//! a solid resource are.
//!
//! A chunk that cannot be decoded is replaced by zeros and damages only the blobs that lie in it.

mod jobs;
mod large;

use std::collections::HashMap;

pub(crate) use self::jobs::hand_over;
use self::jobs::{Done, run_batch};
use self::large::Stream;
use super::blobs::{Blob, BlobId, Place};
use super::open::Archive;
use crate::port::{Event, Observer, Ordered, Phase, Unit, Workers};
use crate::{Error, ErrorKind, Result};

/// Resources up to this size are decoded whole by one task, in bytes.
const WHOLE: u64 = 4 << 20;
/// Bytes of small blobs that are read together.
const BATCH: u64 = 1 << 20;
/// Most small blobs that are read together.
const BATCH_BLOBS: usize = 128;
/// Bytes between small resources that are read together although nobody wants them.
const WASTE: u64 = 8 << 10;
/// What a blob counts in the budget besides its data.
const BLOB_COST: u64 = 2 << 10;
/// Bytes of data in flight.
const BUDGET: u64 = 16 << 20;

/// Takes the data of blobs. Every method but [`Receiver::begin`] and [`Receiver::end`] is called by
/// several workers at once. Blobs are named by their position in the list of those wanted.
///
/// What a method returns as an error is the receiver's own failure and ends the sweep.
pub(crate) trait Receiver: Sync {
    /// Whether data with a wrong hash, or with zeros in place of what could not be decoded, is
    /// wanted too.
    fn takes_damaged(&self) -> bool;

    /// All data of a blob. `damage` says what is wrong with it.
    fn whole(&self, index: usize, data: &[u8], damage: Option<&Error>) -> Result<()>;

    /// A blob of `size` bytes comes in parts.
    fn begin(&self, index: usize, size: u64) -> Result<()>;

    /// A part of a blob; they come in any order. Its hash is not known yet.
    fn part(&self, index: usize, offset: u64, data: &[u8]) -> Result<()>;

    /// All parts have come. `damage` says what is wrong with them.
    fn end(&self, index: usize, damage: Option<&Error>) -> Result<()>;
}

/// Hands the data of `wanted` blobs to `receiver`. `done` is told of each blob, in order, with what
/// is wrong with it; the sweep ends if it returns an error.
///
/// # Errors
/// [`ErrorKind::Cancelled`]; what `receiver` and `done` return.
pub(crate) fn sweep(
    archive: &Archive,
    wanted: &[BlobId],
    receiver: &dyn Receiver,
    phase: Phase,
    workers: &dyn Workers,
    observer: &dyn Observer,
    done: &mut dyn FnMut(usize, Option<Error>) -> Result<()>,
) -> Result<()> {
    let mut result = None;
    let slot = &mut result;
    workers.scope(Box::new(move |pool| {
        let total = wanted.iter().map(|&id| archive.blobs.get(id).size);
        let mut driver = Driver {
            queue: Ordered::new(pool),
            archive,
            wanted,
            receiver,
            observer,
            done,
            phase,
            streams: HashMap::new(),
            in_flight: 0,
            done_bytes: 0,
            total_bytes: total.fold(0, u64::saturating_add),
        };
        *slot = Some(driver.run());
    }));
    result.unwrap_or_else(|| Err(Error::new(ErrorKind::Memory, "the host ran no worker")))
}

struct Driver<'d, 'env> {
    queue: Ordered<'d, 'env, Done>,
    archive: &'env Archive,
    wanted: &'env [BlobId],
    receiver: &'env dyn Receiver,
    observer: &'env dyn Observer,
    done: &'d mut dyn FnMut(usize, Option<Error>) -> Result<()>,
    phase: Phase,
    /// Blobs of which some parts have come.
    streams: HashMap<usize, Stream>,
    in_flight: u64,
    done_bytes: u64,
    total_bytes: u64,
}

/// A blob of the sweep in the order of places.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    file: u16,
    /// Where its resource begins in the file.
    resource: u64,
    /// The solid resource that it lies in.
    solid: Option<u32>,
    /// Where it begins in the data of the resource.
    offset: u64,
    index: usize,
}

impl Driver<'_, '_> {
    fn run(&mut self) -> Result<()> {
        self.report();
        let items = self.items()?;
        let mut rest = &items[..];
        while let Some(&first) = rest.first() {
            let len = match first.solid {
                Some(_) => rest.partition_point(|item| {
                    (item.file, item.resource) == (first.file, first.resource)
                }),
                None if self.blob(first.index).size > WHOLE => 1,
                None => self.batch_len(rest),
            };
            let (now, later) = rest.split_at(len);
            match first.solid {
                Some(solid) => self.solid(solid, now)?,
                None if self.blob(first.index).size > WHOLE => self.alone(first)?,
                None => self.batch(now)?,
            }
            rest = later;
        }
        while self.step()? {}
        self.observer.event(&Event::Finished { phase: self.phase });
        Ok(())
    }

    fn blob(&self, index: usize) -> &Blob {
        self.archive.blobs.get(self.wanted[index])
    }

    /// Sorts the wanted blobs by place. Those that are nowhere are reported at once.
    fn items(&mut self) -> Result<Vec<Item>> {
        let mut items = Vec::with_capacity(self.wanted.len());
        for index in 0..self.wanted.len() {
            match self.blob(index).place {
                Place::Alone { file, resource } => items.push(Item {
                    file,
                    resource: resource.offset,
                    solid: None,
                    offset: 0,
                    index,
                }),
                Place::Solid { solid, offset } => {
                    let home = &self.archive.blobs.solids[solid as usize];
                    items.push(Item {
                        file: home.file,
                        resource: home.resource.offset,
                        solid: Some(solid),
                        offset,
                        index,
                    });
                }
                Place::Claimed | Place::Elsewhere | Place::Lost => {
                    let missing = self.archive.missing(&self.blob(index).hash);
                    (self.done)(index, Some(missing))?;
                }
            }
        }
        items.sort_unstable();
        Ok(items)
    }

    /// How many small blobs from the first on are read together.
    fn batch_len(&self, items: &[Item]) -> usize {
        let mut bytes = 0;
        let mut last: Option<(u16, u64)> = None;
        for (count, item) in items.iter().enumerate().take(BATCH_BLOBS) {
            let blob = self.blob(item.index);
            let Place::Alone { file, resource } = blob.place else {
                return count;
            };
            let near = last.is_none_or(|(last_file, end)| {
                last_file == file && resource.offset.saturating_sub(end) <= WASTE
            });
            bytes += blob.size;
            if count > 0 && (bytes > BATCH || !near || resource.size > WHOLE) {
                return count;
            }
            last = Some((file, resource.end().unwrap_or(u64::MAX)));
        }
        items.len().min(BATCH_BLOBS)
    }

    /// Queues small blobs that lie close together.
    fn batch(&mut self, items: &[Item]) -> Result<()> {
        let batch: Vec<_> = items
            .iter()
            .map(|item| (item.index, *self.blob(item.index)))
            .collect();
        let bytes: u64 = batch.iter().map(|(_, blob)| blob.size + BLOB_COST).sum();
        self.make_room(bytes)?;
        let (archive, receiver) = (self.archive, self.receiver);
        self.queue.submit(move |state| Done::Batch {
            results: run_batch(archive, receiver, &batch, state),
            cost: bytes,
        });
        Ok(())
    }

    /// Takes results until `cost` fits into the budget, or into room for two of its size.
    fn make_room(&mut self, cost: u64) -> Result<()> {
        let budget = BUDGET.max(cost.saturating_mul(2));
        while self.in_flight.saturating_add(cost) > budget && self.step()? {}
        self.in_flight += cost;
        Ok(())
    }

    /// Takes the oldest result and acts on it; false if there is none.
    fn step(&mut self) -> Result<bool> {
        if self.observer.cancelled() {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "stopped while reading file data",
            ));
        }
        let Some(done) = self.queue.oldest()? else {
            return Ok(false);
        };
        match done {
            Done::Batch { results, cost } => {
                self.in_flight -= cost;
                for (index, result) in results {
                    self.count(self.blob(index).size);
                    (self.done)(index, result?)?;
                }
            }
            Done::Piece { piece, cost } => {
                self.in_flight -= cost;
                self.piece_done(piece)?;
            }
        }
        self.report();
        Ok(true)
    }

    /// So many bytes of blobs are done with.
    fn count(&mut self, bytes: u64) {
        self.done_bytes = self.done_bytes.saturating_add(bytes);
    }

    fn report(&self) {
        self.observer.event(&Event::Progress {
            phase: self.phase,
            unit: Unit::Bytes,
            done: self.done_bytes,
            total: self.total_bytes,
        });
    }
}

#[cfg(test)]
mod tests;
