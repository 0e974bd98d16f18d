//! The file being written, as a sequence with a memory of where it is.

use crate::Result;
use crate::format::integrity::Recorder;
use crate::port::Storage;

/// Bytes collected before they are written.
const BUFFER: usize = 256 << 10;

/// Writes a storage from a position on, in large pieces; small parts written before can be filled in
/// and the tail cut off.
pub struct Output<'a> {
    storage: &'a dyn Storage,
    /// What was not written yet; it belongs at `flushed`.
    buffer: Vec<u8>,
    flushed: u64,
    recorder: Option<Recorder>,
}

impl<'a> Output<'a> {
    /// Begins at `position`. A recorder that stands there follows what is written.
    #[must_use]
    pub fn new(storage: &'a dyn Storage, position: u64, recorder: Option<Recorder>) -> Self {
        Self {
            storage,
            buffer: Vec::with_capacity(BUFFER),
            flushed: position,
            recorder,
        }
    }

    /// Where the next byte goes.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// Writes at the end.
    ///
    /// # Errors
    /// What the storage returns.
    pub fn append(&mut self, data: &[u8]) -> Result<()> {
        if let Some(recorder) = &mut self.recorder {
            recorder.append(data);
        }
        if self.buffer.len() + data.len() > BUFFER {
            self.flush()?;
            if data.len() >= BUFFER {
                self.storage.write_at(self.flushed, data)?;
                self.flushed += data.len() as u64;
                return Ok(());
            }
        }
        self.buffer.extend_from_slice(data);
        Ok(())
    }

    /// Overwrites bytes that were written before.
    ///
    /// # Errors
    /// What the storage returns.
    pub fn patch(&mut self, position: u64, data: &[u8]) -> Result<()> {
        if let Some(recorder) = &mut self.recorder {
            recorder.touch(position, position + data.len() as u64);
        }
        match position.checked_sub(self.flushed) {
            Some(start) => {
                let start = start as usize;
                self.buffer[start..start + data.len()].copy_from_slice(data);
                Ok(())
            }
            None => {
                self.flush()?;
                self.storage.write_at(position, data)
            }
        }
    }

    /// Takes back everything from `position` on. Storage that was written is overwritten or cut off
    /// later.
    pub fn rewind(&mut self, position: u64) {
        if let Some(recorder) = &mut self.recorder {
            recorder.truncate(position);
        }
        match position.checked_sub(self.flushed) {
            Some(kept) => self.buffer.truncate(kept as usize),
            None => {
                self.buffer.clear();
                self.flushed = position;
            }
        }
    }

    /// Hands everything to the storage.
    ///
    /// # Errors
    /// What the storage returns.
    pub fn flush(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.storage.write_at(self.flushed, &self.buffer)?;
            self.flushed += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    /// The storage below.
    #[must_use]
    pub fn storage(&self) -> &'a dyn Storage {
        self.storage
    }

    /// Ends the recording of pieces for the integrity table.
    pub fn take_recorder(&mut self) -> Option<Recorder> {
        self.recorder.take()
    }
}
