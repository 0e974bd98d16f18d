//! The XML data: what the file says about its images in words.
//!
//! UTF-16LE behind FF FE, no declaration, no white space between elements, never compressed:
//!
//! ```xml
//! <WIM>
//!   <IMAGE INDEX="1">
//!     <NAME>…</NAME>
//!     <DIRCOUNT>…</DIRCOUNT><FILECOUNT>…</FILECOUNT>
//!     <TOTALBYTES>…</TOTALBYTES><HARDLINKBYTES>…</HARDLINKBYTES>
//!     <CREATIONTIME><HIGHPART>0x…</HIGHPART><LOWPART>0x…</LOWPART></CREATIONTIME>
//!     <LASTMODIFICATIONTIME>…</LASTMODIFICATIONTIME>
//!     <WINDOWS>…</WINDOWS> and other properties
//!   </IMAGE>
//!   <TOTALBYTES>…</TOTALBYTES>
//! </WIM>
//! ```
//!
//! Everything in a document is kept when a file is changed, in its place, whether understood or not.

mod document;
mod image_info;
mod parse;
mod write;

pub use document::{Element, Node};
pub use image_info::{WimXml, check_text};
