//! Ports of a host that do not do what they should.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use wimforge_core::port::memory::MemoryStorage;
use wimforge_core::port::memory_source::MemorySource;
use wimforge_core::port::{
    EntryBatch, Feed, Node, OpenStream, Sink, Source, Stamp, Storage, Wanted,
};
use wimforge_core::{Error, ErrorKind, Result};

use crate::support::*;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Nothing,
    /// Every call fails from this one on.
    From(u64),
    /// This call fails, later ones do not.
    Only(u64),
    /// Reads give a few bytes at a time.
    Short,
    /// Reads give more than was asked for.
    TooMuch,
    /// Sizes are wrong by so many bytes.
    Lies(i64),
}

/// Counts the calls of all ports of a host and says which of them fail.
pub struct Fate {
    pub trouble: Trouble,
    pub calls: AtomicU64,
}

impl Fate {
    pub fn new(trouble: Trouble) -> Arc<Self> {
        let calls = AtomicU64::new(0);
        Arc::new(Self { trouble, calls })
    }

    pub fn call(&self, kind: ErrorKind) -> Result<()> {
        let call = self.calls.fetch_add(1, Relaxed);
        let fails = match self.trouble {
            Trouble::From(first) => call >= first,
            Trouble::Only(one) => call == one,
            _ => false,
        };
        match fails {
            true => Err(Error::new(kind, format!("call {call} fails on purpose"))),
            false => Ok(()),
        }
    }

    pub fn size(&self, size: u64) -> u64 {
        match self.trouble {
            Trouble::Lies(by) => size.saturating_add_signed(by),
            _ => size,
        }
    }

    pub fn read(
        &self,
        buffer: &mut [u8],
        read: impl FnOnce(&mut [u8]) -> Result<usize>,
    ) -> Result<usize> {
        self.call(ErrorKind::Read)?;
        match self.trouble {
            Trouble::Short => {
                let few = buffer.len().min(1 + buffer.len() / 3);
                read(&mut buffer[..few])
            }
            Trouble::TooMuch => read(buffer).map(|size| size + 5),
            _ => read(buffer),
        }
    }
}

pub struct BadStorage(pub Arc<MemoryStorage>, pub Arc<Fate>);

impl Storage for BadStorage {
    fn name(&self) -> String {
        "bad storage".into()
    }

    fn len(&self) -> Result<u64> {
        self.1.call(ErrorKind::Read)?;
        Ok(self.1.size(self.0.len()?))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.1.read(buffer, |buffer| self.0.read_at(offset, buffer))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.1.call(ErrorKind::Write)?;
        self.0.write_at(offset, data)
    }

    fn set_len(&self, size: u64) -> Result<()> {
        self.1.call(ErrorKind::Write)?;
        // Whoever lied about the size may be asked for it.
        match size > 1 << 30 {
            true => Err(Error::new(ErrorKind::Write, "the medium is full")),
            false => self.0.set_len(size),
        }
    }

    fn sync(&self) -> Result<()> {
        self.1.call(ErrorKind::Write)
    }
}

pub struct BadSource(pub Arc<MemorySource>, pub Arc<Fate>);

pub struct BadStream<'a>(pub Box<dyn OpenStream + 'a>, pub &'a Fate);

impl BadSource {
    fn lie(&self, mut batch: EntryBatch) -> EntryBatch {
        for entry in batch.entries.iter_mut().filter(|entry| entry.size > 0) {
            entry.size = self.1.size(entry.size);
        }
        batch
    }
}

impl Source for BadSource {
    fn name(&self) -> String {
        "bad source".into()
    }

    fn root(&self, wanted: Wanted) -> Result<EntryBatch> {
        self.1.call(ErrorKind::Stat)?;
        self.0.root(wanted)
    }

    fn read_dir(&self, directory: Node, wanted: Wanted) -> Result<EntryBatch> {
        self.1.call(ErrorKind::OpenDirectory)?;
        Ok(self.lie(self.0.read_dir(directory, wanted)?))
    }

    fn open(&self, node: Node, stream: u32) -> Result<Box<dyn OpenStream + '_>> {
        self.1.call(ErrorKind::Open)?;
        Ok(Box::new(BadStream(self.0.open(node, stream)?, &self.1)))
    }

    fn inside_root(&self, target: &[u16]) -> Result<Option<usize>> {
        self.0.inside_root(target)
    }
}

impl OpenStream for BadStream<'_> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let Self(stream, fate) = self;
        fate.read(buffer, |buffer| stream.read_at(offset, buffer))
    }

    fn stamp(&mut self) -> Result<Option<Stamp>> {
        self.1.call(ErrorKind::Stat)?;
        self.0.stamp()
    }
}

pub struct BadFeed(pub Box<Bytes>, pub Arc<Fate>);

impl Feed for BadFeed {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Self(feed, fate) = self;
        fate.read(buffer, |buffer| feed.read(buffer))
    }
}

pub struct BadSink(pub Kept, pub Arc<Fate>);

impl Sink for BadSink {
    fn write(&mut self, data: &[u8]) -> Result<()> {
        self.1.call(ErrorKind::Write)?;
        self.0.write(data)
    }

    fn flush(&mut self) -> Result<()> {
        self.1.call(ErrorKind::Write)
    }
}
