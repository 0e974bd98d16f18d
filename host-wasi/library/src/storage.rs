//! Files of the host.

use wimforge_core::port::Storage;
use wimforge_core::{ErrorKind, Result};

use crate::bindings::wimforge::imaging::storage::File;
use crate::failure::{FromHost, fill, request};

/// A file of the host.
pub struct HostFile(pub File);

impl Storage for HostFile {
    fn name(&self) -> String {
        self.0.name()
    }

    fn len(&self) -> Result<u64> {
        self.0.size().or_fail(ErrorKind::Read)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let data = self
            .0
            .read(offset, request(buffer))
            .or_fail(ErrorKind::Read)?;
        fill(buffer, &data)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.0.write(offset, data).or_fail(ErrorKind::Write)
    }

    fn set_len(&self, size: u64) -> Result<()> {
        self.0.set_size(size).or_fail(ErrorKind::Write)
    }

    fn sync(&self) -> Result<()> {
        self.0.sync().or_fail(ErrorKind::Write)
    }
}
