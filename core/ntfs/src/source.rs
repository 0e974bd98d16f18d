//! A volume as a source of capture.
//!
//! Everything on a volume that an archive can hold is reported: all names but those of the file
//! system's own files, short names, attributes and times as stored, all streams of files and
//! directories, security descriptors, reparse points, object ids and extended attributes. Names of one
//! record are hard links. Damage of one file is a problem of its entry, so that the rest can be
//! captured without it.

mod describe;
mod entry;
mod find;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use wimforge_core::port::{
    Entry, EntryBatch, EntryProblem, EntryWarning, Node, OpenStream, Source, Stamp, Wanted,
};
use wimforge_core::{Error, ErrorKind, Result};

pub use self::describe::{Description, describe};
use self::entry::{is_shown, named_streams, show_reference};
pub use self::find::find_volume;
use crate::attribute::AttributeType;
use crate::catalog::Catalog;
use crate::device::ReadAt;
use crate::error::Place;
use crate::limits::Limits;
use crate::record::FileReference;
use crate::state::Warning;
use crate::stream::Stream;
use crate::volume::Volume;
use crate::{error, name, wof};

/// How a volume is captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceOptions {
    /// Show files that the system compressed as Windows shows them, not as reparse points.
    pub decode_system_compression: bool,
}

/// A volume as a source of capture.
pub struct NtfsSource {
    name: String,
    volume: Volume,
    /// Only while directories are being read: see [`NtfsSource::catalog`].
    catalog: Mutex<Option<Arc<Catalog>>>,
    options: SourceOptions,
    /// Descriptors of `$Secure` that were read.
    descriptors: Mutex<HashMap<u32, Arc<[u8]>>>,
}

impl NtfsSource {
    /// Opens the volume that begins with the first byte of `device` and reads its `$MFT`. `name` is
    /// for messages: the path the user gave.
    ///
    /// # Errors
    /// [`ErrorKind::Ntfs`] if it is something else, which is named, or too damaged;
    /// [`ErrorKind::Read`] if the device cannot be read.
    pub fn open(device: Arc<dyn ReadAt>, name: String, options: SourceOptions) -> Result<Self> {
        let volume = Volume::open(device, Limits::default());
        let volume = volume.map_err(|error| Error::from(error).at(quoted(&name)))?;
        let catalog = Catalog::read(&volume);
        let catalog = catalog.map_err(|error| Error::from(error).at(quoted(&name)))?;
        Ok(Self {
            name,
            volume,
            catalog: Mutex::new(Some(Arc::new(catalog))),
            options,
            descriptors: Mutex::default(),
        })
    }

    /// The catalogue; read again if it was let go since, which whoever scans a volume once never meets.
    fn catalog(&self) -> error::Result<Arc<Catalog>> {
        let mut kept = self.catalog.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(catalog) = &*kept {
            return Ok(Arc::clone(catalog));
        }
        let catalog = Arc::new(Catalog::read(&self.volume)?);
        *kept = Some(Arc::clone(&catalog));
        Ok(catalog)
    }

    /// What whoever captures the volume should be told.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let warnings = self.volume.warnings().iter();
        warnings.map(|warning| format!("{}: {warning}", quoted(&self.name)))
    }

    /// Whether Windows is hibernated on the volume, or was shut down by fast startup: what it has not
    /// written yet is missing then, and what it has written may not fit together.
    pub fn is_hibernated(&self) -> bool {
        let mut warnings = self.volume.warnings().iter();
        warnings.any(|warning| matches!(warning, Warning::Hibernated))
    }

    /// The descriptor with a number, read once.
    fn descriptor(&self, id: u32) -> error::Result<Arc<[u8]>> {
        let cache = || {
            self.descriptors
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(found) = cache().get(&id) {
            return Ok(Arc::clone(found));
        }
        let descriptor: Arc<[u8]> = self.volume.descriptor(id)?.into();
        cache().insert(id, Arc::clone(&descriptor));
        Ok(descriptor)
    }

    fn open_stream(&self, node: Node, stream: u32) -> error::Result<Stream> {
        let file = self.volume.file(FileReference(node.0))?;
        let decoded = self.decodes(&file)?;
        let Some(number) = stream.checked_sub(1) else {
            return match decoded {
                true => file.open_contents(),
                false => file.open_stream(&[]),
            };
        };
        // In the order of `named_streams`, which the catalogue has from the same records.
        let names: Vec<_> = file
            .streams()
            .map(|found| found.map(|found| name::to_vec(found.name)))
            .collect::<error::Result<_>>()?;
        let mut shown = names.iter().filter(|name| is_shown(name, decoded));
        let name = shown.nth(number as usize);
        let place = || Place::attribute(file.record(), AttributeType::DATA, &[]);
        let name = name.ok_or_else(|| error::Error::Missing(place()))?;
        file.open_stream(name)
    }
}

impl Source for NtfsSource {
    fn name(&self) -> String {
        self.name.clone()
    }

    /// Streams are read in the order in which they lie.
    fn has_to_seek(&self, _node: Node, _stream: u32) -> bool {
        true
    }

    fn root(&self, wanted: Wanted) -> Result<EntryBatch> {
        let mut batch = EntryBatch::default();
        let catalog = self.catalog().map_err(Error::from)?;
        let entry = catalog
            .get(FileReference::ROOT)
            .and_then(|info| self.entry(&info, None, wanted, &mut batch.warnings));
        let entry = entry.map_err(|error| Error::from(error).at(quoted(&self.name)))?;
        batch.push([], entry);
        Ok(batch)
    }

    fn read_dir(&self, directory: Node, wanted: Wanted) -> Result<EntryBatch> {
        let catalog = self.catalog().map_err(Error::from)?;
        let listing = catalog
            .list(&self.volume, FileReference(directory.0))
            .map_err(Error::from)?;
        let mut batch = EntryBatch::default();
        if !listing.is_in_order() {
            batch.warnings.push(EntryWarning {
                name: Vec::new(),
                text: "the index of the directory is not in its order".into(),
            });
        }
        for refused in listing.refused() {
            batch.problems.push(EntryProblem {
                name: match refused.name.is_empty() {
                    true => show_reference(refused.reference),
                    false => refused.name.clone(),
                },
                error: Error::new(ErrorKind::Ntfs, refused.error.to_string()),
            });
        }
        for found in listing.entries() {
            let entry: error::Result<Entry> = catalog
                .get(found.reference)
                .and_then(|info| self.entry(&info, Some(&found), wanted, &mut batch.warnings));
            match entry {
                Ok(entry) => batch.push(found.name.iter().copied(), entry),
                Err(error) => batch.problems.push(EntryProblem {
                    name: found.name.to_vec(),
                    error: Error::from(error),
                }),
            }
        }
        Ok(batch)
    }

    fn open(&self, node: Node, stream: u32) -> Result<Box<dyn OpenStream + '_>> {
        let stream = self.open_stream(node, stream).map_err(Error::from)?;
        Ok(Box::new(VolumeStream(stream)))
    }

    /// Targets of links on a volume are kept as they are.
    fn inside_root(&self, _target: &[u16]) -> Result<Option<usize>> {
        Ok(None)
    }

    fn locality(&self, node: Node, stream: u32) -> u64 {
        let Ok(catalog) = self.catalog() else {
            return 0;
        };
        let Ok(info) = catalog.get(FileReference(node.0)) else {
            return 0;
        };
        // The contents of a decoded file are where its compressed stream is.
        let decoded = self.options.decode_system_compression
            && info.is_reparse_point()
            && info.streams().any(|stream| stream.name == wof::STREAM);
        let found = match stream.checked_sub(1) {
            None => info
                .streams()
                .find(|stream| stream.name == if decoded { &wof::STREAM[..] } else { &[] }),
            Some(number) => named_streams(&info, decoded).nth(number as usize),
        };
        found.and_then(|stream| stream.physical_offset).unwrap_or(0)
    }

    /// Lets go of the catalogue: about 100 bytes for each file, as much as an image takes.
    fn listed(&self) {
        *self.catalog.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// An open stream.
struct VolumeStream(Stream);

impl OpenStream for VolumeStream {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.0.read_at(offset, buffer).map_err(Error::from)
    }

    /// Nothing on a volume that is not mounted changes.
    fn stamp(&mut self) -> Result<Option<Stamp>> {
        Ok(None)
    }
}

/// What a host tells its user of an error of the volume.
impl From<error::Error> for Error {
    fn from(error: error::Error) -> Self {
        let kind = match error {
            error::Error::Device { .. } => ErrorKind::Read,
            _ => ErrorKind::Ntfs,
        };
        Error::new(kind, error.to_string())
    }
}

pub(crate) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
