//! What is done with hostile input.
//!
//! Each function takes any bytes, does everything with them that the project does with input of that
//! kind, and panics only if something is wrong with the project. The fuzz targets in
//! `conformance/fuzz` call them with what libFuzzer thinks up; the test of this crate calls them with
//! the corpora that are kept, and with random changes to these.

pub mod archive;
pub mod codec;
pub mod hive;
mod rewrite;
pub mod text;
pub mod volume;

// The volumes to damage are made, and read, by what the reader's own tests use.
#[allow(clippy::unwrap_used, reason = "test code")]
#[path = "../../../core/ntfs/tests/integration/exercise.rs"]
mod exercise;
#[allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    reason = "test code, of which only a part is needed here"
)]
#[path = "../../../core/ntfs/tests/integration/maker/mod.rs"]
mod maker;

/// A kind of input: the name of its fuzz target and of the directory of its corpus, and what is done
/// with it.
pub type Target = (&'static str, fn(&[u8]));

/// All kinds of input.
pub const TARGETS: [Target; 12] = [
    ("xpress", codec::xpress),
    ("lzx", codec::lzx),
    ("lzms", codec::lzms),
    ("lznt1", codec::lznt1),
    ("round_trip", codec::round_trip),
    ("archive", archive::as_it_is),
    ("archive_mended", archive::mended),
    ("pipe", archive::pipe),
    ("metadata", archive::metadata),
    ("text", text::all),
    ("hive", hive::all),
    ("volume", volume::damaged),
];
