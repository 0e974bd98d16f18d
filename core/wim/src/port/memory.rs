//! Ports in memory, for tests and for hosts that have a whole archive at hand.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Feed, Sink, Storage};
use crate::{Error, ErrorKind, Result};

/// A [`Storage`] in memory.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    bytes: Mutex<Vec<u8>>,
}

impl MemoryStorage {
    /// With these contents.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Mutex::new(bytes),
        }
    }

    /// A copy of the contents.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index(offset: u64) -> Result<usize> {
    usize::try_from(offset)
        .map_err(|_| Error::new(ErrorKind::Memory, "offset too large for memory"))
}

impl Storage for MemoryStorage {
    fn name(&self) -> String {
        "memory".into()
    }

    fn len(&self) -> Result<u64> {
        Ok(self.lock().len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let bytes = self.lock();
        let rest = bytes.get(index(offset)?..).unwrap_or_default();
        let size = rest.len().min(buffer.len());
        buffer[..size].copy_from_slice(&rest[..size]);
        Ok(size)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        let start = index(offset)?;
        let end = start
            .checked_add(data.len())
            .ok_or_else(|| Error::new(ErrorKind::Memory, "offset too large for memory"))?;
        let mut bytes = self.lock();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(data);
        Ok(())
    }

    fn set_len(&self, size: u64) -> Result<()> {
        self.lock().resize(index(size)?, 0);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

impl Sink for Vec<u8> {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        self.extend_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Feed for &[u8] {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let (now, later) = self.split_at(self.len().min(buffer.len()));
        buffer[..now.len()].copy_from_slice(now);
        *self = later;
        Ok(now.len())
    }
}
