//! For which processor a program was made.
//!
//! A program of Windows begins with a program of DOS, at whose byte 0x3C the offset of the real header
//! stands: `PE\0\0` and the number of the machine. Microsoft's *PE Format* lists the machines, the
//! documentation of `SYSTEM_INFO` the numbers of architectures.

use crate::Result;
use crate::port::OpenStream;

/// The architecture as the `ARCH` element has it; `None` if it is not known, or the file no program.
///
/// # Errors
/// What the stream returns.
pub fn architecture(stream: &mut dyn OpenStream) -> Result<Option<u8>> {
    let Some(offset) = read_at::<4>(stream, 0x3C)? else {
        return Ok(None);
    };
    let offset = u32::from_le_bytes(offset);
    if !offset.is_multiple_of(4) {
        return Ok(None);
    }
    let header = read_at::<6>(stream, u64::from(offset))?;
    let Some([b'P', b'E', 0, 0, low, high]) = header else {
        return Ok(None);
    };
    Ok(match u16::from_le_bytes([low, high]) {
        0x014C => Some(0),                   // x86
        0x8664 => Some(9),                   // x64
        0x01C0 | 0x01C2 | 0x01C4 => Some(5), // ARM
        0x0200 => Some(6),                   // Itanium
        0xAA64 => Some(12),                  // ARM64
        _ => None,
    })
}

fn read_at<const N: usize>(stream: &mut dyn OpenStream, offset: u64) -> Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    let mut done = 0;
    while done < N {
        match stream.read_at(offset + done as u64, &mut bytes[done..])? {
            got @ 1.. if got <= N - done => done += got,
            _ => return Ok(None),
        }
    }
    Ok(Some(bytes))
}
