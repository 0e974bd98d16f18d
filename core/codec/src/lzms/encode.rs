//! Writes items: the exact mirror of the decoder's loop, with all its adaptive state.

use alloc::boxed::Box;

use super::{
    adaptive_huffman,
    bits::BackwardWriter,
    items::{Item, Last, POWERS, RecentList, Source, period},
    range_coder::{Contexts, Full, RangeEncoder, Room, SourceContexts},
    slots::{LENGTH_SLOTS, LENGTHS, OFFSETS, Slot, length_slot, offset_slot, offset_slots},
};

/// The adaptive codes of a chunk.
#[derive(Debug)]
pub(super) struct Codes {
    pub(super) literal: adaptive_huffman::Encoder,
    pub(super) lz_offset: adaptive_huffman::Encoder,
    pub(super) length: adaptive_huffman::Encoder,
    pub(super) delta_offset: adaptive_huffman::Encoder,
    pub(super) delta_power: adaptive_huffman::Encoder,
}

/// What both sides know after the items so far; reused from chunk to chunk.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) codes: Box<Codes>,
    pub(super) contexts: Contexts,
    pub(super) lz_recent: RecentList,
    pub(super) delta_recent: RecentList,
    pub(super) last: Last,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            codes: Box::new(Codes {
                literal: adaptive_huffman::Encoder::new(period::LITERAL),
                lz_offset: adaptive_huffman::Encoder::new(period::LZ_OFFSET),
                length: adaptive_huffman::Encoder::new(period::LENGTH),
                delta_offset: adaptive_huffman::Encoder::new(period::DELTA_OFFSET),
                delta_power: adaptive_huffman::Encoder::new(period::DELTA_POWER),
            }),
            contexts: Contexts::new(),
            lz_recent: RecentList::LZ,
            delta_recent: RecentList::DELTA,
            last: Last::Literal,
        }
    }

    /// Bytes that [`Model::new`] allocates.
    pub(super) fn memory() -> usize {
        size_of::<Codes>()
    }

    /// The state at the start of a chunk of `size` bytes (at least 3).
    pub(super) fn reset(&mut self, size: usize) {
        let offsets = offset_slots(size);
        self.codes.literal.reset(256);
        self.codes.lz_offset.reset(offsets);
        self.codes.length.reset(LENGTH_SLOTS);
        self.codes.delta_offset.reset(offsets);
        self.codes.delta_power.reset(POWERS);
        self.contexts = Contexts::new();
        self.lz_recent = RecentList::LZ;
        self.delta_recent = RecentList::DELTA;
        self.last = Last::Literal;
    }
}

/// A chunk being written.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    room: Room<'a>,
    decisions: RangeEncoder,
    bits: BackwardWriter,
}

impl<'a> Writer<'a> {
    pub(super) fn new(output: &'a mut [u8]) -> Self {
        Self {
            room: Room::new(output),
            decisions: RangeEncoder::new(),
            bits: BackwardWriter::default(),
        }
    }

    /// Writes one literal.
    #[inline]
    pub(super) fn literal(&mut self, model: &mut Model, byte: u8) -> Result<(), Full> {
        self.decisions
            .encode(&mut self.room, &mut model.contexts.is_match, false)?;
        let (word, length) = model.codes.literal.encode(usize::from(byte));
        self.bits.put(&mut self.room, word, length)?;
        model.last = Last::Literal;
        Ok(())
    }

    /// Writes one item; `data` starts at the item's position.
    #[inline]
    pub(super) fn item(&mut self, model: &mut Model, item: Item, data: &[u8]) -> Result<(), Full> {
        let is_delta = match item.source {
            Source::Literal => {
                for &byte in data.iter().take(item.length as usize) {
                    self.literal(model, byte)?;
                }
                return Ok(());
            }
            Source::Lz(_) | Source::LzRecent(_) => false,
            Source::Delta(_) | Source::DeltaRecent(_) => true,
        };
        let room = &mut self.room;
        let contexts = &mut model.contexts;
        self.decisions.encode(room, &mut contexts.is_match, true)?;
        self.decisions
            .encode(room, &mut contexts.is_delta, is_delta)?;
        let (of_type, recent) = if is_delta {
            (&mut contexts.delta, &mut model.delta_recent)
        } else {
            (&mut contexts.lz, &mut model.lz_recent)
        };
        let this = if is_delta { Last::Delta } else { Last::Lz };
        match item.source {
            Source::LzRecent(index) | Source::DeltaRecent(index) => {
                self.decisions.encode(room, &mut of_type.recent, true)?;
                recent_index(&mut self.decisions, room, of_type, index)?;
                recent.promote(usize::from(index) + usize::from(model.last == this));
            }
            Source::Lz(offset) => {
                self.decisions.encode(room, &mut of_type.recent, false)?;
                let slot = offset_slot(offset);
                let code = &mut model.codes.lz_offset;
                value(&mut self.bits, room, code, slot, OFFSETS[slot], offset)?;
                recent.push(offset);
            }
            Source::Delta(packed) => {
                self.decisions.encode(room, &mut of_type.recent, false)?;
                let (word, length) = model.codes.delta_power.encode(packed as usize & 7);
                self.bits.put(room, word, length)?;
                let raw = packed >> 3;
                let slot = offset_slot(raw);
                let code = &mut model.codes.delta_offset;
                value(&mut self.bits, room, code, slot, OFFSETS[slot], raw)?;
                recent.push(packed);
            }
            Source::Literal => {}
        }
        model.last = this;
        let slot = length_slot(item.length);
        let code = &mut model.codes.length;
        value(&mut self.bits, room, code, slot, LENGTHS[slot], item.length)
    }

    /// Ends both streams and joins them; returns the size.
    pub(super) fn finish(mut self) -> Result<usize, Full> {
        self.bits.finish(&mut self.room)?;
        self.decisions.finish(&mut self.room)?;
        self.room.close()
    }
}

/// Writes a slot and its extra bits.
#[inline(always)]
fn value(
    bits: &mut BackwardWriter,
    room: &mut Room<'_>,
    code: &mut adaptive_huffman::Encoder,
    number: usize,
    slot: Slot,
    value: u32,
) -> Result<(), Full> {
    let (word, length) = code.encode(number);
    bits.put(room, word, length)?;
    bits.put(room, value - slot.base, slot.extra)
}

/// Writes which of three recent sources is meant.
#[inline(always)]
fn recent_index(
    decisions: &mut RangeEncoder,
    room: &mut Room<'_>,
    contexts: &mut SourceContexts,
    index: u8,
) -> Result<(), Full> {
    let [first, second] = &mut contexts.index;
    decisions.encode(room, first, index > 0)?;
    if index > 0 {
        decisions.encode(room, second, index > 1)?;
    }
    Ok(())
}
