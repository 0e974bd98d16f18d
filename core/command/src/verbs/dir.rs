//! `dir`.

use serde_json::json;
use std::fmt::Write as _;
use wimforge_core::archive::Archive;
use wimforge_core::image::{DentryId, FileAttributes, Image, StreamKind, items};
use wimforge_core::text::Show;
use wimforge_core::{Error, ErrorKind};

use super::archive;
use super::text::{push_blob, show_time, write_out};
use crate::failure::Failure;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::report::Reporter;

/// Bytes of text that are collected before they are written.
const BUFFER: usize = 64 << 10;

/// Runs the command.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let reporter = Reporter::new(host, invocation).on_stderr();
    let path = invocation.path("WIMFILE");
    let operand = invocation.text("IMAGE");
    let inside = matches
        .get_one::<String>("path")
        .cloned()
        .unwrap_or_default();
    let print = |archive: &Archive, image: &Image, index: u32| -> Result<(), Failure> {
        let listing = Listing {
            archive,
            image,
            detailed: matches.get_flag("detailed"),
            is_json: matches.get_flag("json"),
        };
        let Some(start) = image.lookup(inside.replace('\\', "/").as_bytes()) else {
            if image.root().is_none() && inside == "/" {
                return Ok(());
            }
            let what = format!(
                "\"{inside}\" is not in image {index} of \"{}\"",
                path.display()
            );
            return Err(Error::new(ErrorKind::NoSuchPath, what).into());
        };
        listing.print(host, start, matches.get_flag("one-file-only"))
    };
    if archive::is_pipe(&path) {
        // Sizes and places of data come last.
        let flag = |name| (name, matches.get_flag(name));
        archive::refuse_in_pipe(&[
            flag("detailed"),
            flag("json"),
            ("ref", matches.contains_id("ref")),
        ])?;
        let (known, images) = archive::from_pipe(host, |piped, mut known| {
            let selected = archive::select(&known, operand, &path)?;
            let is_wanted = |index| match selected {
                archive::Selected::One(one) => one == index,
                archive::Selected::All => true,
            };
            let images = piped.read_images(&mut known, &is_wanted, &mut |_| {})?;
            Ok((known, images))
        })?;
        for (index, image) in &images {
            print(&known, image, *index)?;
        }
        return Ok(0);
    }
    let archive = archive::open_set(host, &path, matches, &reporter)?;
    let indices = match archive::select(&archive, operand, &path)? {
        archive::Selected::One(index) => index..=index,
        archive::Selected::All => 1..=archive.image_count(),
    };
    for index in indices {
        let image = archive::read_image(&archive, index, &reporter)?;
        print(&archive, &image, index)?;
    }
    Ok(0)
}

/// What is said about the contents of an empty stream, which no blob holds.
const EMPTY_BLOB: &str = "\
Uncompressed size = 0 bytes
Compressed size   = 0 bytes
Offset in WIM     = 0 bytes
Part Number       = 0
Reference Count   = 0
Flags             = 
";

struct Listing<'a> {
    archive: &'a Archive,
    image: &'a Image,
    detailed: bool,
    is_json: bool,
}

impl Listing<'_> {
    fn print(&self, host: &dyn Host, start: DentryId, only_start: bool) -> Result<(), Failure> {
        let mut out = Vec::with_capacity(BUFFER + 4096);
        let mut paths = Paths::new(self.image, start);
        let most = if only_start { 1 } else { usize::MAX };
        for dentry in self.image.walk(start).take(most) {
            let path = paths.advance(self.image, dentry);
            if self.is_json {
                out.extend_from_slice(self.entry(dentry, path).to_string().as_bytes());
                out.push(b'\n');
            } else if self.detailed {
                out.extend_from_slice(self.details(dentry, path).as_bytes());
            } else {
                out.extend_from_slice(path);
                out.push(b'\n');
            }
            if out.len() >= BUFFER {
                write_out(host, &out)?;
                out.clear();
            }
        }
        write_out(host, &out)
    }

    /// What programs want to know.
    fn entry(&self, dentry: DentryId, path: &[u8]) -> serde_json::Value {
        let image = self.image;
        let inode = image.inode_of(dentry);
        let streams = image.streams(inode).iter().map(|stream| {
            let hash = image.content(stream.content).hash;
            let blob = self.archive.blobs.find(&hash);
            json!({
                "kind": match stream.kind {
                    StreamKind::Data => "data",
                    StreamKind::Named => "named",
                    StreamKind::Reparse => "reparse",
                    StreamKind::Encrypted => "encrypted",
                },
                "name": Show(image.text(stream.name)).to_string(),
                "sha1": hash.to_string(),
                "size": blob.map(|blob| self.archive.blobs.get(blob).size),
            })
        });
        json!({
            "event": "entry",
            "path": Show(path).to_string(),
            "directory": inode.attributes.is_directory(),
            "attributes": inode.attributes.bits(),
            "links": inode.names,
            "creation_time": show_time(inode.creation_time),
            "last_write_time": show_time(inode.write_time),
            "last_access_time": show_time(inode.access_time),
            "reparse_tag": inode.attributes.is_reparse_point().then_some(inode.reparse_tag),
            "unix": image.unix_data(inode).map(|unix| json!({
                "uid": unix.uid, "gid": unix.gid, "mode": unix.mode, "rdev": unix.rdev,
            })),
            "streams": streams.collect::<Vec<_>>(),
        })
    }

    fn details(&self, dentry: DentryId, path: &[u8]) -> String {
        let image = self.image;
        let inode = image.inode_of(dentry);
        let mut out = String::new();
        let _ = writeln!(out, "{}", "-".repeat(76));
        let _ = writeln!(out, "Full Path           = \"{}\"", Show(path));
        let short_name = image.short_name(dentry);
        let _ = writeln!(out, "Short Name          = \"{}\"", Show(short_name));
        let _ = writeln!(
            out,
            "Attributes          = {:#010x}",
            inode.attributes.bits()
        );
        for (name, _) in inode.attributes.iter_names() {
            let _ = writeln!(out, "    FILE_ATTRIBUTE_{name} is set");
        }
        if let Some(descriptor) = image.security.get(inode.security) {
            let _ = writeln!(out, "Security Descriptor = {}", hex(descriptor));
        }
        let _ = writeln!(
            out,
            "Creation Time       = {}",
            show_time(inode.creation_time)
        );
        let _ = writeln!(out, "Last Write Time     = {}", show_time(inode.write_time));
        let _ = writeln!(
            out,
            "Last Access Time    = {}",
            show_time(inode.access_time)
        );
        if inode.attributes.contains(FileAttributes::REPARSE_POINT) {
            let _ = writeln!(out, "Reparse Tag         = {:#010x}", inode.reparse_tag);
        }
        if inode.names > 1 {
            let group = image.dentry(dentry).inode.index();
            let _ = writeln!(out, "Link Group ID       = {group:#018x}");
        } else {
            let _ = writeln!(out, "Link Group ID       = {:#018x}", 0);
        }
        let _ = writeln!(out, "Link Count          = {}", inode.names);
        if let Some(unix) = image.unix_data(inode) {
            let _ = writeln!(
                out,
                "UNIX Data           = uid:{} gid:{} mode:0{:o} rdev:{:#x}",
                unix.uid, unix.gid, unix.mode, unix.rdev
            );
        }
        if let Some(object_id) = image.item(inode, items::OBJECT_ID) {
            let titles = [
                "Object ID           ",
                "Birth Volume ID     ",
                "Birth Object ID     ",
                "Domain ID           ",
            ];
            for (title, id) in titles.into_iter().zip(object_id.chunks_exact(16)) {
                let _ = writeln!(out, "{title}= 0x{}", hex(id));
            }
        }
        for stream in image.streams(inode) {
            match stream.kind {
                StreamKind::Data => out.push_str("\tUnnamed data stream:\n"),
                StreamKind::Reparse => out.push_str("\tReparse point stream:\n"),
                StreamKind::Encrypted => out.push_str("\tRaw encrypted data stream:\n"),
                StreamKind::Named => {
                    let _ = writeln!(
                        out,
                        "\tNamed data stream \"{}\":",
                        Show(image.text(stream.name))
                    );
                }
            }
            let hash = image.content(stream.content).hash;
            match self.archive.blobs.find(&hash) {
                Some(blob) => push_blob(&mut out, self.archive, self.archive.blobs.get(blob)),
                None => {
                    let _ = writeln!(out, "Hash              = 0x{hash}");
                    if hash.is_zero() {
                        out.push_str(EMPTY_BLOB);
                    }
                }
            }
            out.push('\n');
        }
        if image.streams(inode).is_empty() {
            out.push('\n');
        }
        out
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The path of the dentry that a walk is at, kept up to date from step to step.
struct Paths {
    path: Vec<u8>,
    /// The directories above, each with the length of its path.
    above: Vec<(DentryId, usize)>,
}

impl Paths {
    fn new(image: &Image, start: DentryId) -> Self {
        let parent = image.parent(start);
        let path = match parent {
            Some(parent) if image.parent(parent).is_some() => image.path(parent),
            _ => Vec::new(),
        };
        let above = parent
            .map(|parent| (parent, path.len()))
            .into_iter()
            .collect();
        Self { path, above }
    }

    fn advance(&mut self, image: &Image, dentry: DentryId) -> &[u8] {
        let Some(parent) = image.parent(dentry) else {
            self.above = vec![(dentry, 0)];
            self.path.clear();
            return b"/";
        };
        while self.above.last().is_some_and(|last| last.0 != parent) {
            self.above.pop();
        }
        let len = self.above.last().map_or(0, |last| last.1);
        self.path.truncate(len);
        self.path.push(b'/');
        self.path.extend_from_slice(image.name(dentry));
        self.above.push((dentry, self.path.len()));
        &self.path
    }
}
