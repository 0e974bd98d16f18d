//! Stripes: a piece of each of several streams, which one worker reads and hashes together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::relay::{StreamHash, Turn};
use crate::Result;
use crate::hash::Sha1;
use crate::port::WorkerState;
use crate::write::buffers::Buffer;
use crate::write::load::{Loader, Opened};
use crate::write::plan::Item;

/// Bytes of a stripe: little enough to be still in the processor's cache when it is hashed.
const STRIPE: u64 = 512 << 10;

/// The size of the pieces of a stripe that has so many: a power of two, to which compressed streams of a source
/// are likely to be aligned.
pub(super) fn piece_size(pieces: usize) -> u64 {
    STRIPE / pieces.next_power_of_two() as u64
}

/// A stream on its way into the archive.
pub(super) struct Stream<'env> {
    pub item: Item,
    /// Where it begins in the archive.
    pub place: u64,
    hash: StreamHash,
    /// Where it is open and nobody reads: as many times at most as there are workers.
    opened: Mutex<Vec<Opened<'env>>>,
}

impl<'env> Stream<'env> {
    pub fn new(item: Item, place: u64) -> Self {
        Self {
            item,
            place,
            hash: StreamHash::default(),
            opened: Mutex::default(),
        }
    }

    /// The hash of all of it, once all pieces are copied.
    pub fn hash(&self) -> Sha1 {
        self.hash.so_far()
    }

    fn opened(&self) -> MutexGuard<'_, Vec<Opened<'env>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of a stream.
pub(super) struct Piece<'env> {
    pub stream: Arc<Stream<'env>>,
    pub part: Part,
}

/// Which part of which stream.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// The number of the stream.
    pub stream: u64,
    pub start: u64,
    pub len: u64,
}

impl<'env> Piece<'env> {
    /// Fills the buffer. Tells whether the file is not what it was when it was scanned; only the last piece
    /// looks.
    fn read(
        &self,
        loader: &Loader<'env>,
        buffer: &mut [u8],
        state: &mut WorkerState,
    ) -> Result<bool> {
        let Item {
            origin, expected, ..
        } = self.stream.item;
        let opened = self.stream.opened().pop();
        let mut opened = match opened {
            Some(opened) => opened,
            None => loader.open(origin, expected.size)?,
        };
        opened.read_exact(self.part.start, buffer, state)?;
        if self.part.start + self.part.len == expected.size {
            return loader.changed(&mut opened, expected);
        }
        self.stream.opened().push(opened);
        Ok(false)
    }
}

/// A stripe that was read and hashed.
pub(super) struct Stripe {
    /// For each piece whether its file is not what it was when it was scanned, or why it could not be read.
    pub pieces: Vec<(Part, Result<bool>)>,
    /// One piece behind the other.
    pub data: Buffer,
}

/// Reads the pieces into the buffer, which they fill, and hashes them when that is their turn.
pub(super) fn read<'env>(
    pieces: &[Piece<'env>],
    loader: &Loader<'env>,
    turn: Turn<'_>,
    mut buffer: Buffer,
    state: &mut WorkerState,
) -> Stripe {
    let mut rest = &mut buffer[..];
    let mut read = Vec::with_capacity(pieces.len());
    let mut to_hash = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let (data, behind) = rest.split_at_mut(piece.part.len as usize);
        let changed = piece.read(loader, data, state);
        to_hash.push((&piece.stream.hash, changed.is_ok().then_some(&*data)));
        read.push((piece.part, changed));
        rest = behind;
    }
    turn.hash(&to_hash);
    Stripe {
        pieces: read,
        data: buffer,
    }
}
