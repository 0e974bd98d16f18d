//! A dentry with its name, streams and tagged items.

use zerocopy::FromBytes;

use super::{Decoder, Parsed, fatal};
use crate::Result;
use crate::format::metadata::{DENTRY_SIZE, RawDentry, RawStream, STREAM_SIZE};
use crate::hash::Sha1;
use crate::image::{ContentId, FileAttributes, NameRef, Stream, StreamKind, UNKNOWN_SIZE, items};
use crate::text;

impl<'a> Decoder<'a> {
    /// Parses the dentry at `at`; `None` at the end of a list.
    pub(super) fn dentry(&mut self, at: u64, is_root: bool) -> Result<Option<Parsed>> {
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
}
