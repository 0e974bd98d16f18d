//! Writing bits.
//!
//! Codewords collect in a 64-bit word; whole bytes leave it as soon as there are any. The caller
//! makes sure that it adds at most 56 bits between two flushes. Bytes leave in the order of their bits;
//! that those of each unit change places is made up for at the end, for all at once. Running out of
//! room is remembered rather than reported at each step: the chunk is then incompressible.

/// Writes units to the start of a buffer.
#[derive(Debug)]
pub(crate) struct BitWriter<'a> {
    out: &'a mut [u8],
    pos: usize,
    buf: u64,
    held: u32,
    full: bool,
}

impl<'a> BitWriter<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        BitWriter {
            out,
            pos: 0,
            buf: 0,
            held: 0,
            full: false,
        }
    }

    /// Adds the low `count` bits of `value` (whose other bits are zero).
    #[inline(always)]
    pub(crate) fn add(&mut self, value: u32, count: u32) {
        debug_assert!(self.held + count < 64 && u64::from(value) >> count == 0);
        self.buf = (self.buf << count) | u64::from(value);
        self.held += count;
    }

    /// Adds a codeword given as `codeword << 8 | length`.
    #[inline(always)]
    pub(crate) fn code(&mut self, code: u32) {
        self.add(code >> 8, code & 31);
    }

    /// Adds a codeword given like that and a field of `count` bits after it.
    #[inline(always)]
    pub(crate) fn code_and(&mut self, code: u32, value: u32, count: u32) {
        let bits = u64::from(code >> 8) << count | u64::from(value);
        let count = (code & 31) + count;
        debug_assert!(self.held + count < 64);
        self.buf = self.buf << count | bits;
        self.held += count;
    }

    /// Writes out whole bytes.
    #[inline(always)]
    pub(crate) fn flush(&mut self) {
        // The bits held, moved to the top.
        let bytes = (self.buf << ((64 - self.held) % 64)).to_be_bytes();
        let count = self.held as usize / 8;
        if let Some(room) = self
            .out
            .get_mut(self.pos..)
            .and_then(|out| out.first_chunk_mut())
        {
            *room = bytes;
            self.pos += count;
        } else {
            self.flush_at_end(&bytes[..count]);
        }
        self.held %= 8;
    }

    #[cold]
    fn flush_at_end(&mut self, bytes: &[u8]) {
        match self.out.get_mut(self.pos..self.pos + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.pos += bytes.len();
            }
            None => self.full = true,
        }
    }

    /// Adds a field of up to 32 bits and flushes.
    pub(crate) fn put(&mut self, value: u32, count: u32) {
        self.add(value, count);
        self.flush();
    }

    /// Pads the last unit with zeros. Returns the number of bytes written, or `None` if the output
    /// was too short.
    pub(crate) fn finish(mut self) -> Option<usize> {
        self.flush();
        let bits = 8 * self.pos as u32 + self.held;
        self.put(0, bits.next_multiple_of(16) - bits);
        if self.full {
            return None;
        }
        for unit in self.out[..self.pos].chunks_exact_mut(2) {
            unit.swap(0, 1);
        }
        Some(self.pos)
    }
}
