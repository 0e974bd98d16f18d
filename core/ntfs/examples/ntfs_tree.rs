//! Prints the tree of an NTFS volume as JSON, with the SHA-1 of every stream.
//!
//! `cargo run -p wimforge-ntfs --example ntfs_tree -- [--wof] [--no-data] VOLUME [START LENGTH]`
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a tool for developers: a host of its own"
)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use sha1::{Digest as _, Sha1};
use wimforge_ntfs::{
    Catalog, Entry, FileInfo, FileReference, Limits, ReadAt, Security, Stream, Volume, Window,
    name, wof,
};

/// A file as a device, on any system.
struct Disk(Mutex<std::fs::File>, u64);

impl ReadAt for Disk {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        let mut file = self.0.lock().unwrap();
        file.seek(SeekFrom::Start(offset))?;
        file.read(buf)
    }

    fn size(&self) -> u64 {
        self.1
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, plain): (Vec<_>, Vec<_>) = arguments
        .into_iter()
        .partition(|argument| argument.starts_with("--"));
    let has = |option: &str| options.iter().any(|given| given == option);
    let mut file = std::fs::File::open(&plain[0]).unwrap();
    let size = file.seek(SeekFrom::End(0)).unwrap();
    let mut device: Arc<dyn ReadAt> = Arc::new(Disk(Mutex::new(file), size));
    if let [_, start, length] = &plain[..] {
        let window = Window::new(device, start.parse().unwrap(), length.parse().unwrap());
        device = Arc::new(window);
    }
    let started = Instant::now();
    let result = Volume::open(device, Limits::default()).and_then(|volume| {
        let opened = started.elapsed();
        let catalog = Catalog::read(&volume)?;
        let scanned = started.elapsed();
        for warning in volume.warnings() {
            eprintln!("warning: {warning}");
        }
        if has("--bench") {
            return bench(&volume, &catalog);
        }
        let mut dump = Dump {
            volume: &volume,
            catalog: &catalog,
            decode: has("--wof"),
            data: !has("--no-data"),
            out: String::new(),
            links: HashMap::new(),
            names: 0,
        };
        dump.node(FileReference::ROOT, None, "");
        let mut groups: Vec<_> = dump.links.into_values().filter(|paths| paths.len() > 1).collect();
        for paths in &mut groups {
            paths.sort();
        }
        groups.sort();
        if !has("--quiet") {
            let groups: Vec<_> = groups.iter().map(|paths| list(paths)).collect();
            println!("{{\"hard_links\": [{}], \"root\": {}}}", groups.join(","), dump.out);
        }
        eprintln!(
            "{} names, {} files, {} broken, {} bytes of catalogue; opened {opened:?}, scanned {:?}, all {:?}",
            dump.names, catalog.len(), catalog.broken(), catalog.memory(), scanned - opened, started.elapsed()
        );
        Ok(())
    });
    if let Err(error) = result {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

/// Lists everything, then reads all streams in the order of their places, and says how long it took.
fn bench(volume: &Volume, catalog: &Catalog) -> Result<(), wimforge_ntfs::Error> {
    let started = Instant::now();
    let mut names = 0;
    let mut todo = vec![FileReference::ROOT];
    while let Some(directory) = todo.pop() {
        let listing = catalog.list(volume, directory)?;
        names += listing.len();
        for entry in listing.entries() {
            if catalog.get(entry.reference)?.is_directory() {
                todo.push(entry.reference);
            }
        }
    }
    let listed = started.elapsed();
    let mut streams: Vec<_> = catalog
        .files()
        .filter(|info| !Volume::is_system_file(info.reference))
        .flat_map(|info| {
            info.streams()
                .map(move |stream| (stream.physical_offset, info.reference, stream.name))
        })
        .collect();
    streams.sort_unstable();
    let sorted = started.elapsed();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    for (_, reference, name) in &streams {
        let stream = volume.file(*reference)?.open_stream(name)?;
        let mut at = 0;
        while at < stream.size() {
            at += stream.read_at(at, &mut buffer)? as u64;
        }
        bytes += at;
    }
    eprintln!(
        "listed {names} names: {listed:?}, sorted {} streams: {:?}, read {bytes} bytes: {:?}",
        streams.len(),
        sorted - listed,
        started.elapsed() - sorted
    );
    Ok(())
}

struct Dump<'a> {
    volume: &'a Volume,
    catalog: &'a Catalog,
    decode: bool,
    data: bool,
    out: String,
    links: HashMap<u64, Vec<String>>,
    names: usize,
}

fn list(strings: &[String]) -> String {
    let quoted: Vec<_> = strings
        .iter()
        .map(|text| quote(&text.encode_utf16().collect::<Vec<_>>()))
        .collect();
    format!("[{}]", quoted.join(","))
}

fn quote(units: &[u16]) -> String {
    let mut text = String::from("\"");
    for unit in units {
        match unit {
            0x22 | 0x5C => write!(text, "\\{}", char::from(*unit as u8)).unwrap(),
            0x20..0x7F => text.push(char::from(*unit as u8)),
            _ => write!(text, "\\u{unit:04x}").unwrap(),
        }
    }
    text + "\""
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Dump<'_> {
    fn node(&mut self, reference: FileReference, entry: Option<Entry<'_>>, path: &str) {
        self.names += 1;
        let info = self.catalog.get(reference).unwrap();
        let (name, short) =
            entry.map_or((&[][..], &[][..]), |entry| (entry.name, entry.short_name));
        let times = info.times();
        write!(
            self.out,
            "{{\"name\":{},\"short_name\":{},\"attributes\":\"0x{:08x}\",\"creation_time\":{},\"last_access_time\":{},\"last_write_time\":{}",
            quote(name), quote(short), info.attributes(), times.creation, times.access, times.write
        ).unwrap();
        let security = match info.security() {
            Security::None => None,
            Security::Id(id) => Some(self.volume.descriptor(id).map_err(|e| e.to_string())),
            Security::Inline(index) => Some(Ok(self.catalog.descriptor(index).unwrap().to_vec())),
            Security::Elsewhere => {
                let file = self.volume.file(reference).unwrap();
                self.volume
                    .security_descriptor(&file)
                    .map_err(|e| e.to_string())
                    .transpose()
            }
        };
        match security {
            None => self.out.push_str(",\"security\":null"),
            Some(Ok(bytes)) => write!(self.out, ",\"security\":\"{}\"", hex(&bytes)).unwrap(),
            Some(Err(error)) => write!(self.out, ",\"security\":\"{error}\"").unwrap(),
        }
        self.streams(&info);
        self.rare(&info);
        if info.is_directory() {
            self.children(reference, path);
        }
        self.out.push('}');
    }

    fn streams(&mut self, info: &FileInfo<'_>) {
        let mut parts = Vec::new();
        let mut unnamed = false;
        for stream in info.streams() {
            if stream.name.is_empty() && info.is_directory()
                || self.decode && stream.name == wof::STREAM
            {
                continue;
            }
            unnamed |= stream.name.is_empty();
            let digest = if !self.data || stream.size == 0 {
                "0".repeat(40)
            } else {
                let opened = self.volume.file(info.reference).and_then(|file| {
                    if self.decode && stream.name.is_empty() {
                        file.open_contents()
                    } else {
                        file.open_stream(stream.name)
                    }
                });
                match opened.and_then(|stream| digest(&stream)) {
                    Ok(digest) => digest,
                    Err(error) => error.to_string(),
                }
            };
            parts.push((
                stream.name.to_vec(),
                format!(
                    "{{\"kind\":\"data\",\"name\":{},\"size\":{},\"sha1\":\"{digest}\"}}",
                    quote(stream.name),
                    stream.size
                ),
            ));
        }
        if !unnamed && !info.is_directory() {
            parts.push((
                Vec::new(),
                format!(
                    "{{\"kind\":\"data\",\"name\":\"\",\"size\":0,\"sha1\":\"{}\"}}",
                    "0".repeat(40)
                ),
            ));
        }
        parts.sort();
        let parts: Vec<_> = parts.into_iter().map(|(_, part)| part).collect();
        write!(self.out, ",\"streams\":[{}]", parts.join(",")).unwrap();
    }

    fn rare(&mut self, info: &FileInfo<'_>) {
        let mut items = String::new();
        if info.has_object_id() || info.is_reparse_point() || info.has_extended_attributes() {
            let file = self.volume.file(info.reference).unwrap();
            if let Some(id) = self.volume.object_id(&file).unwrap() {
                items = format!("\"object_id\":\"{}\"", hex(&id));
            }
            if let Some(point) = file.reparse_point().unwrap() {
                write!(
                    self.out,
                    ",\"reparse\":{{\"tag\":\"0x{:08x}\",\"data\":\"{}\"}}",
                    point.tag,
                    hex(&point.data)
                )
                .unwrap();
            }
            for attribute in file.extended_attributes().unwrap() {
                eprintln!(
                    "EA {}={}",
                    String::from_utf8_lossy(&attribute.name),
                    hex(&attribute.value)
                );
            }
        }
        write!(self.out, ",\"items\":{{{items}}}").unwrap();
    }

    fn children(&mut self, reference: FileReference, path: &str) {
        let listing = match self.catalog.list(self.volume, reference) {
            Ok(listing) => listing,
            Err(error) => {
                eprintln!("{path}: {error}");
                return;
            }
        };
        for refused in listing.refused() {
            eprintln!("{path}/{}: {}", name::Display(&refused.name), refused.error);
        }
        let mut entries: Vec<_> = listing.entries().collect();
        entries.sort_by_key(|entry| entry.name);
        self.out.push_str(",\"children\":[");
        let mut first = true;
        for entry in entries {
            let info = self.catalog.get(entry.reference).unwrap();
            if info.is_encrypted() {
                continue;
            }
            if !info.has_name(&entry) {
                eprintln!("{path}/{}: out of date", name::Display(entry.name));
            }
            if !std::mem::take(&mut first) {
                self.out.push(',');
            }
            let child = format!("{path}/{}", name::Display(entry.name));
            self.links
                .entry(entry.reference.number())
                .or_default()
                .push(child.clone());
            self.node(entry.reference, Some(entry), &child);
        }
        self.out.push(']');
    }
}

fn digest(stream: &Stream) -> Result<String, wimforge_ntfs::Error> {
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 1 << 20];
    let mut offset = 0;
    loop {
        let count = stream.read_at(offset, &mut buffer)?;
        if count == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..count]);
        offset += count as u64;
    }
}
