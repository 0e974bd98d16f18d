//! Extended attributes of a file as they stand in its tagged items.

use crate::image::items::{OLD_XATTRS, XATTRS, decode_old_xattrs, decode_xattrs};
use crate::image::{Image, Inode, Xattr};

/// The extended attributes of a file.
#[derive(Default)]
pub(super) struct Xattrs {
    pub list: Vec<Xattr>,
    /// They could not be decoded.
    pub malformed: bool,
}

impl Xattrs {
    pub fn of(image: &Image, inode: &Inode) -> Self {
        let decoded = match image.item(inode, XATTRS) {
            Some(data) => decode_xattrs(data),
            None => match image.item(inode, OLD_XATTRS) {
                Some(data) => decode_old_xattrs(data),
                None => Ok(Vec::new()),
            },
        };
        match decoded {
            Ok(list) => Self {
                list,
                malformed: false,
            },
            Err(_) => Self {
                list: Vec::new(),
                malformed: true,
            },
        }
    }
}
