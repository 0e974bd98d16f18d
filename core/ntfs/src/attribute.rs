//! Attributes: everything that a file consists of.
//!
//! A file record is a sequence of attributes. Each has a type, mostly no name, and either its value
//! inside the record (*resident*) or a list of the clusters that hold it (*non-resident*). A long
//! run list can be split over several records; every part is then an attribute header of its own,
//! here a [`Piece`], that says which clusters of the whole it describes.

use std::fmt;

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::error::Fault;
use crate::name::{self, RawName};

/// The type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeType(pub u32);

#[allow(missing_docs, reason = "these are Microsoft's names")]
impl AttributeType {
    pub const STANDARD_INFORMATION: Self = Self(0x10);
    pub const ATTRIBUTE_LIST: Self = Self(0x20);
    pub const FILE_NAME: Self = Self(0x30);
    pub const OBJECT_ID: Self = Self(0x40);
    pub const SECURITY_DESCRIPTOR: Self = Self(0x50);
    pub const VOLUME_NAME: Self = Self(0x60);
    pub const VOLUME_INFORMATION: Self = Self(0x70);
    pub const DATA: Self = Self(0x80);
    pub const INDEX_ROOT: Self = Self(0x90);
    pub const INDEX_ALLOCATION: Self = Self(0xA0);
    pub const BITMAP: Self = Self(0xB0);
    pub const REPARSE_POINT: Self = Self(0xC0);
    pub const EA_INFORMATION: Self = Self(0xD0);
    pub const EA: Self = Self(0xE0);
    pub const LOGGED_UTILITY_STREAM: Self = Self(0x100);
    /// Not a type: stands behind the last attribute of a record.
    pub(crate) const END: Self = Self(0xFFFF_FFFF);
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::STANDARD_INFORMATION => "$STANDARD_INFORMATION",
            Self::ATTRIBUTE_LIST => "$ATTRIBUTE_LIST",
            Self::FILE_NAME => "$FILE_NAME",
            Self::OBJECT_ID => "$OBJECT_ID",
            Self::SECURITY_DESCRIPTOR => "$SECURITY_DESCRIPTOR",
            Self::VOLUME_NAME => "$VOLUME_NAME",
            Self::VOLUME_INFORMATION => "$VOLUME_INFORMATION",
            Self::DATA => "$DATA",
            Self::INDEX_ROOT => "$INDEX_ROOT",
            Self::INDEX_ALLOCATION => "$INDEX_ALLOCATION",
            Self::BITMAP => "$BITMAP",
            Self::REPARSE_POINT => "$REPARSE_POINT",
            Self::EA_INFORMATION => "$EA_INFORMATION",
            Self::EA => "$EA",
            Self::LOGGED_UTILITY_STREAM => "$LOGGED_UTILITY_STREAM",
            Self(other) => return write!(f, "attribute 0x{other:x}"),
        })
    }
}

/// How the data of an attribute is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Storage(pub u16);

impl Storage {
    const METHOD: u16 = 0x00FF;
    const ENCRYPTED: u16 = 0x4000;
    const SPARSE: u16 = 0x8000;

    /// The compression method: 0 none, 1 LZNT1.
    #[must_use]
    pub fn method(self) -> u16 {
        self.0 & Self::METHOD
    }

    /// Compressed in some way.
    #[must_use]
    pub fn is_compressed(self) -> bool {
        self.method() != 0
    }

    /// Encrypted by the file system.
    #[must_use]
    pub fn is_encrypted(self) -> bool {
        self.0 & Self::ENCRYPTED != 0
    }

    /// May have holes.
    #[must_use]
    pub fn is_sparse(self) -> bool {
        self.0 & Self::SPARSE != 0
    }
}

/// How every attribute begins.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    kind: U32,
    /// Of the whole attribute, a multiple of 8.
    length: U32,
    /// 0 resident, 1 non-resident.
    form: u8,
    /// In units of 16 bits.
    name_length: u8,
    name_offset: U16,
    storage: U16,
    /// Unique within the record.
    id: U16,
}

/// What follows the header of a resident attribute.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ResidentHeader {
    value_length: U32,
    value_offset: U16,
    indexed: u8,
    reserved: u8,
}

/// What follows the header of a non-resident attribute.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct NonResidentHeader {
    first_vcn: U64,
    /// Inclusive; −1 if there are no clusters.
    last_vcn: U64,
    run_list_offset: U16,
    /// log2 of the clusters of a compression unit, 0 without compression.
    unit_shift: U16,
    reserved: U32,
    /// This and what follows counts only where the first VCN is 0.
    allocated: U64,
    real: U64,
    initialised: U64,
}

const HEADER: usize = size_of::<Header>();
const RESIDENT: usize = HEADER + size_of::<ResidentHeader>();
const NON_RESIDENT: usize = HEADER + size_of::<NonResidentHeader>();

/// An attribute as it lies in its record.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// Its type.
    pub kind: AttributeType,
    /// Its name, empty for most.
    pub name: &'a RawName,
    /// Its number within the record.
    pub id: u16,
    /// How its data is kept.
    pub storage: Storage,
    /// Its value, or where the value is.
    pub form: Form<'a>,
}

/// Where the value of an attribute is.
#[derive(Clone, Copy, Debug)]
pub enum Form<'a> {
    /// Here.
    Resident(&'a [u8]),
    /// In clusters of the volume.
    NonResident(Piece<'a>),
}

/// A part, normally all, of the run list of a non-resident attribute.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// The first cluster of the attribute that this part describes.
    pub first_vcn: u64,
    /// The cluster after the last one.
    pub end_vcn: u64,
    /// log2 of the clusters of a compression unit.
    pub unit_shift: u16,
    /// Bytes of all clusters, holes included.
    pub allocated: u64,
    /// Bytes of the contents.
    pub real: u64,
    /// Bytes of the contents that were ever written; all behind reads as zeros.
    pub initialised: u64,
    /// The coded runs and what follows them.
    pub run_list: &'a [u8],
}

/// The type and length at the start of an attribute, or `None` at the end mark.
pub(crate) fn peek(bytes: &[u8]) -> Result<Option<(AttributeType, usize)>, Fault> {
    let (kind, rest) = U32::ref_from_prefix(bytes).map_err(|_| Fault::NoEndMark)?;
    let kind = AttributeType(kind.get());
    if kind == AttributeType::END {
        return Ok(None);
    }
    let (length, _) = U32::ref_from_prefix(rest).map_err(|_| Fault::NoEndMark)?;
    let length = length.get();
    let usable = length as usize;
    if usable < RESIDENT || !usable.is_multiple_of(8) || usable > bytes.len() {
        return Err(Fault::AttributeLength {
            kind: kind.0,
            length,
        });
    }
    Ok(Some((kind, usable)))
}

impl<'a> Attribute<'a> {
    /// Reads an attribute that has exactly these bytes.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let short = || Fault::AttributeLength {
            kind: 0,
            length: bytes.len() as u32,
        };
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| short())?;
        let (form, fixed) = match header.form {
            0 => {
                let (resident, _) = ResidentHeader::ref_from_prefix(rest).map_err(|_| short())?;
                let start = usize::from(resident.value_offset.get());
                let length = resident.value_length.get() as usize;
                let value = if length == 0 {
                    &[]
                } else {
                    bytes
                        .get(start..)
                        .and_then(|rest| rest.get(..length))
                        .filter(|_| start >= RESIDENT)
                        .ok_or(Fault::ValueRange)?
                };
                (Form::Resident(value), RESIDENT)
            }
            1 => {
                let (fields, _) = NonResidentHeader::ref_from_prefix(rest).map_err(|_| short())?;
                (
                    Form::NonResident(Piece::parse(bytes, fields)?),
                    NON_RESIDENT,
                )
            }
            other => return Err(Fault::Form(other)),
        };
        let name = if header.name_length == 0 {
            &[]
        } else {
            let start = usize::from(header.name_offset.get());
            bytes
                .get(start..start + 2 * usize::from(header.name_length))
                .filter(|_| start >= fixed)
                .and_then(name::units)
                .filter(|units| units.iter().all(|unit| unit.get() != 0))
                .ok_or(Fault::NameRange)?
        };
        Ok(Self {
            kind: AttributeType(header.kind.get()),
            name,
            id: header.id.get(),
            storage: Storage(header.storage.get()),
            form,
        })
    }

    /// The value of a resident attribute.
    pub fn resident(&self) -> Result<&'a [u8], Fault> {
        match self.form {
            Form::Resident(value) => Ok(value),
            Form::NonResident(_) => Err(Fault::NotResident),
        }
    }

    /// Where a part of the attribute begins; 0 for a resident one.
    #[must_use]
    pub fn first_vcn(&self) -> u64 {
        match &self.form {
            Form::Resident(_) => 0,
            Form::NonResident(piece) => piece.first_vcn,
        }
    }
}

impl<'a> Piece<'a> {
    fn parse(bytes: &'a [u8], fields: &NonResidentHeader) -> Result<Self, Fault> {
        let range = Fault::VcnRange {
            first: fields.first_vcn.get().cast_signed(),
            last: fields.last_vcn.get().cast_signed(),
        };
        let first_vcn = fields.first_vcn.get();
        let end_vcn = fields.last_vcn.get().wrapping_add(1);
        if end_vcn < first_vcn || end_vcn > 1 << 55 {
            return Err(range);
        }
        let start = usize::from(fields.run_list_offset.get());
        let run_list = bytes
            .get(start..)
            .filter(|rest| start >= NON_RESIDENT && !rest.is_empty())
            .ok_or(Fault::RunListRange)?;
        let piece = Self {
            first_vcn,
            end_vcn,
            unit_shift: fields.unit_shift.get(),
            allocated: fields.allocated.get(),
            real: fields.real.get(),
            initialised: fields.initialised.get(),
            run_list,
        };
        if first_vcn == 0 {
            piece.check_sizes()?;
        }
        Ok(piece)
    }

    fn check_sizes(&self) -> Result<(), Fault> {
        let Self {
            initialised,
            real,
            allocated,
            ..
        } = *self;
        if initialised <= real && real <= allocated && allocated <= i64::MAX as u64 {
            Ok(())
        } else {
            Err(Fault::Sizes {
                initialised,
                real,
                allocated,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_parts_have_their_sizes() {
        assert_eq!((HEADER, RESIDENT, NON_RESIDENT), (16, 24, 64));
    }

    #[test]
    fn a_resident_attribute() {
        let mut bytes = vec![0; 32];
        bytes[0] = 0x80;
        bytes[4] = 32;
        bytes[9] = 1;
        bytes[10] = 24;
        bytes[14] = 5;
        bytes[16] = 3;
        bytes[20] = 26;
        bytes[24] = b'x';
        bytes[26..29].copy_from_slice(b"abc");
        let attribute = Attribute::parse(&bytes).unwrap();
        assert_eq!(attribute.kind, AttributeType::DATA);
        assert_eq!(attribute.resident().unwrap(), b"abc");
        assert!(name::same(attribute.name, &[u16::from(b'x')]));
        assert_eq!(attribute.id, 5);
        for (at, value, fault) in [
            (8, 2, Fault::Form(2)),
            (16, 7, Fault::ValueRange),
            (20, 23, Fault::ValueRange),
            (10, 23, Fault::NameRange),
            (9, 5, Fault::NameRange),
            (24, 0, Fault::NameRange),
        ] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            assert_eq!(Attribute::parse(&bytes).unwrap_err(), fault);
        }
        for length in 0..bytes.len() {
            let _ = Attribute::parse(&bytes[..length]);
        }
    }

    #[test]
    fn the_end_mark_and_bad_lengths() {
        assert_eq!(peek(&[0xFF; 4]).unwrap(), None);
        assert!(peek(&[0x10, 0, 0]).is_err());
        let mut bytes = vec![0; 48];
        bytes[0] = 0x10;
        for (length, good) in [
            (24, true),
            (48, true),
            (16, false),
            (25, false),
            (56, false),
        ] {
            bytes[4] = length;
            assert_eq!(peek(&bytes).is_ok(), good, "{length}");
        }
    }
}
