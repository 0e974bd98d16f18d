//! `capture` and `append`: what was asked for (`request`), what it is to be made of (`subject`), and
//! how it is written: into a new archive (`create`) or one that exists (`append`).

mod append;
mod create;
mod request;
mod subject;

use serde_json::json;
use wimforge_core::write::{CaptureSummary, WriteOptions};
use wimforge_core::{Error, ErrorKind};

use self::request::Request;
use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::report::Reporter;
use crate::values::{amount, count};

/// `capture`.
pub fn capture(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let request = Request::of(host, invocation)?;
    create::run(&Job {
        host,
        reporter: &reporter(host, invocation, &request),
        request: &request,
    })
}

/// `append`.
pub fn append(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let request = Request::of(host, invocation)?;
    let job = Job {
        host,
        reporter: &reporter(host, invocation, &request),
        request: &request,
    };
    let is_new = request.is_to_stdout() || (request.create && !host.exists(&request.wimfile));
    match is_new {
        true => create::run(&job),
        false => append::run(&job),
    }
}

fn reporter<'a>(host: &'a dyn Host, invocation: &Invocation, request: &Request) -> Reporter<'a> {
    Reporter::new(host, invocation)
        .verbose(request.verbose)
        .aside(request.is_to_stdout())
}

/// What is to be done, and who is asked and told about it.
struct Job<'a> {
    host: &'a dyn Host,
    request: &'a Request,
    reporter: &'a Reporter<'a>,
}

impl Job<'_> {
    fn warn_of_solid_options(&self, options: &WriteOptions) {
        if let (None, Some(option)) = (options.solid, self.request.solid.without_effect()) {
            let what = format!("{option} has no effect without --solid");
            self.reporter.warning(&what);
        }
    }

    /// Says what was done; exit code 3 if files were left out.
    fn finish(&self, summary: &CaptureSummary) -> Result<u8, Failure> {
        let reporter = self.reporter;
        let wimfile = self.request.wimfile.display().to_string();
        reporter.end_line();
        let numbers = &summary.numbers;
        reporter.detail(&format!(
            "Image {} with {} and {} ({}) is in \"{wimfile}\" ({})",
            summary.image,
            count(numbers.directories, "directory", "directories"),
            count(numbers.files, "file", "files"),
            amount(numbers.total_bytes, numbers.total_bytes),
            amount(summary.size, summary.size)
        ));
        reporter.result(json!({
            "wimfile": wimfile,
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
        let what = format!(
            "\"{wimfile}\" is complete but for {} that could not be read",
            count(summary.skipped, "file", "files")
        );
        Err(Error::new(ErrorKind::Skipped, what).into())
    }
}
