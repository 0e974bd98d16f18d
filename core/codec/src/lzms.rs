//! LZMS: LZ77 and delta matches, adaptive Huffman codes, a range coder, and an x86 filter.
//!
//! # The format
//!
//! Every chunk stands alone and its uncompressed size is known from outside. Two streams of 16-bit
//! little-endian units share it: the *forward* stream grows from the first byte up and carries yes/no
//! decisions through a range coder with adaptive probabilities; the *backward* stream grows from the
//! last byte down and carries adaptive Huffman codewords and plain bits. They meet somewhere; where is
//! not recorded and need not be known.
//!
//! An item is a literal byte, an LZ match (repeat what stood `offset` bytes before), or a delta match
//! (repeat the byte-wise *differences*, over a distance of 1 to 128 bytes, that stood `offset` bytes
//! before: tables of numbers that rise evenly are continued that way). Offsets may refer to the last
//! three sources of their type instead of being spelt out. Both kinds of match share the code for
//! lengths. When all items are done a filter over the whole chunk turns the absolute operands of x86
//! instructions back into relative ones.
//!
//! | what | from | see |
//! |---|---|---|
//! | literal or match? LZ or delta? explicit or recent? which? | forward stream | `range_coder` |
//! | literal bytes, offset slots, length slots, delta powers | backward stream, adaptive codes | `adaptive_huffman` |
//! | extra bits of offsets and lengths | backward stream, plain | `slots` |
//!
//! # The decompressor
//!
//! [`Decompressor`] checks everything that could lead outside of the output. What it does not reject is
//! streams that overlap: where the two meet is not recorded, and an encoder may let them share a unit.
//!
//! # The compressor
//!
//! [`Compressor`] searches for the cheapest items by dynamic programming (`parse`), with costs from the
//! adaptive state as it stands (`cost`). LZ matches come from binary trees (`tree`) or, in large
//! chunks, from suffix arrays (`suffix_array`, `intervals`) of segments of some tens of megabytes
//! (`segments`) and from hash tables for anything farther (`far`); delta matches come from a hash table of
//! differences (`delta`). Memory is taken for the largest chunk met, not for the
//! largest allowed, and is kept from chunk to chunk.

mod adaptive_huffman;
mod bits;
mod compress;
mod cost;
mod decode;
mod delta;
mod descend;
mod encode;
mod far;
mod intervals;
mod items;
mod nature;
mod parse;
mod range_coder;
mod room;
mod segments;
mod signal;
mod slots;
mod state;
mod suffix_array;
mod tree;
mod x86;

pub use compress::{Compressor, memory};
pub use decode::Decompressor;
