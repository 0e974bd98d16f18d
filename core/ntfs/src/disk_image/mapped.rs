//! A disk whose blocks lie anywhere in a file, or nowhere.

use std::io;
use std::sync::Arc;

use crate::device::ReadAt;

/// Where a block lies in the file; 0, where no block can be, stands for zeros.
pub(super) type BlockPlace = u64;

/// See the module.
pub(super) struct Mapped {
    pub file: Arc<dyn ReadAt>,
    /// Bytes of the disk.
    pub size: u64,
    /// Bytes of a block, not 0.
    pub block_size: u64,
    /// One for each block of the disk.
    pub blocks: Vec<BlockPlace>,
}

impl ReadAt for Mapped {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.size.checked_sub(offset) else {
            return Ok(0);
        };
        let within = offset % self.block_size;
        let count = left.min(self.block_size - within).min(buf.len() as u64) as usize;
        let block = usize::try_from(offset / self.block_size).unwrap_or(usize::MAX);
        match self.blocks.get(block) {
            None | Some(0) => {
                buf[..count].fill(0);
                Ok(count)
            }
            Some(place) => self.file.read_at(place + within, &mut buf[..count]),
        }
    }

    fn size(&self) -> u64 {
        self.size
    }
}
