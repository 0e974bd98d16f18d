//! What has to be read, and in which order.

use super::load::Expected;
use crate::image::{ContentId, DentryId, Image, StreamKind};
use crate::scan::{Origin, Pending};

/// Data to be read and, unless it is there already, stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub content: ContentId,
    pub dentry: DentryId,
    pub origin: Origin,
    pub expected: Expected,
}

impl Item {
    pub fn of(image: &Image, pending: &Pending) -> Self {
        let unnamed = match pending.origin {
            Origin::Source { stream, .. } => {
                stream == 0
                    && image
                        .unnamed_stream(image.inode_of(pending.dentry), StreamKind::Data)
                        .is_some_and(|stream| stream.content == pending.content)
            }
            Origin::Inline { .. } => false,
        };
        Self {
            content: pending.content,
            dentry: pending.dentry,
            origin: pending.origin,
            expected: Expected {
                size: image.content(pending.content).size,
                write_time: image.inode_of(pending.dentry).write_time,
                unnamed,
            },
        }
    }
}
