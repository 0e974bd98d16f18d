//! Where the bytes of a volume come from.
//!
//! The crate does no I/O. A host hands in something that gives bytes at an offset; reads are
//! positioned and take `&self`, so any number of threads can read one volume at once.

use std::io;
use std::sync::Arc;

use crate::error::{Error, Result};

/// A file, a disk or anything else that holds the bytes of a volume.
pub trait ReadAt: Send + Sync {
    /// Reads up to `buf.len()` bytes that lie at `offset`. Fewer may be returned; 0 means that
    /// there is nothing at or beyond `offset`.
    ///
    /// # Errors
    /// Whatever the device reports. [`io::ErrorKind::Interrupted`] is retried by the crate.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Bytes in total.
    fn size(&self) -> u64;
}

impl ReadAt for [u8] {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let Some(rest) = usize::try_from(offset).ok().and_then(|at| self.get(at..)) else {
            return Ok(0);
        };
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.len() as u64
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(offset, buf)
    }

    fn size(&self) -> u64 {
        self.len() as u64
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buf)
    }

    fn size(&self) -> u64 {
        (**self).size()
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buf)
    }

    fn size(&self) -> u64 {
        (**self).size()
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Box<T> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buf)
    }

    fn size(&self) -> u64 {
        (**self).size()
    }
}

/// A part of a device: one partition of a disk.
#[derive(Clone)]
pub struct Window {
    device: Arc<dyn ReadAt>,
    start: u64,
    length: u64,
}

impl Window {
    /// The `length` bytes from `start` on; cut at the end of the device.
    #[must_use]
    pub fn new(device: Arc<dyn ReadAt>, start: u64, length: u64) -> Self {
        let length = length.min(device.size().saturating_sub(start));
        Self {
            device,
            start,
            length,
        }
    }
}

impl ReadAt for Window {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.length.checked_sub(offset) else {
            return Ok(0);
        };
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        self.device.read_at(self.start + offset, &mut buf[..count])
    }

    fn size(&self) -> u64 {
        self.length
    }
}

/// Fills `buf` from `offset`; a device that ends earlier is an error.
pub(crate) fn read_exact(device: &dyn ReadAt, offset: u64, buf: &mut [u8]) -> Result<()> {
    let length = buf.len();
    let fail = |source| Error::Device {
        offset,
        length,
        source,
    };
    let mut done = 0;
    while done < length {
        let at = offset
            .checked_add(done as u64)
            .ok_or_else(|| fail(io::ErrorKind::UnexpectedEof.into()))?;
        match device.read_at(at, &mut buf[done..]) {
            Ok(0) => return Err(fail(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => done += count.min(length - done),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fail(error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_is_cut_and_shifted() {
        let device: Arc<dyn ReadAt> = Arc::new((0..100u8).collect::<Vec<_>>());
        let window = Window::new(device, 90, 20);
        assert_eq!(window.size(), 10);
        let mut buf = [0; 8];
        assert_eq!(window.read_at(4, &mut buf).unwrap(), 6);
        assert_eq!(buf[..6], [94, 95, 96, 97, 98, 99]);
        assert_eq!(window.read_at(10, &mut buf).unwrap(), 0);
        assert_eq!(window.read_at(11, &mut buf).unwrap(), 0);
        assert!(read_exact(&window, 4, &mut buf).is_err());
    }
}
