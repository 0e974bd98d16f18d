//! XPRESS with Huffman codes: the quick format, also that of system-compressed files on NTFS.
//! Microsoft describes a superset as "LZ77+Huffman" in \[MS-XCA\].
//!
//! # The format
//!
//! A chunk of up to 64 KiB stands alone. It begins with 256 bytes, the codeword lengths of 512
//! symbols in 4 bits each (the even symbol in the low half). Symbols below 256 are literal bytes;
//! symbol `256 + 16·b + h` is a match whose offset is 2^`b` plus the next `b` bits, and whose length
//! is `h + 3` if `h < 15`. Otherwise the length follows in raw bytes: one byte `r` for a length of
//! `r + 18`, or the byte 255 and two more with the length minus 3.
//!
//! The bits come in 16-bit little-endian units, most significant bit first. Raw bytes lie between
//! units, at a place that depends on how far a reader looks ahead: when the codeword of a match has
//! been read, the reader has fetched the smallest number of units that leaves at least 16 bits
//! unread, and raw bytes come right after the last unit fetched.
//!
//! A match is 3 to 65,538 bytes long and reaches back 1 to 65,535 bytes, but not beyond the start of
//! the chunk. After the last item comes symbol 256 once more, because some decoders want it, and
//! enough units for the look-ahead.

mod decode;
mod encode;
mod item;
mod parse_lazy;
mod parse_optimal;
mod write;

pub use decode::Decompressor;
pub use encode::{Compressor, memory};

/// Size of the code's alphabet.
const SYMBOLS: usize = 512;
/// Size of the table of codeword lengths.
const TABLE_BYTES: usize = SYMBOLS / 2;
/// The longest codeword.
const MAX_CODEWORD: u32 = 15;
/// The largest chunk.
const MAX_CHUNK: usize = 1 << 16;
/// The shortest match.
const MIN_MATCH: usize = 3;
/// What encoders add after the last item.
const END_SYMBOL: usize = 256;
