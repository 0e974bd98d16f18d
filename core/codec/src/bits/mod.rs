//! Bit streams of 16-bit little-endian units, most significant bit first, as XPRESS and LZX use
//! them.

mod reader;
mod writer;

pub(crate) use reader::BitReader;
pub(crate) use writer::BitWriter;
