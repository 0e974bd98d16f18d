//! The yes/no decisions: contexts that learn, and the range coder that spends their probabilities.
//!
//! The forward stream of a chunk is the binary expansion of one long number. Encoder and decoder keep
//! an interval of numbers; every decision divides it in proportion to the two probabilities and keeps
//! the part of the answer given. The interval is 32 bits wide at most; when it falls below 16 bits
//! another 16-bit unit is brought in.
//!
//! A *context* predicts one kind of decision. Its last few answers select an entry, and an entry knows
//! the last 64 answers given under it: the probability of a 0 is the share of zeros among them.

/// What an entry remembers at the start: 48 zeros among 64 answers.
const FRESH: u64 = 0x0000_0000_5555_5555;

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The last 64 answers, the newest in the lowest bit.
    memory: u64,
    /// Zeros in `memory`.
    zeros: u32,
}

/// One kind of decision; `N` is two to the number of past answers that select an entry.
#[derive(Clone, Debug)]
pub(super) struct Context<const N: usize> {
    entries: [Entry; N],
    state: usize,
}

impl<const N: usize> Context<N> {
    pub(super) const fn new() -> Self {
        Self {
            entries: [Entry {
                memory: FRESH,
                zeros: 48,
            }; N],
            state: 0,
        }
    }

    /// Chances of a 0 in 64, between 1 and 63, in the present state.
    #[inline(always)]
    fn zero_chance(&self) -> u32 {
        self.entries[self.state & (N - 1)].zeros.clamp(1, 63)
    }

    /// Records an answer in the entry that predicted it and moves on.
    #[inline(always)]
    fn learn(&mut self, bit: u32) {
        let entry = &mut self.entries[self.state & (N - 1)];
        entry.zeros = entry
            .zeros
            .wrapping_add((entry.memory >> 63) as u32)
            .wrapping_sub(bit);
        entry.memory = entry.memory << 1 | u64::from(bit);
        self.state = (self.state << 1 | bit as usize) & (N - 1);
    }

    /// The past answers that select the next entry.
    pub(super) fn state(&self) -> usize {
        self.state
    }

    /// Chances of a 0 in 64 for any state.
    #[inline]
    pub(super) fn chance_in(&self, state: usize) -> u32 {
        self.entries[state].zeros.clamp(1, 63)
    }
}

/// The contexts of a chunk.
#[derive(Clone, Debug)]
pub(super) struct Contexts {
    pub(super) is_match: Context<16>,
    pub(super) is_delta: Context<32>,
    pub(super) lz: SourceContexts,
    pub(super) delta: SourceContexts,
}

/// The contexts that tell where a match copies from, of LZ or of delta matches.
#[derive(Clone, Debug)]
pub(super) struct SourceContexts {
    pub(super) recent: Context<64>,
    pub(super) index: [Context<64>; 2],
}

impl SourceContexts {
    const fn new() -> Self {
        Self {
            recent: Context::new(),
            index: [Context::new(), Context::new()],
        }
    }
}

impl Contexts {
    pub(super) const fn new() -> Self {
        Self {
            is_match: Context::new(),
            is_delta: Context::new(),
            lz: SourceContexts::new(),
            delta: SourceContexts::new(),
        }
    }
}

/// Reads decisions from the start of a chunk upwards.
#[derive(Debug)]
pub(super) struct RangeDecoder<'a> {
    range: u32,
    code: u32,
    rest: &'a [u8],
}

impl<'a> RangeDecoder<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        let mut this = Self {
            range: u32::MAX,
            code: 0,
            rest: input,
        };
        this.code = this.unit() << 16;
        this.code |= this.unit();
        this
    }

    /// The next unit; zero past the end, where an encoder may leave out what cannot matter.
    #[inline(always)]
    fn unit(&mut self) -> u32 {
        match self.rest.split_first_chunk::<2>() {
            Some((unit, rest)) => {
                self.rest = rest;
                u32::from(u16::from_le_bytes(*unit))
            }
            None => 0,
        }
    }

    #[inline(always)]
    pub(super) fn decode<const N: usize>(&mut self, context: &mut Context<N>) -> bool {
        if self.range < 1 << 16 {
            self.range <<= 16;
            self.code = self.code << 16 | self.unit();
        }
        let bound = (self.range >> 6) * context.zero_chance();
        if self.code < bound {
            self.range = bound;
            context.learn(0);
            false
        } else {
            self.range -= bound;
            self.code -= bound;
            context.learn(1);
            true
        }
    }
}

/// Writes decisions from the start of a chunk upwards.
///
/// The lower end of the interval is a number as long as the output. Only its last 32 bits can still
/// change directly; a carry out of them runs through any units of all ones before them, so the last
/// unit that a carry could reach is held back together with the count of all-ones units after it.
#[derive(Debug)]
pub(super) struct RangeEncoder {
    low: u64,
    range: u32,
    /// The unit held back. Before the first unit there is none.
    held: Option<u16>,
    /// Units of all ones after the one held back.
    ones: usize,
}

/// The output buffer is full.
#[derive(Debug)]
pub(super) struct Full;

/// The free room between the two streams of a chunk.
#[derive(Debug)]
pub(super) struct Room<'a> {
    buffer: &'a mut [u8],
    front: usize,
    back: usize,
}

impl<'a> Room<'a> {
    /// A room over an even number of bytes.
    pub(super) fn new(buffer: &'a mut [u8]) -> Self {
        let back = buffer.len() & !1;
        Self {
            buffer,
            front: 0,
            back,
        }
    }

    #[inline]
    fn put_front(&mut self, unit: u16) -> Result<(), Full> {
        if self.back - self.front < 2 {
            return Err(Full);
        }
        self.buffer[self.front..self.front + 2].copy_from_slice(&unit.to_le_bytes());
        self.front += 2;
        Ok(())
    }

    #[inline]
    pub(super) fn put_back(&mut self, unit: u16) -> Result<(), Full> {
        if self.back - self.front < 2 {
            return Err(Full);
        }
        self.back -= 2;
        self.buffer[self.back..self.back + 2].copy_from_slice(&unit.to_le_bytes());
        Ok(())
    }

    /// Moves the backward stream down to the forward stream; returns the size of both, which is never
    /// less than two units: decoders start by reading as many.
    pub(super) fn close(mut self) -> Result<usize, Full> {
        let end = self.buffer.len() & !1;
        while self.front + (end - self.back) < 4 {
            self.put_front(0)?;
        }
        self.buffer.copy_within(self.back..end, self.front);
        Ok(self.front + (end - self.back))
    }
}

impl RangeEncoder {
    pub(super) const fn new() -> Self {
        Self {
            low: 0,
            range: u32::MAX,
            held: None,
            ones: 0,
        }
    }

    /// Moves the top unit of `low` out.
    #[cold]
    fn shift(&mut self, room: &mut Room<'_>) -> Result<(), Full> {
        let carry = (self.low >> 32) as u16;
        let top = (self.low >> 16) as u16;
        if carry != 0 || top != u16::MAX {
            if let Some(held) = self.held {
                room.put_front(held.wrapping_add(carry))?;
            }
            for _ in 0..self.ones {
                room.put_front(u16::MAX.wrapping_add(carry))?;
            }
            self.ones = 0;
            self.held = Some(top);
        } else {
            self.ones += 1;
        }
        self.low = (self.low & 0xFFFF) << 16;
        Ok(())
    }

    #[inline(always)]
    pub(super) fn encode<const N: usize>(
        &mut self,
        room: &mut Room<'_>,
        context: &mut Context<N>,
        bit: bool,
    ) -> Result<(), Full> {
        if self.range < 1 << 16 {
            self.range <<= 16;
            self.shift(room)?;
        }
        let bound = (self.range >> 6) * context.zero_chance();
        if bit {
            self.low += u64::from(bound);
            self.range -= bound;
        } else {
            self.range = bound;
        }
        context.learn(u32::from(bit));
        Ok(())
    }

    /// Writes the rest, and the unit that the next decision would bring in: some decoders (7-Zip's)
    /// bring it in at once, and refuse a chunk whose forward stream then reaches into the backward one.
    pub(super) fn finish(mut self, room: &mut Room<'_>) -> Result<(), Full> {
        // The first of these shifts carries into what was held back; the others push out all of `low`.
        let next = self.range < 1 << 16;
        for _ in 0..2 + u32::from(next) {
            self.shift(room)?;
        }
        if let Some(held) = self.held {
            room.put_front(held)?;
        }
        for _ in 0..self.ones {
            room.put_front(u16::MAX)?;
        }
        Ok(())
    }
}
