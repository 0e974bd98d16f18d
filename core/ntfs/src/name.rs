//! Names: sequences of 16-bit units, mostly but not always valid UTF-16.

use std::char::REPLACEMENT_CHARACTER;
use std::fmt::{self, Write as _};

use zerocopy::FromBytes;
use zerocopy::little_endian::U16;

/// A name as it lies on the volume: little-endian units at any address.
pub type RawName = [U16];

/// The units of a piece of UTF-16LE text; `None` for an odd number of bytes.
pub(crate) fn units(bytes: &[u8]) -> Option<&RawName> {
    <[U16]>::ref_from_bytes(bytes).ok()
}

/// Whether a name on the volume is this name, unit by unit.
pub(crate) fn same(raw: &RawName, name: &[u16]) -> bool {
    raw.len() == name.len() && raw.iter().zip(name).all(|(a, b)| a.get() == *b)
}

/// A copy of a name on the volume.
pub(crate) fn to_vec(raw: &RawName) -> Vec<u16> {
    raw.iter().map(|unit| unit.get()).collect()
}

/// Shows a name to people: a unit that is no character as U+FFFD.
#[derive(Clone, Copy, Debug)]
pub struct Display<'a>(pub &'a [u16]);

impl fmt::Display for Display<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for unit in char::decode_utf16(self.0.iter().copied()) {
            f.write_char(unit.unwrap_or(REPLACEMENT_CHARACTER))?;
        }
        Ok(())
    }
}

/// The UTF-16 units of an ASCII name, for names known beforehand.
#[must_use]
pub(crate) const fn ascii<const N: usize>(name: &[u8; N]) -> [u16; N] {
    let mut result = [0; N];
    let mut at = 0;
    while at < N {
        result[at] = name[at] as u16;
        at += 1;
    }
    result
}
