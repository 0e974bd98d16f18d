//! Canonical prefix codes, common to XPRESS, LZX and LZMS.
//!
//! Only the lengths of the codewords are transmitted. Symbols that have a codeword are put in order
//! of length, then of value; the first gets the codeword of all zeros, and each next one the previous
//! plus one, extended by zeros to its length. [`lengths`] chooses lengths for given frequencies,
//! [`codewords`] numbers them, and [`DecodeTable`] reads them.

mod build;
mod table;

pub(crate) use build::{CodeBuilder, codewords};
pub(crate) use table::{DecodeTable, Entry, entry, entry_bits, entry_value};
