//! Writing files while their data is at hand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::metadata::Xattrs;
use super::names::Name;
use super::plan::{FileNumber, Plan, PlannedFile, What};
use super::{ApplyOptions, Restorer};
use crate::archive::Archive;
use crate::archive::sweep::Receiver;
use crate::image::{
    FileAttributes, Image, InodeId, NOT_FIXED, PosixTarget, ReparseData, UnixData, decode_link,
};
use crate::port::{
    Event, FileMetadata, LinkTarget, Missed, Observer, Target, TargetFile, WorkerState,
};
use crate::{Error, ErrorKind, Result, text};

/// Zeros are left out of sparse files in blocks of this size.
const BLOCK: usize = 4096;

/// A file that is being written in parts, and its size.
type OpenFile<'a> = (Arc<dyn TargetFile + 'a>, u64);

/// Makes the files of a plan. Shared by all workers.
pub(super) struct Writer<'a> {
    archive: &'a Archive,
    image: &'a Image,
    plan: &'a Plan<'a>,
    target: &'a dyn Target,
    options: &'a ApplyOptions,
    fix_links: bool,
    /// The first file of each blob that comes in parts.
    open: Mutex<HashMap<usize, OpenFile<'a>>>,
    counts: Counts,
}

/// What is reported at the end.
#[derive(Default)]
struct Counts {
    owner: AtomicU64,
    mode: AtomicU64,
    xattrs: AtomicU64,
    special: AtomicU64,
    bad_xattrs: AtomicU64,
    bad_links: AtomicU64,
    copied_links: AtomicU64,
}

impl<'a> Writer<'a> {
    pub fn new(
        archive: &'a Archive,
        image: &'a Image,
        plan: &'a Plan<'a>,
        to: &Restorer<'a>,
    ) -> Self {
        Self {
            archive,
            image,
            plan,
            target: to.target,
            options: to.options,
            fix_links: to.options.fixes_links(archive.header()),
            open: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// Reports what was counted.
    pub fn warn(&self, observer: &dyn Observer) {
        let counts = &self.counts;
        for (count, what) in [
            (
                &counts.owner,
                "files did not get their owner: this is not allowed here",
            ),
            (&counts.mode, "files did not get all bits of their mode"),
            (
                &counts.xattrs,
                "files did not get all of their extended attributes",
            ),
            (
                &counts.bad_xattrs,
                "files have extended attributes that are malformed; they are ignored",
            ),
            (
                &counts.copied_links,
                "hard links cannot be made here; their files were copied",
            ),
            (
                &counts.special,
                "device nodes, FIFOs and sockets are left out: making them is not allowed here",
            ),
            (
                &counts.bad_links,
                "links have a target that cannot be expressed here; they are left out",
            ),
        ] {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                observer.event(&Event::Warning(&format!("{count} {what}")));
            }
        }
    }

    fn file(&self, number: FileNumber) -> &PlannedFile {
        &self.plan.files[number as usize]
    }

    /// Path of the first name, under which a file is made.
    fn first_path(&self, number: FileNumber) -> Vec<u8> {
        match self.plan.names_of(number).first() {
            Some(&name) => self.plan.paths.path(name),
            None => Vec::new(),
        }
    }

    /// Calls `set` with the metadata of a file, and counts what could not be set.
    fn with_metadata(
        &self,
        id: InodeId,
        set: impl FnOnce(&FileMetadata<'_>) -> Result<Missed>,
    ) -> Result<()> {
        let inode = self.image.inode(id);
        let mut xattrs = Xattrs::default();
        if self.options.unix_data {
            xattrs = Xattrs::of(self.image, inode);
            if xattrs.malformed {
                self.counts.bad_xattrs.fetch_add(1, Ordering::Relaxed);
            }
        }
        let unix = match self.options.unix_data {
            true => self.plan.unix_data(id),
            false => None,
        };
        let missed = set(&FileMetadata {
            attributes: match self.options.no_attributes {
                true => 0,
                false => inode.attributes.bits(),
            },
            times: Some([inode.creation_time, inode.access_time, inode.write_time]),
            unix,
            xattrs: &xattrs.list,
        })?;
        self.count_missed(missed)
    }

    /// Counts what could not be set, or makes an error of it.
    fn count_missed(&self, missed: Missed) -> Result<()> {
        if missed.is_empty() {
            return Ok(());
        }
        for (flag, count, kind) in [
            (Missed::OWNER, &self.counts.owner, ErrorKind::SetSecurity),
            (Missed::MODE, &self.counts.mode, ErrorKind::SetSecurity),
            (Missed::XATTRS, &self.counts.xattrs, ErrorKind::SetXattr),
            (
                Missed::SPECIAL,
                &self.counts.special,
                ErrorKind::MakeSpecial,
            ),
        ] {
            if missed.contains(flag) {
                if self.options.strict {
                    let what = "not allowed, or not possible on this file system";
                    return Err(Error::new(kind, what));
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn path_metadata(&self, id: InodeId, path: &[u8]) -> Result<()> {
        self.with_metadata(id, |metadata| self.target.set_metadata(path, metadata))
            .map_err(|error| error.at(text::Show(path)))
    }

    /// Sets the metadata of a directory.
    pub fn directory_metadata(&self, name: Name) -> Result<()> {
        let id = self.image.dentry(name.dentry).inode;
        self.path_metadata(id, &self.plan.paths.path(name))
    }

    /// Makes a file that needs no data.
    pub fn without_data(&self, number: FileNumber) -> Result<()> {
        let file = self.file(number);
        match (file.what, self.plan.unix_data(file.inode)) {
            (What::Special, Some(unix)) => self.special(number, &unix),
            _ => self.regular(number, &[]),
        }
    }

    /// Makes a device node, FIFO or socket.
    fn special(&self, number: FileNumber, unix: &UnixData) -> Result<()> {
        let path = self.first_path(number);
        let missed = self.target.make_special(unix, &path)?;
        if missed.contains(Missed::SPECIAL) {
            return self
                .count_missed(missed)
                .map_err(|error| error.at(text::Show(&path)));
        }
        self.path_metadata(self.file(number).inode, &path)?;
        self.other_names(number, &path)
    }

    /// Gives files the UNIX data that came behind their own data, and what it shows to be no regular
    /// file, although it was made as one, becomes what it is.
    pub fn late_metadata(&self, files: &[FileNumber]) -> Result<()> {
        for &number in files {
            let file = self.file(number);
            match self.plan.unix_data(file.inode) {
                Some(unix) if unix.is_special() && file.what == What::Regular => {
                    self.special(number, &unix)?;
                }
                _ => self.path_metadata(file.inode, &self.first_path(number))?,
            }
        }
        Ok(())
    }

    /// Makes the other names of a file.
    fn other_names(&self, number: FileNumber, first: &[u8]) -> Result<()> {
        for &name in self.plan.names_of(number).iter().skip(1) {
            let path = self.plan.paths.path(name);
            match self.target.hard_link(first, &path) {
                Err(error) if error.kind() == ErrorKind::MakeLink => {
                    if !self.target.copy_file(first, &path)? {
                        return Err(error);
                    }
                    self.counts.copied_links.fetch_add(1, Ordering::Relaxed);
                    self.path_metadata(self.file(number).inode, &path)?;
                }
                linked => linked?,
            }
        }
        Ok(())
    }

    fn is_sparse(&self, number: FileNumber) -> bool {
        let inode = self.image.inode(self.file(number).inode);
        inode.attributes.contains(FileAttributes::SPARSE_FILE)
    }

    /// Makes a regular file of which all data is at hand.
    fn regular(&self, number: FileNumber, data: &[u8]) -> Result<()> {
        let path = self.first_path(number);
        let file = self.target.create_file(&path)?;
        let written = if self.is_sparse(number) {
            file.set_len(data.len() as u64)
                .and_then(|()| write_sparse(&*file, 0, data))
        } else if data.is_empty() {
            Ok(())
        } else {
            file.write_at(0, data)
        };
        written.map_err(|error| error.at(text::Show(&path)))?;
        self.complete(number, &*file, &path)
    }

    /// Sets the metadata of a file whose data is complete, and makes its other names.
    fn complete(&self, number: FileNumber, file: &dyn TargetFile, path: &[u8]) -> Result<()> {
        self.with_metadata(self.file(number).inode, |metadata| {
            file.set_metadata(metadata)
        })
        .map_err(|error| error.at(text::Show(path)))?;
        self.other_names(number, path)
    }

    fn link(&self, number: FileNumber, data: &[u8]) -> Result<()> {
        let id = self.file(number).inode;
        let inode = self.image.inode(id);
        let reparse = ReparseData {
            tag: inode.reparse_tag,
            reserved: inode.reparse_reserved,
            data: data.to_vec(),
        };
        let Ok(Some(to)) = decode_link(&reparse) else {
            self.counts.bad_links.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        };
        let is_fixed = self.fix_links && inode.reparse_flags & NOT_FIXED == 0;
        let to = match &to {
            PosixTarget::Relative(to) => LinkTarget::AsIs(to),
            PosixTarget::Absolute(to) if is_fixed => LinkTarget::UnderRoot(to),
            PosixTarget::Absolute(to) if to.is_empty() => LinkTarget::AsIs(b"/"),
            PosixTarget::Absolute(to) => LinkTarget::AsIs(to),
        };
        let path = self.first_path(number);
        if matches!(to, LinkTarget::AsIs(b"")) {
            self.counts.bad_links.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.target.symbolic_link(to, &path)?;
        self.path_metadata(id, &path)?;
        self.other_names(number, &path)
    }

    fn open_file(&self, index: usize) -> Option<OpenFile<'a>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&index).cloned()
    }

    /// Makes another file with the data of one that is complete.
    fn copy(
        &self,
        number: FileNumber,
        index: usize,
        original: &dyn TargetFile,
        size: u64,
    ) -> Result<()> {
        let path = self.first_path(number);
        let file = self.target.create_file(&path)?;
        let copied = file.copy_from(original, size).and_then(|copied| {
            if copied {
                return Ok(());
            }
            // The target knows no way: the data is decoded once more.
            file.set_len(size)?;
            let is_sparse = self.is_sparse(number);
            let reader = self
                .archive
                .reader(self.archive.blobs.get(self.plan.blobs[index]))?;
            let mut at = 0;
            reader.read(0, size, &mut WorkerState::default(), &mut |data| {
                match is_sparse {
                    true => write_sparse(&*file, at, data)?,
                    false => file.write_at(at, data)?,
                }
                at += data.len() as u64;
                Ok(())
            })
        });
        copied.map_err(|error| error.at(text::Show(&path)))?;
        self.complete(number, &*file, &path)
    }
}

/// Writes all blocks that are not zero; the file has its size already.
fn write_sparse(file: &dyn TargetFile, offset: u64, data: &[u8]) -> Result<()> {
    let is_zero = |block: &[u8]| block.iter().all(|&byte| byte == 0);
    // Blocks of the file, not of the data.
    let head = (offset.next_multiple_of(BLOCK as u64) - offset).min(data.len() as u64) as usize;
    let (first, rest) = data.split_at(head);
    if !is_zero(first) {
        file.write_at(offset, first)?;
    }
    let mut at = offset + head as u64;
    let mut run_start = 0;
    let mut end = 0;
    for block in rest.chunks(BLOCK) {
        if is_zero(block) {
            if run_start < end {
                file.write_at(at + run_start as u64, &rest[run_start..end])?;
            }
            run_start = end + block.len();
        }
        end += block.len();
    }
    at += run_start as u64;
    match rest.get(run_start..) {
        Some(run) if !run.is_empty() => file.write_at(at, run),
        _ => Ok(()),
    }
}

impl Receiver for Writer<'_> {
    fn takes_damaged(&self) -> bool {
        self.options.recover_data
    }

    fn whole(&self, index: usize, data: &[u8], _damage: Option<&Error>) -> Result<()> {
        for &number in self.plan.files_of_blob(index) {
            match self.file(number).what {
                What::Link => self.link(number, data)?,
                What::Regular | What::Special => self.regular(number, data)?,
            }
        }
        Ok(())
    }

    fn begin(&self, index: usize, size: u64) -> Result<()> {
        let Some(&first) = self.plan.files_of_blob(index).first() else {
            return Ok(());
        };
        let path = self.first_path(first);
        let users = self.plan.files_of_blob(index).iter();
        if users
            .clone()
            .any(|&number| self.file(number).what == What::Link)
        {
            let what = format!("reparse data of {size} bytes is impossible");
            return Err(Error::new(ErrorKind::ReparseData, what).at(text::Show(&path)));
        }
        let file: Arc<dyn TargetFile + '_> = Arc::from(self.target.create_file(&path)?);
        if self.is_sparse(first) {
            file.set_len(size)
                .map_err(|error| error.at(text::Show(&path)))?;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(index, (file, size));
        Ok(())
    }

    fn part(&self, index: usize, offset: u64, data: &[u8]) -> Result<()> {
        let Some((file, _)) = self.open_file(index) else {
            return Ok(());
        };
        let first = self.plan.files_of_blob(index).first();
        let written = match first {
            Some(&first) if self.is_sparse(first) => write_sparse(&*file, offset, data),
            _ => file.write_at(offset, data),
        };
        written.map_err(|error| match first {
            Some(&first) => error.at(text::Show(&self.first_path(first))),
            None => error,
        })
    }

    fn end(&self, index: usize, damage: Option<&Error>) -> Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let file = open.remove(&index);
        drop(open);
        let (Some((file, size)), Some((&first, others))) =
            (file, self.plan.files_of_blob(index).split_first())
        else {
            return Ok(());
        };
        if damage.is_some() && !self.options.recover_data {
            return Ok(());
        }
        let path = self.first_path(first);
        if damage.is_some() {
            // Parts may be missing at the end.
            file.set_len(size)
                .map_err(|error| error.at(text::Show(&path)))?;
        }
        for &other in others {
            self.copy(other, index, &*file, size)?;
        }
        self.complete(first, &*file, &path)
    }
}
