//! LZX in the variant of Windows imaging: the usual format of WIM files.
//!
//! Relatives are described in \[MS-PATCH\] and in Microsoft's *LZX Data Compression Format* of 1997.
//!
//! # The format
//!
//! A chunk stands alone. The *window order* `w`, 15 to 21, comes from the chunk size of the resource
//! (also for a shorter last chunk). The chunk is first sent through a call filter ([`e8`]) and then
//! cut into blocks. Everything is coded in 16-bit little-endian units, most significant bit first.
//!
//! *Block header*: 3 bits of type (1 verbatim, 2 aligned, 3 uncompressed), one bit that says "32,768
//! bytes", else a size of 16 bits (`w = 15`) or 24 bits. Then, except in uncompressed blocks, an
//! aligned block's eight 3-bit codeword lengths, the lengths of the main code in two parts, and those
//! of the length code ([`code_lengths`]).
//!
//! *Main symbols*: 0..=255 are literal bytes; `256 + 8·s + h` is a match with offset slot `s` and
//! length header `h`. A length of 2 to 8 is `h + 2`; `h = 7` means that a symbol `t` of the length
//! code follows and the length is `t + 9`, up to 257. Slots 0, 1 and 2 stand for the three most recent
//! offsets (all 1 at the start of a chunk): taking the first changes nothing, taking another swaps it
//! with the first. Other slots stand for a base and some extra bits whose sum is the offset plus 2;
//! such an offset is pushed onto the queue. In an aligned block, the low three of three or more extra
//! bits are a symbol of the aligned code.
//!
//! *Uncompressed blocks* skip 1 to 16 bits to the next unit, then give the three recent offsets as
//! 32-bit numbers and the raw bytes, padded to an even size.

mod ahead;
mod block;
pub(crate) mod code_lengths;
mod cost;
mod decode;
mod e8;
mod encode;
mod far;
mod offset;
mod parse_lazy;
mod parse_optimal;
mod resume;
mod seed;
mod split;
mod thorough;
mod token;

pub use decode::Decompressor;
pub use encode::{Compressor, memory};

/// The smallest and the largest window order.
const MIN_ORDER: u32 = 15;
const MAX_ORDER: u32 = 21;

const LITERALS: usize = 256;
/// Length headers per offset slot.
const HEADERS: usize = 8;
/// Size of the length code's alphabet.
const LENGTHS: usize = 249;
/// Size of the aligned code's alphabet.
const ALIGNED: usize = 8;
/// The largest alphabet of a main code.
const MAX_MAIN: usize = LITERALS + HEADERS * offset::MAX_SLOTS;

const MIN_MATCH: usize = 2;
const MAX_MATCH: usize = 257;
/// The shortest match whose length needs a length symbol.
const MIN_LONG: usize = 9;

/// Longest codewords.
const MAX_MAIN_CODEWORD: u32 = 16;
const MAX_LENGTH_CODEWORD: u32 = 16;
const MAX_ALIGNED_CODEWORD: u32 = 7;

/// Block types.
const VERBATIM: u32 = 1;
const ALIGNED_BLOCK: u32 = 2;
const UNCOMPRESSED: u32 = 3;
/// The block size that one bit can say.
const STANDARD_SIZE: usize = 32768;

/// The window order for a chunk size, which is a power of two from 2^15 to 2^21.
fn window_order(chunk_size: u32) -> u32 {
    chunk_size.ilog2().clamp(MIN_ORDER, MAX_ORDER)
}
