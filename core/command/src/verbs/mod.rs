//! What each command does.

mod apply;
mod archive;
mod capture;
mod config;
mod delete;
mod destination;
mod diff;
mod dir;
mod documentation;
mod export;
mod extract;
mod incremental;
mod info;
mod info_change;
mod modify;
mod optimize;
mod sources;
mod split;
mod text;
mod update;
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
        "delete" => delete::run(host, invocation),
        "export" => export::run(host, invocation),
        "optimize" => optimize::run(host, invocation),
        "split" => split::split(host, invocation),
        "join" => split::join(host, invocation),
        "update" => update::run(host, invocation),
        "diff" => diff::run(host, invocation),
        "extract" => extract::run(host, invocation),
        "dir" => dir::run(host, invocation),
        "completions" => documentation::completions(host, invocation),
        "man" => documentation::man(host, invocation),
        "info" => info::run(host, invocation),
        "verify" => verify::run(host, invocation),
        other => Err(Failure::NoCommand(format!(
            "ERROR: Unrecognized command: `{other}'\n"
        ))),
    }
}
