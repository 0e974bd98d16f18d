//! `delete`.

use wimforge_core::write::{Change, Departure, Rebuild};

use super::archive::{self, Selected};
use super::modify::Session;
use crate::choices::{self, Space};
use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::report::Reporter;

/// Runs the command.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let reporter = Reporter::new(host, invocation);
    let session = Session::open(host, invocation.path("WIMFILE"), matches, &reporter)?;
    let archive = &session.archive;
    let images: Vec<u32> = match archive::select(archive, invocation.text("IMAGE"), &session.path)?
    {
        Selected::One(index) => vec![index],
        Selected::All => (1..=archive.xml.image_count() as u32).collect(),
    };
    let space = choices::space(matches);
    if matches.get_flag("soft") || space == Space::Compacted {
        let mut departure = Departure::default();
        for index in images {
            departure.add(index, &archive::read_image(archive, index, &reporter)?);
        }
        session.change_with(space, Change::Delete(departure))?;
    } else {
        let plan = Rebuild {
            without: images,
            ..Rebuild::default()
        };
        session.rebuild(&plan, Change::Nothing)?;
    }
    reporter.end_line();
    Ok(0)
}
