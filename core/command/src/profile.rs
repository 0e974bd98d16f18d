//! Whose behaviour to follow where the capture manual of 2013 and today's wimlib disagree.

use wimforge_core::scan::config::{DEFAULT_EXCLUSIONS, NEWER_EXCLUSIONS};
use wimforge_core::scan::{OutsideLinks, Overlay};

/// The name of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compat {
    /// The manual page of 2013.
    Seed,
    /// wimlib 1.14.
    Wimlib,
}

/// One field for each thing on which they disagree.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Absolute links that lead out of the tree, when links are fixed.
    pub outside_links: OutsideLinks,
    /// Whether files of an NTFS volume that the system compressed are stored as Windows shows them,
    /// not as reparse points.
    pub decode_system_compression: bool,
    /// Whether the extended attributes of files on an NTFS volume are stored.
    pub volume_xattrs: bool,
    /// Whether a volume on which Windows is hibernated is captured, although what Windows has not
    /// written yet is missing.
    pub hibernated_volumes: bool,
    /// A file that two sources of a list provide.
    pub overlay: Overlay,
    /// Paths that are left out without `--config`.
    pub newer_exclusions: bool,
}

impl Compat {
    /// What the profile says.
    #[must_use]
    pub fn profile(self) -> Profile {
        match self {
            Compat::Seed => Profile {
                outside_links: OutsideLinks::Omit,
                decode_system_compression: true,
                volume_xattrs: true,
                hibernated_volumes: false,
                overlay: Overlay::Refuse,
                newer_exclusions: false,
            },
            Compat::Wimlib => Profile {
                outside_links: OutsideLinks::Keep,
                decode_system_compression: false,
                volume_xattrs: false,
                hibernated_volumes: true,
                overlay: Overlay::Replace,
                newer_exclusions: true,
            },
        }
    }
}

impl Profile {
    /// Patterns of paths that are left out without `--config`.
    #[must_use]
    pub fn exclusions(&self) -> Vec<&'static str> {
        let newer = self.newer_exclusions.then_some(NEWER_EXCLUSIONS);
        DEFAULT_EXCLUSIONS
            .into_iter()
            .chain(newer.into_iter().flatten())
            .collect()
    }
}
