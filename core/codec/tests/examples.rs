//! Small streams whose every bit is known.

use wimforge_codec::{Decompressor, Format};

/// `ab` 64 times, one verbatim block.
#[test]
fn lzx() {
    let packed = [
        0x08, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x33, 0xda, 0x07, 0xf7, 0xf9, 0x80, 0xdf, 0, 0,
        0, 0, 0, 0, 0x04, 0, 0x43, 0, 0xff, 0x37, 0xd8, 0xff, 0, 0, 0, 0, 0, 0, 0x01, 0, 0x84,
        0x10, 0xfc, 0xfb, 0xbe, 0xcf, 0x70, 0x52,
    ];
    let mut plain = [0; 128];
    Decompressor::new(Format::Lzx, 1 << 15)
        .unwrap()
        .decompress(&packed, &mut plain)
        .unwrap();
    assert!(plain.chunks(2).all(|pair| pair == b"ab"));
}

/// `abc` a hundred times, with a length in raw bytes.
#[test]
fn xpress() {
    let mut packed = [0u8; 263];
    for (at, byte) in [(48, 0x20), (49, 0x33), (128, 0x02), (143, 0x20)] {
        packed[at] = byte;
    }
    packed[256..].copy_from_slice(&[0x2a, 0x37, 0, 0, 0xff, 0x25, 0x01]);
    let mut plain = [0; 300];
    Decompressor::new(Format::Xpress, 1 << 15)
        .unwrap()
        .decompress(&packed, &mut plain)
        .unwrap();
    assert!(plain.chunks(3).all(|triple| triple == b"abc"));
}

/// An uncompressed block after a verbatim one, at a unit boundary or not, of odd and even size.
#[test]
fn lzx_uncompressed_block() {
    let mut packed = vec![0x08, 0x20, 0, 0];
    // Replace the explicit size of the example by hand: type 3, explicit size, 5 bytes.
    packed.clear();
    // 011 0 0000000000000101 then padding to the unit: 0110 0000 0000 0000 | 0101 0000 0000 0000
    packed.extend([0x00, 0x60, 0x00, 0x50]);
    packed.extend([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    packed.extend(b"hello\0");
    packed.extend([0x00, 0x60, 0x00, 0x20]);
    packed.extend([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    packed.extend(b"wo");
    let mut plain = [0; 7];
    let mut decompressor = Decompressor::new(Format::Lzx, 1 << 15).unwrap();
    decompressor.decompress(&packed, &mut plain).unwrap();
    assert_eq!(&plain, b"hellowo");
    packed[4] = 0;
    assert!(decompressor.decompress(&packed, &mut plain).is_err());
}
