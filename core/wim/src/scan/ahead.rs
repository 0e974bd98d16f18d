//! Directories that workers read before the walk comes to them.
//!
//! Half of the time of a scan is spent in the system, finding out about one file after the other, and
//! the other half in building the image; so the two are done at the same time.

use super::walk::Directory;
use crate::port::one_shot::{Receiver, one_shot};
use crate::port::{EntryBatch, Pool, Source, Wanted};
use crate::{Error, ErrorKind, Result};

/// What a worker makes of a directory.
pub(super) type Coming = Receiver<Result<EntryBatch>>;

/// Most directories that are read ahead: enough to keep the workers busy, few enough for their
/// entries not to matter beside the image.
const MOST: usize = 4;

/// Reads directories, ahead where there are workers.
pub(super) struct ReadAhead<'pool, 'env> {
    source: &'env dyn Source,
    wanted: Wanted,
    /// Where directories are read ahead.
    pool: Option<&'pool dyn Pool<'env>>,
    /// How many more may be.
    free: usize,
}

impl<'pool, 'env> ReadAhead<'pool, 'env> {
    pub fn new(
        source: &'env dyn Source,
        wanted: Wanted,
        pool: Option<&'pool dyn Pool<'env>>,
        workers: usize,
    ) -> Self {
        Self {
            source,
            wanted,
            pool,
            free: workers.min(MOST),
        }
    }

    /// Has the directories read that come next: the last ones of `todo`.
    pub fn announce(&mut self, todo: &mut [Directory]) {
        let Some(pool) = self.pool else { return };
        for directory in todo.iter_mut().rev().take(MOST) {
            if self.free == 0 {
                return;
            }
            if directory.coming.is_some() {
                continue;
            }
            let (source, wanted, node) = (self.source, self.wanted, directory.node);
            let (sender, receiver) = one_shot();
            pool.spawn(Box::new(move |_| {
                sender.send(source.read_dir(node, wanted));
            }));
            directory.coming = Some(receiver);
            self.free -= 1;
        }
    }

    /// The entries of a directory.
    pub fn read(&mut self, directory: &mut Directory) -> Result<EntryBatch> {
        let Some(coming) = directory.coming.take() else {
            return self.source.read_dir(directory.node, self.wanted);
        };
        self.free += 1;
        coming.receive().unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Memory,
                "a worker thread ended unexpectedly",
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::ThreadId;

    use super::*;
    use crate::port::memory_source::MemorySource;
    use crate::port::{
        Drive, Inline, Node, OnUnreadable, OpenStream, Silent, Task, WorkerState, Workers,
    };
    use crate::scan::{ScanOptions, Scanned, Scanner};

    /// One thread for each task.
    struct Threads;

    struct Spawn<'scope, 'env>(&'scope std::thread::Scope<'scope, 'env>);

    impl<'env> Pool<'env> for Spawn<'_, 'env> {
        fn spawn(&self, task: Task<'env>) {
            self.0.spawn(move || task(&mut WorkerState::default()));
        }
    }

    impl Workers for Threads {
        fn threads(&self) -> usize {
            8
        }

        // A host of the tests: threads are its business.
        #[allow(clippy::disallowed_methods)]
        fn scope<'env>(&self, drive: Drive<'env>) {
            std::thread::scope(|scope| drive(&Spawn(scope)));
        }
    }

    /// Remembers who reads, and cannot read some directories.
    struct Watched {
        source: MemorySource,
        broken: Node,
        readers: Mutex<HashSet<ThreadId>>,
        reads: AtomicUsize,
    }

    impl Source for Watched {
        fn name(&self) -> String {
            self.source.name()
        }

        fn root(&self, wanted: Wanted) -> Result<EntryBatch> {
            self.source.root(wanted)
        }

        fn read_dir(&self, directory: Node, wanted: Wanted) -> Result<EntryBatch> {
            let mut readers = self.readers.lock().unwrap();
            readers.insert(std::thread::current().id());
            self.reads.fetch_add(1, Ordering::Relaxed);
            match directory == self.broken {
                true => Err(Error::new(ErrorKind::OpenDirectory, "broken")),
                false => self.source.read_dir(directory, wanted),
            }
        }

        fn open(&self, node: Node, stream: u32) -> Result<Box<dyn OpenStream + '_>> {
            self.source.open(node, stream)
        }

        fn inside_root(&self, target: &[u16]) -> Result<Option<usize>> {
            self.source.inside_root(target)
        }
    }

    /// Three levels of directories, ten in each.
    fn watched(broken: &str) -> Watched {
        let mut source = MemorySource::new();
        for number in 0..1000 {
            let (a, b, c) = (number / 100, number / 10 % 10, number % 10);
            source.file(&format!("{a}/{b}/{c}/file"), format!("{number}"));
        }
        let broken = source.directory(broken) as u64;
        Watched {
            source,
            broken: Node(broken),
            readers: Mutex::default(),
            reads: AtomicUsize::new(0),
        }
    }

    fn scan(
        source: &Watched,
        workers: &dyn Workers,
        on_unreadable: OnUnreadable,
    ) -> Result<Scanned> {
        let options = ScanOptions {
            on_unreadable,
            ..ScanOptions::default()
        };
        let mut scanner = Scanner::new(&options, &Silent).read_ahead(workers);
        scanner.add_root(source)?;
        scanner.finish()
    }

    fn paths(scanned: &Scanned) -> Vec<Vec<u8>> {
        let image = &scanned.image;
        image.walk_all().map(|dentry| image.path(dentry)).collect()
    }

    #[test]
    fn the_image_is_the_same() {
        let source = watched("3/4/5");
        let serial = scan(&source, &Inline, OnUnreadable::Skip).unwrap();
        assert_eq!(source.readers.lock().unwrap().len(), 1);
        let parallel = scan(&source, &Threads, OnUnreadable::Skip).unwrap();
        assert!(source.readers.lock().unwrap().len() > 100, "not read ahead");
        assert_eq!(paths(&serial), paths(&parallel));
        assert_eq!(paths(&parallel).len(), 1 + 10 + 100 + 2 * 1000 - 2);
        assert_eq!(parallel.skipped, 1);
        let files =
            |scanned: &Scanned| scanned.pending.iter().map(|p| p.origin).collect::<Vec<_>>();
        assert_eq!(files(&serial), files(&parallel));
    }

    #[test]
    fn a_failure_ends_the_walk_where_it_is() {
        let source = watched("0/1/2");
        let error = scan(&source, &Threads, OnUnreadable::Fail).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OpenDirectory);
        assert!(error.to_string().contains("0/1/2"), "{error}");
        // Down to the first file, ten directories, up again and down to the broken one.
        let reads = source.reads.load(Ordering::Relaxed);
        assert!(reads <= 3 + 10 + 1 + 3 + MOST, "{reads} were read");
    }
}
