//! The strict verifier: everything that an archive says about itself is compared with everything else
//! that it says, and all data with its hashes.
//!
//! It goes on after the first problem and lists all of them, always in the same order:
//!
//! | module | compares |
//! |---|---|
//! | `structure` | header, places of all parts of the file, pipable prefixes, both copies of the XML data |
//! | `entries` | the entries of the blob table with each other and with the header |
//! | `integrity` | the file with its integrity table |
//! | `images` | every tree: its form, what it refers to, reference counts, numbers in the XML data |
//! | `data` | every blob with its hash, links with their form |
//!
//! A *damage* is data that is lost or wrong. A *deviation* is something that is not as the format says
//! but can be read. A damaged blob is reported with the path of every file of every image that has it.

mod data;
mod entries;
mod images;
mod integrity;
mod piped;
mod report;
mod structure;

pub use piped::verify_piped;
pub use report::{AffectedFile, Problem, Severity, VerifyReport};

use self::images::Images;
use self::report::Collector;
use super::open::Archive;
use crate::Result;
use crate::port::{Observer, Workers};

/// What is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Compare the files with their integrity tables.
    pub integrity: bool,
    /// Read all file data.
    pub data: bool,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            integrity: true,
            data: true,
        }
    }
}

/// Verifies an archive with everything that it refers to.
///
/// # Errors
/// [`crate::ErrorKind::Cancelled`]; [`crate::ErrorKind::Memory`]. What is wrong with the archive, and
/// what cannot be read of it, stands in the report.
pub fn verify(
    archive: &Archive,
    options: &VerifyOptions,
    workers: &dyn Workers,
    observer: &dyn Observer,
) -> Result<VerifyReport> {
    let mut found = Collector::new(archive);
    for file in 0..archive.files.len() {
        structure::check(archive, file, &mut found);
        entries::check(archive, file, &mut found);
        found.check_overlaps(file);
        if options.integrity {
            integrity::check(archive, file, &mut found, workers, observer)?;
        }
    }
    structure::check_parts(archive, &mut found);
    let images = Images::check(archive, &mut found, observer)?;
    if options.data {
        data::check(archive, &images, &mut found, workers, observer)?;
    }
    Ok(found.finish())
}

#[cfg(test)]
mod tests;
