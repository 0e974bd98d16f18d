//! The program.

use std::process::ExitCode;

use wimforge::host::NativeHost;

fn main() -> ExitCode {
    let host = NativeHost::with_signals();
    ExitCode::from(wimforge_command::run(&host, std::env::args_os().collect()))
}
