//! `$MFT`: the file that holds all file records, and describes itself in its first one.
//!
//! The boot sector says where record 0 is. Its unnamed $DATA attribute gives the first clusters of
//! `$MFT`; if the file is in more pieces than fit there, an attribute list names extension records
//! with the rest. Each of these must lie in what the pieces before it cover.

use std::sync::Arc;

use crate::attribute::{Attribute, AttributeType, Form, Piece};
use crate::attribute_list;
use crate::context::Context;
use crate::error::{At as _, Error, ExtensionFault, Fault, Place, Result};
use crate::record::{FileReference, Record};
use crate::runs::Extents;
use crate::stream::{Clusters, Stream};

/// The record of `$MFT` itself.
pub(crate) const MFT: u32 = 0;

/// Reads file records by number.
pub(crate) struct Mft {
    data: Clusters,
    records: u32,
}

/// Which copy of record 0 was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copy {
    Original,
    Mirror,
}

impl Mft {
    /// Finds all of `$MFT`, from the mirror if record 0 is damaged.
    pub fn load(context: &Arc<Context>) -> Result<(Self, Copy)> {
        let geometry = &context.geometry;
        match Self::load_from(context, geometry.mft_cluster) {
            Ok(mft) => Ok((mft, Copy::Original)),
            Err(error @ Error::Device { .. }) => Err(error),
            Err(error) => {
                if geometry.mirror_cluster >= geometry.clusters {
                    return Err(error);
                }
                match Self::load_from(context, geometry.mirror_cluster) {
                    Ok(mft) => Ok((mft, Copy::Mirror)),
                    Err(_) => Err(error),
                }
            }
        }
    }

    fn load_from(context: &Arc<Context>, cluster: u64) -> Result<Self> {
        let mut block = vec![0; context.record_size()];
        context.read(cluster, 0, &mut block)?;
        let place = Place::attribute(MFT, AttributeType::DATA, &[]);
        let record = Record::open(&mut block, MFT).at(MFT)?;
        record.check_base().at(MFT)?;

        let mut first: Option<Piece<'_>> = None;
        let mut list = None;
        for attribute in record.attributes() {
            let (_, attribute) = attribute.at(MFT)?;
            if attribute.kind == AttributeType::ATTRIBUTE_LIST {
                list = Some(attribute);
            } else if attribute.kind == AttributeType::DATA && attribute.name.is_empty() {
                let piece = usable_piece(&attribute).filter(|piece| piece.first_vcn == 0);
                if first.is_some() || piece.is_none() {
                    return Err(Fault::MftForm.at(place));
                }
                first = piece;
            }
        }
        let first = first.ok_or_else(|| Fault::NoAttribute.at(&place))?;
        let mut mft = Self {
            data: Clusters {
                context: Arc::clone(context),
                extents: Extents::default(),
                initialised: first.initialised,
                units: None,
            },
            records: 0,
        };
        mft.append(&first).at(&place)?;
        if mft.data.extents.first_lcn() != Some(context.geometry.mft_cluster) {
            return Err(Fault::MftForm.at(place));
        }
        if let Some(list) = list {
            mft.follow(&list, record.sequence, &place)?;
        }
        let (end, holes) = (
            mft.data.extents.end(),
            mft.data.extents.iter().any(|run| run.lcn.is_none()),
        );
        if end.checked_mul(context.cluster_size()) != Some(first.allocated)
            || end > context.geometry.clusters
            || holes
        {
            return Err(Fault::MftForm.at(place));
        }
        let records = first.initialised / context.record_size() as u64;
        mft.records = u32::try_from(records).map_err(|_| Fault::MftForm.at(place))?;
        Ok(mft)
    }

    /// Adds the pieces that extension records have.
    fn follow(&mut self, list: &Attribute<'_>, sequence: u16, place: &Place) -> Result<()> {
        let context = Arc::clone(&self.data.context);
        let list_place = Place::attribute(MFT, AttributeType::ATTRIBUTE_LIST, &[]);
        let list = match list.form {
            Form::Resident(value) => value.to_vec(),
            Form::NonResident(_) => Stream::join(&context, list_place.clone(), [*list])?
                .read_all(context.limits.attribute_list, "bytes")?,
        };
        let mut block = vec![0; context.record_size()];
        for entry in attribute_list::entries(&list) {
            let entry = entry.at(&list_place)?;
            let of_data = entry.kind == AttributeType::DATA && entry.name.is_empty();
            if !of_data || entry.first_vcn == 0 {
                continue;
            }
            let number = entry.reference.number();
            let offset = number.saturating_mul(block.len() as u64);
            let known = self.data.extents.end() * context.cluster_size();
            if offset.saturating_add(block.len() as u64) > known {
                return Err(Fault::MftCircular(number).at(place));
            }
            let fault = |reason| Fault::Extension { number, reason }.at(place);
            self.data.read(offset, &mut block)?;
            let number32 = u32::try_from(number).map_err(|_| fault(ExtensionFault::Reused))?;
            let record = Record::open(&mut block, number32).at(number32)?;
            check_extension(&record, entry.reference, MFT, sequence).map_err(fault)?;
            let mut found = None;
            for attribute in record.attributes() {
                let (_, attribute) = attribute.at(number32)?;
                if attribute.kind == AttributeType::DATA
                    && attribute.name.is_empty()
                    && attribute.id == entry.id
                {
                    found = usable_piece(&attribute).filter(|p| p.first_vcn == entry.first_vcn);
                }
            }
            let piece = found.ok_or_else(|| fault(ExtensionFault::NoPiece))?;
            self.append(&piece).at(place)?;
        }
        Ok(())
    }

    fn append(&mut self, piece: &Piece<'_>) -> Result<(), Fault> {
        let Clusters {
            context, extents, ..
        } = &mut self.data;
        if piece.first_vcn != extents.end() {
            return Err(Fault::PieceGap(piece.first_vcn));
        }
        extents.append(
            piece.run_list,
            piece.end_vcn,
            context.geometry.clusters,
            context.limits.runs,
        )
    }

    /// Number of records.
    pub fn records(&self) -> u32 {
        self.records
    }

    /// Number of runs.
    pub fn runs(&self) -> usize {
        self.data.extents.len()
    }

    /// Reads the blocks of consecutive records, fix-ups and all.
    pub fn read_blocks(&self, first: u32, buf: &mut [u8]) -> Result<()> {
        let offset = u64::from(first) * self.data.context.record_size() as u64;
        self.data.read(offset, buf)
    }

    /// Reads one block; the number was checked.
    pub fn read_block(&self, number: u32) -> Result<Vec<u8>> {
        let mut block = vec![0; self.data.context.record_size()];
        self.read_blocks(number, &mut block)?;
        Ok(block)
    }

    /// The record number of a reference, if there is such a record.
    pub fn number(&self, reference: FileReference) -> Result<u32> {
        let number = reference.number();
        u32::try_from(number)
            .ok()
            .filter(|number| *number < self.records)
            .ok_or_else(|| Fault::BeyondMft.at(u32::try_from(number).unwrap_or(u32::MAX)))
    }

    /// Where on the device a record is.
    pub fn physical_offset(&self, number: u32) -> u64 {
        let context = &self.data.context;
        let offset = u64::from(number) * context.record_size() as u64;
        let cluster = context.cluster_size();
        let run = self.data.extents.from(offset / cluster).next();
        let lcn = run.and_then(|run| run.lcn).unwrap_or(0);
        context.geometry.offset(lcn) + offset % cluster
    }
}

/// A piece that `$MFT` may consist of.
fn usable_piece<'a>(attribute: &Attribute<'a>) -> Option<Piece<'a>> {
    let storage = attribute.storage;
    if storage.is_compressed() || storage.is_encrypted() || storage.is_sparse() {
        return None;
    }
    match attribute.form {
        Form::Resident(_) => None,
        Form::NonResident(piece) => Some(piece),
    }
}

/// Checks that a record is an extension of a base record, as `reference` in its list says.
pub(crate) fn check_extension(
    record: &Record<'_>,
    reference: FileReference,
    base: u32,
    base_sequence: u16,
) -> Result<(), ExtensionFault> {
    if reference.number() == u64::from(base) {
        Err(ExtensionFault::IsBase)
    } else if !record.in_use() || record.sequence != reference.sequence() {
        Err(ExtensionFault::Reused)
    } else if record.base != FileReference::new(base, base_sequence) {
        Err(ExtensionFault::Foreign)
    } else {
        Ok(())
    }
}
