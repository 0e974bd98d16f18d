//! The native host of the command line.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use wimforge_command::{
    Console, Described, Host, Lock, NewArchive, OpenedArchive, OpenedSource, SourceKind,
    SourceOptions,
};
use wimforge_core::format::Guid;
use wimforge_core::port::{Feed, FileIdentity, Sink, Source, Storage, Target, Workers};
use wimforge_core::text::BadNames;
use wimforge_core::time::FileTime;
use wimforge_core::{Error, ErrorKind, Result};

use crate::console::Terminal;
use crate::failure::failed;
use crate::file::{Access, FileStorage, NewFile};
use crate::ntfs;
use crate::pipe;
use crate::posix::target::PosixTarget;
use crate::posix::{PosixSource, PosixSourceOptions, SingleFile, is_directory};
use crate::threads::Threads;

/// The operating system.
#[derive(Default)]
pub struct NativeHost {
    terminal: Terminal,
    cancelled: Arc<AtomicBool>,
}

impl NativeHost {
    /// With signals caught: the first one asks the operation to stop and clean up, the next one ends
    /// the program at once. Archives that are being written have no name yet, so nothing is left
    /// behind even then.
    #[must_use]
    pub fn with_signals() -> Self {
        let host = Self::default();
        let cancelled = Arc::clone(&host.cancelled);
        // Without a handler the signal ends the program, which is safe too.
        let _ = ctrlc::set_handler(move || {
            if cancelled.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        });
        host
    }
}

impl Host for NativeHost {
    fn console(&self) -> &dyn Console {
        &self.terminal
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn now(&self) -> FileTime {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        FileTime::from_unix(
            i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            now.subsec_nanos(),
        )
    }

    fn random_guid(&self) -> Result<Guid> {
        let mut guid = [0; 16];
        getrandom::fill(&mut guid).map_err(|error| {
            Error::new(ErrorKind::Unsupported, "the system gives no random numbers")
                .because(io::Error::from(error))
        })?;
        Ok(Guid(guid))
    }

    fn workers(&self, threads: usize) -> Box<dyn Workers> {
        Box::new(Threads::new(threads))
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn open_source(&self, path: &Path, options: SourceOptions) -> Result<OpenedSource> {
        let posix = PosixSourceOptions {
            dereference: options.dereference,
            bad_names: options.bad_names,
        };
        let source: Box<dyn Source> = match options.kind {
            SourceKind::TreeOrVolume => {
                let metadata = std::fs::metadata(path)
                    .map_err(|error| failed(ErrorKind::Stat, "cannot find", path, error))?;
                if !metadata.is_dir() {
                    return ntfs::open_volume(path, options);
                }
                Box::new(PosixSource::open(path, posix)?)
            }
            SourceKind::Anything if !is_directory(path, posix)? => {
                Box::new(SingleFile::new(path, posix))
            }
            SourceKind::Tree | SourceKind::Anything => Box::new(PosixSource::open(path, posix)?),
        };
        Ok(OpenedSource {
            source,
            volume: None,
        })
    }

    fn describe(&self, path: &Path, partition: Option<u32>) -> Result<Option<Described>> {
        ntfs::describe(path, partition)
    }

    fn open_target(&self, path: &Path, bad_names: BadNames) -> Result<Box<dyn Target>> {
        Ok(Box::new(PosixTarget::open(path)?.with_bad_names(bad_names)))
    }

    fn open_archive(&self, path: &Path) -> Result<OpenedArchive> {
        opened(FileStorage::open(path, Access::Read)?)
    }

    fn modify_archive(&self, path: &Path) -> Result<OpenedArchive> {
        opened(FileStorage::open(path, Access::Modify)?)
    }

    fn create_archive(&self, path: &Path, lock: Lock) -> Result<Box<dyn NewArchive>> {
        Ok(Box::new(NewFile::create(path, lock)?))
    }

    fn stdin(&self) -> Result<Box<dyn Feed>> {
        pipe::stdin()
    }

    fn stdout(&self) -> Result<Box<dyn Sink>> {
        pipe::stdout()
    }

    fn open_sink(&self, path: &Path) -> Result<Option<Box<dyn Sink>>> {
        pipe::open_sink(path)
    }

    fn expand(&self, pattern: &Path) -> Result<Vec<PathBuf>> {
        let literal = || vec![pattern.to_owned()];
        let Some(text) = pattern.to_str() else {
            return Ok(literal());
        };
        let malformed = |error| {
            Error::new(ErrorKind::GlobUnmatched, format!("{text:?} is no pattern")).because(error)
        };
        let found = glob::glob(text).map_err(malformed)?;
        let found: Vec<PathBuf> = found.collect::<Result<_, _>>().map_err(|error| {
            let path = error.path().to_owned();
            failed(
                ErrorKind::Open,
                "cannot look into",
                &path,
                io::Error::from(error),
            )
        })?;
        Ok(match found.is_empty() {
            true => literal(),
            false => found,
        })
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn read_file(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        File::open(path)?.take(limit + 1).read_to_end(&mut data)?;
        if data.len() as u64 > limit {
            return Err(io::Error::other(format!(
                "the file has more than {limit} bytes"
            )));
        }
        Ok(data)
    }

    fn write_file(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        std::fs::write(path, data)
    }
}

fn opened(storage: FileStorage) -> Result<OpenedArchive> {
    let identity = storage.identity();
    Ok(OpenedArchive {
        storage: Arc::new(storage),
        identity,
    })
}

impl NewArchive for NewFile {
    fn storage(&self) -> &dyn Storage {
        self.file()
    }

    fn identities(&self) -> Vec<FileIdentity> {
        self.all_identities()
    }

    fn commit(self: Box<Self>) -> Result<()> {
        (*self).put_in_place()
    }
}
