//! One compressor type over the three formats.

use alloc::boxed::Box;

use crate::{Format, Level, ParameterError, lzms, lzx, xpress};

/// Compresses chunks of one format. See the crate's page.
#[derive(Debug)]
pub struct Compressor {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Xpress(Box<xpress::Compressor>),
    Lzx(Box<lzx::Compressor>),
    Lzms(Box<lzms::Compressor>),
}

impl Compressor {
    /// Makes a compressor for chunks of up to `chunk_size` bytes.
    ///
    /// `chunk_size` also selects format details (the LZX window order): it must be the chunk size of
    /// the resource, even for a resource that is smaller than one chunk.
    ///
    /// # Errors
    /// [`ParameterError`] for a chunk size that the format does not have or for level 0.
    pub fn new(format: Format, chunk_size: u32, level: Level) -> Result<Self, ParameterError> {
        format.check_chunk_size(chunk_size)?;
        if level.0 == 0 {
            return Err(ParameterError::Level);
        }
        let inner = match format {
            Format::Xpress => Inner::Xpress(Box::new(xpress::Compressor::new(chunk_size, level))),
            Format::Lzx => Inner::Lzx(Box::new(lzx::Compressor::new(chunk_size, level))),
            Format::Lzms => Inner::Lzms(Box::new(lzms::Compressor::new(chunk_size, level))),
        };
        Ok(Self { inner })
    }

    /// The format this compressor writes.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.inner {
            Inner::Xpress(_) => Format::Xpress,
            Inner::Lzx(_) => Format::Lzx,
            Inner::Lzms(_) => Format::Lzms,
        }
    }

    /// Compresses one chunk (1 to `chunk_size` bytes) into the start of `output` and returns the
    /// compressed size, or `None` if that would not be smaller than both `input.len()` and
    /// `output.len() + 1`: such a chunk is stored as it is. `output` never needs to be longer than
    /// `input.len() - 1`. A longer `input` than `chunk_size` gives `None`.
    pub fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        match &mut self.inner {
            Inner::Xpress(inner) => inner.compress(input, output),
            Inner::Lzx(inner) => inner.compress(input, output),
            Inner::Lzms(inner) => inner.compress(input, output),
        }
    }

    /// The same with the chunk's own memory as working memory where the format can use it. If the result
    /// is `None` the chunk is what it was before, else it may be spoilt.
    ///
    /// A chunk of many megabytes takes many seconds: `stop` is asked often whether the result is still
    /// wanted, and if not, it is `None`.
    pub fn compress_in_place(
        &mut self,
        chunk: &mut [u8],
        output: &mut [u8],
        stop: &dyn Fn() -> bool,
    ) -> Option<usize> {
        match &mut self.inner {
            Inner::Lzms(inner) => inner.compress_in_place(chunk, output, stop),
            _ => self.compress(chunk, output),
        }
    }

    /// Bytes of working memory that a compressor with these parameters allocates at most.
    #[must_use]
    pub fn memory(format: Format, chunk_size: u32, level: Level) -> u64 {
        match format {
            Format::Xpress => xpress::memory(chunk_size, level),
            Format::Lzx => lzx::memory(chunk_size, level),
            Format::Lzms => lzms::memory(chunk_size),
        }
    }
}
