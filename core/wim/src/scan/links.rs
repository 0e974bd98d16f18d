//! Symbolic links of POSIX sources, and the fixing of absolute ones.
//!
//! An absolute target that leads into the tree being captured is stored relative to the root of the
//! image, so that it still leads there after the image was applied elsewhere. What leads outside
//! would lead somewhere else on another machine; the caller decides whether it is kept.

use crate::Result;
use crate::image::{NOT_FIXED, ReparseData, TAG_SYMLINK, encode_link};
use crate::port::{Link, Source};

/// What to do with absolute links that lead out of the tree, when links are fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OutsideLinks {
    /// Leave them out.
    #[default]
    Omit,
    /// Keep them unchanged.
    Keep,
}

/// A link in the form in which it is stored.
#[derive(Debug)]
pub(super) enum StoredLink {
    /// As it was.
    Unchanged(ReparseData, u16),
    /// With its target made relative to the root of the image.
    Fixed(ReparseData, u16),
    /// Not to be stored.
    Outside,
}

/// Decides how a link is stored. `fix` says whether absolute targets are to be made relative to the
/// root and what happens to those outside.
pub(super) fn store_link(
    link: &Link,
    source: &dyn Source,
    fix: Option<OutsideLinks>,
) -> Result<StoredLink> {
    let absolute = link.target.first() == Some(&u16::from(b'/'));
    if let (true, Some(outside)) = (absolute, fix) {
        match source.inside_root(&link.target)? {
            Some(prefix) => {
                let rest = link.target.get(prefix..).unwrap_or_default();
                return Ok(StoredLink::Fixed(reparse(rest, true)?, 0));
            }
            None if outside == OutsideLinks::Omit => return Ok(StoredLink::Outside),
            None => {}
        }
    }
    Ok(StoredLink::Unchanged(
        reparse(&link.target, absolute)?,
        NOT_FIXED,
    ))
}

fn reparse(target: &[u16], absolute: bool) -> Result<ReparseData> {
    Ok(ReparseData {
        tag: TAG_SYMLINK,
        reserved: 0,
        data: encode_link(target, absolute)?,
    })
}
