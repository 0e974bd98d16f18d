//! Names: UTF-16 in archives, a UTF-8 superset here.
//!
//! NTFS and WIM names are any sequence of 16-bit units, also unpaired surrogates. In memory this
//! crate keeps them in the encoding known as WTF-8: UTF-8 in which an unpaired surrogate is written
//! as the three bytes that its code point would have. A high surrogate directly followed by a low
//! one is always a pair and has the usual four bytes, so the mapping is one to one.

use std::fmt;

/// Appends the WTF-8 form of UTF-16 units to `out`.
pub fn push_utf16(out: &mut Vec<u8>, units: impl IntoIterator<Item = u16>) {
    for unit in char::decode_utf16(units) {
        match unit {
            Ok(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(lone) => push_surrogate(out, lone.unpaired_surrogate()),
        }
    }
}

/// Appends the three bytes of an unpaired surrogate.
fn push_surrogate(out: &mut Vec<u8>, unit: u16) {
    out.extend_from_slice(&[
        0xE0 | (unit >> 12) as u8,
        0x80 | (unit >> 6 & 0x3F) as u8,
        0x80 | (unit & 0x3F) as u8,
    ]);
}

/// The WTF-8 form of UTF-16 units.
#[must_use]
pub fn from_utf16(units: &[u16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(units.len());
    push_utf16(&mut out, units.iter().copied());
    out
}

/// The UTF-16 units of WTF-8 text, one after the other. Bytes that are not WTF-8 give U+FFFD; text
/// that came through [`push_utf16`] or [`check`] has none.
pub fn utf16(text: &[u8]) -> Utf16<'_> {
    Utf16 { rest: text, low: 0 }
}

/// See [`utf16`].
#[derive(Clone, Debug)]
pub struct Utf16<'a> {
    rest: &'a [u8],
    /// Second unit of a pair still to be given, or 0.
    low: u16,
}

impl Iterator for Utf16<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.low != 0 {
            return Some(std::mem::take(&mut self.low));
        }
        let &first = self.rest.first()?;
        if first < 0x80 {
            self.rest = &self.rest[1..];
            return Some(u16::from(first));
        }
        match decode_long(self.rest) {
            Some((code, size)) => {
                self.rest = self.rest.get(size..).unwrap_or_default();
                if code < 0x1_0000 {
                    return Some(code as u16);
                }
                let offset = code - 0x1_0000;
                self.low = 0xDC00 | (offset & 0x3FF) as u16;
                Some(0xD800 | (offset >> 10) as u16)
            }
            None => {
                self.rest = &self.rest[1..];
                Some(0xFFFD)
            }
        }
    }
}

/// Decodes a sequence of 2 to 4 bytes at the start of `bytes`: code point (surrogates allowed) and
/// number of bytes.
fn decode_long(bytes: &[u8]) -> Option<(u32, usize)> {
    let (size, least, top) = match bytes.first()? {
        0xC2..=0xDF => (2, 0x80, 0x1F),
        0xE0..=0xEF => (3, 0x800, 0x0F),
        0xF0..=0xF4 => (4, 0x1_0000, 0x07),
        _ => return None,
    };
    let mut code = u32::from(bytes[0]) & top;
    for &byte in bytes.get(1..size)? {
        if byte & 0xC0 != 0x80 {
            return None;
        }
        code = code << 6 | u32::from(byte & 0x3F);
    }
    (code >= least && code <= 0x10_FFFF).then_some((code, size))
}

/// Whether `bytes` are WTF-8: UTF-8 that may hold three-byte surrogates, but not a high one followed
/// by a low one (the pair has a four-byte form, and two spellings of one name would collide).
#[must_use]
pub fn check(bytes: &[u8]) -> bool {
    if std::str::from_utf8(bytes).is_ok() {
        return true;
    }
    let mut rest = bytes;
    let mut after_high = false;
    while let Some(&first) = rest.first() {
        let (code, size) = if first < 0x80 {
            (u32::from(first), 1)
        } else {
            match decode_long(rest) {
                Some(found) => found,
                None => return false,
            }
        };
        if after_high && (0xDC00..0xE000).contains(&code) {
            return false;
        }
        after_high = (0xD800..0xDC00).contains(&code);
        rest = &rest[size..];
    }
    true
}

/// What to do with a file name of the host that is not WTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BadNames {
    /// It is an error.
    #[default]
    Refuse,
    /// Each byte that is not part of strictly valid UTF-8 becomes one unit U+DC80 to U+DCFF, so that
    /// [`to_host`] can turn it back. Encoded surrogates count as three such bytes.
    Escape,
}

/// Turns a file name of a host with byte names into WTF-8, or `None` if it has no such form.
#[must_use]
pub fn from_host(name: &[u8], bad: BadNames) -> Option<Vec<u8>> {
    match bad {
        BadNames::Refuse => check(name).then(|| name.to_vec()),
        BadNames::Escape => {
            let mut out = Vec::with_capacity(name.len());
            for chunk in name.utf8_chunks() {
                out.extend_from_slice(chunk.valid().as_bytes());
                for &byte in chunk.invalid() {
                    push_surrogate(&mut out, 0xDC00 | u16::from(byte));
                }
            }
            Some(out)
        }
    }
}

/// The file name on a host with byte names: the WTF-8 bytes themselves, or with
/// [`BadNames::Escape`] with escaped bytes turned back.
#[must_use]
pub fn to_host(name: &[u8], bad: BadNames) -> Vec<u8> {
    if bad == BadNames::Refuse || std::str::from_utf8(name).is_ok() {
        return name.to_vec();
    }
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(&first) = rest.first() {
        match decode_long(rest) {
            Some((code @ 0xDC80..=0xDCFF, size)) => {
                out.push(code as u8);
                rest = &rest[size..];
            }
            Some((_, size)) => {
                out.extend_from_slice(&rest[..size]);
                rest = &rest[size..];
            }
            None => {
                out.push(first);
                rest = &rest[1..];
            }
        }
    }
    out
}

/// Shows WTF-8 text to people: unpaired surrogates and broken bytes become U+FFFD.
#[derive(Clone, Copy, Debug)]
pub struct Show<'a>(pub &'a [u8]);

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn surrogates_keep_their_units() {
        for units in [
            &[0xD800][..],
            &[0xDC00, 0xD800],
            &[0x41, 0xDFFF, 0x42],
            &[0xD83D, 0xDE00],
        ] {
            let text = from_utf16(units);
            assert!(check(&text));
            assert_eq!(utf16(&text).collect::<Vec<_>>(), units);
        }
        assert!(
            !check(b"\xED\xA0\x80\xED\xB0\x80"),
            "a pair spelt as two surrogates"
        );
        assert!(!check(b"\xC0\x80") && !check(b"\xFF") && !check(b"\xE2\x82"));
    }

    proptest! {
        #[test]
        fn every_unit_sequence_maps_both_ways(units in proptest::collection::vec(any::<u16>(), 0..40)) {
            let text = from_utf16(&units);
            prop_assert!(check(&text));
            prop_assert_eq!(utf16(&text).collect::<Vec<_>>(), units);
        }

        #[test]
        fn escaped_host_names_come_back(name in proptest::collection::vec(any::<u8>(), 0..40)) {
            let text = from_host(&name, BadNames::Escape).unwrap();
            prop_assert!(check(&text));
            prop_assert_eq!(to_host(&text, BadNames::Escape), name);
        }
    }
}
