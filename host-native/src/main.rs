//! The program.

use std::process::ExitCode;

use wimforge::host::NativeHost;
use wimforge::memory;

fn main() -> ExitCode {
    memory::give_large_blocks_back();
    let host = NativeHost::with_signals();
    ExitCode::from(wimforge_command::run(&host, std::env::args_os().collect()))
}
