//! A file with random access.

use crate::{Error, ErrorKind, Result};

/// A file that can be read and written at any position, such as the archive itself.
///
/// Methods take `&self` so that several workers can read at once; there is one writer at a time.
#[allow(
    clippy::len_without_is_empty,
    reason = "a file's length; nobody asks whether it is empty"
)]
pub trait Storage: Sync {
    /// Its name for messages.
    fn name(&self) -> String;

    /// The size in bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Read`].
    fn len(&self) -> Result<u64>;

    /// Reads up to `buffer.len()` bytes at `offset`. Fewer than asked for is allowed anywhere; zero
    /// means that `offset` is at or beyond the end.
    ///
    /// # Errors
    /// [`ErrorKind::Read`].
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize>;

    /// Writes all of `data` at `offset`, growing the file as needed.
    ///
    /// # Errors
    /// [`ErrorKind::Write`].
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()>;

    /// Cuts the file off, or extends it with zeros.
    ///
    /// # Errors
    /// [`ErrorKind::Write`].
    fn set_len(&self, size: u64) -> Result<()>;

    /// Returns when everything written is on the medium.
    ///
    /// # Errors
    /// [`ErrorKind::Write`].
    fn sync(&self) -> Result<()>;
}

/// Reads exactly `buffer.len()` bytes.
///
/// # Errors
/// [`ErrorKind::UnexpectedEnd`] if the file ends before; what the storage returns.
pub fn read_exact_at(storage: &dyn Storage, mut offset: u64, mut buffer: &mut [u8]) -> Result<()> {
    while !buffer.is_empty() {
        let got = storage.read_at(offset, buffer)?;
        if got == 0 || got > buffer.len() {
            return Err(Error::new(
                ErrorKind::UnexpectedEnd,
                format!(
                    "{}: the file ends at byte {offset}, {} bytes too early",
                    storage.name(),
                    buffer.len()
                ),
            ));
        }
        offset += got as u64;
        buffer = &mut buffer[got..];
    }
    Ok(())
}

/// Reads `size` bytes into a new vector. The caller has checked `size` against a limit.
///
/// # Errors
/// As [`read_exact_at`].
pub fn read_vec_at(storage: &dyn Storage, offset: u64, size: usize) -> Result<Vec<u8>> {
    let mut data = vec![0; size];
    read_exact_at(storage, offset, &mut data)?;
    Ok(data)
}

/// Bytes that are moved at once.
const STEP: u64 = 1 << 20;

/// Moves data towards the front, where it may overlap with what it was, and tells after each step how much of
/// it has been moved.
///
/// # Errors
/// As [`read_exact_at`]; what the storage returns.
pub(crate) fn bring_forward(
    storage: &dyn Storage,
    from: u64,
    to: u64,
    size: u64,
    moved: &mut dyn FnMut(u64),
) -> Result<()> {
    let mut buffer = vec![0; size.min(STEP) as usize];
    let mut done = 0;
    while done < size {
        let now = &mut buffer[..(size - done).min(STEP) as usize];
        read_exact_at(storage, from + done, now)?;
        storage.write_at(to + done, now)?;
        done += now.len() as u64;
        moved(done);
    }
    Ok(())
}
