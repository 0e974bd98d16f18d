//! A file of a target while it is written.

use std::any::Any;
use std::os::fd::OwnedFd;

use rustix::fs::{SeekFrom, copy_file_range, ftruncate, ioctl_ficlone, seek};
use rustix::io::{Errno, pread, pwrite};
use wimforge_core::port::{FileMetadata, Missed, TargetFile};
use wimforge_core::{Error, ErrorKind, Result};

use super::set;

/// Bytes copied at once where the kernel does not copy.
const COPY: usize = 256 << 10;

/// An open file.
pub(super) struct PosixFile(OwnedFd);

impl PosixFile {
    pub fn new(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// Copies a range by the kernel, or by hand where it cannot.
    fn copy_range(&self, original: &Self, start: u64, end: u64) -> Result<(), Errno> {
        let mut at = start;
        while at < end {
            let (mut from, mut to) = (at, at);
            let len = usize::try_from(end - at).unwrap_or(usize::MAX).min(1 << 30);
            match copy_file_range(&original.0, Some(&mut from), &self.0, Some(&mut to), len) {
                Ok(copied) if copied > 0 => at += copied as u64,
                Ok(_) | Err(Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => {
                    return self.copy_by_hand(original, at, end);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn copy_by_hand(&self, original: &Self, start: u64, end: u64) -> Result<(), Errno> {
        let mut buffer = vec![0; COPY];
        let mut at = start;
        while at < end {
            let len = (end - at).min(COPY as u64) as usize;
            let got = match pread(&original.0, &mut buffer[..len], at) {
                Ok(0) => return Err(Errno::IO),
                Ok(got) => got,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error),
            };
            self.write_all(at, &buffer[..got])?;
            at += got as u64;
        }
        Ok(())
    }

    fn write_all(&self, mut offset: u64, mut data: &[u8]) -> Result<(), Errno> {
        while !data.is_empty() {
            match pwrite(&self.0, data, offset) {
                Ok(0) => return Err(Errno::IO),
                Ok(written) => {
                    offset += written as u64;
                    data = data.get(written..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Copies what is not a hole.
    fn copy_data(&self, original: &Self, size: u64) -> Result<(), Errno> {
        let mut at = 0;
        while at < size {
            let start = match seek(&original.0, SeekFrom::Data(at)) {
                Ok(start) => start.min(size),
                Err(Errno::NXIO) => return Ok(()),
                Err(Errno::INVAL) => return self.copy_range(original, at, size),
                Err(error) => return Err(error),
            };
            let end = seek(&original.0, SeekFrom::Hole(start))?.min(size);
            self.copy_range(original, start, end)?;
            at = end;
        }
        Ok(())
    }
}

fn cannot_write(error: Errno) -> Error {
    Error::new(ErrorKind::Write, "cannot write").because(std::io::Error::from(error))
}

impl TargetFile for PosixFile {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.write_all(offset, data).map_err(cannot_write)
    }

    fn set_len(&self, size: u64) -> Result<()> {
        ftruncate(&self.0, size).map_err(cannot_write)
    }

    fn copy_from(&self, original: &dyn TargetFile, size: u64) -> Result<bool> {
        let original = original.as_any().and_then(<dyn Any>::downcast_ref::<Self>);
        let Some(original) = original else {
            return Ok(false);
        };
        if ioctl_ficlone(&self.0, &original.0).is_ok() {
            return Ok(true);
        }
        self.set_len(size)?;
        self.copy_data(original, size).map_err(cannot_write)?;
        Ok(true)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn set_metadata(&self, metadata: &FileMetadata<'_>) -> Result<Missed> {
        set(&self.0, metadata)
    }
}
