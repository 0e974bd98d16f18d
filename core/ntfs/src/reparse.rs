//! Reparse points: data that makes a driver treat a file in another way.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::attribute::AttributeType;
use crate::error::{At as _, Fault, Place, Result};
use crate::file::File;

/// How the value of $REPARSE_POINT begins. Tags that are not Microsoft's have a GUID behind it,
/// which the length does not count.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    tag: U32,
    length: U16,
    reserved: U16,
}

/// In a tag: it is one of Microsoft's.
const MICROSOFT: u32 = 0x8000_0000;
const GUID: usize = 16;

/// Files whose contents are in the chunk store of deduplication.
pub const TAG_DEDUPLICATED: u32 = 0x8000_0013;

/// A reparse point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReparsePoint {
    /// Says who understands the data.
    pub tag: u32,
    /// Normally 0.
    pub reserved: u16,
    /// The data, with the GUID in front if the tag is not one of Microsoft's.
    pub data: Vec<u8>,
}

impl ReparsePoint {
    fn parse(value: &[u8]) -> Result<Self, Fault> {
        let (header, rest) = Header::ref_from_prefix(value).map_err(|_| Fault::ReparsePoint)?;
        let tag = header.tag.get();
        let guid = if tag & MICROSOFT == 0 { GUID } else { 0 };
        let length = guid + usize::from(header.length.get());
        let data = rest.get(..length).ok_or(Fault::ReparsePoint)?;
        Ok(Self {
            tag,
            reserved: header.reserved.get(),
            data: data.to_vec(),
        })
    }
}

impl File {
    /// The reparse point of the file. A value without the attribute that goes with it does not
    /// count; see [`File::is_reparse_point`].
    ///
    /// # Errors
    /// Damage.
    pub fn reparse_point(&self) -> Result<Option<ReparsePoint>> {
        if !self.is_reparse_point()? {
            return Ok(None);
        }
        let kind = AttributeType::REPARSE_POINT;
        let value = self.read(kind, &[], self.context().limits.reparse_point)?;
        let place = || Place::attribute(self.record(), kind, &[]);
        value
            .map(|value| ReparsePoint::parse(&value).at(place()))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_and_without_guid() {
        let mut value = vec![3, 0, 0, 0xA0, 4, 0, 0, 0];
        value.extend(0..20);
        let point = ReparsePoint::parse(&value).unwrap();
        assert_eq!((point.tag, point.data), (0xA000_0003, vec![0, 1, 2, 3]));
        value[3] = 0x20;
        let point = ReparsePoint::parse(&value).unwrap();
        assert_eq!(point.data, (0..20).collect::<Vec<_>>());
        value.pop();
        assert_eq!(ReparsePoint::parse(&value), Err(Fault::ReparsePoint));
        assert_eq!(ReparsePoint::parse(&value[..7]), Err(Fault::ReparsePoint));
    }
}
