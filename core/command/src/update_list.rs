//! The commands of `update`: what is added to an image, deleted from it, or renamed.
//!
//! One command a line: `add [OPTION…] SOURCE DESTINATION`, `delete [--force] [--recursive] PATH`, `rename
//! FROM TO`. Words that contain white space are quoted; empty lines and lines that begin with `#` mean
//! nothing.

use std::path::PathBuf;

use clap::ArgMatches;
use wimforge_core::image::path::components;

use crate::failure::Failure;
use crate::source_list::words;

/// A change of an image. Paths in the image have no slash at either end; the root is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A file or directory of the host is added.
    Add {
        /// The file or directory.
        source: PathBuf,
        /// Its place in the image.
        target: String,
        /// How it is scanned.
        options: AddOptions,
    },
    /// A file or directory is deleted.
    Delete {
        /// Its path in the image.
        path: String,
        /// Whether it may be a directory, which is deleted with all below it.
        recursive: bool,
        /// Whether it need not be there.
        force: bool,
    },
    /// A file or directory gets another name or place.
    Rename {
        /// Its path in the image.
        from: String,
        /// Its new path.
        to: String,
    },
}

/// How something that is added is scanned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddOptions {
    /// Follow symbolic links.
    pub dereference: bool,
    /// Store owner, group, mode and so on.
    pub unix_data: bool,
    /// Store no security descriptors.
    pub no_acls: bool,
    /// A security descriptor that cannot be read in full is an error.
    pub strict_acls: bool,
    /// Files that are in the image are not replaced.
    pub no_replace: bool,
    /// Make absolute links relative to the root; only for what becomes the root.
    pub fix_links: bool,
    /// What is left out.
    pub config: Option<PathBuf>,
}

/// What the command line says for all commands.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// For `add`.
    pub add: AddOptions,
    force: bool,
    recursive: bool,
}

impl Defaults {
    /// Reads the options.
    #[must_use]
    pub fn of(matches: &ArgMatches) -> Self {
        Self {
            add: AddOptions {
                dereference: matches.get_flag("dereference"),
                unix_data: matches.get_flag("unix-data"),
                no_acls: matches.get_flag("no-acls"),
                strict_acls: matches.get_flag("strict-acls"),
                no_replace: matches.get_flag("no-replace"),
                fix_links: matches.get_flag("rpfix"),
                config: matches.get_one::<PathBuf>("config").cloned(),
            },
            force: matches.get_flag("force"),
            recursive: matches.get_flag("recursive"),
        }
    }
}

/// Parses commands; `name` says where they come from.
///
/// # Errors
/// Usage failures with the number of the line.
pub fn parse(text: &str, name: &str, defaults: &Defaults) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let change = words(line)
            .and_then(|words| change(&words, defaults))
            .map_err(|what| Failure::usage(format!("{name}, line {number}: {what}")))?;
        changes.push(change);
    }
    Ok(changes)
}

fn change(words: &[String], defaults: &Defaults) -> Result<Change, String> {
    let (command, rest) = words.split_first().ok_or("there is no command")?;
    let is_option = |word: &&String| word.starts_with("--");
    let mut options = rest.iter().filter(is_option).map(|word| &word[..]);
    let operands: Vec<&String> = rest.iter().filter(|word| !is_option(word)).collect();
    match (&command[..], &operands[..]) {
        ("add", [source, target]) => Ok(Change::Add {
            source: PathBuf::from(source),
            target: inside(target)?,
            options: options.try_fold(defaults.add.clone(), add_option)?,
        }),
        ("delete", [path]) => {
            let (mut force, mut recursive) = (defaults.force, defaults.recursive);
            for option in options {
                match option {
                    "--force" => force = true,
                    "--recursive" => recursive = true,
                    other => return Err(format!("delete has no option {other}")),
                }
            }
            Ok(Change::Delete {
                path: inside(path)?,
                recursive,
                force,
            })
        }
        ("rename", [from, to]) => match options.next() {
            None => Ok(Change::Rename {
                from: inside(from)?,
                to: inside(to)?,
            }),
            Some(option) => Err(format!("rename has no option {option}")),
        },
        ("add" | "rename", operands) => {
            Err(format!("{command} needs two paths, not {}", operands.len()))
        }
        ("delete", operands) => Err(format!("delete needs one path, not {}", operands.len())),
        (other, _) => Err(format!(
            "Unknown update command \"{other}\"; there are add, delete and rename"
        )),
    }
}

fn add_option(mut options: AddOptions, option: &str) -> Result<AddOptions, String> {
    match option {
        "--dereference" => options.dereference = true,
        "--unix-data" => options.unix_data = true,
        "--no-acls" | "--noacls" => options.no_acls = true,
        "--strict-acls" => options.strict_acls = true,
        "--no-replace" => options.no_replace = true,
        "--rpfix" => options.fix_links = true,
        "--norpfix" => options.fix_links = false,
        "--verbose" => {}
        other => match other.strip_prefix("--config=") {
            Some(file) => options.config = Some(PathBuf::from(file)),
            None => return Err(format!("add has no option {other}")),
        },
    }
    Ok(options)
}

/// A path in the image.
fn inside(path: &str) -> Result<String, String> {
    let path = path.replace('\\', "/");
    let names: Vec<_> = components(path.as_bytes())
        .map(String::from_utf8_lossy)
        .collect();
    match names.iter().any(|name| name == "." || name == "..") {
        true => Err(format!(
            "\"{path}\" is no path in an image: it contains \".\" or \"..\""
        )),
        false => Ok(names.join("/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_their_options() {
        let text = "# comment\n\nadd --unix-data 'a b' /c/\r\ndelete --force --recursive \"x y\"\n\
                    rename \\a\\b c\n";
        let changes = parse(text, "x", &Defaults::default()).unwrap();
        let options = AddOptions {
            unix_data: true,
            ..AddOptions::default()
        };
        let expected = [
            Change::Add {
                source: "a b".into(),
                target: "c".into(),
                options,
            },
            Change::Delete {
                path: "x y".into(),
                recursive: true,
                force: true,
            },
            Change::Rename {
                from: "a/b".into(),
                to: "c".into(),
            },
        ];
        assert_eq!(changes, expected);
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, what) in [
            (
                "delete a\nfoo b",
                "x, line 2: Unknown update command \"foo\"",
            ),
            ("add a", "x, line 1: add needs two paths, not 1"),
            ("delete a b", "x, line 1: delete needs one path, not 2"),
            ("delete --x b", "x, line 1: delete has no option --x"),
            ("add --x a b", "x, line 1: add has no option --x"),
            ("rename \"a b", "x, line 1: Missing closing quote"),
            ("delete ../a", "x, line 1: \"../a\" is no path"),
        ] {
            let Err(Failure::Usage(message)) = parse(text, "x", &Defaults::default()) else {
                panic!("{text:?} was accepted");
            };
            assert!(message.contains(what), "{message}");
        }
    }
}
