//! Several instances of the component that compress chunks, each on a thread of its own.

use std::collections::HashMap;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use wasmtime::Result;
use wasmtime::component::{Resource, ResourceAny};

use crate::bindings::wimforge::imaging::types::{Compression, ErrorCode};
use crate::bindings::wimforge::imaging::workers;
use crate::library::{Instance, Library};
use crate::ports::State;

type Packed = std::result::Result<Vec<Option<Vec<u8>>>, ErrorCode>;

/// Instances on threads. They end when it is dropped.
pub struct Pool {
    queue: Option<Sender<(workers::Batch, Sender<Packed>)>>,
    threads: Vec<JoinHandle<()>>,
}

/// A batch at work.
pub struct Job(Receiver<Packed>);

impl Pool {
    /// So many instances of the library.
    ///
    /// # Errors
    /// If it cannot be instantiated.
    pub fn new(library: &Library, instances: usize) -> Result<Self> {
        let (queue, batches) = unbounded::<(workers::Batch, Sender<Packed>)>();
        let mut threads = Vec::new();
        for _ in 0..instances {
            let mut worker = Worker::new(library.instantiate()?);
            let batches = batches.clone();
            threads.push(std::thread::spawn(move || {
                for (batch, result) in batches {
                    // The writer may have given up meanwhile.
                    let _ = result.send(worker.compress(&batch));
                }
            }));
        }
        let queue = Some(queue);
        Ok(Self { queue, threads })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has told why.
            let _ = thread.join();
        }
    }
}

/// An instance with the compressors that it made.
struct Worker {
    instance: Instance,
    compressors: HashMap<(u8, u32, u32), ResourceAny>,
}

impl Worker {
    fn new(instance: Instance) -> Self {
        Self {
            instance,
            compressors: HashMap::new(),
        }
    }

    fn compress(&mut self, batch: &workers::Batch) -> Packed {
        let compressor = self.compressor(batch.format, batch.chunk_size, batch.level)?;
        let Instance { store, imaging } = &mut self.instance;
        let codec = imaging.wimforge_imaging_codec().compressor();
        let packed = codec.call_compress(store, compressor, &batch.chunks);
        packed.unwrap_or_else(|trap| Err(ErrorCode::Other(Some(trap.to_string()))))
    }

    fn compressor(
        &mut self,
        format: Compression,
        chunk_size: u32,
        level: u32,
    ) -> std::result::Result<ResourceAny, ErrorCode> {
        let key = (format as u8, chunk_size, level);
        if let Some(&known) = self.compressors.get(&key) {
            return Ok(known);
        }
        let Instance { store, imaging } = &mut self.instance;
        let codec = imaging.wimforge_imaging_codec().compressor();
        let made = codec.call_create(store, format, chunk_size, level);
        let made = made.unwrap_or_else(|trap| Err(ErrorCode::Other(Some(trap.to_string()))))?;
        self.compressors.insert(key, made);
        Ok(made)
    }
}

impl workers::Host for State {}

impl workers::HostPool for State {
    fn width(&mut self, pool: Resource<Pool>) -> Result<u32> {
        Ok(self.table.get(&pool)?.threads.len() as u32)
    }

    fn submit(
        &mut self,
        pool: Resource<Pool>,
        batch: workers::Batch,
    ) -> Result<std::result::Result<Resource<Job>, ErrorCode>> {
        let (result, job) = bounded(1);
        let queue = self.table.get(&pool)?.queue.as_ref();
        if queue.is_none_or(|queue| queue.send((batch, result)).is_err()) {
            return Ok(Err(ErrorCode::Other(Some("all workers have ended".into()))));
        }
        Ok(Ok(self.table.push(Job(job))?))
    }

    fn drop(&mut self, pool: Resource<Pool>) -> Result<()> {
        self.table.delete(pool)?;
        Ok(())
    }
}

impl workers::HostJob for State {
    fn wait(&mut self, job: Resource<Job>) -> Result<Packed> {
        let result = self.table.get(&job)?.0.recv();
        Ok(result.unwrap_or_else(|_| Err(ErrorCode::Other(Some("a worker has ended".into())))))
    }

    fn drop(&mut self, job: Resource<Job>) -> Result<()> {
        self.table.delete(job)?;
        Ok(())
    }
}
