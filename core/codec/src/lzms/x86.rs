//! The x86 filter: relative addresses in machine code become absolute ones before compression, so that
//! calls of the same function and uses of the same variable look alike.
//!
//! It runs over every chunk, code or not, so it must judge by itself. An operand counts as a sign of
//! code when its target (modulo 2^16) was met within the last 64 KiB already; operands are translated
//! only within a short reach of such a sign. Both directions see the same targets, because a target is
//! always computed from the relative form, and so stay in step.

use alloc::vec::Vec;

/// Which way to translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Relative to absolute, before compression.
    Encode,
    /// Absolute to relative, after decompression.
    Decode,
}

/// Bytes at the end in which no instruction may begin; also the least size that is worth a look.
const TAIL: usize = 16;
/// Targets that are told apart.
const TARGETS: usize = 1 << 16;
/// How far back a target may have been met.
const MEMORY: u32 = 65_535;
/// A call's reach from the last sign of code, and that of all other instructions.
const CALL_REACH: u32 = 511;
const REACH: u32 = 1023;

/// Bytes that are searched together.
const BLOCK: usize = 64;
/// Those, and what an instruction at the last of them needs to be told by.
const VIEW: usize = BLOCK + 2;

/// The filter with its memory, reusable for any number of chunks.
#[derive(Debug)]
pub(super) struct X86Filter {
    /// For each target modulo 2^16, where it was last met, counted from `epoch`.
    seen: Vec<u32>,
    /// Position 0 of the next chunk. It grows from chunk to chunk, so that what a former chunk left in
    /// `seen` is too old to count and needs no clearing.
    epoch: u32,
}

impl X86Filter {
    pub(super) const fn new() -> Self {
        Self {
            seen: Vec::new(),
            epoch: 0,
        }
    }

    /// Bytes that the first chunk makes a filter allocate.
    pub(super) fn memory() -> usize {
        size_of::<u32>() * TARGETS
    }

    /// Translates the operands of a whole chunk in place.
    pub(super) fn run(&mut self, data: &mut [u8], direction: Direction) {
        if data.len() <= TAIL + 1 {
            return;
        }
        let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
        if self.seen.is_empty()
            || self
                .epoch
                .checked_add(size.saturating_add(MEMORY + 1))
                .is_none()
        {
            self.seen.clear();
            self.seen.resize(TARGETS, 0);
            self.epoch = 0;
        }
        // The first chunk, too, must find everything in `seen` too old.
        self.epoch += MEMORY + 1;
        self.translate(data, direction);
        self.epoch = self.epoch.saturating_add(size);
    }

    fn translate(&mut self, data: &mut [u8], direction: Direction) {
        let end = data.len() - TAIL;
        // Positions are counted from `epoch` (at least 65,536), so 1,024 below it still is a number.
        let mut last_code = self.epoch - 1024;
        // Byte 0 is never examined, nor is any within an instruction.
        let mut free = 1;
        let mut block = 0;
        while block < end {
            // All instructions of a block are found together: where the next one is cannot be foretold.
            let mut found = match data[block..].first_chunk() {
                Some(view) => instructions(view),
                None => instructions_at_end(&data[block..]),
            };
            while found != 0 {
                let at = block + found.trailing_zeros() as usize;
                found &= found - 1;
                if at < free {
                    continue;
                }
                if at >= end {
                    return;
                }
                let (opcode, reach) = match data[at] {
                    0xE8 => (1, CALL_REACH),
                    0xE9 => {
                        free = at + 5;
                        continue;
                    }
                    0xFF => (2, REACH),
                    _ => (3, REACH),
                };
                let field = &mut data[at + opcode..at + opcode + 4];
                let operand = u32::from_le_bytes([field[0], field[1], field[2], field[3]]);
                let mut relative = operand;
                let here = self.epoch + at as u32;
                if here - last_code <= reach {
                    let translated = match direction {
                        Direction::Encode => operand.wrapping_add(at as u32),
                        Direction::Decode => {
                            relative = operand.wrapping_sub(at as u32);
                            relative
                        }
                    };
                    field.copy_from_slice(&translated.to_le_bytes());
                }
                let target = (relative.wrapping_add(at as u32) & 0xFFFF) as usize;
                let last_byte = here + opcode as u32 + 3;
                if last_byte - self.seen[target] <= MEMORY {
                    last_code = last_byte;
                }
                self.seen[target] = last_byte;
                free = at + opcode + 4;
            }
            block += BLOCK;
        }
    }
}

fn instructions_at_end(data: &[u8]) -> u64 {
    let mut view = [0; VIEW];
    view[..data.len()].copy_from_slice(data);
    instructions(&view)
}

#[cfg(target_arch = "x86_64")]
mod leaf {
    #![allow(unsafe_code)]

    use super::VIEW;
    use core::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8,
    };

    /// Where an instruction of interest begins, the first byte in the lowest bit.
    #[inline(always)]
    pub(super) fn instructions(view: &[u8; VIEW]) -> u64 {
        let mut found = 0;
        for (i, bytes) in view.windows(18).step_by(16).enumerate() {
            // SAFETY: the instructions are part of every x86-64 processor (SSE2); the loads read 16
            // of the 18 bytes, from the first, second and third on.
            let mask = unsafe {
                let load = |at: usize| _mm_loadu_si128(bytes.as_ptr().add(at).cast());
                instructions_of_16(load(0), load(1), load(2))
            };
            found |= u64::from(mask) << (16 * i);
        }
        found
    }

    /// The same for 16 positions, given the bytes there, one further on and two further on.
    ///
    /// # Safety
    /// The processor must have SSE2.
    #[inline(always)]
    unsafe fn instructions_of_16(first: __m128i, second: __m128i, third: __m128i) -> u16 {
        // SAFETY: the caller's promise.
        unsafe {
            let is = |bytes, value: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(value as i8));
            let masked = |bytes, mask: u8| _mm_and_si128(bytes, _mm_set1_epi8(mask as i8));
            let and = |a, b| _mm_and_si128(a, b);
            let or = |a, b| _mm_or_si128(a, b);
            let jump = is(masked(first, 0xFE), 0xE8);
            let call = and(is(first, 0xFF), is(second, 0x15));
            let add = and(and(is(first, 0xF0), is(second, 0x83)), is(third, 0x05));
            let load = and(
                and(is(first, 0x48), is(second, 0x8B)),
                is(masked(third, 0xF7), 0x05),
            );
            let address = and(
                and(is(masked(first, 0xFB), 0x48), is(second, 0x8D)),
                is(masked(third, 7), 5),
            );
            _mm_movemask_epi8(or(or(jump, call), or(or(add, load), address))) as u16
        }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::VIEW;

    /// Bytes at which an instruction of interest may begin.
    static OPCODES: [bool; 256] = {
        let mut table = [false; 256];
        let opcodes = [0xE8, 0xE9, 0xFF, 0xF0, 0x48, 0x4C];
        let mut i = 0;
        while i < opcodes.len() {
            table[opcodes[i]] = true;
            i += 1;
        }
        table
    };

    /// Where an instruction of interest begins, the first byte in the lowest bit.
    pub(super) fn instructions(view: &[u8; VIEW]) -> u64 {
        let mut found = 0;
        for (i, bytes) in view.windows(3).enumerate() {
            if OPCODES[usize::from(bytes[0])] {
                let is_one = match *bytes {
                    [0xE8 | 0xE9, ..]
                    | [0xFF, 0x15, _]
                    | [0xF0, 0x83, 0x05]
                    | [0x48, 0x8B, 0x05 | 0x0D] => true,
                    [0x48 | 0x4C, 0x8D, mode] => mode & 7 == 5,
                    _ => false,
                };
                found |= u64::from(is_one) << i;
            }
        }
        found
    }
}

#[cfg(target_arch = "x86_64")]
use leaf::instructions;
#[cfg(not(target_arch = "x86_64"))]
use portable::instructions;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn leaf_as_portable(
            bytes in prop::collection::vec(
                prop::sample::select(&[
                    0xE8, 0xE9, 0xFF, 0x15, 0xF0, 0x83, 0x05, 0x48, 0x4C, 0x8B, 0x8D, 0x0D, 0x25, 0,
                ][..]),
                VIEW,
            )
        ) {
            let view = bytes.first_chunk().unwrap();
            prop_assert_eq!(instructions(view), portable::instructions(view));
        }
    }
}
