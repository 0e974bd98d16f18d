//! DOS attributes.

bitflags::bitflags! {
    /// Attributes of a file, as Windows defines them (`FILE_ATTRIBUTE_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct FileAttributes: u32 {
        /// Must not be written.
        const READONLY = 0x1;
        /// Not shown in listings.
        const HIDDEN = 0x2;
        /// Belongs to the operating system.
        const SYSTEM = 0x4;
        /// A directory.
        const DIRECTORY = 0x10;
        /// Changed since the last backup.
        const ARCHIVE = 0x20;
        /// A device.
        const DEVICE = 0x40;
        /// None of the others.
        const NORMAL = 0x80;
        /// Not meant to last.
        const TEMPORARY = 0x100;
        /// Has holes.
        const SPARSE_FILE = 0x200;
        /// Has a reparse point.
        const REPARSE_POINT = 0x400;
        /// Compressed by the file system.
        const COMPRESSED = 0x800;
        /// Data is not at hand.
        const OFFLINE = 0x1000;
        /// Not indexed.
        const NOT_CONTENT_INDEXED = 0x2000;
        /// Encrypted by the file system.
        const ENCRYPTED = 0x4000;
        /// Has integrity checks.
        const INTEGRITY_STREAM = 0x8000;
        /// Virtual.
        const VIRTUAL = 0x1_0000;
        /// Not read by background integrity checks.
        const NO_SCRUB_DATA = 0x2_0000;
        /// Unknown bits are kept.
        const _ = !0;
    }
}

impl FileAttributes {
    /// Whether it is a directory that can have children: a directory with a reparse point (a
    /// junction or a directory link) has none of its own.
    #[must_use]
    pub fn is_directory(self) -> bool {
        self.contains(Self::DIRECTORY) && !self.contains(Self::REPARSE_POINT)
    }

    /// Whether it has a reparse point.
    #[must_use]
    pub fn is_reparse_point(self) -> bool {
        self.contains(Self::REPARSE_POINT)
    }
}
