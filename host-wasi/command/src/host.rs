//! The host of the command line.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use wasip2::filesystem::types::{DescriptorFlags, DescriptorType, OpenFlags};
use wimforge_command::{
    Console, Described, Host, Lock, NewArchive, OpenedArchive, OpenedSource, SourceKind,
    SourceOptions,
};
use wimforge_core::format::Guid;
use wimforge_core::port::{Feed, Inline, Sink, Target, Workers};
use wimforge_core::text::BadNames;
use wimforge_core::time::FileTime;
use wimforge_core::{Error, ErrorKind, Result};

use crate::failure::{cause, failed};
use crate::files::{FileStorage, NewFile, PIECE, write_at};
use crate::links::Written;
use crate::paths::{AtLink, Given, open_file};
use crate::source::WasiSource;
use crate::streams::{Input, Output, Streams};
use crate::target::WasiTarget;
use crate::volume;

/// What is different from the native program, for the help.
pub const NOTES: &str = "
This is the component, which knows of files what wasi:filesystem tells:
  - files are found below the directories that it was given (wasmtime run --dir);
  - captured: no owners, modes, device nodes or extended attributes, no holes of sparse
    files, no times before 1970; absolute symbolic links and names that are not UTF-8
    cannot be read;
  - restored: no owners, modes, device nodes or extended attributes; absolute links are
    made relative to the directory, or refused;
  - archives are not locked, one thread works, a signal ends it at once;
  - the exit code is 0 or 1; the message tells more.
";

/// wasi:cli and wasi:filesystem.
pub struct WasiHost {
    given: Given,
    written: Written,
}

impl WasiHost {
    pub fn new() -> Self {
        Self {
            given: Given::new(),
            written: Written::default(),
        }
    }

    fn open_tree(
        &self,
        path: &Path,
        options: SourceOptions,
        at_root: AtLink,
    ) -> Result<WasiSource> {
        let link = match options.dereference {
            true => AtLink::Follow,
            false => AtLink::Stop,
        };
        WasiSource::open(&self.given, path, link, at_root, self.written.clone())
    }
}

fn tree(source: WasiSource) -> OpenedSource {
    OpenedSource {
        source: Box::new(source),
        volume: None,
    }
}

impl Host for WasiHost {
    fn console(&self) -> &dyn Console {
        &Streams
    }

    fn notes(&self) -> &str {
        NOTES
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        let mut variables = wasip2::cli::environment::get_environment().into_iter();
        let found = variables.find(|variable| variable.0 == name);
        found.map(|(_, value)| value.into())
    }

    fn now(&self) -> FileTime {
        let now = wasip2::clocks::wall_clock::now();
        FileTime::from_unix(
            i64::try_from(now.seconds).unwrap_or(i64::MAX),
            now.nanoseconds,
        )
    }

    fn random_guid(&self) -> Result<Guid> {
        let bytes = wasip2::random::random::get_random_bytes(16);
        let guid = bytes
            .try_into()
            .map_err(|_| Error::new(ErrorKind::Unsupported, "the host gives no random numbers"))?;
        Ok(Guid(guid))
    }

    fn workers(&self, _threads: usize) -> Box<dyn Workers> {
        Box::new(Inline)
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn open_source(&self, path: &Path, options: SourceOptions) -> Result<OpenedSource> {
        if options.kind == SourceKind::Anything {
            return Ok(tree(self.open_tree(path, options, AtLink::Stop)?));
        }
        let stat = self.given.find(path)?.stat();
        let stat = stat.map_err(|code| failed(ErrorKind::Stat, "cannot find", path, code))?;
        match (stat.type_, options.kind) {
            (DescriptorType::Directory, _) => {
                Ok(tree(self.open_tree(path, options, AtLink::Follow)?))
            }
            (_, SourceKind::TreeOrVolume) => volume::open_volume(&self.given, path, options),
            _ => Err(Error::new(
                ErrorKind::NotDirectory,
                format!("{:?} is not a directory", path.display().to_string()),
            )),
        }
    }

    fn describe(&self, path: &Path, partition: Option<u32>) -> Result<Option<Described>> {
        volume::describe(&self.given, path, partition)
    }

    /// Names are Unicode here, whatever is asked for.
    fn open_target(&self, path: &Path, _bad_names: BadNames) -> Result<Box<dyn Target>> {
        Ok(Box::new(WasiTarget::open(&self.given, path)?))
    }

    fn open_archive(&self, path: &Path) -> Result<OpenedArchive> {
        Ok(OpenedArchive {
            storage: Arc::new(FileStorage::open(&self.given, path)?),
            identity: None,
        })
    }

    fn modify_archive(&self, path: &Path) -> Result<OpenedArchive> {
        let storage = FileStorage::modify(&self.given, path)?;
        let place = self.given.find(path)?;
        let again = open_file(place.given, &place.below, AtLink::Follow);
        let again = again.map_err(|code| failed(ErrorKind::Open, "cannot open", path, code))?;
        let identity = self.written.add(place.parent_and_name().1, again);
        Ok(OpenedArchive {
            storage: Arc::new(storage),
            identity: Some(identity),
        })
    }

    fn create_archive(&self, path: &Path, _lock: Lock) -> Result<Box<dyn NewArchive>> {
        Ok(Box::new(NewFile::create(&self.given, path, &self.written)?))
    }

    fn stdin(&self) -> Result<Box<dyn Feed>> {
        Ok(Box::new(Input::new()))
    }

    fn stdout(&self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Output::new()))
    }

    fn open_sink(&self, _path: &Path) -> Result<Option<Box<dyn Sink>>> {
        Ok(None)
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.given.find(path).is_ok_and(|place| {
            let stat = place.stat();
            stat.is_ok_and(|stat| stat.type_ == DescriptorType::Directory)
        })
    }

    fn exists(&self, path: &Path) -> bool {
        self.given
            .find(path)
            .is_ok_and(|place| place.stat().is_ok())
    }

    fn read_file(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let place = self.given.find(path).map_err(io::Error::other)?;
        let file = open_file(place.given, &place.below, AtLink::Follow).map_err(cause)?;
        if file.get_type().map_err(cause)? == DescriptorType::Directory {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut data = Vec::new();
        while data.len() as u64 <= limit {
            let (piece, _) = file.read(PIECE as u64, data.len() as u64).map_err(cause)?;
            if piece.is_empty() {
                return Ok(data);
            }
            data.extend(piece);
        }
        Err(io::Error::other(format!(
            "the file has more than {limit} bytes"
        )))
    }

    fn write_file(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let place = self.given.find(path).map_err(io::Error::other)?;
        let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let follow = AtLink::Follow.flags();
        let file = place
            .given
            .open_at(follow, &place.below, flags, DescriptorFlags::WRITE);
        write_at(&file.map_err(cause)?, 0, data).map_err(cause)
    }
}
