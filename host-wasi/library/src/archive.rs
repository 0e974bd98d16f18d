//! The exported `archive`: an archive as a whole.

use std::rc::Rc;
use std::sync::Arc;

use wimforge_core::archive::verify::{
    AffectedFile, Problem, Severity, VerifyOptions, VerifyReport, verify,
};
use wimforge_core::archive::{self, OpenOptions};
use wimforge_core::format::Layout;
use wimforge_core::port::Inline;
use wimforge_core::{Error, ErrorKind, Limits, Result};

use crate::Component;
use crate::bindings::exports::wimforge::imaging::archive as wit;
use crate::bindings::wimforge::imaging::observer::Watcher;
use crate::bindings::wimforge::imaging::storage::File;
use crate::bindings::wimforge::imaging::types::ErrorCode;
use crate::convert;
use crate::failure::Outcome;
use crate::image::{Contents, ImageReader};
use crate::observer::HostObserver;
use crate::piped::PipedReader;
use crate::storage::HostFile;

impl wit::Guest for Component {
    type Archive = ArchiveReader;
    type Image = ImageReader;
    type Contents = Contents;
    type PipedArchive = PipedReader;
}

/// An archive open for reading.
pub struct ArchiveReader(Rc<archive::Archive>);

/// What fits into the memory of a component.
pub fn limits() -> Limits {
    Limits {
        xml_size: 64 << 20,
        metadata_size: 1 << 30,
        ..Limits::default()
    }
}

fn open(files: Vec<File>) -> Result<archive::Archive> {
    let mut files = files.into_iter().map(|file| Arc::new(HostFile(file)));
    let Some(first) = files.next() else {
        return Err(Error::new(ErrorKind::Parameter, "no file was given"));
    };
    let mut archive = archive::Archive::open(first, &OpenOptions { limits: limits() })?;
    for file in files {
        let warnings = archive.add_file(file)?;
        archive.warnings.extend(warnings);
    }
    Ok(archive)
}

impl wit::GuestArchive for ArchiveReader {
    fn open(files: Vec<File>) -> Outcome<wit::Archive> {
        Ok(wit::Archive::new(Self(Rc::new(open(files)?))))
    }

    fn info(&self) -> wit::ArchiveInfo {
        describe(&self.0)
    }

    fn images(&self) -> Vec<wit::ImageInfo> {
        describe_images(&self.0)
    }

    fn xml(&self) -> String {
        xml_text(&self.0)
    }

    fn verify(&self, observer: Option<&Watcher>) -> Outcome<wit::VerifyReport> {
        let observer = HostObserver(observer);
        let report = verify(&self.0, &VerifyOptions::default(), &Inline, &observer)?;
        Ok(convert_report(&report))
    }

    fn image(&self, index: u32) -> Outcome<wit::Image> {
        // What is mended in the tree stands in the report of a verification.
        let image = self
            .0
            .read_image(index, &mut |_| {})
            .map_err(ErrorCode::from)?;
        Ok(wit::Image::new(ImageReader::new(Rc::clone(&self.0), image)))
    }
}

/// An archive as a whole.
pub fn describe(archive: &archive::Archive) -> wit::ArchiveInfo {
    let header = archive.header();
    let (compression, chunk_size) = convert::from_compression(header.compression);
    wit::ArchiveInfo {
        size: archive.size,
        guid: convert::from_guid(&header.guid),
        compression,
        chunk_size,
        images: archive.xml.image_count() as u32,
        boot_image: header.boot_index,
        part: header.part,
        parts: header.parts,
        has_integrity_table: !header.integrity.is_absent(),
        pipable: header.layout == Layout::Pipable,
        warnings: archive.warnings.clone(),
    }
}

/// What the XML data says of all images.
pub fn describe_images(archive: &archive::Archive) -> Vec<wit::ImageInfo> {
    let xml = &archive.xml;
    let describe = |index| wit::ImageInfo {
        index,
        name: xml.name(index),
        description: xml
            .image(index)
            .and_then(|image| image.property("DESCRIPTION"))
            .unwrap_or_default(),
        directories: xml.number(index, "DIRCOUNT"),
        files: xml.number(index, "FILECOUNT"),
        bytes: xml.number(index, "TOTALBYTES"),
        created: xml.time(index, "CREATIONTIME").map(|time| time.0),
        modified: xml.time(index, "LASTMODIFICATIONTIME").map(|time| time.0),
    };
    (1..=xml.image_count() as u32).map(describe).collect()
}

/// The XML data as text.
pub fn xml_text(archive: &archive::Archive) -> String {
    let encoded = archive.xml.encode();
    let units = encoded
        .as_chunks()
        .0
        .iter()
        .map(|unit| u16::from_le_bytes(*unit));
    // The first unit is a byte order mark.
    char::decode_utf16(units.skip(1))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// What was verified, and what was found.
pub fn convert_report(report: &VerifyReport) -> wit::VerifyReport {
    wit::VerifyReport {
        problems: report.problems.iter().map(convert_problem).collect(),
        images: report.images,
        entries: report.entries,
        blobs: report.blobs,
        bytes: report.bytes,
    }
}

fn convert_problem(problem: &Problem) -> wit::Problem {
    let affected = |file: &AffectedFile| wit::AffectedFile {
        image: file.image,
        path: convert::wide(&file.path),
    };
    wit::Problem {
        severity: match problem.severity {
            Severity::Deviation => wit::Severity::Deviation,
            Severity::Damage => wit::Severity::Damage,
        },
        what: problem.to_string(),
        files: problem.files.iter().map(affected).collect(),
    }
}
