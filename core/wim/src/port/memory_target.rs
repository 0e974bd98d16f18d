//! A target in memory, for tests and for hosts that show what a restoration would make.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FileMetadata, LinkTarget, Missed, Target, TargetFile};
use crate::image::{UnixData, Xattr};
use crate::time::FileTime;
use crate::{Error, ErrorKind, Result, text};

/// What a [`MemoryTarget`] holds at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemoryEntry {
    /// A directory.
    Directory,
    /// A regular file; names of one file have the same number.
    File {
        /// Its number.
        number: usize,
        /// Its data.
        data: Vec<u8>,
    },
    /// A symbolic link.
    Link {
        /// Its text.
        target: Vec<u8>,
        /// Whether the root's path is to be put in front.
        under_root: bool,
    },
    /// A device node, FIFO or socket.
    Special(UnixData),
}

/// What was set for a path.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MemoryMetadata {
    /// DOS attributes.
    pub attributes: u32,
    /// Creation, last access, last write.
    pub times: Option<[FileTime; 3]>,
    /// Owner, group and mode.
    pub unix: Option<UnixData>,
    /// Extended attributes.
    pub xattrs: Vec<Xattr>,
}

impl From<&FileMetadata<'_>> for MemoryMetadata {
    fn from(metadata: &FileMetadata<'_>) -> Self {
        Self {
            attributes: metadata.attributes,
            times: metadata.times,
            unix: metadata.unix,
            xattrs: metadata.xattrs.to_vec(),
        }
    }
}

#[derive(Default)]
struct Contents {
    entries: BTreeMap<Vec<u8>, (MemoryEntry, MemoryMetadata)>,
    files: Vec<Open>,
    no_hard_links: bool,
}

#[derive(Clone, Default)]
struct Open(Arc<Mutex<(Vec<u8>, MemoryMetadata)>>);

/// See the module.
#[derive(Default)]
pub struct MemoryTarget(Mutex<Contents>);

impl MemoryTarget {
    /// With nothing but its root.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that knows no hard links, like some file systems.
    #[must_use]
    pub fn without_hard_links() -> Self {
        Self(Mutex::new(Contents {
            no_hard_links: true,
            ..Contents::default()
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything it holds, by path.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<Vec<u8>, (MemoryEntry, MemoryMetadata)> {
        let contents = self.lock();
        let mut entries = contents.entries.clone();
        for (entry, metadata) in entries.values_mut() {
            if let MemoryEntry::File { number, data } = entry
                && let Some(file) = contents.files.get(*number)
            {
                (*data, *metadata) = file.lock().clone();
            }
        }
        entries
    }

    fn insert(&self, path: &[u8], kind: ErrorKind, entry: MemoryEntry) -> Result<()> {
        let mut contents = self.lock();
        let parent = match path.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => &path[..slash],
            None => b"",
        };
        let is_there = parent.is_empty()
            || matches!(
                contents.entries.get(parent),
                Some((MemoryEntry::Directory, _))
            );
        if !is_there {
            let what = format!("{}: there is no such directory", text::Show(path));
            return Err(Error::new(kind, what));
        }
        contents
            .entries
            .insert(path.to_vec(), (entry, MemoryMetadata::default()));
        Ok(())
    }
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, (Vec<u8>, MemoryMetadata)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target for MemoryTarget {
    fn name(&self) -> String {
        "memory".into()
    }

    fn make_directory(&self, path: &[u8]) -> Result<()> {
        self.insert(path, ErrorKind::MakeDirectory, MemoryEntry::Directory)
    }

    fn create_file(&self, path: &[u8]) -> Result<Box<dyn TargetFile + '_>> {
        let file = Open::default();
        let mut contents = self.lock();
        let number = contents.files.len();
        contents.files.push(file.clone());
        drop(contents);
        let data = Vec::new();
        self.insert(path, ErrorKind::Open, MemoryEntry::File { number, data })?;
        Ok(Box::new(file))
    }

    fn hard_link(&self, existing: &[u8], path: &[u8]) -> Result<()> {
        if self.lock().no_hard_links {
            return Err(Error::new(ErrorKind::MakeLink, "no hard links here"));
        }
        let found = self.lock().entries.get(existing).cloned();
        let (entry, metadata) = found.ok_or_else(|| {
            let what = format!("{}: there is no such file", text::Show(existing));
            Error::new(ErrorKind::MakeLink, what)
        })?;
        self.insert(path, ErrorKind::MakeLink, entry)?;
        if let Some(new) = self.lock().entries.get_mut(path) {
            new.1 = metadata;
        }
        Ok(())
    }

    fn copy_file(&self, existing: &[u8], path: &[u8]) -> Result<bool> {
        let found = self.entries().remove(existing);
        let Some((MemoryEntry::File { data, .. }, _)) = found else {
            return Ok(false);
        };
        self.create_file(path)?.write_at(0, &data)?;
        Ok(true)
    }

    fn symbolic_link(&self, target: LinkTarget<'_>, path: &[u8]) -> Result<()> {
        let (target, under_root) = match target {
            LinkTarget::AsIs(target) => (target.to_vec(), false),
            LinkTarget::UnderRoot(target) => (target.to_vec(), true),
        };
        let entry = MemoryEntry::Link { target, under_root };
        self.insert(path, ErrorKind::MakeLink, entry)
    }

    fn make_special(&self, unix: &UnixData, path: &[u8]) -> Result<Missed> {
        self.insert(path, ErrorKind::MakeSpecial, MemoryEntry::Special(*unix))?;
        Ok(Missed::empty())
    }

    fn set_metadata(&self, path: &[u8], metadata: &FileMetadata<'_>) -> Result<Missed> {
        let mut contents = self.lock();
        let Contents { entries, files, .. } = &mut *contents;
        match entries.get_mut(path) {
            Some((MemoryEntry::File { number, .. }, _)) if *number < files.len() => {
                files[*number].lock().1 = metadata.into();
            }
            Some(entry) => entry.1 = metadata.into(),
            None => {}
        }
        Ok(Missed::empty())
    }
}

impl TargetFile for Open {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        let start = usize::try_from(offset)
            .ok()
            .and_then(|start| Some((start, start.checked_add(data.len())?)));
        let Some((start, end)) = start else {
            return Err(Error::new(ErrorKind::Memory, "offset too large for memory"));
        };
        let bytes = &mut self.lock().0;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(data);
        Ok(())
    }

    fn set_len(&self, size: u64) -> Result<()> {
        let size = usize::try_from(size)
            .map_err(|_| Error::new(ErrorKind::Memory, "size too large for memory"))?;
        self.lock().0.resize(size, 0);
        Ok(())
    }

    fn set_metadata(&self, metadata: &FileMetadata<'_>) -> Result<Missed> {
        self.lock().1 = metadata.into();
        Ok(Missed::empty())
    }
}
