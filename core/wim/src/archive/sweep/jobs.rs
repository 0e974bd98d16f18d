//! What workers do.

use std::ops::Range;

use super::Receiver;
use crate::archive::chunks::{ChunkMap, prefix_of};
use crate::archive::{Archive, Blob, Place};
use crate::hash::Sha1;
use crate::port::{Storage, WorkerState, read_exact_at};
use crate::{Error, ErrorKind, Result};

/// What became of a blob or a part: the receiver's failure, or what is wrong with the data.
pub(super) type Outcome = Result<Option<Error>>;

/// What comes back from a worker.
pub(super) enum Done {
    /// Small blobs.
    Batch {
        results: Vec<(usize, Outcome)>,
        cost: u64,
    },
    /// A piece of a large or solid resource.
    Piece { piece: Piece, cost: u64 },
}

/// A piece that was decoded.
pub(super) struct Piece {
    pub segments: Vec<Segment>,
    /// One for each segment.
    pub outcomes: Vec<Outcome>,
    /// The data, if the driver needs any of it.
    pub data: Vec<u8>,
}

/// What a piece has of a blob.
#[derive(Clone)]
pub(super) struct Segment {
    pub index: usize,
    /// Where it stands in the piece.
    pub range: Range<usize>,
    /// Where it stands in the blob.
    pub offset: u64,
    pub role: Role,
}

/// What is done with a segment.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// It is the whole blob, which has this hash.
    Whole(Sha1),
    /// It is handed over, and the driver hashes it.
    Part,
    /// The driver collects it.
    Collected,
}

/// Another error that says the same.
pub(super) fn copy_of(error: &Error) -> Error {
    Error::new(error.kind(), error.to_string())
}

/// Most bytes of a [`Window`].
const MAX_WINDOW: u64 = 16 << 20;

/// A range of a file held in memory; what lies outside is read from the file.
struct Window<'a> {
    file: &'a dyn Storage,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    /// Reads the range that holds these blobs into `bytes`. If that fails it is empty, and the failure
    /// shows where the bytes concerned are needed.
    fn over(file: &'a dyn Storage, batch: &[(usize, Blob)], mut bytes: Vec<u8>) -> Self {
        let places = batch.iter().filter_map(|(_, blob)| match blob.place {
            Place::Alone { resource, .. } => Some((resource.offset, resource.end()?)),
            _ => None,
        });
        let range = places.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)));
        let (start, end) = range.unwrap_or((0, 0));
        let size = end.saturating_sub(start);
        bytes.resize(size.min(MAX_WINDOW) as usize, 0);
        if size > MAX_WINDOW || read_exact_at(file, start, &mut bytes).is_err() {
            bytes.clear();
        }
        Self { file, start, bytes }
    }
}

impl Storage for Window<'_> {
    fn name(&self) -> String {
        self.file.name()
    }

    fn len(&self) -> Result<u64> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let held = offset
            .checked_sub(self.start)
            .and_then(|at| self.bytes.get(usize::try_from(at).ok()?..))
            .filter(|held| held.len() >= buffer.len());
        match held {
            Some(held) => {
                buffer.copy_from_slice(&held[..buffer.len()]);
                Ok(buffer.len())
            }
            None => self.file.read_at(offset, buffer),
        }
    }

    fn write_at(&self, _offset: u64, _data: &[u8]) -> Result<()> {
        Err(Error::new(ErrorKind::Write, "not open for writing"))
    }

    fn set_len(&self, _size: u64) -> Result<()> {
        Err(Error::new(ErrorKind::Write, "not open for writing"))
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

/// Reads, decodes, hashes and hands over small blobs of one file.
pub(super) fn run_batch(
    archive: &Archive,
    receiver: &dyn Receiver,
    batch: &[(usize, Blob)],
    state: &mut WorkerState,
) -> Vec<(usize, Outcome)> {
    let mut results = Vec::with_capacity(batch.len());
    let Some((_, first)) = batch.first() else {
        return results;
    };
    let Place::Alone { file, .. } = first.place else {
        return results;
    };
    let file = &archive.files[usize::from(file)];
    let window = Window::over(&*file.storage, batch, state.take_buffer());
    let mut buffer = state.take_buffer();
    for &(index, ref blob) in batch {
        let data = prefix_of(&mut buffer, blob.size as usize);
        let damage = match archive.load_chunks_from(&window, blob) {
            Ok(chunks) => {
                let all = 0..chunks.chunk_count();
                decode(&chunks, &window, all, state, data)
                    .into_iter()
                    .next()
                    .map(|(_, error)| error)
            }
            Err(error) => {
                data.fill(0);
                Some(error)
            }
        };
        let outcome = hand_over(receiver, index, data, blob.hash, damage);
        let failed = outcome.is_err();
        results.push((index, outcome));
        if failed {
            break;
        }
    }
    state.give_back(buffer);
    state.give_back(window.bytes);
    results
}

/// Checks the hash of a whole blob and hands it over.
pub(crate) fn hand_over(
    receiver: &dyn Receiver,
    index: usize,
    data: &[u8],
    expected: Sha1,
    damage: Option<Error>,
) -> Outcome {
    let damage = damage.or_else(|| Sha1::of(data).must_be(&expected).err());
    if damage.is_none() || receiver.takes_damaged() {
        receiver.whole(index, data, damage.as_ref())?;
    }
    Ok(damage)
}

/// Decodes chunks into `data`, which has their length. Where that fails the data is zero; returns
/// those ranges.
fn decode(
    chunks: &ChunkMap,
    storage: &dyn Storage,
    range: Range<u64>,
    state: &mut WorkerState,
    data: &mut [u8],
) -> Vec<(Range<usize>, Error)> {
    if chunks
        .decode(storage, range.start, range.end, state, data)
        .is_ok()
    {
        return Vec::new();
    }
    let mut bad = Vec::new();
    let mut start = 0;
    for index in range {
        let end = start + chunks.len_of(index, index + 1) as usize;
        let chunk = &mut data[start..end];
        if let Err(error) = chunks.decode(storage, index, index + 1, state, chunk) {
            chunk.fill(0);
            bad.push((start..end, error));
        }
        start = end;
    }
    bad
}

/// Decodes a piece and hands over what lies in it.
pub(super) fn run_piece(
    chunks: &ChunkMap,
    storage: &dyn Storage,
    range: Range<u64>,
    receiver: &dyn Receiver,
    segments: Vec<Segment>,
    state: &mut WorkerState,
) -> Piece {
    let mut data = state.take_buffer();
    data.resize(chunks.len_of(range.start, range.end) as usize, 0);
    let bad = decode(chunks, storage, range, state, &mut data);
    let mut outcomes = Vec::with_capacity(segments.len());
    for segment in &segments {
        let touched = bad
            .iter()
            .find(|(range, _)| range.start < segment.range.end && segment.range.start < range.end);
        let damage = touched.map(|(_, error)| copy_of(error));
        let bytes = data.get(segment.range.clone()).unwrap_or_default();
        outcomes.push(match segment.role {
            Role::Whole(hash) => hand_over(receiver, segment.index, bytes, hash, damage),
            Role::Part if damage.is_none() || receiver.takes_damaged() => receiver
                .part(segment.index, segment.offset, bytes)
                .map(|()| damage),
            Role::Part | Role::Collected => Ok(damage),
        });
        if outcomes.last().is_some_and(Result::is_err) {
            break;
        }
    }
    if segments
        .iter()
        .all(|segment| matches!(segment.role, Role::Whole(_)))
    {
        state.give_back(std::mem::take(&mut data));
    }
    Piece {
        segments,
        outcomes,
        data,
    }
}
