//! The exported `writer`.

use std::cell::RefCell;
use std::sync::Arc;

use wimforge_codec::Format;
use wimforge_core::archive::{Archive, OpenOptions};
use wimforge_core::format::Compression;
use wimforge_core::port::{
    Inline, InlineWithRemote, Observer, OnUnreadable, Source, Wanted, Workers,
};
use wimforge_core::scan::config::{CaptureConfig, DEFAULT_EXCLUSIONS};
use wimforge_core::scan::glob::Case;
use wimforge_core::scan::{OutsideLinks, ScanOptions, Scanner, UnixDataForm};
use wimforge_core::time::FileTime;
use wimforge_core::write::pipable::{self, Contents, Destination};
use wimforge_core::write::{
    CaptureSummary, Draft, IntegrityChoice, Means, NewImage, Scope, WriteOptions,
};
use wimforge_core::{Error, ErrorKind, Result};
use wimforge_ntfs::{NtfsSource, source};

use crate::Component;
use crate::archive::limits;
use crate::bindings::exports::wimforge::imaging::writer as wit;
use crate::bindings::wimforge::imaging::observer::Watcher;
use crate::bindings::wimforge::imaging::sink::Output;
use crate::bindings::wimforge::imaging::source::Tree;
use crate::bindings::wimforge::imaging::storage::File;
use crate::bindings::wimforge::imaging::types::ErrorCode;
use crate::bindings::wimforge::imaging::volume::Device;
use crate::bindings::wimforge::imaging::workers::Pool;
use crate::convert;
use crate::failure::Outcome;
use crate::observer::HostObserver;
use crate::sink::HostSink;
use crate::source::{HostTree, identity};
use crate::storage::HostFile;
use crate::volume::HostDevice;
use crate::workers::HostPool;

impl wit::Guest for Component {
    type Writer = Writer;
}

/// An archive being written.
pub struct Writer {
    state: RefCell<State>,
    options: WriteOptions,
    workers: RefCell<Box<dyn Workers>>,
}

/// What became of it so far.
enum State {
    /// In a file with random access.
    File(Arc<HostFile>, Box<Draft>),
    /// Nothing is in the sink yet; the archive whose images come first.
    Pipe(Output, Option<Box<Archive>>),
    /// All of so many bytes is in the sink.
    Piped(u64),
    /// It is finished or given up.
    Over,
}

impl Writer {
    fn begin(state: State, options: WriteOptions) -> wit::Writer {
        wit::Writer::new(Self {
            state: RefCell::new(state),
            options,
            workers: RefCell::new(Box::new(Inline)),
        })
    }

    /// Adds an image, or gives everything up.
    fn add_image(
        &self,
        source: &dyn Source,
        image: wit::ImageOptions,
        is_volume: bool,
        observer: &dyn Observer,
    ) -> Result<wit::Summary> {
        let added = self.scan_and_write(source, image, is_volume, observer);
        if added.is_err() {
            self.give_up();
        }
        added
    }

    fn scan_and_write(
        &self,
        source: &dyn Source,
        image: wit::ImageOptions,
        is_volume: bool,
        observer: &dyn Observer,
    ) -> Result<wit::Summary> {
        let options = scan_options(&image, is_volume, observer)?;
        let mut scanner = Scanner::new(&options, observer);
        scanner.add_root(source)?;
        let new = NewImage {
            scanned: scanner.finish()?,
            sources: &[source],
            name: image.name,
            properties: image
                .properties
                .into_iter()
                .map(|property| (property.name, property.value))
                .collect(),
            boot: image.boot,
            bases: &[],
            links_fixed: options.fix_links.is_some(),
            latest_time: options.latest_time,
        };
        let summary = self.write(new, on_unreadable(image.on_unreadable), observer)?;
        Ok(wit::Summary {
            image: summary.image,
            directories: summary.numbers.directories,
            files: summary.numbers.files,
            bytes: summary.numbers.total_bytes,
            skipped: summary.skipped,
        })
    }

    fn write(
        &self,
        image: NewImage<'_>,
        on_unreadable: OnUnreadable,
        observer: &dyn Observer,
    ) -> Result<CaptureSummary> {
        let options = WriteOptions {
            on_unreadable,
            ..self.options.clone()
        };
        let means = Means {
            options: &options,
            workers: &**self.workers.borrow(),
            observer,
        };
        let mut state = self.state.borrow_mut();
        if let State::File(storage, draft) = &mut *state {
            return draft.add(&**storage, image, &means);
        }
        let (to, existing) = match std::mem::replace(&mut *state, State::Over) {
            State::Pipe(to, existing) => (to, existing),
            State::Piped(_) => {
                let what = "a pipable archive can get one image only";
                return Err(Error::new(ErrorKind::Parameter, what));
            }
            State::File(..) | State::Over => return Err(over()),
        };
        let contents = contents_of(existing.as_deref())?.with(image);
        let summary = write_pipable(&to, contents, &means)?;
        *state = State::Piped(summary.size);
        Ok(summary)
    }

    /// Leaves what was there before.
    fn give_up(&self) {
        if let State::File(storage, draft) = self.state.replace(State::Over) {
            // The first failure is the one to be told; the archive is valid with its old images in any case.
            let _ = draft.abandon(&*storage);
        }
    }

    fn complete(&self, observer: &dyn Observer) -> Result<u64> {
        let mut state = self.state.borrow_mut();
        match std::mem::replace(&mut *state, State::Over) {
            State::File(storage, draft) => draft.finish(&*storage, observer),
            State::Pipe(to, existing) => {
                let contents = contents_of(existing.as_deref())?;
                let means = Means {
                    options: &self.options,
                    workers: &**self.workers.borrow(),
                    observer,
                };
                write_pipable(&to, contents, &means).map(|summary| summary.size)
            }
            State::Piped(size) => Ok(size),
            State::Over => Err(over()),
        }
    }
}

fn over() -> Error {
    Error::new(
        ErrorKind::Parameter,
        "the archive is finished or was given up",
    )
}

fn contents_of(existing: Option<&Archive>) -> Result<Contents<'_>> {
    existing.map_or_else(
        || Ok(Contents::default()),
        |archive| Contents::of(archive, Scope::OwnFile),
    )
}

fn write_pipable(to: &Output, contents: Contents<'_>, means: &Means<'_>) -> Result<CaptureSummary> {
    let mut sink = HostSink(to);
    pipable::write(Destination::Pipe(&mut sink), contents, means)
}

/// Dropped unfinished, it leaves what was there before.
impl Drop for Writer {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Opens an archive that gets another image, and has its compression used for that.
fn open_existing(storage: &Arc<HostFile>, options: &mut WriteOptions) -> Result<Archive> {
    let archive = Archive::open(Arc::clone(storage) as _, &OpenOptions { limits: limits() })?;
    options.compression = archive.header().compression;
    if let Compression::Chunked(format, chunk_size) = options.compression {
        convert::check_memory(format, chunk_size, options.level)?;
    }
    Ok(archive)
}

impl wit::GuestWriter for Writer {
    fn create(storage: File, options: wit::Options) -> Outcome<wit::Writer> {
        let options = write_options(&options)?;
        let storage = Arc::new(HostFile(storage));
        let draft = Draft::create(&*storage, &options)?;
        Ok(Self::begin(State::File(storage, Box::new(draft)), options))
    }

    fn append(storage: File, options: wit::Options) -> Outcome<wit::Writer> {
        let mut options = write_options(&options)?;
        let storage = Arc::new(HostFile(storage));
        let archive = open_existing(&storage, &mut options)?;
        let draft = Draft::append(archive, &options)?;
        Ok(Self::begin(State::File(storage, Box::new(draft)), options))
    }

    fn pipe(to: Output, existing: Option<File>, options: wit::Options) -> Outcome<wit::Writer> {
        let mut options = write_options(&options)?;
        let existing = existing
            .map(|file| open_existing(&Arc::new(HostFile(file)), &mut options).map(Box::new))
            .transpose()?;
        if options.integrity == IntegrityChoice::Include {
            let what = "a pipable archive in a sink cannot have an integrity table";
            return Err(ErrorCode::Argument(what.into()));
        }
        Ok(Self::begin(State::Pipe(to, existing), options))
    }

    fn use_workers(&self, pool: Pool) {
        let width = pool.width() as usize;
        self.workers.replace(Box::new(InlineWithRemote {
            compressor: Arc::new(HostPool(pool)),
            // What is in flight grows with the width, and memory is not endless.
            width: width.clamp(1, MOST_WORKERS),
        }));
    }

    fn add(
        &self,
        source: &Tree,
        image: wit::ImageOptions,
        observer: Option<&Watcher>,
    ) -> Outcome<wit::Summary> {
        let summary = self.add_image(&HostTree(source), image, false, &HostObserver(observer));
        summary.map_err(ErrorCode::from)
    }

    fn add_volume(
        &self,
        volume: Device,
        how: wit::VolumeOptions,
        image: wit::ImageOptions,
        observer: Option<&Watcher>,
    ) -> Outcome<wit::Summary> {
        let observer = HostObserver(observer);
        let source = open_volume(volume, how).map_err(|error| match error.kind() {
            ErrorKind::Ntfs => ErrorCode::NotRecognised(error.to_string()),
            _ => ErrorCode::from(error),
        })?;
        for warning in source.warnings() {
            observer.event(&wimforge_core::port::Event::Warning(&warning));
        }
        let summary = self.add_image(&source, image, true, &observer);
        summary.map_err(ErrorCode::from)
    }

    fn finish(writer: wit::Writer, observer: Option<&Watcher>) -> Outcome<u64> {
        let writer: Self = writer.into_inner();
        Ok(writer.complete(&HostObserver(observer))?)
    }
}

/// Instances that are kept busy.
const MOST_WORKERS: usize = 64;

fn open_volume(volume: Device, how: wit::VolumeOptions) -> Result<NtfsSource> {
    let name = volume.name();
    let device = Arc::new(HostDevice(volume));
    let device = source::find_volume(device, &name, how.partition)?;
    let options = source::SourceOptions {
        decode_system_compression: how.decode_system_compression,
    };
    NtfsSource::open(device, name, options)
}

fn write_options(options: &wit::Options) -> Result<WriteOptions> {
    let level = convert::level(options.level);
    let compression = match (convert::format(options.compression), options.chunk_size) {
        (None, 0) => Compression::None,
        (None, _) => {
            return Err(Error::new(
                ErrorKind::ChunkSize,
                "a chunk size makes no sense without compression",
            ));
        }
        (Some(format), 0) => Compression::Chunked(format, usual_chunk_size(format)),
        (Some(format), chunk_size) => {
            convert::check_memory(format, chunk_size, level)?;
            Compression::Chunked(format, chunk_size)
        }
    };
    Ok(WriteOptions {
        compression,
        level,
        integrity: match options.integrity {
            wit::Integrity::Keep => IntegrityChoice::Keep,
            wit::Integrity::Include => IntegrityChoice::Include,
            wit::Integrity::Omit => IntegrityChoice::Omit,
        },
        guid: options.guid.map(convert::guid),
        now: FileTime(options.now),
        on_unreadable: OnUnreadable::Fail,
        solid: None,
    })
}

fn usual_chunk_size(format: Format) -> u32 {
    match format {
        Format::Xpress | Format::Lzx => 32 << 10,
        Format::Lzms => 128 << 10,
    }
}

fn on_unreadable(choice: wit::OnUnreadable) -> OnUnreadable {
    match choice {
        wit::OnUnreadable::Fail => OnUnreadable::Fail,
        wit::OnUnreadable::Skip => OnUnreadable::Skip,
    }
}

fn scan_options(
    image: &wit::ImageOptions,
    is_volume: bool,
    observer: &dyn Observer,
) -> Result<ScanOptions> {
    let config = match &image.config {
        None => CaptureConfig::excluding(&DEFAULT_EXCLUSIONS, Case::Sensitive)?,
        Some(text) => CaptureConfig::parse(
            text,
            "the capture configuration",
            Case::Sensitive,
            &mut |warning| {
                observer.event(&wimforge_core::port::Event::Warning(warning));
            },
        )?,
    };
    Ok(ScanOptions {
        config,
        fix_links: match image.links {
            wit::LinkFixing::Off => None,
            wit::LinkFixing::OmitOutside => Some(OutsideLinks::Omit),
            wit::LinkFixing::KeepOutside => Some(OutsideLinks::Keep),
        },
        unix_data: match image.unix_data {
            wit::UnixDataForm::None => UnixDataForm::None,
            wit::UnixDataForm::Item => UnixDataForm::Item,
            wit::UnixDataForm::NamedStream => UnixDataForm::Stream,
        },
        wanted: Wanted {
            xattrs: match is_volume {
                true => image.extras.contains(wit::Extras::XATTRS),
                false => image.unix_data == wit::UnixDataForm::Item,
            },
            security: image.extras.contains(wit::Extras::SECURITY),
            strict_security: image.extras.contains(wit::Extras::STRICT_SECURITY),
        },
        on_unreadable: on_unreadable(image.on_unreadable),
        pass_over: image.pass_over.iter().copied().map(identity).collect(),
        latest_time: image.latest_time.map(FileTime),
        ..ScanOptions::default()
    })
}
