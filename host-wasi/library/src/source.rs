//! Trees of the host.
//!
//! What a host gives is checked before it reaches the core: an entry that no tree can have is a problem
//! of that entry.

use wimforge_core::image::{ReparseData, Xattr};
use wimforge_core::port::{
    Entry, EntryBatch, EntryProblem, EntryWarning, Extra, FileIdentity, Kind, Link, Node,
    OpenStream, Source, Stamp, StreamInfo, Wanted, WindowsMetadata,
};
use wimforge_core::time::FileTime;
use wimforge_core::{ErrorKind, Result};

use crate::bindings::wimforge::imaging::source as wit;
use crate::bindings::wimforge::imaging::types::ErrorCode;
use crate::convert;
use crate::failure::{FromHost, fill, from_host, nonsense, request};

/// A tree of the host.
pub struct HostTree<'a>(pub &'a wit::Tree);

/// Sizes in an archive have 56 bits.
const LARGEST: u64 = (1 << 56) - 1;
/// Streams of a file are numbered with 16 bits.
const MOST_STREAMS: usize = u16::MAX as usize;

impl Source for HostTree<'_> {
    fn name(&self) -> String {
        self.0.name()
    }

    fn root(&self, wanted: Wanted) -> Result<EntryBatch> {
        let root = self.0.root(flags(wanted)).or_fail(ErrorKind::Stat)?;
        if root.entries.len() != 1 || root.entries.iter().any(|entry| !entry.name.is_empty()) {
            return Err(nonsense(ErrorKind::Stat, "something that is no root"));
        }
        batch(root, ErrorKind::Stat)
    }

    fn read_dir(&self, directory: Node, wanted: Wanted) -> Result<EntryBatch> {
        let kind = ErrorKind::OpenDirectory;
        let mut found = self.0.read_dir(directory.0, flags(wanted)).or_fail(kind)?;
        let (good, bad) = std::mem::take(&mut found.entries)
            .into_iter()
            .partition(|entry| is_file_name(&entry.name));
        found.entries = good;
        found
            .problems
            .extend(bad.into_iter().map(|entry: wit::Entry| wit::Problem {
                name: entry.name,
                error: ErrorCode::Open("the host gave a name that no file can have".into()),
            }));
        batch(found, kind)
    }

    fn open(&self, node: Node, stream: u32) -> Result<Box<dyn OpenStream + '_>> {
        let reader = self.0.open(node.0, stream).or_fail(ErrorKind::Open)?;
        Ok(Box::new(HostReader(reader)))
    }

    fn inside_root(&self, target: &[u16]) -> Result<Option<usize>> {
        let inside = self.0.inside_root(target).or_fail(ErrorKind::ReadLink)?;
        match inside.map(|len| len as usize) {
            Some(len) if len > target.len() => Err(nonsense(
                ErrorKind::ReadLink,
                "a prefix that is longer than the link",
            )),
            inside => Ok(inside),
        }
    }
}

fn flags(wanted: Wanted) -> wit::Wanted {
    let mut flags = wit::Wanted::empty();
    flags.set(wit::Wanted::XATTRS, wanted.xattrs);
    flags.set(wit::Wanted::SECURITY, wanted.security);
    flags.set(wit::Wanted::STRICT_SECURITY, wanted.strict_security);
    flags
}

fn is_file_name(name: &[u16]) -> bool {
    const DOT: u16 = b'.' as u16;
    !matches!(name, [] | [DOT] | [DOT, DOT])
        && !name.contains(&0)
        && !name.contains(&u16::from(b'/'))
}

fn batch(found: wit::Batch, kind: ErrorKind) -> Result<EntryBatch> {
    let mut batch = EntryBatch::default();
    for mut entry in found.entries {
        let name = std::mem::take(&mut entry.name);
        match convert_entry(entry) {
            Ok(entry) => batch.push(name, entry),
            Err(what) => batch.problems.push(EntryProblem {
                name,
                error: nonsense(ErrorKind::Stat, what),
            }),
        }
    }
    batch
        .problems
        .extend(found.problems.into_iter().map(|problem| EntryProblem {
            name: problem.name,
            error: from_host(problem.error, kind),
        }));
    batch
        .warnings
        .extend(found.warnings.into_iter().map(|warning| EntryWarning {
            name: warning.name,
            text: warning.text,
        }));
    Ok(batch)
}

/// What cannot be is named.
fn convert_entry(entry: wit::Entry) -> Result<Entry, &'static str> {
    let mut sizes = entry.named_streams.iter().map(|stream| stream.size);
    if entry.size > LARGEST || sizes.any(|size| size > LARGEST) {
        return Err("a size that no archive can hold");
    }
    if entry.named_streams.len() >= MOST_STREAMS {
        return Err("more streams than a file can have");
    }
    let extra = convert_extra(entry.named_streams, entry.xattrs, &entry.object_id)?;
    Ok(Entry {
        node: Node(entry.node),
        name_end: 0,
        kind: convert_kind(entry.kind),
        creation_time: FileTime(entry.creation_time),
        access_time: FileTime(entry.access_time),
        write_time: FileTime(entry.write_time),
        identity: entry.identity.map(identity),
        shared: entry.shared,
        size: entry.size,
        unix: entry.unix.map(convert::unix),
        extra,
    })
}

/// Which file it is.
pub fn identity(identity: wit::FileIdentity) -> FileIdentity {
    FileIdentity {
        device: identity.device,
        file: identity.file,
    }
}

fn convert_kind(kind: wit::Kind) -> Kind {
    match kind {
        wit::Kind::Directory => Kind::Directory,
        wit::Kind::File(sparse) => Kind::File { sparse },
        wit::Kind::Link(link) => Kind::Link(Box::new(Link {
            target: link.target,
            to_directory: link.to_directory,
        })),
        wit::Kind::Special => Kind::Special,
        wit::Kind::Windows(windows) => Kind::Windows(Box::new(WindowsMetadata {
            attributes: windows.attributes,
            short_name: windows.short_name,
            security: windows.security.into(),
            reparse: windows.reparse.map(|reparse| ReparseData {
                tag: reparse.tag,
                reserved: reparse.reserved,
                data: reparse.data,
            }),
            unreadable_encryption: windows.unreadable_encryption,
        })),
    }
}

fn convert_extra(
    streams: Vec<wit::StreamInfo>,
    xattrs: Vec<crate::bindings::wimforge::imaging::types::Xattr>,
    object_id: &[u8],
) -> Result<Option<Box<Extra>>, &'static str> {
    if streams.is_empty() && xattrs.is_empty() && object_id.is_empty() {
        return Ok(None);
    }
    let is_xattr = |name: usize, value: usize| (1..=255).contains(&name) && value <= 65535;
    if !xattrs
        .iter()
        .all(|xattr| is_xattr(xattr.name.len(), xattr.value.len()))
    {
        return Err("an extended attribute that no archive can hold");
    }
    let object_id = match object_id {
        [] => None,
        id => Some(
            id.try_into()
                .map_err(|_| "an object id that has not 64 bytes")?,
        ),
    };
    Ok(Some(Box::new(Extra {
        named_streams: streams
            .into_iter()
            .map(|stream| StreamInfo {
                name: stream.name,
                size: stream.size,
            })
            .collect(),
        xattrs: xattrs
            .into_iter()
            .map(|xattr| Xattr {
                name: xattr.name,
                value: xattr.value,
                flags: xattr.flags,
            })
            .collect(),
        object_id,
    })))
}

struct HostReader(wit::Reader);

impl OpenStream for HostReader {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let data = self
            .0
            .read(offset, request(buffer))
            .or_fail(ErrorKind::Read)?;
        fill(buffer, &data)
    }

    fn stamp(&mut self) -> Result<Option<Stamp>> {
        let stamp = self.0.stamp().or_fail(ErrorKind::Stat)?;
        Ok(stamp.map(|stamp| Stamp {
            size: stamp.size,
            write_time: FileTime(stamp.write_time),
        }))
    }
}
