//! What an image is captured from: one directory or volume, or the sources of a list.

use std::path::Path;

use wimforge_core::port::{Source, Workers};
use wimforge_core::scan::{ScanOptions, Scanned, Scanner};
use wimforge_core::{Error, ErrorKind, Result};

use crate::failure::Failure;
use crate::host::{Host, OpenedSource, SourceKind, SourceOptions};
use crate::report::Reporter;
use crate::source_list;

/// Most bytes of a list of sources.
const LIST_LIMIT: u64 = 256 << 20;

/// The sources of an image, open.
pub struct Sources {
    placed: Vec<Placed>,
    is_list: bool,
}

/// A source and its place in the image.
struct Placed {
    opened: OpenedSource,
    /// Empty for the root.
    target: String,
}

impl Sources {
    /// A directory or an NTFS volume that becomes the root.
    pub fn single(
        host: &dyn Host,
        path: &Path,
        options: SourceOptions,
        reporter: &Reporter<'_>,
    ) -> Result<Self> {
        let opened = host.open_source(path, options)?;
        match &opened.volume {
            Some(volume) => {
                reporter.line(&format!(
                    "Capturing WIM image from NTFS filesystem on \"{}\"",
                    path.display()
                ));
                for warning in &volume.warnings {
                    reporter.warning(warning);
                }
            }
            None if options.partition.is_some() => {
                let what = format!(
                    "\"{}\" is a directory, so --partition makes no sense",
                    path.display()
                );
                return Err(Error::new(ErrorKind::Parameter, what));
            }
            None => {}
        }
        let target = String::new();
        Ok(Self {
            placed: vec![Placed { opened, target }],
            is_list: false,
        })
    }

    /// What the list at `path` names; `-` is standard input.
    pub fn listed(host: &dyn Host, path: &Path, options: SourceOptions) -> Result<Self, Failure> {
        let text = match path.as_os_str() == "-" {
            true => read_standard_input(host)?,
            false => host.read_file(path, LIST_LIMIT).map_err(|error| {
                let list = path.display();
                Failure::usage(format!(
                    "cannot read the list of sources \"{list}\": {error}"
                ))
            })?,
        };
        let lines = source_list::parse(&text, &path.display().to_string())?;
        let mut placed = Vec::with_capacity(lines.len());
        for line in lines {
            let kind = match line.is_root() {
                true => SourceKind::Tree,
                false => SourceKind::Anything,
            };
            let opened = host.open_source(&line.path, SourceOptions { kind, ..options })?;
            let target = line.target;
            placed.push(Placed { opened, target });
        }
        Ok(Self {
            placed,
            is_list: true,
        })
    }

    /// Adds a single file at a place in the image.
    pub fn add_file(
        &mut self,
        host: &dyn Host,
        path: &Path,
        target: &str,
        options: SourceOptions,
    ) -> Result<()> {
        let kind = SourceKind::Anything;
        let opened = host.open_source(path, SourceOptions { kind, ..options })?;
        let target = target.to_owned();
        self.placed.push(Placed { opened, target });
        Ok(())
    }

    /// For reading their data, in order.
    pub fn all(&self) -> Vec<&dyn Source> {
        self.placed
            .iter()
            .map(|placed| &*placed.opened.source)
            .collect()
    }

    /// The volume, if an NTFS volume is captured.
    pub fn volume(&self) -> Option<&OpenedSource> {
        let mut opened = self.placed.iter().map(|placed| &placed.opened);
        opened.find(|opened| opened.volume.is_some())
    }

    /// Whether one of them becomes the root of the image.
    pub fn any_root(&self) -> bool {
        self.placed.iter().any(|placed| placed.target.is_empty())
    }

    /// Whether all of them become the root of the image.
    pub fn all_root(&self) -> bool {
        self.placed.iter().all(|placed| placed.target.is_empty())
    }

    /// Scans them into one image.
    pub fn scan(
        &self,
        options: &ScanOptions,
        workers: &dyn Workers,
        reporter: &Reporter<'_>,
    ) -> Result<Scanned> {
        let mut scanner = Scanner::new(options, reporter).read_ahead(workers);
        for placed in &self.placed {
            scanner.add(&*placed.opened.source, placed.target.as_bytes())?;
            reporter.end_line();
        }
        if self.is_list {
            scanner.make_root()?;
        }
        scanner.finish()
    }
}

/// All of standard input.
pub fn read_standard_input(host: &dyn Host) -> Result<Vec<u8>> {
    let mut input = host.stdin()?;
    let mut text = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(text),
            size => text.extend_from_slice(&buffer[..size]),
        }
        if text.len() as u64 > LIST_LIMIT {
            let what = format!("standard input has more than {LIST_LIMIT} bytes");
            return Err(Error::new(ErrorKind::Memory, what));
        }
    }
}
