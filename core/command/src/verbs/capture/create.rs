//! A new archive with one image.

use wimforge_core::format::Layout;
use wimforge_core::write::pipable::{self, Contents};
use wimforge_core::write::{self, Means};

use super::Job;
use super::subject::Subject;
use crate::choices::announce;
use crate::compatibility;
use crate::failure::Failure;
use crate::host::Lock;
use crate::verbs::destination::Destination;
use crate::verbs::modify::PIPABLE_WARNING;

/// Writes it.
pub fn run(job: &Job<'_>) -> Result<u8, Failure> {
    let Job {
        host,
        request,
        reporter,
    } = *job;
    let options =
        request.write_options(host, request.new_compression()?, request.solid.for_new()?)?;
    job.warn_of_solid_options(&options);
    let subject = Subject::open(job, None)?;
    if request.dry_run {
        subject.describe(None)?;
        return Ok(0);
    }
    // Refuses a destination that cannot be written before anything is scanned.
    let mut destination = Destination::open(host, &request.wimfile, request.layout, Lock::Take)?;
    let scanned = subject.scan(None, destination.identities())?;
    let workers = host.workers(request.threads);
    if destination.layout() == Layout::Pipable {
        reporter.warning(PIPABLE_WARNING);
    }
    compatibility::warn(None, &options, request.unix_data(), reporter);
    announce(&options, workers.threads(), reporter);
    let means = Means {
        options: &options,
        workers: &*workers,
        observer: reporter,
    };
    let (sources, bases) = (subject.sources(), subject.bases());
    let image = subject.image(scanned, &sources, &bases);
    let summary = match destination.layout() {
        Layout::Pipable => {
            let contents = Contents::default().with(image);
            let to = destination.pipable();
            pipable::write(to, contents, &means)?
        }
        Layout::Seekable => {
            let storage = destination.storage()?;
            write::capture(storage, image, &means)?
        }
    };
    destination.commit(host)?;
    job.finish(&summary)
}
