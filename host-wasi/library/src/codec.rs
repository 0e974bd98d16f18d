//! The exported `codec`.

use std::cell::RefCell;

use wimforge_codec::{Decompressor, Format, Level};
use wimforge_core::{Error, ErrorKind};

use crate::Component;
use crate::bindings::exports::wimforge::imaging::codec as wit;
use crate::bindings::wimforge::imaging::types::{Compression, ErrorCode};
use crate::convert::{check_memory, format};
use crate::failure::Outcome;

impl wit::Guest for Component {
    type Compressor = Compressor;
    type Decompressor = ChunkDecompressor;
}

/// The format of chunks that are compressed at all.
fn chunk_format(compression: Compression) -> Outcome<Format> {
    let nothing = || ErrorCode::Argument("without compression there are no chunks".into());
    format(compression).ok_or_else(nothing)
}

/// A compressor with a buffer for its output.
pub struct Compressor {
    chunk_size: u32,
    inner: RefCell<(wimforge_codec::Compressor, Vec<u8>)>,
}

impl wit::GuestCompressor for Compressor {
    fn create(compression: Compression, chunk_size: u32, level: u32) -> Outcome<wit::Compressor> {
        let (format, level) = (chunk_format(compression)?, Level(level));
        check_memory(format, chunk_size, level)?;
        let inner = wimforge_codec::Compressor::new(format, chunk_size, level);
        Ok(wit::Compressor::new(Self {
            chunk_size,
            inner: RefCell::new((inner.map_err(Error::from)?, Vec::new())),
        }))
    }

    fn compress(&self, chunks: Vec<Vec<u8>>) -> Outcome<Vec<Option<Vec<u8>>>> {
        let mut inner = self.inner.borrow_mut();
        let (compressor, scratch) = &mut *inner;
        let each = chunks.iter().map(|chunk| {
            if chunk.is_empty() || chunk.len() > self.chunk_size as usize {
                let what = format!("a chunk has {} bytes", chunk.len());
                return Err(ErrorCode::Argument(what));
            }
            scratch.resize(chunk.len() - 1, 0);
            let size = compressor.compress(chunk, scratch);
            Ok(size
                .and_then(|size| scratch.get(..size))
                .map(<[u8]>::to_vec))
        });
        each.collect()
    }
}

/// A decompressor.
pub struct ChunkDecompressor {
    chunk_size: u32,
    inner: RefCell<Decompressor>,
}

impl wit::GuestDecompressor for ChunkDecompressor {
    fn create(compression: Compression, chunk_size: u32) -> Outcome<wit::Decompressor> {
        let inner = Decompressor::new(chunk_format(compression)?, chunk_size);
        Ok(wit::Decompressor::new(Self {
            chunk_size,
            inner: RefCell::new(inner.map_err(Error::from)?),
        }))
    }

    fn decompress(&self, chunks: Vec<wit::PackedChunk>) -> Outcome<Vec<Vec<u8>>> {
        let mut inner = self.inner.borrow_mut();
        let each = chunks.iter().map(|chunk| {
            if chunk.size > self.chunk_size {
                let what = format!("a chunk would become {} bytes", chunk.size);
                return Err(ErrorCode::Argument(what));
            }
            let mut data = vec![0; chunk.size as usize];
            inner.decompress(&chunk.data, &mut data).map_err(|error| {
                Error::new(ErrorKind::Decompression, "the chunk is not valid").because(error)
            })?;
            Ok(data)
        });
        each.collect()
    }
}
