//! The file behind a dentry: a new one, or one that has another name already.

use super::Decoder;
use crate::Result;
use crate::format::metadata::RawDentry;
use crate::image::{Content, FileAttributes, Inode, InodeId, SecurityId, Stream, StreamKind};
use crate::time::FileTime;

impl Decoder<'_> {
    /// The inode of a dentry: a new one, or that of its hard link group.
    pub(super) fn inode(
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
}

enum Difference {
    None,
    Details(&'static str),
    OtherFile,
}
