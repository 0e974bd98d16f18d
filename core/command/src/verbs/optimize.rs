//! `optimize`.

use std::path::Path;

use wimforge_core::write::{Change, Rebuild};

use super::modify::Session;
use crate::choices::{self, Space};
use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::report::Reporter;
use crate::values::amount;

/// Runs the command.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let reporter = Reporter::new(host, invocation);
    let session = Session::open(host, invocation.path("WIMFILE"), matches, &reporter)?;
    let name = session.path.display();
    let before = session.archive.size;
    reporter.line(&format!(
        "\"{name}\" original size: {}",
        amount(before, before)
    ));
    let path = session.path.clone();
    let after = match choices::space(matches) {
        Space::Compacted => session.change_with(Space::Compacted, Change::Nothing)?,
        Space::Left | Space::Rebuilt => {
            let plan = Rebuild {
                recompress: session.writing.recompress,
                ..Rebuild::default()
            };
            session.rebuild(&plan, Change::Nothing)?
        }
    };
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
