//! The library component and what can be done with it.

use std::path::Path;
use std::sync::Arc;

use wasmtime::component::{Component, Linker, Resource, ResourceAny};
use wasmtime::{Engine, Result, Store};
use wimforge_core::port::{Source, Storage, Target};

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
use crate::ports::{self, Device, Directory, File, Output, State, Tree, Watch, Watcher};

/// What an export returns; a trap is the outer failure.
pub type Outcome<T> = Result<std::result::Result<T, ErrorCode>>;

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
    Volume(Arc<dyn Storage + Send>, VolumeOptions),
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
    fn give_file(&mut self, storage: Arc<dyn Storage + Send>) -> Result<Resource<File>> {
        Ok(self.store.data_mut().table.push(File(storage))?)
    }

    fn give_watcher(&mut self, watch: Option<Box<dyn Watch>>) -> Result<Option<Resource<Watcher>>> {
        let table = &mut self.store.data_mut().table;
        Ok(watch.map(|watch| table.push(Watcher(watch))).transpose()?)
    }

    fn take_watcher(&mut self, watcher: Option<Resource<Watcher>>) -> Result<()> {
        if let Some(watcher) = watcher {
            self.store.data_mut().table.delete(watcher)?;
        }
        Ok(())
    }

    /// Begins a new archive.
    ///
    /// # Errors
    /// A trap.
    pub fn create(
        &mut self,
        storage: Arc<dyn Storage + Send>,
        options: &Options,
    ) -> Outcome<Writing<'_>> {
        let file = self.give_file(storage)?;
        let writers = self.imaging.wimforge_imaging_writer().writer();
        let writer = writers.call_create(&mut self.store, file, *options)?;
        Ok(writer.map(|writer| Writing {
            instance: self,
            writer,
        }))
    }

    /// Begins to append to an archive.
    ///
    /// # Errors
    /// A trap.
    pub fn append(
        &mut self,
        storage: Arc<dyn Storage + Send>,
        options: &Options,
    ) -> Outcome<Writing<'_>> {
        let file = self.give_file(storage)?;
        let writers = self.imaging.wimforge_imaging_writer().writer();
        let writer = writers.call_append(&mut self.store, file, *options)?;
        Ok(writer.map(|writer| Writing {
            instance: self,
            writer,
        }))
    }

    /// Opens an archive.
    ///
    /// # Errors
    /// A trap.
    pub fn open(&mut self, files: Vec<Arc<dyn Storage + Send>>) -> Outcome<Reading<'_>> {
        let files: Result<Vec<_>> = files.into_iter().map(|file| self.give_file(file)).collect();
        let archives = self.imaging.wimforge_imaging_archive().archive();
        let archive = archives.call_open(&mut self.store, &files?)?;
        Ok(archive.map(|archive| Reading {
            instance: self,
            archive,
        }))
    }
}

/// Another handle of the same thing, which the component gives back when the call ends.
fn lend<T: 'static>(resource: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(resource.rep())
}

impl Writing<'_> {
    /// Has chunks compressed by these instances.
    ///
    /// # Errors
    /// A trap.
    pub fn use_workers(&mut self, pool: Pool) -> Result<()> {
        let Instance { store, imaging } = self.instance;
        let pool = store.data_mut().table.push(pool)?;
        let writers = imaging.wimforge_imaging_writer().writer();
        writers.call_use_workers(store, self.writer, pool)
    }

    /// Adds an image.
    ///
    /// # Errors
    /// A trap.
    pub fn add(
        &mut self,
        what: What,
        image: &ImageOptions,
        watch: Option<Box<dyn Watch>>,
    ) -> Outcome<Summary> {
        let watcher = self.instance.give_watcher(watch)?;
        let lent = watcher.as_ref().map(lend);
        let Instance { store, imaging } = &mut *self.instance;
        let writers = imaging.wimforge_imaging_writer().writer();
        let summary = match what {
            What::Tree(tree) => {
                let tree = store.data_mut().table.push(Tree(tree))?;
                let added = writers.call_add(&mut *store, self.writer, lend(&tree), image, lent);
                store.data_mut().table.delete(tree)?;
                added
            }
            What::Volume(device, how) => {
                let device = store.data_mut().table.push(Device(device))?;
                writers.call_add_volume(store, self.writer, device, how, image, lent)
            }
        };
        self.instance.take_watcher(watcher)?;
        summary
    }

    /// Completes the archive.
    ///
    /// # Errors
    /// A trap.
    pub fn finish(self, watch: Option<Box<dyn Watch>>) -> Outcome<u64> {
        let watcher = self.instance.give_watcher(watch)?;
        let lent = watcher.as_ref().map(lend);
        let Instance { store, imaging } = &mut *self.instance;
        let writers = imaging.wimforge_imaging_writer().writer();
        let size = writers.call_finish(store, self.writer, lent);
        self.instance.take_watcher(watcher)?;
        size
    }

    /// Gives up.
    ///
    /// # Errors
    /// A trap.
    pub fn abandon(self) -> Result<()> {
        self.writer.resource_drop(&mut self.instance.store)
    }
}

/// An open archive.
pub struct Reading<'a> {
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
    ///
    /// # Errors
    /// A trap.
    pub fn info(&mut self) -> Result<ArchiveInfo> {
        let archives = self.instance.imaging.wimforge_imaging_archive().archive();
        archives.call_info(&mut self.instance.store, self.archive)
    }

    /// Its images.
    ///
    /// # Errors
    /// A trap.
    pub fn images(&mut self) -> Result<Vec<ImageInfo>> {
        let archives = self.instance.imaging.wimforge_imaging_archive().archive();
        archives.call_images(&mut self.instance.store, self.archive)
    }

    /// Its XML data.
    ///
    /// # Errors
    /// A trap.
    pub fn xml(&mut self) -> Result<String> {
        let archives = self.instance.imaging.wimforge_imaging_archive().archive();
        archives.call_xml(&mut self.instance.store, self.archive)
    }

    /// Verifies everything.
    ///
    /// # Errors
    /// A trap.
    pub fn verify(&mut self, watch: Option<Box<dyn Watch>>) -> Outcome<VerifyReport> {
        let watcher = self.instance.give_watcher(watch)?;
        let lent = watcher.as_ref().map(lend);
        let archives = self.instance.imaging.wimforge_imaging_archive().archive();
        let report = archives.call_verify(&mut self.instance.store, self.archive, lent);
        self.instance.take_watcher(watcher)?;
        report
    }

    /// The tree of an image.
    ///
    /// # Errors
    /// A trap.
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
    ///
    /// # Errors
    /// A trap.
    pub fn stat(&mut self, path: &[u16]) -> Outcome<Entry> {
        let images = self.instance.imaging.wimforge_imaging_archive().image();
        images.call_stat(&mut self.instance.store, self.image, &path.to_vec())
    }

    /// The entries of a directory.
    ///
    /// # Errors
    /// A trap.
    pub fn list(&mut self, path: &[u16]) -> Outcome<Vec<Entry>> {
        let images = self.instance.imaging.wimforge_imaging_archive().image();
        images.call_list(&mut self.instance.store, self.image, &path.to_vec())
    }

    /// A part of a stream.
    ///
    /// # Errors
    /// A trap.
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

    /// Writes a stream to a sink, which comes back.
    ///
    /// # Errors
    /// A trap.
    pub fn send(
        &mut self,
        path: &[u16],
        kind: &StreamKind,
        sink: Box<dyn wimforge_core::port::Sink + Send>,
    ) -> Outcome<u64> {
        let store = &mut self.instance.store;
        let output = store.data_mut().table.push(Output(sink))?;
        let images = self.instance.imaging.wimforge_imaging_archive().image();
        let sent = images.call_send(&mut *store, self.image, &path.to_vec(), kind, lend(&output));
        store.data_mut().table.delete(output)?;
        sent
    }

    /// Restores a file or directory tree.
    ///
    /// # Errors
    /// A trap.
    pub fn extract(
        &mut self,
        path: &[u16],
        target: Arc<dyn Target + Send>,
        to: &[u16],
        options: RestoreOptions,
        watch: Option<Box<dyn Watch>>,
    ) -> Outcome<Restored> {
        let watcher = self.instance.give_watcher(watch)?;
        let lent = watcher.as_ref().map(lend);
        let store = &mut self.instance.store;
        let directory = store.data_mut().table.push(Directory(target))?;
        let images = self.instance.imaging.wimforge_imaging_archive().image();
        let lent_directory = lend(&directory);
        let done = images.call_extract(
            &mut *store,
            self.image,
            &path.to_vec(),
            lent_directory,
            &to.to_vec(),
            options,
            lent,
        );
        store.data_mut().table.delete(directory)?;
        self.instance.take_watcher(watcher)?;
        done
    }
}
