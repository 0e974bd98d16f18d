//! Which part of a file or device is the volume that is meant.

use std::sync::Arc;

use wimforge_core::{Error, ErrorKind, Result};

use super::quoted;
use crate::device::{ReadAt, read_exact};
use crate::disk_image;
use crate::partition::{self, Partition};
use crate::recognise::{FileSystem, HEAD, recognise};

/// What a device begins with.
pub(crate) fn first_bytes(device: &dyn ReadAt) -> Result<FileSystem> {
    let mut head = vec![0; device.size().min(HEAD as u64) as usize];
    read_exact(device, 0, &mut head).map_err(Error::from)?;
    Ok(recognise(&head))
}

/// The disk, if the device is a file with a disk image in a format of its own; else the device.
pub(crate) fn unwrap(device: Arc<dyn ReadAt>, name: &str) -> Result<Arc<dyn ReadAt>> {
    match disk_image::open(&device) {
        Ok(None) => Ok(device),
        Ok(Some(image)) => Ok(image.disk),
        Err(error) => {
            let text = format!("{}: {error}", quoted(name));
            Err(Error::new(ErrorKind::Ntfs, text))
        }
    }
}

/// Finds the volume on a device: the device itself, or one of its partitions if it is a whole disk,
/// which may be in a VHD or VHDX file. Without a number that is the only one with NTFS on it.
///
/// # Errors
/// [`ErrorKind::Ntfs`] if there is no such volume, or several and no number;
/// [`ErrorKind::Parameter`] if there is no such partition.
pub fn find_volume(
    device: Arc<dyn ReadAt>,
    name: &str,
    number: Option<u32>,
) -> Result<Arc<dyn ReadAt>> {
    let device = unwrap(device, name)?;
    let is_disk = matches!(
        first_bytes(&*device).map_err(|error| error.at(quoted(name)))?,
        FileSystem::MbrDisk | FileSystem::GptDisk
    );
    if number.is_none() && !is_disk {
        return Ok(device);
    }
    let partitions = partition::list(&*device).map_err(|error| {
        let kind = match number {
            Some(_) if !is_disk => ErrorKind::Parameter,
            _ => ErrorKind::Ntfs,
        };
        Error::new(kind, format!("{}: {error}", quoted(name)))
    })?;
    let chosen = match number {
        Some(number) => partitions
            .iter()
            .find(|partition| partition.number == number)
            .ok_or_else(|| {
                let found = list(&partitions, &*device);
                let text = format!("{} has no partition {number}: {found}", quoted(name));
                Error::new(ErrorKind::Parameter, text)
            })?,
        None => {
            let mut with_ntfs = partitions.iter().filter(|partition| {
                matches!(partition.file_system(&*device), Ok(FileSystem::Ntfs))
            });
            match (with_ntfs.next(), with_ntfs.next()) {
                (Some(only), None) => only,
                (first, _) => {
                    let what = match first {
                        None => "none of its partitions has an NTFS volume",
                        Some(_) => "several have an NTFS volume, so --partition=N is needed",
                    };
                    let found = list(&partitions, &*device);
                    let text = format!("{} is a whole disk; {what}: {found}", quoted(name));
                    return Err(Error::new(ErrorKind::Ntfs, text));
                }
            }
        }
    };
    Ok(Arc::new(chosen.window(device)))
}

/// The partitions, for messages.
fn list(partitions: &[Partition], device: &dyn ReadAt) -> String {
    if partitions.is_empty() {
        return "it has no partitions".into();
    }
    let shown: Vec<String> = partitions
        .iter()
        .map(|partition| match partition.file_system(device) {
            Ok(kind) => format!("{}: {kind}", partition.number),
            Err(error) => format!("{}: {error}", partition.number),
        })
        .collect();
    shown.join("; ")
}
