//! The pipeline: read, hash, compress, write.
//!
//! ```text
//! items in plan order
//!   small ones, about 512 KiB together ─▶ load (parallel: open, read, SHA-1)
//!       in order: known already? ─▶ forget      new? ─▶ claim the hash, cut into chunks
//!   about 256 KiB of chunks ─▶ compress (parallel)
//!       in order: collect the blob's chunks, write it when it is complete
//! ```
//!
//! One queue carries both kinds of work and gives results back in the order of submission; since
//! every decision is taken when a result comes back, in that order, what is written does not depend
//! on the number of workers. The bytes in flight are bounded; only the driver takes from that budget,
//! so it can always drain the queue and there is no deadlock.
//!
//! An item that is larger than a batch is held in several buffers of the same size as that of a batch,
//! so that the same memory serves both. An item above [`LARGE`] is never held whole. Before it begins, everything before it has been
//! loaded and queued. If no other data has its size it cannot be a duplicate and is read once:
//! pieces are read and compressed in parallel, hashed in order (`relay`), and written as they come. Otherwise
//! it is hashed first and read again only if it is new. If it is stored as it is and read once, several such items
//! are on their way at once (`straight`).
//!
//! For a solid resource nothing but loading is different: the data of new blobs is added to it in the
//! order in which it was loaded (`solid`).

mod admitting;
mod collecting;
mod jobs;
mod large;
mod relay;
mod solid;
mod storing;
mod straight;
mod stripe;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use wimforge_codec::Level;

use self::collecting::Collecting;
use self::jobs::{Done, load_batch, load_held, stopped};
pub(super) use self::jobs::{Packing, compress_chunks};
use self::large::Large;
use self::relay::Relay;
pub(super) use self::solid::SolidWriter;
pub use self::solid::{SolidOptions, SolidOrder};
use self::storing::Run;
use self::straight::Straight;
use super::buffers::Buffers;
use super::load::Loader;
use super::output::Output;
use super::plan::{Item, Manifest};
use crate::archive::BlobPool;
use crate::format::Compression;
use crate::port::{Observer, OnUnreadable, Ordered, Pool, Workers};
use crate::{Error, ErrorKind, Result};

/// Items up to this size are held whole, in bytes.
const LARGE: u64 = 4 << 20;
/// Bytes of small items that are loaded together.
const LOAD_BATCH: u64 = 512 << 10;
/// Most items that are loaded together.
const LOAD_ITEMS: usize = 64;
/// Bytes of data in flight: what keeps the driver busy, and for each worker what it has at hand.
/// Nothing that is written depends on it.
const BUDGET: u64 = 1 << 20;
const BUDGET_PER_WORKER: u64 = 2 << 20;

/// How data is packed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackOptions {
    pub compression: Compression,
    pub level: Level,
    /// Data goes into a solid resource instead of one for each blob.
    pub solid: Option<SolidOptions>,
    pub on_unreadable: OnUnreadable,
}

/// What packing needs from outside.
pub(crate) struct Context<'a> {
    pub loader: &'a Loader<'a>,
    pub options: PackOptions,
    pub workers: &'a dyn Workers,
    pub observer: &'a dyn Observer,
    /// Bytes that the progress counts as done before anything is packed.
    pub done_before: u64,
}

/// Reads everything in the manifest, stores what is new, and tells the manifest the hashes.
pub(crate) fn pack(
    manifest: &mut dyn Manifest,
    pool: &mut BlobPool,
    output: &mut Output<'_>,
    context: &Context<'_>,
) -> Result<()> {
    let mut result = None;
    let slot = &mut result;
    context.workers.scope(Box::new(move |threads| {
        let mut driver = Driver::new(threads, manifest, pool, output, context);
        *slot = Some(driver.run());
    }));
    result.unwrap_or_else(|| Err(Error::new(ErrorKind::Memory, "the host ran no worker")))
}

struct Driver<'d, 'env, 'o> {
    queue: Ordered<'d, 'env, Done>,
    manifest: &'d mut dyn Manifest,
    pool: &'d mut BlobPool,
    output: &'d mut Output<'o>,
    loader: &'env Loader<'env>,
    options: PackOptions,
    observer: &'env dyn Observer,
    buffers: Arc<Buffers>,
    /// Loads in flight.
    loading: usize,
    /// Bytes in flight, and how many there may be.
    in_flight: u64,
    budget: u64,
    run: Run,
    collecting: VecDeque<Collecting>,
    /// Where the data goes if it does not get resources of its own.
    solid: Option<SolidWriter<'d, 'env>>,
    /// The number that the solid resource will have in the pool.
    next_solid: u32,
    /// How many items above [`LOAD_BATCH`] have each size, in the plan and in the pool.
    sizes: HashMap<u64, u32>,
    /// Who may hash, and the number of the next turn.
    relay: Arc<Relay>,
    turns: u64,
    straight: Straight<'env>,
    /// The large item being read.
    large: Option<Large>,
    done_bytes: u64,
    total_bytes: u64,
}

impl<'d, 'env, 'o> Driver<'d, 'env, 'o> {
    fn new(
        threads: &'d dyn Pool<'env>,
        manifest: &'d mut dyn Manifest,
        pool: &'d mut BlobPool,
        output: &'d mut Output<'o>,
        context: &'env Context<'env>,
    ) -> Self {
        let sizes = (0..manifest.len()).map(|number| manifest.item(number).expected.size);
        let bytes = sizes.fold(0, u64::saturating_add);
        let workers = context.workers.threads();
        let solid = context.options.solid;
        let next_solid = pool.solids.len() as u32;
        Self {
            queue: Ordered::new(threads),
            manifest,
            pool,
            output,
            loader: context.loader,
            options: context.options,
            observer: context.observer,
            buffers: Arc::default(),
            loading: 0,
            in_flight: 0,
            budget: BUDGET + BUDGET_PER_WORKER * workers as u64,
            run: Run::default(),
            collecting: VecDeque::new(),
            solid: solid.map(|options| {
                SolidWriter::new(threads, workers, options, bytes, context.observer)
            }),
            next_solid,
            sizes: HashMap::new(),
            relay: Arc::default(),
            turns: 0,
            straight: Straight::default(),
            large: None,
            done_bytes: context.done_before,
            total_bytes: context.done_before.saturating_add(bytes),
        }
    }

    fn run(&mut self) -> Result<()> {
        self.count_sizes();
        self.report();
        let mut batch = Vec::new();
        let mut batch_bytes = 0;
        for number in 0..self.manifest.len() {
            let item = self.manifest.item(number);
            let size = item.expected.size;
            if batch_bytes + size > LOAD_BATCH {
                self.load(std::mem::take(&mut batch), batch_bytes)?;
                batch_bytes = 0;
            }
            if size > LOAD_BATCH {
                self.item_alone(item)?;
                continue;
            }
            batch.push(item);
            batch_bytes += size;
            if batch.len() >= LOAD_ITEMS {
                self.load(std::mem::take(&mut batch), batch_bytes)?;
                batch_bytes = 0;
            }
        }
        self.load(batch, batch_bytes)?;
        self.run_lanes_out()?;
        self.drain_loads()?;
        self.submit_run();
        while self.step()? {}
        if let Some(solid) = self.solid.take()
            && let Some(solid) = solid.finish(self.output)?
        {
            self.pool.solids.push(solid);
        }
        self.report();
        Ok(())
    }

    /// Notes which of the sizes above a batch's occur more than once.
    fn count_sizes(&mut self) {
        let in_pool = self.pool.iter().map(|(_, blob)| blob.size);
        let manifest = &*self.manifest;
        let in_plan = (0..manifest.len()).map(|number| manifest.item(number).expected.size);
        for size in in_pool.chain(in_plan).filter(|&size| size > LOAD_BATCH) {
            *self.sizes.entry(size).or_insert(0) += 1;
        }
    }

    /// Whether nothing else has this size, which is above [`LOAD_BATCH`]: then it cannot be a duplicate.
    fn occurs_once(&self, size: u64) -> bool {
        self.sizes.get(&size).is_none_or(|&count| count < 2)
    }

    /// The turn to hash of the task that is queued next, which must take it.
    fn next_turn(&mut self) -> (Arc<Relay>, u64) {
        self.turns += 1;
        (Arc::clone(&self.relay), self.turns - 1)
    }

    /// Takes on an item that is larger than a batch.
    fn item_alone(&mut self, item: Item) -> Result<()> {
        if self.goes_straight(&item) {
            self.drain_loads()?;
            return self.begin_straight(item);
        }
        self.run_lanes_out()?;
        match item.expected.size > LARGE {
            true => self.large_item(item),
            false => self.load_alone(item),
        }
    }

    /// Queues a batch of small items, once there is room for it.
    fn load(&mut self, items: Vec<Item>, bytes: u64) -> Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        self.run_lanes_out()?;
        self.make_room(bytes)?;
        self.in_flight += bytes;
        self.loading += 1;
        let loader = self.loader;
        let buffers = Arc::clone(&self.buffers);
        self.queue.submit(move |state| {
            let buffer = buffers.take(bytes as usize);
            load_batch(loader, items, buffer, state)
        });
        Ok(())
    }

    /// Queues an item that is held in several buffers.
    fn load_alone(&mut self, item: Item) -> Result<()> {
        let bytes = item.expected.size;
        self.make_room(bytes)?;
        self.in_flight += bytes;
        self.loading += 1;
        let piece = self.piece();
        let loader = self.loader;
        let buffers = Arc::clone(&self.buffers);
        self.queue.submit(move |state| {
            let held = load_held(loader, &item, piece, &buffers, state);
            Done::Held { item, held }
        });
        Ok(())
    }

    /// Bytes of the pieces in which large items are read: whole chunks, since all sizes are powers of two.
    fn piece(&self) -> u64 {
        LOAD_BATCH.max(u64::from(self.options.compression.chunk_size()))
    }

    /// Takes results until `bytes` more fit into the budget, or nothing is in flight.
    fn make_room(&mut self, bytes: u64) -> Result<()> {
        while self.in_flight > 0 && self.in_flight + bytes > self.budget {
            if !self.step()? {
                // Everything left in flight waits for a compression task that was not queued yet.
                if self.run.is_empty() {
                    break;
                }
                self.submit_run();
            }
        }
        Ok(())
    }

    /// Takes results until no load is in flight any more.
    fn drain_loads(&mut self) -> Result<()> {
        while self.loading > 0 {
            self.step()?;
        }
        Ok(())
    }

    /// Takes the oldest result and acts on it; false if there is none.
    fn step(&mut self) -> Result<bool> {
        if self.observer.cancelled() {
            return Err(stopped());
        }
        let Some(done) = self.queue.oldest()? else {
            return Ok(false);
        };
        match done {
            Done::Loaded {
                items,
                buffer,
                read,
            } => {
                self.loading -= 1;
                self.batch_loaded(items, buffer, read)?;
            }
            Done::Held { item, held } => {
                self.loading -= 1;
                self.item_loaded(&item, held)?;
            }
            Done::Packed(chunks) => {
                for chunk in chunks?.wait()? {
                    self.collect(chunk)?;
                }
            }
            Done::Piece { piece, len } => self.large_piece(piece, len)?,
            Done::Stripe(stripe) => self.stripe_read(stripe)?,
        }
        Ok(true)
    }
}
