//! Work in parallel, results in order.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use wimforge_codec::{Compressor, Decompressor, Format, Level};

use super::one_shot::{Receiver, one_shot};
use crate::{Error, ErrorKind, Result};

/// One piece of work. It owns or borrows (for `'env`) everything it needs.
pub type Task<'env> = Box<dyn FnOnce(&mut WorkerState) + Send + 'env>;

/// What submits tasks and takes their results.
pub type Drive<'env> = Box<dyn FnOnce(&dyn Pool<'env>) + 'env>;

/// Runs tasks, on threads where the host has them.
pub trait Workers: Sync {
    /// How many tasks can run at once; at least 1. Decides only how much is in flight, never what
    /// is written.
    fn threads(&self) -> usize;

    /// Calls `drive` with a pool that accepts tasks, and returns when `drive` has returned and
    /// every task has ended.
    fn scope<'env>(&self, drive: Drive<'env>);
}

/// Accepts tasks.
pub trait Pool<'env> {
    /// Queues a task. Tasks begin in the order in which they are queued. A host without threads
    /// runs it before returning.
    fn spawn(&self, task: Task<'env>);
}

/// Compresses chunks outside of this process or instance while the driver goes on: how a host without
/// threads uses several processors.
pub trait RemoteCompressor: Send + Sync {
    /// Hands chunks over and returns at once.
    ///
    /// # Errors
    /// If they cannot be handed over.
    fn submit(
        &self,
        format: Format,
        chunk_size: u32,
        level: Level,
        chunks: &[&[u8]],
    ) -> Result<Box<dyn RemoteJob>>;
}

/// Chunks that are being compressed elsewhere. Dropped, the result is not wanted any more.
pub trait RemoteJob: Send {
    /// Waits for the result: for each chunk what it became, or `None` if that would not be smaller.
    ///
    /// # Errors
    /// If the chunks could not be compressed.
    fn wait(self: Box<Self>) -> Result<Vec<Option<Vec<u8>>>>;
}

/// What a worker keeps from task to task: compressors, decompressors and buffers.
#[derive(Default)]
pub struct WorkerState {
    compressors: Vec<(Format, u32, Level, Compressor)>,
    decompressors: Vec<(Format, u32, Decompressor)>,
    remote: Option<Arc<dyn RemoteCompressor>>,
    /// Buffers that no task uses at the moment.
    spare: Vec<Vec<u8>>,
}

/// Buffers up to this capacity are kept, in bytes. Memory that is asked for anew for each task has to be
/// cleared by the system each time.
const KEPT: usize = 4 << 20;

impl WorkerState {
    /// Of a worker that has chunks compressed elsewhere.
    #[must_use]
    pub fn with_remote(remote: Arc<dyn RemoteCompressor>) -> Self {
        Self {
            remote: Some(remote),
            ..Self::default()
        }
    }

    /// A buffer of any length that holds anything.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Keeps a buffer for the next [`WorkerState::take_buffer`], unless it is very large.
    pub fn give_back(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT {
            self.spare.push(buffer);
        }
    }

    /// Where chunks are compressed, if not here.
    #[must_use]
    pub fn remote(&self) -> Option<Arc<dyn RemoteCompressor>> {
        self.remote.clone()
    }

    /// The compressor for these parameters, made at the first call.
    ///
    /// # Errors
    /// As [`Compressor::new`].
    pub fn compressor(
        &mut self,
        format: Format,
        chunk_size: u32,
        level: Level,
    ) -> Result<&mut Compressor> {
        let key = (format, chunk_size, level);
        let found = self.compressors.iter().position(|c| (c.0, c.1, c.2) == key);
        let index = match found {
            Some(index) => index,
            None => {
                let new = Compressor::new(format, chunk_size, level)?;
                self.compressors.push((format, chunk_size, level, new));
                self.compressors.len() - 1
            }
        };
        Ok(&mut self.compressors[index].3)
    }

    /// The decompressor for these parameters, made at the first call.
    ///
    /// # Errors
    /// As [`Decompressor::new`].
    pub fn decompressor(&mut self, format: Format, chunk_size: u32) -> Result<&mut Decompressor> {
        let key = (format, chunk_size);
        let found = self.decompressors.iter().position(|d| (d.0, d.1) == key);
        let index = match found {
            Some(index) => index,
            None => {
                let new = Decompressor::new(format, chunk_size)?;
                self.decompressors.push((format, chunk_size, new));
                self.decompressors.len() - 1
            }
        };
        Ok(&mut self.decompressors[index].2)
    }
}

impl fmt::Debug for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerState")
            .field("compressors", &self.compressors.len())
            .field("decompressors", &self.decompressors.len())
            .finish_non_exhaustive()
    }
}

/// Runs every task at once, on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline;

impl Workers for Inline {
    fn threads(&self) -> usize {
        1
    }

    fn scope<'env>(&self, drive: Drive<'env>) {
        drive(&Now::default());
    }
}

/// Runs every task at once, but has chunks compressed elsewhere.
#[derive(Clone)]
pub struct InlineWithRemote {
    /// Where.
    pub compressor: Arc<dyn RemoteCompressor>,
    /// How many batches of chunks can be at work there at once.
    pub width: usize,
}

impl Workers for InlineWithRemote {
    fn threads(&self) -> usize {
        self.width.max(1)
    }

    fn scope<'env>(&self, drive: Drive<'env>) {
        let state = WorkerState::with_remote(Arc::clone(&self.compressor));
        drive(&Now(RefCell::new(state)));
    }
}

/// The pool of a host without threads.
#[derive(Default)]
struct Now(RefCell<WorkerState>);

impl<'env> Pool<'env> for Now {
    fn spawn(&self, task: Task<'env>) {
        task(&mut self.0.borrow_mut());
    }
}

/// Results of tasks in the order in which the tasks were queued.
pub struct Ordered<'pool, 'env, T> {
    pool: &'pool dyn Pool<'env>,
    pending: VecDeque<Receiver<T>>,
}

impl<'pool, 'env, T: Send + 'env> Ordered<'pool, 'env, T> {
    /// Without tasks.
    pub fn new(pool: &'pool dyn Pool<'env>) -> Self {
        Self {
            pool,
            pending: VecDeque::new(),
        }
    }

    /// Queues work.
    pub fn submit(&mut self, work: impl FnOnce(&mut WorkerState) -> T + Send + 'env) {
        let (sender, receiver) = one_shot();
        let task = Box::new(move |state: &mut WorkerState| sender.send(work(state)));
        self.pool.spawn(task);
        self.pending.push_back(receiver);
    }

    /// Number of results not yet taken.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Waits for the oldest result; `None` if there is nothing in flight.
    ///
    /// # Errors
    /// [`ErrorKind::Memory`] if a worker died.
    pub fn oldest(&mut self) -> Result<Option<T>> {
        match self.pending.pop_front() {
            None => Ok(None),
            Some(receiver) => receiver
                .receive()
                .map(Some)
                .ok_or_else(|| Error::new(ErrorKind::Memory, "a worker thread ended unexpectedly")),
        }
    }
}

impl<T> fmt::Debug for Ordered<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ordered")
            .field("in_flight", &self.pending.len())
            .finish_non_exhaustive()
    }
}
