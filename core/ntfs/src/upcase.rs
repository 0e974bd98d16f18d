//! `$UpCase`: the table by which names compare, one unit for each of the 65,536.

use std::cmp::Ordering;

use crate::attribute::AttributeType;
use crate::error::{Fault, Place, Result};
use crate::file::File;
use crate::name::RawName;

/// Units of a full table.
const UNITS: usize = 1 << 16;

/// Maps every unit to its upper case.
pub struct UpCase {
    table: Box<[u16]>,
}

impl UpCase {
    pub(crate) fn load(file: &File) -> Result<Self> {
        let fault = |size| {
            let place = Place::attribute(file.record(), AttributeType::DATA, &[]);
            Fault::UpCase(size).at(place)
        };
        let stream = file.open(AttributeType::DATA, &[])?;
        let stream = stream.ok_or_else(|| fault(0))?;
        let size = stream.size();
        if size == 0 || size % 2 != 0 || size > 2 * UNITS as u64 {
            return Err(fault(size));
        }
        let data = stream.read_all(2 * UNITS as u64, "bytes")?;
        let mut table: Box<[u16]> = (0..=u16::MAX).collect();
        for (unit, bytes) in table.iter_mut().zip(data.chunks_exact(2)) {
            *unit = u16::from_le_bytes([bytes[0], bytes[1]]);
        }
        Ok(Self { table })
    }

    /// The upper case of a unit.
    #[must_use]
    pub fn fold(&self, unit: u16) -> u16 {
        self.table[usize::from(unit)]
    }

    /// Compares names as directories do: without regard to case, and equal ones unit by unit.
    #[must_use]
    pub fn compare(&self, a: &[u16], b: &[u16]) -> Ordering {
        let fold = |name: &[u16], other: &[u16]| {
            name.iter()
                .map(|unit| self.fold(*unit))
                .cmp(other.iter().map(|unit| self.fold(*unit)))
        };
        fold(a, b).then_with(|| a.cmp(b))
    }

    /// Whether two names are equal without regard to case.
    #[must_use]
    pub fn equal(&self, raw: &RawName, name: &[u16]) -> bool {
        raw.len() == name.len()
            && raw
                .iter()
                .zip(name)
                .all(|(a, b)| self.fold(a.get()) == self.fold(*b))
    }
}
