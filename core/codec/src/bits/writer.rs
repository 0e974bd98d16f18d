//! Writing bits.
//!
//! Codewords collect in a 64-bit word; whole units leave it as soon as there are any. The caller
//! makes sure that it adds at most 48 bits between two flushes. Running out of
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
        debug_assert!(self.held + count <= 64 && u64::from(value) >> count == 0);
        self.buf = (self.buf << count) | u64::from(value);
        self.held += count;
    }

    /// Writes out whole units.
    #[inline(always)]
    pub(crate) fn flush(&mut self) {
        let units = self.held >> 4;
        if units == 0 {
            return;
        }
        // The bits held, moved to the top, as four units in stream order.
        let x = (self.buf << 1) << (63 - self.held);
        let x = ((x & 0xff00_ff00_ff00_ff00) >> 8) | ((x & 0x00ff_00ff_00ff_00ff) << 8);
        if let Some(room) = self
            .out
            .get_mut(self.pos..)
            .and_then(|o| o.first_chunk_mut::<8>())
        {
            *room = x.to_be_bytes();
            self.pos += 2 * units as usize;
        } else {
            self.flush_at_end(x, units);
        }
        self.held &= 15;
    }

    #[cold]
    fn flush_at_end(&mut self, x: u64, units: u32) {
        let bytes = x.to_be_bytes();
        let count = 2 * units as usize;
        match self.out.get_mut(self.pos..self.pos + count) {
            Some(room) => {
                room.copy_from_slice(&bytes[..count]);
                self.pos += count;
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
        if self.held > 0 {
            self.add(0, 16 - self.held);
            self.flush();
        }
        (!self.full).then_some(self.pos)
    }
}
