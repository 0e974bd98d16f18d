//! Files below the directories that the component was given.

use std::path::Path;

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorStat, ErrorCode, OpenFlags, PathFlags,
};
use wimforge_core::{Error, ErrorKind, Result};

/// The directories that the component was given.
pub struct Given(Vec<(Descriptor, String)>);

/// A path below one of them.
pub struct Place<'a> {
    /// The directory.
    pub given: &'a Descriptor,
    /// The path from there; `.` for the directory itself.
    pub below: String,
    /// The path as it was typed, for messages.
    pub typed: &'a Path,
}

impl Given {
    pub fn new() -> Self {
        let named = get_directories().into_iter();
        Self(
            named
                .map(|(descriptor, name)| (descriptor, normal(&name)))
                .collect(),
        )
    }

    /// Where a path is: below the given directory whose name is the longest beginning of it.
    pub fn find<'a>(&'a self, typed: &'a Path) -> Result<Place<'a>> {
        let text = typed.to_str().ok_or_else(|| {
            let what = format!("{:?} is not valid UTF-8", typed.display().to_string());
            Error::new(ErrorKind::Utf8, what)
        })?;
        let path = normal(text);
        let candidates = self
            .0
            .iter()
            .filter_map(|(given, name)| Some((name.len(), given, below(&path, name)?)));
        let best = candidates.max_by_key(|candidate| candidate.0);
        let (_, given, below) = best.ok_or_else(|| {
            Error::new(
                ErrorKind::Open,
                format!(
                    "{text:?} is not in a directory that this program was given; wasmtime gives it \
                     one with --dir"
                ),
            )
        })?;
        let below = match below {
            "" => ".".to_owned(),
            below => below.to_owned(),
        };
        Ok(Place {
            given,
            below,
            typed,
        })
    }
}

/// Without `.` components and repeated slashes; `.` itself is empty.
fn normal(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let components = path.split('/').filter(|name| !matches!(*name, "" | "."));
    format!("{root}{}", components.collect::<Vec<_>>().join("/"))
}

/// The rest of a path behind a directory that it begins with.
fn below<'p>(path: &'p str, directory: &str) -> Option<&'p str> {
    match directory {
        "" => (!path.starts_with('/')).then_some(path),
        "/" => path.strip_prefix('/'),
        _ => match path.strip_prefix(directory)? {
            "" => Some(""),
            rest => rest.strip_prefix('/'),
        },
    }
}

/// What a lookup does with a link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtLink {
    Follow,
    Stop,
}

impl AtLink {
    pub fn flags(self) -> PathFlags {
        match self {
            AtLink::Follow => PathFlags::SYMLINK_FOLLOW,
            AtLink::Stop => PathFlags::empty(),
        }
    }
}

type Outcome<T> = std::result::Result<T, ErrorCode>;

/// Opens a file to be read.
pub fn open_file(at: &Descriptor, path: &str, link: AtLink) -> Outcome<Descriptor> {
    at.open_at(
        link.flags(),
        path,
        OpenFlags::empty(),
        DescriptorFlags::READ,
    )
}

/// Opens a directory.
pub fn open_directory(at: &Descriptor, path: &str, link: AtLink) -> Outcome<Descriptor> {
    let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
    let opened = at.open_at(link.flags(), path, OpenFlags::DIRECTORY, flags);
    match opened {
        // One that was given for reading only.
        Err(ErrorCode::NotPermitted | ErrorCode::ReadOnly | ErrorCode::Access) => at.open_at(
            link.flags(),
            path,
            OpenFlags::DIRECTORY,
            DescriptorFlags::READ,
        ),
        opened => opened,
    }
}

impl Place<'_> {
    pub fn stat(&self) -> Outcome<DescriptorStat> {
        self.given.stat_at(AtLink::Follow.flags(), &self.below)
    }

    /// The directory that it is in, from the given one, and its name there.
    pub fn parent_and_name(&self) -> (&str, &str) {
        match self.below.rsplit_once('/') {
            Some((parent, name)) => (parent, name),
            None => (".", &self.below),
        }
    }
}
