//! Restoring from a pipe: blobs come in the order in which they were written, and only once.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

use super::data::Writer;
use super::plan::{OLD_UNIX_SIZE, Plan, decode_old_unix_data};
use super::{ApplyOptions, ApplySummary, Run, Selected};
use crate::archive::sweep::Receiver;
use crate::archive::{Archive, BlobId, PipedArchive, PipedHead, PipedPiece};
use crate::hash::{Hasher, Sha1};
use crate::image::{Image, UnixData};
use crate::port::{Event, Observer, Ordered, Phase, Target, Unit, Workers};
use crate::{Error, ErrorKind, Result};

/// Blobs up to this size are held whole, in bytes.
const WHOLE: u64 = 4 << 20;
/// Pieces in flight for each worker.
const IN_FLIGHT: usize = 4;

/// Restores an image, from 1, to a target, from a pipe of which only header and XML data have been read:
/// `known` is what [`PipedArchive::open`] has given with it. The pipe is read to its end.
///
/// # Errors
/// As [`super::restore`]; [`ErrorKind::MissingBlob`] if the pipe ends before everything has come.
pub fn apply_piped(
    piped: &mut PipedArchive<'_>,
    mut known: Archive,
    index: u32,
    target: &dyn Target,
    options: &ApplyOptions,
    workers: &dyn Workers,
    observer: &dyn Observer,
) -> Result<ApplySummary> {
    let image = piped.read_image(&mut known, index, &mut |finding| {
        if finding.mended {
            let what = &finding.what;
            observer.event(&Event::Warning(&format!("image {index}: {what}")));
        }
    })?;
    let all = whole(&image);
    restore_piped(
        piped, &known, &image, &all, target, options, workers, observer,
    )
}

/// Restores parts of an image to a target, from a pipe of which everything in front of the file data has
/// been read: `image` is from [`PipedArchive::read_image`], which has entered its data into `known`. The
/// pipe is read to its end.
///
/// # Errors
/// As [`apply_piped`].
#[allow(clippy::too_many_arguments)] // What `restore` has, and the pipe.
pub fn restore_piped(
    piped: &mut PipedArchive<'_>,
    known: &Archive,
    image: &Image,
    selected: &[Selected],
    target: &dyn Target,
    options: &ApplyOptions,
    workers: &dyn Workers,
    observer: &dyn Observer,
) -> Result<ApplySummary> {
    let plan = Plan::new(known, image, selected, target, options, observer)?;
    let fix_links = options.fixes_links(known.header());
    let writer = Writer::new(known, image, &plan, target, options, fix_links);
    let run = Run {
        plan: &plan,
        writer: &writer,
        target,
        workers,
        observer,
        created: AtomicU64::new(0),
    };
    run.begin()?;
    let wanted = plan.blobs.iter().enumerate();
    let wanted: HashMap<Sha1, usize> = wanted
        .map(|(index, &id)| (known.blobs.get(id).hash, index))
        .collect();
    let unix_wanted = plan.unix_to_come.keys();
    let unix_wanted = unix_wanted.map(|&id| (known.blobs.get(id).hash, id));
    let mut outcome = None;
    let slot = &mut outcome;
    workers.scope(Box::new(|pool| {
        let mut driver = Driver {
            queue: Ordered::new(pool),
            piped,
            receiver: &writer,
            observer,
            most_in_flight: IN_FLIGHT * workers.threads(),
            wanted,
            unix_wanted: unix_wanted.collect(),
            unix_come: HashMap::new(),
            files: plan.blobs.len() as u64,
            done: 0,
            bytes: 0,
            damaged: 0,
            open: None,
            recover: options.recover_data,
            coming: 0,
            check: &|index, size, before| {
                let all = plan.bytes_written(index, size).saturating_add(before);
                options.check_size(all).map(|()| all)
            },
            name: &|index| run.show_files(plan.files_of_blob(index)),
        };
        *slot = Some(driver.run().map(|()| Came {
            unix: std::mem::take(&mut driver.unix_come),
            bytes: driver.bytes,
            damaged: driver.damaged,
        }));
    }));
    let ended =
        outcome.unwrap_or_else(|| Err(Error::new(ErrorKind::Memory, "the host ran no worker")));
    let came = ended?;
    writer.late_metadata(&plan.learn_unix_data(&came.unix))?;
    run.set_directory_metadata()?;
    writer.warn(observer);
    Ok(ApplySummary {
        bytes: came.bytes,
        damaged: came.damaged,
        ..run.summary()
    })
}

/// What has come through the pipe.
struct Came {
    unix: HashMap<BlobId, UnixData>,
    bytes: u64,
    damaged: u64,
}

fn whole(image: &Image) -> Vec<Selected> {
    let root = image.root().map(|dentry| Selected {
        dentry,
        path: Vec::new(),
    });
    Vec::from_iter(root)
}

/// What comes back from a worker.
enum Done {
    /// A blob was decoded, checked and handed over.
    Whole {
        index: usize,
        size: u64,
        result: Result<Option<Error>>,
    },
    /// A piece of the open blob was decoded and handed over.
    Part {
        data: Result<Vec<u8>>,
        handed: Result<()>,
    },
}

/// A large blob that is coming.
struct Open {
    index: usize,
    head: PipedHead,
    hasher: Hasher,
    damage: Option<Error>,
}

struct Driver<'d, 'env, 'p> {
    queue: Ordered<'d, 'env, Done>,
    piped: &'d mut PipedArchive<'p>,
    receiver: &'env dyn Receiver,
    observer: &'env dyn Observer,
    most_in_flight: usize,
    /// What has not come yet, by hash.
    wanted: HashMap<Sha1, usize>,
    /// The same for UNIX data that is a stream.
    unix_wanted: HashMap<Sha1, BlobId>,
    unix_come: HashMap<BlobId, UnixData>,
    files: u64,
    done: u64,
    bytes: u64,
    damaged: u64,
    open: Option<Open>,
    recover: bool,
    name: &'d dyn Fn(usize) -> String,
    /// Bytes that are written for the blobs that have come.
    coming: u64,
    /// Adds those for a blob of a size, unless these are too many.
    check: &'d dyn Fn(usize, u64, u64) -> Result<u64>,
}

impl Driver<'_, '_, '_> {
    fn run(&mut self) -> Result<()> {
        while !(self.wanted.is_empty() && self.unix_wanted.is_empty()) {
            let Some(head) = self.piped.next_blob()? else {
                return Err(self.missing());
            };
            let index = self.wanted.remove(&head.hash);
            let unix = self.unix_wanted.remove(&head.hash);
            if let Some(index) = index {
                self.coming = (self.check)(index, head.size, self.coming)?;
            }
            match (index, unix) {
                (None, None) => self.piped.skip(head)?,
                (index, Some(unix)) if head.size == OLD_UNIX_SIZE => {
                    self.unix_data(index, unix, head)?;
                }
                (None, Some(_)) => self.piped.skip(head)?,
                (Some(index), _) if head.size <= WHOLE => self.small(index, head)?,
                (Some(index), _) => self.large(index, head)?,
            }
        }
        while self.step()? {}
        self.piped.drain();
        Ok(())
    }

    /// UNIX data that is a stream, and perhaps the data of a file too.
    fn unix_data(&mut self, index: Option<usize>, unix: BlobId, head: PipedHead) -> Result<()> {
        let data = self.piped.whole(head)?;
        if let Some(found) = decode_old_unix_data(&data) {
            self.unix_come.insert(unix, found);
        }
        match index {
            None => Ok(()),
            Some(index) => {
                self.receiver.whole(index, &data, None)?;
                self.finished(index, head.size, None)
            }
        }
    }

    fn missing(&self) -> Error {
        let some = self.wanted.values().min().copied();
        let name = some.map_or("owners and modes".to_owned(), |index| (self.name)(index));
        let count = self.wanted.len() + self.unix_wanted.len();
        Error::new(
            ErrorKind::MissingBlob,
            format!(
                "the pipe ended before the data of {name} came ({count} missing in all); for a \
                 delta the base has to follow in the pipe"
            ),
        )
    }

    fn small(&mut self, index: usize, head: PipedHead) -> Result<()> {
        let mut pieces: Vec<PipedPiece> = Vec::new();
        self.piped.pieces(head, &mut |piece| {
            pieces.push(piece);
            Ok(())
        })?;
        self.make_room()?;
        let receiver = self.receiver;
        self.queue.submit(move |state| {
            let mut data = Vec::new();
            let decoded = pieces
                .into_iter()
                .try_for_each(|piece| piece.decode(state).map(|piece| data.extend(piece)));
            let damage = decoded.err().or_else(|| wrong_hash(Sha1::of(&data), &head));
            // What could not be decoded is zeros.
            data.resize(head.size as usize, 0);
            let handed = match damage.is_none() || receiver.takes_damaged() {
                true => receiver.whole(index, &data, damage.as_ref()),
                false => Ok(()),
            };
            Done::Whole {
                index,
                size: head.size,
                result: handed.map(|()| damage),
            }
        });
        Ok(())
    }

    fn large(&mut self, index: usize, head: PipedHead) -> Result<()> {
        while self.step()? {}
        self.receiver.begin(index, head.size)?;
        self.open = Some(Open {
            index,
            head,
            hasher: Hasher::new(),
            damage: None,
        });
        // The queue and the pipe are both needed below.
        let mut offset = 0;
        let receiver = self.receiver;
        let most_in_flight = self.most_in_flight;
        let (queue, open, observer) = (&mut self.queue, &mut self.open, self.observer);
        self.piped.pieces(head, &mut |piece| {
            while queue.in_flight() > most_in_flight {
                if let Some(Done::Part { data, handed }) = queue.oldest()? {
                    take_part(open, data, handed)?;
                }
            }
            if observer.cancelled() {
                return Err(cancelled());
            }
            let at = offset;
            offset += piece.len();
            queue.submit(move |state| {
                let data = piece.decode(state);
                let handed = match &data {
                    Ok(data) => receiver.part(index, at, data),
                    Err(_) => Ok(()),
                };
                Done::Part { data, handed }
            });
            Ok(())
        })?;
        while self.step()? {}
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let hash = open.hasher.finish();
        let damage = open.damage.or_else(|| wrong_hash(hash, &open.head));
        self.receiver.end(open.index, damage.as_ref())?;
        self.finished(open.index, open.head.size, damage)
    }

    fn make_room(&mut self) -> Result<()> {
        while self.queue.in_flight() > self.most_in_flight {
            self.step()?;
        }
        Ok(())
    }

    /// Takes the oldest result; false if there is none.
    fn step(&mut self) -> Result<bool> {
        if self.observer.cancelled() {
            return Err(cancelled());
        }
        match self.queue.oldest()? {
            None => return Ok(false),
            Some(Done::Part { data, handed }) => take_part(&mut self.open, data, handed)?,
            Some(Done::Whole {
                index,
                size,
                result,
            }) => {
                let damage = result?;
                self.finished(index, size, damage)?;
            }
        }
        Ok(true)
    }

    /// All data of a blob was handed over.
    fn finished(&mut self, index: usize, size: u64, damage: Option<Error>) -> Result<()> {
        if let Some(error) = damage {
            let error = error.at((self.name)(index));
            if !self.recover {
                return Err(error);
            }
            self.damaged += 1;
            self.observer.event(&Event::Warning(&format!(
                "restored as far as possible: {error}"
            )));
        }
        self.done += 1;
        self.bytes += size;
        self.observer.event(&Event::Progress {
            phase: Phase::ExtractData,
            unit: Unit::Items,
            done: self.done,
            total: self.files,
        });
        Ok(())
    }
}

fn take_part(open: &mut Option<Open>, data: Result<Vec<u8>>, handed: Result<()>) -> Result<()> {
    handed?;
    if let Some(open) = open {
        match data {
            Ok(data) => open.hasher.update(&data),
            Err(error) => {
                open.damage.get_or_insert(error);
            }
        }
    }
    Ok(())
}

fn wrong_hash(hash: Sha1, head: &PipedHead) -> Option<Error> {
    (hash != head.hash).then(|| {
        let what = format!("the data has SHA-1 {hash} instead of {}", head.hash);
        Error::new(ErrorKind::HashMismatch, what)
    })
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "stopped while restoring")
}
