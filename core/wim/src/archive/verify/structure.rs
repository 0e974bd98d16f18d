//! The header, the tables it names, and how the parts of a set fit together.

use zerocopy::FromBytes;

use super::report::Collector;
use crate::archive::open::Archive;
use crate::archive::prefix_size;
use crate::format::resource::PipableHeader;
use crate::format::{Compression, Header, HeaderFlags, Layout, ResourceFlags, ResourceHeader};
use crate::hash::Sha1;
use crate::image::path;
use crate::port::{Storage, read_exact_at, read_vec_at};
use crate::xml::{Element, WimXml};
use crate::{ErrorKind, Result};

/// All flags that have a meaning.
const KNOWN_FLAGS: u32 = 0x002F_00FF;
/// Where the header says nothing.
const UNUSED: std::ops::Range<usize> = 0x94..Header::SIZE;
/// What the first header of a pipable file has in common with the last: magic to number of images,
/// and the boot index.
const COMMON: [std::ops::Range<usize>; 2] = [0..0x30, 0x78..0x7c];

pub(super) fn check(archive: &Archive, file: usize, found: &mut Collector) {
    let one = &archive.files[file];
    let storage = &*one.storage;
    let is_pipable = one.header.layout == Layout::Pipable;
    let last = storage
        .len()
        .map(|size| size.saturating_sub(Header::SIZE as u64));
    let at = match last {
        Ok(last) if is_pipable => last,
        Ok(_) => 0,
        Err(error) => return found.error(file, &error),
    };
    let mut raw = [0; Header::SIZE];
    if let Err(error) = read_exact_at(storage, at, &mut raw) {
        return found.error(file, &error);
    }
    found.span(at, Some(at + Header::SIZE as u64), "the header");
    match Header::decode(&raw) {
        Ok(header) => check_header(&header, &raw, file, found),
        Err(error) => return found.error(file, &error),
    }
    check_tables(archive, file, found);
    check_boot(archive, file, found);
    if is_pipable {
        check_first_header(storage, &raw, file, found);
        check_first_xml(archive, file, found);
    }
}

fn check_header(header: &Header, raw: &[u8; Header::SIZE], file: usize, found: &mut Collector) {
    let mut wrong = |what: String| found.deviation(file, ErrorKind::Header, what);
    if header.boot_index > header.images {
        wrong(format!(
            "the boot index is {}, but there are {} images",
            header.boot_index, header.images
        ));
    }
    let flags = header.flags;
    if flags.contains(HeaderFlags::SPANNED) != (header.parts > 1) {
        wrong(format!(
            "the flag of split WIMs does not fit to {} parts",
            header.parts
        ));
    }
    if flags.contains(HeaderFlags::WRITE_IN_PROGRESS) {
        wrong("the file is marked as being written".into());
    }
    if flags.bits() & !KNOWN_FLAGS != 0 {
        wrong(format!("unknown flags {:#x}", flags.bits() & !KNOWN_FLAGS));
    }
    let types = HeaderFlags::COMPRESS_XPRESS
        | HeaderFlags::COMPRESS_LZX
        | HeaderFlags::COMPRESS_LZMS
        | HeaderFlags::COMPRESS_XPRESS_2;
    if header.compression == Compression::None {
        if flags.intersects(types) {
            wrong("a compression type is set without the flag of compression".into());
        }
        if raw[0x14..0x18] != [0; 4] {
            wrong("there is a chunk size, but no compression".into());
        }
    }
    if raw[UNUSED].iter().any(|&byte| byte != 0) {
        wrong("the unused part of the header is not zero".into());
    }
}

/// The blob table, the XML data and the integrity table.
fn check_tables(archive: &Archive, file: usize, found: &mut Collector) {
    let header = &archive.files[file].header;
    let prefix = prefix_size(header.layout);
    for (table, what, prefix) in [
        (&header.blob_table, "the blob table", prefix),
        (&header.xml, "the XML data", prefix),
        (&header.integrity, "the integrity table", 0),
    ] {
        let unexpected = ResourceFlags::COMPRESSED
            | ResourceFlags::SOLID
            | ResourceFlags::FREE
            | ResourceFlags::SPANNED;
        if table.flags.intersects(unexpected) {
            let flags = table.flags.bits();
            found.deviation(
                file,
                ErrorKind::Header,
                format!("{what} has flags {flags:#x}"),
            );
        }
        if table.size != table.uncompressed_size {
            found.deviation(
                file,
                ErrorKind::Header,
                format!(
                    "{what} has size {} and uncompressed size {}",
                    table.size, table.uncompressed_size
                ),
            );
        }
        if table.is_absent() {
            if table.offset != 0 {
                found.deviation(
                    file,
                    ErrorKind::Header,
                    format!("{what} is empty but has the offset {}", table.offset),
                );
            }
            continue;
        }
        found.span(table.offset.saturating_sub(prefix), table.end(), what);
        if prefix > 0 {
            match archive.read_table(file, table) {
                Ok(bytes) => check_prefix(
                    &*archive.files[file].storage,
                    table,
                    what,
                    Sha1::of(&bytes),
                    file,
                    found,
                ),
                Err(error) => found.error(file, &error),
            }
        }
    }
}

/// The 40 bytes in front of a resource of a pipable file. A sequential reader relies on them.
pub(super) fn check_prefix(
    storage: &dyn Storage,
    resource: &ResourceHeader,
    what: &str,
    hash: Sha1,
    file: usize,
    found: &mut Collector,
) {
    let at = resource.offset;
    let mut wrong = |wrong: &str| {
        let what = format!("the prefix of {what} at byte {at} {wrong}");
        found.damage(file, ErrorKind::Pipable, what);
    };
    let Some(start) = at.checked_sub(PipableHeader::SIZE) else {
        return wrong("has no room");
    };
    let mut bytes = [0; PipableHeader::SIZE as usize];
    let prefix = read_exact_at(storage, start, &mut bytes)
        .ok()
        .and_then(|()| PipableHeader::read_from_bytes(&bytes).ok());
    let Some(prefix) = prefix.filter(PipableHeader::is_valid) else {
        return wrong("has no magic number");
    };
    if prefix.uncompressed_size.get() != resource.uncompressed_size {
        wrong("has another size");
    }
    if prefix.hash != hash {
        wrong("has another SHA-1");
    }
    if prefix.flags.get() != u32::from(resource.flags.bits()) {
        wrong("has other flags");
    }
}

/// The header has a copy of the place of the boot image's metadata.
fn check_boot(archive: &Archive, file: usize, found: &mut Collector) {
    let header = &archive.files[file].header;
    let expected = match header.boot_index.checked_sub(1) {
        Some(slot) if file == 0 => match archive.images.get(slot as usize) {
            Some(metadata) => metadata.resource,
            None => return,
        },
        Some(_) => return,
        None => ResourceHeader::default(),
    };
    if header.boot_metadata != expected {
        found.deviation(
            file,
            ErrorKind::Header,
            "the boot metadata in the header is not that of the boot image",
        );
    }
}

/// The first header of a pipable file lacks what was not known when it was written.
fn check_first_header(
    storage: &dyn Storage,
    last: &[u8; Header::SIZE],
    file: usize,
    found: &mut Collector,
) {
    let mut first = [0; Header::SIZE];
    if let Err(error) = read_exact_at(storage, 0, &mut first) {
        return found.error(file, &error);
    }
    found.span(0, Some(Header::SIZE as u64), "the first header");
    if COMMON
        .into_iter()
        .any(|range| first[range.clone()] != last[range])
    {
        found.damage(
            file,
            ErrorKind::Pipable,
            "the first header differs from the last",
        );
    }
    for range in COMMON {
        first[range].fill(0);
    }
    if first != [0; Header::SIZE] {
        found.deviation(
            file,
            ErrorKind::Pipable,
            "the first header of the pipable WIM says where tables are",
        );
    }
}

/// A pipable file has another copy of its XML data behind the first header.
fn check_first_xml(archive: &Archive, file: usize, found: &mut Collector) {
    let mut wrong = |what: String| {
        found.damage(
            file,
            ErrorKind::Pipable,
            format!("the first XML data {what}"),
        );
    };
    let first = match read_first_xml(archive, file) {
        Ok(Some(first)) => first,
        Ok(None) => return wrong("is not there".into()),
        Err(error) => return wrong(format!("cannot be read: {error}")),
    };
    let start = Header::SIZE as u64;
    let size = PipableHeader::SIZE + first.bytes.len() as u64;
    if first.hash != Sha1::of(&first.bytes) {
        wrong("has another SHA-1 than its prefix says".into());
    }
    let last = archive.read_table(file, &archive.files[file].header.xml);
    let parsed = last.and_then(|last| {
        let limits = archive.limits();
        Ok((
            WimXml::parse(&last, limits)?,
            WimXml::parse(&first.bytes, limits)?,
        ))
    });
    match parsed {
        Ok((last, first)) => {
            let nodes = |xml: &WimXml| -> Vec<Element> {
                let elements = xml.root().elements();
                elements
                    .filter(|e| e.name != "TOTALBYTES")
                    .cloned()
                    .collect()
            };
            if nodes(&last) != nodes(&first) {
                wrong("differs from the last in more than TOTALBYTES".into());
            }
        }
        Err(error) => wrong(format!("cannot be compared: {error}")),
    }
    found.span(start, start.checked_add(size), "the first XML data");
}

struct FirstXml {
    bytes: Vec<u8>,
    hash: Sha1,
}

fn read_first_xml(archive: &Archive, file: usize) -> Result<Option<FirstXml>> {
    let storage = &*archive.files[file].storage;
    let mut bytes = [0; PipableHeader::SIZE as usize];
    let start = Header::SIZE as u64;
    read_exact_at(storage, start, &mut bytes)?;
    let prefix = PipableHeader::read_from_bytes(&bytes).ok();
    let Some(prefix) = prefix.filter(PipableHeader::is_valid) else {
        return Ok(None);
    };
    let size = prefix.uncompressed_size.get();
    if size > archive.limits().xml_size || size > storage.len()? {
        return Ok(None);
    }
    let bytes = read_vec_at(storage, start + PipableHeader::SIZE, size as usize)?;
    Ok(Some(FirstXml {
        bytes,
        hash: prefix.hash,
    }))
}

/// The files of a split WIM fit together, and all are there.
pub(super) fn check_parts(archive: &Archive, found: &mut Collector) {
    let main = archive.header();
    if main.parts == 1 {
        return;
    }
    let mut seen = vec![false; usize::from(main.parts) + 1];
    for (number, file) in archive.files.iter().enumerate() {
        let header = &file.header;
        if header.guid != main.guid {
            // The base of a delta.
            continue;
        }
        let part = usize::from(header.part);
        match seen.get_mut(part) {
            Some(seen) if !*seen => *seen = true,
            _ => found.deviation(
                number,
                ErrorKind::SplitInvalid,
                format!("part {part} was given twice or is not of this set"),
            ),
        }
        let shape = |header: &Header| (header.parts, header.images, header.version);
        if shape(header) != shape(main) || header.compression != main.compression {
            found.deviation(number, ErrorKind::SplitInvalid, "the parts differ in form");
        }
        if header.boot_index != 0 {
            found.deviation(
                number,
                ErrorKind::SplitInvalid,
                "a part of a split WIM has a boot image",
            );
        }
    }
    let missing: Vec<String> = seen
        .iter()
        .enumerate()
        .skip(1)
        .filter(|part| !part.1)
        .map(|part| part.0.to_string())
        .collect();
    if !missing.is_empty() {
        found.damage(
            0,
            ErrorKind::MissingBlob,
            format!(
                "of {} parts these were not given: {}",
                main.parts,
                missing.join(", ")
            ),
        );
    }
}

/// Whether a name can stand in a path at all.
pub(super) fn is_plain_name(name: &[u8]) -> bool {
    path::components(name).eq([name])
}
