//! Windows Imaging (WIM) archives: the format, the image tree, capture and reading.
//!
//! This crate does no I/O. Hosts give it what it needs through the ports in [`port`]: a
//! [`port::Source`] of files, [`port::Storage`] or a [`port::Sink`] for the archive, a
//! [`port::Target`] to restore to, [`port::Workers`] to run in parallel, and a [`port::Observer`]
//! to hear what happens.
//!
//! ```text
//! Source ─▶ scan ─▶ Image ─▶ plan ─▶ pack ─▶ commit ─▶ Archive     (capture, append)
//! Storage ─▶ open ─▶ Archive ─▶ Image ─▶ read blobs ─▶ Target      (apply, extract, verify)
//! ```
#![forbid(unsafe_code)]
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod apply;
pub mod archive;
mod error;
pub mod format;
pub mod hash;
pub mod image;
pub mod limits;
pub mod order;
pub mod port;
pub mod scan;
#[cfg(test)]
mod testing;
pub mod text;
pub mod time;
pub mod windows;
pub mod write;
pub mod xml;

pub use error::{Error, ErrorKind, Result};
pub use limits::Limits;
