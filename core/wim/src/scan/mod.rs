//! Source to image: every rule of capture lives here and only here.
//!
//! A scan walks its sources once, reading directories, attributes and link targets but no file data,
//! and builds an [`Image`] together with the list of data that is still to be read.

mod ahead;
pub mod config;
mod edit;
pub mod glob;
mod inode;
mod links;
mod overlay;
mod scanned;
mod template;
mod walk;

pub use config::CaptureConfig;
pub use edit::{Depth, Missing};
pub use links::OutsideLinks;
pub use overlay::Overlay;
pub use scanned::{Origin, Pending, ScanOptions, Scanned, UnixDataForm};
pub use template::{Template, Unchanged};
pub use walk::Scanner;
