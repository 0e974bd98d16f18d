//! Metadata to image. Accepts what other writers produce and what can be mended, reports it as a
//! [`Finding`], and refuses the rest; never reads outside of the buffer, never loops, and never
//! makes more of the buffer than it can hold.

mod dentry;
mod inode;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::image::{DentryId, Image, InodeId, collation};
use crate::limits::Limits;
use crate::text;
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
