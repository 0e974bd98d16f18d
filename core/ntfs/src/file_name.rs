//! $FILE_NAME: one name of a file in one directory, also the key of directory indexes.
//!
//! Names live in four *name spaces*. A file made under Windows with a name that old programs cannot
//! use has two $FILE_NAME values in the same directory: the long name (Win32) and the short one
//! (DOS). A name that is good for both is one value (Win32 and DOS). Names in the POSIX space have
//! no short twin; writers other than Windows use nothing else. Each further hard link is one more
//! value of any space but DOS.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::error::Fault;
use crate::name::{self, RawName};
use crate::record::FileReference;

/// The value up to the name. Times, sizes and attributes are copies that the driver updates only
/// when the name changes.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Fixed {
    parent: U64,
    times: [U64; 4],
    allocated: U64,
    size: U64,
    attributes: U32,
    reparse_tag: U32,
    name_length: u8,
    name_space: u8,
}

/// What kind of name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameSpace {
    /// Any name; the case may matter.
    Posix,
    /// A long name with a short twin.
    Win32,
    /// The short twin.
    Dos,
    /// Long and short name in one.
    Win32AndDos,
}

/// A name of a file.
#[derive(Clone, Copy, Debug)]
pub struct FileName<'a> {
    /// The directory that has the name.
    pub parent: FileReference,
    /// What kind of name it is.
    pub space: NameSpace,
    /// The name.
    pub name: &'a RawName,
}

impl<'a> FileName<'a> {
    /// Reads a value; there may be slack behind the name.
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Fault> {
        let (fixed, rest) = Fixed::ref_from_prefix(value).map_err(|_| Fault::FileName)?;
        let name = rest
            .get(..2 * usize::from(fixed.name_length))
            .filter(|bytes| !bytes.is_empty())
            .and_then(name::units)
            .ok_or(Fault::FileName)?;
        let space = match fixed.name_space {
            0 => NameSpace::Posix,
            1 => NameSpace::Win32,
            2 => NameSpace::Dos,
            3 => NameSpace::Win32AndDos,
            _ => return Err(Fault::FileName),
        };
        Ok(Self {
            parent: FileReference(fixed.parent.get()),
            space,
            name,
        })
    }

    /// Whether a directory can have an entry of this name: not `.`, `..`, and without NUL and `/`.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        const DOT: u16 = b'.' as u16;
        let all_dots = self.name.len() <= 2 && self.name.iter().all(|unit| unit.get() == DOT);
        !all_dots && !self.name.iter().any(|unit| matches!(unit.get(), 0 | 0x2F))
    }

    /// A number that differs between different names of a file, almost certainly: parent, name space
    /// and name, mixed. It stands for the name where memory counts.
    pub(crate) fn fingerprint(&self) -> u64 {
        // FNV-1a over words, finished with a multiply-and-shift: a damaged volume can be made to
        // collide, which then only hides that a directory entry is out of date.
        let mut hash = 0xCBF2_9CE4_8422_2325 ^ self.parent.number();
        hash = (hash ^ self.space as u64).wrapping_mul(0x0100_0000_01B3);
        for unit in self.name {
            hash = (hash ^ u64::from(unit.get())).wrapping_mul(0x0100_0000_01B3);
        }
        (hash ^ hash >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, space: u8) -> Vec<u8> {
        let mut value = vec![0; 66];
        value[0] = 5;
        value[64] = name.encode_utf16().count() as u8;
        value[65] = space;
        value.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
        value
    }

    #[test]
    fn name_spaces_and_ends() {
        let good = value("Name", 1);
        let name = FileName::parse(&good).unwrap();
        assert_eq!(name.space, NameSpace::Win32);
        assert_eq!(name.parent.number(), 5);
        assert!(name.is_possible());
        assert!(FileName::parse(&value("Name", 4)).is_err());
        assert!(FileName::parse(&value("", 0)).is_err());
        for length in 0..good.len() {
            assert!(FileName::parse(&good[..length]).is_err());
        }
        for (name, possible) in [
            (".", false),
            ("..", false),
            ("...", true),
            ("a/b", false),
            ("a\0", false),
            ("a\\b:c", true),
        ] {
            let value = value(name, 0);
            assert_eq!(
                FileName::parse(&value).unwrap().is_possible(),
                possible,
                "{name:?}"
            );
        }
    }
}
