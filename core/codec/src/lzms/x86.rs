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
/// How far back a target may have been met.
const MEMORY: u32 = 65_535;
/// A call's reach from the last sign of code, and that of all other instructions.
const CALL_REACH: u32 = 511;
const REACH: u32 = 1023;

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
            self.seen.resize(1 << 16, 0);
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
        let mut at = 1;
        loop {
            // Most bytes begin nothing: look for one that may.
            match data[at..end]
                .iter()
                .position(|&byte| OPCODES[usize::from(byte)])
            {
                Some(skip) => at += skip,
                None => return,
            }
            let (opcode, reach) = match data[at..at + 3] {
                [0xE8, ..] => (1, CALL_REACH),
                [0xE9, ..] => {
                    at += 5;
                    if at >= end {
                        return;
                    }
                    continue;
                }
                [0xFF, 0x15, _] => (2, REACH),
                [0xF0, 0x83, 0x05] | [0x48, 0x8B, 0x05 | 0x0D] => (3, REACH),
                [0x48 | 0x4C, 0x8D, mode] if mode & 7 == 5 => (3, REACH),
                _ => {
                    at += 1;
                    continue;
                }
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
            at += opcode + 4;
            if at >= end {
                return;
            }
        }
    }
}
