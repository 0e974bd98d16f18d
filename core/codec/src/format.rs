//! Names of the formats, their chunk sizes, and the effort to spend.

use crate::ParameterError;

/// A compression format of WIM resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// LZ77 with one Huffman code per chunk; fast.
    Xpress,
    /// LZ77 with several Huffman codes and a recent-offset queue; the usual choice.
    Lzx,
    /// LZ77 and delta matches with adaptive Huffman codes and a range coder; smallest and slowest.
    Lzms,
}

impl Format {
    /// The smallest and the largest chunk size in bytes. Both are powers of two, and so is every
    /// size in between that is allowed.
    #[must_use]
    pub const fn chunk_sizes(self) -> (u32, u32) {
        match self {
            Format::Xpress => (1 << 12, 1 << 16),
            Format::Lzx => (1 << 15, 1 << 21),
            Format::Lzms => (1 << 15, 1 << 30),
        }
    }

    /// Checks a chunk size.
    ///
    /// # Errors
    /// [`ParameterError::ChunkSize`] if it is not a power of two within [`Format::chunk_sizes`].
    pub const fn check_chunk_size(self, size: u32) -> Result<(), ParameterError> {
        let (least, most) = self.chunk_sizes();
        if size.is_power_of_two() && least <= size && size <= most {
            Ok(())
        } else {
            Err(ParameterError::ChunkSize { format: self, size })
        }
    }
}

/// How much effort a compressor spends: 20 is quick, 50 the default, 100 high; anything between and
/// beyond is allowed, and more never means a promise of fewer bytes for a particular input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Level(pub u32);

impl Level {
    /// Quick: greedy or lazy parsing.
    pub const QUICK: Level = Level(20);
    /// The default.
    pub const NORMAL: Level = Level(50);
    /// High compression.
    pub const HIGH: Level = Level(100);
}

impl Default for Level {
    fn default() -> Self {
        Level::NORMAL
    }
}
