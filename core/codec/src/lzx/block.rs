//! Coding one block: count, build codes, choose the kind, write.
//!
//! Items are packed as `adjusted offset << 9 | length`; a literal has length 1 and offset 0, its byte
//! is that of the window.

use alloc::vec::Vec;

use crate::bits::BitWriter;
use crate::huffman::{CodeBuilder, codewords};

use super::code_lengths::Part;
use super::offset::{self, BASE, EXTRA};
use super::{
    ALIGNED, ALIGNED_BLOCK, HEADERS, LENGTHS, LITERALS, MAX_ALIGNED_CODEWORD, MAX_LENGTH_CODEWORD,
    MAX_MAIN, MAX_MAIN_CODEWORD, MIN_LONG, MIN_MATCH, STANDARD_SIZE, VERBATIM,
};

/// See the module's page.
pub(super) type Item = u32;

/// The item for a literal.
pub(super) const LITERAL_ITEM: Item = 1;

#[inline(always)]
pub(super) fn item(adjusted: u32, length: usize) -> Item {
    adjusted << 9 | length as u32
}

#[inline(always)]
pub(super) fn item_length(item: Item) -> usize {
    (item & 511) as usize
}

#[inline(always)]
pub(super) fn item_adjusted(item: Item) -> u32 {
    item >> 9
}

/// The main symbol of a match.
#[inline(always)]
pub(super) fn match_symbol(slot: usize, length: usize) -> usize {
    LITERALS + HEADERS * slot + (length - MIN_MATCH).min(HEADERS - 1)
}

/// How often each symbol occurs.
#[derive(Clone, Debug)]
pub(super) struct Frequencies {
    pub(super) main: [u32; MAX_MAIN],
    pub(super) length: [u32; LENGTHS],
    pub(super) aligned: [u32; ALIGNED],
}

impl Frequencies {
    pub(super) const ZERO: Frequencies = Frequencies {
        main: [0; MAX_MAIN],
        length: [0; LENGTHS],
        aligned: [0; ALIGNED],
    };

    /// Adds other counts.
    pub(super) fn add(&mut self, other: &Frequencies) {
        for (a, b) in [
            (&mut self.main[..], &other.main[..]),
            (&mut self.length, &other.length),
            (&mut self.aligned, &other.aligned),
        ] {
            for (a, b) in a.iter_mut().zip(b) {
                *a += b;
            }
        }
    }

    /// Counts one item, `weight` times.
    #[inline]
    pub(super) fn add_item(&mut self, item: Item, literal: u8, weight: u32) {
        let length = item_length(item);
        if length == 1 {
            self.main[usize::from(literal)] += weight;
            return;
        }
        let adjusted = item_adjusted(item);
        let slot = offset::slot(adjusted);
        self.main[match_symbol(slot, length)] += weight;
        if length >= MIN_LONG {
            self.length[length - MIN_LONG] += weight;
        }
        if slot >= 8 {
            self.aligned[(adjusted & 7) as usize] += weight;
        }
    }

    /// Counts the items that make up `data`.
    pub(super) fn count(&mut self, items: &[Item], data: &[u8]) {
        let mut pos = 0;
        for &item in items {
            let length = item_length(item);
            if length == 1 {
                self.main[usize::from(data[pos])] += 1;
            } else {
                let adjusted = item_adjusted(item);
                let slot = offset::slot(adjusted);
                self.main[match_symbol(slot, length)] += 1;
                if length >= MIN_LONG {
                    self.length[length - MIN_LONG] += 1;
                }
                if slot >= 8 {
                    self.aligned[(adjusted & 7) as usize] += 1;
                }
            }
            pos += length;
        }
    }
}

/// Codeword lengths of one block.
#[derive(Clone, Debug)]
pub(super) struct Lengths {
    pub(super) main: [u8; MAX_MAIN],
    pub(super) length: [u8; LENGTHS],
    pub(super) aligned: [u8; ALIGNED],
}

impl Lengths {
    pub(super) const ZERO: Lengths = Lengths {
        main: [0; MAX_MAIN],
        length: [0; LENGTHS],
        aligned: [0; ALIGNED],
    };
}

/// Writes the blocks of a chunk, one after the other.
#[derive(Debug)]
pub(super) struct BlockCoder {
    builder: CodeBuilder,
    /// Alphabet of the main code.
    symbols: usize,
    order: u32,
    old: Lengths,
    new: Lengths,
    parts: [Part; 3],
    /// Codewords with their lengths: codeword << 8 | length.
    main: Vec<u32>,
    length: Vec<u32>,
    aligned: [u32; ALIGNED],
    scratch: Vec<u32>,
}

impl BlockCoder {
    pub(super) fn new(order: u32) -> Self {
        BlockCoder {
            builder: CodeBuilder::new(MAX_MAIN),
            symbols: LITERALS + HEADERS * offset::slots(order),
            order,
            old: Lengths::ZERO,
            new: Lengths::ZERO,
            parts: [Part::new(), Part::new(), Part::new()],
            main: alloc::vec![0; MAX_MAIN],
            length: alloc::vec![0; LENGTHS],
            aligned: [0; ALIGNED],
            scratch: alloc::vec![0; MAX_MAIN],
        }
    }

    /// Begins a chunk.
    pub(super) fn start(&mut self) {
        self.old = Lengths::ZERO;
    }

    /// Writes `data` as one block of these items.
    pub(super) fn write(&mut self, writer: &mut BitWriter<'_>, items: &[Item], data: &[u8]) {
        let mut freqs = Frequencies::ZERO;
        freqs.count(items, data);
        self.write_counted(writer, items, data, &freqs);
    }

    /// The same for items that have been counted.
    pub(super) fn write_counted(
        &mut self,
        writer: &mut BitWriter<'_>,
        items: &[Item],
        data: &[u8],
        freqs: &Frequencies,
    ) {
        let new = &mut self.new;
        let n = self.symbols;
        self.builder
            .lengths(&freqs.main[..n], MAX_MAIN_CODEWORD, &mut new.main[..n]);
        self.builder
            .lengths(&freqs.length, MAX_LENGTH_CODEWORD, &mut new.length);
        self.builder
            .lengths(&freqs.aligned, MAX_ALIGNED_CODEWORD, &mut new.aligned);
        // Three bits per low part, or the aligned code and its header.
        let (mut plain, mut coded) = (0, 3 * ALIGNED as u32);
        for (freq, &length) in freqs.aligned.iter().zip(&new.aligned) {
            plain += 3 * freq;
            coded += freq * u32::from(length);
        }
        let is_aligned = coded < plain;

        writer.put(if is_aligned { ALIGNED_BLOCK } else { VERBATIM }, 3);
        if data.len() == STANDARD_SIZE {
            writer.put(1, 1);
        } else {
            writer.put(0, 1);
            writer.put(data.len() as u32, if self.order == 15 { 16 } else { 24 });
        }
        if is_aligned {
            for &length in &new.aligned {
                writer.put(u32::from(length), 3);
            }
        }
        let (old, new) = (&self.old, &self.new);
        for (part, (old, new)) in self.parts.iter_mut().zip([
            (&old.main[..LITERALS], &new.main[..LITERALS]),
            (&old.main[LITERALS..n], &new.main[LITERALS..n]),
            (&old.length[..], &new.length[..]),
        ]) {
            part.plan(&mut self.builder, old, new);
            part.write(writer);
        }
        join(&new.main[..n], &mut self.scratch, &mut self.main);
        join(&new.length, &mut self.scratch, &mut self.length);
        join(&new.aligned, &mut self.scratch, &mut self.aligned);
        if is_aligned {
            self.write_items::<true>(writer, items, data);
        } else {
            self.write_items::<false>(writer, items, data);
        }
        core::mem::swap(&mut self.old, &mut self.new);
    }

    fn write_items<const IS_ALIGNED: bool>(
        &self,
        writer: &mut BitWriter<'_>,
        items: &[Item],
        data: &[u8],
    ) {
        let mut pos = 0;
        for &item in items {
            let length = item_length(item);
            if length == 1 {
                let code = self.main[usize::from(data[pos])];
                writer.add(code >> 8, code & 31);
                writer.flush();
                pos += 1;
                continue;
            }
            pos += length;
            // At most 15 bits are held, a main symbol and a length symbol make 47.
            let adjusted = item_adjusted(item);
            let slot = offset::slot(adjusted);
            let code = self.main[match_symbol(slot, length)];
            writer.add(code >> 8, code & 31);
            if length >= MIN_LONG {
                let code = self.length[length - MIN_LONG];
                writer.add(code >> 8, code & 31);
                writer.flush();
            }
            let extra = u32::from(EXTRA[slot]);
            let rest = adjusted - BASE[slot];
            if IS_ALIGNED && extra >= 3 {
                writer.add(rest >> 3, extra - 3);
                let code = self.aligned[(adjusted & 7) as usize];
                writer.add(code >> 8, code & 31);
            } else {
                writer.add(rest, extra);
            }
            writer.flush();
        }
    }
}

/// Codewords and lengths in one word each.
fn join(lengths: &[u8], scratch: &mut [u32], codes: &mut [u32]) {
    codewords(lengths, &mut scratch[..lengths.len()]);
    for ((code, scratch), &length) in codes.iter_mut().zip(scratch).zip(lengths) {
        *code = *scratch << 8 | u32::from(length);
    }
}
