//! Metadata to image. Accepts what other writers produce and what can be mended, reports it as a
//! [`Finding`], and refuses the rest; never reads outside of the buffer, never loops, and never
//! makes more of the buffer than it can hold.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use zerocopy::FromBytes;

use super::{DENTRY_SIZE, RawDentry, RawStream, STREAM_SIZE};
use crate::hash::Sha1;
use crate::image::{
    Content, ContentId, DentryId, FileAttributes, Image, Inode, InodeId, NameRef, SecurityId,
    Stream, StreamKind, UNKNOWN_SIZE, collation, items,
};
use crate::limits::Limits;
use crate::text;
use crate::time::FileTime;
use crate::{Error, ErrorKind, Result};

/// Something about a metadata resource that is not as it should be but does not prevent its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Offset in the uncompressed metadata.
    pub offset: u64,
    /// What it is.
    pub what: String,
    /// Whether something was dropped or changed to be able to go on.
    pub mended: bool,
}

/// Decodes a metadata resource. Everything unusual is given to `report`.
///
/// # Errors
/// [`ErrorKind::Metadata`] if it cannot be used; [`ErrorKind::Memory`] if it is too large for an
/// [`Image`].
pub fn decode(metadata: &[u8], limits: &Limits, report: &mut dyn FnMut(Finding)) -> Result<Image> {
    let mut decoder = Decoder {
        bytes: metadata,
        image: Image::new(),
        groups: HashMap::new(),
        directory_groups: HashSet::new(),
        used: Vec::new(),
        dentries: 0,
        report,
    };
    let security_end = decoder.security()?;
    decoder.tree(security_end, limits)?;
    decoder.coverage();
    decoder.image.shrink();
    Ok(decoder.image)
}

struct Decoder<'a> {
    bytes: &'a [u8],
    image: Image,
    groups: HashMap<u64, InodeId>,
    /// Groups that a directory claims to be in; it should be alone there.
    directory_groups: HashSet<u64>,
    /// Ranges that belong to a structure.
    used: Vec<(u64, u64)>,
    dentries: u64,
    report: &'a mut dyn FnMut(Finding),
}

/// A dentry as it stands in the metadata, before it is given a place in the tree.
struct Parsed {
    id: DentryId,
    children: u64,
    end: u64,
}

fn fatal(offset: u64, what: impl Into<String>) -> Error {
    Error::new(
        ErrorKind::Metadata,
        format!("metadata at byte {offset}: {}", what.into()),
    )
}

impl<'a> Decoder<'a> {
    fn note(&mut self, offset: u64, mended: bool, what: impl Into<String>) {
        (self.report)(Finding {
            offset,
            what: what.into(),
            mended,
        });
    }

    fn range(&self, start: u64, size: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(start).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        self.bytes.get(start..end)
    }

    fn u64_at(&self, at: u64) -> Option<u64> {
        let bytes = self.range(at, 8)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }

    fn expect_zero(&mut self, start: u64, end: u64, what: &str) {
        let bytes = self
            .range(start, end.saturating_sub(start))
            .unwrap_or_default();
        if bytes.iter().any(|&byte| byte != 0) {
            self.note(start, false, format!("{what} is not zero"));
        }
    }

    /// Rounds a length up to a multiple of 8, which it should be.
    fn rounded(&mut self, at: u64, length: u64, what: &str) -> Result<u64> {
        if length.is_multiple_of(8) {
            return Ok(length);
        }
        self.note(
            at,
            true,
            format!("length {length} of {what} is not a multiple of 8"),
        );
        let rounded = length.checked_next_multiple_of(8);
        rounded.ok_or_else(|| fatal(at, format!("length of {what} overflows")))
    }

    fn security(&mut self) -> Result<u64> {
        let head = self
            .u64_at(0)
            .ok_or_else(|| fatal(0, "shorter than 8 bytes"))?;
        let (mut total, count) = (head & 0xFFFF_FFFF, head >> 32);
        if total == 0 {
            self.note(0, true, "the security data has length 0");
            total = 8;
        }
        total = self.rounded(0, total, "the security data")?;
        let sizes_end = 8 + 8 * count;
        if total > self.bytes.len() as u64 || sizes_end > total {
            return Err(fatal(
                0,
                format!("{count} security descriptors do not fit in {total} bytes"),
            ));
        }
        let mut at = sizes_end;
        let mut seen = HashSet::new();
        for number in 0..count {
            let size = self.u64_at(8 + 8 * number).unwrap_or(u64::MAX);
            let end = at.checked_add(size).filter(|&end| end <= total);
            let Some((end, bytes)) = end.and_then(|end| Some((end, self.range(at, size)?))) else {
                return Err(fatal(
                    at,
                    format!("security descriptor {number} does not fit"),
                ));
            };
            if !seen.insert(bytes) {
                self.note(
                    at,
                    false,
                    format!("security descriptor {number} is stored twice"),
                );
            }
            self.image.security.push(Arc::from(bytes));
            at = end;
        }
        if at.next_multiple_of(8) != total {
            self.note(
                0,
                false,
                format!("the security data has {total} bytes but needs {at}"),
            );
        }
        self.expect_zero(at, total, "padding of the security data");
        self.used.push((0, total));
        Ok(total)
    }

    fn tree(&mut self, at: u64, limits: &Limits) -> Result<()> {
        let Some(root) = self.dentry(at, true)? else {
            self.note(at, true, "there is no root; the image is empty");
            self.used.push((at, at + 8));
            return Ok(());
        };
        if !self.image.inode_of(root.id).attributes.is_directory() {
            return Err(fatal(at, "the root is not a directory"));
        }
        match self.u64_at(root.end) {
            Some(0) => self.used.push((at, root.end + 8)),
            _ => {
                self.note(root.end, false, "the root is not followed by 8 zero bytes");
                self.used.push((at, root.end));
            }
        }
        self.image.set_root(root.id);
        let mut lists = HashSet::new();
        let mut todo = vec![(root.id, root.children, 0usize)];
        while let Some((directory, list, depth)) = todo.pop() {
            if depth >= limits.depth {
                return Err(fatal(list, "directories are nested too deeply"));
            }
            if list == 0 {
                let path = self.show_path(directory);
                self.note(at, false, format!("directory {path} has no child list"));
                continue;
            }
            if !lists.insert(list) {
                let path = self.show_path(directory);
                return Err(fatal(
                    list,
                    format!("{path} shares its child list with another directory"),
                ));
            }
            let first = todo.len();
            self.child_list(directory, list, depth + 1, &mut todo)?;
            // The first directory of the list is to be read next.
            todo[first..].reverse();
        }
        Ok(())
    }

    fn child_list(
        &mut self,
        directory: DentryId,
        start: u64,
        depth: usize,
        todo: &mut Vec<(DentryId, u64, usize)>,
    ) -> Result<()> {
        if !start.is_multiple_of(8) {
            self.note(
                start,
                false,
                "offset of a child list is not a multiple of 8",
            );
        }
        let mut children: Vec<DentryId> = Vec::new();
        let mut subdirectories = Vec::new();
        let mut sorted = true;
        let mut at = start;
        while let Some(parsed) = self.dentry(at, false)? {
            if self.is_usable_name(parsed.id, at) {
                if let Some(&last) = children.last() {
                    let order =
                        collation::compare(self.image.name(last), self.image.name(parsed.id));
                    sorted &= order.is_lt();
                }
                children.push(parsed.id);
                if self.image.inode_of(parsed.id).attributes.is_directory() {
                    subdirectories.push((parsed.id, parsed.children, depth));
                } else if parsed.children != 0 {
                    self.note(at, true, "a file has a child list; it is ignored");
                }
            } else {
                self.image.forget_name(parsed.id);
            }
            at = parsed.end;
        }
        self.used.push((start, at + 8));
        self.image.set_children(directory, &mut children)?;
        if !sorted {
            self.note(start, false, "children are not in order");
            self.drop_duplicates(directory, start, &mut subdirectories)?;
        }
        todo.append(&mut subdirectories);
        Ok(())
    }

    /// Of children with exactly equal names the one that was read first stays.
    fn drop_duplicates(
        &mut self,
        directory: DentryId,
        at: u64,
        subdirectories: &mut Vec<(DentryId, u64, usize)>,
    ) -> Result<()> {
        let before = self.image.children(directory).to_vec();
        let mut kept: Vec<DentryId> = Vec::with_capacity(before.len());
        let mut dropped = HashSet::new();
        for child in before {
            let twin = kept.last().copied();
            if twin.is_some_and(|twin| self.image.name(twin) == self.image.name(child)) {
                let path = self.show_path(child);
                self.note(
                    at,
                    true,
                    format!("duplicate name {path}; the first is kept"),
                );
                self.image.forget_name(child);
                dropped.insert(child);
            } else {
                kept.push(child);
            }
        }
        if dropped.is_empty() {
            return Ok(());
        }
        subdirectories.retain(|entry| !dropped.contains(&entry.0));
        self.image.set_children(directory, &mut kept)
    }

    fn is_usable_name(&mut self, id: DentryId, at: u64) -> bool {
        let name = self.image.name(id);
        let bad = name.is_empty() || name == b"." || name == b".." || name.contains(&0);
        if bad {
            let shown = text::Show(name).to_string();
            self.note(
                at,
                true,
                format!("name {shown:?} is not allowed; the entry is dropped"),
            );
        }
        !bad
    }

    fn show_path(&self, id: DentryId) -> String {
        text::Show(&self.image.path(id)).to_string()
    }

    /// Parses the dentry at `at`; `None` at the end of a list.
    fn dentry(&mut self, at: u64, is_root: bool) -> Result<Option<Parsed>> {
        let length = self
            .u64_at(at)
            .ok_or_else(|| fatal(at, "a dentry begins outside of the metadata"))?;
        if length <= 8 {
            if length != 0 {
                self.note(at, false, format!("the end of a list has length {length}"));
            }
            return Ok(None);
        }
        // A list that begins inside of another could be read again and again.
        self.dentries += 1;
        if self.dentries > self.bytes.len() as u64 / DENTRY_SIZE as u64 {
            return Err(fatal(at, "child lists overlap"));
        }
        let length = self.rounded(at, length, "a dentry")?;
        let bytes = self
            .range(at, length)
            .filter(|bytes| bytes.len() >= DENTRY_SIZE)
            .ok_or_else(|| fatal(at, format!("impossible dentry length {length}")))?;
        let (raw, tail) =
            RawDentry::ref_from_prefix(bytes).map_err(|_| fatal(at, "dentry too short"))?;
        if raw.reserved != [0; 16] {
            self.note(at + 0x18, false, "reserved field of a dentry is not zero");
        }
        let (name, used) = self.name(at, tail, 0, raw.name_size.get(), "name")?;
        let (short_name, used) =
            self.name(at, tail, used, raw.short_name_size.get(), "short name")?;
        let names_end = (DENTRY_SIZE + used).next_multiple_of(8).min(bytes.len());
        self.expect_zero(
            at + (DENTRY_SIZE + used) as u64,
            at + names_end as u64,
            "padding of names",
        );
        let items = self.items(at + names_end as u64, &bytes[names_end..]);
        let attributes = FileAttributes::from_bits_retain(raw.attributes.get());
        let (streams, end) = self.streams(at + length, raw, attributes)?;
        let inode = self.inode(at, raw, attributes, &streams, items)?;
        let name = if is_root && !(name.is_empty() && short_name.is_empty()) {
            self.note(at, true, "the root has a name; it is removed");
            NameRef::default()
        } else {
            name
        };
        let id = self.image.add_dentry(name, inode)?;
        if !is_root {
            self.image.set_short_name(id, short_name);
        }
        Ok(Some(Parsed {
            id,
            children: raw.children.get(),
            end,
        }))
    }

    /// Takes a name of `size` bytes and its terminator from `tail[used..]`; returns the new `used`.
    fn name(
        &mut self,
        at: u64,
        tail: &[u8],
        used: usize,
        size: u16,
        what: &str,
    ) -> Result<(NameRef, usize)> {
        let size = usize::from(size);
        if size == 0 {
            return Ok((NameRef::default(), used));
        }
        if size % 2 != 0 {
            return Err(fatal(at, format!("{what} has an odd number of bytes")));
        }
        let Some(units) = tail.get(used..used + size) else {
            return Err(fatal(at, format!("{what} of {size} bytes does not fit")));
        };
        let mut end = used + size;
        match tail.get(end..end + 2) {
            Some(&[0, 0]) => end += 2,
            _ => self.note(at, false, format!("{what} has no terminator")),
        }
        let mut name = Vec::with_capacity(size);
        let units = units
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        text::push_utf16(&mut name, units);
        Ok((self.image.add_name(&name)?, end))
    }

    /// Checks tagged items and returns the bytes of those that fit.
    fn items(&mut self, at: u64, stored: &'a [u8]) -> &'a [u8] {
        let mut used = 0;
        let mut tags = Vec::new();
        for (tag, data) in items::items(stored) {
            used += 8 + data.len().next_multiple_of(8);
            if tags.contains(&tag) {
                self.note(at, false, format!("tagged item {tag:#x} occurs twice"));
            }
            tags.push(tag);
            let valid = match tag {
                items::OBJECT_ID => data.len() >= 16,
                items::UNIX_DATA => data.len() == 16,
                items::XATTRS => items::decode_xattrs(data).is_ok(),
                _ => true,
            };
            if !valid {
                self.note(at, false, format!("tagged item {tag:#x} is malformed"));
            }
        }
        if used < stored.len() {
            self.note(
                at + used as u64,
                true,
                "bytes behind the tagged items are dropped",
            );
        }
        &stored[..used.min(stored.len())]
    }

    /// Parses the extra stream entries at `at` and tells the streams apart; returns them with the
    /// offset behind.
    fn streams(
        &mut self,
        mut at: u64,
        raw: &RawDentry,
        attributes: FileAttributes,
    ) -> Result<(Vec<Stream>, u64)> {
        let extra = raw.extra_streams.get();
        let mut unnamed = Vec::new();
        let mut named: Vec<Stream> = Vec::new();
        for _ in 0..extra {
            let length = self
                .u64_at(at)
                .ok_or_else(|| fatal(at, "a stream entry does not fit"))?;
            let length = self.rounded(at, length, "a stream entry")?;
            let bytes = self
                .range(at, length)
                .filter(|bytes| bytes.len() >= STREAM_SIZE)
                .ok_or_else(|| fatal(at, format!("impossible stream entry length {length}")))?;
            let (stream, tail) = RawStream::ref_from_prefix(bytes)
                .map_err(|_| fatal(at, "stream entry too short"))?;
            if stream.reserved.get() != 0 {
                self.note(at, false, "reserved field of a stream entry is not zero");
            }
            let (name, used) = self.name(at, tail, 0, stream.name_size.get(), "stream name")?;
            self.expect_zero(
                at + (STREAM_SIZE + used) as u64,
                at + length,
                "padding of a stream entry",
            );
            if name.is_empty() {
                unnamed.push(stream.hash);
            } else {
                if named
                    .iter()
                    .any(|other| self.image.text(other.name) == self.image.text(name))
                {
                    self.note(at, false, "two streams have the same name");
                }
                let content = self.content(stream.hash)?;
                named.push(Stream {
                    kind: StreamKind::Named,
                    name,
                    content,
                });
            }
            at += length;
        }
        if !raw.main_hash.is_zero() || unnamed.is_empty() {
            unnamed.insert(0, raw.main_hash);
        }
        let mut streams = self.classify(at, &unnamed, attributes)?;
        if attributes.contains(FileAttributes::ENCRYPTED)
            && !attributes.contains(FileAttributes::DIRECTORY)
        {
            if !named.is_empty() {
                self.note(at, true, "named streams of an encrypted file are dropped");
            }
        } else {
            streams.append(&mut named);
        }
        Ok((streams, at))
    }

    /// Says what each unnamed stream is.
    fn classify(
        &mut self,
        at: u64,
        unnamed: &[Sha1],
        attributes: FileAttributes,
    ) -> Result<Vec<Stream>> {
        let mut streams = Vec::new();
        let is_directory = attributes.contains(FileAttributes::DIRECTORY);
        if attributes.contains(FileAttributes::ENCRYPTED) && !is_directory {
            let raw = unnamed.iter().copied().find(|hash| !hash.is_zero());
            streams.push(self.unnamed(StreamKind::Encrypted, raw.unwrap_or_default())?);
            return Ok(streams);
        }
        let mut rest = unnamed.iter().copied();
        if attributes.is_reparse_point() {
            let hash = rest.next().unwrap_or_default();
            streams.push(self.unnamed(StreamKind::Reparse, hash)?);
        }
        if let Some(hash) = rest.next() {
            // Older writers give directories an empty unnamed stream beside named ones.
            if !(is_directory && hash.is_zero()) {
                streams.push(self.unnamed(StreamKind::Data, hash)?);
            }
        } else if !is_directory && !attributes.is_reparse_point() {
            streams.push(self.unnamed(StreamKind::Data, Sha1::ZERO)?);
        }
        if rest.next().is_some() {
            self.note(
                at,
                true,
                "more unnamed streams than a file can have; the rest is dropped",
            );
        }
        Ok(streams)
    }

    fn unnamed(&mut self, kind: StreamKind, hash: Sha1) -> Result<Stream> {
        Ok(Stream {
            kind,
            name: NameRef::default(),
            content: self.content(hash)?,
        })
    }

    fn content(&mut self, hash: Sha1) -> Result<ContentId> {
        let size = if hash.is_zero() { 0 } else { UNKNOWN_SIZE };
        self.image.add_content(hash, size)
    }

    /// The inode of a dentry: a new one, or that of its hard link group.
    fn inode(
        &mut self,
        at: u64,
        raw: &RawDentry,
        attributes: FileAttributes,
        streams: &[Stream],
        items: &[u8],
    ) -> Result<InodeId> {
        let mut security = SecurityId(raw.security_id.get());
        if security != SecurityId::NONE && self.image.security.get(security).is_none() {
            self.note(
                at,
                true,
                format!("there is no security descriptor {}", security.0),
            );
            security = SecurityId::NONE;
        }
        let packed = raw.group_or_reparse.get();
        let is_reparse_point = attributes.is_reparse_point();
        let reparse = if is_reparse_point { packed } else { 0 };
        let inode = Inode {
            attributes,
            security,
            creation_time: FileTime(raw.creation_time.get()),
            access_time: FileTime(raw.access_time.get()),
            write_time: FileTime(raw.write_time.get()),
            unknown: raw.unknown.get(),
            reparse_tag: reparse as u32,
            reparse_reserved: (reparse >> 32) as u16,
            reparse_flags: (reparse >> 48) as u16,
            ..Inode::default()
        };
        let group = if is_reparse_point { 0 } else { packed };
        if group == 0 {
            return self.image.add_inode(inode, streams, items);
        }
        if attributes.contains(FileAttributes::DIRECTORY) {
            if !self.directory_groups.insert(group) || self.groups.contains_key(&group) {
                self.note(at, false, "a directory claims to have another name");
            }
            return self.image.add_inode(inode, streams, items);
        }
        match self.groups.get(&group) {
            Some(&first) => {
                match self.difference(first, &inode, streams, items) {
                    Difference::None => Ok(first),
                    Difference::Details(what) => {
                        self.note(at, true, format!("hard links of one file differ in {what}"));
                        Ok(first)
                    }
                    Difference::OtherFile => {
                        self.note(at, true, "hard links of one file have different data; they become separate files");
                        self.image.add_inode(inode, streams, items)
                    }
                }
            }
            None => {
                let id = self.image.add_inode(inode, streams, items)?;
                self.groups.insert(group, id);
                Ok(id)
            }
        }
    }

    fn difference(
        &self,
        first: InodeId,
        other: &Inode,
        streams: &[Stream],
        items: &[u8],
    ) -> Difference {
        let first = self.image.inode(first);
        let hash = |stream: &Stream| {
            let Content { hash, .. } = *self.image.content(stream.content);
            (stream.kind, self.image.text(stream.name), hash)
        };
        let of_first = self.image.streams(first);
        let unnamed = |streams: &[Stream]| {
            let data = streams
                .iter()
                .find(|stream| stream.kind == StreamKind::Data);
            data.map(|stream| self.image.content(stream.content).hash)
        };
        if unnamed(of_first) != unnamed(streams) {
            return Difference::OtherFile;
        }
        if !of_first.iter().map(hash).eq(streams.iter().map(hash)) {
            return Difference::Details("their named streams");
        }
        if first.attributes != other.attributes {
            return Difference::Details("their attributes");
        }
        if first.security != other.security {
            return Difference::Details("their security descriptors");
        }
        let times = |inode: &Inode| (inode.creation_time, inode.access_time, inode.write_time);
        if times(first) != times(other) {
            return Difference::Details("their times");
        }
        if self.image.stored_items(first) != items {
            return Difference::Details("their tagged items");
        }
        Difference::None
    }

    /// Every byte should belong to exactly one structure.
    fn coverage(&mut self) {
        self.used.sort_unstable();
        let mut at = 0;
        for (start, end) in std::mem::take(&mut self.used) {
            if start < at {
                self.note(start, false, "structures overlap");
            } else if start > at {
                self.note(at, false, format!("{} bytes belong to nothing", start - at));
            }
            at = at.max(end);
        }
        let size = self.bytes.len() as u64;
        if at < size {
            self.note(
                at,
                false,
                format!("{} bytes at the end belong to nothing", size - at),
            );
        }
    }
}

enum Difference {
    None,
    Details(&'static str),
    OtherFile,
}
