//! Writing bits.
//!
//! Bits collect in a 64-bit word; whole bytes leave it as soon as there are any. Bytes leave in the
//! order of their bits; that those of each unit change places is made up for at the end, for all at
//! once. Running out of room is remembered rather than reported at each step: the chunk is then
//! incompressible.

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

    /// Adds the low `count` bits of `value` (whose other bits are zero), up to 32.
    pub(crate) fn put(&mut self, value: u32, count: u32) {
        self.extend(&[()], |()| (u64::from(value), count));
    }

    /// Adds a field for each item: its value and its number of bits, up to [`MOST`].
    #[inline(always)]
    pub(crate) fn extend<T: Copy>(&mut self, items: &[T], field: impl Fn(T) -> (u64, u32)) {
        let mut tail = Tail {
            rest: &mut self.out[self.pos..],
            buf: self.buf,
            held: self.held,
            full: self.full,
        };
        // Two at a time, which nearly always fit.
        let (pairs, last) = items.as_chunks::<2>();
        for &[a, b] in pairs {
            let ((a, a_bits), (b, b_bits)) = (field(a), field(b));
            if a_bits + b_bits <= MOST {
                tail.add(a << b_bits | b, a_bits + b_bits);
            } else {
                tail.add(a, a_bits);
                tail.add(b, b_bits);
            }
        }
        if let [last] = *last {
            let (value, bits) = field(last);
            tail.add(value, bits);
        }
        let Tail {
            buf, held, full, ..
        } = tail;
        let left = tail.rest.len();
        self.pos = self.out.len() - left;
        (self.buf, self.held, self.full) = (buf, held, full);
    }

    /// Pads the last unit with zeros. Returns the number of bytes written, or `None` if the output
    /// was too short.
    pub(crate) fn finish(mut self) -> Option<usize> {
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

/// The most bits of a field: up to seven may be held already.
const MOST: u32 = 56;

/// A writer at work.
struct Tail<'a> {
    rest: &'a mut [u8],
    buf: u64,
    held: u32,
    full: bool,
}

impl Tail<'_> {
    /// Adds a field of up to [`MOST`] bits.
    #[inline(always)]
    fn add(&mut self, value: u64, bits: u32) {
        debug_assert!(bits <= MOST && self.held < 8 && value >> bits == 0);
        self.buf = self.buf << bits | value;
        let held = self.held + bits;
        // The bits held, moved to the top.
        let bytes = (self.buf << ((64 - held) % 64)).to_be_bytes();
        let count = (held / 8 % 8) as usize;
        self.held = held % 8;
        let rest = core::mem::take(&mut self.rest);
        if let Some(room) = rest.first_chunk_mut() {
            *room = bytes;
            self.rest = &mut rest[count..];
        } else if let Some((room, rest)) = rest.split_at_mut_checked(count) {
            room.copy_from_slice(&bytes[..count]);
            self.rest = rest;
        } else {
            self.full = true;
        }
    }
}
