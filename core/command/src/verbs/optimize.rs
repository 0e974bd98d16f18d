//! `optimize`.

use std::path::PathBuf;

use wimforge_core::write::Rebuild;

use super::modify::{self, Writing};
use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::report::Reporter;
use crate::values::amount;

/// Runs the command.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let reporter = Reporter::new(host, invocation);
    let path = matches
        .get_one::<PathBuf>("WIMFILE")
        .cloned()
        .unwrap_or_default();
    let writing = Writing::of(matches)?;
    let archive = modify::open(host, &path, matches, &reporter)?;
    let name = path.display();
    let before = archive.size;
    reporter.line(&format!(
        "\"{name}\" original size: {}",
        amount(before, before)
    ));
    let options = writing.options(host, &archive)?;
    let workers = writing.workers(host);
    let plan = Rebuild {
        recompress: writing.recompress,
        ..Rebuild::default()
    };
    let after = modify::rebuild(
        host,
        &path,
        &archive,
        &plan,
        &options,
        &*workers,
        &reporter,
        |_, _| Ok(()),
    )?;
    reporter.end_line();
    reporter.line(&format!(
        "\"{name}\" optimized size: {}",
        amount(after, after)
    ));
    let (sign, saved) = match before.checked_sub(after) {
        Some(saved) => ("", saved),
        None => ("-", after - before),
    };
    reporter.line(&format!("Space saved: {sign}{} KiB", saved >> 10));
    Ok(0)
}
