//! Reading the data that a scan found.

use super::supply::{BlobSupply, OpenBlob};
use crate::port::{OpenStream, Source, WorkerState};
use crate::scan::Origin;
use crate::time::FileTime;
use crate::{Error, ErrorKind, Result};

/// Gives the bytes of any [`Origin`] of one scan. Shared by all workers.
pub(crate) struct Loader<'a> {
    /// The sources, in the order in which they were scanned.
    pub sources: &'a [&'a dyn Source],
    /// Data that the scan made.
    pub inline: &'a [u8],
    /// File times are clamped to this before they are compared; see
    /// [`crate::scan::ScanOptions::latest_time`].
    pub latest_time: Option<FileTime>,
    /// The archives whose blobs are wanted.
    pub archives: &'a [BlobSupply<'a>],
}

/// What a file was when it was scanned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// Bytes of the stream.
    pub size: u64,
    /// Last write.
    pub write_time: FileTime,
    /// Whether it is the file's unnamed data, whose size a stamp tells.
    pub unnamed: bool,
}

/// Data being read.
pub(crate) enum Opened<'a> {
    Stream(Box<dyn OpenStream + 'a>),
    Inline(&'a [u8]),
    Blob(OpenBlob<'a>),
}

impl<'a> Loader<'a> {
    /// Opens data of `size` bytes.
    pub fn open(&self, origin: Origin, size: u64) -> Result<Opened<'a>> {
        match origin {
            Origin::Source {
                source,
                stream,
                node,
            } => {
                let source = self.sources.get(usize::from(source)).ok_or_else(|| {
                    Error::new(ErrorKind::Read, "data of a source that is not there")
                })?;
                source.open(node, u32::from(stream)).map(Opened::Stream)
            }
            Origin::Inline { start } => {
                let end = start + size;
                let data = self.inline.get(start as usize..end as usize);
                Ok(Opened::Inline(data.unwrap_or_default()))
            }
            Origin::Blob { archive, id } => {
                let supply = self.archives.get(usize::from(archive)).ok_or_else(|| {
                    Error::new(ErrorKind::Read, "data of an archive that is not there")
                })?;
                supply.open(id).map(Opened::Blob)
            }
        }
    }

    /// Whether data is better not read by turns with other data.
    pub fn has_to_seek(&self, origin: Origin) -> bool {
        match origin {
            Origin::Source {
                source,
                stream,
                node,
            } => {
                let source = self.sources.get(usize::from(source));
                source.is_some_and(|source| source.has_to_seek(node, u32::from(stream)))
            }
            Origin::Inline { .. } | Origin::Blob { .. } => false,
        }
    }

    /// Whether the file is not what it was when it was scanned.
    pub fn changed(&self, opened: &mut Opened<'_>, expected: Expected) -> Result<bool> {
        let Opened::Stream(stream) = opened else {
            return Ok(false);
        };
        let Some(stamp) = stream.stamp()? else {
            return Ok(false);
        };
        let write_time = match self.latest_time {
            Some(latest) => stamp.write_time.min(latest),
            None => stamp.write_time,
        };
        let resized = expected.unnamed && stamp.size != expected.size;
        Ok(resized || write_time != expected.write_time)
    }
}

impl Opened<'_> {
    /// Fills the whole buffer from `offset`.
    ///
    /// # Errors
    /// [`ErrorKind::Changed`] if the data ends before.
    pub fn read_exact(
        &mut self,
        mut offset: u64,
        mut buffer: &mut [u8],
        state: &mut WorkerState,
    ) -> Result<()> {
        while !buffer.is_empty() {
            let got = match self {
                Opened::Blob(blob) => return blob.read_exact(offset, buffer, state),
                Opened::Stream(stream) => stream.read_at(offset, buffer)?,
                Opened::Inline(data) => {
                    let rest = data.get(offset as usize..).unwrap_or_default();
                    let size = rest.len().min(buffer.len());
                    buffer[..size].copy_from_slice(&rest[..size]);
                    size
                }
            };
            if got == 0 || got > buffer.len() {
                return Err(Error::new(
                    ErrorKind::Changed,
                    format!(
                        "the file shrank while it was being read: it ends at byte {offset}, {} bytes short",
                        buffer.len()
                    ),
                ));
            }
            offset += got as u64;
            buffer = &mut buffer[got..];
        }
        Ok(())
    }
}
