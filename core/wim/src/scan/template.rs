//! Incremental capture: files that are as they were in an older image need not be read.
//!
//! A file counts as unchanged if it was at the same path, its times of creation and last write are
//! the same, its last access is not earlier, and all of its streams were there with the same sizes.
//! Whoever turns clocks back can deceive that; so where such data has to be stored it is read after
//! all, and must have the hash that was taken over.

use crate::archive::BlobPool;
use crate::hash::Sha1;
use crate::image::{Content, DentryId, Image, Inode, NameRef, StreamKind, UNKNOWN_SIZE, collation};

use super::Scanned;

/// An image that the new one is mostly the same as.
pub struct Template<'a> {
    /// Its tree.
    pub image: &'a Image,
    /// Where the sizes of its data are known.
    pub blobs: &'a [&'a BlobPool],
}

/// How much of an image is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Unchanged {
    /// Files with data that needs not be read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Scanned {
    /// Takes the hashes of unchanged files over from an older image.
    pub fn take_over(&mut self, template: &Template<'_>) -> Unchanged {
        let mut unchanged = Unchanged::default();
        let (Some(new), Some(old)) = (self.image.root(), template.image.root()) else {
            return unchanged;
        };
        let mut todo = vec![(new, old)];
        while let Some((new, old)) = todo.pop() {
            self.compare(template, new, old, &mut unchanged);
            todo.extend(same_names(&self.image, new, template.image, old));
        }
        unchanged
    }

    /// Takes the hashes of one file over if it is unchanged.
    fn compare(
        &mut self,
        template: &Template<'_>,
        new: DentryId,
        old: DentryId,
        unchanged: &mut Unchanged,
    ) {
        let file = self.image.inode_of(new);
        let before = template.image.inode_of(old);
        if !same_times(file, before) {
            return;
        }
        let mut hashes = Vec::new();
        for stream in self.image.streams(file) {
            let content = self.image.content(stream.content);
            let name = self.image.text(stream.name);
            match template.find(before, stream.kind, name) {
                Some((hash, size)) if size == content.size => hashes.push((stream.content, hash)),
                _ => return,
            }
        }
        let mut is_news = false;
        for (content, hash) in hashes {
            let content = self.image.content_mut(content);
            if content.size > 0 && content.hash.is_zero() {
                content.hash = hash;
                unchanged.bytes += content.size;
                is_news = true;
            }
        }
        unchanged.files += u64::from(is_news);
    }
}

fn same_times(new: &Inode, old: &Inode) -> bool {
    new.creation_time == old.creation_time
        && new.write_time == old.write_time
        && new.access_time >= old.access_time
}

/// Entries of two directories that have the same names.
fn same_names(
    new: &Image,
    new_directory: DentryId,
    old: &Image,
    old_directory: DentryId,
) -> Vec<(DentryId, DentryId)> {
    let mut pairs = Vec::new();
    let mut olds = old.children(old_directory).iter().copied().peekable();
    for &child in new.children(new_directory) {
        let order = |other| collation::compare(old.name(other), new.name(child));
        while olds.next_if(|&other| order(other).is_lt()).is_some() {}
        if let Some(other) = olds.next_if(|&other| order(other).is_eq()) {
            pairs.push((child, other));
        }
    }
    pairs
}

impl Template<'_> {
    /// Hash and size of a stream.
    fn find(&self, file: &Inode, kind: StreamKind, name: &[u8]) -> Option<(Sha1, u64)> {
        let text = |name: NameRef| self.image.text(name);
        let mut streams = self.image.streams(file).iter();
        let stream = streams.find(|stream| stream.kind == kind && text(stream.name) == name)?;
        let content = self.image.content(stream.content);
        Some((content.hash, self.size(content)?))
    }

    fn size(&self, content: &Content) -> Option<u64> {
        if content.size != UNKNOWN_SIZE {
            return Some(content.size);
        }
        self.blobs.iter().find_map(|pool| {
            let blob = pool.find(&content.hash)?;
            Some(pool.get(blob).size)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Archive;
    use crate::format::Compression;
    use crate::port::memory::MemoryStorage;
    use crate::port::memory_source::MemorySource;
    use crate::port::{Silent, Source};
    use crate::scan::{ScanOptions, Scanner};
    use crate::testing::{means, open, write_options};
    use crate::time::FileTime;
    use crate::write::{Draft, NewImage};
    use crate::{ErrorKind, Result};

    fn source(change: impl FnOnce(&mut MemorySource)) -> MemorySource {
        let mut source = MemorySource::new();
        source
            .file("same", b"as it was")
            .file("a/same too", vec![7; 100_000])
            .file("a/empty", b"")
            .file("other", b"0123456789")
            .link("link", "a/same too")
            .file("linked", b"linked data")
            .hard_link("linked", "a/linked");
        change(&mut source);
        source
    }

    fn scan(source: &MemorySource) -> Scanned {
        let options = ScanOptions::default();
        let mut scanner = Scanner::new(&options, &Silent);
        scanner.add_root(source).unwrap();
        scanner.finish().unwrap()
    }

    /// A new archive with one image, which needs not store what the bases have.
    fn write(source: &MemorySource, scanned: Scanned, bases: &[&BlobPool]) -> Result<Vec<u8>> {
        let storage = MemoryStorage::default();
        let options = write_options(Compression::None);
        let mut draft = Draft::create(&storage, &options)?;
        let sources: [&dyn Source; 1] = [source];
        let new = NewImage {
            scanned,
            sources: &sources,
            name: "image".into(),
            properties: Vec::new(),
            boot: false,
            bases,
            links_fixed: false,
            latest_time: None,
        };
        draft.add(&storage, new, &means(&options))?;
        draft.finish(&storage, &Silent)?;
        Ok(storage.bytes())
    }

    fn updated(source: &MemorySource, base: &Archive) -> (Scanned, Unchanged) {
        let old = base.read_image(1, &mut |_| {}).unwrap();
        let mut scanned = scan(source);
        let unchanged = scanned.take_over(&Template {
            image: &old,
            blobs: &[&base.blobs],
        });
        (scanned, unchanged)
    }

    #[test]
    fn unchanged_files_are_not_opened_at_all() {
        let old = source(|_| {});
        let base = open(write(&old, scan(&old), &[]).unwrap()).unwrap();
        let new = source(|source| {
            source
                .file("new", b"was not there")
                .file("a/new", b"nor this");
        });
        let (scanned, unchanged) = updated(&new, &base);
        // Of the two names of the linked file each finds its own; it counts once.
        assert_eq!((unchanged.files, unchanged.bytes), (4, 100_030));
        let delta = open(write(&new, scanned, &[&base.blobs]).unwrap()).unwrap();
        assert_eq!(new.opened(), 2, "only the new files are opened");
        let sizes: Vec<u64> = delta.blobs.iter().map(|(_, blob)| blob.size).collect();
        assert_eq!(sizes, [13, 8], "only the new files are stored");
        // The image is complete all the same.
        let image = delta.read_image(1, &mut |_| {}).unwrap();
        let all = write(&new, scan(&new), &[]).unwrap();
        let full = open(all).unwrap().read_image(1, &mut |_| {}).unwrap();
        for dentry in full.walk_all() {
            let other = image.lookup(&full.path(dentry)).unwrap();
            let hashes = |image: &Image, dentry| -> Vec<Sha1> {
                let streams = image.streams(image.inode_of(dentry)).iter();
                streams
                    .map(|stream| image.content(stream.content).hash)
                    .collect()
            };
            assert_eq!(hashes(&full, dentry), hashes(&image, other));
        }
    }

    #[test]
    fn other_sizes_times_and_paths_are_changes() {
        let old = source(|_| {});
        let base = open(write(&old, scan(&old), &[]).unwrap()).unwrap();
        let mut new = MemorySource::new();
        new.file("same", b"as it was.").file("moved", b"0123456789");
        let (_, unchanged) = updated(&new, &base);
        assert_eq!(unchanged, Unchanged::default());

        let mut image = base.read_image(1, &mut |_| {}).unwrap();
        let other = image.dentry(image.lookup(b"/other").unwrap()).inode;
        image.inode_mut(other).write_time = FileTime(5);
        let mut scanned = scan(&old);
        let template = Template {
            image: &image,
            blobs: &[&base.blobs],
        };
        assert_eq!(scanned.take_over(&template).files, 3);
    }

    #[test]
    fn data_that_has_to_be_stored_must_be_what_it_was() {
        let old = source(|_| {});
        let base = open(write(&old, scan(&old), &[]).unwrap()).unwrap();
        let mut new = MemorySource::new();
        new.file("other", b"9876543210");
        let (scanned, unchanged) = updated(&new, &base);
        assert_eq!(unchanged.files, 1, "size and times are the same");
        let error = write(&new, scanned, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed);
        assert!(error.to_string().contains("/other"), "{error}");
    }
}
