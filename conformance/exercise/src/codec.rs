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

/// The chunk size, of at most `limit` bytes, from one byte.
fn chunk_size(format: Format, byte: u8, limit: usize) -> u32 {
    let (least, most) = format.chunk_sizes();
    let sizes = (most.min(limit as u32) / least).ilog2() + 1;
    least << (u32::from(byte) % sizes)
}

/// Byte 0 chooses the chunk size, bytes 1 to 3 are the size of the data, the rest is compressed.
fn chunk(format: Format, data: &[u8]) {
    let Some((&[size, low, middle, high], input)) = data.split_first_chunk() else {
        return;
    };
    let chunk_size = chunk_size(format, size, MOST);
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

/// Byte 0 chooses the format, byte 1 the chunk size, byte 2 the level, byte 3 how the rest [grows](grown)
/// before it is compressed, chunk by chunk and twice, and decompressed again.
pub fn round_trip(data: &[u8]) {
    let Some((&[format, size, level, growth], input)) = data.split_first_chunk() else {
        return;
    };
    let format = [Format::Xpress, Format::Lzx, Format::Lzms][usize::from(format) % 3];
    let chunk_size = chunk_size(format, size, MOST_GROWN);
    let mut compressor =
        Compressor::new(format, chunk_size, Level(u32::from(level).max(1))).expect("allowed");
    let mut decompressor = Decompressor::new(format, chunk_size).expect("allowed");
    let mut input = grown(input, growth);
    let room = input.len().min(chunk_size as usize);
    let [mut first, mut second, mut back] = [(); 3].map(|()| vec![0; room]);
    for chunk in input.chunks_mut(chunk_size as usize) {
        let most = chunk.len() - 1;
        let before = &mut back[..chunk.len()];
        before.copy_from_slice(chunk);
        let length = compressor.compress(chunk, &mut first[..most]);
        assert!(chunk == before);
        // The state is used again, and what the first time left in it must not show.
        let again = compressor.compress_in_place(chunk, &mut second[..most], &|| false);
        assert_eq!(length, again);
        let Some(length) = length else {
            assert!(chunk == before, "spoilt though not compressed");
            continue;
        };
        assert!(first[..length] == second[..length]);
        chunk.copy_from_slice(before);
        before.fill(0x55);
        decompressor
            .decompress(&first[..length], before)
            .expect("what was compressed");
        assert!(before == chunk);
    }
}

/// The most that [`round_trip`] lets its input grow to, which is also its largest chunk size.
const MOST_GROWN: usize = 1 << 20;

/// The input several times over, each time with other bytes changed: what is far away is found again, and
/// differences between bytes a power of two apart are the same more often than bytes are.
fn grown(input: &[u8], growth: u8) -> Vec<u8> {
    // Mostly none, for the sake of speed.
    let copies = [1, 1, 1, 1, 2, 8, 32, 128][usize::from(growth & 7)];
    let span = 1usize << (growth >> 3 & 3);
    let changes = growth >> 5 != 0;
    let mut grown = Vec::new();
    for copy in 0..copies {
        let place = copy % span;
        grown.extend(input.iter().enumerate().map(|(at, &byte)| {
            if changes && at % span == place {
                byte.wrapping_add(copy as u8)
            } else {
                byte
            }
        }));
        if grown.len() >= MOST_GROWN {
            break;
        }
    }
    grown.truncate(MOST_GROWN);
    grown
}
