//! Archives.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use wimforge::posix::PosixTarget;
use wimforge_core::apply::{ApplyOptions, LinkFixing, Restorer};
use wimforge_core::archive::verify::{VerifyOptions, verify};
use wimforge_core::archive::{Archive, OpenOptions, PipedArchive};
use wimforge_core::format::{BlobEntry, Header, ResourceFlags, metadata as format};
use wimforge_core::hash::Sha1;
use wimforge_core::port::memory::MemoryStorage;
use wimforge_core::port::memory_target::MemoryTarget;
use wimforge_core::port::{Feed, Inline, Silent, Target};
use wimforge_core::{Limits, Result};

use crate::rewrite;

/// An archive is not restored to a directory if it claims to hold more than so many bytes.
const MOST: u64 = 1 << 22;

/// An archive: opened, listed, verified, its data read, restored to memory and to a directory, and made
/// into other archives.
pub fn as_it_is(data: &[u8]) {
    // What is wrong was said; that nothing went wrong beyond that is what is tested.
    let _ = everything(data);
}

/// What comes from a pipe: every image of it, restored to memory in one pass.
pub fn pipe(data: &[u8]) {
    for index in 1..=2 {
        let _ = from_pipe(data, index);
    }
}

/// Bytes that come in small portions.
struct Portions<'a>(&'a [u8]);

impl Feed for Portions<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let size = buffer.len().min(self.0.len()).min(97);
        let (now, rest) = self.0.split_at(size);
        buffer[..size].copy_from_slice(now);
        self.0 = rest;
        Ok(size)
    }
}

fn from_pipe(data: &[u8], index: u32) -> Result<()> {
    let mut feed = Portions(data);
    let (mut piped, known) = PipedArchive::open(&mut feed, &Limits::default())?;
    let target = MemoryTarget::new();
    restorer(&target).apply_piped(&mut piped, known, index)?;
    Ok(())
}

/// Restores as much as there is.
fn restorer(target: &dyn Target) -> Restorer<'_> {
    const OPTIONS: &ApplyOptions = &ApplyOptions {
        unix_data: false,
        links: LinkFixing::AsArchive,
        include_invalid_names: true,
        strict: false,
        no_acls: false,
        recover_data: true,
        no_attributes: false,
        max_size: None,
    };
    Restorer {
        target,
        options: OPTIONS,
        workers: &Inline,
        observer: &Silent,
    }
}

/// The same, after the hashes of its metadata were made right, without which nobody would look at it.
pub fn mended(data: &[u8]) {
    let mut data = data.to_vec();
    mend(&mut data);
    as_it_is(&data);
}

/// Enters the hash of every uncompressed metadata resource into an uncompressed blob table.
fn mend(data: &mut [u8]) {
    let Some(header) = data
        .first_chunk()
        .and_then(|header| Header::decode(header).ok())
    else {
        return;
    };
    let range = |offset: u64, size: u64| {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        (end <= data.len()).then_some(start..end)
    };
    let Some(table) = range(header.blob_table.offset, header.blob_table.size) else {
        return;
    };
    let entries: Vec<BlobEntry> = BlobEntry::decode_all(&data[table.clone()]).collect();
    let mut mended = Vec::new();
    for mut entry in entries {
        let resource = entry.resource;
        if resource.flags.contains(ResourceFlags::METADATA)
            && let Some(metadata) = range(resource.offset, resource.uncompressed_size)
        {
            entry.hash = Sha1::of(&data[metadata]);
        }
        entry.encode(&mut mended);
    }
    data[table.start..table.start + mended.len()].copy_from_slice(&mended);
}

fn everything(data: &[u8]) -> Result<()> {
    let storage = Arc::new(MemoryStorage::new(data.to_vec()));
    let archive = Archive::open(storage, &OpenOptions::default())?;
    let report = verify(&archive, &VerifyOptions::default(), &Inline, &Silent)?;
    let _ = format!("{report:?}");
    let total = archive
        .blobs
        .iter()
        .fold(0, |sum: u64, (_, blob)| sum.saturating_add(blob.size));
    for index in 1..=archive.image_count() {
        let Ok(image) = archive.read_image(index, &mut |_| {}) else {
            continue;
        };
        for dentry in image.walk_all() {
            let _ = image.path(dentry);
        }
        if total <= MOST {
            let _ = restorer(&MemoryTarget::new()).apply(&archive, index);
            restore_to_directory(&archive, index);
        }
    }
    if total <= MOST {
        rewrite::everything(&archive, data);
    }
    Ok(())
}

/// Restores into a directory in the middle of others, which must stay as they are.
fn restore_to_directory(archive: &Archive, index: u32) {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let beside = scratch.path().join("beside");
    let target = scratch.path().join("above/target");
    fs::create_dir_all(&target).expect("a directory to restore to");
    fs::write(&beside, "untouched").expect("a file to leave alone");
    if let Ok(target) = PosixTarget::open(&target) {
        let _ = restorer(&target).apply(archive, index);
    }
    assert_eq!(names(scratch.path()), ["above", "beside"]);
    assert_eq!(names(&scratch.path().join("above")), ["target"]);
    assert_eq!(fs::read(&beside).expect("the file is there"), b"untouched");
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry"))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A metadata resource. What is understood of it is written again, and that is understood in the same
/// way.
pub fn metadata(data: &[u8]) {
    let limits = Limits::default();
    let Ok(image) = format::decode(data, &limits, &mut |_| {}) else {
        return;
    };
    let Some(written) = encoded(&image) else {
        return;
    };
    let again = format::decode(&written, &limits, &mut |_| {}).expect("what we wrote");
    assert!(encoded(&again).expect("what we could write once") == written);
}

fn encoded(image: &wimforge_core::image::Image) -> Option<Vec<u8>> {
    let mut written = Vec::new();
    let write = &mut |piece: &[u8]| {
        written.extend_from_slice(piece);
        Ok(())
    };
    format::encode(image, write).ok()?;
    assert_eq!(written.len() as u64, format::encoded_size(image));
    Some(written)
}
