//! What is reported of one file.

use std::sync::Arc;

use wimforge_core::image::{ReparseData, Xattr};
use wimforge_core::port::{
    Entry, EntryWarning, Extra, FileIdentity, Kind, Node, StreamInfo, Wanted, WindowsMetadata,
};
use wimforge_core::time::FileTime;

use super::NtfsSource;
use crate::catalog::{FileInfo, Security, StreamEntry};
use crate::error::{Error, Result};
use crate::record::FileReference;
use crate::reparse::ReparsePoint;
use crate::standard_information::file_attributes;
use crate::{File, directory, wof};
use wimforge_core::order::sort_by;

impl NtfsSource {
    /// Everything about a file under one of its names; the root has none.
    pub(super) fn entry(
        &self,
        info: &FileInfo<'_>,
        name: Option<&directory::Entry<'_>>,
        wanted: Wanted,
        warnings: &mut Vec<EntryWarning>,
    ) -> Result<Entry> {
        let mut warn = |text: String| {
            warnings.push(EntryWarning {
                name: name.map(|name| name.name.to_vec()).unwrap_or_default(),
                text,
            });
        };
        let is_named = name.is_none_or(|name| info.has_name(name));
        if !is_named {
            warn(format!(
                "the file (record {}) does not have this name any more",
                info.reference.number()
            ));
        }
        let is_rare =
            info.is_reparse_point() || info.has_object_id() || info.has_extended_attributes();
        let file = is_rare
            .then(|| self.volume.file(info.reference))
            .transpose()?;
        let mut windows = WindowsMetadata {
            attributes: info.attributes(),
            short_name: name
                .map(|name| name.short_name.to_vec())
                .unwrap_or_default(),
            unreadable_encryption: info.is_encrypted() && !info.is_directory(),
            ..WindowsMetadata::default()
        };
        if wanted.security {
            match self.security(info) {
                Ok(descriptor) => windows.security = descriptor,
                Err(error) if wanted.strict_security => return Err(error),
                Err(error) => warn(format!("stored without a security descriptor: {error}")),
            }
        }
        let mut extra = Extra::default();
        let mut decoded = false;
        if let Some(file) = &file {
            decoded = self.decodes(file)?;
            if decoded {
                windows.attributes = wof::visible_attributes(windows.attributes);
            } else if let Some(point) = file.reparse_point()? {
                if self.options.decode_system_compression && point.tag == wof::TAG {
                    warn(
                        "compressed by the system in a way that cannot be read here; stored as a \
                         reparse point"
                            .into(),
                    );
                }
                windows.reparse = Some(reparse_data(point));
            }
            if info.has_object_id() {
                extra.object_id = self.volume.object_id(file)?;
            }
            if wanted.xattrs && info.has_extended_attributes() {
                extra.xattrs = extended_attributes(file)?;
            }
        }
        extra.named_streams = named_streams(info, decoded)
            .map(|stream| StreamInfo {
                name: stream.name.to_vec(),
                size: stream.size,
            })
            .collect();
        let mut streams = info.streams();
        let unnamed = streams.find(|stream| stream.name.is_empty() && !info.is_directory());
        let times = info.times();
        Ok(Entry {
            node: Node(info.reference.0),
            name_end: 0,
            kind: Kind::Windows(Box::new(windows)),
            creation_time: FileTime(times.creation),
            access_time: FileTime(times.access),
            write_time: FileTime(times.write),
            identity: Some(FileIdentity {
                // Not the number of any device of a host, where files are passed over by it.
                device: self.volume.geometry().serial | 1 << 63,
                file: info.reference.number(),
            }),
            shared: !info.is_directory() && (info.links() > 1 || !is_named),
            size: unnamed.map_or(0, |stream| stream.size),
            unix: None,
            extra: (extra != Extra::default()).then(|| Box::new(extra)),
        })
    }

    /// Whether a file is shown decompressed: it is a file that the system compressed in a known way.
    pub(super) fn decodes(&self, file: &File) -> Result<bool> {
        if !self.options.decode_system_compression
            || file.is_directory()
            || file.attributes()? & file_attributes::REPARSE_POINT == 0
        {
            return Ok(false);
        }
        match file.system_compression() {
            Ok(method) => Ok(method.is_some()),
            Err(Error::Unsupported { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn security(&self, info: &FileInfo<'_>) -> Result<Arc<[u8]>> {
        Ok(match info.security() {
            Security::None => Arc::default(),
            Security::Id(id) => self.descriptor(id)?,
            Security::Inline(index) => info.inline_descriptor(index).cloned().unwrap_or_default(),
            Security::Elsewhere => {
                let file = self.volume.file(info.reference)?;
                let descriptor = self.volume.security_descriptor(&file)?;
                descriptor.unwrap_or_default().into()
            }
        })
    }
}

/// The named streams that are shown, in the order of their numbers. That of a decoded file with its
/// compressed contents is not.
pub(super) fn named_streams<'a>(
    info: &FileInfo<'a>,
    decoded: bool,
) -> impl Iterator<Item = StreamEntry<'a>> + use<'a> {
    info.streams()
        .filter(move |stream| is_shown(stream.name, decoded))
}

/// Whether a stream is shown as a named one.
pub(super) fn is_shown(name: &[u16], decoded: bool) -> bool {
    !name.is_empty() && (!decoded || name != wof::STREAM)
}

fn reparse_data(point: ReparsePoint) -> ReparseData {
    ReparseData {
        tag: point.tag,
        reserved: 0,
        data: point.data,
    }
}

/// The extended attributes, sorted. One without a name has no form in an archive.
fn extended_attributes(file: &File) -> Result<Vec<Xattr>> {
    let mut xattrs: Vec<Xattr> = file
        .extended_attributes()?
        .into_iter()
        .filter(|attribute| !attribute.name.is_empty())
        .map(|attribute| Xattr {
            name: attribute.name,
            value: attribute.value,
            flags: attribute.flags,
        })
        .collect();
    sort_by(&mut xattrs, Ord::cmp);
    Ok(xattrs)
}

/// Stands for the name of an entry that has none.
pub(super) fn show_reference(reference: FileReference) -> Vec<u16> {
    let text = format!("(record {})", reference.number());
    text.encode_utf16().collect()
}
