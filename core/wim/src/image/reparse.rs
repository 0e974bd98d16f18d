//! Reparse points, and symbolic links of POSIX systems as reparse points.
//!
//! In an archive the tag stands in the dentry; the stream holds what follows the usual 8-byte header.
//! For a symbolic link (tag 0xA000000C):
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 2 | offset of the substitute name from the start of the names |
//! | 2 | 2 | its bytes |
//! | 4 | 2 | offset of the print name |
//! | 6 | 2 | its bytes |
//! | 8 | 4 | flags: 1 = relative |
//! | 12 | … | the names, each followed by two zero bytes as written here |
//!
//! A junction (tag 0xA0000003) has no flags; its names begin at 8. ([MS-FSCC] 2.1.2.4 and 2.1.2.5.)
//!
//! A POSIX target maps by exchanging `/` and `\`. An absolute one gets the made-up drive `C:` in
//! front, since Windows has no root above its drives; reading takes any drive away again.

use crate::text;
use crate::{Error, ErrorKind, Result};

/// Tag of a symbolic link.
pub const TAG_SYMLINK: u32 = 0xA000_000C;
/// Tag of a junction (mount point).
pub const TAG_MOUNT_POINT: u32 = 0xA000_0003;
/// Tag of a system-compressed file (Windows Overlay Filter).
pub const TAG_WOF: u32 = 0x8000_0017;
/// Tag of a deduplicated file.
pub const TAG_DEDUP: u32 = 0x8000_0013;

/// Bit of the dentry's reparse flags: the target was not made relative to the image root.
pub const NOT_FIXED: u16 = 0x0001;

/// Most bytes of reparse data, without its 8-byte header. Windows allows 16 KiB with it.
pub const MAX_DATA: usize = 16384 - 8;

/// A reparse point: its tag and the bytes behind the header.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct ReparseData {
    /// What kind it is.
    pub tag: u32,
    /// The reserved field of the header, normally 0.
    pub reserved: u16,
    /// What follows the header.
    pub data: Vec<u8>,
}

/// Encodes a symbolic link from its POSIX target (UTF-16 units). An absolute target has had the root
/// of the image taken off if it was to be fixed.
///
/// # Errors
/// [`ErrorKind::ReadLink`] if it is too long.
pub fn encode_link(target: &[u16], absolute: bool) -> Result<Vec<u8>> {
    let swapped = target.iter().map(|&unit| swap_separator(unit));
    let with_prefix = |prefix: &str| -> Vec<u16> {
        let prefix = if absolute { prefix } else { "" };
        prefix.encode_utf16().chain(swapped.clone()).collect()
    };
    let substitute = with_prefix("\\??\\C:");
    let print = with_prefix("C:");
    let size = 12 + 2 * (substitute.len() + 1 + print.len() + 1);
    if size > MAX_DATA {
        return Err(Error::new(
            ErrorKind::ReadLink,
            format!(
                "the target has {} characters, too many for a reparse point",
                target.len()
            ),
        ));
    }
    let mut out = Vec::with_capacity(size);
    let bytes = |units: &[u16]| 2 * units.len() as u16;
    for field in [0, bytes(&substitute), bytes(&substitute) + 2, bytes(&print)] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(&u32::from(!absolute).to_le_bytes());
    for unit in substitute.into_iter().chain([0]).chain(print).chain([0]) {
        out.extend_from_slice(&unit.to_le_bytes());
    }
    Ok(out)
}

fn swap_separator(unit: u16) -> u16 {
    const SLASH: u16 = b'/' as u16;
    const BACKSLASH: u16 = b'\\' as u16;
    match unit {
        SLASH => BACKSLASH,
        BACKSLASH => SLASH,
        other => other,
    }
}

/// Where a symbolic link or junction leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PosixTarget {
    /// Relative to the link, WTF-8.
    Relative(Vec<u8>),
    /// From the root, without drive, WTF-8; may be empty.
    Absolute(Vec<u8>),
}

/// Translates reparse data to a POSIX link target; `None` if the tag is not a link or its target is
/// not on a drive (a volume name, a network path, …).
///
/// # Errors
/// [`ErrorKind::ReparseData`] if the data is malformed.
pub fn decode_link(reparse: &ReparseData) -> Result<Option<PosixTarget>> {
    let names_at = match reparse.tag {
        TAG_SYMLINK => 12,
        TAG_MOUNT_POINT => 8,
        _ => return Ok(None),
    };
    let malformed = || Error::new(ErrorKind::ReparseData, "malformed link in reparse data");
    let data = &reparse.data[..];
    let field = |at: usize| {
        let bytes = data.get(at..).and_then(|rest| rest.first_chunk::<2>());
        bytes
            .map(|bytes| usize::from(u16::from_le_bytes(*bytes)))
            .ok_or_else(malformed)
    };
    let start = names_at + field(0)?;
    let name = data.get(start..start + field(2)?).ok_or_else(malformed)?;
    let units: Vec<u16> = name
        .chunks_exact(2)
        .map(|pair| swap_separator(u16::from_le_bytes([pair[0], pair[1]])))
        .collect();
    let target = text::from_utf16(&units);
    let relative = names_at == 12 && data.get(8).is_some_and(|flags| flags & 1 != 0);
    if relative {
        return Ok(Some(PosixTarget::Relative(target)));
    }
    let path = target.strip_prefix(b"/??/").unwrap_or(&target);
    Ok(match path {
        [drive, b':', rest @ ..] if drive.is_ascii_alphabetic() => {
            Some(PosixTarget::Absolute(rest.to_vec()))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn link(data: Vec<u8>) -> ReparseData {
        ReparseData {
            tag: TAG_SYMLINK,
            reserved: 0,
            data,
        }
    }

    #[test]
    fn targets_map_both_ways() {
        let relative = encode_link(&units("../a/b\\c"), false).unwrap();
        assert_eq!(relative[8], 1);
        let target = decode_link(&link(relative)).unwrap();
        assert_eq!(target, Some(PosixTarget::Relative(b"../a/b\\c".to_vec())));

        let absolute = encode_link(&units("/sub/b"), true).unwrap();
        assert_eq!(absolute[2..4], [2 * 12, 0], "\\??\\C:\\sub\\b");
        let target = decode_link(&link(absolute)).unwrap();
        assert_eq!(target, Some(PosixTarget::Absolute(b"/sub/b".to_vec())));

        let root = encode_link(&[], true).unwrap();
        assert_eq!(
            decode_link(&link(root)).unwrap(),
            Some(PosixTarget::Absolute(vec![]))
        );
    }

    #[test]
    fn strange_reparse_data() {
        assert!(encode_link(&vec![b'x'.into(); 4091], false).is_err());
        assert!(
            decode_link(&link(vec![0; 12])).is_ok(),
            "an empty name that fits"
        );
        assert!(decode_link(&link(vec![0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0])).is_err());
        let volume = ReparseData {
            tag: TAG_MOUNT_POINT,
            reserved: 0,
            data: {
                let name = units("\\??\\Volume{x}\\");
                let mut data = vec![0, 0, 2 * name.len() as u8, 0, 0, 0, 0, 0];
                data.extend(name.iter().flat_map(|unit| unit.to_le_bytes()));
                data
            },
        };
        assert_eq!(decode_link(&volume).unwrap(), None);
    }
}
