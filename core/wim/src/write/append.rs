//! Adding an image to an archive that exists, in place.
//!
//! The new data goes behind the old end. Of the old file only the flag "being written" is
//! changed until the very end, when the header is replaced; a failure before that cuts the file off
//! where it ended and takes the flag back, a crash leaves it valid with its old images and some
//! bytes behind its end that the next append overwrites.

use super::capture::{
    CaptureSummary, IntegrityChoice, NewImage, WriteOptions, refuse_if_read_only,
};
use super::draft::{Before, Draft};
use super::means::Means;
use crate::archive::{Archive, Place};
use crate::format::integrity::{KEPT_PIECE_SIZES, PIECE_SIZE, Recorder};
use crate::format::{Header, HeaderFlags, Layout, ResourceHeader};
use crate::hash::Sha1;
use crate::{Error, ErrorKind, Result};

/// Adds an image in place. The caller holds the lock on the file.
///
/// # Errors
/// [`ErrorKind::ReadOnly`], [`ErrorKind::ResourceOrder`] if something lies behind the XML data, what
/// [`super::capture()`] returns. The file is then what it was before.
pub fn append(archive: Archive, new: NewImage<'_>, means: &Means<'_>) -> Result<CaptureSummary> {
    let storage = std::sync::Arc::clone(archive.storage());
    let mut draft = Draft::append(archive, means.options)?;
    let summary = draft.add(&*storage, new, means)?;
    let size = draft.finish(&*storage, means.observer)?;
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
        kept_table: Some(header.blob_table),
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
pub fn check_appendable(archive: &Archive) -> Result<()> {
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
pub(super) fn integrity_plan(
    archive: &Archive,
    choice: IntegrityChoice,
    start: u64,
) -> (Option<u32>, Option<Recorder>) {
    let had_one = !archive.header().integrity.is_absent();
    if !choice.includes(had_one) {
        return (None, None);
    }
    // Where the old table cannot be read all pieces are hashed anew; `--check` looks at it first.
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
