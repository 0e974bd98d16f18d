//! The header: 208 bytes at the start of the file.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0x00 | 8 | magic: `MSWIM\0\0\0`, pipable `WLPWM\0\0\0` |
//! | 0x08 | 4 | header size, 208 |
//! | 0x0c | 4 | version |
//! | 0x10 | 4 | flags |
//! | 0x14 | 4 | chunk size of stand-alone resources; 0 without compression |
//! | 0x18 | 16 | GUID, shared by the parts of a split WIM |
//! | 0x28 | 2 | part number, from 1 |
//! | 0x2a | 2 | number of parts |
//! | 0x2c | 4 | number of images |
//! | 0x30 | 24 | resource header of the blob table |
//! | 0x48 | 24 | … of the XML data |
//! | 0x60 | 24 | … of the boot image's metadata (a copy), or zero |
//! | 0x78 | 4 | boot index, from 1; 0 is none |
//! | 0x7c | 24 | resource header of the integrity table, or zero |
//! | 0x94 | 60 | unused |

use std::fmt;

use wimforge_codec::Format;
use zerocopy::byteorder::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::resource::{RawResourceHeader, ResourceHeader};
use crate::{Error, ErrorKind, Result};

bitflags::bitflags! {
    /// Flags of the header.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct HeaderFlags: u32 {
        /// Reserved.
        const RESERVED = 0x1;
        /// Set if and only if a compression type is.
        const COMPRESSION = 0x2;
        /// The file must not be modified.
        const READONLY = 0x4;
        /// Part of a split WIM.
        const SPANNED = 0x8;
        /// Has only file data.
        const RESOURCE_ONLY = 0x10;
        /// Has only metadata.
        const METADATA_ONLY = 0x20;
        /// The file is being written, or its writer died.
        const WRITE_IN_PROGRESS = 0x40;
        /// Absolute links of the images were made relative to the image's root.
        const RP_FIX = 0x80;
        /// Reserved.
        const COMPRESS_RESERVED = 0x1_0000;
        /// Compressed with XPRESS.
        const COMPRESS_XPRESS = 0x2_0000;
        /// Compressed with LZX.
        const COMPRESS_LZX = 0x4_0000;
        /// Compressed with LZMS.
        const COMPRESS_LZMS = 0x8_0000;
        /// Another number for XPRESS; never written.
        const COMPRESS_XPRESS_2 = 0x20_0000;
        /// Unknown bits are kept.
        const _ = !0;
    }
}

/// How the parts of the file are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Layout {
    /// Read with random access; what Microsoft's tools know.
    #[default]
    Seekable,
    /// Can be read from a pipe; an extension.
    Pipable,
}

/// How stand-alone resources are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// In chunks of this many bytes.
    Chunked(Format, u32),
}

impl Compression {
    /// The number of the type in solid resources and in text: 0 none, 1 XPRESS, 2 LZX, 3 LZMS.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Compression::None => 0,
            Compression::Chunked(Format::Xpress, _) => 1,
            Compression::Chunked(Format::Lzx, _) => 2,
            Compression::Chunked(Format::Lzms, _) => 3,
        }
    }

    /// The format of the chunks, if there are any.
    #[must_use]
    pub const fn format(self) -> Option<Format> {
        match self {
            Compression::None => None,
            Compression::Chunked(format, _) => Some(format),
        }
    }

    /// From the number of the type and a chunk size.
    ///
    /// # Errors
    /// [`ErrorKind::CompressionType`], [`ErrorKind::ChunkSize`].
    pub fn from_number(number: u32, chunk_size: u32) -> Result<Self> {
        let format = match number {
            0 => return Ok(Compression::None),
            1 => Format::Xpress,
            2 => Format::Lzx,
            3 => Format::Lzms,
            _ => {
                return Err(Error::new(
                    ErrorKind::CompressionType,
                    format!("unknown compression type {number}"),
                ));
            }
        };
        format.check_chunk_size(chunk_size)?;
        Ok(Compression::Chunked(format, chunk_size))
    }

    /// The name as people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Compression::None => "None",
            Compression::Chunked(Format::Xpress, _) => "XPRESS",
            Compression::Chunked(Format::Lzx, _) => "LZX",
            Compression::Chunked(Format::Lzms, _) => "LZMS",
        }
    }

    /// The chunk size, 0 without compression.
    #[must_use]
    pub const fn chunk_size(self) -> u32 {
        match self {
            Compression::None => 0,
            Compression::Chunked(_, size) => size,
        }
    }

    /// The usual chunk size of a format's stand-alone resources.
    #[must_use]
    pub const fn default_chunk_size(format: Format) -> u32 {
        match format {
            Format::Xpress | Format::Lzx => 1 << 15,
            Format::Lzms => 1 << 17,
        }
    }

    fn flags(self) -> HeaderFlags {
        let format = match self {
            Compression::None => return HeaderFlags::empty(),
            Compression::Chunked(Format::Xpress, _) => HeaderFlags::COMPRESS_XPRESS,
            Compression::Chunked(Format::Lzx, _) => HeaderFlags::COMPRESS_LZX,
            Compression::Chunked(Format::Lzms, _) => HeaderFlags::COMPRESS_LZMS,
        };
        format | HeaderFlags::COMPRESSION
    }

    fn decode(flags: HeaderFlags, chunk_size: u32) -> Result<Self> {
        let types = flags
            & (HeaderFlags::COMPRESS_XPRESS
                | HeaderFlags::COMPRESS_LZX
                | HeaderFlags::COMPRESS_LZMS
                | HeaderFlags::COMPRESS_XPRESS_2);
        if !flags.contains(HeaderFlags::COMPRESSION) {
            return Ok(Compression::None);
        }
        let number = match types {
            HeaderFlags::COMPRESS_XPRESS | HeaderFlags::COMPRESS_XPRESS_2 => 1,
            HeaderFlags::COMPRESS_LZX => 2,
            HeaderFlags::COMPRESS_LZMS => 3,
            _ => {
                return Err(Error::new(
                    ErrorKind::CompressionType,
                    format!(
                        "header flags {:#x} name no single compression type",
                        flags.bits()
                    ),
                ));
            }
        };
        Self::from_number(number, chunk_size)
    }
}

/// Version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// 0x10d00: everything but solid resources and LZMS.
    #[default]
    Classic,
    /// 0xe00: may have solid resources.
    Solid,
}

impl Version {
    /// The number in the file.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Version::Classic => 0x1_0d00,
            Version::Solid => 0xe00,
        }
    }

    /// The oldest version that an archive of this compression can have.
    #[must_use]
    pub const fn least(compression: Compression) -> Self {
        match compression {
            Compression::Chunked(Format::Lzms, _) => Version::Solid,
            _ => Version::Classic,
        }
    }
}

/// Sixteen bytes that name a WIM.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Guid(pub [u8; 16]);

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The header.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Header {
    /// Arrangement of the file.
    pub layout: Layout,
    /// Version of the format.
    pub version: Version,
    /// All flags; those of the compression type are taken from `compression` when encoding.
    pub flags: HeaderFlags,
    /// Compression of stand-alone resources.
    pub compression: Compression,
    /// Names the WIM.
    pub guid: Guid,
    /// Part number, from 1.
    pub part: u16,
    /// Number of parts.
    pub parts: u16,
    /// Number of images.
    pub images: u32,
    /// The blob table.
    pub blob_table: ResourceHeader,
    /// The XML data.
    pub xml: ResourceHeader,
    /// Copy of the boot image's metadata resource header.
    pub boot_metadata: ResourceHeader,
    /// Boot image, from 1; 0 is none.
    pub boot_index: u32,
    /// The integrity table.
    pub integrity: ResourceHeader,
}

/// The 208 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    magic: [u8; 8],
    size: U32,
    version: U32,
    flags: U32,
    chunk_size: U32,
    guid: [u8; 16],
    part: U16,
    parts: U16,
    images: U32,
    blob_table: RawResourceHeader,
    xml: RawResourceHeader,
    boot_metadata: RawResourceHeader,
    boot_index: U32,
    integrity: RawResourceHeader,
    unused: [u8; 60],
}

const MAGIC: [u8; 8] = *b"MSWIM\0\0\0";
const PIPABLE_MAGIC: [u8; 8] = *b"WLPWM\0\0\0";

/// Largest number of images that a file may have.
pub const MAX_IMAGES: u32 = 65535;

impl Header {
    /// Bytes in the file.
    pub const SIZE: usize = size_of::<Raw>();

    /// Offset of the flags, for changing them alone.
    pub const FLAGS_OFFSET: u64 = std::mem::offset_of!(Raw, flags) as u64;

    /// What the first eight bytes of a file say about it; `None` if it is not a WIM.
    #[must_use]
    pub fn layout_of(magic: &[u8]) -> Option<Layout> {
        match magic.first_chunk::<8>() {
            Some(&MAGIC) => Some(Layout::Seekable),
            Some(&PIPABLE_MAGIC) => Some(Layout::Pipable),
            _ => None,
        }
    }

    /// Decodes and checks what can be checked without the rest of the file.
    ///
    /// # Errors
    /// [`ErrorKind::NotWim`], [`ErrorKind::Header`], [`ErrorKind::Version`],
    /// [`ErrorKind::PartNumber`], [`ErrorKind::ImageCount`], [`ErrorKind::CompressionType`],
    /// [`ErrorKind::ChunkSize`].
    pub fn decode(bytes: &[u8; Self::SIZE]) -> Result<Self> {
        let layout = Self::layout_of(bytes).ok_or_else(|| {
            Error::new(
                ErrorKind::NotWim,
                "not a WIM file (no magic number at its start)",
            )
        })?;
        let raw: Raw = zerocopy::transmute!(*bytes);
        if raw.size.get() as usize != Self::SIZE {
            return Err(Error::new(
                ErrorKind::Header,
                format!("header size is {} instead of {}", raw.size, Self::SIZE),
            ));
        }
        let version = [Version::Classic, Version::Solid]
            .into_iter()
            .find(|version| version.number() == raw.version.get())
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Version,
                    format!("unknown version {:#x}", raw.version),
                )
            })?;
        if raw.part.get() == 0 || raw.part > raw.parts {
            return Err(Error::new(
                ErrorKind::PartNumber,
                format!("part {} of {}", raw.part, raw.parts),
            ));
        }
        if raw.images.get() > MAX_IMAGES {
            return Err(Error::new(
                ErrorKind::ImageCount,
                format!("{} images are more than {MAX_IMAGES}", raw.images),
            ));
        }
        let flags = HeaderFlags::from_bits_retain(raw.flags.get());
        Ok(Self {
            layout,
            version,
            flags,
            compression: Compression::decode(flags, raw.chunk_size.get())?,
            guid: Guid(raw.guid),
            part: raw.part.get(),
            parts: raw.parts.get(),
            images: raw.images.get(),
            blob_table: ResourceHeader::decode(&raw.blob_table),
            xml: ResourceHeader::decode(&raw.xml),
            boot_metadata: ResourceHeader::decode(&raw.boot_metadata),
            boot_index: raw.boot_index.get(),
            integrity: ResourceHeader::decode(&raw.integrity),
        })
    }

    /// Encodes the 208 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let types = HeaderFlags::COMPRESSION
            | HeaderFlags::COMPRESS_XPRESS
            | HeaderFlags::COMPRESS_LZX
            | HeaderFlags::COMPRESS_LZMS
            | HeaderFlags::COMPRESS_XPRESS_2;
        let flags = (self.flags - types) | self.compression.flags();
        let raw = Raw {
            magic: match self.layout {
                Layout::Seekable => MAGIC,
                Layout::Pipable => PIPABLE_MAGIC,
            },
            size: U32::new(Self::SIZE as u32),
            version: U32::new(self.version.number()),
            flags: U32::new(flags.bits()),
            chunk_size: U32::new(self.compression.chunk_size()),
            guid: self.guid.0,
            part: U16::new(self.part),
            parts: U16::new(self.parts),
            images: U32::new(self.images),
            blob_table: self.blob_table.encode(),
            xml: self.xml.encode(),
            boot_metadata: self.boot_metadata.encode(),
            boot_index: U32::new(self.boot_index),
            integrity: self.integrity.encode(),
            unused: [0; 60],
        };
        zerocopy::transmute!(raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_those_of_the_format() {
        assert_eq!(Header::SIZE, 208);
        assert_eq!(Header::FLAGS_OFFSET, 0x10);
        assert_eq!(std::mem::offset_of!(Raw, blob_table), 0x30);
        assert_eq!(std::mem::offset_of!(Raw, boot_index), 0x78);
        assert_eq!(std::mem::offset_of!(Raw, integrity), 0x7c);
    }

    #[test]
    fn round_trip_and_refusals() {
        let header = Header {
            flags: HeaderFlags::RP_FIX,
            compression: Compression::Chunked(Format::Lzx, 32768),
            part: 1,
            parts: 1,
            images: 3,
            boot_index: 2,
            ..Header::default()
        };
        let bytes = header.encode();
        let read = Header::decode(&bytes).unwrap();
        assert_eq!(read.flags.bits(), 0x0004_0082);
        assert_eq!(
            Header {
                flags: header.flags,
                ..read
            },
            header
        );
        let wrong = |at: usize, value: u8, kind| {
            let mut bytes = bytes;
            bytes[at] = value;
            assert_eq!(
                Header::decode(&bytes).unwrap_err().kind(),
                kind,
                "byte {at}"
            );
        };
        wrong(0, b'X', ErrorKind::NotWim);
        wrong(8, 0, ErrorKind::Header);
        wrong(0xd, 0, ErrorKind::Version);
        wrong(0x12, 0x0E, ErrorKind::CompressionType);
        wrong(0x15, 1, ErrorKind::ChunkSize);
        wrong(0x28, 2, ErrorKind::PartNumber);
        wrong(0x2e, 1, ErrorKind::ImageCount);
    }
}
