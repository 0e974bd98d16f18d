//! Directories of the host to restore to.

use wimforge_core::image::UnixData;
use wimforge_core::port::{FileMetadata, LinkTarget, Missed, Target, TargetFile};
use wimforge_core::{ErrorKind, Result};

use crate::bindings::wimforge::imaging::target as wit;
use crate::convert::{from_unix, from_xattrs, wide};
use crate::failure::FromHost;

/// A directory of the host.
pub struct HostDirectory<'a>(pub &'a wit::Directory);

impl Target for HostDirectory<'_> {
    fn name(&self) -> String {
        self.0.name()
    }

    fn allows_name(&self, name: &[u8]) -> bool {
        self.0.allows_name(&wide(name))
    }

    fn make_directory(&self, path: &[u8]) -> Result<()> {
        self.0
            .make_directory(&wide(path))
            .or_fail(ErrorKind::MakeDirectory)
    }

    fn create_file(&self, path: &[u8]) -> Result<Box<dyn TargetFile + '_>> {
        let file = self.0.create_file(&wide(path)).or_fail(ErrorKind::Open)?;
        Ok(Box::new(HostOutputFile(file)))
    }

    fn hard_link(&self, existing: &[u8], path: &[u8]) -> Result<()> {
        let linked = self.0.hard_link(&wide(existing), &wide(path));
        linked.or_fail(ErrorKind::MakeLink)
    }

    fn symbolic_link(&self, target: LinkTarget<'_>, path: &[u8]) -> Result<()> {
        let target = match target {
            LinkTarget::AsIs(text) => wit::LinkTarget::AsIs(wide(text)),
            LinkTarget::UnderRoot(text) => wit::LinkTarget::UnderRoot(wide(text)),
        };
        let linked = self.0.symbolic_link(&target, &wide(path));
        linked.or_fail(ErrorKind::MakeLink)
    }

    fn make_special(&self, unix: &UnixData, path: &[u8]) -> Result<Missed> {
        let made = self.0.make_special(from_unix(*unix), &wide(path));
        made.or_fail(ErrorKind::MakeSpecial).map(missed)
    }

    fn set_metadata(&self, path: &[u8], metadata: &FileMetadata<'_>) -> Result<Missed> {
        let set = self.0.set_metadata(&wide(path), &convert(metadata));
        set.or_fail(ErrorKind::SetAttributes).map(missed)
    }
}

fn missed(missed: wit::Missed) -> Missed {
    let mut all = Missed::empty();
    all.set(Missed::OWNER, missed.contains(wit::Missed::OWNER));
    all.set(Missed::XATTRS, missed.contains(wit::Missed::XATTRS));
    all.set(Missed::MODE, missed.contains(wit::Missed::MODE));
    all.set(Missed::SPECIAL, missed.contains(wit::Missed::SPECIAL));
    all
}

fn convert(metadata: &FileMetadata<'_>) -> wit::Metadata {
    wit::Metadata {
        attributes: metadata.attributes,
        times: metadata.times.map(|[creation, access, write]| wit::Times {
            creation: creation.0,
            access: access.0,
            write: write.0,
        }),
        unix: metadata.unix.map(from_unix),
        xattrs: from_xattrs(metadata.xattrs),
    }
}

struct HostOutputFile(wit::OutputFile);

impl TargetFile for HostOutputFile {
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.0.write(offset, data).or_fail(ErrorKind::Write)
    }

    fn set_len(&self, size: u64) -> Result<()> {
        self.0.set_size(size).or_fail(ErrorKind::Write)
    }

    fn set_metadata(&self, metadata: &FileMetadata<'_>) -> Result<Missed> {
        let set = self.0.set_metadata(&convert(metadata));
        set.or_fail(ErrorKind::SetAttributes).map(missed)
    }
}
