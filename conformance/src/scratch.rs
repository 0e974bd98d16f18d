//! Directories for temporary things, removed when dropped.

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A temporary directory with a canonical path, so that absolute links can be compared as text.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    // Removed with everything in it when dropped.
    _dir: TempDir,
}

impl Scratch {
    /// Makes a directory that any user may enter (tests run programs as other users).
    ///
    /// # Panics
    /// If there is no place for one.
    #[must_use]
    pub fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::Builder::new()
            .prefix("wimforge-conformance-")
            .tempdir()
            .expect("a temporary directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))
            .expect("set the mode of a temporary directory");
        let path = dir.path().canonicalize().expect("canonical temporary path");
        Self { path, _dir: dir }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// The names in it, sorted: to see that nothing was left behind.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        names_in(&self.path)
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// The names in a directory, sorted.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("read {}: {error}", dir.display()))
        .map(|entry| {
            let entry = entry.expect("a directory entry");
            entry.file_name().to_string_lossy().into_owned()
        })
        .collect();
    names.sort();
    names
}
