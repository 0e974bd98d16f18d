//! The command line of `capture` and `append`, understood.

use std::path::PathBuf;

use clap::ArgMatches;
use wimforge_codec::Format;
use wimforge_core::format::{Compression, Layout};
use wimforge_core::port::OnUnreadable;
use wimforge_core::scan::{OutsideLinks, Overlay, UnixDataForm};
use wimforge_core::text::BadNames;
use wimforge_core::time::FileTime;
use wimforge_core::write::{IntegrityChoice, SolidOptions, WriteOptions};
use wimforge_core::{Error, ErrorKind, Result};

use crate::choices::{self, Space, contradiction};
use crate::compatibility::UnixData;
use crate::failure::Failure;
use crate::host::{Host, SourceKind, SourceOptions};
use crate::invocation::Invocation;
use crate::profile::{Compat, Profile};
use crate::solid::SolidChoice;
use crate::values::CompressionChoice;
use crate::verbs::incremental;

/// Chunks of archives for WIMBoot.
const WIMBOOT: Compression = Compression::Chunked(Format::Xpress, 4096);

/// What was asked for.
pub struct Request {
    pub source: PathBuf,
    pub source_list: bool,
    pub wimfile: PathBuf,
    pub name: Option<String>,
    pub description: Option<String>,
    pub properties: Vec<(String, String)>,
    pub boot: bool,
    pub tree: TreeChoices,
    pub incremental: incremental::Request,
    pub check: bool,
    /// What was asked for; `-` and an archive that is appended to have something to say too.
    pub layout: Option<Layout>,
    pub integrity: IntegrityChoice,
    pub compression: Option<CompressionChoice>,
    pub chunk_size: Option<u32>,
    pub solid: SolidChoice,
    pub threads: usize,
    pub space: Space,
    /// `append` makes an archive that does not exist.
    pub create: bool,
    pub dry_run: bool,
    pub verbose: bool,
    pub epoch: Option<FileTime>,
}

/// How a tree becomes an image.
pub struct TreeChoices {
    pub profile: Profile,
    pub config: Option<PathBuf>,
    pub wimboot: bool,
    pub fix_links: Option<bool>,
    pub outside_links: OutsideLinks,
    pub dereference: bool,
    pub bad_names: BadNames,
    pub unix_data: UnixDataForm,
    pub no_acls: bool,
    pub strict_acls: bool,
    pub on_unreadable: OnUnreadable,
    pub decode_system_compression: bool,
    pub partition: Option<u32>,
}

impl Request {
    /// Reads the command line.
    ///
    /// # Errors
    /// Options that contradict each other, or that are impossible here.
    pub fn of(host: &dyn Host, invocation: &Invocation) -> Result<Self, Failure> {
        let matches = &invocation.matches;
        let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let appends = invocation.verb == "append";
        let append_flag = |name: &str| appends && matches.get_flag(name);
        let chunk_size = matches.get_one::<u64>("chunk-size").copied();
        let request = Self {
            source: path("SOURCE").unwrap_or_default(),
            source_list: matches.get_flag("source-list"),
            wimfile: path("WIMFILE").unwrap_or_default(),
            name: text("IMAGE_NAME"),
            description: text("IMAGE_DESCRIPTION").filter(|text| !text.is_empty()),
            properties: properties(matches),
            boot: matches.get_flag("boot"),
            tree: TreeChoices::of(invocation)?,
            incremental: incremental::Request::of(matches, appends)?,
            check: matches.get_flag("check"),
            layout: choices::layout(matches)?,
            integrity: choices::integrity(matches)?,
            compression: matches.get_one::<CompressionChoice>("compress").copied(),
            chunk_size: chunk_size.map(|size| u32::try_from(size).unwrap_or(u32::MAX)),
            solid: SolidChoice::of(matches),
            threads: matches.get_one::<usize>("threads").copied().unwrap_or(0),
            space: match appends {
                true => choices::space(matches),
                false => Space::Left,
            },
            create: append_flag("create"),
            dry_run: matches.get_flag("dry-run"),
            verbose: matches.get_flag("verbose"),
            epoch: choices::epoch(host)?,
        };
        if matches.get_flag("snapshot") {
            let what = "--snapshot is possible on Windows only, where it uses VSS";
            return Err(Error::new(ErrorKind::Unsupported, what).into());
        }
        request.check_output()?;
        Ok(request)
    }

    /// Refuses what cannot go into a pipe.
    fn check_output(&self) -> Result<(), Failure> {
        let is_pipable = self.is_to_stdout() || self.layout == Some(Layout::Pipable);
        if is_pipable && self.solid.is_wanted() {
            return Err(contradiction("solid", "pipable"));
        }
        if !self.is_to_stdout() {
            return Ok(());
        }
        if self.layout == Some(Layout::Seekable) {
            return Err(contradiction("not-pipable", "WIMFILE \"-\""));
        }
        match self.integrity {
            IntegrityChoice::Include => Err(contradiction("check", "WIMFILE \"-\"")),
            IntegrityChoice::Keep | IntegrityChoice::Omit => Ok(()),
        }
    }

    /// Whether the archive goes to standard output.
    pub fn is_to_stdout(&self) -> bool {
        self.wimfile.as_os_str() == "-"
    }

    /// The image name: as given, or the last component of the source.
    pub fn image_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let path = self.source.to_string_lossy();
            let trimmed = path.trim_end_matches('/');
            trimmed.rsplit('/').next().unwrap_or_default().to_owned()
        })
    }

    /// The time now.
    pub fn now(&self, host: &dyn Host) -> FileTime {
        self.epoch.unwrap_or_else(|| host.now())
    }

    /// Whether files get owner, group and mode.
    pub fn unix_data(&self) -> UnixData {
        match self.tree.unix_data {
            UnixDataForm::None => UnixData::Unchanged,
            UnixDataForm::Item | UnixDataForm::Stream => UnixData::Added,
        }
    }

    /// How sources are opened.
    pub fn source_options(&self) -> SourceOptions {
        SourceOptions {
            kind: SourceKind::TreeOrVolume,
            dereference: self.tree.dereference,
            bad_names: self.tree.bad_names,
            decode_system_compression: self.tree.decode_system_compression,
            partition: self.tree.partition,
        }
    }

    /// How an archive is written.
    ///
    /// # Errors
    /// If the host has no random numbers for a GUID.
    pub fn write_options(
        &self,
        host: &dyn Host,
        compression: Compression,
        solid: Option<SolidOptions>,
    ) -> Result<WriteOptions> {
        Ok(WriteOptions {
            compression,
            level: self
                .compression
                .and_then(|choice| choice.level)
                .unwrap_or_default(),
            solid,
            integrity: self.integrity,
            guid: match self.epoch {
                Some(_) => None,
                None => Some(host.random_guid()?),
            },
            now: self.now(host),
            on_unreadable: self.tree.on_unreadable,
        })
    }

    /// The compression of a new archive.
    ///
    /// # Errors
    /// Compression types and chunk sizes that do not go together.
    pub fn new_compression(&self) -> Result<Compression> {
        let usual = match (self.tree.wimboot, self.solid.is_wanted()) {
            (true, _) => Format::Xpress,
            (false, true) => Format::Lzms,
            (false, false) => Format::Lzx,
        };
        let format = match self.compression {
            Some(choice) => choice.format,
            None => Some(usual),
        };
        let like = match self.tree.wimboot {
            true => WIMBOOT,
            false => Compression::None,
        };
        choices::compression(format, self.chunk_size, like)
    }
}

impl TreeChoices {
    fn of(invocation: &Invocation) -> Result<Self, Failure> {
        let matches = &invocation.matches;
        let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
        let compat = match text("compat") {
            Some("wimlib") => Compat::Wimlib,
            Some(_) => Compat::Seed,
            None => invocation.compat,
        };
        let profile = compat.profile();
        Ok(Self {
            profile,
            config: matches.get_one::<PathBuf>("config").cloned(),
            wimboot: matches.get_flag("wimboot"),
            fix_links: choices::either(matches, "rpfix", "norpfix")?,
            outside_links: match text("outside-links") {
                Some("keep") => OutsideLinks::Keep,
                Some(_) => OutsideLinks::Omit,
                None => profile.outside_links,
            },
            dereference: matches.get_flag("dereference"),
            bad_names: choices::bad_names(matches),
            unix_data: match text("unix-data") {
                None => UnixDataForm::None,
                Some("stream") => UnixDataForm::Stream,
                Some(_) => UnixDataForm::Item,
            },
            no_acls: matches.get_flag("no-acls"),
            strict_acls: matches.get_flag("strict-acls"),
            on_unreadable: match text("on-error") {
                Some("skip") => OnUnreadable::Skip,
                _ => OnUnreadable::Fail,
            },
            decode_system_compression: match text("wof") {
                Some("keep") => false,
                Some(_) => true,
                None => profile.decode_system_compression,
            },
            partition: matches.get_one::<u32>("partition").copied(),
        })
    }

    /// What becomes of a file that two sources have.
    pub fn overlay(&self) -> Overlay {
        match self.wimboot {
            true => Overlay::Replace,
            false => self.profile.overlay,
        }
    }
}

/// What `--wimboot` sets, then `--flags` and `--image-property` in the order in which they were typed.
fn properties(matches: &ArgMatches) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let indices = |name: &str| matches.indices_of(name).into_iter().flatten();
    let flags = matches.get_many::<String>("flags").into_iter().flatten();
    for (index, value) in indices("flags").zip(flags) {
        found.push((index, ("FLAGS".to_owned(), value.clone())));
    }
    let given = matches
        .get_many::<(String, String)>("image-property")
        .into_iter()
        .flatten();
    for (index, property) in indices("image-property").zip(given) {
        found.push((index, property.clone()));
    }
    found.sort_by_key(|entry| entry.0);
    let wimboot = matches.get_flag("wimboot");
    let wimboot = wimboot.then(|| ("WIMBOOT".to_owned(), "1".to_owned()));
    let found = found.into_iter().map(|entry| entry.1);
    wimboot.into_iter().chain(found).collect()
}
