//! A read-only NTFS volume over bytes at an offset.
//!
//! The crate does no I/O of its own: a host hands in a [`ReadAt`], which may be a file, a device, a
//! partition of a disk image ([`partition`]), or whatever a browser has. It is made for reading a
//! whole volume fast:
//!
//! ```text
//!  ReadAt ──▶ Volume ──▶ scan of $MFT ──▶ Catalog      what every file is: times, streams, sizes
//!               │                            │
//!               ├──▶ list(directory) ────────┴──▶ Listing     names, checked against the catalog
//!               └──▶ file(reference) ──▶ File ──▶ Stream      rare attributes; contents at any offset
//! ```
//!
//! - [`Volume::open`] reads the boot sector, finds all of `$MFT`, and warns about a volume that was
//!   not left in order.
//! - [`Catalog`] is one sequential pass over `$MFT`, about 100 bytes of memory a file.
//! - [`Catalog::list`] reads one directory index. The index, not the names in the records, decides
//!   what a directory holds.
//! - [`File`] has everything about one file, [`Stream`] reads contents from many threads: resident,
//!   in clusters, with holes, compressed by the file system (LZNT1) or by the system (XPRESS, LZX).
//! - [`NtfsSource`] is all of that as a source of capture.
//!
//! ```no_run
//! use std::sync::Arc;
//! use wimforge_ntfs::{Catalog, FileReference, Limits, Volume, name};
//!
//! # fn main() -> Result<(), wimforge_ntfs::Error> {
//! # let bytes = vec![0];
//! let volume = Volume::open(Arc::new(bytes), Limits::default())?;
//! let catalog = Catalog::read(&volume)?;
//! let mut directories = vec![FileReference::ROOT];
//! while let Some(directory) = directories.pop() {
//!     let listing = catalog.list(&volume, directory)?;
//!     for entry in listing.entries() {
//!         let info = catalog.get(entry.reference)?;
//!         println!("{} {:#x}", name::Display(entry.name), info.attributes());
//!         if info.is_directory() {
//!             directories.push(entry.reference);
//!         }
//!         for stream in info.streams().filter(|stream| stream.size > 0) {
//!             let stream = volume.file(entry.reference)?.open_stream(stream.name)?;
//!             let mut start = [0; 512];
//!             let count = stream.read_at(0, &mut start)?;
//!             println!("  {:?}", &start[..count]);
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Nothing on a volume is trusted. Whatever is wrong is an [`Error`] with its place, mostly of one
//! file, and never a panic; [`Limits`] bound what is not bounded by the size of the volume.
#![forbid(unsafe_code)]

mod attribute;
mod attribute_list;
mod boot;
mod catalog;
mod compressed;
mod context;
mod crc32;
mod device;
mod directory;
pub mod disk_image;
mod ea;
mod error;
mod file;
mod file_name;
mod fixup;
mod index;
mod limits;
mod log_file;
mod mft;
pub mod name;
mod object_id;
pub mod partition;
pub mod recognise;
mod record;
mod reparse;
mod runs;
mod secure;
pub mod source;
mod standard_information;
mod state;
mod stream;
mod upcase;
mod volume;
pub mod wof;

pub use attribute::AttributeType;
pub use boot::Geometry;
pub use catalog::{Catalog, FileInfo, Scan, Security, StreamEntry};
pub use device::{ReadAt, Window};
pub use directory::{Entry, Listing, Refused};
pub use ea::ExtendedAttribute;
pub use error::{
    Error, ExtensionFault, Fault, IndexBlockFault, IndexPlace, Place, Result, Unsupported,
};
pub use file::{File, Stamp, StreamInfo};
pub use file_name::{FileName, NameSpace};
pub use limits::Limits;
pub use log_file::LogState;
pub use object_id::ObjectId;
pub use recognise::FileSystem;
pub use record::FileReference;
pub use reparse::{ReparsePoint, TAG_DEDUPLICATED};
pub use runs::{Extents, Run};
pub use secure::hash as security_hash;
pub use source::NtfsSource;
pub use standard_information::{StandardInformation, Times, file_attributes, reported_attributes};
pub use state::{VolumeInfo, Warning};
pub use stream::Stream;
pub use upcase::UpCase;
pub use volume::Volume;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_can_share_everything() {
        fn shared<T: Send + Sync>() {}
        shared::<Volume>();
        shared::<Catalog>();
        shared::<Listing>();
        shared::<File>();
        shared::<Stream>();
        shared::<Window>();
        shared::<Error>();
    }
}
