//! $STANDARD_INFORMATION: times, attributes, and the number of the security descriptor.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::error::Fault;

/// The value as every volume has it.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Fixed {
    creation: U64,
    write: U64,
    change: U64,
    access: U64,
    attributes: U32,
    most_versions: U32,
    version: U32,
    class: U32,
}

/// What volumes since Windows 2000 have behind it, where needed.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Extended {
    owner: U32,
    security: U32,
    quota_charged: U64,
    journal: U64,
}

/// The attributes of a file that the reader itself looks at; the numbers are those of Windows.
pub mod file_attributes {
    /// A directory. On the volume this is a flag of the record, not an attribute.
    pub const DIRECTORY: u32 = 0x10;
    /// None of the others.
    pub const NORMAL: u32 = 0x80;
    /// Has holes.
    pub const SPARSE: u32 = 0x200;
    /// Has a reparse point.
    pub const REPARSE_POINT: u32 = 0x400;
    /// Compressed by the file system.
    pub const COMPRESSED: u32 = 0x800;
    /// Encrypted by the file system.
    pub const ENCRYPTED: u32 = 0x4000;
}

/// The four times of a file, in units of 100 ns since the year 1601.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When the file was made.
    pub creation: u64,
    /// When its contents were last written.
    pub write: u64,
    /// When its record was last changed.
    pub change: u64,
    /// When it was last read.
    pub access: u64,
}

/// $STANDARD_INFORMATION of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandardInformation {
    /// The times that count; those beside the names are not kept up to date.
    pub times: Times,
    /// The attributes as stored. [`reported_attributes`] makes of them what programs see.
    pub attributes: u32,
    /// Bit 0 may mark a case-sensitive directory.
    pub version: u32,
    /// The number of the security descriptor in `$Secure`, if there is one.
    pub security_id: Option<u32>,
}

impl StandardInformation {
    /// Reads a value of 48 or 72 bytes.
    pub(crate) fn parse(value: &[u8]) -> Result<Self, Fault> {
        let short = Fault::ValueSize(value.len() as u64);
        let Ok((fixed, rest)) = Fixed::ref_from_prefix(value) else {
            return Err(short);
        };
        let extended = Extended::ref_from_prefix(rest).ok();
        Ok(Self {
            times: Times {
                creation: fixed.creation.get(),
                write: fixed.write.get(),
                change: fixed.change.get(),
                access: fixed.access.get(),
            },
            attributes: fixed.attributes.get(),
            version: fixed.version.get(),
            security_id: extended
                .map(|(extended, _)| extended.security.get())
                .filter(|id| *id != 0),
        })
    }
}

/// The attributes that programs see. DIRECTORY is what the record says; REPARSE_POINT needs the
/// reparse point to be there; a file without any attribute is NORMAL.
#[must_use]
pub fn reported_attributes(stored: u32, is_directory: bool, has_reparse_point: bool) -> u32 {
    use file_attributes::{DIRECTORY, NORMAL, REPARSE_POINT};
    let mut attributes = stored & !DIRECTORY;
    if !has_reparse_point {
        attributes &= !REPARSE_POINT;
    }
    if is_directory {
        attributes |= DIRECTORY;
    }
    if attributes == 0 { NORMAL } else { attributes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let mut value = vec![0; 72];
        for (index, byte) in value.iter_mut().enumerate() {
            *byte = index as u8;
        }
        let long = StandardInformation::parse(&value).unwrap();
        assert_eq!(long.times.creation, 0x0706_0504_0302_0100);
        assert_eq!(long.times.access, 0x1F1E_1D1C_1B1A_1918);
        assert_eq!(long.attributes, 0x2322_2120);
        assert_eq!(long.security_id, Some(0x3736_3534));
        let short = StandardInformation::parse(&value[..48]).unwrap();
        assert_eq!((short.times, short.security_id), (long.times, None));
        assert_eq!(
            StandardInformation::parse(&value[..47]),
            Err(Fault::ValueSize(47))
        );
    }

    #[test]
    fn attributes_that_follow_from_something_else() {
        assert_eq!(reported_attributes(0, false, false), 0x80);
        assert_eq!(reported_attributes(0x10, false, false), 0x80);
        assert_eq!(reported_attributes(0x20, true, false), 0x30);
        assert_eq!(reported_attributes(0x400, false, false), 0x80);
        assert_eq!(reported_attributes(0x400, false, true), 0x400);
        assert_eq!(reported_attributes(0x1000_0000, true, true), 0x1000_0010);
    }
}
