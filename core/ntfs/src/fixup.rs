//! Fix-ups: how NTFS notices that a block was written only in part.
//!
//! File records, index blocks and log pages are cut into pieces of 512 bytes, whatever the sector
//! size. When a block is written, the last two bytes of every piece are replaced by a check number
//! that changes with each write; what stood there is kept in an array in the block's header, behind
//! the check number itself. A piece that ends with another number comes from another write.

use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::error::Fault;

/// Bytes of a piece.
const PIECE: usize = 512;

/// How every protected block begins.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct BlockHeader {
    signature: [u8; 4],
    /// Offset of the array from the start of the block.
    array: U16,
    /// Values in the array: the check number and one for each piece.
    count: U16,
}

/// Checks a block read from the device and puts the true bytes back.
pub(crate) fn undo(block: &mut [u8], signature: [u8; 4]) -> Result<(), Fault> {
    let (header, _) = BlockHeader::ref_from_prefix(block).map_err(|_| Fault::TooShort)?;
    if header.signature != signature {
        return Err(Fault::Signature {
            found: header.signature.escape_ascii().to_string(),
            expected: signature.escape_ascii().to_string(),
        });
    }
    let (array, count) = (header.array.get(), header.count.get());
    let fault = Fault::FixUpArray {
        offset: array,
        count,
    };
    let pieces = block.len() / PIECE;
    let start = usize::from(array);
    let end = start + 2 * usize::from(count);
    // More values than pieces are harmless: some writers reserve too many.
    if usize::from(count) <= pieces || start % 2 != 0 || start < 24 || end > PIECE - 2 {
        return Err(fault);
    }
    let number = [block[start], block[start + 1]];
    for piece in 0..pieces {
        let tail = PIECE * (piece + 1) - 2;
        if block[tail..tail + 2] != number {
            return Err(Fault::TornWrite { piece });
        }
        let value = start + 2 + 2 * piece;
        block.copy_within(value..value + 2, tail);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Vec<u8> {
        let mut block = vec![7; 1024];
        block[..8].copy_from_slice(b"TEST\x30\0\x03\0");
        block[0x30..0x36].copy_from_slice(&[9, 8, 1, 2, 3, 4]);
        block[510..512].copy_from_slice(&[9, 8]);
        block[1022..].copy_from_slice(&[9, 8]);
        block
    }

    #[test]
    fn puts_the_bytes_back() {
        let mut data = block();
        undo(&mut data, *b"TEST").unwrap();
        assert_eq!(data[510..512], [1, 2]);
        assert_eq!(data[1022..], [3, 4]);
    }

    #[test]
    fn notices_damage() {
        let mut data = block();
        assert!(matches!(
            undo(&mut data, *b"FILE"),
            Err(Fault::Signature { .. })
        ));
        data[1022] = 0;
        assert_eq!(
            undo(&mut data, *b"TEST"),
            Err(Fault::TornWrite { piece: 1 })
        );
        for (array, count) in [(0x30, 2), (0x31, 3), (0x16, 3), (506, 3), (0xFFFF, 0xFFFF)] {
            let mut data = block();
            data[4..6].copy_from_slice(&u16::to_le_bytes(array));
            data[6..8].copy_from_slice(&u16::to_le_bytes(count));
            assert!(
                matches!(undo(&mut data, *b"TEST"), Err(Fault::FixUpArray { .. })),
                "{array} {count}"
            );
        }
        assert!(undo(&mut [], *b"TEST").is_err());
    }
}
