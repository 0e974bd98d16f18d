//! Other instances of this component, through the host.

use wimforge_codec::{Format, Level};
use wimforge_core::port::{RemoteCompressor, RemoteJob};
use wimforge_core::{ErrorKind, Result};

use crate::bindings::wimforge::imaging::workers::{Batch, Job, Pool};
use crate::convert;
use crate::failure::FromHost;

/// A pool of the host.
pub struct HostPool(pub Pool);

impl RemoteCompressor for HostPool {
    fn submit(
        &self,
        format: Format,
        chunk_size: u32,
        level: Level,
        chunks: &[&[u8]],
    ) -> Result<Box<dyn RemoteJob>> {
        let batch = Batch {
            format: convert::from_format(format),
            chunk_size,
            level: level.0,
            chunks: chunks.iter().map(|chunk| chunk.to_vec()).collect(),
        };
        let job = self.0.submit(&batch).or_fail(ErrorKind::Memory)?;
        Ok(Box::new(HostJob(job)))
    }
}

struct HostJob(Job);

impl RemoteJob for HostJob {
    fn wait(self: Box<Self>) -> Result<Vec<Option<Vec<u8>>>> {
        self.0.wait().or_fail(ErrorKind::Memory)
    }
}
