//! Which names are the same file.
//!
//! wasi:filesystem has no inode numbers. It can compare two open files, though, and gives a hash of a
//! file's metadata that is the same for all of its names, so few have to be compared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasip2::filesystem::types::{Descriptor, MetadataHashValue};
use wimforge_core::port::{FileIdentity, Node};

/// Identities of files that have several names.
pub const LINKED: u64 = 1;
/// Identities of directories.
pub const DIRECTORY: u64 = 2;
/// Identities of archives that are being written.
const WRITTEN: u64 = 3;

/// Files with several names that were met so far.
#[derive(Default)]
pub struct Linked {
    by_hash: HashMap<(u64, u64), Vec<(Node, u64)>>,
    count: u64,
}

impl Linked {
    /// The identity of a file: that of an earlier one with the same hash which `is_same`, or a new
    /// one, under which it is remembered as `this`.
    pub fn identify(
        &mut self,
        hash: MetadataHashValue,
        this: Node,
        mut is_same: impl FnMut(Node) -> bool,
    ) -> FileIdentity {
        let known = self.by_hash.entry((hash.lower, hash.upper)).or_default();
        let file = match known.iter().find(|entry| is_same(entry.0)) {
            Some(entry) => entry.1,
            None => {
                self.count += 1;
                known.push((this, self.count));
                self.count
            }
        };
        FileIdentity {
            device: LINKED,
            file,
        }
    }
}

/// Archives that are being written, which must not be captured themselves.
#[derive(Clone, Default)]
pub struct Written(Arc<Mutex<Vec<Entry>>>);

struct Entry {
    name: String,
    /// `None` for a file whose name nothing else can have.
    file: Option<Descriptor>,
}

impl Written {
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, name: &str, file: Option<Descriptor>) -> FileIdentity {
        let mut entries = self.lock();
        entries.push(Entry {
            name: name.to_owned(),
            file,
        });
        FileIdentity {
            device: WRITTEN,
            file: entries.len() as u64,
        }
    }

    /// A file with a name of its own.
    pub fn add_new(&self, name: &str) -> FileIdentity {
        self.push(name, None)
    }

    /// A file that was there before.
    pub fn add(&self, name: &str, file: Descriptor) -> FileIdentity {
        self.push(name, Some(file))
    }

    /// The identity of the file with this name, if it is one of these.
    pub fn identify(
        &self,
        name: &str,
        open: impl Fn() -> Option<Descriptor>,
    ) -> Option<FileIdentity> {
        let entries = self.lock();
        let mut named = (1..)
            .zip(entries.iter())
            .filter(|(_, entry)| entry.name == name);
        let found = named.find(|(_, entry)| match &entry.file {
            None => true,
            Some(file) => open().is_some_and(|this| is_same_file(&this, file)),
        });
        found.map(|(file, _)| FileIdentity {
            device: WRITTEN,
            file,
        })
    }
}

/// Whether two open files are one. A host that cannot compare them may still give the same hash.
fn is_same_file(one: &Descriptor, other: &Descriptor) -> bool {
    let same_hash = || match (one.metadata_hash(), other.metadata_hash()) {
        (Ok(one), Ok(other)) => (one.lower, one.upper) == (other.lower, other.upper),
        _ => false,
    };
    one.is_same_object(other) || same_hash()
}
