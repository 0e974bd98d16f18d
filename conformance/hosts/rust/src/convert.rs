//! Values of the core as the interfaces have them, and back.

use wimforge_core::image::{UnixData, Xattr};
use wimforge_core::port::{Entry, EntryBatch, FileMetadata, Kind, Missed, Wanted};
use wimforge_core::time::FileTime;
use wimforge_core::{Error, ErrorKind, text};

use crate::bindings::wimforge::imaging::{source, target, types};

/// A failure of a port. `usual` makes the case of the variant that this call fails with.
pub fn failure(error: &Error, usual: fn(String) -> types::ErrorCode) -> types::ErrorCode {
    match error.kind() {
        ErrorKind::Cancelled => types::ErrorCode::Cancelled,
        ErrorKind::Changed => types::ErrorCode::Changed(error.to_string()),
        ErrorKind::Memory => types::ErrorCode::Memory(error.to_string()),
        ErrorKind::Unsupported => types::ErrorCode::Unsupported(error.to_string()),
        _ => usual(error.to_string()),
    }
}

pub fn narrow(units: &[u16]) -> Vec<u8> {
    text::from_utf16(units)
}

pub fn wanted(flags: source::Wanted) -> Wanted {
    Wanted {
        xattrs: flags.contains(source::Wanted::XATTRS),
        security: flags.contains(source::Wanted::SECURITY),
        strict_security: flags.contains(source::Wanted::STRICT_SECURITY),
    }
}

pub fn batch(found: &EntryBatch) -> source::Batch {
    source::Batch {
        entries: found
            .iter()
            .map(|(name, entry)| convert_entry(name, entry))
            .collect(),
        problems: found
            .problems
            .iter()
            .map(|problem| source::Problem {
                name: problem.name.clone(),
                error: failure(&problem.error, types::ErrorCode::Open),
            })
            .collect(),
        warnings: found
            .warnings
            .iter()
            .map(|warning| source::Warning {
                name: warning.name.clone(),
                text: warning.text.clone(),
            })
            .collect(),
    }
}

fn convert_entry(name: &[u16], entry: &Entry) -> source::Entry {
    let extra = entry.extra.as_deref().cloned().unwrap_or_default();
    source::Entry {
        node: entry.node.0,
        name: name.to_vec(),
        kind: convert_kind(&entry.kind),
        creation_time: entry.creation_time.0,
        access_time: entry.access_time.0,
        write_time: entry.write_time.0,
        identity: entry.identity.map(|identity| source::FileIdentity {
            device: identity.device,
            file: identity.file,
        }),
        shared: entry.shared,
        size: entry.size,
        unix: entry.unix.map(|unix| types::UnixData {
            uid: unix.uid,
            gid: unix.gid,
            mode: unix.mode,
            rdev: unix.rdev,
        }),
        named_streams: extra
            .named_streams
            .into_iter()
            .map(|stream| source::StreamInfo {
                name: stream.name,
                size: stream.size,
            })
            .collect(),
        xattrs: extra
            .xattrs
            .into_iter()
            .map(|xattr| types::Xattr {
                name: xattr.name,
                value: xattr.value,
                flags: xattr.flags,
            })
            .collect(),
        object_id: extra.object_id.map(|id| id.to_vec()).unwrap_or_default(),
    }
}

fn convert_kind(kind: &Kind) -> source::Kind {
    match kind {
        Kind::Directory => source::Kind::Directory,
        Kind::File { sparse } => source::Kind::File(*sparse),
        Kind::Link(link) => source::Kind::Link(source::Link {
            target: link.target.clone(),
            to_directory: link.to_directory,
        }),
        Kind::Special => source::Kind::Special,
        Kind::Windows(windows) => source::Kind::Windows(source::WindowsMetadata {
            attributes: windows.attributes,
            short_name: windows.short_name.clone(),
            security: windows.security.to_vec(),
            reparse: windows.reparse.as_ref().map(|reparse| types::ReparsePoint {
                tag: reparse.tag,
                reserved: reparse.reserved,
                data: reparse.data.clone(),
            }),
            unreadable_encryption: windows.unreadable_encryption,
        }),
    }
}

pub fn unix(data: types::UnixData) -> UnixData {
    UnixData {
        uid: data.uid,
        gid: data.gid,
        mode: data.mode,
        rdev: data.rdev,
    }
}

/// Calls `set` with metadata in the form of the port.
pub fn with_metadata<T>(metadata: target::Metadata, set: impl FnOnce(&FileMetadata<'_>) -> T) -> T {
    let each = metadata.xattrs.into_iter().map(|xattr| Xattr {
        name: xattr.name,
        value: xattr.value,
        flags: xattr.flags,
    });
    let xattrs: Vec<Xattr> = each.collect();
    set(&FileMetadata {
        attributes: metadata.attributes,
        times: metadata.times.map(|times| {
            [
                FileTime(times.creation),
                FileTime(times.access),
                FileTime(times.write),
            ]
        }),
        unix: metadata.unix.map(unix),
        xattrs: &xattrs,
    })
}

pub fn missed(missed: Missed) -> target::Missed {
    let mut all = target::Missed::empty();
    for (here, there) in [
        (Missed::OWNER, target::Missed::OWNER),
        (Missed::XATTRS, target::Missed::XATTRS),
        (Missed::MODE, target::Missed::MODE),
        (Missed::SPECIAL, target::Missed::SPECIAL),
    ] {
        if missed.contains(here) {
            all |= there;
        }
    }
    all
}
