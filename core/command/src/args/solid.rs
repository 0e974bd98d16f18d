//! Options of every command that writes file data: how it is compressed in solid resources.

use clap::{Arg, Command};

use super::{flag, option};
use crate::values::{CompressionChoice, parse_size};

/// Adds `--solid` and what goes with it.
pub fn with_solid(command: Command) -> Command {
    command.args(arguments())
}

fn arguments() -> [Arg; 4] {
    [
        flag(
            "solid",
            "Compress all new data together in one solid resource: smallest, but slow to extract single files from",
        ),
        option(
            "solid-compress",
            "TYPE[:LEVEL]",
            "Compression of solid resources [default: lzms:50]",
        )
        .value_parser(CompressionChoice::parse),
        option(
            "solid-chunk-size",
            "SIZE",
            "Bytes that are compressed together in solid resources [default: 64M for lzms, 32K otherwise]; \
             lzms takes about 8 times as much memory for each thread",
        )
        .value_parser(parse_size),
        flag(
            "no-solid-sort",
            "Keep the order of the tree in solid resources instead of putting similar names together",
        ),
    ]
}
