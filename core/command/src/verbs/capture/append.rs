//! An image added to an archive that exists: in place, or by writing the archive anew.

use std::sync::Arc;

use wimforge_core::Result;
use wimforge_core::archive::Archive;
use wimforge_core::format::Layout;
use wimforge_core::port::FileIdentity;
use wimforge_core::write::pipable::{self, Contents};
use wimforge_core::write::{self, Means, Scope, WriteOptions};

use super::Job;
use super::subject::Subject;
use crate::choices::{self, Space, announce};
use crate::compatibility;
use crate::failure::Failure;
use crate::host::Lock;
use crate::verbs::archive;
use crate::verbs::destination::Destination;
use crate::verbs::modify::PIPABLE_WARNING;

/// Adds it.
pub fn run(job: &Job<'_>) -> Result<u8, Failure> {
    let Job {
        host,
        request,
        reporter,
    } = *job;
    if request.compression.is_some() {
        reporter.warning("--compress has no effect on append: the WIM keeps its compression type");
    }
    let opened = host.modify_archive(&request.wimfile)?;
    let identity = opened.identity;
    let archive = archive::open_storage(opened, &request.wimfile, reporter)?;
    let options = write_options(job, &archive)?;
    if request.check {
        archive::check(&archive, &request.wimfile, reporter)?;
    }
    let subject = Subject::open(job, Some(&archive))?;
    if request.dry_run {
        subject.describe(Some(&archive))?;
        return Ok(0);
    }
    let mut anew = destination(job, &archive, &options)?;
    if anew.is_some() {
        check_images(job, &archive)?;
    }
    let mut pass_over: Vec<FileIdentity> = identity.into_iter().collect();
    pass_over.extend(anew.iter().flat_map(Destination::identities));
    let scanned = subject.scan(Some(&archive), pass_over)?;
    let workers = host.workers(request.threads);
    if archive.header().layout == Layout::Seekable && layout(job, &archive) == Layout::Pipable {
        reporter.warning(PIPABLE_WARNING);
    }
    compatibility::warn(Some(&archive), &options, request.unix_data(), reporter);
    announce(&options, workers.threads(), reporter);
    let means = Means {
        options: &options,
        workers: &*workers,
        observer: reporter,
    };
    let (sources, bases) = (subject.sources(), subject.bases());
    let image = subject.image(scanned, &sources, &bases);
    let storage = Arc::clone(archive.storage());
    let mut summary = match &mut anew {
        None => write::append(archive, image, &means)?,
        Some(to) if to.layout() == Layout::Pipable => {
            let contents = Contents::of(&archive, Scope::OwnFile)?.with(image);
            pipable::write(to.pipable(), contents, &means)?
        }
        Some(to) => write::rebuild(&archive, to.storage()?, Some(image), &means)?,
    };
    if let Some(destination) = anew {
        destination.commit(host)?;
    } else if request.space == Space::Compacted {
        // Only now, when the image is safe.
        summary.size = choices::compact(storage, reporter)?;
    }
    job.finish(&summary)
}

/// Reads the trees of the images that the new archive takes over: it must not come in the place of the
/// old one with what is damaged in that.
fn check_images(job: &Job<'_>, archive: &Archive) -> Result<()> {
    for index in 1..=archive.image_count() {
        drop(archive::read_image(archive, index, job.reporter)?);
    }
    Ok(())
}

/// How data is added: as the archive has it, unless the command line says otherwise.
fn write_options(job: &Job<'_>, archive: &Archive) -> Result<WriteOptions> {
    let old = archive.header().compression;
    let compression = choices::compression(old.format(), job.request.chunk_size, old)?;
    let solid = job.request.solid.for_archive(archive)?;
    let options = job.request.write_options(job.host, compression, solid)?;
    job.warn_of_solid_options(&options);
    Ok(options)
}

/// The layout of the result.
fn layout(job: &Job<'_>, archive: &Archive) -> Layout {
    job.request.layout.unwrap_or(archive.header().layout)
}

/// Where the archive is written anew; nowhere if the image can be added in place.
fn destination(
    job: &Job<'_>,
    archive: &Archive,
    options: &WriteOptions,
) -> Result<Option<Destination>> {
    let (old, layout) = (archive.header(), layout(job, archive));
    let stays_ordinary = old.layout == Layout::Seekable && layout == Layout::Seekable;
    let is_recompressed = options.compression != old.compression;
    match job.request.space {
        Space::Compacted => {
            choices::check_compactable(archive, layout, options.compression)?;
            return Ok(None);
        }
        Space::Left if stays_ordinary && !is_recompressed => return Ok(None),
        Space::Left | Space::Rebuilt => {}
    }
    let wimfile = &job.request.wimfile;
    Destination::open(job.host, wimfile, Some(layout), Lock::Held).map(Some)
}
