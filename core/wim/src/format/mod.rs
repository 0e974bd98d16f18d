//! The bytes of a WIM file, one module for each structure.
//!
//! A WIM file holds *images*: directory trees whose files share one pool of data, in which every
//! distinct piece (a *blob*, named by its SHA-1) is stored once.
//!
//! ```text
//! normal    header | file data and metadata resources | blob table | XML data | [integrity table]
//! pipable   header | XML data | metadata | file data | blob table | XML data | [integrity] | header
//! ```
//!
//! | module | structure |
//! |---|---|
//! | [`header`] | the first 208 bytes: flags, GUID, where everything lies |
//! | [`resource`] | resource headers (24 bytes: place, size, flags), chunk tables, solid and pipable headers |
//! | [`blob_table`] | one entry for each blob: resource, reference count, SHA-1 |
//! | [`integrity`] | SHA-1 of each 10 MiB of the file |
//! | [`metadata`] | the directory tree of an image |
//!
//! Numbers are little-endian and unsigned, structures are packed, names are UTF-16 counted in bytes.
//! Microsoft's *Windows Imaging File Format (WIM)* white paper (2007) describes the header, the blob
//! table ("lookup table") and the dentries; what it leaves open is described here as it was found in
//! files that Microsoft's and other tools accept.

pub mod blob_table;
pub mod header;
pub mod integrity;
pub mod metadata;
pub mod resource;

pub use blob_table::{BlobEntry, SolidMarker};
pub use header::{Compression, Guid, Header, HeaderFlags, Layout, Version};
pub use resource::{ResourceFlags, ResourceHeader};
