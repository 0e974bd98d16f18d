//! NTFS volumes in files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use wimforge_command::{Described, OpenedSource, SourceOptions, VolumeFacts};
use wimforge_core::Result;
use wimforge_core::port::Storage;
use wimforge_ntfs::{NtfsSource, ReadAt, source};

use crate::failure::cause;
use crate::files::{FileStorage, read_at};
use crate::paths::Given;

/// A file that holds a volume or a disk.
struct Device {
    file: FileStorage,
    size: u64,
}

impl Device {
    fn open(given: &Given, path: &Path) -> Result<Arc<Self>> {
        let file = FileStorage::open(given, path)?;
        let size = file.len()?;
        Ok(Arc::new(Self { file, size }))
    }
}

impl ReadAt for Device {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        read_at(self.file.descriptor(), offset, buf).map_err(cause)
    }

    fn size(&self) -> u64 {
        self.size
    }
}

/// Opens the volume in a file.
pub fn open_volume(given: &Given, path: &Path, options: SourceOptions) -> Result<OpenedSource> {
    let device = Device::open(given, path)?;
    let name = path.display().to_string();
    let device = source::find_volume(device, &name, options.partition)?;
    let options = source::SourceOptions {
        decode_system_compression: options.decode_system_compression,
    };
    let source = NtfsSource::open(device, name, options)?;
    let volume = VolumeFacts {
        warnings: source.warnings().collect(),
        hibernated: source.is_hibernated(),
        identity: None,
    };
    Ok(OpenedSource {
        source: Box::new(source),
        volume: Some(volume),
    })
}

/// Describes a volume or a disk.
pub fn describe(given: &Given, path: &Path, partition: Option<u32>) -> Result<Option<Described>> {
    let device = Device::open(given, path)?;
    let name = path.display().to_string();
    let found = source::describe(device, &name, partition)?;
    Ok(found.map(|found| Described {
        text: found.text,
        warnings: found.warnings,
    }))
}
