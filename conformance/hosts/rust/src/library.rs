//! The library component and what can be done with it.

use std::path::Path;
use std::sync::Arc;

use wasmtime::component::{Component, Linker, Resource, ResourceAny};
use wasmtime::{Engine, Result, Store};
use wimforge_core::port::{Feed, Sink, Source, Storage, Target};

use crate::bindings::Imaging;
use crate::bindings::exports::wimforge::imaging::archive::{
    ArchiveInfo, Entry, ImageInfo, RestoreOptions, Restored, StreamKind, VerifyReport,
};
use crate::bindings::exports::wimforge::imaging::writer::{
    Extras, ImageOptions, Integrity, LinkFixing, OnUnreadable, Options, Summary, UnixDataForm,
    VolumeOptions,
};
use crate::bindings::wimforge::imaging::types::{Compression, ErrorCode};
use crate::pool::Pool;
use crate::ports::{self, Device, Directory, File, Input, Output, State, Tree, Watch, Watcher};

/// What an export returns.
pub type Given<T> = std::result::Result<T, ErrorCode>;

/// What a call of an export returns: a trap is the outer failure.
pub type Outcome<T> = Result<Given<T>>;

/// A file with random access.
pub type AnyFile = Arc<dyn Storage + Send>;

/// The component, compiled. Instances of it share nothing.
#[derive(Clone)]
pub struct Library {
    component: Component,
    linker: Linker<State>,
}

impl Library {
    /// Compiles the component in a file.
    ///
    /// # Errors
    /// If it is none, or imports what is not in `wit/`.
    pub fn open(path: &Path) -> Result<Self> {
        let engine = Engine::default();
        let component = Component::from_file(&engine, path)?;
        let mut linker = Linker::new(&engine);
        ports::link(&mut linker)?;
        Ok(Self { component, linker })
    }

    /// A new instance.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn instantiate(&self) -> Result<Instance> {
        let mut store = Store::new(self.component.engine(), State::default());
        store.limiter(|state| state);
        let imaging = Imaging::instantiate(&mut store, &self.component, &self.linker)?;
        Ok(Instance { store, imaging })
    }
}

/// An instance of the component.
pub struct Instance {
    /// Its memory, and what it has outside of itself.
    pub store: Store<State>,
    /// Its exports.
    pub imaging: Imaging,
}

/// What is captured.
pub enum What {
    /// A tree of files.
    Tree(Arc<dyn Source + Send>),
    /// An NTFS volume.
    Volume(AnyFile, VolumeOptions),
}

/// How a new archive is written at `now`, reproducibly.
pub fn options(compression: Compression, now: u64) -> Options {
    Options {
        compression,
        chunk_size: 0,
        level: 0,
        integrity: Integrity::Keep,
        guid: None,
        now,
    }
}

/// An image as the native program makes it by default.
pub fn image(name: &str) -> ImageOptions {
    ImageOptions {
        name: name.into(),
        properties: Vec::new(),
        boot: false,
        config: None,
        links: LinkFixing::OmitOutside,
        unix_data: UnixDataForm::None,
        extras: Extras::SECURITY | Extras::XATTRS,
        on_unreadable: OnUnreadable::Fail,
        pass_over: Vec::new(),
        latest_time: None,
    }
}

/// A capture or append under way.
pub struct Writing<'a> {
    instance: &'a mut Instance,
    writer: ResourceAny,
}

impl Instance {
    fn give<T: Send + 'static>(&mut self, thing: T) -> Result<Resource<T>> {
        Ok(self.store.data_mut().table.push(thing)?)
    }

    /// Gives something for one call.
    fn lending<T: Send + 'static, R>(
        &mut self,
        thing: T,
        call: impl FnOnce(&mut Self, Resource<T>) -> Result<R>,
    ) -> Result<R> {
        let resource = self.give(thing)?;
        let result = call(self, Resource::new_borrow(resource.rep()));
        self.store.data_mut().table.delete(resource)?;
        result
    }

    /// The same for whoever watches, if anybody does.
    fn watched<R>(
        &mut self,
        watch: Option<Box<dyn Watch>>,
        call: impl FnOnce(&mut Self, Option<Resource<Watcher>>) -> Result<R>,
    ) -> Result<R> {
        match watch {
            None => call(self, None),
            Some(watch) => {
                self.lending(Watcher(watch), |instance, lent| call(instance, Some(lent)))
            }
        }
    }

    fn writing(&mut self, writer: Given<ResourceAny>) -> Given<Writing<'_>> {
        writer.map(|writer| Writing {
            instance: self,
            writer,
        })
    }

    /// Begins a new archive.
    pub fn create(&mut self, storage: AnyFile, options: &Options) -> Outcome<Writing<'_>> {
        let file = self.give(File(storage))?;
        let writers = self.imaging.wimforge_imaging_writer().writer();
        let writer = writers.call_create(&mut self.store, file, *options)?;
        Ok(self.writing(writer))
    }

    /// Begins to append to an archive.
    pub fn append(&mut self, storage: AnyFile, options: &Options) -> Outcome<Writing<'_>> {
        let file = self.give(File(storage))?;
        let writers = self.imaging.wimforge_imaging_writer().writer();
        let writer = writers.call_append(&mut self.store, file, *options)?;
        Ok(self.writing(writer))
    }

    /// Begins a pipable archive, with the images of another one first.
    pub fn pipe(
        &mut self,
        to: Box<dyn Sink + Send>,
        existing: Option<AnyFile>,
        options: &Options,
    ) -> Outcome<Writing<'_>> {
        let output = self.give(Output(to))?;
        let existing = existing.map(|file| self.give(File(file))).transpose()?;
        let writers = self.imaging.wimforge_imaging_writer().writer();
        let writer = writers.call_pipe(&mut self.store, output, existing, *options)?;
        Ok(self.writing(writer))
    }

    /// Opens an archive.
    pub fn open(&mut self, files: Vec<AnyFile>) -> Outcome<Reading<'_>> {
        let files = files.into_iter().map(|file| self.give(File(file)));
        let files = files.collect::<Result<Vec<_>>>()?;
        let archives = self.imaging.wimforge_imaging_archive().archive();
        let archive = archives.call_open(&mut self.store, &files)?;
        Ok(archive.map(|archive| Reading {
            instance: self,
            archive,
        }))
    }

    /// Opens a pipable archive that comes through a feed.
    pub fn open_piped(&mut self, feed: Box<dyn Feed + Send>) -> Outcome<Piped<'_>> {
        let input = self.give(Input(feed))?;
        let archives = self.imaging.wimforge_imaging_archive().piped_archive();
        let archive = archives.call_open(&mut self.store, input)?;
        Ok(archive.map(|archive| Piped {
            instance: self,
            archive,
        }))
    }
}

impl Writing<'_> {
    /// Has chunks compressed by these instances.
    pub fn use_workers(&mut self, pool: Pool) -> Result<()> {
        let pool = self.instance.give(pool)?;
        let Instance { store, imaging } = self.instance;
        let writers = imaging.wimforge_imaging_writer().writer();
        writers.call_use_workers(store, self.writer, pool)
    }

    /// Adds an image.
    pub fn add(
        &mut self,
        what: What,
        image: &ImageOptions,
        watch: Option<Box<dyn Watch>>,
    ) -> Outcome<Summary> {
        let writer = self.writer;
        self.instance
            .watched(watch, |instance, watcher| match what {
                What::Tree(tree) => {
                    instance.lending(Tree(tree), |Instance { store, imaging }, tree| {
                        let writers = imaging.wimforge_imaging_writer().writer();
                        writers.call_add(store, writer, tree, image, watcher)
                    })
                }
                What::Volume(device, how) => {
                    let device = instance.give(Device(device))?;
                    let Instance { store, imaging } = instance;
                    let writers = imaging.wimforge_imaging_writer().writer();
                    writers.call_add_volume(store, writer, device, how, image, watcher)
                }
            })
    }

    /// Completes the archive.
    pub fn finish(self, watch: Option<Box<dyn Watch>>) -> Outcome<u64> {
        let writer = self.writer;
        self.instance
            .watched(watch, |Instance { store, imaging }, watcher| {
                let writers = imaging.wimforge_imaging_writer().writer();
                writers.call_finish(store, writer, watcher)
            })
    }

    /// Gives up.
    pub fn abandon(self) -> Result<()> {
        self.writer.resource_drop(&mut self.instance.store)
    }
}

/// An open archive.
pub struct Reading<'a> {
    instance: &'a mut Instance,
    archive: ResourceAny,
}

/// A pipable archive that comes through a feed, of which only the beginning has been read.
pub struct Piped<'a> {
    instance: &'a mut Instance,
    archive: ResourceAny,
}

/// An image of an open archive.
pub struct Image<'a> {
    instance: &'a mut Instance,
    image: ResourceAny,
}

/// A path as the interfaces have it.
pub fn path(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

impl Reading<'_> {
    /// The archive as a whole.
    pub fn info(&mut self) -> Result<ArchiveInfo> {
        let archives = self.instance.imaging.wimforge_imaging_archive().archive();
        archives.call_info(&mut self.instance.store, self.archive)
    }

    /// Its images.
    pub fn images(&mut self) -> Result<Vec<ImageInfo>> {
        let archives = self.instance.imaging.wimforge_imaging_archive().archive();
        archives.call_images(&mut self.instance.store, self.archive)
    }

    /// Its XML data.
    pub fn xml(&mut self) -> Result<String> {
        let archives = self.instance.imaging.wimforge_imaging_archive().archive();
        archives.call_xml(&mut self.instance.store, self.archive)
    }

    /// Verifies everything.
    pub fn verify(&mut self, watch: Option<Box<dyn Watch>>) -> Outcome<VerifyReport> {
        let archive = self.archive;
        self.instance
            .watched(watch, |Instance { store, imaging }, watcher| {
                let archives = imaging.wimforge_imaging_archive().archive();
                archives.call_verify(store, archive, watcher)
            })
    }

    /// The tree of an image.
    pub fn image(&mut self, index: u32) -> Outcome<Image<'_>> {
        let archives = self.instance.imaging.wimforge_imaging_archive().archive();
        let image = archives.call_image(&mut self.instance.store, self.archive, index)?;
        Ok(image.map(|image| Image {
            instance: self.instance,
            image,
        }))
    }
}

impl Image<'_> {
    /// A file or directory.
    pub fn stat(&mut self, path: &[u16]) -> Outcome<Entry> {
        let images = self.instance.imaging.wimforge_imaging_archive().image();
        images.call_stat(&mut self.instance.store, self.image, &path.to_vec())
    }

    /// The entries of a directory.
    pub fn list(&mut self, path: &[u16]) -> Outcome<Vec<Entry>> {
        let images = self.instance.imaging.wimforge_imaging_archive().image();
        images.call_list(&mut self.instance.store, self.image, &path.to_vec())
    }

    /// A part of a stream.
    pub fn read(
        &mut self,
        path: &[u16],
        kind: &StreamKind,
        ranges: &[(u64, u32)],
    ) -> Outcome<Vec<Vec<u8>>> {
        let guest = self.instance.imaging.wimforge_imaging_archive();
        let store = &mut self.instance.store;
        let contents =
            match guest
                .image()
                .call_open(&mut *store, self.image, &path.to_vec(), kind)?
            {
                Ok(contents) => contents,
                Err(error) => return Ok(Err(error)),
            };
        let mut pieces = Vec::new();
        for &(offset, size) in ranges {
            match guest
                .contents()
                .call_read(&mut *store, contents, offset, size)?
            {
                Ok(piece) => pieces.push(piece),
                Err(error) => return Ok(Err(error)),
            }
        }
        contents.resource_drop(store)?;
        Ok(Ok(pieces))
    }

    /// Writes a stream to a sink.
    pub fn send(
        &mut self,
        path: &[u16],
        kind: &StreamKind,
        sink: Box<dyn Sink + Send>,
    ) -> Outcome<u64> {
        let image = self.image;
        self.instance
            .lending(Output(sink), |Instance { store, imaging }, output| {
                let images = imaging.wimforge_imaging_archive().image();
                images.call_send(store, image, &path.to_vec(), kind, output)
            })
    }

    /// Restores a file or directory tree.
    pub fn extract(
        &mut self,
        path: &[u16],
        target: Arc<dyn Target + Send>,
        to: &[u16],
        options: RestoreOptions,
        watch: Option<Box<dyn Watch>>,
    ) -> Outcome<Restored> {
        let image = self.image;
        self.instance.watched(watch, |instance, watcher| {
            instance.lending(Directory(target), |Instance { store, imaging }, target| {
                let images = imaging.wimforge_imaging_archive().image();
                let (path, to) = (path.to_vec(), to.to_vec());
                images.call_extract(store, image, &path, target, &to, options, watcher)
            })
        })
    }
}

impl<'a> Piped<'a> {
    /// The archive as a whole.
    pub fn info(&mut self) -> Result<ArchiveInfo> {
        let Instance { store, imaging } = &mut *self.instance;
        let archives = imaging.wimforge_imaging_archive().piped_archive();
        archives.call_info(store, self.archive)
    }

    /// Its images.
    pub fn images(&mut self) -> Result<Vec<ImageInfo>> {
        let Instance { store, imaging } = &mut *self.instance;
        let archives = imaging.wimforge_imaging_archive().piped_archive();
        archives.call_images(store, self.archive)
    }

    /// Its XML data.
    pub fn xml(&mut self) -> Result<String> {
        let Instance { store, imaging } = &mut *self.instance;
        let archives = imaging.wimforge_imaging_archive().piped_archive();
        archives.call_xml(store, self.archive)
    }

    /// The tree of an image, without its data.
    pub fn image(self, index: u32) -> Outcome<Image<'a>> {
        let Instance { store, imaging } = &mut *self.instance;
        let archives = imaging.wimforge_imaging_archive().piped_archive();
        let image = archives.call_image(store, self.archive, index)?;
        Ok(image.map(|image| Image {
            instance: self.instance,
            image,
        }))
    }

    /// Restores a file or directory tree of an image.
    pub fn extract(
        self,
        index: u32,
        path: &[u16],
        target: Arc<dyn Target + Send>,
        to: &[u16],
        options: RestoreOptions,
        watch: Option<Box<dyn Watch>>,
    ) -> Outcome<Restored> {
        let archive = self.archive;
        self.instance.watched(watch, |instance, watcher| {
            instance.lending(Directory(target), |Instance { store, imaging }, target| {
                let archives = imaging.wimforge_imaging_archive().piped_archive();
                let (path, to) = (path.to_vec(), to.to_vec());
                archives.call_extract(store, archive, index, &path, target, &to, options, watcher)
            })
        })
    }

    /// Verifies everything that a feed can show.
    pub fn verify(self, watch: Option<Box<dyn Watch>>) -> Outcome<VerifyReport> {
        let archive = self.archive;
        self.instance
            .watched(watch, |Instance { store, imaging }, watcher| {
                let archives = imaging.wimforge_imaging_archive().piped_archive();
                archives.call_verify(store, archive, watcher)
            })
    }
}
