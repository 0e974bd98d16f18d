//! The command line as a component of world `wasi:cli/command`: a second host of `wimforge-command`,
//! over wasi:cli and wasi:filesystem.
//!
//! | module | what it gives the core |
//! |---|---|
//! | `paths` | files below the directories that the component was given |
//! | `files` | files as storage; new archives that appear under their name only when complete |
//! | `source`, `links` | a directory as a source; which names are the same file |
//! | `target` | a directory to restore to |
//! | `volume` | an NTFS volume in a file |
//! | `streams` | standard input, output and error |
//! | `host` | all of it joined for the command line |
//!
//! What wasi:filesystem cannot tell stands in [`host::NOTES`]. `host-wasi/build` makes the component.

#![cfg_attr(
    not(target_family = "wasm"),
    allow(
        dead_code,
        reason = "it is reached through the exports of the component only"
    )
)]

mod failure;
mod files;
mod host;
mod links;
mod paths;
mod source;
mod streams;
mod target;
mod volume;

use std::ffi::OsString;

use crate::host::WasiHost;

/// The component.
struct Command;

impl wasip2::exports::cli::run::Guest for Command {
    /// WASI knows success and failure, but no exit codes: the code stands in the message.
    fn run() -> Result<(), ()> {
        std::panic::set_hook(Box::new(|panic| streams::complain(&format!("{panic}\n"))));
        let host = WasiHost::new();
        let arguments = wasip2::cli::environment::get_arguments();
        let arguments = arguments.into_iter().map(OsString::from).collect();
        match wimforge_command::run(&host, arguments) {
            0 => Ok(()),
            _ => Err(()),
        }
    }
}

#[cfg(target_family = "wasm")]
wasip2::cli::command::export!(Command);
