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
    main: Box<[u32; MAIN_TABLE]>,
    length: Box<[u32; LENGTHS]>,
    aligned: [u32; 2 * ALIGNED],
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
            main: Box::new([0; MAIN_TABLE]),
            length: Box::new([0; LENGTHS]),
            aligned: [0; 2 * ALIGNED],
            scratch: alloc::vec![0; MAX_MAIN],
            processor: Processor::detect(),
        }
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
            .lengths(&freqs.aligned, MAX_ALIGNED_CODEWORD, &mut new.aligned);
        // Three bits per low part, or the aligned code and its header.
        let (mut plain, mut coded) = (0, 3 * ALIGNED as u32);
        for (freq, &length) in freqs.aligned.iter().zip(&new.aligned) {
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
        join(&new.main[..n], &mut self.scratch, &mut self.main[..n]);
        join(&new.length, &mut self.scratch, &mut *self.length);
        join(
            &new.aligned,
            &mut self.scratch,
            &mut self.aligned[..ALIGNED],
        );
        self.processor.run(Write {
            coder: self,
            writer,
            tokens,
            is_aligned,
        });
        core::mem::swap(&mut self.old, &mut self.new);
    }

    #[inline(always)]
    fn write_tokens<const IS_ALIGNED: bool>(&self, writer: &mut BitWriter<'_>, tokens: &[Token]) {
        for &token in tokens {
            // At most 7 bits are held; a main symbol, a length symbol, and extra bits make 49 more.
            let main = self.main[token.symbol()];
            if let Some(symbol) = token.length().checked_sub(MIN_LONG) {
                writer.code(main);
                writer.code(self.length[symbol]);
                self.write_offset::<IS_ALIGNED>(writer, token, 0);
            } else {
                self.write_offset::<IS_ALIGNED>(writer, token, main);
            }
            writer.flush();
        }
    }

    /// Writes `code` and the extra bits.
    #[inline(always)]
    fn write_offset<const IS_ALIGNED: bool>(
        &self,
        writer: &mut BitWriter<'_>,
        token: Token,
        code: u32,
    ) {
        let (value, extra) = (token.value(), token.extra());
        if IS_ALIGNED {
            let low = 3 * u32::from(token.has_aligned());
            writer.code_and(code, value >> low, extra - low);
            // The second half of the table is empty.
            let none = ALIGNED * usize::from(!token.has_aligned());
            writer.code(self.aligned[token.low() + none]);
        } else {
            writer.code_and(code, value, extra);
        }
    }
}

/// Writing items.
struct Write<'a, 'b> {
    coder: &'a BlockCoder,
    writer: &'a mut BitWriter<'b>,
    tokens: &'a [Token],
    is_aligned: bool,
}

impl Work for Write<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Instructions>(self) {
        if self.is_aligned {
            self.coder.write_tokens::<true>(self.writer, self.tokens);
        } else {
            self.coder.write_tokens::<false>(self.writer, self.tokens);
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
