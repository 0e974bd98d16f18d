//! `verify`.

use serde_json::json;
use wimforge_core::archive::verify::{
    Problem, Severity, VerifyOptions, VerifyReport, verify, verify_piped,
};
use wimforge_core::text::Show;
use wimforge_core::{Error, ErrorKind};

use super::archive;
use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::report::Reporter;
use crate::values::{amount, count};

/// Runs the command.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let reporter = Reporter::new(host, invocation);
    let path = invocation.path("WIMFILE");
    let report = match archive::is_pipe(&path) {
        true => {
            archive::refuse_in_pipe(&[("ref", matches.contains_id("ref"))])?;
            archive::from_pipe(host, |piped, known| {
                Ok(verify_piped(piped, known, &reporter)?)
            })?
        }
        false => {
            let archive = archive::open_set(host, &path, matches, &reporter)?;
            let options = VerifyOptions {
                integrity: !matches.get_flag("nocheck"),
                ..VerifyOptions::default()
            };
            verify(&archive, &options, &*invocation.workers(host), &reporter)?
        }
    };
    reporter.end_line();
    for problem in &report.problems {
        show(problem, host, &reporter);
    }
    let name = path.display();
    reporter.result(as_json(&report));
    match report.failure() {
        None => {
            reporter.detail(&summary(&report));
            reporter.line(&format!("\"{name}\" was successfully verified."));
            Ok(0)
        }
        Some(kind) => Err(failed(kind, &format!("\"{name}\" failed verification!"))),
    }
}

/// Everything that was found, for programs.
fn as_json(report: &VerifyReport) -> serde_json::Value {
    let problems = report.problems.iter().map(|problem| {
        let files = problem
            .files
            .iter()
            .map(|file| json!({ "image": file.image, "path": Show(&file.path).to_string() }));
        json!({
            "severity": match problem.severity {
                Severity::Deviation => "deviation",
                Severity::Damage => "damage",
            },
            "code": problem.kind.code(),
            "what": problem.what,
            "files": files.collect::<Vec<_>>(),
        })
    });
    json!({
        "intact": report.is_intact(),
        "images": report.images,
        "entries": report.entries,
        "blobs": report.blobs,
        "bytes": report.bytes,
        "problems": problems.collect::<Vec<_>>(),
    })
}

fn failed(kind: ErrorKind, what: &str) -> Failure {
    Error::new(kind, what.to_owned()).into()
}

/// What is lost is an error, what is only unusual a warning.
fn show(problem: &Problem, host: &dyn Host, reporter: &Reporter<'_>) {
    match problem.severity {
        Severity::Deviation => reporter.warning(&problem.what),
        Severity::Damage => {
            let mut text = format!("ERROR: {}\n", problem.what);
            for file in &problem.files {
                text.push_str(&format!("       {file}\n"));
            }
            host.console().err(&text);
        }
    }
}

fn summary(report: &VerifyReport) -> String {
    format!(
        "{} with {}, {} ({}), {}",
        count(report.images, "image", "images"),
        count(report.entries, "name", "names"),
        count(report.blobs, "blob", "blobs"),
        amount(report.bytes, report.bytes),
        count(
            report.integrity_tables,
            "integrity table",
            "integrity tables"
        )
    )
}
