//! Compressed data that nobody compressed, and data that nobody expected to be compressed.

use wimforge_codec::{Compressor, Decompressor, Format, Level, lznt1};

/// Most bytes that a chunk is said to stand for.
const MOST: usize = 1 << 18;

/// A chunk of XPRESS Huffman.
pub fn xpress(data: &[u8]) {
    chunk(Format::Xpress, data);
}

/// A chunk of LZX.
pub fn lzx(data: &[u8]) {
    chunk(Format::Lzx, data);
}

/// A chunk of LZMS.
pub fn lzms(data: &[u8]) {
    chunk(Format::Lzms, data);
}

/// The chunk size, from one byte.
fn chunk_size(format: Format, byte: u8) -> u32 {
    let (least, most) = format.chunk_sizes();
    let sizes = (most.min(MOST as u32) / least).ilog2() + 1;
    least << (u32::from(byte) % sizes)
}

/// Byte 0 chooses the chunk size, bytes 1 to 3 are the size of the data, the rest is compressed.
fn chunk(format: Format, data: &[u8]) {
    let Some((&[size, low, middle, high], input)) = data.split_first_chunk() else {
        return;
    };
    let chunk_size = chunk_size(format, size);
    let length = u32::from_le_bytes([low, middle, high, 0]) % (chunk_size + 1);
    let mut decompressor = Decompressor::new(format, chunk_size).expect("a size the format has");
    let mut first = vec![0x55; length as usize];
    let mut second = vec![0xAA; length as usize];
    let one = decompressor.decompress(input, &mut first);
    // The state is used again for the next chunk, and what this one left in it must not show.
    let two = decompressor.decompress(input, &mut second);
    assert_eq!(one, two);
    if one.is_ok() {
        assert!(first == second, "not all of the output was written");
    }
}

/// A compression unit of LZNT1: bytes 0 to 2 are its size, the rest is compressed.
pub fn lznt1(data: &[u8]) {
    let Some((&[low, middle, high], input)) = data.split_first_chunk() else {
        return;
    };
    let length = u32::from_le_bytes([low, middle, high, 0]) as usize % (MOST + 1);
    let mut first = vec![0x55; length];
    let mut second = vec![0xAA; length];
    let one = lznt1::decompress(input, &mut first);
    assert_eq!(one, lznt1::decompress(input, &mut second));
    if one.is_ok() {
        assert!(first == second, "not all of the output was written");
    }
    let mut compressed = Vec::new();
    lznt1::compress(input, &mut compressed);
    let mut back = vec![0; input.len()];
    lznt1::decompress(&compressed, &mut back).expect("what was compressed");
    assert!(back == input);
}

/// Byte 0 chooses the format, byte 1 the chunk size, byte 2 the level; the rest is compressed and
/// decompressed again.
pub fn round_trip(data: &[u8]) {
    let Some((&[format, size, level], input)) = data.split_first_chunk() else {
        return;
    };
    let format = [Format::Xpress, Format::Lzx, Format::Lzms][usize::from(format) % 3];
    let chunk_size = chunk_size(format, size);
    let mut compressor =
        Compressor::new(format, chunk_size, Level(u32::from(level).max(1))).expect("allowed");
    let mut decompressor = Decompressor::new(format, chunk_size).expect("allowed");
    let mut compressed = vec![0; chunk_size as usize];
    let mut back = vec![0; chunk_size as usize];
    for chunk in input.chunks(chunk_size as usize) {
        let room = &mut compressed[..chunk.len() - 1];
        let Some(length) = compressor.compress(chunk, room) else {
            continue;
        };
        let back = &mut back[..chunk.len()];
        decompressor
            .decompress(&room[..length], back)
            .expect("what was compressed");
        assert!(back == chunk);
    }
}
