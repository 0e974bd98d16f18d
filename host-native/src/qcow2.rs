//! QCOW2 disk images of QEMU, read by the library `imago`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imago::file::File as ImageFile;
use imago::format::builder::FormatDriverBuilder;
use imago::format::gate::ImplicitOpenGate;
use imago::qcow2::Qcow2;
use imago::{FormatAccess, Storage, StorageOpenOptions};
use wimforge_core::{ErrorKind, Result};
use wimforge_ntfs::ReadAt;

use crate::failure::failed;

/// What a QCOW2 file begins with.
const MAGIC: [u8; 4] = *b"QFI\xFB";

/// A disk in a QCOW2 file.
struct Disk(FormatAccess<ImageFile>);

impl ReadAt for Disk {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.0.size().saturating_sub(offset);
        let count = left.min(buf.len() as u64) as usize;
        self.0.read(&mut buf[..count], offset)?;
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.0.size()
    }
}

/// Opens the disk in a file that begins with the mark of QCOW2; `None` if it does not.
///
/// # Errors
/// [`ErrorKind::Ntfs`] if it is damaged, or refers to a file that must not be opened.
pub(crate) fn open(file: &File, path: &Path) -> Result<Option<Arc<dyn ReadAt>>> {
    use std::os::unix::fs::FileExt;

    let mut magic = [0; MAGIC.len()];
    if file.read_exact_at(&mut magic, 0).is_err() || magic != MAGIC {
        return Ok(None);
    }
    let fail = |error| {
        failed(
            ErrorKind::Ntfs,
            "cannot read the QCOW2 disk image",
            path,
            error,
        )
    };
    let opened = || -> io::Result<_> {
        let path = std::fs::canonicalize(path)?;
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        Qcow2::<ImageFile>::builder_path(&path).open(SameDirectory(directory))
    };
    let disk = Disk(FormatAccess::new(opened().map_err(fail)?));
    Ok(Some(Arc::new(disk)))
}

/// Lets an image refer to files in its own directory only. An image is data from somewhere else; if it
/// could name any file as its base, whoever made it could have any file captured that the user can
/// read.
#[derive(Clone)]
struct SameDirectory(PathBuf);

impl SameDirectory {
    fn check(&self, path: Option<&Path>) -> io::Result<()> {
        let path = path.ok_or_else(|| io::Error::other("it refers to something without a name"))?;
        let resolved = std::fs::canonicalize(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        if resolved.parent() == Some(&self.0) {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "it refers to {}, which is not in its own directory; `qemu-img convert` makes an \
                 image without such references",
                path.display()
            ),
        ))
    }
}

impl<S: Storage + 'static> ImplicitOpenGate<S> for SameDirectory {
    fn open_format<F: FormatDriverBuilder<S>>(
        &mut self,
        builder: F,
    ) -> io::Result<FormatAccess<S>> {
        self.check(builder.get_image_path().as_deref())?;
        Ok(FormatAccess::new(builder.open(self.clone())?))
    }

    fn open_storage(&mut self, builder: StorageOpenOptions) -> io::Result<S> {
        self.check(builder.get_filename())?;
        S::open(builder)
    }
}
