//! A directory of wasi:filesystem as a source, as far as that can tell what is in it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wasip2::clocks::wall_clock::Datetime;
use wasip2::filesystem::types::{Descriptor, DescriptorStat, DescriptorType, ErrorCode};
use wimforge_core::port::{
    Entry, EntryBatch, EntryProblem, EntryWarning, FileIdentity, Kind, Link, Node, OpenStream,
    Source, Stamp, Wanted,
};
use wimforge_core::time::FileTime;
use wimforge_core::{Error, ErrorKind, Result};

use crate::failure::{cause, failed};
use crate::files::read_at;
use crate::links::{DIRECTORY, Linked, Written};
use crate::paths::{AtLink, Given, open_directory, open_file};

/// A directory, or a single file.
pub struct WasiSource {
    path: PathBuf,
    link: AtLink,
    /// What `below` is relative to.
    given: Descriptor,
    below: String,
    written: Written,
    met: Mutex<Met>,
}

/// What was met so far.
#[derive(Default)]
struct Met {
    /// Every entry: the node of its directory and its name there.
    names: Vec<(Node, String)>,
    linked: Linked,
    /// The directory that was used last.
    open: Option<(Node, std::sync::Arc<Descriptor>)>,
}

/// The root's own node.
const ROOT: Node = Node(u64::MAX);

impl WasiSource {
    /// What is at a path. `link` says whether links below are followed, `at_root` whether one there is.
    pub fn open(
        given: &Given,
        path: &Path,
        link: AtLink,
        at_root: AtLink,
        written: Written,
    ) -> Result<Self> {
        let place = given.find(path)?;
        let stat = place.given.stat_at(at_root.flags(), &place.below);
        let stat = stat.map_err(|code| failed(ErrorKind::Stat, "cannot find", path, code))?;
        // A root of its own, where that is possible: paths in it are shorter then.
        let (given, below) = match stat.type_ {
            DescriptorType::Directory => {
                let opened = open_directory(place.given, &place.below, at_root);
                let what = "cannot open directory";
                let opened =
                    opened.map_err(|code| failed(ErrorKind::OpenDirectory, what, path, code))?;
                (opened, ".".to_owned())
            }
            _ => {
                let (parent, name) = place.parent_and_name();
                let opened = open_directory(place.given, parent, AtLink::Follow);
                let opened =
                    opened.map_err(|code| failed(ErrorKind::Stat, "cannot find", path, code))?;
                (opened, name.to_owned())
            }
        };
        Ok(Self {
            path: path.to_owned(),
            link,
            given,
            below,
            written,
            met: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Met> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of an entry from the root.
    fn path_of(&self, node: Node) -> String {
        let met = self.lock();
        let mut names: Vec<&str> = Vec::new();
        let mut at = node;
        while at != ROOT
            && let Some((parent, name)) = met.names.get(at.0 as usize)
        {
            names.push(name);
            at = *parent;
        }
        names.reverse();
        names.join("/")
    }

    /// The path of an entry for messages.
    fn shown(&self, node: Node) -> PathBuf {
        self.path.join(self.path_of(node))
    }

    fn directory(&self, node: Node) -> std::result::Result<std::sync::Arc<Descriptor>, ErrorCode> {
        if let Some((open, descriptor)) = &self.lock().open
            && *open == node
        {
            return Ok(std::sync::Arc::clone(descriptor));
        }
        let below = match node {
            ROOT => ".".to_owned(),
            node => self.path_of(node),
        };
        let opened = std::sync::Arc::new(open_directory(&self.given, &below, self.link)?);
        self.lock().open = Some((node, std::sync::Arc::clone(&opened)));
        Ok(opened)
    }

    /// The directory that an entry is in, and its name there.
    fn parent(
        &self,
        node: Node,
    ) -> std::result::Result<(std::sync::Arc<Descriptor>, String), ErrorCode> {
        if node == ROOT {
            return Ok((self.directory(ROOT)?, self.below.clone()));
        }
        let found = self.lock().names.get(node.0 as usize).cloned();
        let (parent, name) = found.ok_or(ErrorCode::NoEntry)?;
        Ok((self.directory(parent)?, name))
    }

    fn describe(
        &self,
        directory: &Descriptor,
        name: &str,
        node: Node,
        link: AtLink,
    ) -> Result<Entry> {
        let stat = directory.stat_at(link.flags(), name).map_err(|code| {
            Error::new(ErrorKind::Stat, "cannot read the metadata of the file").because(cause(code))
        })?;
        let kind = match stat.type_ {
            DescriptorType::Directory => Kind::Directory,
            // How many blocks a file has cannot be told, so none has holes.
            DescriptorType::RegularFile => Kind::File { sparse: false },
            DescriptorType::SymbolicLink => Kind::Link(Box::new(read_link(directory, name)?)),
            _ => Kind::Special,
        };
        let write_time = time(stat.data_modification_timestamp);
        let identity = self.identify(directory, name, node, &stat, link);
        Ok(Entry {
            node,
            name_end: 0,
            creation_time: write_time,
            access_time: time(stat.data_access_timestamp),
            write_time,
            identity,
            shared: identity.is_some() && matches!(kind, Kind::File { .. }) && stat.link_count > 1,
            size: match kind {
                Kind::File { .. } => stat.size,
                _ => 0,
            },
            kind,
            unix: None,
            extra: None,
        })
    }

    fn identify(
        &self,
        directory: &Descriptor,
        name: &str,
        node: Node,
        stat: &DescriptorStat,
        link: AtLink,
    ) -> Option<FileIdentity> {
        match stat.type_ {
            DescriptorType::RegularFile => {}
            // Only to notice loops, which nothing but followed links can make.
            DescriptorType::Directory if link == AtLink::Follow => {
                let hash = directory.metadata_hash_at(link.flags(), name).ok()?;
                return Some(FileIdentity {
                    device: DIRECTORY ^ hash.upper << 2,
                    file: hash.lower,
                });
            }
            _ => return None,
        }
        let open = || open_file(directory, name, link).ok();
        if let Some(written) = self.written.identify(name, open) {
            return Some(written);
        }
        if stat.link_count < 2 && link == AtLink::Stop {
            return None;
        }
        let hash = directory.metadata_hash_at(link.flags(), name).ok()?;
        let this = open()?;
        let is_same = |other: Node| {
            let (parent, name) = self.parent_of_met(other)?;
            let other = open_file(&parent, &name, link).ok()?;
            Some(this.is_same_object(&other))
        };
        let mut linked = std::mem::take(&mut self.lock().linked);
        let identity = linked.identify(hash, node, |other| is_same(other).unwrap_or(false));
        self.lock().linked = linked;
        Some(identity)
    }

    /// The directory of an entry, without making it the one that was used last.
    fn parent_of_met(&self, node: Node) -> Option<(Descriptor, String)> {
        let (parent, name) = self.lock().names.get(node.0 as usize).cloned()?;
        let below = match parent {
            ROOT => ".".to_owned(),
            parent => self.path_of(parent),
        };
        Some((open_directory(&self.given, &below, self.link).ok()?, name))
    }

    fn push_entry(&self, batch: &mut EntryBatch, directory: &Descriptor, above: Node, name: &str) {
        let node = {
            let mut met = self.lock();
            met.names.push((above, name.to_owned()));
            Node(met.names.len() as u64 - 1)
        };
        match self.describe(directory, name, node, self.link) {
            Ok(entry) => batch.push(name.encode_utf16(), entry),
            Err(error) => batch.problems.push(EntryProblem {
                name: name.encode_utf16().collect(),
                error,
            }),
        }
    }
}

fn time(time: Option<Datetime>) -> FileTime {
    let time = time.map_or((0, 0), |time| (time.seconds, time.nanoseconds));
    FileTime::from_unix(i64::try_from(time.0).unwrap_or(i64::MAX), time.1)
}

fn read_link(directory: &Descriptor, name: &str) -> Result<Link> {
    let target = directory.readlink_at(name).map_err(|code| {
        let what = match code {
            ErrorCode::NotPermitted | ErrorCode::Access => {
                "the target of the symbolic link is absolute, and wasi:filesystem does not tell such"
            }
            _ => "cannot read the target of the symbolic link",
        };
        Error::new(ErrorKind::ReadLink, what).because(cause(code))
    })?;
    let followed = directory.stat_at(AtLink::Follow.flags(), name);
    Ok(Link {
        target: target.encode_utf16().collect(),
        to_directory: followed.is_ok_and(|stat| stat.type_ == DescriptorType::Directory),
    })
}

impl Source for WasiSource {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn root(&self, wanted: Wanted) -> Result<EntryBatch> {
        let mut batch = EntryBatch::default();
        let entry = self.describe(&self.given, &self.below, ROOT, AtLink::Stop);
        batch.push([], entry.map_err(|error| error.at(self.path.display()))?);
        if wanted.xattrs {
            batch.warnings.push(EntryWarning {
                name: Vec::new(),
                text: "owners, modes, device numbers and extended attributes are not stored: \
                       wasi:filesystem does not tell them"
                    .into(),
            });
        }
        Ok(batch)
    }

    fn read_dir(&self, directory: Node, _wanted: Wanted) -> Result<EntryBatch> {
        let failure = |code| {
            let what = "cannot open directory";
            failed(ErrorKind::OpenDirectory, what, self.shown(directory), code)
        };
        let descriptor = self.directory(directory).map_err(failure)?;
        let names = descriptor.read_directory().map_err(failure)?;
        let mut batch = EntryBatch::default();
        while let Some(entry) = names.read_directory_entry().map_err(failure)? {
            if entry.name != "." && entry.name != ".." {
                self.push_entry(&mut batch, &descriptor, directory, &entry.name);
            }
        }
        Ok(batch)
    }

    fn open(&self, node: Node, _stream: u32) -> Result<Box<dyn OpenStream + '_>> {
        let failure = |code| failed(ErrorKind::Open, "cannot open", self.shown(node), code);
        let (directory, name) = self.parent(node).map_err(failure)?;
        let file = open_file(&directory, &name, self.link).map_err(failure)?;
        Ok(Box::new(OpenFile(file)))
    }

    /// The host knows no absolute paths, so none leads anywhere.
    fn inside_root(&self, _target: &[u16]) -> Result<Option<usize>> {
        Ok(None)
    }
}

struct OpenFile(Descriptor);

impl OpenStream for OpenFile {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        read_at(&self.0, offset, buffer).map_err(|code| {
            Error::new(ErrorKind::Read, "cannot read the file").because(cause(code))
        })
    }

    fn stamp(&mut self) -> Result<Option<Stamp>> {
        let stat = self.0.stat().map_err(|code| {
            Error::new(ErrorKind::Stat, "cannot read the metadata of the file").because(cause(code))
        })?;
        if stat.type_ != DescriptorType::RegularFile {
            return Err(Error::new(
                ErrorKind::Changed,
                "the file was replaced by something that is not a regular file",
            ));
        }
        Ok(Some(Stamp {
            size: stat.size,
            write_time: time(stat.data_modification_timestamp),
        }))
    }
}
