//! The first pass over file data: every hash, before anything is written.

use crate::hash::{Hasher, Sha1};
use crate::port::{
    Event, Observer, OnUnreadable, Ordered, Phase, Source, Unit, WorkerState, Workers,
};
use crate::scan::Scanned;
use crate::write::load::Loader;
use crate::write::plan::{Files, Item, Manifest};
use crate::{Error, ErrorKind, Result, text};

/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;
/// Bytes of items that one task hashes.
const BATCH: u64 = 1 << 20;
/// Most items that one task hashes.
const BATCH_ITEMS: usize = 64;
/// Tasks in flight for each worker.
const IN_FLIGHT: usize = 4;

/// Hashes every item and tells the manifest; those that cannot be read are left out if that is allowed.
pub(super) fn hash_all(
    manifest: &mut dyn Manifest,
    loader: &Loader<'_>,
    on_unreadable: OnUnreadable,
    workers: &dyn Workers,
    observer: &dyn Observer,
) -> Result<()> {
    let mut result = Ok(());
    let slot = &mut result;
    workers.scope(Box::new(|pool| {
        let mut driver = Driver {
            queue: Ordered::new(pool),
            loader,
            on_unreadable,
            observer,
            most_in_flight: IN_FLIGHT * workers.threads(),
            done: 0,
            total: (0..manifest.len())
                .map(|number| manifest.item(number).expected.size)
                .fold(0, u64::saturating_add),
        };
        *slot = driver.run(manifest);
    }));
    result
}

/// Reads all data of a scan and fills in the hashes of its contents, without storing anything.
///
/// # Errors
/// [`ErrorKind::Open`], [`ErrorKind::Read`], [`ErrorKind::Changed`] for files; [`ErrorKind::Cancelled`].
pub fn hash_contents(
    scanned: &mut Scanned,
    sources: &[&dyn Source],
    workers: &dyn Workers,
    observer: &dyn Observer,
) -> Result<()> {
    let loader = Loader {
        sources,
        inline: &scanned.inline,
        latest_time: None,
        archives: &[],
    };
    let mut files = Files::new(&mut scanned.image, &scanned.pending);
    hash_all(&mut files, &loader, OnUnreadable::Fail, workers, observer)
}

/// What became of an item.
type Hashed = (Item, Result<(Sha1, bool)>);

struct Driver<'d, 'env> {
    queue: Ordered<'d, 'env, Vec<Hashed>>,
    loader: &'env Loader<'env>,
    on_unreadable: OnUnreadable,
    observer: &'env dyn Observer,
    most_in_flight: usize,
    done: u64,
    total: u64,
}

impl Driver<'_, '_> {
    fn run(&mut self, manifest: &mut dyn Manifest) -> Result<()> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for number in 0..manifest.len() {
            let item = manifest.item(number);
            bytes += item.expected.size;
            batch.push(item);
            if bytes >= BATCH || batch.len() >= BATCH_ITEMS {
                self.submit(std::mem::take(&mut batch));
                bytes = 0;
                while self.queue.in_flight() > self.most_in_flight {
                    self.step(manifest)?;
                }
            }
        }
        self.submit(batch);
        while self.step(manifest)? {}
        Ok(())
    }

    fn submit(&mut self, batch: Vec<Item>) {
        let loader = self.loader;
        self.queue.submit(move |state| {
            let hashed = batch.into_iter();
            hashed
                .map(|item| (item, hash_item(loader, &item, state)))
                .collect()
        });
    }

    /// Takes the oldest results; false if there are none.
    fn step(&mut self, manifest: &mut dyn Manifest) -> Result<bool> {
        if self.observer.cancelled() {
            let what = "stopped while hashing file data";
            return Err(Error::new(ErrorKind::Cancelled, what));
        }
        let Some(batch) = self.queue.oldest()? else {
            return Ok(false);
        };
        for (item, hashed) in batch {
            self.done += item.expected.size;
            let path = |manifest: &dyn Manifest| manifest.path(item.number);
            match hashed {
                Ok((hash, changed)) => {
                    if changed {
                        let path = path(manifest);
                        let path = text::Show(&path);
                        self.observer.event(&Event::Warning(&format!(
                            "{path}: the file was changed while it was being captured"
                        )));
                    }
                    let settled = manifest.settle(item.number, hash);
                    settled.map_err(|error| error.at(text::Show(&path(manifest))))?;
                }
                Err(error) if self.on_unreadable == OnUnreadable::Skip => {
                    self.observer.event(&Event::Skipped {
                        path: &path(manifest),
                        error: &error,
                    });
                    manifest.leave_out(item.number);
                }
                Err(error) => return Err(error.at(text::Show(&path(manifest)))),
            }
        }
        self.observer.event(&Event::Progress {
            phase: Phase::Hash,
            unit: Unit::Bytes,
            done: self.done,
            total: self.total,
        });
        Ok(true)
    }
}

/// Reads an item piece by piece. Also says whether it was changed since the scan.
fn hash_item(loader: &Loader<'_>, item: &Item, state: &mut WorkerState) -> Result<(Sha1, bool)> {
    let size = item.expected.size;
    let mut opened = loader.open(item.origin, size)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; size.min(PIECE) as usize];
    let mut at = 0;
    while at < size {
        let now = (size - at).min(PIECE) as usize;
        opened.read_exact(at, &mut buffer[..now], state)?;
        hasher.update(&buffer[..now]);
        at += now as u64;
    }
    let changed = loader.changed(&mut opened, item.expected)?;
    Ok((hasher.finish(), changed))
}
