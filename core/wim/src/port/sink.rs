//! Pipes: bytes in one direction.

use crate::Result;

/// Takes bytes in sequence, such as standard output.
pub trait Sink {
    /// Writes all of `data`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Write`].
    fn write(&mut self, data: &[u8]) -> Result<()>;

    /// Passes on everything written so far.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Write`].
    fn flush(&mut self) -> Result<()>;
}

/// Gives bytes in sequence, such as standard input.
pub trait Feed {
    /// Reads up to `buffer.len()` bytes; zero only at the end.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Read`].
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize>;
}

impl<F: Feed + ?Sized> Feed for &mut F {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        (**self).read(buffer)
    }
}
