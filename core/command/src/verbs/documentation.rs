//! `completions` and `man`: made from the definitions that the arguments are parsed with.

use clap_complete::Shell;

use crate::args;
use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;

/// Writes a completion script to standard output.
pub fn completions(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let Some(&shell) = invocation.matches.get_one::<Shell>("SHELL") else {
        return Err(Failure::usage("no shell was named"));
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::program(), "wimforge", &mut script);
    print(host, &script)
}

/// Writes a manual page to standard output.
pub fn man(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let command = match invocation.matches.get_one::<String>("COMMAND") {
        None => args::program(),
        Some(name) => {
            let verb = args::verb(name)
                .ok_or_else(|| Failure::usage(format!("there is no command `{name}'")))?;
            verb.command
                .display_name(format!("wimforge-{name}"))
                .bin_name(format!("wimforge {name}"))
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(Failure::Output)?;
    print(host, &page)
}

fn print(host: &dyn Host, text: &[u8]) -> Result<u8, Failure> {
    host.console().out(text).map_err(Failure::Output)?;
    Ok(0)
}
