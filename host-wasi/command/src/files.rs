//! Files as storage.
//!
//! A new archive is written under a temporary name beside its destination and renamed when it is
//! complete; on failure the temporary file is removed.

use std::path::{Path, PathBuf};

use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags,
};
use wimforge_command::NewArchive;
use wimforge_core::port::{FileIdentity, Storage};
use wimforge_core::{Error, ErrorKind, Result};

use crate::failure::{cause, failed};
use crate::links::Written;
use crate::paths::{AtLink, Given, Place, open_directory, open_file};

/// Bytes that are read or written by one call.
pub const PIECE: usize = 1 << 20;

/// A file with random access.
pub struct FileStorage {
    file: Descriptor,
    path: PathBuf,
}

impl FileStorage {
    /// Opens an archive to be read.
    pub fn open(given: &Given, path: &Path) -> Result<Self> {
        let place = given.find(path)?;
        refuse_directory(&place)?;
        let file = open_file(place.given, &place.below, AtLink::Follow)
            .map_err(|code| failed(ErrorKind::Open, "cannot open", path, code))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Opens an archive to be modified.
    pub fn modify(given: &Given, path: &Path) -> Result<Self> {
        let place = given.find(path)?;
        refuse_directory(&place)?;
        let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
        let follow = AtLink::Follow.flags();
        let opened = place
            .given
            .open_at(follow, &place.below, OpenFlags::empty(), flags);
        let file = opened.map_err(|code| match code {
            ErrorCode::NoEntry => failed(ErrorKind::Open, "cannot open", path, code),
            code => failed(ErrorKind::ReadOnly, "cannot modify", path, code),
        })?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// The file of the host.
    pub fn descriptor(&self) -> &Descriptor {
        &self.file
    }
}

fn refuse_directory(place: &Place<'_>) -> Result<()> {
    let stat = place.stat();
    let stat = stat.map_err(|code| failed(ErrorKind::Open, "cannot open", place.typed, code))?;
    match stat.type_ {
        DescriptorType::Directory => Err(Error::new(
            ErrorKind::Open,
            format!("{:?} is a directory", place.typed.display().to_string()),
        )),
        _ => Ok(()),
    }
}

/// Reads from a file into a buffer.
pub fn read_at(
    file: &Descriptor,
    offset: u64,
    buffer: &mut [u8],
) -> std::result::Result<usize, ErrorCode> {
    let wanted = buffer.len().min(PIECE);
    let (data, _) = file.read(wanted as u64, offset)?;
    let size = data.len().min(wanted);
    buffer[..size].copy_from_slice(&data[..size]);
    Ok(size)
}

/// Writes all of `data` to a file.
pub fn write_at(
    file: &Descriptor,
    mut offset: u64,
    mut data: &[u8],
) -> std::result::Result<(), ErrorCode> {
    while !data.is_empty() {
        let piece = &data[..data.len().min(PIECE)];
        let written = file.write(piece, offset)?;
        let rest = usize::try_from(written)
            .ok()
            .and_then(|written| data.get(written..));
        data = match rest {
            Some(rest) if written > 0 => rest,
            _ => return Err(ErrorCode::Io),
        };
        offset += written;
    }
    Ok(())
}

impl Storage for FileStorage {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn len(&self) -> Result<u64> {
        let stat = self.file.stat();
        stat.map(|stat| stat.size)
            .map_err(|code| failed(ErrorKind::Read, "cannot examine", &self.path, code))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        read_at(&self.file, offset, buffer)
            .map_err(|code| failed(ErrorKind::Read, "cannot read", &self.path, code))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        write_at(&self.file, offset, data)
            .map_err(|code| failed(ErrorKind::Write, "cannot write", &self.path, code))
    }

    fn set_len(&self, size: u64) -> Result<()> {
        let set = self.file.set_size(size);
        set.map_err(|code| failed(ErrorKind::Write, "cannot resize", &self.path, code))
    }

    fn sync(&self) -> Result<()> {
        let synced = self.file.sync_data();
        synced.map_err(|code| failed(ErrorKind::Write, "cannot write", &self.path, code))
    }
}

/// An archive that is being written and takes its place when it is complete.
pub struct NewFile {
    storage: FileStorage,
    directory: Descriptor,
    /// The name it has until it is complete; none any more afterwards.
    temporary: Option<String>,
    name: String,
    identities: Vec<FileIdentity>,
}

impl NewFile {
    /// Prepares to write an archive to `path`. `written` is told, so that it is not captured.
    pub fn create(given: &Given, path: &Path, written: &Written) -> Result<Self> {
        let place = given.find(path)?;
        if place.stat().is_ok() {
            refuse_directory(&place)?;
        }
        let (parent, name) = place.parent_and_name();
        let cannot_create = |code| failed(ErrorKind::Open, "cannot create", path, code);
        let directory =
            open_directory(place.given, parent, AtLink::Follow).map_err(cannot_create)?;
        let temporary = temporary_name(name);
        let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
        let open_flags = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        let file = directory.open_at(PathFlags::empty(), &temporary, open_flags, flags);
        let file = file.map_err(cannot_create)?;
        let mut identities = vec![written.add_new(&temporary)];
        if let Ok(replaced) = open_file(&directory, name, AtLink::Follow) {
            identities.push(written.add(name, replaced));
        }
        Ok(Self {
            storage: FileStorage {
                file,
                path: path.to_owned(),
            },
            directory,
            temporary: Some(temporary),
            name: name.to_owned(),
            identities,
        })
    }
}

/// A name that nothing has.
fn temporary_name(name: &str) -> String {
    let random = wasip2::random::random::get_random_u64();
    format!(".{name}.{random:016x}.tmp")
}

impl NewArchive for NewFile {
    fn storage(&self) -> &dyn Storage {
        &self.storage
    }

    fn identities(&self) -> Vec<FileIdentity> {
        self.identities.clone()
    }

    fn commit(mut self: Box<Self>) -> Result<()> {
        let Some(temporary) = &self.temporary else {
            return Ok(());
        };
        let renamed = self
            .directory
            .rename_at(temporary, &self.directory, &self.name);
        renamed.map_err(|code| {
            let path = self.storage.path.display().to_string();
            let what = format!("cannot put the archive in place at {path:?}");
            Error::new(ErrorKind::Rename, what).because(cause(code))
        })?;
        self.temporary = None;
        // Some file systems cannot sync directories; the archive itself is on the medium.
        let _ = self.directory.sync();
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _ = self.directory.unlink_file_at(&temporary);
        }
    }
}
