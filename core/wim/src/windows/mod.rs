//! What Windows says of itself, for the XML data of an image that holds an installation of it.
//!
//! Setup and deployment tools choose images by this: the edition, version, architecture and languages.
//! They stand in `kernel32.dll` and in two registry hives, which are read from the source while it is
//! captured. What is missing or broken is left out; the image itself is what matters.

pub mod hive;
mod language;
pub mod pe;
#[cfg(test)]
mod tests;

use self::hive::{Hive, HiveError, Key};
use crate::image::{DentryId, Image, StreamKind, collation};
use crate::port::{OpenStream, Source};
use crate::scan::{Origin, Scanned};
use crate::xml::check_text;

/// Most languages that are listed.
const LANGUAGE_LIMIT: usize = 256;

/// What was found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Properties of the image, in order.
    pub properties: Vec<(String, String)>,
    /// Why others are missing.
    pub remarks: Vec<String>,
}

/// Looks for Windows in a tree that was scanned from these sources, and describes it.
#[must_use]
pub fn describe(scanned: &Scanned, sources: &[&dyn Source]) -> Findings {
    let mut findings = Findings::default();
    if let Some(windows) = Installation::find(scanned, sources) {
        windows.describe(&mut findings);
    }
    findings
}

/// A directory that looks like that of Windows.
struct Installation<'a> {
    scanned: &'a Scanned,
    sources: &'a [&'a dyn Source],
    directory: DentryId,
    kernel: Option<DentryId>,
    software: Option<DentryId>,
    system: Option<DentryId>,
}

impl<'a> Installation<'a> {
    /// The directory below the root that has most of the files in question; of equals that called
    /// `Windows`.
    fn find(scanned: &'a Scanned, sources: &'a [&'a dyn Source]) -> Option<Self> {
        let image = &scanned.image;
        let candidates = image.children(image.root()?).iter();
        let found = candidates.filter_map(|&directory| {
            let system32 = child(image, directory, b"System32")?;
            let config = child(image, system32, b"config");
            let hive = |name| config.and_then(|config| child(image, config, name));
            Some(Self {
                kernel: child(image, system32, b"kernel32.dll"),
                software: hive(b"SOFTWARE"),
                system: hive(b"SYSTEM"),
                scanned,
                sources,
                directory,
            })
        });
        // The last of equals wins, so the usual name counts half a file.
        found
            .filter(|one| one.files() > 0)
            .max_by_key(|one| 2 * one.files() + usize::from(one.has_usual_name()))
    }

    fn files(&self) -> usize {
        [self.kernel, self.software, self.system]
            .iter()
            .flatten()
            .count()
    }

    fn has_usual_name(&self) -> bool {
        is_name(self.scanned.image.name(self.directory), b"Windows")
    }

    fn describe(&self, findings: &mut Findings) {
        let name = self.scanned.image.name(self.directory);
        let name = String::from_utf8_lossy(name).to_uppercase();
        findings.add("WINDOWS/SYSTEMROOT", &name);
        self.with(
            self.kernel,
            "kernel32.dll",
            findings,
            |stream, _, findings| {
                if let Some(architecture) = pe::architecture(stream)? {
                    findings.add("WINDOWS/ARCH", &architecture.to_string());
                } else {
                    findings.remark("kernel32.dll is no program of a known architecture");
                }
                Ok(())
            },
        );
        self.with(
            self.software,
            "SOFTWARE",
            findings,
            |stream, size, findings| describe_software(&mut Hive::open(stream, size)?, findings),
        );
        self.with(self.system, "SYSTEM", findings, |stream, size, findings| {
            describe_system(&mut Hive::open(stream, size)?, findings)
        });
    }

    /// Opens a file and does something with it.
    fn with(
        &self,
        file: Option<DentryId>,
        name: &str,
        findings: &mut Findings,
        act: impl FnOnce(&mut dyn OpenStream, u64, &mut Findings) -> Result<(), HiveError>,
    ) {
        let Some((stream, size)) = file.and_then(|file| self.open(file)) else {
            return findings.remark(&format!("{name} does not exist or is empty"));
        };
        let done = match stream {
            Ok(mut stream) => act(&mut *stream, size, findings),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = done {
            findings.remark(&format!("{name}: {error}"));
        }
    }

    /// The unnamed data of a file, and its size.
    fn open(&self, file: DentryId) -> Option<(crate::Result<Box<dyn OpenStream + 'a>>, u64)> {
        let image = &self.scanned.image;
        let inode = image.inode_of(file);
        let content = image.unnamed_stream(inode, StreamKind::Data)?.content;
        let mut pending = self.scanned.pending.iter();
        let origin = pending.find(|pending| pending.content == content)?.origin;
        let Origin::Source {
            source,
            stream,
            node,
        } = origin
        else {
            return None;
        };
        let source = self.sources.get(usize::from(source))?;
        let size = image.content(content).size;
        Some((source.open(node, u32::from(stream)), size))
    }
}

impl Findings {
    fn add(&mut self, property: &str, value: &str) {
        match check_text(property, value) {
            Ok(()) => self.properties.push((property.into(), value.into())),
            Err(error) => self.remark(&error.to_string()),
        }
    }

    fn remark(&mut self, text: &str) {
        self.remarks.push(text.into());
    }

    /// Adds a value unless it is missing.
    fn add_found(&mut self, property: &str, found: Result<String, HiveError>) {
        match found {
            Ok(value) => self.add(property, &value),
            Err(error) => self.remark(&format!("{property}: {error}")),
        }
    }
}

/// The hive about the software: the edition and version of Windows are among it.
fn describe_software(hive: &mut Hive<'_>, findings: &mut Findings) -> Result<(), HiveError> {
    let key = hive.key("Microsoft\\Windows NT\\CurrentVersion")?;
    for (property, value) in [
        ("FLAGS", "EditionID"),
        ("DISPLAYNAME", "ProductName"),
        ("DISPLAYDESCRIPTION", "ProductName"),
        ("WINDOWS/EDITIONID", "EditionID"),
        ("WINDOWS/INSTALLATIONTYPE", "InstallationType"),
        ("WINDOWS/PRODUCTNAME", "ProductName"),
    ] {
        findings.add_found(property, hive.text(&key, value));
    }
    match version(hive, &key) {
        Ok((major, minor)) => {
            findings.add("WINDOWS/VERSION/MAJOR", &major.to_string());
            findings.add("WINDOWS/VERSION/MINOR", &minor.to_string());
        }
        Err(error) => findings.remark(&format!("WINDOWS/VERSION: {error}")),
    }
    findings.add_found("WINDOWS/VERSION/BUILD", build(hive, &key));
    Ok(())
}

/// Major and minor version. Windows 10 left `CurrentVersion` at 6.3 and put its own into numbers.
fn version(hive: &mut Hive<'_>, key: &Key) -> Result<(u64, u64), HiveError> {
    let numbers = hive
        .number(key, "CurrentMajorVersionNumber")
        .and_then(|major| Ok((major, hive.number(key, "CurrentMinorVersionNumber")?)));
    if numbers.is_ok() {
        return numbers;
    }
    let text = hive.text(key, "CurrentVersion")?;
    let (major, minor) = text.split_once('.').unwrap_or((&text, "0"));
    match (major.parse(), minor.parse()) {
        (Ok(major), Ok(minor)) => Ok((major, minor)),
        _ => Err(HiveError::Type("CurrentVersion".into())),
    }
}

/// The build. Windows XP has it in another value, and says "obsolete data" here.
fn build(hive: &mut Hive<'_>, key: &Key) -> Result<String, HiveError> {
    let build = hive.text(key, "CurrentBuild")?;
    match build.contains('.') {
        true => hive.text(key, "CurrentBuildNumber"),
        false => Ok(build),
    }
}

/// The hive about the machine: service pack, product, hardware, languages. Each is in a key of its own.
fn describe_system(hive: &mut Hive<'_>, findings: &mut Findings) -> Result<(), HiveError> {
    type Part = fn(&mut Hive<'_>, &Key, &mut Findings) -> Result<(), HiveError>;
    let parts: [(&str, Part); 5] = [
        ("Windows", describe_service_pack),
        ("ProductOptions", describe_product),
        (
            "Class\\{4D36E966-E325-11CE-BFC1-08002BE10318}\\0000",
            describe_hardware,
        ),
        ("MUI\\UILanguages", describe_languages),
        ("Nls\\Language", describe_default_language),
    ];
    for (path, part) in parts {
        let path = format!("ControlSet001\\Control\\{path}");
        let done = match hive.key(&path) {
            Ok(key) => part(hive, &key, findings),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            findings.remark(&format!("SYSTEM, {path}: {error}"));
        }
    }
    Ok(())
}

fn describe_service_pack(
    hive: &mut Hive<'_>,
    key: &Key,
    findings: &mut Findings,
) -> Result<(), HiveError> {
    let build = hive.number(key, "CSDBuildNumber");
    findings.add_found("WINDOWS/VERSION/SPBUILD", build.map(|n| n.to_string()));
    let level = hive.number(key, "CSDVersion");
    findings.add_found(
        "WINDOWS/VERSION/SPLEVEL",
        level.map(|n| (n >> 8).to_string()),
    );
    Ok(())
}

fn describe_product(
    hive: &mut Hive<'_>,
    key: &Key,
    findings: &mut Findings,
) -> Result<(), HiveError> {
    findings.add_found("WINDOWS/PRODUCTTYPE", hive.text(key, "ProductType"));
    findings.add_found("WINDOWS/PRODUCTSUITE", hive.text(key, "ProductSuite"));
    Ok(())
}

fn describe_hardware(
    hive: &mut Hive<'_>,
    key: &Key,
    findings: &mut Findings,
) -> Result<(), HiveError> {
    findings.add_found("WINDOWS/HAL", hive.text(key, "MatchingDeviceId"));
    Ok(())
}

fn describe_languages(
    hive: &mut Hive<'_>,
    key: &Key,
    findings: &mut Findings,
) -> Result<(), HiveError> {
    let names = hive.subkey_names(key, LANGUAGE_LIMIT)?;
    let is_storable = |name: &&String| !name.is_empty() && check_text("a language", name).is_ok();
    let names = names.iter().filter(is_storable);
    for (number, name) in (1..).zip(names) {
        let property = format!("WINDOWS/LANGUAGES/LANGUAGE[{number}]");
        findings.add(&property, name);
    }
    Ok(())
}

fn describe_default_language(
    hive: &mut Hive<'_>,
    key: &Key,
    findings: &mut Findings,
) -> Result<(), HiveError> {
    let text = hive.text(key, "InstallLanguage")?;
    let id = u16::from_str_radix(text.trim(), 16).ok();
    match id.and_then(language::name) {
        Some(name) => findings.add("WINDOWS/LANGUAGES/DEFAULT", name),
        None => findings.remark(&format!("InstallLanguage \"{text}\" is not known")),
    }
    Ok(())
}

/// The entry of a directory with this name in any case.
fn child(image: &Image, directory: DentryId, name: &[u8]) -> Option<DentryId> {
    let mut children = image.children(directory).iter().copied();
    children.find(|&child| is_name(image.name(child), name))
}

fn is_name(a: &[u8], b: &[u8]) -> bool {
    collation::compare_ignoring_case(a, b).is_eq()
}
