//! One decompressor type over the three formats.

use alloc::boxed::Box;

use crate::{DecodeError, Format, ParameterError, lzms, lzx, xpress};

/// Decompresses chunks of one format. See the crate's page.
#[derive(Debug)]
pub struct Decompressor {
    chunk_size: u32,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Xpress(Box<xpress::Decompressor>),
    Lzx(Box<lzx::Decompressor>),
    Lzms(Box<lzms::Decompressor>),
}

impl Decompressor {
    /// Makes a decompressor for chunks of a resource whose chunk size is `chunk_size`.
    ///
    /// # Errors
    /// [`ParameterError::ChunkSize`] for a size that the format does not have.
    pub fn new(format: Format, chunk_size: u32) -> Result<Self, ParameterError> {
        format.check_chunk_size(chunk_size)?;
        let inner = match format {
            Format::Xpress => Inner::Xpress(Box::default()),
            Format::Lzx => Inner::Lzx(Box::new(lzx::Decompressor::new(chunk_size))),
            Format::Lzms => Inner::Lzms(Box::new(lzms::Decompressor::new(chunk_size))),
        };
        Ok(Self { chunk_size, inner })
    }

    /// The format this decompressor reads.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.inner {
            Inner::Xpress(_) => Format::Xpress,
            Inner::Lzx(_) => Format::Lzx,
            Inner::Lzms(_) => Format::Lzms,
        }
    }

    /// Decompresses one chunk; `output` has the exact uncompressed size. On error the contents of
    /// `output` are unspecified. A chunk stored raw (stored size equal to its size) must not come
    /// here.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that is not a valid stream of exactly `output.len()` bytes.
    pub fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Result<(), DecodeError> {
        if output.len() > self.chunk_size as usize {
            return Err(DecodeError::OutputTooLarge);
        }
        match &mut self.inner {
            Inner::Xpress(inner) => inner.decompress(input, output),
            Inner::Lzx(inner) => inner.decompress(input, output),
            Inner::Lzms(inner) => inner.decompress(input, output),
        }
    }
}
