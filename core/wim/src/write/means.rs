//! What every writing needs besides its data.

use super::capture::WriteOptions;
use crate::port::{Observer, Workers};

/// How something is written, who does the work, and who watches.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// How.
    pub options: &'a WriteOptions,
    /// Who compresses, hashes and decodes.
    pub workers: &'a dyn Workers,
    /// Who is told, and may stop it.
    pub observer: &'a dyn Observer,
}
