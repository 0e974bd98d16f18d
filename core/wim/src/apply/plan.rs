//! What is to be made, worked out before anything is: what is missing or cannot be shows here.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::names::{Name, Paths};
use super::{Restorer, Selected};
use crate::archive::{Archive, BlobId, Place};
use crate::hash::Sha1;
use crate::image::items::{OLD_UNIX_STREAM, UNIX_DATA};
use crate::image::{
    FileAttributes, Image, Inode, InodeId, MAX_REPARSE_DATA, SecurityId, StreamKind, UnixData,
};
use crate::port::{Event, WorkerState};
use crate::{Result, text};

/// The number of a file in [`Plan::files`].
pub(super) type FileNumber = u32;

/// A file that is not a directory, whatever its names.
#[derive(Clone, Copy)]
pub(super) struct PlannedFile {
    pub inode: InodeId,
    pub what: What,
    names_start: u32,
    names_end: u32,
}

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A regular file.
    Regular,
    /// A symbolic link or junction.
    Link,
    /// A device node, FIFO or socket.
    Special,
}

/// See the module.
pub(super) struct Plan<'a> {
    image: &'a Image,
    pub paths: Paths<'a>,
    /// Paths of directories above what is restored.
    pub parents: Vec<Vec<u8>>,
    /// Parents before children.
    pub directories: Vec<Name>,
    pub files: Vec<PlannedFile>,
    /// The names of all files, those of one file together.
    pub names: Vec<Name>,
    /// Files without a blob.
    pub without_data: Vec<FileNumber>,
    /// Blobs to be read.
    pub blobs: Vec<BlobId>,
    /// Files that hold them, those of one blob together.
    users: Vec<FileNumber>,
    /// End of the users of each blob.
    users_end: Vec<u32>,
    /// UNIX data that does not stand in a tagged item.
    old_unix: HashMap<InodeId, UnixData>,
    /// The same where it has yet to come through a pipe, and the files that it is of.
    pub unix_to_come: HashMap<BlobId, Vec<InodeId>>,
    unix_come: OnceLock<HashMap<InodeId, UnixData>>,
    /// Names left out.
    pub skipped: u64,
}

/// What is left out, counted to be reported together.
#[derive(Default)]
struct LeftOut {
    unix: u64,
    named_streams: u64,
    security: u64,
    short_names: u64,
    encrypted: u64,
    untranslatable: u64,
}

impl<'a> Plan<'a> {
    pub fn new(
        archive: &Archive,
        image: &'a Image,
        selected: &'a [Selected],
        to: &Restorer<'_>,
    ) -> Result<Self> {
        let plan = Plan {
            image,
            paths: Paths::new(image, selected),
            parents: parents(selected),
            directories: Vec::new(),
            files: Vec::new(),
            names: Vec::new(),
            without_data: Vec::new(),
            blobs: Vec::new(),
            users: Vec::new(),
            users_end: Vec::new(),
            old_unix: HashMap::new(),
            unix_to_come: HashMap::new(),
            unix_come: OnceLock::new(),
            skipped: 0,
        };
        let mut planner = Planner {
            plan,
            archive,
            to,
            found: Vec::new(),
            uses: Vec::new(),
            left_out: LeftOut::default(),
            old_unix_seen: HashMap::new(),
        };
        for selection in 0..selected.len() as u32 {
            planner.walk(selection)?;
        }
        planner.group_names()?;
        planner.group_uses();
        planner.report();
        Ok(planner.plan)
    }

    /// The names of a file.
    pub fn names_of(&self, file: FileNumber) -> &[Name] {
        let file = &self.files[file as usize];
        &self.names[file.names_start as usize..file.names_end as usize]
    }

    /// The files that hold a blob, by its position in [`Plan::blobs`].
    pub fn files_of_blob(&self, index: usize) -> &[FileNumber] {
        let start = match index.checked_sub(1) {
            Some(before) => self.users_end[before],
            None => 0,
        };
        &self.users[start as usize..self.users_end[index] as usize]
    }

    /// Bytes that are written for a blob of this size, once for each file that holds it.
    pub fn bytes_written(&self, index: usize, size: u64) -> u64 {
        size.saturating_mul(self.files_of_blob(index).len() as u64)
    }

    /// The path of a name in the image.
    pub fn image_path(&self, name: Name) -> Vec<u8> {
        self.image.path(name.dentry)
    }

    /// Owner, group, mode and device of a file.
    pub fn unix_data(&self, id: InodeId) -> Option<UnixData> {
        let old = || self.old_unix.get(&id).copied();
        let late = || self.unix_come.get()?.get(&id).copied();
        let stored = self.image.unix_data(self.image.inode(id));
        stored.or_else(old).or_else(late)
    }

    /// Takes over the UNIX data that came through the pipe, and says which files, directories aside, it
    /// is of: these have been made without.
    pub fn learn_unix_data(&self, come: &HashMap<BlobId, UnixData>) -> Vec<FileNumber> {
        let known = self.unix_come.get_or_init(|| {
            let of = |blob| self.unix_to_come.get(blob).into_iter().flatten();
            let each = come
                .iter()
                .flat_map(|(blob, &unix)| of(blob).map(move |&inode| (inode, unix)));
            each.collect()
        });
        let files = (0..).zip(&self.files);
        let concerned = files.filter(|(_, file)| known.contains_key(&file.inode));
        concerned.map(|(number, _)| number).collect()
    }
}

/// All directories above the selected paths, parents before children.
fn parents(selected: &[Selected]) -> Vec<Vec<u8>> {
    let mut parents: Vec<Vec<u8>> = Vec::new();
    for one in selected {
        let slashes = one.path.iter().enumerate().filter(|byte| *byte.1 == b'/');
        parents.extend(slashes.map(|(at, _)| one.path[..at].to_vec()));
    }
    parents.sort_unstable();
    parents.dedup();
    parents
}

struct Planner<'p, 'a> {
    plan: Plan<'a>,
    archive: &'p Archive,
    to: &'p Restorer<'p>,
    /// Names of files, in the order of the walk.
    found: Vec<(InodeId, Name)>,
    uses: Vec<(BlobId, FileNumber)>,
    left_out: LeftOut,
    old_unix_seen: HashMap<BlobId, Option<UnixData>>,
}

/// What becomes of a file.
enum Decision {
    Leave,
    Make(What, Option<BlobId>),
}

impl Planner<'_, '_> {
    fn warn(&self, what: &str) {
        self.to.observer.event(&Event::Warning(what));
    }

    fn show(&self, name: Name) -> String {
        text::Show(&self.plan.image_path(name)).to_string()
    }

    /// Goes through a part of the tree. What cannot have its name is left out with all below it.
    fn walk(&mut self, selection: u32) -> Result<()> {
        let top = self.plan.paths.top(selection);
        let mut stack = vec![top];
        while let Some(dentry) = stack.pop() {
            let name = Name { dentry, selection };
            if dentry != top && !self.has_place(name) {
                continue;
            }
            let inode = self.plan.image.inode_of(dentry);
            if !self.plan.image.short_name(dentry).is_empty() {
                self.left_out.short_names += 1;
            }
            if inode.attributes.is_directory() {
                self.note(inode);
                let id = self.plan.image.dentry(dentry).inode;
                self.old_unix_data(id, name)?;
                self.plan.directories.push(name);
                stack.extend(self.plan.image.children(dentry).iter().rev());
            } else {
                self.found
                    .push((self.plan.image.dentry(dentry).inode, name));
            }
        }
        Ok(())
    }

    fn has_place(&mut self, name: Name) -> bool {
        let image = self.plan.image;
        if self.to.target.allows_name(image.name(name.dentry)) {
            return true;
        }
        let path = self.show(name);
        if self.to.options.include_invalid_names
            && self.plan.paths.rename(name.dentry, self.to.target)
        {
            return true;
        }
        let below = image.walk(name.dentry).count() as u64;
        self.plan.skipped += below;
        self.warn(&format!(
            "{path:?} is left out: the target does not allow this name"
        ));
        false
    }

    /// Counts what no file of the target will have.
    fn note(&mut self, inode: &Inode) {
        self.left_out.security += u64::from(inode.security != SecurityId::NONE);
        let has_unix = self.plan.image.item(inode, UNIX_DATA).is_some();
        self.left_out.unix += u64::from(has_unix && !self.to.options.unix_data);
        let streams = self.plan.image.streams(inode).iter();
        let named = streams.filter(|stream| {
            let is_old_unix =
                self.to.options.unix_data && self.plan.image.text(stream.name) == OLD_UNIX_STREAM;
            stream.kind == StreamKind::Named && !is_old_unix
        });
        self.left_out.named_streams += named.count() as u64;
    }

    /// Makes files of the names found.
    fn group_names(&mut self) -> Result<()> {
        let mut found = std::mem::take(&mut self.found);
        // Stable: the first name of a file stays the first. Files keep the order of their numbers,
        // which is that of the tree.
        found.sort_by_key(|entry| entry.0);
        let mut rest = &found[..];
        while let Some(&(inode, first)) = rest.first() {
            let (names, later) = rest.split_at(rest.partition_point(|entry| entry.0 <= inode));
            rest = later;
            let names_start = self.plan.names.len() as u32;
            let (what, blob) = match self.decide(inode, first)? {
                Decision::Make(what, blob) => (what, blob),
                Decision::Leave => {
                    self.plan.skipped += names.len() as u64;
                    continue;
                }
            };
            self.plan.names.extend(names.iter().map(|entry| entry.1));
            let number = self.plan.files.len() as FileNumber;
            self.plan.files.push(PlannedFile {
                inode,
                what,
                names_start,
                names_end: self.plan.names.len() as u32,
            });
            match blob {
                Some(blob) => self.uses.push((blob, number)),
                None => self.plan.without_data.push(number),
            }
        }
        Ok(())
    }

    fn decide(&mut self, id: InodeId, name: Name) -> Result<Decision> {
        let image = self.plan.image;
        let inode = image.inode(id);
        self.note(inode);
        self.old_unix_data(id, name)?;
        if inode.attributes.contains(FileAttributes::ENCRYPTED) {
            self.left_out.encrypted += 1;
            return Ok(Decision::Leave);
        }
        if inode.attributes.is_reparse_point() {
            return self.decide_link(inode, name);
        }
        let unix = self.plan.unix_data(id);
        if self.to.options.unix_data && unix.is_some_and(|unix| unix.is_special()) {
            return Ok(Decision::Make(What::Special, None));
        }
        let Some(stream) = image.unnamed_stream(inode, StreamKind::Data) else {
            return Ok(Decision::Make(What::Regular, None));
        };
        let hash = image.content(stream.content).hash;
        if hash.is_zero() {
            return Ok(Decision::Make(What::Regular, None));
        }
        match self.archive.blobs.find(&hash) {
            Some(blob) => Ok(Decision::Make(What::Regular, Some(blob))),
            None => self.missing(name, &hash),
        }
    }

    fn decide_link(&mut self, inode: &Inode, name: Name) -> Result<Decision> {
        use crate::image::{TAG_MOUNT_POINT, TAG_SYMLINK};
        let image = self.plan.image;
        let content = image
            .unnamed_stream(inode, StreamKind::Reparse)
            .map(|stream| image.content(stream.content));
        if !matches!(inode.reparse_tag, TAG_SYMLINK | TAG_MOUNT_POINT) {
            self.left_out.untranslatable += 1;
            return Ok(Decision::Leave);
        }
        let Some(content) = content.filter(|content| !content.hash.is_zero()) else {
            self.warn(&format!(
                "{:?} is left out: a link without a target",
                self.show(name)
            ));
            return Ok(Decision::Leave);
        };
        let Some(blob) = self.archive.blobs.find(&content.hash) else {
            return self.missing(name, &content.hash);
        };
        if self.archive.blobs.get(blob).size > MAX_REPARSE_DATA as u64 {
            self.warn(&format!(
                "{:?} is left out: its link data is too large",
                self.show(name)
            ));
            return Ok(Decision::Leave);
        }
        Ok(Decision::Make(What::Link, Some(blob)))
    }

    fn missing(&self, name: Name, hash: &Sha1) -> Result<Decision> {
        let error = self.archive.missing(hash).at(self.show(name));
        if !self.to.options.recover_data {
            return Err(error);
        }
        self.warn(&format!("left out: {error}"));
        Ok(Decision::Leave)
    }

    /// Reads UNIX data that is stored in the old way.
    fn old_unix_data(&mut self, id: InodeId, name: Name) -> Result<()> {
        let image = self.plan.image;
        let inode = image.inode(id);
        if !self.to.options.unix_data || image.item(inode, UNIX_DATA).is_some() {
            return Ok(());
        }
        let stream = image.streams(inode).iter().find(|stream| {
            stream.kind == StreamKind::Named && image.text(stream.name) == OLD_UNIX_STREAM
        });
        let blob =
            stream.and_then(|stream| self.archive.blobs.find(&image.content(stream.content).hash));
        let Some(blob) = blob else {
            return Ok(());
        };
        if self.archive.blobs.get(blob).place == Place::Elsewhere {
            self.plan.unix_to_come.entry(blob).or_default().push(id);
            return Ok(());
        }
        if !self.old_unix_seen.contains_key(&blob) {
            let unix = match read_old_unix_data(self.archive, blob) {
                Ok(unix) => unix,
                Err(error) => {
                    self.to.damaged(error.at(self.show(name)))?;
                    None
                }
            };
            self.old_unix_seen.insert(blob, unix);
        }
        if let Some(&Some(unix)) = self.old_unix_seen.get(&blob) {
            self.plan.old_unix.insert(id, unix);
        }
        Ok(())
    }

    /// Sorts uses by blob.
    fn group_uses(&mut self) {
        let mut uses = std::mem::take(&mut self.uses);
        uses.sort_unstable();
        for (blob, file) in uses {
            if self.plan.blobs.last() != Some(&blob) {
                self.plan.blobs.push(blob);
                self.plan.users_end.push(0);
            }
            self.plan.users.push(file);
            if let Some(end) = self.plan.users_end.last_mut() {
                *end = self.plan.users.len() as u32;
            }
        }
    }

    fn report(&mut self) {
        let left_out = std::mem::take(&mut self.left_out);
        let security = if self.to.options.no_acls {
            0
        } else {
            left_out.security
        };
        if left_out.unix > 0 {
            // In these words, since scripts know them.
            self.warn(&format!(
                "Ignoring UNIX metadata (uid/gid/mode/rdev) of {} files\n(use --unix-data mode to \
                 extract these)",
                left_out.unix
            ));
        }
        for (count, what) in [
            (security, "security descriptors of files are ignored"),
            (left_out.short_names, "short names are ignored"),
            (left_out.named_streams, "named streams are ignored"),
            (left_out.encrypted, "encrypted files are left out"),
            (
                left_out.untranslatable,
                "reparse points that are neither symbolic links nor junctions are left out",
            ),
        ] {
            if count > 0 {
                self.warn(&format!("{count} {what}"));
            }
        }
    }
}

/// UNIX data that is a stream of an archive with random access.
fn read_old_unix_data(archive: &Archive, blob: BlobId) -> Result<Option<UnixData>> {
    let blob = archive.blobs.get(blob);
    if blob.size != UnixData::OLD_SIZE {
        return Ok(None);
    }
    let mut data = Vec::new();
    archive
        .reader(blob)?
        .read_all(&mut WorkerState::default(), &mut |piece| {
            data.extend_from_slice(piece);
            Ok(())
        })?;
    Ok(UnixData::decode_old(&data))
}
