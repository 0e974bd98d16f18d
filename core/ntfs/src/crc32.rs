//! The checksums of GUID partition tables and of VHDX.

/// CRC-32 with the polynomial 0x04C11DB7: that of Ethernet, ZIP and GUID partition tables.
pub(crate) fn crc32(data: &[u8]) -> u32 {
    !update(0xEDB8_8320, !0, data)
}

/// CRC-32C, with the polynomial 0x1EDC6F41: that of iSCSI and VHDX.
pub(crate) fn crc32c(data: &[u8]) -> u32 {
    !update(0x82F6_3B78, !0, data)
}

/// Goes on with a checksum; the polynomial is given with its bits reflected.
fn update(polynomial: u32, crc: u32, data: &[u8]) -> u32 {
    data.iter().fold(crc, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (polynomial & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }
}
