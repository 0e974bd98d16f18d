//! Archives that can be read in one pass, from a pipe, and written to one.
//!
//! What a reader needs first comes first, so everything has to be known before the first byte is
//! written:
//!
//! ```text
//! hash everything  ─▶  header, XML data, metadata  ─▶  data of all blobs  ─▶  blob table, XML data again,
//!                      of all images                   each with its hash      integrity table, header again
//! ```
//!
//! Nothing that was written is touched again. File data is read twice, once to hash it and once to store
//! it; a file that is not the same then ends the operation.

mod contents;
mod hash;
mod prepared;
mod resource;
mod store;

pub use self::contents::Contents;
pub(super) use self::contents::Part;
pub use self::hash::hash_contents;
use self::prepared::Prepared;
use super::capture::{CaptureSummary, IntegrityChoice, guid_of};
use super::means::Means;
use super::output::Output;
use super::tables::write_blob_table;
use crate::archive::MetadataResource;
use crate::format::integrity::{IntegrityTable, PIECE_SIZE, Recorder};
use crate::format::{Header, ResourceFlags, ResourceHeader};
use crate::port::memory::MemoryStorage;
use crate::port::{Event, Observer, Phase, Sink, Storage, Workers};
use crate::xml::WimXml;
use crate::{Error, ErrorKind, Result};

/// Where a pipable archive goes.
pub enum Destination<'a> {
    /// An empty file.
    File(&'a dyn Storage),
    /// A pipe. An integrity table is not possible there.
    Pipe(&'a mut dyn Sink),
}

/// Writes a pipable archive. To a file everything is on the medium when this returns; the caller puts it
/// in its place.
///
/// # Errors
/// [`ErrorKind::Parameter`] for an integrity table on a pipe; [`ErrorKind::Changed`] for files that
/// are not the same when they are read for the second time; what [`super::capture()`] and
/// [`super::rebuild()`] return.
pub fn write(
    destination: Destination<'_>,
    contents: Contents<'_>,
    means: &Means<'_>,
) -> Result<CaptureSummary> {
    let wants_table = means
        .options
        .integrity
        .includes(contents.has_integrity_table());
    let (output, storage) = match destination {
        Destination::File(storage) => (Output::new(storage, 0, None), Some(storage)),
        Destination::Pipe(_) if means.options.integrity == IntegrityChoice::Include => {
            return Err(Error::new(
                ErrorKind::Parameter,
                "a WIM that is written to a pipe cannot have an integrity table",
            ));
        }
        Destination::Pipe(sink) => (Output::to_sink(sink), None),
    };
    let (prepared, summary) = contents.prepare(means)?;
    let mut writer = Writer {
        output,
        observer: means.observer,
        with_table: wants_table && storage.is_some(),
    };
    let size = writer.write(prepared, means.workers)?;
    if let Some(storage) = storage {
        storage.sync()?;
    }
    means.observer.event(&Event::Finished {
        phase: Phase::Write,
    });
    Ok(CaptureSummary { size, ..summary })
}

struct Writer<'a> {
    output: Output<'a>,
    observer: &'a dyn Observer,
    with_table: bool,
}

impl Writer<'_> {
    fn write(&mut self, mut archive: Prepared<'_>, workers: &dyn Workers) -> Result<u64> {
        let output = &mut self.output;
        let mut header = archive.header.clone();
        if archive.guid_of_images {
            header.guid = guid_of(archive.hashes());
        }
        output.append(&leading(&header).encode())?;
        if self.with_table {
            output.record(Recorder::new(PIECE_SIZE, &[], output.position()));
        }
        archive.xml.set_total_bytes(None);
        write_plain(output, &archive.xml.encode())?;
        let images = archive.write_metadata(output, workers)?;
        archive.store(output, workers, self.observer)?;
        header.blob_table = write_table(output, &images, &archive, header.part)?;
        let recorder = output.take_recorder();
        let table_end = output.position();
        header.xml = write_xml(output, &mut archive.xml)?;
        header.boot_metadata = (header.boot_index as usize)
            .checked_sub(1)
            .and_then(|slot| images.get(slot))
            .map_or(ResourceHeader::default(), |metadata| metadata.resource);
        if self.with_table
            && let Some(recorder) = recorder
        {
            header.integrity = write_integrity(output, recorder, table_end)?;
        }
        output.append(&header.encode())?;
        output.flush()?;
        Ok(output.position())
    }
}

/// The header that stands first: where the tables are is not known yet.
fn leading(header: &Header) -> Header {
    Header {
        blob_table: ResourceHeader::default(),
        xml: ResourceHeader::default(),
        boot_metadata: ResourceHeader::default(),
        integrity: ResourceHeader::default(),
        ..header.clone()
    }
}

/// A resource that is never compressed, such as the XML data.
fn write_plain(output: &mut Output<'_>, data: &[u8]) -> Result<ResourceHeader> {
    let head = resource::Head {
        size: data.len() as u64,
        hash: crate::hash::Sha1::of(data),
        flags: ResourceFlags::METADATA,
        chunk_size: None,
    };
    let mut writing = resource::Writing::begin(output, head)?;
    writing.push(output, data)?;
    writing.end(output)
}

fn write_xml(output: &mut Output<'_>, xml: &mut WimXml) -> Result<ResourceHeader> {
    xml.set_total_bytes(Some(output.position()));
    write_plain(output, &xml.encode())
}

/// The table is made in memory, for its hash comes first.
fn write_table(
    output: &mut Output<'_>,
    images: &[MetadataResource],
    archive: &Prepared<'_>,
    part: u16,
) -> Result<ResourceHeader> {
    let storage = MemoryStorage::default();
    let mut memory = Output::new(&storage, 0, None);
    write_blob_table(&mut memory, images, &archive.pool, part)?;
    memory.flush()?;
    write_plain(output, &storage.bytes())
}

fn write_integrity(
    output: &mut Output<'_>,
    recorder: Recorder,
    table_end: u64,
) -> Result<ResourceHeader> {
    let pieces: Option<Vec<_>> = recorder.finish().into_iter().collect();
    let pieces = pieces.ok_or_else(|| {
        let what = format!("not all of the {table_end} bytes were hashed when they were written");
        Error::new(ErrorKind::IntegrityTable, what)
    })?;
    let table = IntegrityTable {
        piece_size: PIECE_SIZE,
        pieces,
    };
    let table = table.encode();
    let offset = output.position();
    output.append(&table)?;
    Ok(ResourceHeader {
        size: table.len() as u64,
        flags: ResourceFlags::empty(),
        offset,
        uncompressed_size: table.len() as u64,
    })
}
