//! The numbers that the XML data gives for an image.

use super::Image;

/// Counts and sizes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ImageNumbers {
    /// Directories, the root included; directories that are reparse points are files here.
    pub directories: u64,
    /// All other names; hard links count each.
    pub files: u64,
    /// Sizes of all streams of every file, times its number of names.
    pub total_bytes: u64,
    /// The same, times the number of names less one.
    pub hard_link_bytes: u64,
}

impl ImageNumbers {
    /// Counts. `size_of` gives the size of contents that the image itself does not know.
    pub fn of(image: &Image, mut size_of: impl FnMut(&super::Content) -> u64) -> Self {
        let mut numbers = Self::default();
        for (_, inode) in image.inodes() {
            let names = u64::from(inode.names);
            if inode.attributes.is_directory() {
                numbers.directories += names;
            } else {
                numbers.files += names;
            }
            let bytes = image.streams(inode).iter().fold(0u64, |sum, stream| {
                sum.saturating_add(size_of(image.content(stream.content)))
            });
            numbers.total_bytes = numbers
                .total_bytes
                .saturating_add(bytes.saturating_mul(names));
            let linked = bytes.saturating_mul(names - 1);
            numbers.hard_link_bytes = numbers.hard_link_bytes.saturating_add(linked);
        }
        numbers
    }
}
