//! Resources of a pipable archive: what they are stands in front, the chunk table behind.

use zerocopy::IntoBytes;

use crate::Result;
use crate::format::resource::{Chunking, PipableHeader};
use crate::format::{ResourceFlags, ResourceHeader};
use crate::hash::Sha1;
use crate::write::output::Output;

/// What is known of a resource before its first byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Bytes when uncompressed.
    pub size: u64,
    /// Of the uncompressed data.
    pub hash: Sha1,
    /// Without [`ResourceFlags::COMPRESSED`].
    pub flags: ResourceFlags,
    /// `None` for a resource without chunks.
    pub chunk_size: Option<u32>,
}

/// A resource being written.
pub(super) struct Writing {
    head: Head,
    chunking: Option<Chunking>,
    offset: u64,
    /// Bytes of chunks so far, without what stands in front of each.
    stored: u64,
    chunks: u64,
    table: Vec<u8>,
}

impl Writing {
    /// Writes what stands in front.
    pub fn begin(output: &mut Output<'_>, mut head: Head) -> Result<Self> {
        let chunking = head.chunk_size.map(|chunk_size| Chunking {
            total: head.size,
            chunk_size,
        });
        head.flags
            .set(ResourceFlags::COMPRESSED, chunking.is_some());
        let prefix = PipableHeader::new(head.size, head.hash, head.flags);
        output.append(prefix.as_bytes())?;
        Ok(Self {
            head,
            chunking,
            offset: output.position(),
            stored: 0,
            chunks: 0,
            table: Vec::new(),
        })
    }

    /// Writes a chunk as it is stored, or plain data if there are no chunks.
    pub fn push(&mut self, output: &mut Output<'_>, stored: &[u8]) -> Result<()> {
        if let Some(chunking) = &self.chunking {
            if self.chunks > 0 {
                chunking.push_entry(&mut self.table, self.stored);
            }
            output.append(&(stored.len() as u32).to_le_bytes())?;
        }
        self.chunks += 1;
        self.stored += stored.len() as u64;
        output.append(stored)
    }

    /// Writes the chunk table.
    pub fn end(self, output: &mut Output<'_>) -> Result<ResourceHeader> {
        output.append(&self.table)?;
        Ok(ResourceHeader {
            size: output.position() - self.offset,
            flags: self.head.flags,
            offset: self.offset,
            uncompressed_size: self.head.size,
        })
    }
}
