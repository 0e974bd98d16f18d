//! What each command does.

mod apply;
mod archive;
mod capture;
mod dir;
mod extract;
mod incremental;
mod info;
mod sources;
mod text;
mod verify;

use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;

/// Runs a command; returns its exit code.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    match invocation.verb {
        "capture" => capture::capture(host, invocation),
        "append" => capture::append(host, invocation),
        "apply" => apply::run(host, invocation),
        "extract" => extract::run(host, invocation),
        "dir" => dir::run(host, invocation),
        "info" => info::run(host, invocation),
        "verify" => verify::run(host, invocation),
        other => Err(Failure::NoCommand(format!(
            "ERROR: Unrecognized command: `{other}'\n"
        ))),
    }
}
