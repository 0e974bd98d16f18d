//! What can go wrong.

use core::fmt;

use crate::Format;

/// A chunk that cannot be decompressed. Whatever the input, a decoder returns one of these or the
/// right number of bytes; it never panics and never writes outside of the output it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ended before the output was complete.
    Truncated,
    /// A prefix code is over-subscribed or incomplete, or a symbol was wanted from an empty code.
    BadCode,
    /// A field has a value that the format forbids (block type, block size, run length, header).
    BadField,
    /// A match reaches back before the start of the output.
    BadOffset,
    /// A match or block is longer than what is left of the output.
    BadLength,
    /// The output is larger than the chunk size the decoder was made for.
    OutputTooLarge,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecodeError::Truncated => "compressed data ends too early",
            DecodeError::BadCode => "invalid prefix code",
            DecodeError::BadField => "invalid field in compressed data",
            DecodeError::BadOffset => "match offset before the start of the data",
            DecodeError::BadLength => "match or block runs past the end of the data",
            DecodeError::OutputTooLarge => "output larger than the chunk size",
        })
    }
}

impl core::error::Error for DecodeError {}

/// A compressor or decompressor that cannot be made as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParameterError {
    /// The chunk size is not one that the format has.
    ChunkSize {
        /// The format asked for.
        format: Format,
        /// The size asked for, in bytes.
        size: u32,
    },
    /// The level is 0.
    Level,
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParameterError::ChunkSize { format, size } => {
                let (least, most) = format.chunk_sizes();
                write!(
                    f,
                    "chunk size {size} is not a power of two from {least} to {most}"
                )
            }
            ParameterError::Level => f.write_str("compression level must be positive"),
        }
    }
}

impl core::error::Error for ParameterError {}
