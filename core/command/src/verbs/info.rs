//! `info`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use wimforge_core::archive::{Archive, Place};
use wimforge_core::format::{HeaderFlags, Layout, ResourceFlags, ResourceHeader};
use wimforge_core::port::read_vec_at;
use wimforge_core::xml::Element;
use wimforge_core::{Error, ErrorKind, Result};

use super::archive::{self, Selected};
use super::info_change;
use super::text::{show_time, write_out};
use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::profile::Compat;
use crate::report::Reporter;

/// Runs the command.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let reporter = Reporter::new(host, invocation).on_stderr();
    let path = invocation.path("WIMFILE");
    let operand = invocation.text("IMAGE");
    let partition = matches.get_one::<u32>("partition").copied();
    if info_change::is_wanted(matches) {
        return info_change::run(host, &path, matches, &reporter);
    }
    let opened = match archive::is_pipe(&path) {
        true => {
            // What these need comes last.
            let flag = |name| (name, matches.get_flag(name));
            archive::refuse_in_pipe(&[flag("check"), flag("blobs")])?;
            Ok(archive::from_pipe(host, |_, known| Ok(known))?)
        }
        false => archive::open(host, &path, &reporter),
    };
    let archive = match opened {
        Err(error) if error.kind() == ErrorKind::NotWim && invocation.compat == Compat::Seed => {
            return describe(host, &path, partition, error, &reporter);
        }
        other => other?,
    };
    if matches.get_flag("check") {
        archive::check(&archive, &path, &reporter)?;
    }
    if matches.get_flag("json") {
        write_out(host, format!("{}\n", as_json(&archive, &path)).as_bytes())?;
        return Ok(0);
    }
    let mut special = false;
    if let Some(file) = matches.get_one::<PathBuf>("extract-xml") {
        special = true;
        host.write_file(file, &raw_xml(&archive)?)
            .map_err(|error| {
                Error::new(
                    ErrorKind::Write,
                    format!("cannot write \"{}\"", file.display()),
                )
                .because(error)
            })?;
    }
    if matches.get_flag("xml") {
        special = true;
        write_out(host, &raw_xml(&archive)?)?;
    }
    let mut text = String::new();
    if matches.get_flag("header") {
        special = true;
        push_header(&mut text, &archive);
    }
    if matches.get_flag("blobs") {
        special = true;
        push_blobs(&mut text, &archive);
    }
    if !special {
        let selected = match operand {
            None => Selected::All,
            Some(operand) => archive::select(&archive, Some(operand), &path)?,
        };
        match selected {
            Selected::All => {
                push_archive(&mut text, &archive, &path);
                text.push_str("Available Images:\n-----------------\n");
                for index in 1..=archive.xml.image_count() as u32 {
                    push_image(&mut text, &archive, index);
                }
            }
            Selected::One(index) => {
                let title = format!("Information for Image {index}");
                let _ = writeln!(text, "{title}\n{}", "-".repeat(title.len()));
                push_image(&mut text, &archive, index);
            }
        }
    }
    write_out(host, text.as_bytes())?;
    Ok(0)
}

/// Says what a file is that is no archive.
fn describe(
    host: &dyn Host,
    path: &Path,
    partition: Option<u32>,
    not_wim: Error,
    reporter: &Reporter<'_>,
) -> Result<u8, Failure> {
    let Some(described) = host.describe(path, partition)? else {
        return Err(not_wim.into());
    };
    for warning in &described.warnings {
        reporter.warning(warning);
    }
    write_out(host, described.text.as_bytes())?;
    Ok(0)
}

/// The XML data byte for byte.
fn raw_xml(archive: &Archive) -> Result<Vec<u8>> {
    let resource = archive.header().xml;
    if resource.is_absent() {
        // It came through a pipe.
        return Ok(archive.xml.encode());
    }
    read_vec_at(
        &**archive.storage(),
        resource.offset,
        resource.size as usize,
    )
}

/// Everything that the text says, for programs.
fn as_json(archive: &Archive, path: &Path) -> serde_json::Value {
    let header = archive.header();
    let xml = &archive.xml;
    let images = (1..=xml.image_count() as u32).filter_map(|index| {
        let image = xml.image(index)?;
        Some(json!({
            "index": index,
            "name": image.property("NAME").unwrap_or_default(),
            "description": image.property("DESCRIPTION").unwrap_or_default(),
            "flags": image.property("FLAGS"),
            "directories": xml.number(index, "DIRCOUNT"),
            "files": xml.number(index, "FILECOUNT"),
            "total_bytes": xml.number(index, "TOTALBYTES"),
            "hard_link_bytes": xml.number(index, "HARDLINKBYTES"),
            "creation_time": xml.time(index, "CREATIONTIME").map(show_time),
            "last_modification_time": xml.time(index, "LASTMODIFICATIONTIME").map(show_time),
        }))
    });
    json!({
        "event": "result",
        "command": "info",
        "path": path.display().to_string(),
        "size": archive.size,
        "guid": header.guid.to_string(),
        "version": header.version.number(),
        "compression": header.compression.name(),
        "chunk_size": header.compression.chunk_size(),
        "part": header.part,
        "parts": header.parts,
        "boot_index": header.boot_index,
        "pipable": header.layout == Layout::Pipable,
        "integrity_table": !header.integrity.is_absent(),
        "read_only": header.flags.contains(HeaderFlags::READONLY),
        "images": images.collect::<Vec<_>>(),
    })
}

fn push_archive(out: &mut String, archive: &Archive, path: &Path) {
    let header = archive.header();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(out, "{:<16}{value}", format!("{name}:"));
    };
    line("Path", &path.display());
    line("GUID", &format_args!("0x{}", header.guid));
    line("Version", &header.version.number());
    line("Image Count", &header.images);
    line("Compression", &header.compression.name());
    line(
        "Chunk Size",
        &format_args!("{} bytes", header.compression.chunk_size()),
    );
    line(
        "Part Number",
        &format_args!("{}/{}", header.part, header.parts),
    );
    line("Boot Index", &header.boot_index);
    line(
        "Size",
        &format_args!("{} bytes", archive.xml.total_bytes().unwrap_or(0)),
    );
    let attributes = [
        (header.layout == Layout::Pipable, "Pipable"),
        (!header.integrity.is_absent(), "Integrity info"),
        (
            header.flags.contains(HeaderFlags::RP_FIX),
            "Relative path junction",
        ),
        (
            header.flags.contains(HeaderFlags::RESOURCE_ONLY),
            "Resource only",
        ),
        (
            header.flags.contains(HeaderFlags::METADATA_ONLY),
            "Metadata only",
        ),
        (header.flags.contains(HeaderFlags::READONLY), "Readonly"),
    ];
    let attributes: Vec<&str> = attributes
        .into_iter()
        .filter(|entry| entry.0)
        .map(|entry| entry.1)
        .collect();
    line("Attributes", &attributes.join(", "));
    out.insert_str(0, "WIM Information:\n----------------\n");
    out.push('\n');
}

/// Elements of `WINDOWS` that are shown, with their titles.
const WINDOWS_TEXTS: [(&str, &str); 6] = [
    ("PRODUCTNAME", "Product Name"),
    ("EDITIONID", "Edition ID"),
    ("INSTALLATIONTYPE", "Installation Type"),
    ("HAL", "HAL"),
    ("PRODUCTTYPE", "Product Type"),
    ("PRODUCTSUITE", "Product Suite"),
];

const VERSION_NUMBERS: [(&str, &str); 5] = [
    ("MAJOR", "Major Version"),
    ("MINOR", "Minor Version"),
    ("BUILD", "Build"),
    ("SPBUILD", "Service Pack Build"),
    ("SPLEVEL", "Service Pack Level"),
];

fn push_image(out: &mut String, archive: &Archive, index: u32) {
    let xml = &archive.xml;
    let Some(image) = xml.image(index) else {
        return;
    };
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(out, "{:<23} {value}", format!("{name}:"));
    };
    let text = |name: &str| image.property(name).unwrap_or_default();
    line("Index", &index);
    line("Name", &text("NAME"));
    line("Description", &text("DESCRIPTION"));
    for (element, title) in [
        ("DISPLAYNAME", "Display Name"),
        ("DISPLAYDESCRIPTION", "Display Description"),
    ] {
        if let Some(value) = image.property(element) {
            line(title, &value);
        }
    }
    for (element, title) in [
        ("DIRCOUNT", "Directory Count"),
        ("FILECOUNT", "File Count"),
        ("TOTALBYTES", "Total Bytes"),
        ("HARDLINKBYTES", "Hard Link Bytes"),
    ] {
        line(title, &xml.number(index, element).unwrap_or(0));
    }
    for (element, title) in [
        ("CREATIONTIME", "Creation Time"),
        ("LASTMODIFICATIONTIME", "Last Modification Time"),
    ] {
        line(
            title,
            &show_time(xml.time(index, element).unwrap_or_default()),
        );
    }
    if let Some(windows) = image.child("WINDOWS") {
        push_windows(windows, &mut line);
    }
    if let Some(flags) = image.property("FLAGS") {
        line("Flags", &flags);
    }
    let wimboot = image
        .property("WIMBOOT")
        .is_some_and(|value| value.trim() == "1");
    line("WIMBoot compatible", &if wimboot { "yes" } else { "no" });
    out.push('\n');
}

fn push_windows(windows: &Element, line: &mut dyn FnMut(&str, &dyn std::fmt::Display)) {
    if let Some(architecture) = windows.property("ARCH") {
        let name = match architecture.trim() {
            "0" => "x86",
            "5" => "ARM",
            "6" => "ia64",
            "9" => "x86_64",
            "12" => "ARM64",
            other => other,
        };
        line("Architecture", &name);
    }
    for (element, title) in WINDOWS_TEXTS {
        if let Some(value) = windows.property(element) {
            line(title, &value);
        }
    }
    if let Some(languages) = windows.child("LANGUAGES") {
        let all = languages
            .elements()
            .filter(|element| element.name == "LANGUAGE");
        // Each with a space behind it: scripts may compare whole lines.
        let all: String = all.map(|one| one.text() + " ").collect();
        line("Languages", &all);
        if let Some(default) = languages.property("DEFAULT") {
            line("Default Language", &default);
        }
    }
    if let Some(root) = windows.property("SYSTEMROOT") {
        line("System Root", &root);
    }
    if let Some(version) = windows.child("VERSION") {
        for (element, title) in VERSION_NUMBERS {
            if let Some(value) = version.property(element) {
                line(title, &value);
            }
        }
    }
}

fn push_header(out: &mut String, archive: &Archive) {
    let header = archive.header();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(out, "{name:<27} = {value}");
    };
    let magic = match header.layout {
        Layout::Seekable => "MSWIM\\0\\0\\0",
        Layout::Pipable => "WLPWM\\0\\0\\0",
    };
    line("Magic Characters", &magic);
    line("Header Size", &wimforge_core::format::Header::SIZE);
    line("Version", &format_args!("{:#x}", header.version.number()));
    line("Flags", &format_args!("{:#x}", header.flags.bits()));
    let named = header.flags.iter_names().map(|flag| flag.0);
    let named: String = named.fold(String::new(), |mut text, name| {
        let _ = writeln!(text, "    WIM_HDR_FLAG_{name} is set");
        text
    });
    out.push_str(&named);
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(out, "{name:<27} = {value}");
    };
    line("Chunk Size", &header.compression.chunk_size());
    line("GUID", &header.guid);
    line("Part Number", &header.part);
    line("Total Parts", &header.parts);
    line("Image Count", &header.images);
    let mut resource = |names: [&str; 4], resource: &ResourceHeader| {
        line(names[0], &resource.size);
        line(names[1], &format_args!("{:#x}", resource.flags.bits()));
        line(names[2], &resource.offset);
        line(names[3], &resource.uncompressed_size);
    };
    resource(
        [
            "Blob Table Size",
            "Blob Table Flags",
            "Blob Table Offset",
            "Blob Table Original_size",
        ],
        &header.blob_table,
    );
    resource(
        [
            "XML Data Size",
            "XML Data Flags",
            "XML Data Offset",
            "XML Data Original Size",
        ],
        &header.xml,
    );
    resource(
        [
            "Boot Metadata Size",
            "Boot Metadata Flags",
            "Boot Metadata Offset",
            "Boot Metadata Original Size",
        ],
        &header.boot_metadata,
    );
    let _ = writeln!(out, "{:<27} = {}", "Boot Index", header.boot_index);
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(out, "{name:<27} = {value}");
    };
    line("Integrity Size", &header.integrity.size);
    line(
        "Integrity Flags",
        &format_args!("{:#x}", header.integrity.flags.bits()),
    );
    line("Integrity Offset", &header.integrity.offset);
    line(
        "Integrity Original_size",
        &header.integrity.uncompressed_size,
    );
}

fn push_blobs(out: &mut String, archive: &Archive) {
    for (_, blob) in archive.blobs.iter() {
        super::text::push_blob(out, archive, blob);
        out.push('\n');
    }
    for metadata in &archive.images {
        let resource = metadata.resource;
        let _ = writeln!(out, "Hash              = 0x{}", metadata.hash);
        let _ = writeln!(
            out,
            "Uncompressed size = {} bytes",
            resource.uncompressed_size
        );
        let _ = writeln!(out, "Compressed size   = {} bytes", resource.size);
        let _ = writeln!(out, "Offset in WIM     = {} bytes", resource.offset);
        let compressed = if resource.flags.contains(ResourceFlags::COMPRESSED) {
            "WIM_RESHDR_FLAG_COMPRESSED, "
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "Flags             = {compressed}WIM_RESHDR_FLAG_METADATA\n"
        );
    }
    debug_assert!(
        archive
            .blobs
            .iter()
            .all(|(_, blob)| blob.place != Place::Claimed)
    );
}
