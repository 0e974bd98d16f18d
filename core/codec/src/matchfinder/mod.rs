//! Finding earlier copies of the bytes at a position.
//!
//! All finders work on a *window*: the chunk, padded with [`PADDING`] bytes so that words can be read
//! at any position of it. None has a mark for "no position": an empty slot holds 0, which may be
//! taken for a candidate like any other since its bytes are compared anyway, or for none: what only
//! position 0 has to offer is not worth a mark. Position 0 itself must not be searched.

mod chain;
mod far;
pub(crate) mod lanes;
pub(crate) mod links;
mod long;
pub(crate) mod matches;
pub(crate) mod position;
pub(crate) mod tables;

/// Bytes after the chunk that finders may read.
pub(crate) const PADDING: usize = 32;
