//! The end of every writing: tables, then, when all is on the medium, the header.

use super::output::Output;
use super::tables::write_blob_table;
use crate::Result;
use crate::archive::{BlobPool, MetadataResource, hash_range};
use crate::format::integrity::{IntegrityTable, Recorder};
use crate::format::{Header, ResourceFlags, ResourceHeader};
use crate::hash::Sha1;
use crate::port::{Event, Observer, Phase, Storage, Unit};
use crate::xml::WimXml;

/// What is left to be written when all data and metadata are.
pub(super) struct Commit<'c, 'o> {
    pub output: Output<'o>,
    /// Complete but for the places of the tables.
    pub header: Header,
    pub images: &'c [MetadataResource],
    pub pool: &'c BlobPool,
    /// The blob table, if the file has it already.
    pub kept_table: Option<ResourceHeader>,
    pub xml: WimXml,
    /// Piece size of the integrity table, if there is to be one.
    pub piece_size: Option<u32>,
    pub observer: &'c dyn Observer,
}

/// Writes the tables and the header; returns the size of the file.
///
/// Until the header is written the file is what its old header says. The data is synced before and
/// the header after, so that no header on the medium ever speaks of data that is not.
pub(super) fn finish(commit: Commit<'_, '_>) -> Result<u64> {
    let Commit {
        mut output,
        mut header,
        images,
        pool,
        kept_table,
        mut xml,
        piece_size,
        observer,
    } = commit;
    let storage = output.storage()?;
    header.blob_table = match kept_table {
        Some(table) => table,
        None => write_blob_table(&mut output, images, pool, header.part)?,
    };
    if header.blob_table.is_absent() {
        header.blob_table = ResourceHeader::default();
    }
    let piece_size = piece_size.filter(|_| !header.blob_table.is_absent());
    let table_end = header.blob_table.end().unwrap_or(0);
    let recorder = output.take_recorder();
    let xml_at = output.position();
    if header.parts <= 1 {
        // Parts of a split WIM tell the size of the whole.
        xml.set_total_bytes(Some(xml_at));
    }
    let xml = xml.encode();
    output.append(&xml)?;
    header.xml = ResourceHeader {
        size: xml.len() as u64,
        flags: ResourceFlags::METADATA,
        offset: xml_at,
        uncompressed_size: xml.len() as u64,
    };
    header.integrity = ResourceHeader::default();
    if let Some(piece_size) = piece_size {
        output.flush()?;
        let pieces = pieces(storage, recorder, piece_size, table_end, observer)?;
        let table = IntegrityTable { piece_size, pieces }.encode();
        header.integrity = ResourceHeader {
            size: table.len() as u64,
            flags: ResourceFlags::empty(),
            offset: output.position(),
            uncompressed_size: table.len() as u64,
        };
        output.append(&table)?;
    }
    output.flush()?;
    let size = output.position();
    storage.sync()?;
    storage.write_at(0, &header.encode())?;
    if storage.len()? > size {
        // Left over from an earlier attempt that was interrupted.
        storage.set_len(size)?;
    }
    storage.sync()?;
    observer.event(&Event::Finished {
        phase: Phase::Write,
    });
    Ok(size)
}

/// The pieces of the integrity table: as recorded while writing, the others read back.
fn pieces(
    storage: &dyn Storage,
    recorder: Option<Recorder>,
    piece_size: u32,
    end: u64,
    observer: &dyn Observer,
) -> Result<Vec<Sha1>> {
    let recorded = recorder.map(Recorder::finish).unwrap_or_default();
    let count = crate::format::integrity::piece_count(piece_size, end);
    let mut pieces = Vec::with_capacity(count as usize);
    for index in 0..count {
        let range = IntegrityTable::range(piece_size, index, end);
        let total = end - Header::SIZE as u64;
        observer.event(&Event::Progress {
            phase: Phase::Integrity,
            unit: Unit::Bytes,
            done: range.end - Header::SIZE as u64,
            total,
        });
        pieces.push(match recorded.get(index as usize).copied().flatten() {
            Some(hash) => hash,
            None => hash_range(storage, range, observer)?,
        });
    }
    observer.event(&Event::Finished {
        phase: Phase::Integrity,
    });
    Ok(pieces)
}
