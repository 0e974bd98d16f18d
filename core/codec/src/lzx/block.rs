//! Coding one block: build codes, choose the kind, write.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::bits::BitWriter;
use crate::cpu::{Instructions, Processor, Work};
use crate::huffman::{CodeBuilder, codewords};

use super::code_lengths::Part;
use super::offset;
use super::token::{Frequencies, Token};
use super::{
    ALIGNED, ALIGNED_BLOCK, HEADERS, LENGTHS, LITERALS, MAX_ALIGNED_CODEWORD, MAX_LENGTH_CODEWORD,
    MAX_MAIN, MAX_MAIN_CODEWORD, MIN_LONG, STANDARD_SIZE, VERBATIM,
};

/// Places for the codewords of all main symbols that a token can name.
const MAIN_TABLE: usize = 1024;

/// Some bits.
#[derive(Clone, Copy, Debug)]
struct Field {
    value: u32,
    /// Their number.
    bits: u32,
}

impl Field {
    const NOTHING: Field = Field { value: 0, bits: 0 };
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
    /// Codewords of the main code, ready for the upper extra bits.
    main: Box<[Field; MAIN_TABLE]>,
    length: Box<[Field; LENGTHS]>,
    /// Codewords of the lower extra bits, or these themselves; and nothing for those that have none.
    aligned: [Field; 2 * ALIGNED],
    scratch: Vec<u32>,
    processor: Processor,
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
            main: Box::new([Field::NOTHING; MAIN_TABLE]),
            length: Box::new([Field::NOTHING; LENGTHS]),
            aligned: [Field::NOTHING; 2 * ALIGNED],
            scratch: alloc::vec![0; MAX_MAIN],
            processor: Processor::detect(),
        }
    }

    /// Bytes that [`BlockCoder::new`] allocates.
    pub(super) fn memory() -> usize {
        CodeBuilder::memory(MAX_MAIN)
            + size_of::<[Field; MAIN_TABLE]>()
            + size_of::<[Field; LENGTHS]>()
            + size_of::<u32>() * MAX_MAIN
    }

    /// Begins a chunk.
    pub(super) fn start(&mut self) {
        self.old = Lengths::ZERO;
    }

    /// Writes a block of `size` bytes.
    pub(super) fn write(
        &mut self,
        writer: &mut BitWriter<'_>,
        size: usize,
        tokens: &[Token],
        freqs: &Frequencies,
    ) {
        let new = &mut self.new;
        let n = self.symbols;
        self.builder
            .lengths(&freqs.main[..n], MAX_MAIN_CODEWORD, &mut new.main[..n]);
        self.builder
            .lengths(&freqs.length, MAX_LENGTH_CODEWORD, &mut new.length);
        self.builder
            .lengths(freqs.aligned(), MAX_ALIGNED_CODEWORD, &mut new.aligned);
        // Three bits per low part, or the aligned code and its header.
        let (mut plain, mut coded) = (0, 3 * ALIGNED as u32);
        for (freq, &length) in freqs.aligned().iter().zip(&new.aligned) {
            plain += 3 * freq;
            coded += freq * u32::from(length);
        }
        let is_aligned = coded < plain;

        writer.put(if is_aligned { ALIGNED_BLOCK } else { VERBATIM }, 3);
        if size == STANDARD_SIZE {
            writer.put(1, 1);
        } else {
            writer.put(0, 1);
            writer.put(size as u32, if self.order == 15 { 16 } else { 24 });
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
        self.main_fields();
        join(&self.new.length, &mut self.scratch, &mut *self.length);
        if is_aligned {
            join(&self.new.aligned, &mut self.scratch, &mut self.aligned);
        } else {
            for (value, field) in (0..).zip(&mut self.aligned[..ALIGNED]) {
                *field = Field { value, bits: 3 };
            }
        }
        self.processor.run(Write {
            coder: self,
            writer,
            tokens,
        });
        core::mem::swap(&mut self.old, &mut self.new);
    }

    /// Sets `main`.
    fn main_fields(&mut self) {
        let n = self.symbols;
        join(&self.new.main[..n], &mut self.scratch, &mut self.main[..n]);
        // After long matches comes a length symbol, so these are left as they are.
        for (symbol, field) in self.main[LITERALS..n].iter_mut().enumerate() {
            if symbol % HEADERS != HEADERS - 1 {
                let extra = offset::upper_extra(symbol / HEADERS);
                field.value <<= extra;
                field.bits += extra;
            }
        }
    }

    /// Bits of a token: at most 53.
    #[inline(always)]
    fn bits(&self, token: Token) -> (u64, u32) {
        let (main, low) = (self.main[token.symbol()], self.aligned[token.low()]);
        let (mut value, mut bits) = (u64::from(main.value), main.bits);
        if let Some(symbol) = token.length().checked_sub(MIN_LONG) {
            let (length, extra) = (self.length[symbol], token.extra());
            value = (value << length.bits | u64::from(length.value)) << extra;
            bits += length.bits + extra;
        }
        (
            (value | token.high()) << low.bits | u64::from(low.value),
            bits + low.bits,
        )
    }
}

/// Writing items.
struct Write<'a, 'b> {
    coder: &'a BlockCoder,
    writer: &'a mut BitWriter<'b>,
    tokens: &'a [Token],
}

impl Work for Write<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        let Write {
            coder,
            writer,
            tokens,
        } = self;
        writer.extend(tokens, |token| coder.bits(token));
    }
}

/// Codewords and lengths together.
fn join(lengths: &[u8], scratch: &mut [u32], fields: &mut [Field]) {
    codewords(lengths, &mut scratch[..lengths.len()]);
    for ((field, value), &length) in fields.iter_mut().zip(scratch).zip(lengths) {
        *field = Field {
            value: *value,
            bits: u32::from(length),
        };
    }
}
