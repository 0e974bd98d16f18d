//! Object ids: GUIDs by which links to a file find it after it was moved.
//!
//! The file has 16 bytes, its id. The index `$O` of the file `$ObjId` in `$Extend` has 48 bytes more
//! for every id: where the file came from. All 64 together are what other programs get.

use std::collections::HashMap;

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::attribute::AttributeType;
use crate::error::{Error, Fault, Place, Result};
use crate::file::File;
use crate::index::{Index, Rules};
use crate::name::ascii;

/// The directory of further system files.
pub(crate) const EXTEND: u32 = 11;
/// The name of the file in it.
pub(crate) const NAME: [u16; 6] = ascii(b"$ObjId");

const INDEX: [u16; 2] = ascii(b"$O");
const RULES: Rules = Rules {
    kind: 0,
    collation: 0x13,
};

/// An object id with what is known about its origin: id, birth volume, birth object, domain.
pub type ObjectId = [u8; 64];

const BIRTH: usize = 48;

/// The data of an entry of `$O`.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Data {
    owner: U64,
    birth: [u8; BIRTH],
}

/// All object ids of the volume.
#[derive(Default)]
pub(crate) struct ObjectIds {
    births: HashMap<[u8; 16], [u8; BIRTH]>,
}

impl ObjectIds {
    pub fn load(file: &File) -> Result<Self> {
        let mut births = HashMap::new();
        Index::open(file, &INDEX, RULES)?.walk(|entry| {
            if let (Ok(id), Ok((data, _))) =
                (entry.key.try_into(), Data::ref_from_prefix(entry.data))
            {
                births.insert(id, data.birth);
                Ok(())
            } else {
                let place = Place::attribute(file.record(), AttributeType::INDEX_ROOT, &INDEX);
                Err(Fault::ValueSize(entry.data.len() as u64).at(place))
            }
        })?;
        Ok(Self { births })
    }

    /// The object id of a file. The origin belongs to the id, whichever file the index says has it.
    pub fn of(&self, file: &File) -> Result<Option<ObjectId>> {
        let kind = AttributeType::OBJECT_ID;
        let Some(value) = file.resident(kind, &[])? else {
            return Ok(None);
        };
        let mut result = [0; 64];
        match (value.first_chunk::<16>(), result.get_mut(..value.len())) {
            (Some(id), Some(target)) => {
                target.copy_from_slice(value);
                if value.len() == 16
                    && let Some(birth) = self.births.get(id)
                {
                    result[16..].copy_from_slice(birth);
                }
                Ok(Some(result))
            }
            _ => Err(Error::damaged(
                Place::attribute(file.record(), kind, &[]),
                Fault::ValueSize(value.len() as u64),
            )),
        }
    }
}
