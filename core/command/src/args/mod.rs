//! What can be typed: the definition of every command. Help, completions and man pages come from
//! here too.

mod capture;
mod documentation;
mod modify;
mod read;
mod solid;

use std::fmt::Write as _;

use clap::builder::PathBufValueParser;
use clap::{Arg, ArgAction, Command};

use crate::invocation::OWN_OPTIONS;

/// The definition of a command.
pub struct Verb {
    /// Its name.
    pub name: &'static str,
    /// Its arguments.
    pub command: Command,
}

/// Makes the definition of a command.
type Define = fn() -> Command;

/// Every command.
const VERBS: [(&str, Define); 16] = [
    ("capture", capture::capture),
    ("append", capture::append),
    ("apply", read::apply),
    ("extract", read::extract),
    ("dir", read::dir),
    ("delete", modify::delete),
    ("diff", read::diff),
    ("export", modify::export),
    ("join", modify::join),
    ("split", modify::split),
    ("optimize", modify::optimize),
    ("info", read::info),
    ("update", modify::update),
    ("verify", read::verify),
    ("completions", documentation::completions),
    ("man", documentation::man),
];

/// Names of the commands.
pub fn verbs() -> impl Iterator<Item = &'static str> {
    VERBS.into_iter().map(|verb| verb.0)
}

/// The definition of a command.
#[must_use]
pub fn verb(name: &str) -> Option<Verb> {
    let (name, define) = VERBS.into_iter().find(|verb| verb.0 == name)?;
    Some(Verb {
        name,
        command: define(),
    })
}

/// The whole program as one definition.
#[must_use]
pub fn program() -> Command {
    Command::new("wimforge")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Captures directory trees and NTFS volumes into Windows Imaging (WIM) archives and restores them")
        .subcommands(VERBS.into_iter().map(|(_, define)| define()))
}

/// What `--version` prints.
#[must_use]
pub fn version() -> String {
    format!(
        "wimforge {}\nReads and writes Windows Imaging (WIM) archives.\nLicence: MIT OR Apache-2.0\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// What `--help` prints without a command.
#[must_use]
pub fn help() -> String {
    let mut text = String::from("Usage: wimforge COMMAND [ARGUMENT]...\n\nCommands:\n");
    for (name, define) in VERBS {
        let about = define()
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        let _ = writeln!(text, "  {name:<11} {about}");
    }
    text.push_str(
        "\n`wimforge COMMAND --help` explains a command. Installed under a name such as \
         wimlib-imagex or wimcapture, the program follows wimlib's conventions.\n",
    );
    text
}

/// A command that works on an archive.
fn on_archive(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .about(about)
        .arg(path("WIMFILE", "The archive").required(true))
}

/// The image that a command works on, if there are several.
fn image() -> Arg {
    operand(
        "IMAGE",
        "Index or name of the image; needed if there are several",
    )
}

/// A flag.
fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

/// `--json`, which every command that does something has.
fn json() -> Arg {
    flag(
        "json",
        "Tell what happens, and what came of it, as JSON lines",
    )
    .help_heading(OWN_OPTIONS)
}

/// An option with a value.
fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// A path among the operands.
fn path(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .value_parser(PathBufValueParser::new())
        .help(help)
}

/// An operand that may be missing.
fn operand(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_sound() {
        program().debug_assert();
        assert!(verbs().is_sorted() || verbs().count() == VERBS.len());
    }
}
