//! What every part of the reader needs: the device, its geometry, the limits.

use std::sync::Arc;

use crate::boot::Geometry;
use crate::device::{self, ReadAt};
use crate::error::Result;
use crate::limits::Limits;

pub(crate) struct Context {
    pub device: Arc<dyn ReadAt>,
    pub geometry: Geometry,
    pub limits: Limits,
}

impl Context {
    /// Fills `buf` with bytes of the volume from a cluster on.
    pub fn read(&self, lcn: u64, skip: u64, buf: &mut [u8]) -> Result<()> {
        let offset = self.geometry.offset(lcn) + skip;
        device::read_exact(&*self.device, offset, buf)
    }

    pub fn cluster_size(&self) -> u64 {
        u64::from(self.geometry.cluster_size)
    }

    pub fn record_size(&self) -> usize {
        self.geometry.record_size as usize
    }
}
