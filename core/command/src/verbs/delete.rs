//! `delete`.

use std::path::PathBuf;

use wimforge_core::image::Image;
use wimforge_core::write::Rebuild;

use super::archive::{self, Selected};
use super::modify::{self, Writing};
use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::report::Reporter;

/// Runs the command.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let reporter = Reporter::new(host, invocation);
    let path = matches
        .get_one::<PathBuf>("WIMFILE")
        .cloned()
        .unwrap_or_default();
    let operand = matches.get_one::<String>("IMAGE").map(String::as_str);
    let writing = Writing::of(matches)?;
    let archive = modify::open(host, &path, matches, &reporter)?;
    let images: Vec<u32> = match archive::select(&archive, operand, &path)? {
        Selected::One(index) => vec![index],
        Selected::All => (1..=archive.xml.image_count() as u32).collect(),
    };
    let options = writing.options(host, &archive)?;
    let workers = writing.workers(host);
    if matches.get_flag("soft") {
        let trees: Vec<Image> = images
            .iter()
            .map(|&index| archive::read_image(&archive, index, &reporter))
            .collect::<Result<_, _>>()?;
        modify::edit(
            host,
            &path,
            archive,
            &options,
            &*workers,
            &reporter,
            |draft, _| {
                // Numbers in front of a deleted one stay.
                let mut last_first = images.iter().zip(&trees).rev();
                last_first.try_for_each(|(&index, tree)| draft.delete_image(index, tree))
            },
        )?;
    } else {
        let plan = Rebuild {
            without: images,
            ..Rebuild::default()
        };
        modify::warn_if_pipable(&archive, &reporter);
        modify::rebuild(
            host,
            &path,
            &archive,
            &plan,
            &options,
            &*workers,
            &reporter,
            |_, _| Ok(()),
        )?;
    }
    reporter.end_line();
    Ok(0)
}
