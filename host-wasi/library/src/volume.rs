//! Volumes of the host.

use std::io;

use wimforge_core::ErrorKind;
use wimforge_ntfs::ReadAt;

use crate::bindings::wimforge::imaging::volume::Device;
use crate::failure::{FromHost, fill, request};

/// The bytes of a volume or disk.
pub struct HostDevice(pub Device);

impl ReadAt for HostDevice {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let data = self
            .0
            .read(offset, request(buffer))
            .or_fail(ErrorKind::Read);
        data.and_then(|data| fill(buffer, &data))
            .map_err(io::Error::other)
    }

    fn size(&self) -> u64 {
        self.0.size()
    }
}
