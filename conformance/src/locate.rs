//! Where the programs are, and what happens when one is missing.
//!
//! A test that needs a program asks for it here. With `WIMFORGE_REQUIRE_TOOLS=1`, which the test
//! command sets, a missing one fails the test; otherwise the test is skipped, with a line on
//! standard error that the test runner does not swallow.

use crate::tool::Call;
use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The program under test.
///
/// `WIMFORGE_BIN` names it. Without that it is the program beside the running test or benchmark in
/// Cargo's target directory, brought up to date first, so that no stale binary is ever tested.
///
/// # Panics
/// If it is not there and cannot be built.
#[must_use]
pub fn wimforge() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match env::var_os("WIMFORGE_BIN") {
        Some(path) => {
            let path = PathBuf::from(path);
            path.canonicalize()
                .unwrap_or_else(|error| panic!("WIMFORGE_BIN={}: {error}", path.display()))
        }
        None => build_beside_me(),
    })
}

fn build_beside_me() -> PathBuf {
    let me = env::current_exe().expect("path of the running program");
    let mut dir = me.parent().expect("a directory").to_owned();
    if dir.ends_with("deps") {
        dir.pop();
    }
    let release = dir.ends_with("release");
    let target = dir.parent().expect("target directory").to_owned();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--quiet",
            "--package",
            "wimforge",
            "--bin",
            "wimforge",
        ])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .arg("--target-dir")
        .arg(target);
    if release {
        command.arg("--release");
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "cannot build the program under test");
    dir.join("wimforge")
}

/// The program under test through a symbolic link with this name, e.g. `wimlib-imagex`: under the
/// names of wimlib it behaves like wimlib. The links lie beside the running program.
///
/// # Panics
/// If the link cannot be made.
#[must_use]
pub fn wimforge_as(name: &str) -> PathBuf {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    let dir = DIR.get_or_init(names_directory);
    let link = dir.join(name);
    // Several tests may ask at once; one of them makes it.
    drop(std::os::unix::fs::symlink(wimforge(), &link));
    assert!(link.exists(), "cannot link {}", link.display());
    link
}

/// A directory of this process, after removing those of processes that ended.
fn names_directory() -> PathBuf {
    const PREFIX: &str = "names-of-wimforge-";
    let me = env::current_exe().expect("path of the running program");
    let place = me.parent().expect("a directory");
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if let Some(process) = name.to_str().and_then(|name| name.strip_prefix(PREFIX))
            && !Path::new("/proc").join(process).exists()
        {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
    let dir = place.join(format!("{PREFIX}{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory for links");
    dir
}

/// wimlib's program.
#[must_use]
pub fn wimlib() -> Option<PathBuf> {
    require(
        "wimlib-imagex",
        "WIMLIB_BIN",
        &["wimlib-imagex"],
        "wimtools",
    )
}

/// 7-Zip.
#[must_use]
pub fn seven_zip() -> Option<PathBuf> {
    require("7-Zip", "SEVENZIP_BIN", &["7zz", "7z", "7za"], "7zip")
}

/// The program that runs another one as another user; `None` too if we may not.
#[must_use]
pub fn setpriv() -> Option<PathBuf> {
    let path = require("setpriv", "SETPRIV_BIN", &["setpriv"], "util-linux")?;
    let allowed = Call::new("/bin/true").as_nobody(&path).run().succeeded();
    if !allowed {
        skip("cannot run a program as another user: not root");
    }
    allowed.then_some(path)
}

/// A program, or nothing after saying that the test is skipped.
///
/// # Panics
/// If it is missing where tools are required.
#[must_use]
pub fn require(what: &str, variable: &str, names: &[&str], package: &str) -> Option<PathBuf> {
    let found = env::var_os(variable)
        .map(PathBuf::from)
        .or_else(|| names.iter().find_map(|name| in_path(name)));
    if found.is_none() {
        let text = format!("{what} is not installed (Debian package {package})");
        assert!(env::var_os("WIMFORGE_REQUIRE_TOOLS").is_none(), "{text}");
        skip(&text);
    }
    found
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path: OsString = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// Says that something was not tested, past the test runner's capture, and into the file that
/// `WIMFORGE_SKIPS` names.
pub fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED {test}: {why}\n");
    drop(std::io::stderr().write_all(line.as_bytes()));
    if let Some(path) = env::var_os("WIMFORGE_SKIPS")
        && let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path)
    {
        drop(file.write_all(line.as_bytes()));
    }
}
