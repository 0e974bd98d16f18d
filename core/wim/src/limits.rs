//! Bounds on what an archive may make us allocate.

/// How much a hostile archive may ask for. Every size read from an archive is compared with what
/// the file can hold and with these numbers before memory is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// XML data, bytes.
    pub xml_size: u64,
    /// Uncompressed metadata of one image, bytes.
    pub metadata_size: u64,
    /// Uncompressed metadata as a multiple of the whole file's size; more is a decompression bomb.
    pub metadata_ratio: u64,
    /// Directories above a file.
    pub depth: usize,
    /// Nested elements in the XML data.
    pub xml_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            xml_size: 256 << 20,
            metadata_size: 16 << 30,
            metadata_ratio: 512,
            depth: 16384,
            xml_depth: 50,
        }
    }
}
