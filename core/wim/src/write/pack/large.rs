//! Items too large to be held whole.

use std::sync::Arc;

use super::jobs::{Done, Piece, PieceJob, load_piece};
use super::relay::StreamHash;
use super::{Driver, Item, SolidWriter};
use crate::archive::{Blob, Place};
use crate::format::resource::Chunking;
use crate::format::{Compression, ResourceHeader};
use crate::hash::Sha1;
use crate::write::blob_writer::{Streamed, StreamedEnd};
use crate::{Error, ErrorKind, Result};

/// What is done with the pieces of a large item besides reading and hashing them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Nothing.
    Hash,
    /// They are compressed and written.
    Pack,
    /// They are written as they are.
    Store,
    /// They go into the solid resource.
    Gather,
}

/// The large item being read.
pub(super) struct Large {
    purpose: Purpose,
    size: u64,
    hash: Arc<StreamHash>,
    /// Pieces in flight.
    waiting: u64,
    changed: bool,
    failed: Option<Error>,
    /// Where the resource begins; known when the first piece has come back, for then everything
    /// before it has been written.
    offset: Option<u64>,
    streamed: Option<Streamed>,
}

impl Driver<'_, '_, '_> {
    /// Stores a large item unless it is there already.
    pub(super) fn large_item(&mut self, item: Item) -> Result<()> {
        self.drain_loads()?;
        self.submit_run();
        let size = item.expected.size;
        if !self.occurs_once(size) {
            let Some(large) = self.read_large(&item, Purpose::Hash)? else {
                return Ok(());
            };
            let hash = large.hash.so_far();
            if self.is_known(&item, hash)? {
                self.total_bytes -= size;
                return Ok(());
            }
        }
        if let Some(offset) = self.solid.as_ref().map(SolidWriter::position) {
            return self.gather_large(&item, offset);
        }
        let purpose = match self.options.compression {
            Compression::None => Purpose::Store,
            Compression::Chunked(..) => Purpose::Pack,
        };
        let Some(large) = self.read_large(&item, purpose)? else {
            return Ok(());
        };
        if large.changed {
            self.warn_changed(&item);
        }
        let hash = large.hash.so_far();
        let offset = large.offset.unwrap_or_else(|| self.output.position());
        let Some(blob) = self.claim(&item, hash)? else {
            self.output.rewind(offset);
            return Ok(());
        };
        let end = match large.streamed {
            Some(streamed) => streamed.end(self.output)?,
            None => StreamedEnd::Written(ResourceHeader::raw(offset, size)),
        };
        let resource = match end {
            StreamedEnd::Written(resource) => resource,
            StreamedEnd::NotSmaller => match self.store_again(&item, hash)? {
                Some(resource) => resource,
                None => {
                    self.pool.lose(blob);
                    return Ok(());
                }
            },
        };
        self.enter(blob, resource);
        Ok(())
    }

    /// Adds a large item to the solid resource, from `offset` on.
    fn gather_large(&mut self, item: &Item, offset: u64) -> Result<()> {
        let Some(large) = self.read_large(item, Purpose::Gather)? else {
            return Ok(());
        };
        if large.changed {
            self.warn_changed(item);
        }
        match self.claim(item, large.hash.so_far())? {
            Some(blob) => self.gathered(blob, offset),
            // It became a duplicate between two readings. If it cannot be taken back, bytes that
            // nothing refers to stay in the resource.
            None => {
                if let Some(solid) = &mut self.solid {
                    solid.take_back(offset);
                }
            }
        }
        Ok(())
    }

    /// Part of a large item is in the solid resource, from `offset` on, and the rest cannot be read.
    /// What cannot be taken back becomes a blob that nothing refers to.
    fn give_up_gathered(&mut self, offset: u64, hash: Sha1) -> Result<()> {
        let Some(solid) = &mut self.solid else {
            return Ok(());
        };
        let size = solid.position() - offset;
        if solid.take_back(offset) || self.pool.find(&hash).is_some() {
            return Ok(());
        }
        let place = Place::Solid {
            solid: self.next_solid,
            offset,
        };
        let blob = Blob {
            hash,
            references: 0,
            size,
            place,
        };
        self.pool.insert(blob).map(drop)
    }

    /// Whether data of this hash is there already; the item then has it.
    fn is_known(&mut self, item: &Item, hash: Sha1) -> Result<bool> {
        if self.pool.find(&hash).is_none() {
            return Ok(false);
        }
        self.settle(item, hash)?;
        Ok(true)
    }

    /// Reads an item again and writes it raw, because compression did not make it smaller.
    fn store_again(&mut self, item: &Item, hash: Sha1) -> Result<Option<ResourceHeader>> {
        let Some(large) = self.read_large(item, Purpose::Store)? else {
            return Ok(None);
        };
        let again = large.hash.so_far();
        let offset = large.offset.unwrap_or_else(|| self.output.position());
        if again != hash {
            self.output.rewind(offset);
            let what = format!("the data was read twice, with SHA-1 {hash} and then {again}");
            self.unreadable(item, Error::new(ErrorKind::Changed, what))?;
            return Ok(None);
        }
        Ok(Some(ResourceHeader::raw(offset, item.expected.size)))
    }

    /// Reads all of a large item; `None` if it could not be read and is left out.
    fn read_large(&mut self, item: &Item, purpose: Purpose) -> Result<Option<Large>> {
        let size = item.expected.size;
        let gathered = self.solid.as_ref().map(SolidWriter::position);
        let hash = Arc::new(StreamHash::default());
        self.large = Some(Large {
            purpose,
            size,
            hash: Arc::clone(&hash),
            waiting: 0,
            changed: false,
            failed: None,
            offset: None,
            streamed: None,
        });
        let pack = match self.options.compression {
            Compression::Chunked(format, chunk_size) if purpose == Purpose::Pack => {
                Some((format, chunk_size, self.options.level))
            }
            _ => None,
        };
        let piece = self.piece();
        let mut start = 0;
        while start < size
            && self
                .large
                .as_ref()
                .is_some_and(|large| large.failed.is_none())
        {
            let len = piece.min(size - start);
            while self.in_flight > 0 && self.in_flight + len > self.budget && self.step()? {}
            self.in_flight += len;
            let job = PieceJob {
                item: *item,
                start,
                is_last: start + len == size,
                pack,
            };
            let loader = self.loader;
            let (buffers, hash) = (Arc::clone(&self.buffers), Arc::clone(&hash));
            let (relay, turn) = self.next_turn();
            self.queue.submit(move |state| {
                let turn = relay.turn(turn);
                let buffer = buffers.take(len as usize);
                let piece = load_piece(loader, &job, buffer, &hash, turn, state);
                Done::Piece { piece, len }
            });
            if let Some(large) = &mut self.large {
                large.waiting += 1;
            }
            start += len;
        }
        while self.large.as_ref().is_some_and(|large| large.waiting > 0) && self.step()? {}
        let Some(mut large) = self.large.take() else {
            return Ok(None);
        };
        if let Some(error) = large.failed.take() {
            if let Some(offset) = large.offset {
                self.output.rewind(offset);
            }
            if let (Purpose::Gather, Some(offset)) = (purpose, gathered) {
                self.give_up_gathered(offset, large.hash.so_far())?;
            }
            self.unreadable(item, error)?;
            return Ok(None);
        }
        Ok(Some(large))
    }

    /// A piece of the large item came back; everything before it has been written.
    pub(super) fn large_piece(&mut self, piece: Result<Piece>, len: u64) -> Result<()> {
        self.in_flight -= len;
        let Some(large) = &mut self.large else {
            return Ok(());
        };
        large.waiting -= 1;
        let piece = match piece {
            Ok(piece) if large.failed.is_none() => piece,
            Ok(_) => return Ok(()),
            Err(error) => {
                large.failed.get_or_insert(error);
                return Ok(());
            }
        };
        large.changed |= piece.changed;
        match (large.purpose, &mut self.solid) {
            (Purpose::Hash, _) => return Ok(()),
            (Purpose::Gather, Some(solid)) => return solid.push(self.output, &piece.buffer),
            _ => {}
        }
        if large.offset.is_none() {
            large.offset = Some(self.output.position());
            if let (Purpose::Pack, Compression::Chunked(_, chunk_size)) =
                (large.purpose, self.options.compression)
            {
                let chunking = Chunking {
                    total: large.size,
                    chunk_size,
                };
                large.streamed = Some(Streamed::begin(self.output, chunking)?);
            }
        }
        match &mut large.streamed {
            Some(streamed) => piece
                .chunks
                .wait()?
                .iter()
                .try_for_each(|chunk| streamed.push(self.output, chunk)),
            None => self.output.append(&piece.buffer),
        }
    }
}
