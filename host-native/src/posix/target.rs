//! Being written.
use std::path::Path;
use wimforge_core::{Result, Error, ErrorKind, port::*};
pub struct PosixTarget;
impl PosixTarget { pub fn open(_: &Path) -> Result<Self> { Err(Error::new(ErrorKind::Unsupported, "")) } }
impl Target for PosixTarget {
fn name(&self) -> String { String::new() }
fn make_directory(&self, _: &[u8]) -> Result<()> { Ok(()) }
fn create_file(&self, _: &[u8]) -> Result<Box<dyn TargetFile + '_>> { Err(Error::new(ErrorKind::Unsupported, "")) }
fn hard_link(&self, _: &[u8], _: &[u8]) -> Result<()> { Ok(()) }
fn symbolic_link(&self, _: LinkTarget<'_>, _: &[u8]) -> Result<()> { Ok(()) }
fn make_special(&self, _: &wimforge_core::image::UnixData, _: &[u8]) -> Result<()> { Ok(()) }
fn set_metadata(&self, _: &[u8], _: &FileMetadata<'_>) -> Result<Missed> { Err(Error::new(ErrorKind::Unsupported, "")) }
}
