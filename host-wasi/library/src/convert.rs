//! Small values of the core as the interfaces have them, and back.

use wimforge_codec::{Format, Level};
use wimforge_core::format::{Compression, Guid};
use wimforge_core::hash::Sha1;
use wimforge_core::image::{UnixData, Xattr};
use wimforge_core::{Error, ErrorKind, Result, text};

use crate::bindings::wimforge::imaging::types;

/// A path or name as WTF-8.
pub fn narrow(units: &[u16]) -> Vec<u8> {
    text::from_utf16(units)
}

/// WTF-8 as a path or name.
pub fn wide(text: &[u8]) -> Vec<u16> {
    text::utf16(text).collect()
}

/// The format of a compression that is one.
pub fn format(compression: types::Compression) -> Option<Format> {
    match compression {
        types::Compression::None => None,
        types::Compression::Xpress => Some(Format::Xpress),
        types::Compression::Lzx => Some(Format::Lzx),
        types::Compression::Lzms => Some(Format::Lzms),
    }
}

pub fn from_format(format: Format) -> types::Compression {
    match format {
        Format::Xpress => types::Compression::Xpress,
        Format::Lzx => types::Compression::Lzx,
        Format::Lzms => types::Compression::Lzms,
    }
}

/// A compression with its chunk size; 0 without chunks.
pub fn from_compression(compression: Compression) -> (types::Compression, u32) {
    match compression {
        Compression::None => (types::Compression::None, 0),
        Compression::Chunked(format, chunk_size) => (from_format(format), chunk_size),
    }
}

/// Level 0 stands for what is usual.
pub fn level(level: u32) -> Level {
    match level {
        0 => Level::NORMAL,
        level => Level(level),
    }
}

/// A component has no more than 4 GiB of memory, and running out of it would end the instance.
pub fn check_memory(format: Format, chunk_size: u32, level: Level) -> Result<()> {
    const MOST: u64 = 1 << 30;
    format.check_chunk_size(chunk_size)?;
    let needed = wimforge_codec::Compressor::memory(format, chunk_size, level);
    match needed + 2 * u64::from(chunk_size) > MOST {
        true => Err(Error::new(
            ErrorKind::Memory,
            format!("chunks of {chunk_size} bytes need more memory than a component has"),
        )),
        false => Ok(()),
    }
}

pub fn guid(guid: types::Guid) -> Guid {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&guid.first.to_le_bytes());
    bytes[8..].copy_from_slice(&guid.second.to_le_bytes());
    Guid(bytes)
}

pub fn from_guid(guid: &Guid) -> types::Guid {
    let value = u128::from_le_bytes(guid.0);
    types::Guid {
        first: value as u64,
        second: (value >> 64) as u64,
    }
}

pub fn from_sha1(hash: &Sha1) -> types::Sha1 {
    let bytes = hash.as_bytes();
    let word = |index: usize| {
        let at = 4 * index;
        u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    };
    types::Sha1 {
        w0: word(0),
        w1: word(1),
        w2: word(2),
        w3: word(3),
        w4: word(4),
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

pub fn from_unix(data: UnixData) -> types::UnixData {
    types::UnixData {
        uid: data.uid,
        gid: data.gid,
        mode: data.mode,
        rdev: data.rdev,
    }
}

pub fn from_xattrs(xattrs: &[Xattr]) -> Vec<types::Xattr> {
    let each = xattrs.iter().map(|xattr| types::Xattr {
        name: xattr.name.clone(),
        value: xattr.value.clone(),
        flags: xattr.flags,
    });
    each.collect()
}
