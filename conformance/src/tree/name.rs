//! Names: UTF-16 units as a POSIX file system can carry them.

/// Writes UTF-16 units the way WIM tools do on POSIX: UTF-8, where an unpaired surrogate becomes the
/// three bytes its code point would have.
#[must_use]
pub fn from_units(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(units.len() * 3);
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok(scalar) => {
                let mut buffer = [0; 4];
                bytes.extend_from_slice(scalar.encode_utf8(&mut buffer).as_bytes());
            }
            Err(lone) => {
                let unit = lone.unpaired_surrogate();
                bytes.extend_from_slice(&[
                    0xe0 | (unit >> 12) as u8,
                    0x80 | (unit >> 6 & 0x3f) as u8,
                    0x80 | (unit & 0x3f) as u8,
                ]);
            }
        }
    }
    bytes
}

/// Whether a POSIX name can hold this unit: all but NUL and the slash.
#[must_use]
pub fn allowed(unit: u16) -> bool {
    unit != 0 && unit != u16::from(b'/')
}

/// A legal name of at most 255 bytes made of the allowed ones of these units, never `.` or `..`,
/// never empty.
#[must_use]
pub fn legal(units: &[u16]) -> Vec<u8> {
    let mut units: Vec<u16> = units
        .iter()
        .copied()
        .filter(|unit| allowed(*unit))
        .collect();
    loop {
        let bytes = from_units(&units);
        if bytes.is_empty() || bytes == b"." || bytes == b".." {
            return [b"_".as_slice(), &bytes].concat();
        }
        if bytes.len() <= 255 {
            return bytes;
        }
        units.pop();
    }
}
