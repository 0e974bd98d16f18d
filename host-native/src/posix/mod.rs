//! Directories and files of POSIX systems.

mod directories;
mod entry;
mod medium;
mod single;
pub mod source;
pub mod target;

pub use single::{SingleFile, is_directory};
pub use source::{PosixSource, PosixSourceOptions};
pub use target::PosixTarget;
