//! Resources that are decoded in pieces: large ones, and solid ones whatever their size.

use std::sync::Arc;

use super::jobs::{Done, Piece, Role, Segment, copy_of, hand_over, run_piece};
use super::{Driver, Item, WHOLE};
use crate::archive::chunks::Chunks;
use crate::hash::{Hasher, Sha1};
use crate::{Error, Result};

/// Bytes of a piece, unless a chunk is larger.
const PIECE: u64 = 1 << 20;

/// A blob that comes in parts.
pub(super) struct Stream {
    expected: Sha1,
    size: u64,
    /// How much has come.
    at: u64,
    damage: Option<Error>,
    body: Body,
}

enum Body {
    /// The receiver has the parts; only the hash is computed here.
    Hashed(Hasher),
    /// A small blob that happens to lie across the border of two pieces is put together.
    Collected(Vec<u8>),
}

/// A blob in its resource while the resource is cut into pieces.
#[derive(Clone, Copy)]
struct Open {
    index: usize,
    start: u64,
    end: u64,
}

impl<'env> Driver<'_, 'env> {
    /// A large blob with a resource of its own.
    pub(super) fn alone(&mut self, item: Item) -> Result<()> {
        let archive = self.archive;
        let blob = *self.blob(item.index);
        match archive.load_chunks(&blob) {
            Ok(chunks) => {
                let chunks = Chunks::Shared(Arc::new(chunks));
                self.resource(item.file, &chunks, &[item])
            }
            Err(error) => {
                if self.receiver.takes_damaged() {
                    self.receiver.begin(item.index, blob.size)?;
                    self.receiver.end(item.index, Some(&error))?;
                }
                // Results before this one are still on their way.
                while self.step()? {}
                self.count(blob.size);
                (self.done)(item.index, Some(error))
            }
        }
    }

    /// The wanted blobs of a solid resource.
    pub(super) fn solid(&mut self, solid: u32, items: &[Item]) -> Result<()> {
        let archive = self.archive;
        let home = &archive.blobs.solids[solid as usize];
        self.resource(home.file, &Chunks::Borrowed(&home.chunks), items)
    }

    /// Cuts a resource into pieces and queues those in which something is wanted.
    fn resource(&mut self, file: u16, chunks: &Chunks<'env>, items: &[Item]) -> Result<()> {
        let chunk_size = u64::from(chunks.chunk_size());
        let per_piece = (PIECE / chunk_size).max(1);
        let mut opens: Vec<Open> = Vec::new();
        let mut items = items.iter().copied().peekable();
        let mut first = 0;
        loop {
            if opens.is_empty() {
                match items.peek() {
                    Some(next) => first = next.offset / chunk_size,
                    None => return Ok(()),
                }
            }
            let limit = first.saturating_add(per_piece).saturating_mul(chunk_size);
            while let Some(item) = items.next_if(|item| item.offset < limit) {
                let end = item.offset.saturating_add(self.blob(item.index).size);
                opens.push(Open {
                    index: item.index,
                    start: item.offset,
                    end: end.min(chunks.total()),
                });
            }
            let wanted_end = opens.iter().map(|open| open.end).max().unwrap_or(0);
            let end = limit
                .min(wanted_end)
                .div_ceil(chunk_size)
                .min(chunks.chunk_count());
            let piece = first * chunk_size..(end * chunk_size).min(chunks.total());
            if end <= first {
                // Only a blob of no bytes could ask for nothing; there are none in an archive.
                opens.clear();
                continue;
            }
            let cost = piece.end - piece.start;
            self.make_room(cost)?;
            let segments = self.segments(&opens, &piece)?;
            let storage = &self.archive.files[usize::from(file)].storage;
            let (chunks, receiver) = (chunks.clone(), self.receiver);
            self.queue.submit(move |state| Done::Piece {
                piece: run_piece(&chunks, &**storage, first..end, receiver, segments, state),
                cost,
            });
            opens.retain(|open| open.end > piece.end);
            first = end;
        }
    }

    /// What a piece has of each open blob. Blobs that begin in it and go on are begun.
    fn segments(&mut self, opens: &[Open], piece: &std::ops::Range<u64>) -> Result<Vec<Segment>> {
        let mut segments = Vec::with_capacity(opens.len());
        for open in opens {
            let start = open.start.max(piece.start);
            let end = open.end.min(piece.end);
            let blob = *self.blob(open.index);
            let is_large = blob.size > WHOLE;
            let is_whole = open.start >= piece.start && open.end <= piece.end;
            if !is_whole && open.start >= piece.start {
                let body = if is_large {
                    self.receiver.begin(open.index, blob.size)?;
                    Body::Hashed(Hasher::new())
                } else {
                    Body::Collected(Vec::with_capacity(blob.size as usize))
                };
                let stream = Stream {
                    expected: blob.hash,
                    size: blob.size,
                    at: 0,
                    damage: None,
                    body,
                };
                self.streams.insert(open.index, stream);
            }
            segments.push(Segment {
                index: open.index,
                range: (start - piece.start) as usize..(end - piece.start) as usize,
                offset: start - open.start,
                role: match (is_whole, is_large) {
                    (true, _) => Role::Whole(blob.hash),
                    (false, true) => Role::Part,
                    (false, false) => Role::Collected,
                },
            });
        }
        Ok(segments)
    }

    /// A piece came back.
    pub(super) fn piece_done(&mut self, piece: Piece) -> Result<()> {
        for (segment, outcome) in piece.segments.into_iter().zip(piece.outcomes) {
            let damage = outcome?;
            self.count(segment.range.len() as u64);
            if let Role::Whole(_) = segment.role {
                (self.done)(segment.index, damage)?;
                continue;
            }
            let Some(stream) = self.streams.get_mut(&segment.index) else {
                continue;
            };
            if let Some(damage) = damage {
                stream.damage.get_or_insert(damage);
            }
            let bytes = piece.data.get(segment.range).unwrap_or_default();
            stream.at += bytes.len() as u64;
            match &mut stream.body {
                Body::Hashed(hasher) if stream.damage.is_none() => hasher.update(bytes),
                Body::Hashed(_) => {}
                Body::Collected(data) => data.extend_from_slice(bytes),
            }
            if stream.at >= stream.size {
                self.stream_done(segment.index)?;
            }
        }
        Ok(())
    }

    fn stream_done(&mut self, index: usize) -> Result<()> {
        let Some(stream) = self.streams.remove(&index) else {
            return Ok(());
        };
        let damage = match stream.body {
            Body::Hashed(hasher) => {
                let checked = || hasher.finish().must_be(&stream.expected);
                let damage = stream.damage.or_else(|| checked().err());
                self.receiver.end(index, damage.as_ref())?;
                damage
            }
            Body::Collected(data) => hand_over(
                self.receiver,
                index,
                &data,
                stream.expected,
                stream.damage.as_ref().map(copy_of),
            )?,
        };
        (self.done)(index, damage)
    }
}
