//! Adding an image to an archive that exists: in place, or by writing the archive anew.
//!
//! In place, the new data goes behind the old end. Of the old file only the flag "being written" is
//! changed until the very end, when the header is replaced; a failure before that cuts the file off
//! where it ended and takes the flag back, a crash leaves it valid with its old images and some
//! bytes behind its end that the next append overwrites.

use super::capture::{
    Added, CaptureSummary, IntegrityChoice, NewImage, WriteOptions, add_image, refuse_if_read_only,
};
use super::commit::{self, Commit};
use super::draft::{Before, Draft};
use super::output::Output;
use super::pack::PackOptions;
use super::transfer::{Reuse, Transfer, copy_resource};
use crate::archive::{Archive, BlobId, BlobPool, Place};
use crate::format::integrity::{KEPT_PIECE_SIZES, PIECE_SIZE, Recorder};
use crate::format::{Header, HeaderFlags, Layout, ResourceHeader};
use crate::hash::Sha1;
use crate::port::{Observer, Storage, Workers};
use crate::{Error, ErrorKind, Result};

/// Adds an image in place. The caller holds the lock on the file.
///
/// # Errors
/// [`ErrorKind::ReadOnly`], [`ErrorKind::ResourceOrder`] if something lies behind the XML data, what
/// [`super::capture()`] returns. The file is then what it was before.
pub fn append(
    archive: Archive,
    new: NewImage<'_>,
    options: &WriteOptions,
    workers: &dyn Workers,
    observer: &dyn Observer,
) -> Result<CaptureSummary> {
    let storage = std::sync::Arc::clone(archive.storage());
    let mut draft = Draft::append(archive, options)?;
    let summary = draft.add(&*storage, new, options, workers, observer)?;
    let size = draft.finish(&*storage, observer)?;
    Ok(CaptureSummary { size, ..summary })
}

/// See [`Draft::append`].
pub(super) fn begin(archive: Archive, options: &WriteOptions) -> Result<Draft> {
    check_appendable(&archive)?;
    let storage = std::sync::Arc::clone(archive.storage());
    let before = Before::read(&*storage, archive.size)?;
    let header = archive.header().clone();
    let position = old_end(&header);
    let (piece_size, recorder) = integrity_plan(&archive, options.integrity, position);
    let in_progress = header.flags | HeaderFlags::WRITE_IN_PROGRESS;
    storage.write_at(Header::FLAGS_OFFSET, &in_progress.bits().to_le_bytes())?;
    Ok(Draft {
        header,
        xml: archive.xml,
        images: archive.images,
        blobs: archive.blobs,
        position,
        recorder,
        piece_size,
        guid_of_images: false,
        before: Some(before),
        is_undone: false,
    })
}

/// Whether [`append`] can be done in place.
///
/// # Errors
/// [`ErrorKind::ReadOnly`], [`ErrorKind::ResourceOrder`].
fn check_appendable(archive: &Archive) -> Result<()> {
    let header = archive.header();
    let name = archive.storage().name();
    refuse_if_read_only(header, &name)?;
    let out_of_order = |what: &str| {
        Error::new(
            ErrorKind::ResourceOrder,
            format!("{name}: {what}; use --rebuild"),
        )
    };
    if header.layout == Layout::Pipable {
        return Err(out_of_order("it is pipable"));
    }
    let xml_end = header.xml.end().unwrap_or(u64::MAX);
    let table_end = header.blob_table.end().unwrap_or(u64::MAX);
    if table_end > header.xml.offset {
        return Err(out_of_order("its blob table lies behind its XML data"));
    }
    let resources = archive
        .blobs
        .iter()
        .filter_map(|(_, blob)| match blob.place {
            Place::Alone { file: 0, resource } => Some(resource),
            _ => None,
        });
    let solids = archive
        .blobs
        .solids
        .iter()
        .filter(|solid| solid.file == 0)
        .map(|solid| solid.resource);
    let images = archive.images.iter().map(|metadata| metadata.resource);
    if resources
        .chain(solids)
        .chain(images)
        .any(|resource| resource.end().is_none_or(|end| end > xml_end))
    {
        return Err(out_of_order("data lies behind its XML data"));
    }
    Ok(())
}

/// The end of what the header speaks of.
fn old_end(header: &Header) -> u64 {
    let resources = [&header.blob_table, &header.xml, &header.integrity];
    resources
        .into_iter()
        .filter_map(ResourceHeader::end)
        .max()
        .unwrap_or(Header::SIZE as u64)
}

/// Piece size of the new integrity table, if there is to be one, with a recorder that knows the
/// pieces of the old table that stay as they are.
fn integrity_plan(
    archive: &Archive,
    choice: IntegrityChoice,
    start: u64,
) -> (Option<u32>, Option<Recorder>) {
    let had_one = !archive.header().integrity.is_absent();
    let wanted = match choice {
        IntegrityChoice::Keep => had_one,
        IntegrityChoice::Include => true,
        IntegrityChoice::Omit => false,
    };
    if !wanted {
        return (None, None);
    }
    let table = archive.integrity_table().ok().flatten();
    let table = table.filter(|table| KEPT_PIECE_SIZES.contains(&table.piece_size));
    let (piece_size, known): (u32, Vec<Sha1>) = match table {
        Some(table) => {
            // The last piece ends with the old blob table, not at a piece's end.
            let end = archive.header().blob_table.end().unwrap_or(0);
            let full = end.saturating_sub(Header::SIZE as u64) / u64::from(table.piece_size);
            let known = table.pieces.into_iter().take(full as usize).collect();
            (table.piece_size, known)
        }
        None => (PIECE_SIZE, Vec::new()),
    };
    (
        Some(piece_size),
        Some(Recorder::new(piece_size, &known, start)),
    )
}

/// Writes the archive anew into an empty storage, without what nothing refers to, and adds the image
/// if there is one. The caller puts it in the place of the old one afterwards.
///
/// # Errors
/// As [`append`]; [`ErrorKind::Unsupported`] for a pipable archive.
pub fn rebuild(
    archive: &Archive,
    storage: &dyn Storage,
    new: Option<NewImage<'_>>,
    options: &WriteOptions,
    workers: &dyn Workers,
    observer: &dyn Observer,
) -> Result<CaptureSummary> {
    let mut header = archive.header().clone();
    refuse_if_read_only(&header, &archive.storage().name())?;
    if header.layout == Layout::Pipable {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "rebuilding a pipable WIM is not supported",
        ));
    }
    let kept = HeaderFlags::RP_FIX | HeaderFlags::READONLY;
    header.flags = (header.flags & kept) | HeaderFlags::WRITE_IN_PROGRESS;
    storage.write_at(0, &header.encode())?;
    let piece_size = match options.integrity {
        IntegrityChoice::Keep if header.integrity.is_absent() => None,
        IntegrityChoice::Omit => None,
        IntegrityChoice::Keep | IntegrityChoice::Include => Some(PIECE_SIZE),
    };
    let start = Header::SIZE as u64;
    let recorder = piece_size.map(|piece_size| Recorder::new(piece_size, &[], start));
    let mut output = Output::new(storage, start, recorder);
    let mut xml = archive.xml.clone();
    let mut images = archive.images.clone();
    let mut pool = BlobPool::default();
    let own = archive
        .blobs
        .iter()
        .filter(|(_, blob)| blob.references > 0 && archive.blobs.file_of(blob) == Some(0));
    let own: Vec<BlobId> = own.map(|(id, _)| id).collect();
    let transfer = Transfer {
        from: archive,
        wanted: own.clone(),
        reuse: Reuse::ALONE | Reuse::SOLID,
    };
    let pack = PackOptions {
        compression: header.compression,
        level: options.level,
        on_unreadable: options.on_unreadable,
    };
    transfer.run(&mut pool, &mut output, pack, workers, observer)?;
    for id in own {
        let blob = archive.blobs.get(id);
        if let Some(id) = pool.find(&blob.hash) {
            pool.get_mut(id).references = blob.references;
        }
    }
    let added = match new {
        Some(new) => {
            let added = add_image(
                new,
                &mut output,
                &mut pool,
                &mut xml,
                &mut header,
                options,
                workers,
                observer,
            )?;
            Some(added)
        }
        None => None,
    };
    for metadata in &mut images {
        metadata.resource = copy_resource(&**archive.storage(), &metadata.resource, &mut output)?;
    }
    if let Some(slot) = (header.boot_index as usize).checked_sub(1)
        && let Some(metadata) = images.get(slot)
    {
        header.boot_metadata = metadata.resource;
    }
    let summary = added
        .as_ref()
        .map(|added| added.summary)
        .unwrap_or_default();
    images.extend(added.map(|Added { metadata, .. }| metadata));
    header.flags.remove(HeaderFlags::WRITE_IN_PROGRESS);
    let size = commit::finish(Commit {
        output,
        header,
        images: &images,
        pool: &pool,
        xml,
        piece_size,
        observer,
    })?;
    Ok(CaptureSummary { size, ..summary })
}
