//! File data from one pipe into another: what has to be written first may come last.

use std::collections::{HashMap, HashSet};

use crate::archive::{PipedArchive, PipedHead};
use crate::hash::{Hasher, Sha1};
use crate::port::{Sink, WorkerState};
use crate::{Error, ErrorKind, Result};

/// Most bytes that are held until it is their turn.
const HELD: u64 = 256 << 20;

/// Writes blobs of a pipable archive, whose metadata has been read, one behind the other in this order,
/// without `out` being flushed. What comes too early is held in memory, up to 256 MiB.
///
/// # Errors
/// [`ErrorKind::MissingBlob`] if the pipe ends before all has come; [`ErrorKind::Unsupported`] if too much
/// would have to be held; [`ErrorKind::HashMismatch`] and [`ErrorKind::Decompression`] for damaged data;
/// what the feed and the sink return.
pub fn stream_piped(
    piped: &mut PipedArchive<'_>,
    blobs: &[Sha1],
    out: &mut dyn Sink,
) -> Result<()> {
    let mut coming: HashSet<Sha1> = blobs.iter().copied().collect();
    let mut again = HashMap::new();
    for &hash in blobs {
        *again.entry(hash).or_insert(0_u32) += 1;
    }
    let mut held: HashMap<Sha1, Vec<u8>> = HashMap::new();
    let mut bytes_held = 0;
    let mut rest = blobs;
    while let Some((&next, after)) = rest.split_first() {
        if let Some(data) = held.get(&next) {
            out.write(data)?;
            rest = after;
            continue;
        }
        let Some(head) = piped.next_blob()? else {
            let what = format!("the pipe ended before {} of the files came", coming.len());
            return Err(Error::new(ErrorKind::MissingBlob, what));
        };
        if !coming.remove(&head.hash) {
            piped.skip(head)?;
        } else if head.hash == next && again.get(&next) == Some(&1) {
            decode(piped, head, &mut |piece| out.write(piece))?;
            rest = after;
        } else {
            bytes_held = head.size.saturating_add(bytes_held);
            if bytes_held > HELD {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "the files come through the pipe in another order than asked for, and are too \
                     large to be held; extract them to a directory instead",
                ));
            }
            let mut data = Vec::new();
            decode(piped, head, &mut |piece| {
                data.extend_from_slice(piece);
                Ok(())
            })?;
            held.insert(head.hash, data);
        }
    }
    Ok(())
}

/// Hands a blob on piece by piece, and then says if it was not what it should be.
fn decode(
    piped: &mut PipedArchive<'_>,
    head: PipedHead,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut hasher = Hasher::new();
    let mut state = WorkerState::default();
    piped.pieces(head, &mut |piece| {
        let data = piece.decode(&mut state)?;
        hasher.update(&data);
        each(&data)
    })?;
    hasher.finish().must_be(&head.hash)
}
