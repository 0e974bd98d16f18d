//! What kind of file system or disk something is, by its first bytes.

use std::fmt;

/// Bytes from the start that [`recognise`] wants to see; fewer do, but say less.
pub const HEAD: usize = 8192;

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileSystem {
    /// NTFS.
    Ntfs,
    /// A volume encrypted with BitLocker.
    BitLocker,
    /// ReFS.
    ReFs,
    /// exFAT.
    ExFat,
    /// ext2, ext3 or ext4.
    Ext,
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// A whole disk with a GUID partition table.
    GptDisk,
    /// A whole disk with a partition table in its first sector.
    MbrDisk,
    /// A WIM archive.
    Wim,
    /// A disk image of a virtual machine in a format of its own; [`crate::disk_image`] reads some.
    VirtualDisk,
    /// Zeros, as far as was looked.
    Empty,
    /// None of these.
    Unknown,
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileSystem::Ntfs => "NTFS",
            FileSystem::BitLocker => "a volume encrypted with BitLocker",
            FileSystem::ReFs => "a ReFS volume",
            FileSystem::ExFat => "an exFAT volume",
            FileSystem::Ext => "an ext2, ext3 or ext4 file system",
            FileSystem::Fat => "a FAT volume",
            FileSystem::GptDisk => "a whole disk with a GUID partition table",
            FileSystem::MbrDisk => "a whole disk with an MBR partition table",
            FileSystem::Wim => "a WIM archive",
            FileSystem::VirtualDisk => {
                "a virtual disk in a format that cannot be read here; convert it to a raw image"
            }
            FileSystem::Empty => "nothing but zeros at its start",
            FileSystem::Unknown => "unknown contents",
        })
    }
}

/// The GUID that marks BitLocker To Go behind a boot sector that looks like FAT.
const BITLOCKER_TO_GO: [u8; 16] = [
    0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A, 0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3, 0xD0, 0x01,
];

/// Names the file system that begins with `head`. The order of the tests matters: a boot sector may
/// carry the marks of a second, older format.
#[must_use]
pub fn recognise(head: &[u8]) -> FileSystem {
    let is = |at: usize, mark: &[u8]| head.get(at..at + mark.len()) == Some(mark);
    let signed = is(510, &[0x55, 0xAA]);
    if is(3, b"NTFS    ") {
        FileSystem::Ntfs
    } else if is(3, b"-FVE-FS-") || is(3, b"MSWIN4.1") && is(424, &BITLOCKER_TO_GO) {
        FileSystem::BitLocker
    } else if is(3, b"ReFS\0\0\0\0") {
        FileSystem::ReFs
    } else if is(3, b"EXFAT   ") {
        FileSystem::ExFat
    } else if is(0, b"MSWIM\0\0\0") || is(0, b"WLPWM\0\0\0") {
        FileSystem::Wim
    } else if is(0, b"conectix") || is(0, b"vhdxfile") || is(0, b"QFI\xFB") {
        FileSystem::VirtualDisk
    } else if is(1080, &[0x53, 0xEF]) {
        FileSystem::Ext
    } else if signed && (is(82, b"FAT32   ") || is(54, b"FAT12") || is(54, b"FAT16")) {
        FileSystem::Fat
    } else if is(512, b"EFI PART") || is(4096, b"EFI PART") {
        FileSystem::GptDisk
    } else if signed && (0..4).all(|n| matches!(head[446 + 16 * n], 0 | 0x80)) {
        FileSystem::MbrDisk
    } else if head.iter().all(|byte| *byte == 0) {
        FileSystem::Empty
    } else {
        FileSystem::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Mark = (usize, &'static [u8]);

    fn with(marks: &[Mark]) -> Vec<u8> {
        let mut head = vec![0; HEAD];
        for (at, mark) in marks {
            head[*at..at + mark.len()].copy_from_slice(mark);
        }
        head
    }

    #[test]
    fn each_kind_has_its_mark() {
        let signature: Mark = (510, &[0x55, 0xAA]);
        let cases: [(&[Mark], FileSystem); 16] = [
            (&[(3, b"NTFS    "), signature], FileSystem::Ntfs),
            (&[(3, b"-FVE-FS-"), signature], FileSystem::BitLocker),
            (
                &[(3, b"MSWIN4.1"), (424, &BITLOCKER_TO_GO), signature],
                FileSystem::BitLocker,
            ),
            (&[(3, b"ReFS\0\0\0\0"), (16, b"FSRS")], FileSystem::ReFs),
            (&[(3, b"EXFAT   "), signature], FileSystem::ExFat),
            (&[(0, b"MSWIM\0\0\0")], FileSystem::Wim),
            (&[(0, b"vhdxfile")], FileSystem::VirtualDisk),
            (&[(0, b"QFI\xFB")], FileSystem::VirtualDisk),
            (&[(1080, &[0x53, 0xEF])], FileSystem::Ext),
            (
                &[(3, b"MSWIN4.1"), (82, b"FAT32   "), signature],
                FileSystem::Fat,
            ),
            (&[(54, b"FAT16   "), signature], FileSystem::Fat),
            (&[(512, b"EFI PART"), signature], FileSystem::GptDisk),
            (&[(4096, b"EFI PART"), signature], FileSystem::GptDisk),
            (&[(446, &[0x80]), signature], FileSystem::MbrDisk),
            (&[(446, &[0x81]), signature], FileSystem::Unknown),
            (&[], FileSystem::Empty),
        ];
        for (marks, kind) in cases {
            assert_eq!(recognise(&with(marks)), kind, "{marks:?}");
        }
        for length in 0..600 {
            let _ = recognise(&with(&[signature])[..length]);
        }
    }
}
