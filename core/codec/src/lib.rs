//! The compression formats of Windows imaging: bytes in, bytes out.
//!
//! A WIM resource is cut into chunks and every chunk is compressed on its own, so the unit of this
//! crate is one chunk whose uncompressed size is known from outside. [`Compressor`] and
//! [`Decompressor`] hold the working state for one format, one chunk size and one level; make one
//! per thread and use it for any number of chunks, nothing is allocated in between.
//!
//! | module | format | found in |
//! |---|---|---|
//! | [`xpress`] | XPRESS Huffman, chunks of 4 KiB to 64 KiB | WIM, system-compressed NTFS files |
//! | [`lzx`] | LZX, WIM variant, chunks of 32 KiB to 2 MiB | WIM, system-compressed NTFS files |
//! | [`lzms`] | LZMS, chunks of 32 KiB to 1 GiB | WIM, solid resources ("ESD") |
//! | [`lznt1`] | LZNT1 | compressed attributes of NTFS |
//!
//! The same input, format, chunk size and level give the same output on every machine.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

mod array;
mod bits;
mod copy;
mod cpu;
mod entropy;
mod format;
mod huffman;
mod incompressible;
pub mod lzms;
pub mod lznt1;
pub mod lzx;
mod matchfinder;
mod prefetch;
mod three_bytes;
pub mod xpress;

mod compressor;
mod decompressor;
mod error;

pub use compressor::Compressor;
pub use decompressor::Decompressor;
pub use error::{DecodeError, ParameterError};
pub use format::{Format, Level};
