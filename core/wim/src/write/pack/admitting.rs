//! What becomes of items that were read: each learns its hash, and what is new is stored.

use std::ops::Range;
use std::sync::Arc;

use super::jobs::{Held, Read};
use super::{Driver, Item};
use crate::archive::{Blob, BlobId, Place};
use crate::format::ResourceHeader;
use crate::hash::Sha1;
use crate::port::{Event, OnUnreadable, Phase, Unit};
use crate::write::blob_writer::Slice;
use crate::write::buffers::Buffer;
use crate::{Error, ErrorKind, Result, text};

/// A new blob in its batch's buffer.
struct NewBlob {
    blob: BlobId,
    range: Range<usize>,
}

/// A batch of which little is new would keep all of its memory for it: what is new is copied then.
fn compact(buffer: Arc<Buffer>, new: &mut [NewBlob]) -> Arc<Buffer> {
    let bytes: usize = new.iter().map(|new| new.range.len()).sum();
    if bytes > buffer.len() / 2 {
        return buffer;
    }
    let mut kept = Vec::with_capacity(bytes);
    for new in new {
        let start = kept.len();
        kept.extend_from_slice(&buffer[new.range.clone()]);
        new.range = start..kept.len();
    }
    Arc::new(kept.into())
}

impl Driver<'_, '_, '_> {
    /// Small items were read: what is new among them is stored.
    pub(super) fn batch_loaded(
        &mut self,
        items: Vec<Item>,
        buffer: Arc<Buffer>,
        read: Vec<Result<Read>>,
    ) -> Result<()> {
        let mut new = Vec::new();
        let mut end = 0;
        for (item, read) in items.into_iter().zip(read) {
            let start = end;
            end += item.expected.size as usize;
            match self.admit(&item, read)? {
                Some(blob) => new.push(NewBlob {
                    blob,
                    range: start..end,
                }),
                None => self.in_flight -= item.expected.size,
            }
        }
        let buffer = compact(buffer, &mut new);
        new.into_iter().try_for_each(|NewBlob { blob, range }| {
            let buffer = Arc::clone(&buffer);
            self.store(blob, vec![Slice { buffer, range }])
        })
    }

    /// The same for an item with buffers of its own.
    pub(super) fn item_loaded(&mut self, item: &Item, held: Result<Held>) -> Result<()> {
        let (pieces, read) = match held {
            Ok(held) => (held.pieces, Ok(held.read)),
            Err(error) => (Vec::new(), Err(error)),
        };
        match self.admit(item, read)? {
            Some(blob) => self.store(blob, pieces),
            None => {
                self.in_flight -= item.expected.size;
                Ok(())
            }
        }
    }

    /// The blob that an item becomes, unless it is there already or could not be read.
    pub(super) fn admit(&mut self, item: &Item, read: Result<Read>) -> Result<Option<BlobId>> {
        match read {
            Ok(read) => {
                if read.changed {
                    self.warn_changed(item);
                }
                self.claim(item, read.hash)
            }
            Err(error) => {
                self.unreadable(item, error)?;
                Ok(None)
            }
        }
    }

    /// Gives the item its hash. The blob, if it is new and has to be stored.
    pub(super) fn claim(&mut self, item: &Item, hash: Sha1) -> Result<Option<BlobId>> {
        self.settle(item, hash)?;
        if self.pool.find(&hash).is_some() {
            self.total_bytes -= item.expected.size;
            return Ok(None);
        }
        let blob = Blob {
            hash,
            references: 0,
            size: item.expected.size,
            place: Place::Claimed,
        };
        self.pool.insert(blob).map(Some)
    }

    /// A new blob has a resource of its own.
    pub(super) fn enter(&mut self, blob: BlobId, resource: ResourceHeader) {
        self.pool.get_mut(blob).place = Place::Alone { file: 0, resource };
        self.done_bytes += resource.uncompressed_size;
        self.report();
    }

    /// Tells the manifest the hash of an item.
    pub(super) fn settle(&mut self, item: &Item, hash: Sha1) -> Result<()> {
        let settled = self.manifest.settle(item.number, hash);
        settled.map_err(|error| error.at(self.show(item)))
    }

    pub(super) fn report(&self) {
        self.observer.event(&Event::Progress {
            phase: Phase::Write,
            unit: Unit::Bytes,
            done: self.done_bytes,
            total: self.total_bytes,
        });
    }

    fn show(&self, item: &Item) -> String {
        text::Show(&self.manifest.path(item.number)).to_string()
    }

    pub(super) fn warn_changed(&self, item: &Item) {
        let path = self.show(item);
        self.observer.event(&Event::Warning(&format!(
            "{path}: the file was changed while it was being captured; \
             the data stored is what was read"
        )));
    }

    /// Ends the operation, or notes a file that is left out.
    pub(super) fn unreadable(&mut self, item: &Item, error: Error) -> Result<()> {
        let skippable = !matches!(
            error.kind(),
            ErrorKind::Write | ErrorKind::Cancelled | ErrorKind::Memory
        );
        if self.options.on_unreadable == OnUnreadable::Fail || !skippable {
            return Err(error.at(self.show(item)));
        }
        let path = self.manifest.path(item.number);
        self.observer.event(&Event::Skipped {
            path: &path,
            error: &error,
        });
        self.manifest.leave_out(item.number);
        self.total_bytes -= item.expected.size;
        Ok(())
    }
}
