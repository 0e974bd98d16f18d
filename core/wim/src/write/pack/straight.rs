//! Items that go straight from their source into the archive.
//!
//! What is stored as it is and cannot be a duplicate has its place before it is read. So several items can be
//! on their way at once, each in a *lane*: a worker reads and hashes a piece of each of them, a stripe (`stripe`),
//! and the driver writes every piece to its place. Hashing side by side takes less than half of the time. An item
//! that turns out not to be stored leaves a gap, over which what is behind moves forward.

use std::collections::VecDeque;
use std::sync::Arc;

use super::jobs::{Done, Read};
use super::stripe::{self, Part, Piece, Stream, Stripe, piece_size};
use super::{Driver, Item, LARGE};
use crate::archive::{BlobId, Place};
use crate::format::{Compression, ResourceHeader};
use crate::scan::Origin;
use crate::{Error, Result};

/// Most items that are read side by side: as many as are hashed at once.
const LANES: usize = 4;
/// Bytes of the archive over which the lanes reach: some file systems have to fill what lies between two places
/// of writing, and what is behind a gap moves.
const REACH: u64 = if cfg!(test) { 8 << 20 } else { 64 << 20 };

/// The items that are on their way.
#[derive(Default)]
pub(super) struct Straight<'env> {
    /// Those that are not decided yet, in the order of the plan.
    begun: VecDeque<Begun<'env>>,
    /// How many were decided before them.
    decided: u64,
    /// Those of which not everything was queued.
    lanes: Vec<Lane<'env>>,
    gap: Option<Gap>,
}

struct Begun<'env> {
    stream: Arc<Stream<'env>>,
    /// Bytes that have not come back.
    left: u64,
    changed: bool,
    failed: Option<Error>,
}

struct Lane<'env> {
    /// How many were begun before it.
    number: u64,
    stream: Arc<Stream<'env>>,
    /// Bytes that were queued.
    queued: u64,
}

impl<'env> Lane<'env> {
    fn left(&self) -> u64 {
        self.stream.item.expected.size - self.queued
    }

    /// What is queued next, of this size at most.
    fn next_piece(&mut self, most: u64) -> Piece<'env> {
        let part = Part {
            stream: self.number,
            start: self.queued,
            len: self.left().min(most),
        };
        self.queued += part.len;
        Piece {
            stream: Arc::clone(&self.stream),
            part,
        }
    }
}

/// The bytes from `begin` on are not used, up to the first of the blobs behind.
struct Gap {
    begin: u64,
    behind: Vec<BlobId>,
}

impl<'env> Driver<'_, 'env, '_> {
    /// Whether an item above a batch's size can go straight into the archive. A smaller one than [`LARGE`] does so
    /// only if nothing has to be waited for.
    pub(super) fn goes_straight(&self, item: &Item) -> bool {
        let size = item.expected.size;
        self.output.can_leave_room(size)
            && self.options.compression == Compression::None
            && self.solid.is_none()
            && matches!(item.origin, Origin::Source { .. })
            && self.occurs_once(size)
            && (size > LARGE || self.loading == 0)
    }

    /// Gives an item its place and a lane. Everything before it is loaded.
    pub(super) fn begin_straight(&mut self, item: Item) -> Result<()> {
        if self.straight.gap.is_some() {
            self.run_lanes_out()?;
            while !self.straight.begun.is_empty() && self.step()? {}
        }
        let size = item.expected.size;
        let end = self.output.position() + size;
        let most = match self.loader.has_to_seek(item.origin) {
            true => 1,
            false => LANES,
        };
        let is_out_of_reach = |lane: &Lane<'_>| end - (lane.stream.place + lane.queued) > REACH;
        while self.straight.lanes.len() >= most || self.straight.lanes.iter().any(is_out_of_reach) {
            self.queue_stripe()?;
        }
        let stream = Arc::new(Stream::new(item, self.output.leave_room(size)?));
        let straight = &mut self.straight;
        straight.lanes.push(Lane {
            number: straight.decided + straight.begun.len() as u64,
            stream: Arc::clone(&stream),
            queued: 0,
        });
        straight.begun.push_back(Begun {
            stream,
            left: size,
            changed: false,
            failed: None,
        });
        Ok(())
    }

    /// Queues what is left of the items that were begun.
    pub(super) fn run_lanes_out(&mut self) -> Result<()> {
        while !self.straight.lanes.is_empty() {
            self.queue_stripe()?;
        }
        Ok(())
    }

    /// Queues the next piece of every lane.
    fn queue_stripe(&mut self) -> Result<()> {
        let most = piece_size(self.straight.lanes.len());
        let bytes =
            |lanes: &[Lane<'_>]| -> u64 { lanes.iter().map(|lane| lane.left().min(most)).sum() };
        self.make_room(bytes(&self.straight.lanes))?;
        // Meanwhile some may have failed.
        let lanes = &mut self.straight.lanes;
        if lanes.is_empty() {
            return Ok(());
        }
        let bytes = bytes(lanes);
        self.in_flight += bytes;
        let pieces: Vec<_> = lanes.iter_mut().map(|lane| lane.next_piece(most)).collect();
        lanes.retain(|lane| lane.left() > 0);
        let (relay, turn) = self.next_turn();
        let (loader, buffers) = (self.loader, Arc::clone(&self.buffers));
        self.queue.submit(move |state| {
            let turn = relay.turn(turn);
            let buffer = buffers.take(bytes as usize);
            Done::Stripe(stripe::read(&pieces, loader, turn, buffer, state))
        });
        Ok(())
    }

    /// A stripe was read; items that are complete with it are decided, in the order of the plan.
    pub(super) fn stripe_read(&mut self, stripe: Stripe) -> Result<()> {
        let mut rest = &stripe.data[..];
        for (part, changed) in stripe.pieces {
            let (data, behind) = rest.split_at(part.len as usize);
            self.in_flight -= part.len;
            self.piece_read(part, changed, data)?;
            rest = behind;
        }
        while let Some(begun) = self.straight.begun.pop_front_if(|begun| begun.left == 0) {
            self.straight.decided += 1;
            self.decide(begun)?;
        }
        match self.straight.begun.is_empty() {
            true => self.close_gap(),
            false => Ok(()),
        }
    }

    /// Writes a piece to its place, or gives its item up.
    fn piece_read(&mut self, part: Part, changed: Result<bool>, data: &[u8]) -> Result<()> {
        let straight = &mut self.straight;
        let index = (part.stream - straight.decided) as usize;
        let Some(begun) = straight.begun.get_mut(index) else {
            return Ok(());
        };
        begun.left -= part.len;
        match changed {
            Ok(changed) => {
                begun.changed |= changed;
                self.output.fill(begun.stream.place + part.start, data)
            }
            Err(error) => {
                begun.failed.get_or_insert(error);
                let mut lanes = straight
                    .lanes
                    .extract_if(.., |lane| lane.number == part.stream);
                begun.left -= lanes.next().map_or(0, |lane| lane.left());
                Ok(())
            }
        }
    }

    /// Enters an item of which everything has come, or leaves it out.
    fn decide(&mut self, begun: Begun<'_>) -> Result<()> {
        let Stream { item, place, .. } = *begun.stream;
        let read = match begun.failed {
            Some(error) => Err(error),
            None => Ok(Read {
                hash: begun.stream.hash(),
                changed: begun.changed,
            }),
        };
        let Some(blob) = self.admit(&item, read)? else {
            self.straight.gap.get_or_insert(Gap {
                begin: place,
                behind: Vec::new(),
            });
            return Ok(());
        };
        self.enter(blob, ResourceHeader::raw(place, item.expected.size));
        if let Some(gap) = &mut self.straight.gap {
            gap.behind.push(blob);
        }
        Ok(())
    }

    /// Moves what is behind a gap over it; everything that was begun is decided.
    fn close_gap(&mut self) -> Result<()> {
        let Some(Gap { mut begin, behind }) = self.straight.gap.take() else {
            return Ok(());
        };
        for blob in behind {
            let blob = self.pool.get_mut(blob);
            if let Place::Alone { resource, .. } = &mut blob.place {
                self.output
                    .bring_forward(resource.offset, begin, resource.size)?;
                resource.offset = begin;
                begin += resource.size;
            }
        }
        self.output.rewind(begin);
        Ok(())
    }
}
