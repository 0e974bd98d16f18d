//! Which command, under which name, with which arguments.
//!
//! Scripts rely on the ways in which wimlib accepts options: anywhere among the operands, with one
//! dash or two, abbreviated, with `=` or a space before the value. All that is brought into one form
//! (`--name=value`, then operands) before the arguments are parsed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgAction, Command};
use wimforge_core::port::Workers;

use crate::args;
use crate::failure::Failure;
use crate::host::Host;
use crate::profile::Compat;

/// A command line whose command is known.
#[derive(Debug)]
pub struct Invocation {
    /// Name of the command.
    pub verb: &'static str,
    /// Its parsed arguments.
    pub matches: clap::ArgMatches,
    /// Whether progress and information are unwanted.
    pub quiet: bool,
    /// The form in which it is told what happens.
    pub output: Output,
    /// The profile that the name of the program calls for.
    pub compat: Compat,
}

/// The form in which a command tells what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Text for people.
    Text,
    /// JSON lines for programs; see [`crate::json`].
    Json,
}

/// Heading of the options that wimlib does not have; they cannot be abbreviated.
pub const OWN_OPTIONS: &str = "Beyond wimlib";

impl Invocation {
    /// The path that an operand or option gives; empty if it is missing.
    pub fn path(&self, name: &str) -> PathBuf {
        let path = self.matches.get_one::<PathBuf>(name);
        path.cloned().unwrap_or_default()
    }

    /// The text of an operand or option.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.matches.get_one::<String>(name).map(String::as_str)
    }

    /// As many workers as `--threads` says.
    pub fn workers(&self, host: &dyn Host) -> Box<dyn Workers> {
        host.workers(self.matches.get_one("threads").copied().unwrap_or(0))
    }

    /// Finds out what is meant.
    ///
    /// # Errors
    /// [`Failure::NoCommand`], [`Failure::Usage`]; [`Failure::Text`] when help or version were asked
    /// for.
    pub fn parse(argv: Vec<OsString>, host: &dyn Host) -> Result<Self, Failure> {
        let mut argv = argv.into_iter();
        let called = argv.next().unwrap_or_default();
        let called = base_name(&called);
        let mut rest: Vec<OsString> = argv.collect();
        let compat = match called.starts_with("wimforge") || !called.starts_with("wim") {
            true => Compat::Seed,
            false => Compat::Wimlib,
        };
        let own_verb = called
            .strip_prefix("wim")
            .filter(|verb| args::verbs().any(|known| known == *verb));
        if flag(&rest, "version") {
            return Err(Failure::Text(args::version()));
        }
        let quiet = flag(&rest, "quiet");
        let verb = match own_verb {
            Some(verb) => verb.to_owned(),
            None => {
                // Before the command only the flags that concern every command make sense.
                let position = rest.iter().position(|argument| !is_option(argument));
                if position.is_none() && flag(&rest, "help") {
                    return Err(Failure::Text(args::help() + host.notes()));
                }
                let Some(position) = position else {
                    return Err(Failure::NoCommand(format!(
                        "ERROR: No command specified!\n\n{}",
                        args::help()
                    )));
                };
                let verb = rest.remove(position).to_string_lossy().into_owned();
                if verb == "help" {
                    return Err(Failure::Text(args::help() + host.notes()));
                }
                verb
            }
        };
        let Some(definition) = args::verb(&verb) else {
            return Err(Failure::NoCommand(format!(
                "ERROR: Unrecognized command: `{verb}'\n\n{}",
                args::help()
            )));
        };
        let posix = host.variable("POSIXLY_CORRECT").is_some();
        let arguments = normalise(&definition.command, rest, posix);
        let shown = match own_verb {
            Some(_) => called.to_owned(),
            None => format!("{called} {verb}"),
        };
        let mut command = definition.command.bin_name(shown);
        let usage = command.render_usage();
        let matches = command
            .try_get_matches_from(std::iter::once(OsString::from(&verb)).chain(arguments))
            .map_err(|error| match error.exit_code() {
                0 => Failure::Text(error.to_string() + host.notes()),
                _ => Failure::Usage(format!("{verb}: {}", explain(&error, &usage))),
            })?;
        let json = matches.try_get_one::<bool>("json").ok().flatten();
        Ok(Self {
            verb: definition.name,
            output: match json {
                Some(true) => Output::Json,
                _ => Output::Text,
            },
            matches,
            quiet,
            compat,
        })
    }
}

/// What is wrong with the arguments. Scripts may look for the words that wimlib uses for an option
/// that it does not know.
fn explain(error: &clap::Error, usage: &StyledStr) -> String {
    let text = error.to_string();
    let unknown = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    match (error.kind(), unknown) {
        (ErrorKind::UnknownArgument, Some(option)) if option.starts_with('-') => {
            let meant = error.get(ContextKind::SuggestedArg);
            let hint = meant.map_or(String::new(), |meant| format!(" (did you mean '{meant}'?)"));
            format!(
                "unrecognized option '{option}'{hint}\n\n{usage}\n\nFor more information, try '--help'.\n"
            )
        }
        _ => text,
    }
}

fn base_name(path: &OsString) -> String {
    let path = path.to_string_lossy();
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    name.strip_suffix(".exe").unwrap_or(name).to_owned()
}

fn is_option(argument: &OsString) -> bool {
    let text = argument.to_string_lossy();
    text.len() > 1 && text.starts_with('-')
}

/// Whether a flag of every command stands among the arguments in front of `--`.
fn flag(arguments: &[OsString], name: &str) -> bool {
    let before = arguments.iter().take_while(|argument| *argument != "--");
    before.into_iter().any(|argument| {
        let text = argument.to_string_lossy();
        text.strip_prefix("--").or(text.strip_prefix('-')) == Some(name)
    })
}

/// Brings arguments into the form `--name=value … -- operands`.
fn normalise(command: &Command, arguments: Vec<OsString>, posix: bool) -> Vec<OsString> {
    let mut options = Vec::new();
    let mut operands = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            operands.extend(arguments.by_ref());
            break;
        }
        if !is_option(&argument) {
            operands.push(argument);
            if posix {
                operands.extend(arguments.by_ref());
                break;
            }
            continue;
        }
        let text = argument.to_string_lossy().into_owned();
        let bare = text.strip_prefix("--").unwrap_or(&text[1..]);
        let (name, has_value) = match bare.split_once('=') {
            Some((name, _)) => (name, true),
            None => (bare, false),
        };
        if name == "quiet" {
            continue;
        }
        let Some(found) = find(command, name) else {
            options.push(format!("--{bare}").into());
            continue;
        };
        let long = found.get_long().unwrap_or(name);
        let mut option = OsString::from(format!("--{long}"));
        if has_value {
            option.push("=");
            option.push(value_of(&argument));
        } else if needs_value(found)
            && let Some(value) = arguments.next()
        {
            option.push("=");
            option.push(value);
        }
        options.push(option);
    }
    options.push("--".into());
    options.extend(operands);
    options
}

/// What stands behind the first `=`, byte for byte.
fn value_of(argument: &OsString) -> OsString {
    let bytes = argument.as_encoded_bytes();
    let start = bytes
        .iter()
        .position(|&byte| byte == b'=')
        .map_or(bytes.len(), |at| at + 1);
    match argument.to_str() {
        Some(text) => text[start..].into(),
        None => os_string_from(&bytes[start..]),
    }
}

/// An argument that is not Unicode, of which an ASCII prefix was taken off.
#[cfg(unix)]
fn os_string_from(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStringExt as _;
    OsString::from_vec(bytes.to_vec())
}

/// Elsewhere arguments are Unicode, so this is never reached with other bytes.
#[cfg(not(unix))]
fn os_string_from(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

fn needs_value(arg: &Arg) -> bool {
    let takes_values = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let least = arg.get_num_args().map_or(1, |range| range.min_values());
    takes_values && least > 0
}

/// The option of this name, or the only one of wimlib's that it abbreviates.
fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let names = |arg: &'a Arg| {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        arg.get_long().into_iter().chain(aliases)
    };
    let exact = command
        .get_arguments()
        .find(|arg| names(arg).any(|long| long == name));
    if exact.is_some() {
        return exact;
    }
    let mut abbreviated = command
        .get_arguments()
        .filter(|arg| arg.get_help_heading() != Some(OWN_OPTIONS))
        .filter(|arg| names(arg).any(|long| long.starts_with(name)));
    let only = abbreviated.next()?;
    abbreviated.next().is_none().then_some(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(arguments: &[&str]) -> Vec<String> {
        let definition = args::verb("capture").unwrap();
        let arguments = arguments.iter().map(OsString::from).collect();
        let out = normalise(&definition.command, arguments, false);
        out.iter()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn options_in_every_form() {
        assert_eq!(
            normalised(&[
                "dir",
                "-compress",
                "lzx",
                "out.wim",
                "--che",
                "--threads=2",
                "--quiet"
            ]),
            [
                "--compress=lzx",
                "--check",
                "--threads=2",
                "--",
                "dir",
                "out.wim"
            ]
        );
        assert_eq!(
            normalised(&["--comp=fast", "a"]),
            ["--compress=fast", "--", "a"]
        );
        assert_eq!(normalised(&["--frob", "-"]), ["--frob", "--", "-"]);
        assert_eq!(
            normalised(&["--boot", "--", "--check"]),
            ["--boot", "--", "--check"]
        );
        assert_eq!(
            normalised(&["--unix-data", "x"]),
            ["--unix-data", "--", "x"]
        );
        assert_eq!(normalised(&["--unix-data=stream"])[0], "--unix-data=stream");
    }
}
