//! A [`Source`] in memory, which can misbehave as real ones do.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Entry, EntryBatch, FileIdentity, Kind, Link, Node, OpenStream, Source, Stamp, Wanted};
use crate::time::FileTime;
use crate::{Error, ErrorKind, Result};

/// A tree of files in memory.
#[derive(Debug, Default)]
pub struct MemorySource {
    nodes: Vec<File>,
    opened: AtomicU64,
}

#[derive(Debug)]
struct File {
    name: Vec<u16>,
    content: Content,
    /// Another file with the same contents and identity, for hard links.
    same_as: Option<usize>,
    linked: bool,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
enum Content {
    Directory(Vec<usize>),
    Data(Vec<u8>),
    Link(Vec<u16>),
}

/// How a file misbehaves when its data is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It cannot be opened.
    Unreadable,
    /// It ends after so many bytes.
    Shrunk(u64),
    /// It was written to after the scan.
    Touched,
}

/// Where all times of a [`MemorySource`] are.
pub const MEMORY_TIME: FileTime = FileTime(132_223_104_000_000_000);

impl MemorySource {
    /// An empty directory.
    #[must_use]
    pub fn new() -> Self {
        let mut source = Self::default();
        source.add(Vec::new(), Content::Directory(Vec::new()));
        source
    }

    fn add(&mut self, name: Vec<u16>, content: Content) -> usize {
        self.nodes.push(File {
            name,
            content,
            same_as: None,
            linked: false,
            trouble: None,
        });
        self.nodes.len() - 1
    }

    /// Puts something at a path with `/` between components; directories are made as needed.
    fn put(&mut self, path: &str, content: Content) -> usize {
        let (directory, name) = match path.rsplit_once('/') {
            Some((directory, name)) => (self.directory(directory), name),
            None => (0, path),
        };
        let new = self.add(name.encode_utf16().collect(), content);
        self.attach(directory, new);
        new
    }

    fn attach(&mut self, directory: usize, new: usize) {
        if let Content::Directory(children) = &mut self.nodes[directory].content {
            children.push(new);
        }
    }

    /// The directory at a path, made if it is missing.
    pub fn directory(&mut self, path: &str) -> usize {
        let mut at = 0;
        for component in path.split('/').filter(|component| !component.is_empty()) {
            let name: Vec<u16> = component.encode_utf16().collect();
            let children = match &self.nodes[at].content {
                Content::Directory(children) => children.clone(),
                _ => Vec::new(),
            };
            let found = children
                .into_iter()
                .find(|&child| self.nodes[child].name == name);
            at = found.unwrap_or_else(|| {
                let new = self.add(name, Content::Directory(Vec::new()));
                self.attach(at, new);
                new
            });
        }
        at
    }

    /// Adds a file.
    pub fn file(&mut self, path: &str, data: impl Into<Vec<u8>>) -> &mut Self {
        self.put(path, Content::Data(data.into()));
        self
    }

    /// Adds a file that misbehaves.
    pub fn troubled(
        &mut self,
        path: &str,
        data: impl Into<Vec<u8>>,
        trouble: Trouble,
    ) -> &mut Self {
        let new = self.put(path, Content::Data(data.into()));
        self.nodes[new].trouble = Some(trouble);
        self
    }

    /// Makes a directory unreadable.
    pub fn lock_directory(&mut self, path: &str) {
        let directory = self.directory(path);
        self.nodes[directory].trouble = Some(Trouble::Unreadable);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) -> &mut Self {
        self.put(path, Content::Link(target.encode_utf16().collect()));
        self
    }

    /// Adds another name of a file; nothing if there is no such file.
    pub fn hard_link(&mut self, existing: &str, path: &str) -> &mut Self {
        if let Some(first) = self.find(existing) {
            let new = self.put(path, Content::Data(Vec::new()));
            self.nodes[first].linked = true;
            self.nodes[new].linked = true;
            self.nodes[new].same_as = Some(first);
        }
        self
    }

    fn find(&self, path: &str) -> Option<usize> {
        let mut at = 0;
        for component in path.split('/') {
            let Content::Directory(children) = &self.nodes[at].content else {
                return None;
            };
            let name: Vec<u16> = component.encode_utf16().collect();
            at = children
                .iter()
                .copied()
                .find(|&child| self.nodes[child].name == name)?;
        }
        Some(at)
    }

    /// How many streams were opened so far.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    fn node(&self, node: Node) -> Result<usize> {
        let index = usize::try_from(node.0)
            .ok()
            .filter(|&index| index < self.nodes.len());
        let index = index.ok_or_else(|| Error::new(ErrorKind::Open, "no such file"))?;
        Ok(self.nodes[index].same_as.unwrap_or(index))
    }

    fn entry(&self, index: usize) -> Entry {
        let file = &self.nodes[index];
        let first = file.same_as.unwrap_or(index);
        let (kind, size) = match &self.nodes[first].content {
            Content::Directory(_) => (Kind::Directory, 0),
            Content::Data(data) => (Kind::File { sparse: false }, data.len() as u64),
            Content::Link(target) => {
                let link = Link {
                    target: target.clone(),
                    to_directory: false,
                };
                (Kind::Link(Box::new(link)), 0)
            }
        };
        Entry {
            node: Node(index as u64),
            name_end: 0,
            kind,
            creation_time: MEMORY_TIME,
            access_time: MEMORY_TIME,
            write_time: MEMORY_TIME,
            identity: Some(FileIdentity {
                device: 0,
                file: first as u64,
            }),
            shared: file.linked,
            size,
            unix: None,
            extra: None,
        }
    }
}

impl Source for MemorySource {
    fn name(&self) -> String {
        "memory".into()
    }

    fn root(&self, _wanted: Wanted) -> Result<EntryBatch> {
        let mut batch = EntryBatch::default();
        batch.push([], self.entry(0));
        Ok(batch)
    }

    fn read_dir(&self, directory: Node, _wanted: Wanted) -> Result<EntryBatch> {
        let file = &self.nodes[self.node(directory)?];
        let Content::Directory(children) = &file.content else {
            return Err(Error::new(ErrorKind::OpenDirectory, "not a directory"));
        };
        if file.trouble == Some(Trouble::Unreadable) {
            return Err(Error::new(ErrorKind::OpenDirectory, "permission denied"));
        }
        let mut batch = EntryBatch::default();
        for &child in children {
            batch.push(self.nodes[child].name.iter().copied(), self.entry(child));
        }
        Ok(batch)
    }

    fn open(&self, node: Node, _stream: u32) -> Result<Box<dyn OpenStream + '_>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let file = &self.nodes[self.node(node)?];
        if file.trouble == Some(Trouble::Unreadable) {
            return Err(Error::new(ErrorKind::Open, "permission denied"));
        }
        match &file.content {
            Content::Data(data) => Ok(Box::new(Reader {
                data,
                trouble: file.trouble,
            })),
            _ => Err(Error::new(ErrorKind::Open, "not a file")),
        }
    }

    fn inside_root(&self, target: &[u16]) -> Result<Option<usize>> {
        let root: Vec<u16> = "/memory".encode_utf16().collect();
        Ok(target.starts_with(&root).then_some(root.len()))
    }
}

struct Reader<'a> {
    data: &'a [u8],
    trouble: Option<Trouble>,
}

impl OpenStream for Reader<'_> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let end = match self.trouble {
            Some(Trouble::Shrunk(size)) => self.data.len().min(size as usize),
            _ => self.data.len(),
        };
        let rest = self.data[..end].get(offset as usize..).unwrap_or_default();
        let size = rest.len().min(buffer.len());
        buffer[..size].copy_from_slice(&rest[..size]);
        Ok(size)
    }

    fn stamp(&mut self) -> Result<Option<Stamp>> {
        let later = u64::from(self.trouble == Some(Trouble::Touched));
        Ok(Some(Stamp {
            size: self.data.len() as u64,
            write_time: FileTime(MEMORY_TIME.0 + later),
        }))
    }
}
