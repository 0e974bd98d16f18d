//! Writing the blob table.

use super::output::Output;
use crate::Result;
use crate::archive::{BlobPool, MetadataResource, Place};
use crate::format::{BlobEntry, ResourceFlags, ResourceHeader, SolidMarker};
use crate::hash::Sha1;
use crate::order::sort_by;

/// Writes the entries of all images, then of the blobs that lie in this file, at the end of the
/// output.
pub(crate) fn write_blob_table(
    output: &mut Output<'_>,
    images: &[MetadataResource],
    pool: &BlobPool,
    part: u16,
) -> Result<ResourceHeader> {
    let mut table = Table {
        start: output.position(),
        output,
        buffer: Vec::new(),
        part,
    };
    for metadata in images {
        table.push(metadata.resource, 1, metadata.hash)?;
    }
    let mut alone: Vec<(u64, usize)> = Vec::new();
    let mut solid: Vec<(u32, u64, usize)> = Vec::new();
    let blobs: Vec<_> = pool.iter().map(|(_, blob)| blob).collect();
    for (index, blob) in blobs.iter().enumerate() {
        match blob.place {
            Place::Alone { file: 0, resource } => alone.push((resource.offset, index)),
            Place::Solid {
                solid: number,
                offset,
            } if pool.solids[number as usize].file == 0 => {
                solid.push((number, offset, index));
            }
            _ => {}
        }
    }
    alone.sort_unstable();
    for (_, index) in alone {
        let blob = blobs[index];
        if let Place::Alone { resource, .. } = blob.place {
            table.push(resource, blob.references, blob.hash)?;
        }
    }
    // One run holds all solid resources: positions count through the data of those before.
    sort_by(&mut solid, Ord::cmp);
    let mut base = 0;
    for (number, resource) in (0u32..).zip(&pool.solids).filter(|entry| entry.1.file == 0) {
        let marker = ResourceHeader {
            flags: ResourceFlags::SOLID,
            uncompressed_size: SolidMarker::MAGIC,
            ..resource.resource
        };
        table.push(marker, 1, Sha1::ZERO)?;
        let first = solid.partition_point(|entry| entry.0 < number);
        let end = solid.partition_point(|entry| entry.0 <= number);
        for &(_, offset, index) in &solid[first..end] {
            let blob = blobs[index];
            let place = ResourceHeader {
                size: blob.size,
                flags: ResourceFlags::SOLID,
                offset: base + offset,
                uncompressed_size: 0,
            };
            table.push(place, blob.references, blob.hash)?;
        }
        base += resource.chunks.total();
    }
    table.finish()
}

struct Table<'t, 'o> {
    start: u64,
    output: &'t mut Output<'o>,
    buffer: Vec<u8>,
    part: u16,
}

impl Table<'_, '_> {
    fn push(&mut self, resource: ResourceHeader, references: u32, hash: Sha1) -> Result<()> {
        let entry = BlobEntry {
            resource,
            part: self.part,
            references,
            hash,
        };
        entry.encode(&mut self.buffer);
        if self.buffer.len() > 60_000 {
            self.output.append(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn finish(self) -> Result<ResourceHeader> {
        self.output.append(&self.buffer)?;
        let size = self.output.position() - self.start;
        Ok(ResourceHeader {
            size,
            flags: ResourceFlags::METADATA,
            offset: self.start,
            uncompressed_size: size,
        })
    }
}
