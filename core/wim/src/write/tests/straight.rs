//! Large data that is stored as it is, several files at a time.

use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex};

use super::*;
use crate::format::Header;
use crate::port::{Drive, EntryBatch, Node, OpenStream, Pool, Stamp, Task, Wanted, Workers};

/// Workers on threads.
struct Threads(usize);

struct Queue<'env>(Sender<Task<'env>>);

impl<'env> Pool<'env> for Queue<'env> {
    fn spawn(&self, task: Task<'env>) {
        self.0.send(task).unwrap();
    }
}

#[allow(clippy::disallowed_methods, reason = "a test is its own host")]
impl Workers for Threads {
    fn threads(&self) -> usize {
        self.0
    }

    fn scope<'env>(&self, drive: Drive<'env>) {
        let (sender, receiver) = channel::<Task<'env>>();
        let receiver = Mutex::new(receiver);
        std::thread::scope(|scope| {
            for _ in 0..self.0 {
                scope.spawn(|| {
                    let mut state = WorkerState::default();
                    loop {
                        let Ok(task) = receiver.lock().unwrap().recv() else {
                            return;
                        };
                        task(&mut state);
                    }
                });
            }
            drive(&Queue(sender));
        });
    }
}

/// The sizes of files whose data is stored without a detour, in their order, in KiB: as large as those that are
/// held, much larger, of one size, small.
const SIZES: [usize; 14] = [
    4500, 600, 1000, 4096, 700, 9000, 4501, 1, 4200, 4300, 4300, 800, 2, 900,
];

static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| noise(1, 10 << 20));

/// Files of all these sizes but those that are missing; some behave badly.
fn tree(missing: &[usize], troubles: &[(usize, Trouble)]) -> MemorySource {
    let mut source = MemorySource::new();
    for (number, size) in SIZES.into_iter().enumerate() {
        let (path, size) = (format!("{number:02}"), size * 1024 + number / 11);
        let data = &NOISE[number..][..size];
        match troubles.iter().find(|trouble| trouble.0 == number) {
            _ if missing.contains(&number) => {}
            Some(&(_, trouble)) => drop(source.troubled(&path, data, trouble)),
            None => drop(source.file(&path, data)),
        }
    }
    source
}

fn stored(source: &dyn Source, workers: &dyn Workers, integrity: IntegrityChoice) -> Vec<u8> {
    let options = WriteOptions {
        integrity,
        on_unreadable: OnUnreadable::Skip,
        ..options(Compression::None)
    };
    let storage = MemoryStorage::default();
    let scanned = scan(source, options.on_unreadable, &Silent);
    let means = Means {
        workers,
        ..means(&options)
    };
    capture(&storage, image("one", scanned, &[source]), &means).unwrap();
    storage.bytes()
}

#[test]
fn the_archive_is_the_same_however_it_is_written() {
    let source = tree(&[], &[]);
    let bytes = stored(&source, &Inline, IntegrityChoice::Omit);
    for threads in [1, 2, 4] {
        assert!(stored(&source, &Threads(threads), IntegrityChoice::Omit) == bytes);
    }
    assert_sound(bytes.clone());
    // With an integrity table everything is written from front to back.
    let in_order = stored(&source, &Threads(2), IntegrityChoice::Include);
    let data = Header::SIZE..SIZES.iter().sum::<usize>() * 1024;
    assert!(bytes[data.clone()] == in_order[data]);
}

#[test]
fn what_cannot_be_read_leaves_no_gap() {
    use Trouble::{Shrunk, Unreadable};
    for troubles in [
        &[(0, Unreadable)][..],
        &[(2, Shrunk(1 << 19))],
        &[(1, Shrunk(1000)), (2, Unreadable), (4, Shrunk(700_000))],
        &[(5, Shrunk(9_000_000)), (8, Shrunk(4 << 20))],
        &[(11, Shrunk(0)), (13, Unreadable)],
    ] {
        let missing: Vec<usize> = troubles.iter().map(|trouble| trouble.0).collect();
        let (bad, without) = (tree(&[], troubles), tree(&missing, &[]));
        let expected = stored(&without, &Inline, IntegrityChoice::Omit);
        for workers in [&Inline as &dyn Workers, &Threads(3)] {
            let bytes = stored(&bad, workers, IntegrityChoice::Omit);
            assert!(bytes == expected, "{troubles:?}");
        }
    }
}

/// Writes down which files are read, one after the other.
struct Listening {
    tree: MemorySource,
    has_to_seek: bool,
    read: Mutex<Vec<Node>>,
}

struct Listened<'a>(&'a Listening, Node, Box<dyn OpenStream + 'a>);

impl OpenStream for Listened<'_> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.0.read.lock().unwrap().push(self.1);
        self.2.read_at(offset, buffer)
    }

    fn stamp(&mut self) -> Result<Option<Stamp>> {
        self.2.stamp()
    }
}

impl Source for Listening {
    fn name(&self) -> String {
        self.tree.name()
    }

    fn root(&self, wanted: Wanted) -> Result<EntryBatch> {
        self.tree.root(wanted)
    }

    fn read_dir(&self, directory: Node, wanted: Wanted) -> Result<EntryBatch> {
        self.tree.read_dir(directory, wanted)
    }

    fn open(&self, node: Node, stream: u32) -> Result<Box<dyn OpenStream + '_>> {
        let opened = self.tree.open(node, stream)?;
        Ok(Box::new(Listened(self, node, opened)))
    }

    fn inside_root(&self, target: &[u16]) -> Result<Option<usize>> {
        self.tree.inside_root(target)
    }

    fn has_to_seek(&self, _node: Node, _stream: u32) -> bool {
        self.has_to_seek
    }
}

#[test]
fn files_on_a_disk_are_read_one_after_the_other() {
    let changes = |has_to_seek| {
        let source = Listening {
            tree: tree(&[9, 10], &[]),
            has_to_seek,
            read: Mutex::default(),
        };
        stored(&source, &Inline, IntegrityChoice::Omit);
        let mut read = source.read.into_inner().unwrap();
        read.dedup();
        read.len()
    };
    assert_eq!(changes(true), SIZES.len() - 2);
    assert!(changes(false) > 2 * SIZES.len());
}
