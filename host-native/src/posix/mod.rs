//! Directories of POSIX systems.

mod directories;
mod entry;
pub mod source;
pub mod target;

pub use source::{PosixSource, PosixSourceOptions};
pub use target::PosixTarget;
