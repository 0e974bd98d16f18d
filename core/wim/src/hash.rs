//! SHA-1, by which a WIM names every piece of data.

use std::fmt;

use crate::{Error, ErrorKind, Result};

/// The SHA-1 of uncompressed data. Twenty zero bytes stand for "empty, no blob".
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
    zerocopy::Unaligned,
)]
#[repr(transparent)]
pub struct Sha1([u8; 20]);

impl Sha1 {
    /// The hash field of empty data.
    pub const ZERO: Sha1 = Sha1([0; 20]);

    /// Wraps the twenty bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Hashes `data`.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(data);
        hasher.finish()
    }

    /// Hashes several pieces of data, in less time than one after the other.
    #[must_use]
    pub fn of_each<'a>(data: impl IntoIterator<Item = &'a [u8]>) -> Vec<Self> {
        let data: Vec<&[u8]> = data.into_iter().collect();
        let mut hashers = vec![Hasher::new(); data.len()];
        Hasher::update_together(hashers.iter_mut().zip(data));
        hashers.into_iter().map(Hasher::finish).collect()
    }

    /// The twenty bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Whether this is [`Sha1::ZERO`].
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Compares the hash of data that was read with the one that it should have.
    ///
    /// # Errors
    /// [`ErrorKind::HashMismatch`].
    pub fn must_be(&self, expected: &Sha1) -> Result<()> {
        match self == expected {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::HashMismatch,
                format!("the data has SHA-1 {self} instead of {expected}"),
            )),
        }
    }

    /// The first eight bytes as a number: a hash value good enough for tables.
    #[must_use]
    pub fn short(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for Sha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A SHA-1 computation in progress.
#[derive(Clone, Default)]
pub struct Hasher(wimforge_sha1::Hasher);

impl Hasher {
    /// Starts with no data.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds data.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Adds data to several hashes, in less time than to one after the other.
    pub fn update_together<'a>(work: impl IntoIterator<Item = (&'a mut Hasher, &'a [u8])>) {
        wimforge_sha1::update_together(
            work.into_iter().map(|(hasher, data)| (&mut hasher.0, data)),
        );
    }

    /// The hash of all data added.
    #[must_use]
    pub fn finish(self) -> Sha1 {
        Sha1(self.0.finish())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}
