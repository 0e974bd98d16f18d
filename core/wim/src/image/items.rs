//! Tagged items: what a directory entry can carry besides its fixed fields.
//!
//! They stand between the names and the end of the dentry, each as tag (4 bytes), length (4), data,
//! zero padding to a multiple of 8. Unknown items are kept as they are.
//!
//! | tag | contents |
//! |---|---|
//! | 1 | object id: 16 bytes, then up to 48 bytes of birth volume, birth object and domain id |
//! | 2 | extended attributes, packed: value length (2), name length (1), flags (1), name, 0, value |
//! | 0x337DD873 | UNIX data: owner, group, mode, device, 4 bytes each |
//! | 0x337DD874 | Linux extended attributes in an older form, read only: name length (2), 0 (2), value length (4), name, value, padding to 4 |

use crate::{Error, ErrorKind, Result};

/// Tag of an object id.
pub const OBJECT_ID: u32 = 1;
/// Tag of extended attributes.
pub const XATTRS: u32 = 2;
/// Tag of UNIX data.
pub const UNIX_DATA: u32 = 0x337D_D873;
/// Tag of the older form of Linux extended attributes.
pub const OLD_XATTRS: u32 = 0x337D_D874;

/// Name of the stream in which early versions of wimlib stored UNIX data.
pub const OLD_UNIX_STREAM: &[u8] = b"$$__wimlib_UNIX_data";

/// Owner, group, mode and device of a POSIX file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct UnixData {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// All of `st_mode`, with the file type.
    pub mode: u32,
    /// `st_rdev` of a device node.
    pub rdev: u32,
}

impl UnixData {
    /// The 16 bytes of the item.
    #[must_use]
    pub fn encode(&self) -> [u8; 16] {
        let mut out = [0; 16];
        let fields = [self.uid, self.gid, self.mode, self.rdev];
        for (slot, field) in out.chunks_exact_mut(4).zip(fields) {
            slot.copy_from_slice(&field.to_le_bytes());
        }
        out
    }

    /// From the 16 bytes of the item.
    #[must_use]
    pub fn decode(data: &[u8]) -> Option<Self> {
        if data.len() != 16 {
            return None;
        }
        let field = |index: usize| {
            let bytes = data.get(index * 4..).and_then(|rest| rest.first_chunk());
            bytes.copied().map(u32::from_le_bytes)
        };
        Some(Self {
            uid: field(0)?,
            gid: field(1)?,
            mode: field(2)?,
            rdev: field(3)?,
        })
    }

    /// Bytes of [`OLD_UNIX_STREAM`].
    pub const OLD_SIZE: u64 = 8;

    /// The bytes of [`OLD_UNIX_STREAM`]: 0, owner, group and mode, 2 bytes each. `None` if owner or group
    /// do not fit.
    #[must_use]
    pub fn encode_old(&self) -> Option<[u8; Self::OLD_SIZE as usize]> {
        let (uid, gid) = (u16::try_from(self.uid), u16::try_from(self.gid));
        let fields = [0, uid.ok()?, gid.ok()?, self.mode as u16];
        let mut out = [0; Self::OLD_SIZE as usize];
        for (slot, field) in out.chunks_exact_mut(2).zip(fields) {
            slot.copy_from_slice(&field.to_le_bytes());
        }
        Some(out)
    }

    /// From the bytes of [`OLD_UNIX_STREAM`].
    #[must_use]
    pub fn decode_old(data: &[u8]) -> Option<Self> {
        let data: &[u8; Self::OLD_SIZE as usize] = data.try_into().ok()?;
        let field =
            |index: usize| u32::from(u16::from_le_bytes([data[2 * index], data[2 * index + 1]]));
        (field(0) == 0).then(|| Self {
            uid: field(1),
            gid: field(2),
            mode: field(3),
            rdev: 0,
        })
    }

    /// The file type bits of the mode.
    #[must_use]
    pub fn file_type(&self) -> u32 {
        self.mode & 0o170_000
    }

    /// Whether it is a device node, FIFO or socket.
    #[must_use]
    pub fn is_special(&self) -> bool {
        matches!(
            self.file_type(),
            0o010_000 | 0o020_000 | 0o060_000 | 0o140_000
        )
    }
}

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Xattr {
    /// Its name, such as `user.comment`; 1 to 255 bytes.
    pub name: Vec<u8>,
    /// Its value, at most 65535 bytes.
    pub value: Vec<u8>,
    /// Flags; 0x80: a reader that does not understand it must not use the file.
    pub flags: u8,
}

/// Encodes extended attributes. Those that do not fit the format must have been left out.
#[must_use]
pub fn encode_xattrs(xattrs: &[Xattr]) -> Vec<u8> {
    let mut out = Vec::new();
    for xattr in xattrs {
        out.extend_from_slice(&(xattr.value.len() as u16).to_le_bytes());
        out.extend_from_slice(&[xattr.name.len() as u8, xattr.flags]);
        out.extend_from_slice(&xattr.name);
        out.push(0);
        out.extend_from_slice(&xattr.value);
    }
    out
}

/// Decodes extended attributes.
///
/// # Errors
/// [`ErrorKind::XattrInvalid`].
pub fn decode_xattrs(mut data: &[u8]) -> Result<Vec<Xattr>> {
    let mut out = Vec::new();
    while !data.is_empty() {
        let (xattr, rest) = split_xattr(data)
            .ok_or_else(|| Error::new(ErrorKind::XattrInvalid, "malformed extended attribute"))?;
        out.push(xattr);
        data = rest;
    }
    Ok(out)
}

fn split_xattr(data: &[u8]) -> Option<(Xattr, &[u8])> {
    let (&[low, high, name_len, flags], rest) = data.split_first_chunk::<4>()?;
    let (name, rest) = rest.split_at_checked(usize::from(name_len))?;
    let (&0, rest) = rest.split_first()? else {
        return None;
    };
    let value_len = usize::from(u16::from_le_bytes([low, high]));
    let (value, rest) = rest.split_at_checked(value_len)?;
    let xattr = Xattr {
        name: name.to_vec(),
        value: value.to_vec(),
        flags,
    };
    (!name.is_empty()).then_some((xattr, rest))
}

/// Decodes the older form.
///
/// # Errors
/// [`ErrorKind::XattrInvalid`].
pub fn decode_old_xattrs(mut data: &[u8]) -> Result<Vec<Xattr>> {
    let mut out = Vec::new();
    while !data.is_empty() {
        let (xattr, rest) = split_old_xattr(data).ok_or_else(|| {
            Error::new(
                ErrorKind::XattrInvalid,
                "malformed extended attribute (old form)",
            )
        })?;
        out.push(xattr);
        data = rest;
    }
    Ok(out)
}

fn split_old_xattr(data: &[u8]) -> Option<(Xattr, &[u8])> {
    let (&[low, high, _, _], rest) = data.split_first_chunk::<4>()?;
    let (value_len, rest) = rest.split_first_chunk::<4>()?;
    let value_len = usize::try_from(u32::from_le_bytes(*value_len)).ok()?;
    let name_len = usize::from(u16::from_le_bytes([low, high]));
    let (name, rest) = rest.split_at_checked(name_len)?;
    let (value, rest) = rest.split_at_checked(value_len)?;
    let padding = (name_len + value_len).wrapping_neg() % 4;
    let rest = rest.get(padding..).unwrap_or_default();
    let xattr = Xattr {
        name: name.to_vec(),
        value: value.to_vec(),
        flags: 0,
    };
    (!name.is_empty()).then_some((xattr, rest))
}

/// Appends an item in its stored form.
pub fn push_item(out: &mut Vec<u8>, tag: u32, data: &[u8]) {
    out.extend_from_slice(&tag.to_le_bytes());
    out.extend_from_slice(&(data.len() as u32).to_le_bytes());
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(8), 0);
}

/// The items in their stored form, one after the other; ends at the first that does not fit.
pub fn items(mut stored: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, rest) = stored.split_first_chunk::<4>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
        let data = rest.get(..size)?;
        stored = rest.get(size.checked_next_multiple_of(8)?..)?;
        Some((u32::from_le_bytes(*tag), data))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_round_trip() {
        let unix = UnixData {
            uid: 1000,
            gid: 100,
            mode: 0o100_644,
            rdev: 0,
        };
        let xattrs = vec![
            Xattr {
                name: b"user.a".to_vec(),
                value: vec![],
                flags: 0,
            },
            Xattr {
                name: b"security.capability".to_vec(),
                value: vec![7; 300],
                flags: 0x80,
            },
        ];
        let mut stored = Vec::new();
        push_item(&mut stored, UNIX_DATA, &unix.encode());
        push_item(&mut stored, XATTRS, &encode_xattrs(&xattrs));
        push_item(&mut stored, 77, b"x");
        let found: Vec<_> = items(&stored).collect();
        assert_eq!(found.len(), 3);
        assert_eq!(UnixData::decode(found[0].1), Some(unix));
        assert_eq!(decode_xattrs(found[1].1).unwrap(), xattrs);
        assert_eq!(found[2], (77, &b"x"[..]));
        assert!(decode_xattrs(&found[1].1[..20]).is_err());
        assert_eq!(items(&stored[..stored.len() - 8]).count(), 2);
    }

    #[test]
    fn old_xattrs_are_read() {
        let mut data = vec![6, 0, 0, 0, 1, 0, 0, 0];
        data.extend_from_slice(b"user.xV\0");
        data.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, b'n']);
        let xattrs = decode_old_xattrs(&data).unwrap();
        assert_eq!(
            (&xattrs[0].name[..], &xattrs[0].value[..]),
            (&b"user.x"[..], &b"V"[..])
        );
        assert_eq!(xattrs.len(), 2);
        assert!(decode_old_xattrs(&data[..14]).is_err());
    }
}
