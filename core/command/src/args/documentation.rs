//! Commands that tell about the program itself.

use clap::{Command, value_parser};
use clap_complete::Shell;

use super::operand;

/// `completions`.
pub fn completions() -> Command {
    Command::new("completions")
        .about("Write a completion script for a shell to standard output")
        .arg(
            operand("SHELL", "The shell")
                .required(true)
                .value_parser(value_parser!(Shell)),
        )
        .after_help(
            "Examples:\n  \
             wimforge completions bash > /etc/bash_completion.d/wimforge\n  \
             wimforge completions zsh > \"${fpath[1]}/_wimforge\"",
        )
}

/// `man`.
pub fn man() -> Command {
    Command::new("man")
        .about("Write the manual page of the program or of a command to standard output")
        .arg(operand("COMMAND", "A command"))
        .after_help("Examples:\n  wimforge man capture | man -l -\n  wimforge man > wimforge.1")
}
