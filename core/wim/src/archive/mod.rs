//! Archives that exist: opening, reading, checking.

mod blobs;
mod chunks;
mod integrity;
mod open;
mod pipe;
mod read;
mod set;
pub(crate) mod sweep;
pub mod verify;

pub use blobs::{Blob, BlobId, BlobPool, Place, Solid};
pub(crate) use chunks::Chunks;
pub use chunks::{ChunkMap, prefix_size};
pub(crate) use integrity::hash_range;
pub use integrity::{IntegrityState, check_integrity};
pub use open::{Archive, ArchiveFile, MetadataResource, OpenOptions};
pub use pipe::PipedArchive;
pub(crate) use pipe::{PipedHead, PipedPiece};
pub use read::BlobReader;
