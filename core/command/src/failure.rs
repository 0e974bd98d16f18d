//! How a command ends when it does not succeed.

use wimforge_core::{Error, ErrorKind};

use crate::host::Host;

/// Exit code for wrong usage, and for output that cannot be written.
pub const USAGE: u8 = 255;
/// Exit code for a missing or unknown command.
pub const NO_COMMAND: u8 = 2;

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// The core failed; the kind gives the exit code.
    Core(Error),
    /// The command line is wrong. The text says how, usage included.
    Usage(String),
    /// There is no such command.
    NoCommand(String),
    /// Not a failure: text that was asked for, such as help, goes to standard output.
    Text(String),
    /// Standard output cannot be written.
    Output(std::io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Core(error)
    }
}

impl Failure {
    /// A mistake in the command line without usage text.
    pub(crate) fn usage(what: impl std::fmt::Display) -> Self {
        Failure::Usage(format!("ERROR: {what}\n"))
    }

    /// Tells the user, and returns the exit code.
    pub(crate) fn report(self, host: &dyn Host) -> u8 {
        let console = host.console();
        match self {
            Failure::Core(error) => {
                let kind = error.kind();
                console.err(&format!("ERROR: {error}\n"));
                if kind != ErrorKind::Skipped {
                    console.err(&format!(
                        "ERROR: Exiting with error code {}:\n       {}\n",
                        kind.code(),
                        kind.description()
                    ));
                }
                if kind == ErrorKind::MissingBlob {
                    console.err("       (--ref=GLOB names the other files that belong to a WIM)\n");
                }
                kind.code()
            }
            Failure::Usage(text) => {
                console.err(&text);
                USAGE
            }
            Failure::NoCommand(text) => {
                console.err(&text);
                NO_COMMAND
            }
            Failure::Text(text) => match console.out(text.as_bytes()) {
                Ok(()) => 0,
                Err(error) => Failure::Output(error).report(host),
            },
            Failure::Output(error) => {
                // Whoever was reading has gone away, and knows it.
                if error.kind() != std::io::ErrorKind::BrokenPipe {
                    console.err(&format!(
                        "ERROR: cannot write to standard output: {error}\n"
                    ));
                }
                USAGE
            }
        }
    }
}
