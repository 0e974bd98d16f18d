//! What a new image is compared with: the bases of a delta, and the older image that it is an update
//! of.

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use wimforge_core::archive::{Archive, BlobPool};
use wimforge_core::scan::{Scanned, Template};
use wimforge_core::{Error, ErrorKind, Result};

use super::archive;
use crate::failure::Failure;
use crate::host::Host;
use crate::report::Reporter;
use crate::values::{UpdateOf, amount, count};

/// `--delta-from` and `--update-of` as they were typed.
#[derive(Clone, Debug, Default)]
pub struct Request {
    bases: Vec<PathBuf>,
    update_of: Option<UpdateOf>,
    /// Verify integrity tables of archives that are opened.
    check: bool,
}

impl Request {
    /// From the arguments of `capture` or `append`.
    ///
    /// # Errors
    /// Usage, if it is not clear which archive has the older image. `appends` says that there is one
    /// that is appended to.
    pub fn of(matches: &ArgMatches, appends: bool) -> Result<Self, Failure> {
        let bases = matches.get_many::<PathBuf>("delta-from");
        let request = Self {
            bases: bases.into_iter().flatten().cloned().collect(),
            update_of: matches.get_one::<UpdateOf>("update-of").cloned(),
            check: matches.get_flag("check"),
        };
        let is_clear = appends || request.bases.len() == 1;
        match &request.update_of {
            Some(UpdateOf { wimfile: None, .. }) if !is_clear => Err(Failure::usage(
                "--update-of needs the WIM that the image is in, as in --update-of=FILE:IMAGE",
            )),
            _ => Ok(request),
        }
    }

    /// Opens the archives. `appended` is the one that is appended to.
    ///
    /// # Errors
    /// Those of opening and checking; [`ErrorKind::NoSuchImage`].
    pub fn open(
        &self,
        host: &dyn Host,
        appended: Option<(&Archive, &Path)>,
        reporter: &Reporter<'_>,
    ) -> Result<Incremental> {
        let mut bases = Vec::with_capacity(self.bases.len());
        for path in &self.bases {
            bases.push(self.open_one(host, path, reporter)?);
        }
        match &self.bases[..] {
            [] => {}
            [base] => reporter.line(&format!(
                "Capturing delta WIM based on \"{}\"",
                base.display()
            )),
            several => {
                reporter.line(&format!(
                    "Capturing delta WIM based on {} WIMs",
                    several.len()
                ));
            }
        }
        let template = match &self.update_of {
            None => None,
            Some(wanted) => Some(self.template(host, wanted, &bases, appended, reporter)?),
        };
        Ok(Incremental { bases, template })
    }

    fn open_one(&self, host: &dyn Host, path: &Path, reporter: &Reporter<'_>) -> Result<Archive> {
        let archive = archive::open(host, path, reporter)?;
        if self.check {
            archive::check(&archive, path, reporter)?;
        }
        Ok(archive)
    }

    fn template(
        &self,
        host: &dyn Host,
        wanted: &UpdateOf,
        bases: &[Archive],
        appended: Option<(&Archive, &Path)>,
        reporter: &Reporter<'_>,
    ) -> Result<TemplateImage> {
        let (home, path) = match (&wanted.wimfile, &self.bases[..], appended) {
            (Some(path), ..) => {
                let archive = self.open_one(host, path, reporter)?;
                (Home::Own(Box::new(archive)), path.as_path())
            }
            (None, [path], _) => (Home::Base, path.as_path()),
            (None, _, Some((_, path))) => (Home::Appended, path),
            (None, _, None) => {
                let what = "--update-of does not say which WIM the image is in";
                return Err(Error::new(ErrorKind::Parameter, what));
            }
        };
        let archive = match (&home, bases, appended) {
            (Home::Own(archive), ..) => archive,
            (Home::Base, [base], _) => base,
            (_, _, Some((archive, _))) => archive,
            _ => return Err(Error::new(ErrorKind::Parameter, "no WIM for --update-of")),
        };
        let index = find_image(archive, &wanted.image, path)?;
        reporter.line(&format!(
            "Using image {index} from \"{}\" as template",
            path.display()
        ));
        Ok(TemplateImage { home, index })
    }
}

/// An image by index (negative: from the last one back) or name.
fn find_image(archive: &Archive, image: &str, path: &Path) -> Result<u32> {
    let number: Option<i64> = image.parse().ok();
    if let Some(back @ ..0) = number {
        let index = i64::from(archive.image_count()) + 1 + back;
        return u32::try_from(index)
            .ok()
            .filter(|&index| index > 0)
            .ok_or_else(|| {
                let what = format!(
                    "\"{}\" has {}, so there is no image {image}",
                    path.display(),
                    count(archive.image_count().into(), "image", "images")
                );
                Error::new(ErrorKind::NoSuchImage, what)
            });
    }
    match archive::named(archive, image, path)? {
        archive::Selected::One(index) => Ok(index),
        archive::Selected::All => Err(Error::new(
            ErrorKind::NoSuchImage,
            "--update-of needs one image",
        )),
    }
}

/// The archives of a [`Request`], open.
pub struct Incremental {
    bases: Vec<Archive>,
    template: Option<TemplateImage>,
}

/// The image that the new one is an update of.
struct TemplateImage {
    home: Home,
    index: u32,
}

/// Where it is.
enum Home {
    /// In an archive opened for that.
    Own(Box<Archive>),
    /// In the only base.
    Base,
    /// In the archive that is appended to.
    Appended,
}

impl Incremental {
    /// Data that needs not be stored.
    pub fn bases(&self) -> Vec<&BlobPool> {
        self.bases.iter().map(|base| &base.blobs).collect()
    }

    /// Takes the hashes of files that are as they were over into a new image.
    pub fn take_over(
        &self,
        scanned: &mut Scanned,
        appended: Option<&Archive>,
        reporter: &Reporter<'_>,
    ) -> Result<()> {
        let Some(template) = &self.template else {
            return Ok(());
        };
        let archive = match (&template.home, &self.bases[..], appended) {
            (Home::Own(archive), ..) => archive,
            (Home::Base, [base], _) => base,
            (_, _, Some(archive)) => archive,
            _ => return Ok(()),
        };
        let image = archive::read_image(archive, template.index, reporter)?;
        let mut blobs = vec![&archive.blobs];
        blobs.extend(self.bases());
        let unchanged = scanned.take_over(&Template {
            image: &image,
            blobs: &blobs,
        });
        reporter.detail(&format!(
            "{} ({}) unchanged since image {} was captured",
            count(unchanged.files, "file", "files"),
            amount(unchanged.bytes, unchanged.bytes),
            template.index
        ));
        Ok(())
    }
}
