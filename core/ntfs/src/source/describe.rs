//! A volume or a disk in words.

use std::fmt::{Display, Write as _};
use std::sync::Arc;

use wimforge_core::{Error, ErrorKind, Result};

use super::find::{find_volume, first_bytes, unwrap};
use super::quoted;
use crate::catalog::Catalog;
use crate::device::ReadAt;
use crate::limits::Limits;
use crate::partition::{self, Kind};
use crate::recognise::FileSystem;
use crate::volume::Volume;
use crate::{name, wof};

/// What is known of a volume or a disk, as lines of text.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// The lines.
    pub text: String,
    /// What the user should be told besides.
    pub warnings: Vec<String>,
}

/// Describes an NTFS volume, or the partitions of a disk; `None` if it is nothing that is known.
///
/// # Errors
/// [`ErrorKind::Ntfs`] for volumes of other kinds, which are named, and damage; those of
/// [`find_volume`].
pub fn describe(
    device: Arc<dyn ReadAt>,
    path: &str,
    partition: Option<u32>,
) -> Result<Option<Description>> {
    let device = unwrap(device, path)?;
    match first_bytes(&*device).map_err(|error| error.at(quoted(path)))? {
        _ if partition.is_some() => {
            let device = find_volume(device, path, partition)?;
            volume(device, path).map(Some)
        }
        FileSystem::Ntfs => volume(device, path).map(Some),
        FileSystem::MbrDisk | FileSystem::GptDisk => disk(&*device, path).map(Some),
        FileSystem::Unknown | FileSystem::Empty | FileSystem::Wim => Ok(None),
        other => Err(Error::new(
            ErrorKind::Ntfs,
            format!(
                "{}: neither a WIM nor an NTFS volume: {other}",
                quoted(path)
            ),
        )),
    }
}

struct Lines(String);

impl Lines {
    fn titled(title: &str) -> Self {
        Self(format!("{title}:\n{}\n", "-".repeat(title.len() + 1)))
    }

    fn line(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.0, "{:<24}{value}", format!("{name}:"));
    }
}

fn volume(device: Arc<dyn ReadAt>, path: &str) -> Result<Description> {
    let open = || -> crate::Result<(Volume, Catalog)> {
        let volume = Volume::open(device, Limits::default())?;
        let catalog = Catalog::read(&volume)?;
        Ok((volume, catalog))
    };
    let (volume, catalog) = open().map_err(|error| Error::from(error).at(quoted(path)))?;
    let mut warnings: Vec<String> = volume.warnings().iter().map(ToString::to_string).collect();
    let (geometry, info) = (volume.geometry(), volume.info());
    let mut lines = Lines::titled("NTFS Volume");
    let bytes = |count: u64| format!("{count} bytes");
    lines.line("Path", path);
    lines.line("Label", name::Display(&info.label));
    lines.line(
        "NTFS Version",
        format_args!("{}.{}", info.version.0, info.version.1),
    );
    lines.line("Serial Number", format_args!("{:016X}", geometry.serial));
    lines.line(
        "Flags",
        match info.is_dirty() {
            true => format!("0x{:04x} (dirty)", info.flags),
            false => format!("0x{:04x}", info.flags),
        },
    );
    let sectors = geometry.sectors.saturating_mul(geometry.sector_size.into());
    lines.line("Size", bytes(sectors));
    lines.line("Sector Size", bytes(geometry.sector_size.into()));
    lines.line("Cluster Size", bytes(geometry.cluster_size.into()));
    lines.line("File Record Size", bytes(geometry.record_size.into()));
    lines.line("Index Block Size", bytes(geometry.index_size.into()));
    lines.line("Clusters", geometry.clusters);
    match volume.used_clusters() {
        Ok(used) => lines.line("Clusters In Use", used),
        Err(error) => warnings.push(error.to_string()),
    }
    lines.line(
        "File Records",
        format_args!("{} in {} runs", info.records, info.mft_runs),
    );
    lines.line("Security Descriptors", info.descriptors);
    let counts = Counts::of(&catalog);
    lines.line("Directories", counts.directories);
    lines.line("Files", counts.files);
    lines.line("Hard Links", counts.links);
    lines.line("Named Streams", counts.named_streams);
    lines.line("Reparse Points", counts.reparse_points);
    lines.line("Compressed by System", counts.system_compressed);
    lines.line("Encrypted Files", counts.encrypted);
    lines.line("Total Bytes", counts.bytes);
    if catalog.broken() > 0 {
        warnings.push(format!(
            "{} file records are damaged; their files cannot be captured",
            catalog.broken()
        ));
    }
    Ok(Description {
        text: lines.0 + "\n",
        warnings,
    })
}

#[derive(Default)]
struct Counts {
    directories: u64,
    files: u64,
    /// Names beyond the first of each file.
    links: u64,
    named_streams: u64,
    reparse_points: u64,
    system_compressed: u64,
    encrypted: u64,
    bytes: u64,
}

impl Counts {
    fn of(catalog: &Catalog) -> Self {
        let mut counts = Self::default();
        for info in catalog.files() {
            // The root counts, the other files of the file system do not, nor what no directory has.
            if info.links() == 0
                || Volume::is_system_file(info.reference)
                    && info.reference.number() != crate::FileReference::ROOT.number()
            {
                continue;
            }
            match info.is_directory() {
                true => counts.directories += 1,
                false => {
                    counts.files += 1;
                    counts.links += info.links() as u64 - 1;
                    counts.encrypted += u64::from(info.is_encrypted());
                }
            }
            counts.reparse_points += u64::from(info.is_reparse_point());
            for stream in info.streams() {
                counts.named_streams += u64::from(!stream.name.is_empty());
                counts.system_compressed +=
                    u64::from(info.is_reparse_point() && stream.name == wof::STREAM);
                counts.bytes = counts.bytes.saturating_add(stream.size);
            }
        }
        counts
    }
}

fn disk(device: &dyn ReadAt, path: &str) -> Result<Description> {
    let partitions = partition::list(device)
        .map_err(|error| Error::new(ErrorKind::Ntfs, format!("{}: {error}", quoted(path))))?;
    let mut lines = Lines::titled("Disk");
    lines.line("Path", path);
    lines.line("Size", format_args!("{} bytes", device.size()));
    lines.line("Partitions", partitions.len());
    for partition in &partitions {
        lines.0.push('\n');
        lines.line("Partition", partition.number);
        match &partition.kind {
            Kind::Mbr(kind) => lines.line("Type", format_args!("0x{kind:02x}")),
            Kind::Gpt { kind, name, .. } => {
                lines.line("Type", kind);
                lines.line("Name", name::Display(name));
            }
        }
        lines.line("Offset", format_args!("{} bytes", partition.start));
        lines.line("Size", format_args!("{} bytes", partition.length));
        match partition.file_system(device) {
            Ok(kind) => lines.line("Contents", kind),
            Err(error) => lines.line("Contents", error),
        }
    }
    Ok(Description {
        text: lines.0 + "\n",
        warnings: Vec::new(),
    })
}
