//! `info` with something to be changed.

use std::path::Path;

use clap::ArgMatches;
use wimforge_core::archive::Archive;
use wimforge_core::write::Draft;
use wimforge_core::{Error, ErrorKind, Result};

use super::archive::{self, Selected};
use super::modify::{self, Writing};
use crate::failure::Failure;
use crate::host::Host;
use crate::report::Reporter;

/// What is to be changed.
struct Change {
    index: u32,
    /// Properties that differ from what is there.
    properties: Vec<(String, String)>,
    /// The boot index, if it differs.
    boot: Option<u32>,
}

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
    let writing = Writing::of(matches)?;
    let archive = modify::open(host, path, matches, reporter)?;
    let change = Change::of(&archive, path, matches, reporter)?;
    if change.properties.is_empty() && change.boot.is_none() {
        reporter.line(&format!(
            "The file \"{}\" was not modified because nothing needed to be done.",
            path.display()
        ));
        return Ok(0);
    }
    let options = writing.options(host, &archive)?;
    let workers = writing.workers(host);
    modify::edit(
        host,
        path,
        archive,
        &options,
        &*workers,
        reporter,
        |draft, _| change.make(draft),
    )?;
    reporter.end_line();
    Ok(0)
}

impl Change {
    fn of(
        archive: &Archive,
        path: &Path,
        matches: &ArgMatches,
        reporter: &Reporter<'_>,
    ) -> Result<Self> {
        let operand = matches.get_one::<String>("IMAGE").map(String::as_str);
        let boot = matches.get_flag("boot");
        let index = match archive::select(archive, operand, path) {
            Ok(Selected::One(index)) => index,
            Ok(Selected::All) if archive.xml.image_count() == 1 => 1,
            Ok(Selected::All) => {
                let what = "one image has to be named whose properties are to be changed";
                return Err(Error::new(ErrorKind::NoSuchImage, what));
            }
            Err(_) if boot && operand == Some("0") => 0,
            Err(error) => return Err(error),
        };
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let mut wanted: Vec<(String, String)> = Vec::new();
        wanted.extend(text("NEW_NAME").map(|value| ("NAME".to_owned(), value)));
        wanted.extend(text("NEW_DESC").map(|value| ("DESCRIPTION".to_owned(), value)));
        let properties = matches.get_many::<(String, String)>("image-property");
        wanted.extend(properties.into_iter().flatten().cloned());
        if index == 0 && !wanted.is_empty() {
            let what = "there is no image 0 whose properties could be changed";
            return Err(Error::new(ErrorKind::NoSuchImage, what));
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
        Ok(Self {
            index,
            properties: wanted,
            boot: (boot && index != old_boot).then_some(index),
        })
    }

    fn make(&self, draft: &mut Draft) -> Result<()> {
        for (name, value) in &self.properties {
            match &name[..] {
                "NAME" => draft.rename_image(self.index, value)?,
                _ => draft.set_property(self.index, name, value)?,
            }
        }
        match self.boot {
            Some(index) => draft.set_boot_index(index),
            None => Ok(()),
        }
    }
}
