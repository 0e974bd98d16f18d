//! The native host: POSIX files and directories, threads, and the terminal.
//!
//! | module | what it gives the core |
//! |---|---|
//! | [`posix`] | a directory as a source and as a target |
//! | [`file`] | files as storage; new archives that appear under their name only when complete |
//! | `ntfs` | an NTFS volume in a file or on a block device as a source |
//! | [`memory`] | how the program gets memory and gives it back |
//! | `pipe` | standard input and output, and other pipes |
//! | `qcow2` | QCOW2 disk images with such volumes |
//! | [`threads`] | workers |
//! | [`console`] | standard output and error, progress bars |
//! | [`host`] | all of it joined for the command line |
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod console;
pub mod file;
pub mod host;
pub mod memory;
mod ntfs;
mod pipe;
pub mod posix;
mod qcow2;
pub mod threads;

mod failure;
