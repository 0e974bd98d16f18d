//! A file: its base record and all attributes that belong to it, wherever they are.

mod gather;

use std::sync::Arc;

use crate::attribute::{Attribute, AttributeType, Form};
use crate::context::Context;
use crate::error::{At as _, Error, Fault, Place, Result};
use crate::file_name::FileName;
use crate::name::{self, RawName};
use crate::record::{self, FileReference};
use crate::runs::RunList;
use crate::standard_information::{StandardInformation, file_attributes, reported_attributes};
use crate::stream::Stream;
use crate::wof::{self, Wof};

/// A file with its attributes, as read from its records. Nothing is decoded before it is asked for,
/// so damage in one attribute does not hide the others.
pub struct File {
    context: Arc<Context>,
    reference: FileReference,
    record: u32,
    is_directory: bool,
    links: u16,
    lsn: u64,
    blocks: Vec<Block>,
    /// Sorted by type, name and first VCN; otherwise in the order of the records.
    attributes: Vec<Slot>,
    unlisted: usize,
}

/// A record of the file.
struct Block {
    /// Where it lies on the device.
    offset: u64,
    bytes: Vec<u8>,
}

/// Where an attribute is.
#[derive(Clone, Copy)]
struct Slot {
    kind: AttributeType,
    block: u32,
    at: u32,
}

/// A stream of a file, as a listing shows it.
#[derive(Clone, Copy, Debug)]
pub struct StreamInfo<'a> {
    /// Its name; empty for the contents proper.
    pub name: &'a RawName,
    /// Bytes.
    pub size: u64,
    /// Where its first stored byte is on the device, if any is stored.
    pub physical_offset: Option<u64>,
    /// In a record, not in clusters.
    pub is_resident: bool,
    /// Compressed by the file system.
    pub is_compressed: bool,
    /// May have holes.
    pub is_sparse: bool,
    /// Encrypted by the file system.
    pub is_encrypted: bool,
}

/// Changes whenever a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The file, with its sequence number.
    pub reference: FileReference,
    /// Log sequence number of the last change of its base record.
    pub lsn: u64,
    /// Its times.
    pub write: u64,
    /// When its record was changed.
    pub change: u64,
    /// Bytes of its unnamed stream.
    pub size: u64,
}

impl File {
    /// The file.
    #[must_use]
    pub fn reference(&self) -> FileReference {
        self.reference
    }

    /// Its record number.
    #[must_use]
    pub fn record(&self) -> u32 {
        self.record
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.is_directory
    }

    /// How many names the record says the file has, short names included. Not reliable.
    #[must_use]
    pub fn links(&self) -> u16 {
        self.links
    }

    /// Number of attributes in its records that its attribute list does not name.
    #[must_use]
    pub fn unlisted_attributes(&self) -> usize {
        self.unlisted
    }

    fn attribute(&self, slot: Slot) -> Result<Attribute<'_>> {
        record::attribute_at(&self.blocks[slot.block as usize].bytes, slot.at as usize)
            .at(self.record)
    }

    /// Where on the device the record is that holds an attribute.
    fn offset(&self, slot: Slot) -> u64 {
        self.blocks[slot.block as usize].offset + u64::from(slot.at)
    }

    fn of_kind(&self, kind: AttributeType) -> &[Slot] {
        let start = self.attributes.partition_point(|slot| slot.kind < kind);
        let end = self.attributes.partition_point(|slot| slot.kind <= kind);
        &self.attributes[start..end]
    }

    /// The groups of attributes of a type with the same name.
    fn groups(&self, kind: AttributeType) -> impl Iterator<Item = &[Slot]> {
        self.of_kind(kind)
            .chunk_by(|a, b| match (self.attribute(*a), self.attribute(*b)) {
                (Ok(a), Ok(b)) => a.name == b.name,
                _ => false,
            })
    }

    /// The attributes with this type and name: one, or the pieces of one.
    fn group(&self, kind: AttributeType, name: &[u16]) -> Result<Option<&[Slot]>> {
        for group in self.groups(kind) {
            if let Some(first) = group.first()
                && name::same(self.attribute(*first)?.name, name)
            {
                return Ok(Some(group));
            }
        }
        Ok(None)
    }

    fn place(&self, kind: AttributeType, name: &[u16]) -> Place {
        Place::attribute(self.record, kind, name)
    }

    /// Every attribute, and every piece of one, sorted by type, name and place in the whole.
    pub(crate) fn all_attributes(&self) -> impl Iterator<Item = Result<(u64, Attribute<'_>)>> {
        self.attributes
            .iter()
            .map(|slot| Ok((self.offset(*slot), self.attribute(*slot)?)))
    }

    /// Whether the file has an attribute.
    pub(crate) fn has(&self, kind: AttributeType) -> bool {
        !self.of_kind(kind).is_empty()
    }

    /// The value of an attribute that is always resident.
    pub(crate) fn resident(&self, kind: AttributeType, name: &[u16]) -> Result<Option<&[u8]>> {
        match self.group(kind, name)? {
            None => Ok(None),
            Some([slot]) => {
                let attribute = self.attribute(*slot)?;
                attribute.resident().at(self.place(kind, name)).map(Some)
            }
            Some(_) => Err(Fault::TwiceThere.at(self.place(kind, name))),
        }
    }

    /// The contents of an attribute, if there is one.
    pub(crate) fn open(&self, kind: AttributeType, name: &[u16]) -> Result<Option<Stream>> {
        let Some(group) = self.group(kind, name)? else {
            return Ok(None);
        };
        let place = self.place(kind, name);
        let attributes = group
            .iter()
            .map(|slot| self.attribute(*slot))
            .collect::<Result<Vec<_>>>()?;
        if let [attribute] = attributes[..]
            && let Form::Resident(value) = attribute.form
        {
            let offset = self.offset(group[0]);
            return Ok(Some(Stream::resident(place, value, offset)));
        }
        Stream::join(&self.context, place, attributes).map(Some)
    }

    /// All contents of an attribute that has at most `most` bytes.
    pub(crate) fn read(
        &self,
        kind: AttributeType,
        name: &[u16],
        most: u64,
    ) -> Result<Option<Vec<u8>>> {
        self.open(kind, name)?
            .map(|stream| stream.read_all(most, "bytes"))
            .transpose()
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// $STANDARD_INFORMATION.
    ///
    /// # Errors
    /// Damage; every file has it.
    pub fn standard_information(&self) -> Result<StandardInformation> {
        let kind = AttributeType::STANDARD_INFORMATION;
        let place = || self.place(kind, &[]);
        let value = self.resident(kind, &[])?;
        let value = value.ok_or_else(|| Fault::NoAttribute.at(place()))?;
        StandardInformation::parse(value).at(place())
    }

    /// Whether the file is a reparse point: it has both the data and the attribute that says so.
    ///
    /// # Errors
    /// Damage of $STANDARD_INFORMATION.
    pub fn is_reparse_point(&self) -> Result<bool> {
        Ok(self.has(AttributeType::REPARSE_POINT)
            && self.standard_information()?.attributes & file_attributes::REPARSE_POINT != 0)
    }

    /// The attributes as programs see them.
    ///
    /// # Errors
    /// Damage of $STANDARD_INFORMATION.
    pub fn attributes(&self) -> Result<u32> {
        let stored = self.standard_information()?.attributes;
        let reparse = self.has(AttributeType::REPARSE_POINT);
        Ok(reported_attributes(stored, self.is_directory, reparse))
    }

    /// All names of the file, in all name spaces.
    ///
    /// # Errors
    /// Each name can be damaged by itself.
    pub fn names(&self) -> impl Iterator<Item = Result<FileName<'_>>> {
        self.of_kind(AttributeType::FILE_NAME).iter().map(|slot| {
            let value = self.attribute(*slot)?.resident();
            let place = || self.place(AttributeType::FILE_NAME, &[]);
            FileName::parse(value.at(place())?).at(place())
        })
    }

    /// The streams of the file, unnamed first.
    ///
    /// # Errors
    /// Each stream can be damaged by itself.
    pub fn streams(&self) -> impl Iterator<Item = Result<StreamInfo<'_>>> {
        self.groups(AttributeType::DATA)
            .map(|group| self.stream_info(group))
    }

    fn stream_info(&self, group: &[Slot]) -> Result<StreamInfo<'_>> {
        let first = self.attribute(group[0])?;
        let place = || self.place(AttributeType::DATA, &name::to_vec(first.name));
        let mut physical_offset = None;
        let (size, is_resident) = match first.form {
            Form::Resident(value) => {
                if group.len() > 1 {
                    return Err(Fault::TwiceThere.at(place()));
                }
                physical_offset = Some(self.offset(group[0]));
                (value.len() as u64, true)
            }
            Form::NonResident(piece) => {
                if piece.first_vcn != 0 {
                    return Err(Fault::PieceGap(piece.first_vcn).at(place()));
                }
                for slot in group {
                    let Form::NonResident(piece) = self.attribute(*slot)?.form else {
                        return Err(Fault::TwiceThere.at(place()));
                    };
                    physical_offset = first_stored(&self.context, piece.run_list).at(place())?;
                    if physical_offset.is_some() {
                        break;
                    }
                }
                (piece.real, false)
            }
        };
        Ok(StreamInfo {
            name: first.name,
            size,
            physical_offset,
            is_resident,
            is_compressed: first.storage.is_compressed(),
            is_sparse: first.storage.is_sparse(),
            is_encrypted: first.storage.is_encrypted(),
        })
    }

    /// Opens a stream as it is stored: the contents of a file compressed by the system read as
    /// zeros.
    ///
    /// # Errors
    /// Damage, or [`Error::Missing`] if there is no such stream.
    pub fn open_stream(&self, name: &[u16]) -> Result<Stream> {
        let kind = AttributeType::DATA;
        self.open(kind, name)?
            .ok_or_else(|| Error::Missing(self.place(kind, name)))
    }

    /// How the contents are compressed by the system, if they are.
    ///
    /// # Errors
    /// Damage, or [`Error::Unsupported`] if the contents are not on the volume or the method is not
    /// known.
    pub fn system_compression(&self) -> Result<Option<wof::Method>> {
        match self.reparse_point()? {
            Some(point) if point.tag == wof::TAG => {
                let place = self.place(AttributeType::REPARSE_POINT, &[]);
                wof::Method::parse(&point.data, &place).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Opens the unnamed stream as programs see it, decompressing what the system compressed. Whoever
    /// shows a file so leaves out its reparse point, the stream [`wof::STREAM`], and the attributes
    /// that go with them; see [`wof::visible_attributes`].
    ///
    /// # Errors
    /// As for [`File::open_stream`] and [`File::system_compression`].
    pub fn open_contents(&self) -> Result<Stream> {
        let plain = self.open_stream(&[])?;
        match self.system_compression()? {
            None => Ok(plain),
            Some(method) => {
                let packed = self.open_stream(&wof::STREAM)?;
                let place = plain.place().clone();
                Ok(Stream::wof(place, plain.size(), Wof::new(packed, method)))
            }
        }
    }

    /// What tells whether the file has changed since.
    ///
    /// # Errors
    /// Damage.
    pub fn stamp(&self) -> Result<Stamp> {
        let times = self.standard_information()?.times;
        let mut size = 0;
        if let Some(group) = self.group(AttributeType::DATA, &[])? {
            size = self.stream_info(group)?.size;
        }
        Ok(Stamp {
            reference: self.reference,
            lsn: self.lsn,
            write: times.write,
            change: times.change,
            size,
        })
    }
}

/// Where the first stored cluster of a run list is on the device.
pub(crate) fn first_stored(context: &Context, run_list: &[u8]) -> Result<Option<u64>, Fault> {
    for run in RunList::new(run_list, context.geometry.clusters) {
        if let (Some(lcn), _) = run? {
            return Ok(Some(context.geometry.offset(lcn)));
        }
    }
    Ok(None)
}
