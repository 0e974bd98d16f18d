//! The file being written, as a sequence with a memory of where it is.

use crate::format::integrity::Recorder;
use crate::format::resource::MAX_STORED_SIZE;
use crate::port::{Sink, Storage, bring_forward};
use crate::{Error, ErrorKind, Result};

/// Bytes collected before they are written.
const BUFFER: usize = 256 << 10;

/// Where it is written.
enum To<'a> {
    Storage(&'a dyn Storage),
    Sink(&'a mut dyn Sink),
}

/// Writes a storage from a position on, in large pieces; small parts written before can be filled in
/// and the tail cut off.
pub struct Output<'a> {
    to: To<'a>,
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
            to: To::Storage(storage),
            buffer: Vec::with_capacity(BUFFER),
            flushed: position,
            recorder,
        }
    }

    /// Writes a pipe from its beginning. Nothing can be patched there, nor taken back.
    pub fn to_sink(sink: &'a mut dyn Sink) -> Self {
        Self {
            to: To::Sink(sink),
            buffer: Vec::with_capacity(BUFFER),
            flushed: 0,
            recorder: None,
        }
    }

    /// From now on a recorder that stands at the end follows what is written.
    pub fn record(&mut self, recorder: Recorder) {
        self.recorder = Some(recorder);
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
                self.to.write_at(self.flushed, data)?;
                self.flushed += data.len() as u64;
                return Ok(());
            }
        }
        self.buffer.extend_from_slice(data);
        Ok(())
    }

    /// Whether room of this size can be left and filled later: not in a pipe, nor while a recorder follows what
    /// is written, nor if no file can be so large.
    #[must_use]
    pub fn can_leave_room(&self, size: u64) -> bool {
        let fits = size <= MAX_STORED_SIZE - self.position().min(MAX_STORED_SIZE);
        matches!(self.to, To::Storage(_)) && self.recorder.is_none() && fits
    }

    /// Leaves room that is [filled](Self::fill) later; where it begins.
    ///
    /// # Errors
    /// What the storage returns.
    pub fn leave_room(&mut self, size: u64) -> Result<u64> {
        self.flush()?;
        let begin = self.flushed;
        self.flushed += size;
        Ok(begin)
    }

    /// Writes a part of what room was left for.
    ///
    /// # Errors
    /// What the storage returns.
    pub fn fill(&mut self, position: u64, data: &[u8]) -> Result<()> {
        self.storage()?.write_at(position, data)
    }

    /// Moves what was written towards the front; nothing is waiting to be written.
    ///
    /// # Errors
    /// What the storage returns.
    pub fn bring_forward(&mut self, from: u64, to: u64, size: u64) -> Result<()> {
        bring_forward(self.storage()?, from, to, size, &mut |_| {})
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
                self.storage()?.write_at(position, data)
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
            self.to.write_at(self.flushed, &self.buffer)?;
            self.flushed += self.buffer.len() as u64;
            self.buffer.clear();
        }
        match &mut self.to {
            To::Storage(_) => Ok(()),
            To::Sink(sink) => sink.flush(),
        }
    }

    /// The storage below.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if there is a pipe below.
    pub fn storage(&self) -> Result<&'a dyn Storage> {
        match self.to {
            To::Storage(storage) => Ok(storage),
            To::Sink(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "a pipe cannot be written with random access",
            )),
        }
    }

    /// Ends the recording of pieces for the integrity table.
    pub fn take_recorder(&mut self) -> Option<Recorder> {
        self.recorder.take()
    }
}

impl To<'_> {
    /// Writes at the end, which is at `position`.
    fn write_at(&mut self, position: u64, data: &[u8]) -> Result<()> {
        match self {
            To::Storage(storage) => storage.write_at(position, data),
            To::Sink(sink) => sink.write(data),
        }
    }
}
