//! What is captured: the sources, what they are compared with, and the name of the image.

use std::path::PathBuf;

use serde_json::json;
use wimforge_core::archive::{Archive, BlobPool};
use wimforge_core::format::HeaderFlags;
use wimforge_core::port::{FileIdentity, Source, Wanted};
use wimforge_core::scan::{ScanOptions, Scanned, UnixDataForm};
use wimforge_core::write::NewImage;
use wimforge_core::xml::check_text;
use wimforge_core::{Error, ErrorKind, Result};

use super::Job;
use crate::failure::Failure;
use crate::values::{amount, count};
use crate::verbs::archive;
use crate::verbs::config::load_config;
use crate::verbs::incremental::Incremental;
use crate::verbs::sources::Sources;

/// The configuration of images for WIMBoot, in the image and in the source.
const WIMBOOT_CONFIG: &str = "Windows/System32/WimBootCompress.ini";

/// See the module.
pub struct Subject<'a> {
    job: &'a Job<'a>,
    name: String,
    sources: Sources,
    incremental: Incremental,
    /// Whether absolute links are made relative to the root of the image.
    fix_links: bool,
}

impl<'a> Subject<'a> {
    /// Opens everything that is read. `appended` is the archive that the image is added to.
    ///
    /// # Errors
    /// Sources and archives that cannot be opened; names that are in use or cannot be stored.
    pub fn open(job: &'a Job<'a>, appended: Option<&Archive>) -> Result<Self, Failure> {
        let request = job.request;
        let name = image_name(job, appended)?;
        let known = appended.map(|archive| (archive, request.wimfile.as_path()));
        let incremental = request.incremental.open(job.host, known, job.reporter)?;
        let fixed_before = appended.is_none_or(|archive| {
            archive.header().flags.contains(HeaderFlags::RP_FIX) || archive.images.is_empty()
        });
        Ok(Self {
            sources: open_sources(job)?,
            incremental,
            fix_links: request.tree.fix_links.unwrap_or(fixed_before),
            job,
            name,
        })
    }

    /// Scans the sources, leaving out files such as the archive itself. `appended` is the archive that
    /// the image is added to.
    ///
    /// # Errors
    /// Those of scanning; a destination that is the source.
    pub fn scan(
        &self,
        appended: Option<&Archive>,
        pass_over: Vec<FileIdentity>,
    ) -> Result<Scanned> {
        self.check_destination(&pass_over)?;
        let options = self.scan_options(pass_over)?;
        let reporter = self.job.reporter;
        let workers = self.job.host.workers(self.job.request.threads);
        let mut scanned = self.sources.scan(&options, &*workers, reporter)?;
        self.incremental
            .take_over(&mut scanned, appended, reporter)?;
        Ok(scanned)
    }

    /// For reading the data of the files.
    pub fn sources(&self) -> Vec<&dyn Source> {
        self.sources.all()
    }

    /// Data that needs not be stored.
    pub fn bases(&self) -> Vec<&BlobPool> {
        self.incremental.bases()
    }

    /// The image, ready to be written.
    pub fn image<'i>(
        &self,
        scanned: Scanned,
        sources: &'i [&'i dyn Source],
        bases: &'i [&'i BlobPool],
    ) -> NewImage<'i> {
        let request = self.job.request;
        let mut properties = request.properties.clone();
        if let Some(description) = &request.description {
            properties.push(("DESCRIPTION".into(), description.clone()));
        }
        NewImage {
            scanned,
            sources,
            name: self.name.clone(),
            properties,
            boot: request.boot,
            bases,
            links_fixed: self.fix_links && self.sources.any_root(),
            latest_time: request.epoch,
        }
    }

    /// Scans, and says what would be captured.
    ///
    /// # Errors
    /// Those of scanning.
    pub fn describe(&self, appended: Option<&Archive>) -> Result<()> {
        let scanned = self.scan(appended, Vec::new())?;
        let image = &scanned.image;
        let contents = scanned.pending.iter();
        let contents = contents.map(|pending| image.content(pending.content));
        let unread = contents.filter(|content| content.hash.is_zero());
        let to_read: u64 = unread.map(|content| content.size).sum();
        let reporter = self.job.reporter;
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
        Ok(())
    }

    /// An archive must not take the place of the volume whose image it holds.
    fn check_destination(&self, written: &[FileIdentity]) -> Result<()> {
        let volume = self.sources.volume();
        let volume = volume.and_then(|opened| opened.volume.as_ref());
        let volume = volume.and_then(|volume| volume.identity);
        match volume.is_some_and(|volume| written.contains(&volume)) {
            true => Err(Error::new(
                ErrorKind::Parameter,
                format!(
                    "\"{}\" is the volume to be captured; it cannot be the archive too",
                    self.job.request.wimfile.display()
                ),
            )),
            false => Ok(()),
        }
    }

    fn scan_options(&self, pass_over: Vec<FileIdentity>) -> Result<ScanOptions> {
        let Job {
            host,
            request,
            reporter,
        } = *self.job;
        let tree = &request.tree;
        let config = self.config_path();
        Ok(ScanOptions {
            config: load_config(host, config.as_deref(), &tree.profile, reporter)?,
            fix_links: self.fix_links.then_some(tree.outside_links),
            unix_data: tree.unix_data,
            wanted: Wanted {
                xattrs: match self.sources.volume() {
                    Some(_) => tree.profile.volume_xattrs,
                    None => tree.unix_data == UnixDataForm::Item,
                },
                security: !tree.no_acls,
                strict_security: tree.strict_acls,
            },
            on_unreadable: tree.on_unreadable,
            pass_over,
            overlapping: request.source_list,
            overlay: tree.overlay(),
            case: archive::asked_case(host).unwrap_or_default(),
            now: request.now(host),
            latest_time: request.epoch,
        })
    }

    /// The configuration: the one given, or, for WIMBoot, the source's own.
    fn config_path(&self) -> Option<PathBuf> {
        let request = self.job.request;
        if request.tree.config.is_some() || !request.tree.wimboot {
            return request.tree.config.clone();
        }
        let own = request.source.join(WIMBOOT_CONFIG);
        if self.job.host.exists(&own) {
            return Some(own);
        }
        self.job.reporter.warning(&format!(
            "\"{}\" does not exist.\nUsing default capture configuration!",
            own.display()
        ));
        None
    }
}

fn open_sources(job: &Job<'_>) -> Result<Sources, Failure> {
    let Job {
        host,
        request,
        reporter,
    } = *job;
    let options = request.source_options();
    if !request.source_list {
        let mut sources = Sources::single(host, &request.source, options, reporter)?;
        if let (true, Some(config)) = (request.tree.wimboot, &request.tree.config) {
            sources.add_file(host, config, WIMBOOT_CONFIG, options)?;
        }
        if !request.tree.profile.hibernated_volumes {
            refuse_hibernated(&sources)?;
        }
        return Ok(sources);
    }
    if options.partition.is_some() {
        let what = "--partition makes no sense with --source-list, which takes no volumes";
        return Err(Error::new(ErrorKind::Parameter, what).into());
    }
    let sources = Sources::listed(host, &request.source, options)?;
    if request.tree.fix_links == Some(true) && !sources.all_root() {
        let what = "--rpfix is not possible for sources that do not become the root of the image";
        return Err(Error::new(ErrorKind::Parameter, what).into());
    }
    Ok(sources)
}

/// wimlib captures such volumes without a word.
fn refuse_hibernated(sources: &Sources) -> Result<()> {
    let volume = sources.volume();
    let Some(volume) = volume.filter(|opened| {
        opened
            .volume
            .as_ref()
            .is_some_and(|volume| volume.hibernated)
    }) else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Ntfs,
        format!(
            "Windows is hibernated on \"{}\", or was shut down by fast startup: an image would lack what it \
             has not written yet. Shut it down for good first (in Windows, `shutdown /s /f /t 0`), or \
             capture the volume as it is with --compat=wimlib",
            volume.source.name()
        ),
    ))
}

/// The name of the image. The default name gets a number if it is in use.
fn image_name(job: &Job<'_>, appended: Option<&Archive>) -> Result<String> {
    let request = job.request;
    let base = request.image_name();
    let is_used = |name: &str| appended.is_some_and(|archive| archive.xml.find(name).is_some());
    let name = match (is_used(&base), &request.name) {
        (false, _) => base,
        (true, None) => (1u32..)
            .map(|number| format!("{base} ({number})"))
            .find(|name| !is_used(name))
            .unwrap_or(base),
        (true, Some(_)) => {
            let what = format!("There is already an image named \"{base}\" in the WIM!");
            return Err(Error::new(ErrorKind::ImageNameInUse, what));
        }
    };
    check_text("the name of the image", &name)?;
    if let Some(description) = &request.description {
        check_text("the description of the image", description)?;
    }
    Ok(name)
}
