//! Extended attributes: small named values, older than named streams.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::attribute::AttributeType;
use crate::error::{At as _, Fault, Place, Result};
use crate::file::File;

/// How an entry of $EA begins. The name follows, a NUL, the value, and padding to a multiple of 4.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    /// From this entry to the next; 0, or to the end, in the last.
    step: U32,
    flags: u8,
    name_length: u8,
    value_length: U16,
}

const HEADER: usize = size_of::<Header>();

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedAttribute {
    /// 0x80: programs that do not understand it must not open the file.
    pub flags: u8,
    /// The name, by rule ASCII in upper case.
    pub name: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

fn parse(data: &[u8]) -> Result<Vec<ExtendedAttribute>, Fault> {
    let mut result = Vec::new();
    let mut at = 0;
    while at < data.len() {
        let rest = &data[at..];
        let (attribute, step) = entry(rest).ok_or(Fault::ExtendedAttribute(at))?;
        result.push(attribute);
        if step == 0 {
            break;
        }
        at += step;
    }
    Ok(result)
}

fn entry(bytes: &[u8]) -> Option<(ExtendedAttribute, usize)> {
    let (header, rest) = Header::ref_from_prefix(bytes).ok()?;
    let (name, rest) = rest.split_at_checked(usize::from(header.name_length))?;
    let (nul, rest) = rest.split_first()?;
    let value = rest.get(..usize::from(header.value_length.get()))?;
    let step = header.step.get() as usize;
    let end = HEADER + name.len() + 1 + value.len();
    if *nul != 0 || step != 0 && (!step.is_multiple_of(4) || step < end || step > bytes.len()) {
        return None;
    }
    let attribute = ExtendedAttribute {
        flags: header.flags,
        name: name.to_vec(),
        value: value.to_vec(),
    };
    Some((attribute, step))
}

impl File {
    /// The extended attributes, in their order.
    ///
    /// # Errors
    /// Damage.
    pub fn extended_attributes(&self) -> Result<Vec<ExtendedAttribute>> {
        let kind = AttributeType::EA;
        let most = self.context().limits.extended_attributes;
        match self.read(kind, &[], most)? {
            None => Ok(Vec::new()),
            Some(data) => parse(&data).at(Place::attribute(self.record(), kind, &[])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(name: &[u8], value: &[u8], step: u32) -> Vec<u8> {
        let mut data = step.to_le_bytes().to_vec();
        data.extend([0x80, name.len() as u8, value.len() as u8, 0]);
        data.extend(name);
        data.push(0);
        data.extend(value);
        data.resize(data.len().next_multiple_of(4), 0);
        data
    }

    #[test]
    fn two_entries_and_both_kinds_of_end() {
        for last in [0, 20] {
            let mut data = packed(b"ONE", b"value", 20);
            data.extend(packed(b"TWO", b"other", last));
            let found = parse(&data).unwrap();
            assert_eq!(found.len(), 2);
            assert_eq!(found[1].name, b"TWO");
            assert_eq!(found[1].value, b"other");
        }
    }

    #[test]
    fn bad_entries() {
        let good = packed(b"ONE", b"value", 20);
        for (at, byte) in [(0, 19), (0, 12), (0, 24), (5, 2), (6, 200), (11, 1)] {
            let mut data = good.clone();
            data[at] = byte;
            assert_eq!(
                parse(&data),
                Err(Fault::ExtendedAttribute(0)),
                "{at} {byte}"
            );
        }
        for length in 1..16 {
            assert!(parse(&good[..length]).is_err());
        }
    }
}
