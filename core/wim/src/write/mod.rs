//! Image to archive: plan, pack, commit.
//!
//! *Plan* decides what must be stored and in which order (`plan`). *Pack* reads, hashes, compresses
//! and writes it (`pack`). *Commit* writes metadata, tables and header (`commit`). What is
//! written depends on the source and the options only, not on the number of workers.

mod append;
mod blob_writer;
mod buffers;
mod capture;
mod change;
mod commit;
mod compact;
mod draft;
mod export;
mod load;
mod means;
mod metadata;
mod output;
mod pack;
pub mod pipable;
mod plan;
mod rebuild;
mod split;
mod supply;
mod tables;
mod transfer;
mod update;

pub use append::{append, check_appendable};
pub use capture::{CaptureSummary, IntegrityChoice, NewImage, WriteOptions, capture};
pub use change::{Change, Departure, Setting};
pub use compact::{check_compactable, compact};
pub use draft::Draft;
pub use export::Existing;
pub use means::Means;
pub use pack::{SolidOptions, SolidOrder};
pub use pipable::hash_contents;
pub use rebuild::{Rebuild, Recompress, Scope, rebuild};
pub use split::Split;
pub use update::{ChangedImage, fill_in_sizes};

#[cfg(test)]
mod tests;
