//! The integrity table: the SHA-1 of each piece of the file.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | size of the table, 12 + 20 · n |
//! | 4 | 4 | n |
//! | 8 | 4 | piece size, 10 MiB when new |
//! | 12 | 20 · n | SHA-1 of each piece |
//!
//! Piece k covers the bytes from 208 + k · piece size to the next piece or the end of the blob table.
//! The header, the XML data and the table itself are not covered.

use crate::format::Header;
use crate::hash::{Hasher, Sha1};
use crate::{Error, ErrorKind, Result};

/// Piece size of new tables, in bytes.
pub const PIECE_SIZE: u32 = 10 << 20;

/// Piece sizes of an existing table that are kept when the file is appended to.
pub const KEPT_PIECE_SIZES: std::ops::RangeInclusive<u32> = 4096..=128 << 20;

/// The table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrityTable {
    /// Bytes in each piece but the last.
    pub piece_size: u32,
    /// SHA-1 of each piece.
    pub pieces: Vec<Sha1>,
}

impl IntegrityTable {
    /// Decodes a table that covers the file up to `end`, the end of the blob table.
    ///
    /// # Errors
    /// [`ErrorKind::IntegrityTable`].
    pub fn decode(bytes: &[u8], end: u64) -> Result<Self> {
        let malformed = |what: String| Error::new(ErrorKind::IntegrityTable, what);
        let field = |index: usize| {
            let bytes = bytes.get(4 * index..).and_then(|rest| rest.first_chunk());
            bytes.copied().map(u32::from_le_bytes)
        };
        let (Some(size), Some(count), Some(piece_size)) = (field(0), field(1), field(2)) else {
            return Err(malformed("the table is shorter than its header".into()));
        };
        let expected_size = 12 + 20 * u64::from(count);
        if u64::from(size) != expected_size || bytes.len() as u64 != expected_size {
            return Err(malformed(format!(
                "{count} pieces need {expected_size} bytes, but the table has {} and claims {size}",
                bytes.len()
            )));
        }
        if piece_size == 0 || u64::from(count) != piece_count(piece_size, end) {
            return Err(malformed(format!(
                "{count} pieces of {piece_size} bytes do not cover the file"
            )));
        }
        let pieces = bytes[12..]
            .chunks_exact(20)
            .map(|hash| Sha1::new(hash.try_into().unwrap_or_default()))
            .collect();
        Ok(Self { piece_size, pieces })
    }

    /// Encodes the table.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let count = self.pieces.len() as u32;
        let mut out = Vec::with_capacity(12 + 20 * self.pieces.len());
        for field in [12 + 20 * count, count, self.piece_size] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        for piece in &self.pieces {
            out.extend_from_slice(piece.as_bytes());
        }
        out
    }

    /// The bytes of the file that piece `index` covers, for a blob table that ends at `end`.
    #[must_use]
    pub fn range(piece_size: u32, index: u64, end: u64) -> std::ops::Range<u64> {
        let start = Header::SIZE as u64 + index * u64::from(piece_size);
        start..(start + u64::from(piece_size)).min(end)
    }
}

/// Number of pieces for a blob table that ends at `end`.
#[must_use]
pub fn piece_count(piece_size: u32, end: u64) -> u64 {
    end.saturating_sub(Header::SIZE as u64)
        .div_ceil(u64::from(piece_size))
}

/// Computes the pieces while a file is written in sequence from byte 208 on.
///
/// Parts that are written again later (a chunk table that is filled in, a tail that is cut off) make
/// the pieces they touch unknown; [`Recorder::finish`] says which have to be read back.
#[derive(Clone, Debug)]
pub struct Recorder {
    piece_size: u32,
    /// Pieces that are complete; `None` if they were touched again.
    pieces: Vec<Option<Sha1>>,
    /// Start of the piece being written, what was hashed of it, and whether that is still good.
    current: Option<Hasher>,
    position: u64,
}

impl Recorder {
    /// For a file in which everything up to `position` has the given known pieces; the piece that
    /// contains `position` is unknown unless `position` is its start.
    #[must_use]
    pub fn new(piece_size: u32, known: &[Sha1], position: u64) -> Self {
        let done = position.saturating_sub(Header::SIZE as u64);
        let full = (done / u64::from(piece_size)) as usize;
        let mut pieces: Vec<_> = known.iter().take(full).copied().map(Some).collect();
        pieces.resize(full, None);
        let current = done.is_multiple_of(u64::from(piece_size)).then(Hasher::new);
        Self {
            piece_size,
            pieces,
            current,
            position,
        }
    }

    /// `data` was written at the current end.
    pub fn append(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let piece_end =
                IntegrityTable::range(self.piece_size, self.pieces.len() as u64, u64::MAX).end;
            let room = (piece_end - self.position).min(data.len() as u64) as usize;
            let (now, later) = data.split_at(room);
            if let Some(hasher) = &mut self.current {
                hasher.update(now);
            }
            self.position += room as u64;
            data = later;
            if self.position == piece_end {
                self.pieces
                    .push(self.current.replace(Hasher::new()).map(Hasher::finish));
            }
        }
    }

    /// Bytes of the file from `start` to `end` were changed.
    pub fn touch(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let first = Header::SIZE as u64;
        let index = |at: u64| (at.saturating_sub(first) / u64::from(self.piece_size)) as usize;
        let (low, high) = (index(start), index(end - 1));
        for piece in self.pieces.iter_mut().take(high + 1).skip(low) {
            *piece = None;
        }
        if high >= self.pieces.len() {
            self.current = None;
        }
    }

    /// The file was cut off at `position`.
    pub fn truncate(&mut self, position: u64) {
        let done = position.saturating_sub(Header::SIZE as u64);
        let full = (done / u64::from(self.piece_size)) as usize;
        let at_start = done.is_multiple_of(u64::from(self.piece_size));
        self.current = at_start.then(Hasher::new);
        self.pieces.truncate(full);
        self.position = position;
    }

    /// The pieces of a file whose blob table ends at the current position: known, or `None` for
    /// those to be read back.
    #[must_use]
    pub fn finish(mut self) -> Vec<Option<Sha1>> {
        if self.pieces.len() as u64 != piece_count(self.piece_size, self.position) {
            self.pieces.push(self.current.take().map(Hasher::finish));
        }
        self.pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_round_trip_and_refuse_nonsense() {
        let table = IntegrityTable {
            piece_size: 4096,
            pieces: vec![Sha1::of(b"a"), Sha1::of(b"b")],
        };
        let bytes = table.encode();
        assert_eq!(IntegrityTable::decode(&bytes, 208 + 5000).unwrap(), table);
        assert!(IntegrityTable::decode(&bytes, 208 + 4096).is_err());
        assert!(IntegrityTable::decode(&bytes[..51], 208 + 5000).is_err());
        assert!(IntegrityTable::decode(&bytes[..11], 208 + 5000).is_err());
    }

    #[test]
    fn recorder_agrees_with_hashing_the_file() {
        let file: Vec<u8> = (0..50_000u32).map(|i| (i * 7) as u8).collect();
        let mut recorder = Recorder::new(4096, &[], 208);
        for part in file[208..].chunks(777) {
            recorder.append(part);
        }
        let pieces = recorder.clone().finish();
        let expected: Vec<_> = file[208..]
            .chunks(4096)
            .map(|p| Some(Sha1::of(p)))
            .collect();
        assert_eq!(pieces, expected);
        recorder.touch(208 + 4096, 208 + 4097);
        let known: Vec<_> = recorder
            .clone()
            .finish()
            .iter()
            .map(Option::is_some)
            .collect();
        assert_eq!(known.iter().filter(|k| !**k).count(), 1);
        assert!(!known[1]);
        recorder.truncate(208 + 8192 + 5);
        recorder.append(&file[208 + 8192 + 5..]);
        let again = recorder.finish();
        assert_eq!(again[3..], expected[3..]);
        assert_eq!(again[2], None);
    }
}
