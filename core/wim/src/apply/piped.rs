//! Restoring from a pipe: blobs come in the order in which they were written, and only once.

use std::collections::HashMap;

use super::data::Writer;
use super::plan::Plan;
use super::{ApplySummary, Restorer, Run, Selected, whole};
use crate::archive::sweep::{Receiver, hand_over};
use crate::archive::{Archive, BlobId, PipedArchive, PipedHead, PipedPiece};
use crate::hash::{Hasher, Sha1};
use crate::image::{Image, UnixData};
use crate::port::{Ordered, Phase, WorkerState};
use crate::{Error, ErrorKind, Result};

/// Blobs up to this size are held whole, in bytes.
const WHOLE: u64 = 4 << 20;
/// Pieces in flight for each worker.
const IN_FLIGHT: usize = 4;

impl Restorer<'_> {
    /// Restores an image, from 1, from a pipe of which only header and XML data have been read: `known`
    /// is what [`PipedArchive::open`] has given with it. The pipe is read to its end.
    ///
    /// # Errors
    /// As [`Self::restore`]; [`ErrorKind::MissingBlob`] if the pipe ends before everything has come.
    pub fn apply_piped(
        &self,
        piped: &mut PipedArchive<'_>,
        mut known: Archive,
        index: u32,
    ) -> Result<ApplySummary> {
        let mended = &mut |finding| self.tell(index, &finding);
        let image = piped.read_image(&mut known, index, mended)?;
        self.restore_piped(piped, &known, &image, &whole(&image))
    }

    /// Restores parts of an image from a pipe of which everything in front of the file data has been
    /// read: `image` is from [`PipedArchive::read_image`], which has entered its data into `known`. The
    /// pipe is read to its end.
    ///
    /// # Errors
    /// As [`Self::apply_piped`].
    pub fn restore_piped(
        &self,
        piped: &mut PipedArchive<'_>,
        known: &Archive,
        image: &Image,
        selected: &[Selected],
    ) -> Result<ApplySummary> {
        let plan = Plan::new(known, image, selected, self)?;
        let writer = Writer::new(known, image, &plan, self);
        let run = Run::begin(&plan, &writer, self)?;
        let wanted = plan.blobs.iter().enumerate();
        let wanted: HashMap<Sha1, usize> = wanted
            .map(|(index, &id)| (known.blobs.get(id).hash, index))
            .collect();
        let unix_wanted = plan.unix_to_come.keys();
        let unix_wanted = unix_wanted.map(|&id| (known.blobs.get(id).hash, id));
        let mut outcome = None;
        let slot = &mut outcome;
        self.workers.scope(Box::new(|pool| {
            let mut driver = Driver {
                queue: Ordered::new(pool),
                piped,
                run: &run,
                most_in_flight: IN_FLIGHT * self.workers.threads(),
                wanted,
                unix_wanted: unix_wanted.collect(),
                unix_come: HashMap::new(),
                done: 0,
                bytes: 0,
                damaged: 0,
                open: None,
                coming: 0,
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
        run.end(ApplySummary {
            bytes: came.bytes,
            damaged: came.damaged,
            ..ApplySummary::default()
        })
    }
}

/// What has come through the pipe.
struct Came {
    unix: HashMap<BlobId, UnixData>,
    bytes: u64,
    damaged: u64,
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

struct Driver<'d, 'env, 'p, 'w> {
    queue: Ordered<'d, 'env, Done>,
    piped: &'d mut PipedArchive<'p>,
    run: &'env Run<'env, 'w>,
    most_in_flight: usize,
    /// What has not come yet, by hash.
    wanted: HashMap<Sha1, usize>,
    /// The same for UNIX data that is a stream.
    unix_wanted: HashMap<Sha1, BlobId>,
    unix_come: HashMap<BlobId, UnixData>,
    done: u64,
    bytes: u64,
    damaged: u64,
    open: Option<Open>,
    /// Bytes that are written for the blobs that have come.
    coming: u64,
}

impl Driver<'_, '_, '_, '_> {
    fn run(&mut self) -> Result<()> {
        while !(self.wanted.is_empty() && self.unix_wanted.is_empty()) {
            let Some(head) = self.piped.next_blob()? else {
                return Err(self.missing());
            };
            let index = self.wanted.remove(&head.hash);
            let unix = self.unix_wanted.remove(&head.hash);
            if let Some(index) = index {
                let more = self.run.plan.bytes_written(index, head.size);
                self.coming = self.coming.saturating_add(more);
                self.run.to.options.check_size(self.coming)?;
            }
            match (index, unix) {
                (None, None) => self.piped.skip(head)?,
                (index, Some(unix)) if head.size == UnixData::OLD_SIZE => {
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
        let pieces = self.pieces(head)?;
        let (data, damage) = decode(pieces, head, &mut WorkerState::default());
        let damage = match index {
            Some(index) => hand_over(self.run.writer, index, &data, head.hash, damage)?,
            None => damage.or_else(|| Sha1::of(&data).must_be(&head.hash).err()),
        };
        if damage.is_none()
            && let Some(found) = UnixData::decode_old(&data)
        {
            self.unix_come.insert(unix, found);
        }
        match (index, damage) {
            (Some(index), damage) => self.finished(index, head.size, damage),
            (None, Some(error)) => self.run.to.damaged(error.at("owners and modes")),
            (None, None) => Ok(()),
        }
    }

    /// The files that hold a blob, for messages.
    fn name(&self, index: usize) -> String {
        self.run.show_files(self.run.plan.files_of_blob(index))
    }

    fn missing(&self) -> Error {
        let some = self.wanted.values().min().copied();
        let name = some.map_or("owners and modes".to_owned(), |index| self.name(index));
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
        let pieces = self.pieces(head)?;
        self.make_room()?;
        let receiver = self.run.writer;
        self.queue.submit(move |state| {
            let (data, damage) = decode(pieces, head, state);
            Done::Whole {
                index,
                size: head.size,
                result: hand_over(receiver, index, &data, head.hash, damage),
            }
        });
        Ok(())
    }

    /// All of a blob that is small enough to be held.
    fn pieces(&mut self, head: PipedHead) -> Result<Vec<PipedPiece>> {
        let mut pieces = Vec::new();
        self.piped.pieces(head, &mut |piece| {
            pieces.push(piece);
            Ok(())
        })?;
        Ok(pieces)
    }

    fn large(&mut self, index: usize, head: PipedHead) -> Result<()> {
        while self.step()? {}
        self.run.writer.begin(index, head.size)?;
        self.open = Some(Open {
            index,
            head,
            hasher: Hasher::new(),
            damage: None,
        });
        // The queue and the pipe are both needed below.
        let mut offset = 0;
        let receiver = self.run.writer;
        let most_in_flight = self.most_in_flight;
        let (queue, open, run) = (&mut self.queue, &mut self.open, self.run);
        self.piped.pieces(head, &mut |piece| {
            while queue.in_flight() > most_in_flight {
                if let Some(Done::Part { data, handed }) = queue.oldest()? {
                    take_part(open, data, handed)?;
                }
            }
            run.check_cancelled()?;
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
        let damage = open.damage.or_else(|| hash.must_be(&open.head.hash).err());
        self.run.writer.end(open.index, damage.as_ref())?;
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
        self.run.check_cancelled()?;
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
            self.run.to.damaged(error.at(self.name(index)))?;
            self.damaged += self.run.plan.files_of_blob(index).len() as u64;
        }
        self.done += 1;
        self.bytes += size;
        let files = self.run.plan.blobs.len();
        self.run.progress(Phase::ExtractData, self.done, files);
        Ok(())
    }
}

/// The data of a blob, with zeros for what could not be decoded.
fn decode(
    pieces: Vec<PipedPiece>,
    head: PipedHead,
    state: &mut WorkerState,
) -> (Vec<u8>, Option<Error>) {
    let mut data = Vec::new();
    let decoded = pieces
        .into_iter()
        .try_for_each(|piece| piece.decode(state).map(|piece| data.extend(piece)));
    data.resize(head.size as usize, 0);
    (data, decoded.err())
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
