//! `info` with something to be changed.

use std::path::Path;

use clap::ArgMatches;
use wimforge_core::archive::Archive;
use wimforge_core::write::{Change, Setting};
use wimforge_core::{Error, ErrorKind};

use super::archive::{self, Selected};
use super::modify::Session;
use crate::failure::Failure;
use crate::host::Host;
use crate::report::Reporter;

/// Whether the command line asks for a change.
pub fn is_wanted(matches: &ArgMatches) -> bool {
    matches.get_flag("boot")
        || matches.contains_id("NEW_NAME")
        || matches.contains_id("image-property")
}

/// Changes name, description, boot index or properties. Until the very end the old header describes
/// the file as it was.
pub fn run(
    host: &dyn Host,
    path: &Path,
    matches: &ArgMatches,
    reporter: &Reporter<'_>,
) -> Result<u8, Failure> {
    let session = Session::open(host, path.to_owned(), matches, reporter)?;
    let settings = settings(&session.archive, path, matches, reporter)?;
    if settings.is_empty() {
        reporter.line(&format!(
            "The file \"{}\" was not modified because nothing needed to be done.",
            path.display()
        ));
        return Ok(0);
    }
    session.change(Change::Describe(settings))?;
    reporter.end_line();
    Ok(0)
}

/// What differs from what the archive says already.
fn settings(
    archive: &Archive,
    path: &Path,
    matches: &ArgMatches,
    reporter: &Reporter<'_>,
) -> Result<Vec<Setting>, Failure> {
    let operand = matches.get_one::<String>("IMAGE").map(String::as_str);
    let boot = matches.get_flag("boot");
    let index = match archive::named(archive, operand.unwrap_or("all"), path) {
        Ok(Selected::One(index)) => index,
        Ok(Selected::All) if archive.xml.image_count() == 1 => 1,
        Ok(Selected::All) => {
            let what = "one image has to be named whose properties are to be changed";
            return Err(Error::new(ErrorKind::NoSuchImage, what).into());
        }
        Err(_) if boot && operand == Some("0") => 0,
        Err(error) => return Err(error.into()),
    };
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let mut wanted: Vec<(String, String)> = Vec::new();
    wanted.extend(text("NEW_NAME").map(|value| ("NAME".to_owned(), value)));
    wanted.extend(text("NEW_DESC").map(|value| ("DESCRIPTION".to_owned(), value)));
    let properties = matches.get_many::<(String, String)>("image-property");
    wanted.extend(properties.into_iter().flatten().cloned());
    if index == 0 && !wanted.is_empty() {
        let what = "there is no image 0 whose properties could be changed";
        return Err(Error::new(ErrorKind::NoSuchImage, what).into());
    }
    let old_boot = archive.header().boot_index;
    if boot {
        match index == old_boot {
            true => reporter.line(&format!("Image {index} is already marked as bootable.")),
            false => reporter.line(&format!("Marking image {index} as bootable.")),
        }
    }
    let image = archive.xml.image(index);
    wanted.retain(|(name, value)| {
        let old = image.and_then(|image| image.property(name));
        let is_new = old.unwrap_or_default() != *value;
        match is_new {
            true => reporter.line(&format!(
                "Setting the {name} property of image {index} to \"{value}\"."
            )),
            false => reporter.line(&format!(
                "The {name} property of image {index} already has value \"{value}\"."
            )),
        }
        is_new
    });
    let properties = wanted.into_iter().map(|(name, value)| Setting::Property {
        image: index,
        name,
        value,
    });
    let boot = (boot && index != old_boot).then_some(Setting::Boot(index));
    Ok(properties.chain(boot).collect())
}
