//! `capture` and `append`.

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use serde_json::json;
use wimforge_codec::{Format, Level};
use wimforge_core::archive::{Archive, BlobPool};
use wimforge_core::format::{Compression, HeaderFlags, Layout};
use wimforge_core::port::{Event, FileIdentity, Observer, OnUnreadable, Source, Wanted};
use wimforge_core::scan::config::CaptureConfig;
use wimforge_core::scan::{OutsideLinks, Overlay, ScanOptions, Scanned, UnixDataForm};
use wimforge_core::text::BadNames;
use wimforge_core::time::FileTime;
use wimforge_core::write::pipable::{self, Contents};
use wimforge_core::write::{self, CaptureSummary, IntegrityChoice, NewImage, Scope, WriteOptions};
use wimforge_core::xml::check_text;
use wimforge_core::{Error, ErrorKind, Result};

use super::archive;
use super::destination::Destination;
use super::incremental::{self, Incremental};
use super::sources::Sources;
use crate::failure::Failure;
use crate::host::{Host, Lock, SourceKind, SourceOptions};
use crate::invocation::Invocation;
use crate::profile::{Compat, Profile};
use crate::report::Reporter;
use crate::solid::SolidChoice;
use crate::values::{CompressionChoice, amount, count};

/// Chunk size of images for WIMBoot.
const WIMBOOT_CHUNK: u32 = 4096;

/// The configuration of images for WIMBoot, in the image and in the source.
const WIMBOOT_CONFIG: &str = "Windows/System32/WimBootCompress.ini";

/// Most bytes of a configuration file.
const CONFIG_LIMIT: u64 = 16 << 20;

/// What was asked for.
struct Request {
    source: PathBuf,
    source_list: bool,
    /// What was asked for; `-` and an archive that is appended to have something to say too.
    layout: Option<Layout>,
    wimfile: PathBuf,
    name: Option<String>,
    description: Option<String>,
    properties: Vec<(String, String)>,
    boot: bool,
    check: bool,
    integrity: IntegrityChoice,
    compression: Option<CompressionChoice>,
    chunk_size: Option<u32>,
    solid: SolidChoice,
    threads: usize,
    rebuild: bool,
    compact: bool,
    dry_run: bool,
    wimboot: bool,
    create: bool,
    fix_links: Option<bool>,
    outside_links: OutsideLinks,
    dereference: bool,
    bad_names: BadNames,
    unix_data: UnixDataForm,
    no_acls: bool,
    strict_acls: bool,
    verbose: bool,
    on_unreadable: OnUnreadable,
    decode_system_compression: bool,
    partition: Option<u32>,
    config: Option<PathBuf>,
    incremental: incremental::Request,
    profile: Profile,
    epoch: Option<FileTime>,
}

impl Request {
    fn of(host: &dyn Host, invocation: &Invocation) -> Result<Self, Failure> {
        let matches = &invocation.matches;
        let path = |name: &str| {
            matches
                .get_one::<PathBuf>(name)
                .cloned()
                .unwrap_or_default()
        };
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let is = |name: &str, value: &str| {
            matches
                .get_one::<String>(name)
                .is_some_and(|given| given == value)
        };
        let compat = match matches.get_one::<String>("compat").map(String::as_str) {
            Some("wimlib") => Compat::Wimlib,
            Some(_) => Compat::Seed,
            None => invocation.compat,
        };
        let profile = compat.profile();
        let chunk_size = matches.get_one::<u64>("chunk-size").copied();
        let chunk_size = chunk_size.map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        let request = Self {
            source: path("SOURCE"),
            source_list: matches.get_flag("source-list"),
            layout: layout(matches)?,
            wimfile: path("WIMFILE"),
            name: text("IMAGE_NAME"),
            description: text("IMAGE_DESCRIPTION").filter(|text| !text.is_empty()),
            properties: properties(matches),
            boot: matches.get_flag("boot"),
            check: matches.get_flag("check"),
            integrity: integrity(matches)?,
            compression: matches.get_one::<CompressionChoice>("compress").copied(),
            chunk_size,
            solid: SolidChoice::of(matches),
            threads: matches.get_one::<usize>("threads").copied().unwrap_or(0),
            rebuild: invocation.verb == "append" && matches.get_flag("rebuild"),
            compact: invocation.verb == "append" && matches.get_flag("unsafe-compact"),
            dry_run: matches.get_flag("dry-run"),
            wimboot: matches.get_flag("wimboot"),
            create: invocation.verb == "append" && matches.get_flag("create"),
            fix_links: fix_links(matches)?,
            outside_links: match text("outside-links").as_deref() {
                Some("keep") => OutsideLinks::Keep,
                Some(_) => OutsideLinks::Omit,
                None => profile.outside_links,
            },
            dereference: matches.get_flag("dereference"),
            bad_names: match matches.get_flag("escape-names") {
                true => BadNames::Escape,
                false => BadNames::Refuse,
            },
            unix_data: match text("unix-data").as_deref() {
                None => UnixDataForm::None,
                Some("stream") => UnixDataForm::Stream,
                Some(_) => UnixDataForm::Item,
            },
            no_acls: matches.get_flag("no-acls"),
            strict_acls: matches.get_flag("strict-acls"),
            verbose: matches.get_flag("verbose"),
            on_unreadable: match is("on-error", "skip") {
                true => OnUnreadable::Skip,
                false => OnUnreadable::Fail,
            },
            decode_system_compression: match text("wof").as_deref() {
                Some("keep") => false,
                Some(_) => true,
                None => profile.decode_system_compression,
            },
            partition: matches.get_one::<u32>("partition").copied(),
            config: matches.get_one::<PathBuf>("config").cloned(),
            incremental: incremental::Request::of(matches, invocation.verb == "append")?,
            profile,
            epoch: epoch(host)?,
        };
        if matches.get_flag("snapshot") {
            let what = "--snapshot is possible on Windows only, where it uses VSS";
            return Err(Error::new(ErrorKind::Unsupported, what).into());
        }
        if request.solid.is_wanted()
            && (request.is_to_stdout() || request.layout == Some(Layout::Pipable))
        {
            return Err(contradiction("solid", "pipable"));
        }
        if request.is_to_stdout() {
            if request.layout == Some(Layout::Seekable) {
                return Err(contradiction("not-pipable", "WIMFILE \"-\""));
            }
            if request.integrity == IntegrityChoice::Include {
                return Err(contradiction("check", "WIMFILE \"-\""));
            }
        }
        Ok(request)
    }

    /// Whether the archive goes to standard output.
    fn is_to_stdout(&self) -> bool {
        self.wimfile.as_os_str() == "-"
    }

    /// The image name: as given, or the last component of the source.
    fn image_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let path = self.source.to_string_lossy();
            let trimmed = path.trim_end_matches('/');
            trimmed.rsplit('/').next().unwrap_or_default().to_owned()
        })
    }

    fn compression(&self) -> Result<Compression> {
        let choice = self.compression.unwrap_or(CompressionChoice {
            format: Some(match (self.wimboot, self.solid.is_wanted()) {
                (true, _) => Format::Xpress,
                (false, true) => Format::Lzms,
                (false, false) => Format::Lzx,
            }),
            level: None,
        });
        let is_xpress = choice.format == Some(Format::Xpress);
        let wimboot_size = (self.wimboot && is_xpress).then_some(WIMBOOT_CHUNK);
        let chunk_size = self.chunk_size.or(wimboot_size);
        match (choice.format, chunk_size) {
            (None, Some(_)) => Err(Error::new(
                ErrorKind::ChunkSize,
                "a chunk size makes no sense without compression",
            )),
            (Some(format), Some(size)) => {
                format.check_chunk_size(size)?;
                Ok(choice.with_chunk_size(Some(size)))
            }
            _ => Ok(choice.with_chunk_size(None)),
        }
    }

    fn level(&self) -> Level {
        self.compression
            .and_then(|choice| choice.level)
            .unwrap_or_default()
    }

    fn now(&self, host: &dyn Host) -> FileTime {
        self.epoch.unwrap_or_else(|| host.now())
    }

    fn write_options(&self, host: &dyn Host) -> Result<WriteOptions> {
        Ok(WriteOptions {
            compression: self.compression()?,
            level: self.level(),
            solid: self.solid.for_new()?,
            integrity: self.integrity,
            guid: match self.epoch {
                Some(_) => None,
                None => Some(host.random_guid()?),
            },
            now: self.now(host),
            on_unreadable: self.on_unreadable,
        })
    }

    fn scan_options(
        &self,
        host: &dyn Host,
        sources: &Sources,
        fix: bool,
        pass_over: Vec<FileIdentity>,
        reporter: &Reporter<'_>,
    ) -> Result<ScanOptions> {
        self.check_destination(sources, &pass_over)?;
        Ok(ScanOptions {
            config: {
                let path = self.config_path(host, reporter);
                load_config(host, path.as_deref(), &self.profile, reporter)?
            },
            fix_links: fix.then_some(self.outside_links),
            unix_data: self.unix_data,
            wanted: Wanted {
                xattrs: match sources.volume() {
                    Some(_) => self.profile.volume_xattrs,
                    None => self.unix_data == UnixDataForm::Item,
                },
                security: !self.no_acls,
                strict_security: self.strict_acls,
            },
            on_unreadable: self.on_unreadable,
            pass_over,
            overlapping: self.source_list,
            overlay: match self.wimboot {
                true => Overlay::Replace,
                false => self.profile.overlay,
            },
            case: archive::asked_case(host).unwrap_or_default(),
            now: self.now(host),
            latest_time: self.epoch,
        })
    }

    /// An archive must not take the place of the volume whose image it holds.
    fn check_destination(&self, sources: &Sources, written: &[FileIdentity]) -> Result<()> {
        let volume = sources.volume().and_then(|opened| opened.volume.as_ref());
        let volume = volume.and_then(|volume| volume.identity);
        match volume.is_some_and(|volume| written.contains(&volume)) {
            true => Err(Error::new(
                ErrorKind::Parameter,
                format!(
                    "\"{}\" is the volume to be captured; it cannot be the archive too",
                    show(&self.wimfile)
                ),
            )),
            false => Ok(()),
        }
    }

    /// The configuration: the one given, or, for WIMBoot, the source's own.
    fn config_path(&self, host: &dyn Host, reporter: &Reporter<'_>) -> Option<PathBuf> {
        if self.config.is_some() || !self.wimboot {
            return self.config.clone();
        }
        let own = self.source.join(WIMBOOT_CONFIG);
        if host.exists(&own) {
            return Some(own);
        }
        reporter.warning(&format!(
            "\"{}\" does not exist.\nUsing default capture configuration!",
            own.display()
        ));
        None
    }
}

/// What is left out: as a configuration file says, or by default.
pub(super) fn load_config(
    host: &dyn Host,
    config: Option<&Path>,
    profile: &Profile,
    reporter: &Reporter<'_>,
) -> Result<CaptureConfig> {
    let case = archive::name_case(host, reporter);
    let Some(path) = config else {
        return CaptureConfig::excluding(&profile.exclusions(), case);
    };
    let text = host.read_file(path, CONFIG_LIMIT).map_err(|error| {
        let what = format!(
            "cannot read the capture configuration \"{}\"",
            path.display()
        );
        Error::new(ErrorKind::ReadConfig, what).because(error)
    })?;
    CaptureConfig::parse(&text, &path.display().to_string(), case, &mut |warning| {
        reporter.warning(warning);
    })
}

/// Options that contradict each other are an error.
pub(super) fn contradiction(a: &str, b: &str) -> Failure {
    let dashed = |name: &str| match name.contains(' ') {
        true => name.to_owned(),
        false => format!("--{name}"),
    };
    let (a, b) = (dashed(a), dashed(b));
    let what = format!("{a} and {b} contradict each other");
    Failure::Core(Error::new(ErrorKind::Parameter, what))
}

/// The layout that was asked for.
fn layout(matches: &ArgMatches) -> Result<Option<Layout>, Failure> {
    match (matches.get_flag("pipable"), matches.get_flag("not-pipable")) {
        (true, true) => Err(contradiction("pipable", "not-pipable")),
        (true, false) => Ok(Some(Layout::Pipable)),
        (false, true) => Ok(Some(Layout::Seekable)),
        (false, false) => Ok(None),
    }
}

fn fix_links(matches: &ArgMatches) -> Result<Option<bool>, Failure> {
    match (matches.get_flag("rpfix"), matches.get_flag("norpfix")) {
        (true, true) => Err(contradiction("rpfix", "norpfix")),
        (true, false) => Ok(Some(true)),
        (false, true) => Ok(Some(false)),
        (false, false) => Ok(None),
    }
}

/// Whether the result has an integrity table.
pub(super) fn integrity(matches: &ArgMatches) -> Result<IntegrityChoice, Failure> {
    let include = matches.get_flag("check") || matches.get_flag("include-integrity");
    match (include, matches.get_flag("nocheck")) {
        (true, true) => Err(contradiction("check", "nocheck")),
        (true, false) => Ok(IntegrityChoice::Include),
        (false, true) => Ok(IntegrityChoice::Omit),
        (false, false) => Ok(IntegrityChoice::Keep),
    }
}

/// What `--wimboot` sets, then `--flags` and `--image-property` in the order in which they were typed.
fn properties(matches: &ArgMatches) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let indices = |name: &str| matches.indices_of(name).into_iter().flatten();
    let flags = matches.get_many::<String>("flags").into_iter().flatten();
    for (index, value) in indices("flags").zip(flags) {
        found.push((index, ("FLAGS".to_owned(), value.clone())));
    }
    let given = matches
        .get_many::<(String, String)>("image-property")
        .into_iter()
        .flatten();
    for (index, property) in indices("image-property").zip(given) {
        found.push((index, property.clone()));
    }
    found.sort_by_key(|entry| entry.0);
    let wimboot = matches.get_flag("wimboot");
    let wimboot = wimboot.then(|| ("WIMBOOT".to_owned(), "1".to_owned()));
    let found = found.into_iter().map(|entry| entry.1);
    wimboot.into_iter().chain(found).collect()
}

/// The moment of `SOURCE_DATE_EPOCH`, for reproducible archives.
pub(super) fn epoch(host: &dyn Host) -> Result<Option<FileTime>, Failure> {
    let Some(value) = host.variable("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    let seconds = value.to_str().and_then(|text| text.trim().parse().ok());
    let seconds =
        seconds.ok_or_else(|| Failure::usage("SOURCE_DATE_EPOCH is not a number of seconds"))?;
    Ok(Some(FileTime::from_unix(seconds, 0)))
}

/// `capture`.
pub fn capture(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let request = Request::of(host, invocation)?;
    let reporter = reporter(host, invocation, &request);
    create(host, &request, &reporter)
}

fn reporter<'a>(host: &'a dyn Host, invocation: &Invocation, request: &Request) -> Reporter<'a> {
    Reporter::new(host, invocation)
        .verbose(request.verbose)
        .aside(request.is_to_stdout())
}

/// Writes a new archive.
fn create(host: &dyn Host, request: &Request, reporter: &Reporter<'_>) -> Result<u8, Failure> {
    let options = request.write_options(host)?;
    warn_if_without_effect(request, &options, reporter);
    let name = request.image_name();
    check_names(&name, request)?;
    let incremental = request.incremental.open(host, None, reporter)?;
    let sources = open_sources(host, request, reporter)?;
    if request.dry_run {
        let fix = request.fix_links.unwrap_or(true);
        return dry_run(host, request, &sources, &incremental, None, fix, reporter);
    }
    // Refuses a destination that cannot be written before anything is scanned.
    let mut destination = Destination::open(host, &request.wimfile, request.layout, Lock::Take)?;
    let fix = request.fix_links.unwrap_or(true);
    let scan = request.scan_options(host, &sources, fix, destination.identities(), reporter)?;
    let mut scanned = sources.scan(&scan, reporter)?;
    incremental.take_over(&mut scanned, None, reporter)?;
    let workers = host.workers(request.threads);
    if destination.layout() == Layout::Pipable {
        warn_of_pipable(reporter);
    }
    announce(&options, workers.threads(), reporter);
    let read_from = sources.all();
    let bases = incremental.bases();
    let image = NewImage {
        links_fixed: fix && sources.any_root(),
        ..new_image(request, name, scanned, &read_from, &bases)
    };
    let summary = match destination.layout() {
        Layout::Pipable => {
            let contents = Contents::default().with(image);
            let to = destination.pipable();
            pipable::write(to, contents, &options, &*workers, reporter)?
        }
        Layout::Seekable => {
            write::capture(destination.storage()?, image, &options, &*workers, reporter)?
        }
    };
    destination.commit(host)?;
    finish(&summary, request, reporter)
}

/// Scans, and says what would be captured.
fn dry_run(
    host: &dyn Host,
    request: &Request,
    sources: &Sources,
    incremental: &Incremental,
    archive: Option<&Archive>,
    fix: bool,
    reporter: &Reporter<'_>,
) -> Result<u8, Failure> {
    let scan = request.scan_options(host, sources, fix, Vec::new(), reporter)?;
    let mut scanned = sources.scan(&scan, reporter)?;
    incremental.take_over(&mut scanned, archive, reporter)?;
    let unread = scanned.pending.iter().filter(|pending| {
        let content = scanned.image.content(pending.content);
        content.hash.is_zero()
    });
    let to_read: u64 = unread
        .map(|pending| scanned.image.content(pending.content).size)
        .sum();
    let excluded = reporter.excluded();
    reporter.line(&format!(
        "Would capture {} and {} ({}), reading {}; {} excluded",
        count(scanned.directories, "directory", "directories"),
        count(scanned.files, "file", "files"),
        amount(scanned.bytes, scanned.bytes),
        amount(to_read, to_read),
        count(excluded, "path", "paths"),
    ));
    reporter.result(json!({
        "dry-run": true,
        "directories": scanned.directories,
        "files": scanned.files,
        "bytes": scanned.bytes,
        "bytes-to-read": to_read,
        "excluded": excluded,
        "skipped": scanned.skipped,
    }));
    Ok(0)
}

fn warn_of_pipable(reporter: &Reporter<'_>) {
    reporter.warning(
        "Creating a pipable WIM, which will be incompatible\nwith Microsoft's software \
         (WIMGAPI/ImageX/DISM).",
    );
}

/// `append`.
pub fn append(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let request = Request::of(host, invocation)?;
    let reporter = reporter(host, invocation, &request);
    if request.is_to_stdout() || (request.create && !host.exists(&request.wimfile)) {
        return create(host, &request, &reporter);
    }
    if request.compression.is_some() {
        reporter.warning("--compress has no effect on append: the WIM keeps its compression type");
    }
    let mut options = request.write_options(host)?;
    let opened = host.modify_archive(&request.wimfile)?;
    let identity = opened.identity;
    let archive = archive::open_storage(opened, &request.wimfile, &reporter)?;
    options.compression = archive.header().compression;
    options.solid = request.solid.for_archive(&archive)?;
    warn_if_without_effect(&request, &options, &reporter);
    let is_recompressed = request
        .chunk_size
        .is_some_and(|size| size != options.compression.chunk_size());
    if let Some(size) = request.chunk_size {
        options.compression = with_chunk_size(options.compression, size)?;
    }
    if request.check {
        archive::check(&archive, &request.wimfile, &reporter)?;
    }
    let name = unused_name(&request, &archive);
    check_names(&name, &request)?;
    if archive.xml.find(&name).is_some() {
        return Err(Error::new(
            ErrorKind::ImageNameInUse,
            format!("There is already an image named \"{name}\" in the WIM!"),
        )
        .into());
    }
    let appended = Some((&archive, request.wimfile.as_path()));
    let incremental = request.incremental.open(host, appended, &reporter)?;
    let sources = open_sources(host, &request, &reporter)?;
    let fixed_before =
        archive.header().flags.contains(HeaderFlags::RP_FIX) || archive.images.is_empty();
    let fix = request.fix_links.unwrap_or(fixed_before);
    if request.dry_run {
        let archive = Some(&archive);
        return dry_run(
            host,
            &request,
            &sources,
            &incremental,
            archive,
            fix,
            &reporter,
        );
    }
    let is_pipable = archive.header().layout == Layout::Pipable;
    let layout = request.layout.unwrap_or(archive.header().layout);
    let mut pass_over: Vec<FileIdentity> = identity.into_iter().collect();
    let stays_ordinary = !is_pipable && layout == Layout::Seekable;
    if request.compact && !stays_ordinary {
        let what = "a pipable WIM cannot be compacted in place";
        return Err(Error::new(ErrorKind::CannotCompact, what).into());
    }
    let is_rebuilt = request.rebuild || request.compact || is_recompressed || !stays_ordinary;
    let mut rebuilt = match is_rebuilt {
        true => Some(Destination::open(
            host,
            &request.wimfile,
            Some(layout),
            Lock::Held,
        )?),
        false => None,
    };
    pass_over.extend(rebuilt.iter().flat_map(Destination::identities));
    let scan = request.scan_options(host, &sources, fix, pass_over, &reporter)?;
    let mut scanned = sources.scan(&scan, &reporter)?;
    incremental.take_over(&mut scanned, Some(&archive), &reporter)?;
    let workers = host.workers(request.threads);
    if layout == Layout::Pipable && !is_pipable {
        warn_of_pipable(&reporter);
    }
    announce(&options, workers.threads(), &reporter);
    let read_from = sources.all();
    let bases = incremental.bases();
    let image = NewImage {
        links_fixed: fix && sources.any_root(),
        ..new_image(&request, name, scanned, &read_from, &bases)
    };
    let summary = match &mut rebuilt {
        None => write::append(archive, image, &options, &*workers, &reporter)?,
        Some(destination) if layout == Layout::Pipable => {
            let contents = Contents::of(&archive, Scope::OwnFile)?.with(image);
            let to = destination.pipable();
            pipable::write(to, contents, &options, &*workers, &reporter)?
        }
        Some(destination) => {
            let storage = destination.storage()?;
            write::rebuild(
                &archive,
                storage,
                Some(image),
                &options,
                &*workers,
                &reporter,
            )?
        }
    };
    if let Some(destination) = rebuilt {
        destination.commit(host)?;
    }
    finish(&summary, &request, &reporter)
}

/// The same compression type with another chunk size.
fn with_chunk_size(compression: Compression, size: u32) -> Result<Compression> {
    match compression {
        Compression::None => Err(Error::new(
            ErrorKind::ChunkSize,
            "a chunk size makes no sense without compression",
        )),
        Compression::Chunked(format, _) => {
            format.check_chunk_size(size)?;
            Ok(Compression::Chunked(format, size))
        }
    }
}

/// The default name gets a number if it is in use.
fn unused_name(request: &Request, archive: &Archive) -> String {
    let base = request.image_name();
    if request.name.is_some() || archive.xml.find(&base).is_none() {
        return base;
    }
    let numbered = (1u32..).map(|number| format!("{base} ({number})"));
    let mut unused = numbered.filter(|name| archive.xml.find(name).is_none());
    unused.next().unwrap_or(base)
}

fn check_names(name: &str, request: &Request) -> Result<()> {
    check_text("the name of the image", name)?;
    if let Some(description) = &request.description {
        check_text("the description of the image", description)?;
    }
    Ok(())
}

fn open_sources(
    host: &dyn Host,
    request: &Request,
    reporter: &Reporter<'_>,
) -> Result<Sources, Failure> {
    let options = SourceOptions {
        kind: SourceKind::TreeOrVolume,
        dereference: request.dereference,
        bad_names: request.bad_names,
        decode_system_compression: request.decode_system_compression,
        partition: request.partition,
    };
    if !request.source_list {
        let mut sources = Sources::single(host, &request.source, options, reporter)?;
        if let (true, Some(config)) = (request.wimboot, &request.config) {
            sources.add_file(host, config, WIMBOOT_CONFIG, options)?;
        }
        return Ok(sources);
    }
    if request.partition.is_some() {
        let what = "--partition makes no sense with --source-list, which takes no volumes";
        return Err(Error::new(ErrorKind::Parameter, what).into());
    }
    let sources = Sources::listed(host, &request.source, options)?;
    if request.fix_links == Some(true) && !sources.all_root() {
        let what = "--rpfix is not possible for sources that do not become the root of the image";
        return Err(Error::new(ErrorKind::Parameter, what).into());
    }
    Ok(sources)
}

fn warn_if_without_effect(request: &Request, options: &WriteOptions, reporter: &Reporter<'_>) {
    if let (None, Some(option)) = (options.solid, request.solid.without_effect()) {
        reporter.warning(&format!("{option} has no effect without --solid"));
    }
}

/// Says how data is going to be compressed.
pub(super) fn announce(options: &WriteOptions, threads: usize, reporter: &Reporter<'_>) {
    let compression = match options.solid {
        Some(solid) => Compression::Chunked(solid.format, solid.chunk_size),
        None => options.compression,
    };
    if compression != Compression::None {
        let format = compression.name();
        reporter.event(&Event::Compressing { format, threads });
    }
}

fn new_image<'a>(
    request: &Request,
    name: String,
    scanned: Scanned,
    sources: &'a [&'a dyn Source],
    bases: &'a [&'a BlobPool],
) -> NewImage<'a> {
    let mut properties = request.properties.clone();
    if let Some(description) = &request.description {
        properties.push(("DESCRIPTION".into(), description.clone()));
    }
    NewImage {
        scanned,
        sources,
        name,
        properties,
        boot: request.boot,
        bases,
        links_fixed: false,
        latest_time: request.epoch,
    }
}

/// Says what was done; exit code 3 if files were left out.
fn finish(
    summary: &CaptureSummary,
    request: &Request,
    reporter: &Reporter<'_>,
) -> Result<u8, Failure> {
    reporter.end_line();
    let numbers = &summary.numbers;
    reporter.detail(&format!(
        "Image {} with {} and {} ({}) is in \"{}\" ({})",
        summary.image,
        count(numbers.directories, "directory", "directories"),
        count(numbers.files, "file", "files"),
        amount(numbers.total_bytes, numbers.total_bytes),
        show(&request.wimfile),
        amount(summary.size, summary.size)
    ));
    reporter.result(json!({
        "wimfile": show(&request.wimfile),
        "image": summary.image,
        "directories": numbers.directories,
        "files": numbers.files,
        "bytes": numbers.total_bytes,
        "hard-link-bytes": numbers.hard_link_bytes,
        "size": summary.size,
        "skipped": summary.skipped,
    }));
    if summary.skipped == 0 {
        return Ok(0);
    }
    for skipped in reporter.skipped() {
        reporter.warning(&format!("not captured: {skipped}"));
    }
    Err(Error::new(
        ErrorKind::Skipped,
        format!(
            "\"{}\" is complete but for {} files that could not be read",
            show(&request.wimfile),
            summary.skipped
        ),
    )
    .into())
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
