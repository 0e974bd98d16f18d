//! Reading a pipable archive in one pass, from a pipe.
//!
//! ```text
//! header, XML data, metadata of all images, [ data of blobs ]…, blob table, XML data, integrity table, header
//! ```
//!
//! Each resource is preceded by its size and hash, so a reader needs no table: it takes one after the
//! other and uses those it wants. Behind the end another file may follow: a further part of a split WIM, or
//! the base of a delta.

use std::sync::Arc;

use zerocopy::FromBytes;

use super::open::Archive;
use super::{Blob, Place};
use crate::format::resource::{Chunking, PipableHeader};
use crate::format::{Compression, Header, Layout, ResourceFlags};
use crate::hash::Sha1;
use crate::image::Image;
use crate::limits::Limits;
use crate::port::memory::MemoryStorage;
use crate::port::{Feed, WorkerState};
use crate::xml::WimXml;
use crate::{Error, ErrorKind, Result, format};

/// A pipable archive that is being read. Header and XML data have been.
pub struct PipedArchive<'a> {
    input: Input<'a>,
    /// The header of the file that is being read.
    header: Header,
    limits: Limits,
}

/// The bytes, counted.
struct Input<'a> {
    feed: Box<dyn Feed + 'a>,
    position: u64,
}

/// What stands in front of a resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PipedHead {
    pub size: u64,
    pub hash: Sha1,
    flags: ResourceFlags,
}

/// A part of a resource as it is stored.
pub(crate) struct PipedPiece {
    stored: Vec<u8>,
    /// Stored and uncompressed bytes of each chunk; empty if there are no chunks.
    chunks: Vec<(u32, u32)>,
    compression: Compression,
}

/// Bytes that are read together, at least.
const PIECE: u64 = 1 << 20;

impl<'a> PipedArchive<'a> {
    /// Reads header and XML data. Gives what is known then in the form of an archive, too; none of its
    /// data can be reached that way.
    ///
    /// # Errors
    /// [`ErrorKind::NotPipable`], [`ErrorKind::NotWim`], [`ErrorKind::Pipable`], [`ErrorKind::Xml`] and
    /// the other kinds that concern these structures; what the feed returns.
    pub fn open(feed: impl Feed + 'a, limits: &Limits) -> Result<(Self, Archive)> {
        let mut input = Input {
            feed: Box::new(feed),
            position: 0,
        };
        let bytes = input.array::<{ Header::SIZE }>()?;
        let header = pipable_header(&bytes)?;
        if header.part != 1 {
            return Err(Error::new(
                ErrorKind::SplitInvalid,
                format!(
                    "part {} of a split WIM comes first in the pipe",
                    header.part
                ),
            ));
        }
        let head = input.head()?;
        if head.size > limits.xml_size || head.flags != ResourceFlags::METADATA {
            return Err(malformed(&input, "the XML data is missing"));
        }
        let bytes = input.vec(head.size)?;
        check_hash("the XML data", &bytes, head.hash)?;
        let xml = WimXml::parse(&bytes, limits)?;
        if xml.image_count() != header.images as usize {
            return Err(Error::new(
                ErrorKind::ImageCount,
                "header and XML data count different numbers of images",
            ));
        }
        let nothing = Arc::new(MemoryStorage::default());
        let archive = Archive::without_data(nothing, header.clone(), xml, *limits);
        let piped = Self {
            input,
            header,
            limits: *limits,
        };
        Ok((piped, archive))
    }

    /// Reads the metadata of all images, and keeps the tree of one, from 1. The hashes of the data that it
    /// needs are entered into what is known of the archive.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchImage`] and those of [`Archive::read_image`].
    pub fn read_image(
        &mut self,
        archive: &mut Archive,
        index: u32,
        report: &mut dyn FnMut(format::metadata::Finding),
    ) -> Result<Image> {
        let mut found = self.read_images(archive, &|number| number == index, report)?;
        found
            .pop()
            .map(|(_, image)| image)
            .ok_or_else(|| Error::new(ErrorKind::NoSuchImage, format!("there is no image {index}")))
    }

    /// The same for all images that are wanted.
    ///
    /// # Errors
    /// Those of [`Archive::read_image`].
    pub fn read_images(
        &mut self,
        archive: &mut Archive,
        is_wanted: &dyn Fn(u32) -> bool,
        report: &mut dyn FnMut(format::metadata::Finding),
    ) -> Result<Vec<(u32, Image)>> {
        let mut found = Vec::new();
        for number in 1..=self.header.images {
            let head = self.input.head()?;
            if !head.flags.contains(ResourceFlags::METADATA) {
                return Err(malformed(&self.input, "there is too little metadata"));
            }
            if !is_wanted(number) {
                self.skip(head)?;
                continue;
            }
            let data = self.whole(head)?;
            let image = format::metadata::decode(&data, &self.limits, report);
            let image = image.map_err(|error| error.at(format_args!("image {number}")))?;
            for (_, hash) in image.data() {
                if archive.blobs.find(&hash).is_none() {
                    archive.blobs.insert(Blob {
                        hash,
                        references: 1,
                        size: 0,
                        place: Place::Elsewhere,
                    })?;
                }
            }
            found.push((number, image));
        }
        Ok(found)
    }

    /// All of a resource that is not too large for that, with its hash checked.
    pub(crate) fn whole(&mut self, head: PipedHead) -> Result<Vec<u8>> {
        if head.size > self.limits.metadata_size {
            return Err(malformed(&self.input, "a resource above the limit"));
        }
        let mut data = Vec::new();
        let mut state = WorkerState::default();
        self.pieces(head, &mut |piece| {
            data.extend_from_slice(&piece.decode(&mut state)?);
            Ok(())
        })?;
        check_hash("a resource in the pipe", &data, head.hash)?;
        Ok(data)
    }

    /// What the next data is; `None` behind the last file.
    pub(crate) fn next_blob(&mut self) -> Result<Option<PipedHead>> {
        loop {
            let head = self.input.head()?;
            if !head.flags.contains(ResourceFlags::METADATA) {
                return Ok(Some(head));
            }
            // The blob table: nothing but the end of this file is left.
            self.skip(head)?;
            let xml = self.input.head()?;
            self.skip(xml)?;
            self.skip_tail()?;
            if !self.next_file()? {
                return Ok(None);
            }
        }
    }

    /// Passes over the integrity table, if there is one, and the header behind it.
    fn skip_tail(&mut self) -> Result<()> {
        let first = self.input.array::<8>()?;
        let rest = match Header::layout_of(&first) {
            Some(_) => Header::SIZE as u64 - 8,
            None => {
                let [a, b, c, d, ..] = first;
                let table = u64::from(u32::from_le_bytes([a, b, c, d]));
                table.max(8) - 8 + Header::SIZE as u64
            }
        };
        self.input.skip(rest)
    }

    /// Begins with the file that follows; false if none does.
    fn next_file(&mut self) -> Result<bool> {
        let Some(bytes) = self.input.array_or_end::<{ Header::SIZE }>()? else {
            return Ok(false);
        };
        self.header = pipable_header(&bytes)?;
        let xml = self.input.head()?;
        self.skip(xml)?;
        // Only the first part of a split WIM has the metadata.
        if self.header.part == 1 {
            for _ in 0..self.header.images {
                let metadata = self.input.head()?;
                self.skip(metadata)?;
            }
        }
        Ok(true)
    }

    /// Reads what is left and drops it, so that whoever writes the pipe can end in peace.
    pub fn drain(&mut self) {
        let mut buffer = vec![0; PIECE as usize];
        while self.input.fill(&mut buffer).is_ok_and(|got| got > 0) {}
    }

    /// Passes over a resource.
    pub(crate) fn skip(&mut self, head: PipedHead) -> Result<()> {
        self.pieces(head, &mut |_| Ok(()))
    }

    /// Reads a resource in pieces of whole chunks.
    pub(crate) fn pieces(
        &mut self,
        head: PipedHead,
        each: &mut dyn FnMut(PipedPiece) -> Result<()>,
    ) -> Result<()> {
        if !head.flags.contains(ResourceFlags::COMPRESSED) {
            let mut left = head.size;
            while left > 0 {
                let now = left.min(PIECE);
                let piece = PipedPiece {
                    stored: self.input.vec(now)?,
                    chunks: Vec::new(),
                    compression: Compression::None,
                };
                each(piece)?;
                left -= now;
            }
            return Ok(());
        }
        let Compression::Chunked(_, chunk_size) = self.header.compression else {
            return Err(malformed(
                &self.input,
                "compressed data in an uncompressed WIM",
            ));
        };
        let chunking = Chunking {
            total: head.size,
            chunk_size,
        };
        let mut piece = self.new_piece();
        let mut bytes = 0;
        for index in 0..chunking.count() {
            let len = chunking.chunk_len(index);
            let size = u32::from_le_bytes(self.input.array()?);
            if size == 0 || size > len {
                return Err(malformed(&self.input, "a chunk has an impossible size"));
            }
            self.input.append(u64::from(size), &mut piece.stored)?;
            piece.chunks.push((size, len));
            bytes += u64::from(len);
            if bytes >= PIECE {
                each(std::mem::replace(&mut piece, self.new_piece()))?;
                bytes = 0;
            }
        }
        if !piece.chunks.is_empty() {
            each(piece)?;
        }
        self.input.skip(chunking.table_size())
    }

    fn new_piece(&self) -> PipedPiece {
        PipedPiece {
            stored: Vec::new(),
            chunks: Vec::new(),
            compression: self.header.compression,
        }
    }
}

impl PipedPiece {
    /// Bytes of data.
    pub fn len(&self) -> u64 {
        match self.compression {
            Compression::None => self.stored.len() as u64,
            Compression::Chunked(..) => self.chunks.iter().map(|chunk| u64::from(chunk.1)).sum(),
        }
    }

    /// The data.
    pub fn decode(self, state: &mut WorkerState) -> Result<Vec<u8>> {
        let Compression::Chunked(format, chunk_size) = self.compression else {
            return Ok(self.stored);
        };
        let total: usize = self.chunks.iter().map(|chunk| chunk.1 as usize).sum();
        let mut data = vec![0; total];
        let (mut from, mut to) = (0, 0);
        for (number, &(stored, len)) in self.chunks.iter().enumerate() {
            let (stored, len) = (stored as usize, len as usize);
            let input = &self.stored[from..from + stored];
            let output = &mut data[to..to + len];
            if stored == len {
                output.copy_from_slice(input);
            } else {
                let decompressor = state.decompressor(format, chunk_size)?;
                decompressor.decompress(input, output).map_err(|error| {
                    let what = format!("chunk {number} of a piece of a resource in the pipe");
                    Error::new(ErrorKind::Decompression, what).because(error)
                })?;
            }
            from += stored;
            to += len;
        }
        Ok(data)
    }
}

impl Input<'_> {
    /// Fills a buffer; says how much there was if the end comes before.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            let got = self.feed.read(&mut buffer[done..])?;
            if got == 0 || got > buffer.len() - done {
                break;
            }
            done += got;
        }
        self.position += done as u64;
        Ok(done)
    }

    fn exact(&mut self, buffer: &mut [u8]) -> Result<()> {
        match self.fill(buffer)? == buffer.len() {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::UnexpectedEnd,
                format!("the pipe ends at byte {}, too early", self.position),
            )),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.exact(&mut bytes)?;
        Ok(bytes)
    }

    /// `None` if there is nothing more.
    fn array_or_end<const N: usize>(&mut self) -> Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        if self.fill(&mut bytes[..1])? == 0 {
            return Ok(None);
        }
        self.exact(&mut bytes[1..])?;
        Ok(Some(bytes))
    }

    /// Memory grows with what has really come.
    fn append(&mut self, size: u64, data: &mut Vec<u8>) -> Result<()> {
        let mut left = size;
        while left > 0 {
            let now = left.min(PIECE) as usize;
            let start = data.len();
            data.resize(start + now, 0);
            self.exact(&mut data[start..])?;
            left -= now as u64;
        }
        Ok(())
    }

    fn vec(&mut self, size: u64) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        self.append(size, &mut data)?;
        Ok(data)
    }

    fn skip(&mut self, size: u64) -> Result<()> {
        let mut buffer = vec![0; size.min(PIECE) as usize];
        let mut left = size;
        while left > 0 {
            let now = left.min(PIECE) as usize;
            self.exact(&mut buffer[..now])?;
            left -= now as u64;
        }
        Ok(())
    }

    /// What stands in front of the next resource.
    fn head(&mut self) -> Result<PipedHead> {
        let bytes = self.array::<{ PipableHeader::SIZE as usize }>()?;
        let head = PipableHeader::read_from_bytes(&bytes).ok();
        let head = head.filter(PipableHeader::is_valid);
        let head = head.ok_or_else(|| malformed(self, "no resource where one should begin"))?;
        Ok(PipedHead {
            size: head.uncompressed_size.get(),
            hash: head.hash,
            flags: ResourceFlags::from_bits_retain(head.flags.get() as u8),
        })
    }
}

fn pipable_header(bytes: &[u8; Header::SIZE]) -> Result<Header> {
    let header = Header::decode(bytes)?;
    match header.layout {
        Layout::Pipable => Ok(header),
        Layout::Seekable => Err(Error::new(
            ErrorKind::NotPipable,
            "the WIM in the pipe is not pipable; `wimforge optimize --pipable` makes one of it",
        )),
    }
}

fn malformed(input: &Input<'_>, what: &str) -> Error {
    let at = input.position;
    Error::new(
        ErrorKind::Pipable,
        format!("{what}, before byte {at} of the pipe"),
    )
}

fn check_hash(what: &str, data: &[u8], expected: Sha1) -> Result<()> {
    let checked = Sha1::of(data).must_be(&expected);
    checked.map_err(|error| error.at(what))
}
