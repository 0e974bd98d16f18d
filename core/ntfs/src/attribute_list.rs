//! $ATTRIBUTE_LIST: where the attributes of a file are that do not fit into one record.
//!
//! The list in the base record has an entry for every attribute of the file, wherever it is, and for
//! every piece of a non-resident one. It is the only way to extension records, so a piece that it
//! does not name does not exist.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::attribute::AttributeType;
use crate::error::Fault;
use crate::name::{self, RawName};
use crate::record::FileReference;

/// The fixed part of an entry.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Fixed {
    kind: U32,
    length: U16,
    name_length: u8,
    name_offset: u8,
    first_vcn: U64,
    reference: U64,
    id: U16,
}

/// An entry of an attribute list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListEntry<'a> {
    pub kind: AttributeType,
    pub name: &'a RawName,
    /// Where the piece begins; 0 for resident attributes.
    pub first_vcn: u64,
    /// The record that has it.
    pub reference: FileReference,
    /// Its number within that record.
    pub id: u16,
}

/// The entries of a list.
pub(crate) fn entries(list: &[u8]) -> impl Iterator<Item = Result<ListEntry<'_>, Fault>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let at = list.len() - rest.len();
        let result = parse(rest).ok_or(Fault::ListEntry(at));
        match result {
            Ok((entry, behind)) => {
                rest = behind;
                Some(check(entry))
            }
            Err(fault) => {
                rest = &[];
                Some(Err(fault))
            }
        }
    })
}

fn parse(rest: &[u8]) -> Option<(ListEntry<'_>, &[u8])> {
    let (fixed, _) = Fixed::ref_from_prefix(rest).ok()?;
    let length = usize::from(fixed.length.get());
    if length < size_of::<Fixed>() || length % 8 != 0 {
        return None;
    }
    let (entry, behind) = rest.split_at_checked(length)?;
    let name = if fixed.name_length == 0 {
        &[]
    } else {
        let start = usize::from(fixed.name_offset);
        let bytes = entry.get(start..start + 2 * usize::from(fixed.name_length))?;
        name::units(bytes).filter(|_| start >= size_of::<Fixed>())?
    };
    Some((
        ListEntry {
            kind: AttributeType(fixed.kind.get()),
            name,
            first_vcn: fixed.first_vcn.get(),
            reference: FileReference(fixed.reference.get()),
            id: fixed.id.get(),
        },
        behind,
    ))
}

/// A list does not name itself.
fn check(entry: ListEntry<'_>) -> Result<ListEntry<'_>, Fault> {
    match entry.kind {
        AttributeType(0) | AttributeType::ATTRIBUTE_LIST | AttributeType::END => {
            Err(Fault::ListType(entry.kind.0))
        }
        _ => Ok(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: u8, length: u8, name: (u8, u8)) -> Vec<u8> {
        let mut entry = vec![0; 32];
        entry[0] = kind;
        entry[4] = length;
        entry[6] = name.0;
        entry[7] = name.1;
        entry[16] = 27;
        entry[26] = b'n';
        entry
    }

    #[test]
    fn entries_and_their_faults() {
        let mut list = entry(0x80, 32, (1, 26));
        list.extend(entry(0x90, 32, (0, 0)));
        let found: Vec<_> = entries(&list).collect::<Result<_, _>>().unwrap();
        assert_eq!(found.len(), 2);
        assert!(name::same(found[0].name, &[u16::from(b'n')]));
        assert_eq!(found[1].reference.number(), 27);
        for bad in [
            entry(0x80, 31, (0, 0)),
            entry(0x80, 24, (0, 0)),
            entry(0x80, 40, (0, 0)),
            entry(0x80, 32, (1, 25)),
            entry(0x80, 32, (4, 26)),
            entry(0x20, 32, (0, 0)),
            entry(0, 32, (0, 0)),
        ] {
            assert!(entries(&bad).any(|entry| entry.is_err()));
        }
        for length in 1..32 {
            assert!(entries(&list[..length]).any(|entry| entry.is_err()));
        }
    }
}
