//! The exported `archive`: a pipable archive that comes through a feed.

use std::rc::Rc;

use wimforge_core::Result;
use wimforge_core::archive::verify::verify_piped;
use wimforge_core::archive::{Archive, PipedArchive};

use crate::archive::{convert_report, describe, describe_images, limits, xml_text};
use crate::bindings::exports::wimforge::imaging::archive as wit;
use crate::bindings::wimforge::imaging::feed::Input;
use crate::bindings::wimforge::imaging::observer::Watcher;
use crate::bindings::wimforge::imaging::target::Directory;
use crate::failure::Outcome;
use crate::feed::HostFeed;
use crate::image::{ImageReader, restoring};
use crate::observer::HostObserver;

/// The feed, and what is known of the archive in it.
pub struct PipedReader {
    piped: PipedArchive<'static>,
    known: Archive,
}

impl PipedReader {
    /// Reads on to the tree of an image.
    fn read_image(mut self, index: u32) -> Result<(PipedArchive<'static>, ImageReader)> {
        let image = self.piped.read_image(&mut self.known, index, &mut |_| {})?;
        Ok((self.piped, ImageReader::new(Rc::new(self.known), image)))
    }
}

impl wit::GuestPipedArchive for PipedReader {
    fn open(from: Input) -> Outcome<wit::PipedArchive> {
        let (piped, known) = PipedArchive::open(HostFeed(from), &limits())?;
        Ok(wit::PipedArchive::new(Self { piped, known }))
    }

    fn info(&self) -> wit::ArchiveInfo {
        describe(&self.known)
    }

    fn images(&self) -> Vec<wit::ImageInfo> {
        describe_images(&self.known)
    }

    fn xml(&self) -> String {
        xml_text(&self.known)
    }

    fn image(archive: wit::PipedArchive, index: u32) -> Outcome<wit::Image> {
        let reader: Self = archive.into_inner();
        let (mut piped, image) = reader.read_image(index)?;
        piped.drain();
        Ok(wit::Image::new(image))
    }

    fn extract(
        archive: wit::PipedArchive,
        index: u32,
        path: Vec<u16>,
        target: &Directory,
        to: Vec<u16>,
        options: wit::RestoreOptions,
        observer: Option<&Watcher>,
    ) -> Outcome<wit::Restored> {
        let reader: Self = archive.into_inner();
        let (mut piped, image) = reader.read_image(index)?;
        let selected = [image.select(&path, &to)?];
        restoring(target, options, observer, |restorer| {
            restorer.restore_piped(&mut piped, &image.archive, &image.image, &selected)
        })
    }

    fn verify(
        archive: wit::PipedArchive,
        observer: Option<&Watcher>,
    ) -> Outcome<wit::VerifyReport> {
        let reader: Self = archive.into_inner();
        let Self { mut piped, known } = reader;
        let report = verify_piped(&mut piped, known, &HostObserver(observer))?;
        Ok(convert_report(&report))
    }
}
