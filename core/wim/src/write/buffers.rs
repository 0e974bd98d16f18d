//! Buffers that go round: from a worker that fills one to the driver that writes it out, and back.
//!
//! A capture fills thousands of buffers of the same size on one thread and lets them go on another.
//! Allocators keep what each thread has used, so that what is held would grow to several times what
//! is in flight; and fresh memory has to be zeroed before it is written over.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Capacity of the buffers that go round, in bytes.
const ROUND: usize = 512 << 10;
/// Less than this gets memory of its own, so that little data never holds much memory.
const OWN: usize = ROUND / 4;

/// The buffers that nobody uses at present. There are never more than were in use at once.
#[derive(Default)]
pub(super) struct Buffers(Mutex<Vec<Box<[u8]>>>);

impl Buffers {
    /// A buffer of `len` bytes, in which anything may stand.
    pub fn take(self: &Arc<Self>, len: usize) -> Buffer {
        if !(OWN..=ROUND).contains(&len) {
            return Buffer::from(vec![0; len]);
        }
        Buffer {
            bytes: self.spares().pop().unwrap_or_else(|| vec![0; ROUND].into()),
            len,
            home: Some(Arc::clone(self)),
        }
    }

    fn spares(&self) -> MutexGuard<'_, Vec<Box<[u8]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer; one that goes round returns when it is dropped.
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
    home: Option<Arc<Buffers>>,
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            len: bytes.len(),
            bytes: bytes.into_boxed_slice(),
            home: None,
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.spares().push(std::mem::take(&mut self.bytes));
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer of {} bytes", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_return() {
        let buffers = Arc::new(Buffers::default());
        let mut one = buffers.take(OWN);
        one.fill(7);
        let place = one.as_ptr();
        assert_eq!(one.len(), OWN);
        drop(one);
        let again = buffers.take(ROUND);
        assert_eq!((again.len(), again.as_ptr()), (ROUND, place));
        assert_eq!(buffers.spares().len(), 0);
    }

    #[test]
    fn others_have_memory_of_their_own() {
        let buffers = Arc::new(Buffers::default());
        for len in [0, 1, OWN - 1, ROUND + 1] {
            assert_eq!(&*buffers.take(len), vec![0; len]);
        }
        assert_eq!(buffers.spares().len(), 0);
    }
}
