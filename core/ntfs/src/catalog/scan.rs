//! The pass over `$MFT` that fills a catalogue.

use std::collections::HashMap;
use std::sync::Arc;

use super::{BROKEN, Catalog, FREE, NOWHERE, Slot, StreamSlot, flag, stream_flag};
use crate::attribute::{Attribute, AttributeType, Form};
use crate::error::{At as _, Error, Fault, Place, Result};
use crate::file::{File, first_stored};
use crate::file_name::{FileName, NameSpace};
use crate::name;
use crate::record::{FILE, FileReference, Record};
use crate::standard_information::{
    StandardInformation, Times, file_attributes, reported_attributes,
};
use crate::volume::Volume;
use wimforge_core::order::sort_by;

/// A pass over `$MFT` that is under way.
pub struct Scan<'v> {
    volume: &'v Volume,
    next: u32,
    buffer: Vec<u8>,
    catalog: Catalog,
    /// Files in several records.
    spread: Vec<u32>,
    stream_names: HashMap<Arc<[u16]>, u32>,
    descriptors: HashMap<Arc<[u8]>, u32>,
}

impl Volume {
    /// Begins a pass over `$MFT`.
    #[must_use]
    pub fn scan(&self) -> Scan<'_> {
        let records = self.mft.records();
        let empty: Arc<[u16]> = Arc::from([]);
        Scan {
            volume: self,
            next: 0,
            buffer: Vec::new(),
            catalog: Catalog {
                slots: vec![FREE; records as usize],
                files: Vec::new(),
                streams: Vec::new(),
                names: Vec::new(),
                stream_names: vec![Arc::clone(&empty)],
                descriptors: Vec::new(),
                broken: 0,
            },
            spread: Vec::new(),
            stream_names: HashMap::from([(empty, 0)]),
            descriptors: HashMap::new(),
        }
    }
}

/// What is being gathered about one file.
struct Draft {
    slot: Slot,
    information: Option<StandardInformation>,
    has_reparse_data: bool,
    /// Names of streams so far, to notice one that is there twice.
    last_stream: Option<u32>,
}

impl Scan<'_> {
    /// Reads one large piece of `$MFT`; `false` when there is no more.
    ///
    /// # Errors
    /// The device's; a single record that cannot be read is none.
    pub fn step(&mut self) -> Result<bool> {
        let left = self.catalog.slots.len() as u32 - self.next;
        if left == 0 {
            return Ok(false);
        }
        let size = self.volume.context.record_size();
        let most = (self.volume.limits().scan_block / size).max(1);
        let count = (left as usize).min(most);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(count * size, 0);
        let whole = self.volume.mft.read_blocks(self.next, &mut buffer);
        for (index, block) in buffer.chunks_exact_mut(size).enumerate() {
            let record = self.next + index as u32;
            // A bad spot on the disk costs the records on it, not the whole piece.
            if whole.is_err() && self.volume.mft.read_blocks(record, block).is_err() {
                self.mark_broken(record);
                continue;
            }
            self.take(record, block);
        }
        self.buffer = buffer;
        self.next += count as u32;
        Ok(true)
    }

    /// Records read so far, and records in all.
    #[must_use]
    pub fn progress(&self) -> (u32, u32) {
        (self.next, self.catalog.slots.len() as u32)
    }

    /// Puts the files together that are spread over several records.
    #[must_use]
    pub fn finish(mut self) -> Catalog {
        for record in std::mem::take(&mut self.spread) {
            let reference = FileReference::new(record, 0);
            let taken = self
                .volume
                .file(reference)
                .and_then(|file| self.take_file(&file));
            if taken.is_err() {
                self.mark_broken(record);
            }
        }
        self.catalog.files.shrink_to_fit();
        self.catalog.streams.shrink_to_fit();
        self.catalog.names.shrink_to_fit();
        self.catalog
    }

    fn mark_broken(&mut self, record: u32) {
        self.catalog.slots[record as usize] = BROKEN;
        self.catalog.broken += 1;
    }

    fn take(&mut self, number: u32, block: &mut [u8]) {
        // What never was a record, or was found bad long ago, is no damage of a file.
        if block.first_chunk() != Some(&FILE) {
            if block.first_chunk() == Some(b"BAAD") {
                self.mark_broken(number);
            }
            return;
        }
        match Record::open(block, number) {
            Ok(record) if !record.in_use() || !record.is_base() => {}
            Ok(record) => {
                let offset = self.volume.mft.physical_offset(number);
                if self.take_record(number, &record, offset).is_err() {
                    self.mark_broken(number);
                }
            }
            Err(_) => self.mark_broken(number),
        }
    }

    fn take_record(&mut self, number: u32, record: &Record<'_>, offset: u64) -> Result<()> {
        let mark = self.mark();
        let mut draft = self.draft(record.sequence, record.is_directory());
        for attribute in record.attributes() {
            let taken = attribute.at(number).and_then(|(at, attribute)| {
                if attribute.kind == AttributeType::ATTRIBUTE_LIST {
                    Ok(true)
                } else {
                    self.take_attribute(&mut draft, number, offset + at as u64, &attribute)?;
                    Ok(false)
                }
            });
            match taken {
                Ok(false) => {}
                Ok(true) => {
                    self.roll_back(mark);
                    self.spread.push(number);
                    return Ok(());
                }
                Err(error) => {
                    self.roll_back(mark);
                    return Err(error);
                }
            }
        }
        self.finish_file(number, draft, mark)
    }

    fn take_file(&mut self, file: &File) -> Result<()> {
        let mark = self.mark();
        let mut draft = self.draft(file.reference().sequence(), file.is_directory());
        for attribute in file.all_attributes() {
            let taken = attribute.and_then(|(offset, attribute)| {
                self.take_attribute(&mut draft, file.record(), offset, &attribute)
            });
            if let Err(error) = taken {
                self.roll_back(mark);
                return Err(error);
            }
        }
        if file.unlisted_attributes() > 0 {
            draft.slot.flags |= flag::UNLISTED;
        }
        self.finish_file(file.record(), draft, mark)
    }

    /// How much there is, to take back what a broken file has added.
    fn mark(&self) -> (usize, usize) {
        (self.catalog.streams.len(), self.catalog.names.len())
    }

    fn roll_back(&mut self, mark: (usize, usize)) {
        self.catalog.streams.truncate(mark.0);
        self.catalog.names.truncate(mark.1);
    }

    fn draft(&self, sequence: u16, is_directory: bool) -> Draft {
        Draft {
            slot: Slot {
                times: Times::default(),
                attributes: 0,
                security: 0,
                first_stream: self.catalog.streams.len() as u32,
                first_name: self.catalog.names.len() as u32,
                parent: u32::MAX,
                streams: 0,
                names: 0,
                links: 0,
                sequence,
                flags: if is_directory { flag::DIRECTORY } else { 0 },
            },
            information: None,
            has_reparse_data: false,
            last_stream: None,
        }
    }

    fn take_attribute(
        &mut self,
        draft: &mut Draft,
        number: u32,
        offset: u64,
        attribute: &Attribute<'_>,
    ) -> Result<()> {
        let place = || Place::attribute(number, attribute.kind, &name::to_vec(attribute.name));
        match attribute.kind {
            AttributeType::STANDARD_INFORMATION => {
                if draft.information.is_some() {
                    return Err(Fault::TwiceThere.at(place()));
                }
                let value = attribute.resident().at(place())?;
                draft.information = Some(StandardInformation::parse(value).at(place())?);
            }
            AttributeType::FILE_NAME => {
                let value = attribute.resident().at(place())?;
                let file_name = FileName::parse(value).at(place())?;
                self.catalog.names.push(file_name.fingerprint());
                count(&mut draft.slot.names, place, "names")?;
                if file_name.space != NameSpace::Dos {
                    draft.slot.links += 1;
                    if draft.slot.parent == u32::MAX {
                        let parent = file_name.parent.number();
                        draft.slot.parent = u32::try_from(parent).unwrap_or(u32::MAX);
                    }
                }
            }
            AttributeType::SECURITY_DESCRIPTOR => match attribute.form {
                Form::Resident(value) => {
                    draft.slot.flags |= flag::SECURITY_INLINE;
                    draft.slot.security = self.intern_descriptor(value);
                }
                Form::NonResident(_) => draft.slot.flags |= flag::SECURITY_ELSEWHERE,
            },
            AttributeType::OBJECT_ID => draft.slot.flags |= flag::OBJECT_ID,
            AttributeType::EA => draft.slot.flags |= flag::EXTENDED_ATTRIBUTES,
            AttributeType::REPARSE_POINT => draft.has_reparse_data = true,
            AttributeType::DATA => self.take_stream(draft, offset, attribute).at(place())?,
            _ => {}
        }
        Ok(())
    }

    fn take_stream(
        &mut self,
        draft: &mut Draft,
        offset: u64,
        attribute: &Attribute<'_>,
    ) -> Result<(), Fault> {
        let name = self.intern_name(attribute);
        let again = draft.last_stream.replace(name) == Some(name);
        let context = &self.volume.context;
        let mut flags = 0;
        let (size, offset) = match &attribute.form {
            Form::Resident(_) if again => return Err(Fault::TwiceThere),
            Form::Resident(value) => {
                flags |= stream_flag::RESIDENT;
                (value.len() as u64, offset)
            }
            Form::NonResident(piece) if piece.first_vcn > 0 => {
                // A further piece: it counts only if nothing was stored before.
                let Some(first) = self.catalog.streams.last_mut().filter(|_| again) else {
                    return Err(Fault::PieceGap(piece.first_vcn));
                };
                if first.offset == NOWHERE {
                    let offset = first_stored(context, piece.run_list)?;
                    first.offset = offset.unwrap_or(NOWHERE);
                }
                return Ok(());
            }
            Form::NonResident(_) if again => return Err(Fault::TwiceThere),
            Form::NonResident(piece) => {
                let offset = first_stored(context, piece.run_list)?;
                (piece.real, offset.unwrap_or(NOWHERE))
            }
        };
        for (is, bit) in [
            (attribute.storage.is_compressed(), stream_flag::COMPRESSED),
            (attribute.storage.is_sparse(), stream_flag::SPARSE),
            (attribute.storage.is_encrypted(), stream_flag::ENCRYPTED),
        ] {
            if is {
                flags |= bit;
            }
        }
        self.catalog.streams.push(StreamSlot {
            size,
            offset,
            name,
            flags,
        });
        draft.slot.streams = draft.slot.streams.checked_add(1).ok_or(Fault::TwiceThere)?;
        Ok(())
    }

    fn finish_file(&mut self, number: u32, draft: Draft, mark: (usize, usize)) -> Result<()> {
        let Draft {
            mut slot,
            information,
            has_reparse_data,
            ..
        } = draft;
        let Some(information) = information else {
            self.roll_back(mark);
            let kind = AttributeType::STANDARD_INFORMATION;
            return Err(Fault::NoAttribute.at(Place::attribute(number, kind, &[])));
        };
        if self.sort_streams(mark.0).is_err() {
            self.roll_back(mark);
            return Err(Fault::TwiceThere.at(Place::attribute(number, AttributeType::DATA, &[])));
        }
        slot.times = information.times;
        let is_directory = slot.flags & flag::DIRECTORY != 0;
        slot.attributes =
            reported_attributes(information.attributes, is_directory, has_reparse_data);
        if slot.attributes & file_attributes::REPARSE_POINT != 0 {
            slot.flags |= flag::REPARSE_POINT;
        }
        if information.version & 1 != 0 {
            slot.flags |= flag::CASE_SENSITIVE;
        }
        if let Some(id) = information.security_id {
            slot.flags &= !(flag::SECURITY_INLINE | flag::SECURITY_ELSEWHERE);
            slot.flags |= flag::SECURITY_ID;
            slot.security = id;
        }
        self.catalog.slots[number as usize] = self.catalog.files.len() as u32;
        self.catalog.files.push(slot);
        Ok(())
    }

    /// Sorts the streams from `first` on by name, and refuses two of the same name.
    fn sort_streams(&mut self, first: usize) -> Result<(), Fault> {
        let Catalog {
            streams,
            stream_names,
            ..
        } = &mut self.catalog;
        let streams = &mut streams[first..];
        if streams.len() > 1 {
            sort_by(streams, |a, b| {
                let name = |stream: &StreamSlot| &stream_names[stream.name as usize];
                name(a).cmp(name(b))
            });
            if streams.windows(2).any(|pair| pair[0].name == pair[1].name) {
                return Err(Fault::TwiceThere);
            }
        }
        Ok(())
    }

    fn intern_name(&mut self, attribute: &Attribute<'_>) -> u32 {
        if attribute.name.is_empty() {
            return 0;
        }
        let name = name::to_vec(attribute.name);
        if let Some(index) = self.stream_names.get(&name[..]) {
            return *index;
        }
        let name: Arc<[u16]> = name.into();
        let index = self.catalog.stream_names.len() as u32;
        self.catalog.stream_names.push(Arc::clone(&name));
        self.stream_names.insert(name, index);
        index
    }

    fn intern_descriptor(&mut self, value: &[u8]) -> u32 {
        if let Some(index) = self.descriptors.get(value) {
            return *index;
        }
        let value: Arc<[u8]> = value.into();
        let index = self.catalog.descriptors.len() as u32;
        self.catalog.descriptors.push(Arc::clone(&value));
        self.descriptors.insert(value, index);
        index
    }
}

/// Counts one more of something that there are few of.
fn count(counter: &mut u16, place: impl Fn() -> Place, what: &'static str) -> Result<()> {
    *counter = counter.checked_add(1).ok_or_else(|| Error::Limit {
        place: place(),
        what,
        most: u64::from(u16::MAX),
    })?;
    Ok(())
}
