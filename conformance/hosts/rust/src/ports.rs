//! The imports of the component, over ports of the core.

use std::sync::{Arc, Mutex, PoisonError};

use self_cell::self_cell;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{ResourceLimiter, Result};
use wimforge_core::port::{
    self, LinkTarget, Node, OpenStream, Source, Storage, Target, TargetFile,
};

use crate::bindings::Imaging;
use crate::bindings::wimforge::imaging::types::{ErrorCode, UnixData};
use crate::bindings::wimforge::imaging::{
    feed, observer, sink, source, storage, target, types, volume,
};
use crate::convert::{self, failure, missed, narrow, with_metadata};

/// A tree to capture.
pub struct Tree(pub Arc<dyn Source + Send>);

type OpenedStream<'a> = Box<dyn OpenStream + 'a>;

self_cell!(
    /// A stream with the tree that it is in.
    struct StreamOfTree {
        owner: Arc<dyn Source + Send>,
        #[not_covariant]
        dependent: OpenedStream,
    }
);

/// An open stream of a tree.
pub struct Reader(StreamOfTree);

/// A volume: bytes at an offset.
pub struct Device(pub Arc<dyn Storage + Send>);

/// A file with random access.
pub struct File(pub Arc<dyn Storage + Send>);

/// A sink.
pub struct Output(pub Box<dyn port::Sink + Send>);

/// A feed.
pub struct Input(pub Box<dyn port::Feed + Send>);

/// A directory to restore to.
pub struct Directory(pub Arc<dyn Target + Send>);

type OpenedFile<'a> = Box<dyn TargetFile + 'a>;

self_cell!(
    /// A file with the directory that it is in.
    struct FileOfDirectory {
        owner: Arc<dyn Target + Send>,
        #[not_covariant]
        dependent: OpenedFile,
    }
);

/// A file being restored.
pub struct OutputFile(FileOfDirectory);

/// Whoever watches.
pub struct Watcher(pub Box<dyn Watch>);

/// Receives events and may stop the operation.
pub trait Watch: Send {
    /// Something happened.
    fn event(&mut self, event: observer::Event);
    /// Whether to stop.
    fn cancelled(&mut self) -> bool {
        false
    }
}

/// What an instance has outside of itself.
#[derive(Default)]
pub struct State {
    /// The handles that it was given.
    pub table: ResourceTable,
    /// The most linear memory that it had, in bytes.
    pub peak: usize,
}

/// Notes how much memory the instance takes.
impl ResourceLimiter for State {
    fn memory_growing(&mut self, _now: usize, wanted: usize, _max: Option<usize>) -> Result<bool> {
        self.peak = self.peak.max(wanted);
        Ok(true)
    }

    fn table_growing(&mut self, _now: usize, _wanted: usize, _max: Option<usize>) -> Result<bool> {
        Ok(true)
    }
}

/// Gives the component everything that it imports.
pub fn link(linker: &mut Linker<State>) -> Result<()> {
    Imaging::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl types::Host for State {}
impl source::Host for State {}
impl volume::Host for State {}
impl storage::Host for State {}
impl sink::Host for State {}
impl feed::Host for State {}
impl target::Host for State {}
impl observer::Host for State {}

type Outcome<T> = Result<std::result::Result<T, ErrorCode>>;

/// The outcome of a port's call.
fn outcome<T>(result: wimforge_core::Result<T>, usual: fn(String) -> ErrorCode) -> Outcome<T> {
    Ok(result.map_err(|error| failure(&error, usual)))
}

/// Reads into a buffer of its own.
fn read_with(
    size: u32,
    read: impl FnOnce(&mut [u8]) -> wimforge_core::Result<usize>,
) -> Outcome<Vec<u8>> {
    let mut data = vec![0; size as usize];
    let result = read(&mut data).map(|size| {
        // A port that gives more than was asked for is not corrected: the component has to notice.
        data.resize(size, 0);
        data
    });
    outcome(result, ErrorCode::Read)
}

impl source::HostTree for State {
    fn name(&mut self, tree: Resource<Tree>) -> Result<String> {
        Ok(self.table.get(&tree)?.0.name())
    }

    fn root(&mut self, tree: Resource<Tree>, wanted: source::Wanted) -> Outcome<source::Batch> {
        let found = self.table.get(&tree)?.0.root(convert::wanted(wanted));
        outcome(found.map(|found| convert::batch(&found)), ErrorCode::Open)
    }

    fn read_dir(
        &mut self,
        tree: Resource<Tree>,
        directory: u64,
        wanted: source::Wanted,
    ) -> Outcome<source::Batch> {
        let tree = &self.table.get(&tree)?.0;
        let found = tree.read_dir(Node(directory), convert::wanted(wanted));
        outcome(found.map(|found| convert::batch(&found)), ErrorCode::Open)
    }

    fn open(&mut self, tree: Resource<Tree>, node: u64, stream: u32) -> Outcome<Resource<Reader>> {
        let tree = Arc::clone(&self.table.get(&tree)?.0);
        match StreamOfTree::try_new(tree, |tree| tree.open(Node(node), stream)) {
            Ok(opened) => Ok(Ok(self.table.push(Reader(opened))?)),
            Err(error) => Ok(Err(failure(&error, ErrorCode::Open))),
        }
    }

    fn inside_root(&mut self, tree: Resource<Tree>, link: Vec<u16>) -> Outcome<Option<u32>> {
        let inside = self.table.get(&tree)?.0.inside_root(&link);
        let units = inside.map(|inside| inside.and_then(|units| u32::try_from(units).ok()));
        outcome(units, ErrorCode::Open)
    }

    fn drop(&mut self, tree: Resource<Tree>) -> Result<()> {
        self.table.delete(tree)?;
        Ok(())
    }
}

impl source::HostReader for State {
    fn read(&mut self, reader: Resource<Reader>, offset: u64, size: u32) -> Outcome<Vec<u8>> {
        let reader = &mut self.table.get_mut(&reader)?.0;
        read_with(size, |buffer| {
            reader.with_dependent_mut(|_, stream| stream.read_at(offset, buffer))
        })
    }

    fn stamp(&mut self, reader: Resource<Reader>) -> Outcome<Option<source::Stamp>> {
        let reader = &mut self.table.get_mut(&reader)?.0;
        let stamp = reader.with_dependent_mut(|_, stream| stream.stamp());
        let stamp = stamp.map(|stamp| {
            stamp.map(|stamp| source::Stamp {
                size: stamp.size,
                write_time: stamp.write_time.0,
            })
        });
        outcome(stamp, ErrorCode::Read)
    }

    fn drop(&mut self, reader: Resource<Reader>) -> Result<()> {
        self.table.delete(reader)?;
        Ok(())
    }
}

impl volume::HostDevice for State {
    fn name(&mut self, device: Resource<Device>) -> Result<String> {
        Ok(self.table.get(&device)?.0.name())
    }

    fn size(&mut self, device: Resource<Device>) -> Result<u64> {
        Ok(self.table.get(&device)?.0.len().unwrap_or(0))
    }

    fn read(&mut self, device: Resource<Device>, offset: u64, size: u32) -> Outcome<Vec<u8>> {
        let device = &self.table.get(&device)?.0;
        read_with(size, |buffer| device.read_at(offset, buffer))
    }

    fn drop(&mut self, device: Resource<Device>) -> Result<()> {
        self.table.delete(device)?;
        Ok(())
    }
}

impl storage::HostFile for State {
    fn name(&mut self, file: Resource<File>) -> Result<String> {
        Ok(self.table.get(&file)?.0.name())
    }

    fn size(&mut self, file: Resource<File>) -> Outcome<u64> {
        outcome(self.table.get(&file)?.0.len(), ErrorCode::Read)
    }

    fn read(&mut self, file: Resource<File>, offset: u64, size: u32) -> Outcome<Vec<u8>> {
        let file = &self.table.get(&file)?.0;
        read_with(size, |buffer| file.read_at(offset, buffer))
    }

    fn write(&mut self, file: Resource<File>, offset: u64, data: Vec<u8>) -> Outcome<()> {
        outcome(
            self.table.get(&file)?.0.write_at(offset, &data),
            ErrorCode::Write,
        )
    }

    fn set_size(&mut self, file: Resource<File>, size: u64) -> Outcome<()> {
        outcome(self.table.get(&file)?.0.set_len(size), ErrorCode::Write)
    }

    fn sync(&mut self, file: Resource<File>) -> Outcome<()> {
        outcome(self.table.get(&file)?.0.sync(), ErrorCode::Write)
    }

    fn drop(&mut self, file: Resource<File>) -> Result<()> {
        self.table.delete(file)?;
        Ok(())
    }
}

impl sink::HostOutput for State {
    fn write(&mut self, output: Resource<Output>, data: Vec<u8>) -> Outcome<()> {
        outcome(
            self.table.get_mut(&output)?.0.write(&data),
            ErrorCode::Write,
        )
    }

    fn flush(&mut self, output: Resource<Output>) -> Outcome<()> {
        outcome(self.table.get_mut(&output)?.0.flush(), ErrorCode::Write)
    }

    fn drop(&mut self, output: Resource<Output>) -> Result<()> {
        self.table.delete(output)?;
        Ok(())
    }
}

impl feed::HostInput for State {
    fn read(&mut self, input: Resource<Input>, size: u32) -> Outcome<Vec<u8>> {
        let feed = &mut self.table.get_mut(&input)?.0;
        read_with(size, |buffer| feed.read(buffer))
    }

    fn drop(&mut self, input: Resource<Input>) -> Result<()> {
        self.table.delete(input)?;
        Ok(())
    }
}

impl target::HostDirectory for State {
    fn name(&mut self, directory: Resource<Directory>) -> Result<String> {
        Ok(self.table.get(&directory)?.0.name())
    }

    fn allows_name(&mut self, directory: Resource<Directory>, name: Vec<u16>) -> Result<bool> {
        Ok(self.table.get(&directory)?.0.allows_name(&narrow(&name)))
    }

    fn make_directory(&mut self, directory: Resource<Directory>, path: Vec<u16>) -> Outcome<()> {
        let made = self.table.get(&directory)?.0.make_directory(&narrow(&path));
        outcome(made, ErrorCode::Restore)
    }

    fn create_file(
        &mut self,
        directory: Resource<Directory>,
        path: Vec<u16>,
    ) -> Outcome<Resource<OutputFile>> {
        let directory = Arc::clone(&self.table.get(&directory)?.0);
        let path = narrow(&path);
        match FileOfDirectory::try_new(directory, |directory| directory.create_file(&path)) {
            Ok(file) => Ok(Ok(self.table.push(OutputFile(file))?)),
            Err(error) => Ok(Err(failure(&error, ErrorCode::Open))),
        }
    }

    fn hard_link(
        &mut self,
        directory: Resource<Directory>,
        existing: Vec<u16>,
        path: Vec<u16>,
    ) -> Outcome<()> {
        let directory = &self.table.get(&directory)?.0;
        let linked = directory.hard_link(&narrow(&existing), &narrow(&path));
        outcome(linked, ErrorCode::Restore)
    }

    fn symbolic_link(
        &mut self,
        directory: Resource<Directory>,
        link: target::LinkTarget,
        path: Vec<u16>,
    ) -> Outcome<()> {
        let directory = &self.table.get(&directory)?.0;
        let linked = match link {
            target::LinkTarget::AsIs(text) => {
                directory.symbolic_link(LinkTarget::AsIs(&narrow(&text)), &narrow(&path))
            }
            target::LinkTarget::UnderRoot(text) => {
                directory.symbolic_link(LinkTarget::UnderRoot(&narrow(&text)), &narrow(&path))
            }
        };
        outcome(linked, ErrorCode::Restore)
    }

    fn make_special(
        &mut self,
        directory: Resource<Directory>,
        unix: UnixData,
        path: Vec<u16>,
    ) -> Outcome<target::Missed> {
        let directory = &self.table.get(&directory)?.0;
        let made = directory.make_special(&convert::unix(unix), &narrow(&path));
        outcome(made.map(missed), ErrorCode::Restore)
    }

    fn set_metadata(
        &mut self,
        directory: Resource<Directory>,
        path: Vec<u16>,
        metadata: target::Metadata,
    ) -> Outcome<target::Missed> {
        let directory = &self.table.get(&directory)?.0;
        let set = with_metadata(metadata, |metadata| {
            directory.set_metadata(&narrow(&path), metadata)
        });
        outcome(set.map(missed), ErrorCode::Restore)
    }

    fn drop(&mut self, directory: Resource<Directory>) -> Result<()> {
        self.table.delete(directory)?;
        Ok(())
    }
}

impl target::HostOutputFile for State {
    fn write(&mut self, file: Resource<OutputFile>, offset: u64, data: Vec<u8>) -> Outcome<()> {
        let file = &self.table.get(&file)?.0;
        let written = file.with_dependent(|_, file| file.write_at(offset, &data));
        outcome(written, ErrorCode::Write)
    }

    fn set_size(&mut self, file: Resource<OutputFile>, size: u64) -> Outcome<()> {
        let file = &self.table.get(&file)?.0;
        outcome(
            file.with_dependent(|_, file| file.set_len(size)),
            ErrorCode::Write,
        )
    }

    fn set_metadata(
        &mut self,
        file: Resource<OutputFile>,
        metadata: target::Metadata,
    ) -> Outcome<target::Missed> {
        let file = &self.table.get(&file)?.0;
        let set = with_metadata(metadata, |metadata| {
            file.with_dependent(|_, file| file.set_metadata(metadata))
        });
        outcome(set.map(missed), ErrorCode::Restore)
    }

    fn drop(&mut self, file: Resource<OutputFile>) -> Result<()> {
        self.table.delete(file)?;
        Ok(())
    }
}

impl observer::HostWatcher for State {
    fn event(&mut self, watcher: Resource<Watcher>, event: observer::Event) -> Result<()> {
        self.table.get_mut(&watcher)?.0.event(event);
        Ok(())
    }

    fn cancelled(&mut self, watcher: Resource<Watcher>) -> Result<bool> {
        Ok(self.table.get_mut(&watcher)?.0.cancelled())
    }

    fn drop(&mut self, watcher: Resource<Watcher>) -> Result<()> {
        self.table.delete(watcher)?;
        Ok(())
    }
}

/// A watcher that keeps what it is told.
#[derive(Clone, Default)]
pub struct Recorded(Arc<Mutex<Vec<observer::Event>>>);

impl Recorded {
    /// What happened so far.
    pub fn take(&self) -> Vec<observer::Event> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watch for Recorded {
    fn event(&mut self, event: observer::Event) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(event);
    }
}
