//! Gathering the attributes of a file from its records.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use super::{Block, File, Slot};
use crate::attribute::{AttributeType, Form};
use crate::attribute_list;
use crate::context::Context;
use crate::error::{At as _, Error, ExtensionFault, Fault, Place, Result};
use crate::mft::{Mft, check_extension};
use crate::name::RawName;
use crate::record::{self, FileReference, Record};
use crate::stream::Stream;
use wimforge_core::order::sort_by;

impl File {
    /// Reads the base record of a file and follows its attribute list.
    pub(crate) fn load(
        context: &Arc<Context>,
        mft: &Mft,
        reference: FileReference,
    ) -> Result<Self> {
        let number = mft.number(reference)?;
        let bytes = mft.read_block(number)?;
        Self::from_block(context, mft, reference, number, bytes)
    }

    /// Likewise, from a base record read already (its fix-ups not undone).
    pub(crate) fn from_block(
        context: &Arc<Context>,
        mft: &Mft,
        reference: FileReference,
        number: u32,
        mut bytes: Vec<u8>,
    ) -> Result<Self> {
        let record = Record::open(&mut bytes, number).at(number)?;
        record.check_base().at(number)?;
        reference.check(record.sequence).at(number)?;
        let mut slots = Vec::new();
        let mut list = None;
        for attribute in record.attributes() {
            let (at, attribute) = attribute.at(number)?;
            if attribute.kind == AttributeType::ATTRIBUTE_LIST {
                let place = || Place::attribute(number, attribute.kind, &[]);
                if list.is_some() {
                    return Err(Fault::TwiceThere.at(place()));
                }
                list = Some(match attribute.form {
                    Form::Resident(value) => value.to_vec(),
                    Form::NonResident(_) => Stream::join(context, place(), [attribute])?
                        .read_all(context.limits.attribute_list, "bytes")?,
                });
            } else {
                slots.push(Slot {
                    kind: attribute.kind,
                    block: 0,
                    at: at as u32,
                });
            }
        }
        let mut file = Self {
            context: Arc::clone(context),
            reference: FileReference::new(number, record.sequence),
            record: number,
            is_directory: record.is_directory(),
            links: record.links,
            lsn: record.lsn,
            attributes: slots,
            unlisted: 0,
            blocks: Vec::new(),
        };
        let offset = mft.physical_offset(number);
        file.blocks.push(Block { offset, bytes });
        if let Some(list) = list {
            file.gather(mft, &list)?;
        }
        file.sort();
        Ok(file)
    }

    /// Replaces the attributes by those that the list names.
    fn gather(&mut self, mft: &Mft, list: &[u8]) -> Result<()> {
        let place = Place::attribute(self.record, AttributeType::ATTRIBUTE_LIST, &[]);
        // What each record has; an attribute is taken out when the list names it.
        let mut left = vec![std::mem::take(&mut self.attributes)];
        let mut known = HashMap::from([(u64::from(self.record), 0usize)]);
        for entry in attribute_list::entries(list) {
            let entry = entry.at(&place)?;
            let number = entry.reference.number();
            let index = match known.get(&number) {
                Some(index) => *index,
                None => {
                    if left.len() >= self.context.limits.records_of_file {
                        return Err(Error::Limit {
                            place,
                            what: "records",
                            most: self.context.limits.records_of_file as u64,
                        });
                    }
                    left.push(self.load_extension(mft, entry.reference, &place)?);
                    known.insert(number, left.len() - 1);
                    left.len() - 1
                }
            };
            let bytes = &self.blocks[index].bytes;
            let mut found = None;
            for (at, slot) in left[index].iter().enumerate() {
                if slot.kind == entry.kind {
                    let attribute = record::attribute_at(bytes, slot.at as usize).at(&place)?;
                    if attribute.id == entry.id
                        && attribute.first_vcn() == entry.first_vcn
                        && attribute.name == entry.name
                    {
                        found = Some(at);
                        break;
                    }
                }
            }
            let at = found.ok_or_else(|| Fault::ListMissing(number).at(&place))?;
            self.attributes.push(left[index].remove(at));
        }
        self.unlisted = left.iter().map(Vec::len).sum();
        Ok(())
    }

    fn load_extension(
        &mut self,
        mft: &Mft,
        reference: FileReference,
        place: &Place,
    ) -> Result<Vec<Slot>> {
        let number = mft.number(reference)?;
        let fault = |reason| {
            let number = reference.number();
            Fault::Extension { number, reason }.at(place)
        };
        let mut bytes = mft.read_block(number)?;
        let record = Record::open(&mut bytes, number).at(number)?;
        check_extension(&record, reference, self.record, self.reference.sequence())
            .map_err(fault)?;
        let block = self.blocks.len() as u32;
        let mut slots = Vec::new();
        for attribute in record.attributes() {
            let (at, attribute) = attribute.at(number)?;
            if attribute.kind == AttributeType::ATTRIBUTE_LIST {
                return Err(fault(ExtensionFault::HasList));
            }
            let at = at as u32;
            let kind = attribute.kind;
            slots.push(Slot { kind, block, at });
        }
        let offset = mft.physical_offset(number);
        self.blocks.push(Block { offset, bytes });
        Ok(slots)
    }

    fn sort(&mut self) {
        let blocks = &self.blocks;
        let view = |slot: &Slot| {
            let bytes = &blocks[slot.block as usize].bytes;
            record::attribute_at(bytes, slot.at as usize).ok()
        };
        sort_by(&mut self.attributes, |a, b| {
            a.kind.cmp(&b.kind).then_with(|| match (view(a), view(b)) {
                (Some(a), Some(b)) => {
                    compare(a.name, b.name).then_with(|| a.first_vcn().cmp(&b.first_vcn()))
                }
                _ => Ordering::Equal,
            })
        });
    }
}

/// Compares names unit by unit.
fn compare(a: &RawName, b: &RawName) -> Ordering {
    a.iter()
        .map(|unit| unit.get())
        .cmp(b.iter().map(|unit| unit.get()))
}
