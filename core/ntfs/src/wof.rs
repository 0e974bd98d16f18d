//! System compression ("WOF"): files that Windows shows decompressed.
//!
//! Such a file has a reparse point of tag 0x80000017 whose data names the method. Its unnamed stream
//! is one hole of the size of the contents, and the stream `WofCompressedData` has the contents cut
//! into chunks: first a table with the place of every chunk but the first, counted from the end of
//! the table, then the chunks. A chunk that is as long as its contents is stored plain. The table
//! has 4 bytes an entry, or 8 if the contents have 4 GiB or more.

use std::sync::{Mutex, PoisonError};

use wimforge_codec::{Decompressor, Format};
use zerocopy::FromBytes;
use zerocopy::{Immutable, KnownLayout, Unaligned, little_endian::U32};

use crate::error::{Error, Fault, Place, Result, Unsupported};
use crate::name::ascii;
use crate::stream::Stream;

/// The reparse tag of files compressed by the system.
pub const TAG: u32 = 0x8000_0017;

/// The stream that holds the compressed contents.
pub const STREAM: [u16; 17] = ascii(b"WofCompressedData");

/// The data of the reparse point, as far as needed.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Info {
    version: U32,
    /// 1: a WIM archive elsewhere, 2: this file.
    provider: U32,
    provider_version: U32,
    method: U32,
}

const PROVIDER_WIM: u32 = 1;
const PROVIDER_FILE: u32 = 2;

/// How the contents of a file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// XPRESS, chunks of 4 KiB.
    Xpress4K,
    /// XPRESS, chunks of 8 KiB.
    Xpress8K,
    /// XPRESS, chunks of 16 KiB.
    Xpress16K,
    /// LZX, chunks of 32 KiB.
    Lzx,
}

impl Method {
    /// Reads the data of a reparse point of tag [`TAG`].
    pub(crate) fn parse(data: &[u8], place: &Place) -> Result<Self> {
        let (info, _) = Info::ref_from_prefix(data)
            .map_err(|_| Fault::Wof("the reparse point is too short").at(place))?;
        let (provider, method) = (info.provider.get(), info.method.get());
        let unsupported = |reason| Error::Unsupported {
            place: place.clone(),
            reason,
        };
        match (info.version.get(), provider, info.provider_version.get()) {
            (1, PROVIDER_WIM, _) => return Err(unsupported(Unsupported::InWim)),
            (1, PROVIDER_FILE, 1) => {}
            _ => {
                return Err(unsupported(Unsupported::SystemCompression {
                    provider,
                    method,
                }));
            }
        }
        Ok(match method {
            0 => Method::Xpress4K,
            1 => Method::Lzx,
            2 => Method::Xpress8K,
            3 => Method::Xpress16K,
            _ => {
                return Err(unsupported(Unsupported::SystemCompression {
                    provider,
                    method,
                }));
            }
        })
    }

    /// The format of a chunk.
    #[must_use]
    pub fn format(self) -> Format {
        match self {
            Method::Xpress4K | Method::Xpress8K | Method::Xpress16K => Format::Xpress,
            Method::Lzx => Format::Lzx,
        }
    }

    /// Bytes of the contents of a chunk.
    #[must_use]
    pub fn chunk_size(self) -> u32 {
        match self {
            Method::Xpress4K => 4 << 10,
            Method::Xpress8K => 8 << 10,
            Method::Xpress16K => 16 << 10,
            Method::Lzx => 32 << 10,
        }
    }
}

/// The attributes of a file that is shown decompressed, from those it has on the volume.
#[must_use]
pub fn visible_attributes(attributes: u32) -> u32 {
    use crate::standard_information::file_attributes::{NORMAL, REPARSE_POINT, SPARSE};
    match attributes & !(REPARSE_POINT | SPARSE) {
        0 => NORMAL,
        left => left,
    }
}

/// The compressed contents of a file.
pub(crate) struct Wof {
    packed: Stream,
    method: Method,
    /// Decompressors that no read is using.
    idle: Mutex<Vec<Decompressor>>,
}

/// Chunk places read from the table in one go.
const BATCH: u64 = 1024;

impl Wof {
    pub fn new(packed: Stream, method: Method) -> Self {
        Self {
            packed,
            method,
            idle: Mutex::new(Vec::new()),
        }
    }

    pub fn packed(&self) -> &Stream {
        &self.packed
    }

    pub fn chunk_size(&self) -> u32 {
        self.method.chunk_size()
    }

    /// Reads contents; `offset + buf.len()` is at most `size`.
    pub fn read(&self, place: &Place, size: u64, offset: u64, buf: &mut [u8]) -> Result<()> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut decompressor = match idle {
            Some(decompressor) => decompressor,
            None => Decompressor::new(self.method.format(), self.chunk_size())
                .map_err(|_| Fault::Wof("the method's chunk size").at(place))?,
        };
        let result = self.read_with(&mut decompressor, place, size, offset, buf);
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(decompressor);
        result
    }

    fn read_with(
        &self,
        decompressor: &mut Decompressor,
        place: &Place,
        size: u64,
        mut offset: u64,
        mut buf: &mut [u8],
    ) -> Result<()> {
        let chunk_size = u64::from(self.chunk_size());
        let mut stored = Vec::new();
        let mut whole = Vec::new();
        let mut places = Places::default();
        while !buf.is_empty() {
            let chunk = offset / chunk_size;
            let contents = (size - chunk * chunk_size).min(chunk_size) as usize;
            let skip = (offset % chunk_size) as usize;
            let count = (contents - skip).min(buf.len());
            let (part, rest) = buf.split_at_mut(count);
            if !places.has(chunk) {
                let last = (offset + count as u64 + rest.len() as u64 - 1) / chunk_size;
                places = self.places(place, size, chunk, last.min(chunk + BATCH - 1))?;
            }
            let (start, length) = places.chunk(chunk, contents).map_err(|f| f.at(place))?;
            if length == contents {
                self.packed.read_exact(start + skip as u64, part)?;
            } else {
                let cause = |cause| Fault::WofChunk { chunk, cause }.at(place);
                stored.resize(length, 0);
                self.packed.read_exact(start, &mut stored)?;
                if count == contents {
                    decompressor.decompress(&stored, part).map_err(cause)?;
                } else {
                    whole.resize(contents, 0);
                    decompressor
                        .decompress(&stored, &mut whole)
                        .map_err(cause)?;
                    part.copy_from_slice(&whole[skip..skip + count]);
                }
            }
            offset += count as u64;
            buf = rest;
        }
        Ok(())
    }

    /// Where the chunks `first` to `last` begin and the last one ends, in the packed stream.
    fn places(&self, place: &Place, size: u64, first: u64, last: u64) -> Result<Places> {
        let chunks = size.div_ceil(u64::from(self.chunk_size()));
        let width: u64 = if size > u64::from(u32::MAX) { 8 } else { 4 };
        let base = (chunks - 1) * width;
        let end = self.packed.size();
        if base > end {
            return Err(Fault::Wof("the chunk table is cut off").at(place));
        }
        let mut borders = Vec::new();
        if first == 0 {
            borders.push(base);
        }
        // Entry k of the table is the start of chunk k + 1.
        let from = first.max(1) - 1;
        let until = (last + 1).min(chunks - 1);
        if from < until {
            let mut table = vec![0; ((until - from) * width) as usize];
            self.packed.read_exact(from * width, &mut table)?;
            for entry in table.chunks_exact(width as usize) {
                let mut value = [0; 8];
                value[..entry.len()].copy_from_slice(entry);
                let border = base.saturating_add(u64::from_le_bytes(value));
                if border > end {
                    return Err(Fault::Wof("a chunk begins beyond the stream").at(place));
                }
                borders.push(border);
            }
        }
        if last + 1 >= chunks {
            borders.push(end);
        }
        Ok(Places { first, borders })
    }
}

/// Borders of consecutive chunks in the packed stream.
#[derive(Default)]
struct Places {
    first: u64,
    borders: Vec<u64>,
}

impl Places {
    fn has(&self, chunk: u64) -> bool {
        chunk >= self.first && chunk - self.first + 1 < self.borders.len() as u64
    }

    /// Start and stored length of a chunk.
    fn chunk(&self, chunk: u64, contents: usize) -> Result<(u64, usize), Fault> {
        let index = (chunk - self.first) as usize;
        let (Some(start), Some(end)) = (self.borders.get(index), self.borders.get(index + 1))
        else {
            return Err(Fault::Wof("the chunk table is cut off"));
        };
        end.checked_sub(*start)
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| (1..=contents).contains(length))
            .map(|length| (*start, length))
            .ok_or(Fault::Wof("a chunk of an impossible size"))
    }
}
