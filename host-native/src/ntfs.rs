//! NTFS volumes in files and on block devices.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;
use wimforge_command::{Described, OpenedSource, SourceOptions, VolumeFacts};
use wimforge_core::port::FileIdentity;
use wimforge_core::{Error, ErrorKind, Result};
use wimforge_ntfs::{NtfsSource, ReadAt, source};

use crate::failure::failed;
use crate::qcow2;

/// A file or a block device, read at any offset by any number of threads.
struct Device {
    file: File,
    size: u64,
}

impl Device {
    fn open(path: &Path) -> Result<(Arc<dyn ReadAt>, FileIdentity)> {
        // NONBLOCK: a FIFO would otherwise wait for somebody to write into it.
        let file = File::options()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map_err(|error| failed(ErrorKind::Open, "cannot open", path, error))?;
        let metadata = file
            .metadata()
            .map_err(|error| failed(ErrorKind::Stat, "cannot examine", path, error))?;
        let kind = metadata.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(unsupported(path));
        }
        // The metadata of a block device does not tell its size.
        let size = (&file)
            .seek(SeekFrom::End(0))
            .map_err(|error| failed(ErrorKind::Read, "cannot find the size of", path, error))?;
        let identity = FileIdentity {
            device: metadata.dev(),
            file: metadata.ino(),
        };
        if let Some(disk) = qcow2::open(&file, path)? {
            return Ok((disk, identity));
        }
        Ok((Arc::new(Self { file, size }), identity))
    }
}

impl ReadAt for Device {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn size(&self) -> u64 {
        self.size
    }
}

fn unsupported(path: &Path) -> Error {
    Error::new(
        ErrorKind::UnsupportedFile,
        format!(
            "{:?} is neither a directory nor a regular file or block device with an NTFS volume",
            path.display().to_string()
        ),
    )
}

/// Opens the volume in a file or on a device.
pub(crate) fn open_volume(path: &Path, options: SourceOptions) -> Result<OpenedSource> {
    let (device, identity) = Device::open(path)?;
    let name = path.display().to_string();
    let device = source::find_volume(device, &name, options.partition)?;
    let options = source::SourceOptions {
        decode_system_compression: options.decode_system_compression,
    };
    let source = NtfsSource::open(device, name, options)?;
    let volume = VolumeFacts {
        warnings: source.warnings().collect(),
        hibernated: source.is_hibernated(),
        identity: Some(identity),
    };
    Ok(OpenedSource {
        source: Box::new(source),
        volume: Some(volume),
    })
}

/// Describes a volume or a disk.
pub(crate) fn describe(path: &Path, partition: Option<u32>) -> Result<Option<Described>> {
    let (device, _) = Device::open(path)?;
    let name = path.display().to_string();
    let found = source::describe(device, &name, partition)?;
    Ok(found.map(|found| Described {
        text: found.text,
        warnings: found.warnings,
    }))
}
