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
use wimforge_core::write::{Draft, IntegrityChoice, NewImage, WriteOptions};
use wimforge_core::{Error, ErrorKind, Result};
use wimforge_ntfs::{NtfsSource, source};

use crate::Component;
use crate::archive::limits;
use crate::bindings::exports::wimforge::imaging::writer as wit;
use crate::bindings::wimforge::imaging::observer::Watcher;
use crate::bindings::wimforge::imaging::source::Tree;
use crate::bindings::wimforge::imaging::storage::File;
use crate::bindings::wimforge::imaging::types::ErrorCode;
use crate::bindings::wimforge::imaging::volume::Device;
use crate::bindings::wimforge::imaging::workers::Pool;
use crate::convert;
use crate::failure::Outcome;
use crate::observer::HostObserver;
use crate::source::{HostTree, identity};
use crate::storage::HostFile;
use crate::volume::HostDevice;
use crate::workers::HostPool;

impl wit::Guest for Component {
    type Writer = Writer;
}

/// An archive being written.
pub struct Writer {
    storage: Arc<HostFile>,
    options: WriteOptions,
    /// Taken away when it is finished.
    draft: RefCell<Option<Draft>>,
    workers: RefCell<Box<dyn Workers>>,
}

impl Writer {
    fn begin(storage: Arc<HostFile>, options: WriteOptions, draft: Draft) -> wit::Writer {
        wit::Writer::new(Self {
            storage,
            options,
            draft: RefCell::new(Some(draft)),
            workers: RefCell::new(Box::new(Inline)),
        })
    }

    fn add_image(
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
        let mut options = self.options.clone();
        options.on_unreadable = on_unreadable(image.on_unreadable);
        let mut draft = self.draft.borrow_mut();
        let finished = || Error::new(ErrorKind::Parameter, "the archive is finished");
        let draft = draft.as_mut().ok_or_else(finished)?;
        let workers = self.workers.borrow();
        let summary = draft.add(&*self.storage, new, &options, &**workers, observer)?;
        Ok(wit::Summary {
            image: summary.image,
            directories: summary.numbers.directories,
            files: summary.numbers.files,
            bytes: summary.numbers.total_bytes,
            skipped: summary.skipped,
        })
    }
}

/// Dropped unfinished, it leaves what was there before.
impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(draft) = self.draft.take() {
            // Nobody is left to be told; the archive is valid with its old images all the same.
            let _ = draft.abandon(&*self.storage);
        }
    }
}

impl wit::GuestWriter for Writer {
    fn create(storage: File, options: wit::Options) -> Outcome<wit::Writer> {
        let options = write_options(&options)?;
        let storage = Arc::new(HostFile(storage));
        let draft = Draft::create(&*storage, &options)?;
        Ok(Self::begin(storage, options, draft))
    }

    fn append(storage: File, options: wit::Options) -> Outcome<wit::Writer> {
        let mut options = write_options(&options)?;
        let storage = Arc::new(HostFile(storage));
        let archive = Archive::open(Arc::clone(&storage) as _, &OpenOptions { limits: limits() })?;
        options.compression = archive.header().compression;
        if let Compression::Chunked(format, chunk_size) = options.compression {
            convert::check_memory(format, chunk_size, options.level)?;
        }
        let draft = Draft::append(archive, &options)?;
        Ok(Self::begin(storage, options, draft))
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
        let finished = || ErrorCode::Argument("the archive is finished".into());
        let draft = writer.draft.take().ok_or_else(finished)?;
        let size = draft.finish(&*writer.storage, &HostObserver(observer));
        size.map_err(ErrorCode::from)
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
