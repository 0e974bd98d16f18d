//! The work that both programs do.
//!
//! Written as `VERB:TYPE[:LEVEL][@CHUNK][+solid]`, e.g. `capture:lzx:20`, `capture:lzx@2M`,
//! `verify:xpress`, `capture:lzms@64M+solid`.

use super::measure::Cost;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of the two programs.
#[derive(Clone, Debug)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A new archive of the corpus.
    Capture,
    /// Decompressing and hashing everything.
    Verify,
    /// Restoring into an empty directory.
    Apply,
    /// Describing the archive.
    Info,
    /// Listing all files.
    Dir,
    /// Writing the archive anew.
    Optimize,
    /// Copying the image into a new archive.
    Export,
}

const VERBS: [(&str, Verb); 7] = [
    ("capture", Verb::Capture),
    ("verify", Verb::Verify),
    ("apply", Verb::Apply),
    ("info", Verb::Info),
    ("dir", Verb::Dir),
    ("optimize", Verb::Optimize),
    ("export", Verb::Export),
];

impl Verb {
    fn name(self) -> &'static str {
        let named = VERBS.into_iter().find(|entry| entry.1 == self);
        named.map_or("", |entry| entry.0)
    }
}

/// A verb and how the archive is compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    verb: Verb,
    // With the level, as `--compress` takes it.
    compression: String,
    chunk: Option<String>,
    solid: bool,
}

/// Where a work happens.
#[derive(Clone, Debug)]
pub struct Site {
    source: PathBuf,
    archive: PathBuf,
    /// An archive made of the archive.
    made: PathBuf,
    /// Where each restoration gets a directory.
    targets: PathBuf,
}

impl Work {
    /// Reads it as it is written.
    ///
    /// # Errors
    /// A message for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (rest, solid) = match text.strip_suffix("+solid") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (rest, chunk) = match rest.split_once('@') {
            Some((rest, chunk)) => (rest, Some(chunk.to_owned())),
            None => (rest, None),
        };
        let (verb, compression) = rest
            .split_once(':')
            .ok_or_else(|| format!("{text:?} is not VERB:TYPE[:LEVEL][@CHUNK][+solid]"))?;
        let known = VERBS.into_iter().find(|entry| entry.0 == verb);
        let verb = known
            .ok_or_else(|| format!("{verb:?} is no work that is known"))?
            .1;
        Ok(Self {
            verb,
            compression: compression.to_owned(),
            chunk,
            solid,
        })
    }

    fn compression_args(&self) -> Vec<String> {
        let mut args = Vec::new();
        if self.solid {
            args.push("--solid".to_owned());
            args.push(format!("--solid-compress={}", self.compression));
            if let Some(chunk) = &self.chunk {
                args.push(format!("--solid-chunk-size={chunk}"));
            }
        } else {
            args.push(format!("--compress={}", self.compression));
            if let Some(chunk) = &self.chunk {
                args.push(format!("--chunk-size={chunk}"));
            }
        }
        args
    }

    /// Makes what the work needs. An archive to read is made by wimlib, so that both read the same.
    ///
    /// # Errors
    /// If that fails.
    pub fn prepare(&self, dir: &Path, source: &Path, wimlib: &Program) -> io::Result<Site> {
        let site = Site {
            source: source.to_owned(),
            archive: dir.join("bench.wim"),
            made: dir.join("bench-made.wim"),
            targets: dir.join("bench-restored"),
        };
        site.clear()?;
        if self.verb != Verb::Capture {
            Cost::of(&mut self.capture(wimlib, &site, None))?;
        }
        Ok(site)
    }

    /// Does it once.
    ///
    /// # Errors
    /// If the program fails.
    pub fn run(&self, program: &Program, site: &Site, threads: usize) -> io::Result<Cost> {
        match self.verb {
            Verb::Capture => {
                site.clear()?;
                let mut cost = Cost::of(&mut self.capture(program, site, Some(threads)))?;
                cost.size = fs::metadata(&site.archive)?.len() as f64;
                Ok(cost)
            }
            Verb::Verify | Verb::Info | Verb::Dir => {
                let mut command = pinned(program, threads);
                command.arg(self.verb.name()).arg(&site.archive);
                Cost::of(&mut command)
            }
            Verb::Optimize => {
                // A copy, so that each run finds the same.
                fs::copy(&site.archive, &site.made)?;
                let mut command = pinned(program, threads);
                command.arg("optimize").arg(&site.made);
                Self::sized(&mut command, site)
            }
            Verb::Export => {
                if site.made.exists() {
                    fs::remove_file(&site.made)?;
                }
                let mut command = pinned(program, threads);
                command
                    .arg("export")
                    .arg(&site.archive)
                    .arg("1")
                    .arg(&site.made);
                Self::sized(&mut command, site)
            }
            Verb::Apply => {
                let target = site.new_target()?;
                let mut command = pinned(program, threads);
                command
                    .arg("apply")
                    .arg(&site.archive)
                    .arg("1")
                    .arg(&target);
                Cost::of(&mut command)
            }
        }
    }

    /// The cost of a command that makes an archive of an archive.
    fn sized(command: &mut Command, site: &Site) -> io::Result<Cost> {
        let cost = Cost::of(command)?;
        let size = fs::metadata(&site.made)?.len() as f64;
        Ok(Cost { size, ..cost })
    }

    fn capture(&self, program: &Program, site: &Site, threads: Option<usize>) -> Command {
        let mut command = Command::new(&program.path);
        command
            .arg("capture")
            .arg(&site.source)
            .arg(&site.archive)
            .arg("--norpfix")
            .args(self.compression_args());
        if let Some(threads) = threads {
            command.arg(format!("--threads={threads}"));
        }
        command
    }
}

impl Site {
    /// Removes what the work made.
    ///
    /// # Errors
    /// If that fails.
    pub fn clear(&self) -> io::Result<()> {
        for file in [&self.archive, &self.made] {
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
        if self.targets.exists() {
            fs::remove_dir_all(&self.targets)?;
        }
        Ok(())
    }

    /// Where nothing was restored to. What was restored before stays until the end: ext4 does not give
    /// an inode to a new file that was freed a minute ago, and passes over all of those for each file.
    fn new_target(&self) -> io::Result<PathBuf> {
        fs::create_dir_all(&self.targets)?;
        let before = fs::read_dir(&self.targets)?.count();
        Ok(self.targets.join(before.to_string()))
    }
}

/// Verify and apply know no `--threads` in wimlib: the processors it may use are limited instead.
fn pinned(program: &Program, threads: usize) -> Command {
    let last = threads.saturating_sub(1);
    let mut command = Command::new("taskset");
    command
        .arg("--cpu-list")
        .arg(format!("0-{last}"))
        .arg(&program.path);
    command
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb.name(), self.compression)?;
        if let Some(chunk) = &self.chunk {
            write!(f, ", {chunk} chunks")?;
        }
        if self.solid {
            f.write_str(", solid")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_are_read() {
        let work = Work::parse("capture:lzx:20@2M").expect("legal");
        assert_eq!(work.to_string(), "capture lzx:20, 2M chunks");
        assert_eq!(
            work.compression_args(),
            ["--compress=lzx:20", "--chunk-size=2M"]
        );
        let work = Work::parse("capture:lzms@64M+solid").expect("legal");
        assert_eq!(
            work.compression_args(),
            ["--solid", "--solid-compress=lzms", "--solid-chunk-size=64M"]
        );
        assert!(Work::parse("capture").is_err());
        assert!(Work::parse("mount:lzx").is_err());
    }
}
