//! `optimize`.

use std::path::{Path, PathBuf};

use wimforge_core::format::Layout;
use wimforge_core::write::pipable::{self, Contents};
use wimforge_core::write::{Rebuild, Scope};

use super::destination::Destination;
use super::modify::{self, PIPABLE_WARNING, Writing};
use crate::failure::Failure;
use crate::host::{Host, Lock};
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
    let layout = writing.layout.unwrap_or(archive.header().layout);
    if layout == Layout::Pipable {
        let contents = Contents::of(&archive, Scope::OwnFile)?;
        let mut to = Destination::open(host, &path, Some(layout), Lock::Held)?;
        reporter.warning(PIPABLE_WARNING);
        let summary = pipable::write(to.pipable(), contents, &options, &*workers, &reporter)?;
        to.commit(host)?;
        tell(&reporter, &path, before, summary.size);
        return Ok(0);
    }
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
    tell(&reporter, &path, before, after);
    Ok(0)
}

fn tell(reporter: &Reporter<'_>, path: &Path, before: u64, after: u64) {
    let name = path.display();
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
}
