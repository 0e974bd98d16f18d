//! Bounds on what a volume can make the reader allocate or do.

/// How much of anything is accepted. The defaults are far above what file systems in use have, and
/// low enough that no volume can exhaust a machine: everything not listed here is bounded by the
/// size of the volume itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Runs of one attribute (16 bytes of memory each).
    pub runs: usize,
    /// Bytes of one attribute list. NTFS itself stops at 256 KiB.
    pub attribute_list: u64,
    /// Records of one file.
    pub records_of_file: usize,
    /// Levels of an index.
    pub index_depth: usize,
    /// Bytes of index blocks kept while one index is read.
    pub index_cache: usize,
    /// Bytes of one index bitmap.
    pub index_bitmap: u64,
    /// Entries of one directory.
    pub directory_entries: usize,
    /// Entries of one directory that make no sense; with more it counts as damaged.
    pub refused_entries: usize,
    /// Bytes of one security descriptor.
    pub descriptor: u64,
    /// Bytes of one reparse point, as on disk.
    pub reparse_point: u64,
    /// Bytes of the extended attributes of one file.
    pub extended_attributes: u64,
    /// Bytes of `$MFT` read in one piece by the scan.
    pub scan_block: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            runs: 1 << 22,
            attribute_list: 256 << 10,
            records_of_file: 1 << 14,
            index_depth: 32,
            index_cache: 16 << 20,
            index_bitmap: 16 << 20,
            directory_entries: 1 << 24,
            refused_entries: 1000,
            descriptor: 256 << 10,
            reparse_point: 16 << 10,
            extended_attributes: 68 << 10,
            scan_block: 2 << 20,
        }
    }
}
