//! The command line without a host: arguments become a request, the request becomes calls of the
//! core, and what happens becomes text.
//!
//! ```text
//! argv ─▶ invocation (which verb, which name) ─▶ args (what was typed) ─▶ verbs (what it means, done)
//! ```
//!
//! The native program and the command component are two hosts of this crate: they implement
//! [`Host`], call [`run`], and exit with what it returns. Nothing here knows an operating system.
#![forbid(unsafe_code)]
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod choices;
mod compatibility;
mod failure;
mod host;
mod invocation;
mod json;
mod profile;
mod report;
mod solid;
mod source_list;
mod update_list;
mod values;
mod verbs;

use std::ffi::OsString;

pub use args::program;
pub use failure::{Failure, USAGE};
pub use host::{
    Bar, Console, Described, Host, Lock, NewArchive, OpenedArchive, OpenedSource, SourceKind,
    SourceOptions, VolumeFacts,
};
pub use profile::Compat;

use crate::invocation::{Invocation, Output};

/// Runs one command line; `argv` begins with the name under which the program was called. Returns
/// the exit code.
pub fn run(host: &dyn Host, argv: Vec<OsString>) -> u8 {
    let invocation = match Invocation::parse(argv, host) {
        Ok(invocation) => invocation,
        Err(failure) => return failure.report(host),
    };
    match verbs::run(host, &invocation) {
        Ok(code) => code,
        Err(failure) => {
            if let (Output::Json, Failure::Core(error)) = (invocation.output, &failure) {
                report::print_line(host, &json::failure(error));
            }
            failure.report(host)
        }
    }
}
