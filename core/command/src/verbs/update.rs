//! `update`.

use std::path::PathBuf;

use clap::ArgMatches;
use wimforge_core::hash::Sha1;
use wimforge_core::port::{FileIdentity, OnUnreadable, Source, Wanted, Workers};
use wimforge_core::scan::config::decode_text;
use wimforge_core::scan::{
    Depth, Missing, OutsideLinks, Overlay, ScanOptions, Scanned, Scanner, UnixDataForm,
};
use wimforge_core::time::FileTime;
use wimforge_core::write::{self, ChangedImage, fill_in_sizes};
use wimforge_core::{Error, ErrorKind};

use super::modify::Session;
use super::sources::read_standard_input;
use super::{archive, config};
use crate::choices;
use crate::failure::Failure;
use crate::host::{Host, OpenedSource, SourceKind, SourceOptions};
use crate::invocation::Invocation;
use crate::profile::Profile;
use crate::report::Reporter;
use crate::update_list::{self, AddOptions, Change};

/// Runs the command. All changes are made in memory first: either all of them are written or none.
pub fn run(host: &dyn Host, invocation: &Invocation) -> Result<u8, Failure> {
    let matches = &invocation.matches;
    let reporter = Reporter::new(host, invocation);
    let changes = changes(host, matches)?;
    let mut session = Session::open(host, invocation.path("WIMFILE"), matches, &reporter)?;
    let identity = session.identity;
    let archive = &mut session.archive;
    let index = archive::select_one(archive, invocation.text("IMAGE"), &session.path)?;
    archive::add_references(host, archive, identity, matches, &reporter)?;
    let epoch = choices::epoch(host)?;
    let scanning = Scanning {
        host,
        profile: invocation.compat.profile(),
        pass_over: identity.into_iter().collect(),
        now: session.options.now,
        epoch,
        workers: &*session.workers,
        reporter: &reporter,
    };
    let mut image = archive::read_image(archive, index, &reporter)?;
    fill_in_sizes(&mut image, archive);
    let old_data: Vec<Sha1> = image.data().map(|(_, hash)| hash).collect();
    let added = scanning.open(&changes)?;
    let scanned = scanning.make(image, &changes, &added)?;
    let sources: Vec<&dyn Source> = added.iter().map(|added| &*added.opened.source).collect();
    let changed = ChangedImage {
        index,
        scanned,
        old_data,
        sources: &sources,
        latest_time: epoch,
    };
    let change = write::Change::Replace(Box::new(changed));
    session.change_with(choices::space(matches), change)?;
    reporter.end_line();
    Ok(0)
}

/// The changes that were asked for: by `--command`, or else by standard input.
fn changes(host: &dyn Host, matches: &ArgMatches) -> Result<Vec<Change>, Failure> {
    let defaults = update_list::Defaults::of(matches);
    let mut changes = match matches.get_one::<String>("command") {
        Some(command) => update_list::parse(command, "--command", &defaults)?,
        None => {
            let bytes = read_standard_input(host)?;
            let text = decode_text(&bytes).ok_or_else(|| {
                let what = "the commands are neither UTF-8 nor UTF-16LE";
                Failure::Core(Error::new(ErrorKind::Utf8, what))
            })?;
            update_list::parse(&text, "standard input", &defaults)?
        }
    };
    if let Some(file) = matches.get_one::<PathBuf>("wimboot-config") {
        changes.push(Change::Add {
            source: file.clone(),
            target: "Windows/System32/WimBootCompress.ini".into(),
            options: defaults.add.clone(),
        });
    }
    Ok(changes)
}

/// What is needed to scan the sources.
struct Scanning<'a> {
    host: &'a dyn Host,
    profile: Profile,
    pass_over: Vec<FileIdentity>,
    now: FileTime,
    epoch: Option<FileTime>,
    workers: &'a dyn Workers,
    reporter: &'a Reporter<'a>,
}

/// A source that is added.
struct Added {
    opened: OpenedSource,
    options: ScanOptions,
}

impl Scanning<'_> {
    /// Opens all sources, before anything is scanned.
    fn open(&self, changes: &[Change]) -> Result<Vec<Added>, Failure> {
        let mut added = Vec::new();
        for change in changes {
            let Change::Add {
                source,
                target,
                options,
            } = change
            else {
                continue;
            };
            let opened = self.host.open_source(
                source,
                SourceOptions {
                    dereference: options.dereference,
                    decode_system_compression: self.profile.decode_system_compression,
                    kind: match target.is_empty() {
                        true => SourceKind::Tree,
                        false => SourceKind::Anything,
                    },
                    ..SourceOptions::default()
                },
            )?;
            added.push(Added {
                options: self.options(options)?,
                opened,
            });
        }
        Ok(added)
    }

    fn options(&self, add: &AddOptions) -> Result<ScanOptions, Failure> {
        let patterns = add.config.as_deref();
        Ok(ScanOptions {
            config: config::load_config(self.host, patterns, &self.profile, self.reporter)?,
            fix_links: add.fix_links.then_some(OutsideLinks::Keep),
            unix_data: match add.unix_data {
                true => UnixDataForm::Item,
                false => UnixDataForm::None,
            },
            wanted: Wanted {
                xattrs: add.unix_data,
                security: !add.no_acls,
                strict_security: add.strict_acls,
            },
            on_unreadable: OnUnreadable::Fail,
            pass_over: self.pass_over.clone(),
            overlapping: true,
            overlay: match add.no_replace {
                true => Overlay::Refuse,
                false => Overlay::Replace,
            },
            case: archive::asked_case(self.host).unwrap_or_default(),
            now: self.now,
            latest_time: self.epoch,
        })
    }

    /// Makes the changes in the tree, in order.
    fn make(
        &self,
        image: wimforge_core::image::Image,
        changes: &[Change],
        added: &[Added],
    ) -> Result<Scanned, Failure> {
        let usual = ScanOptions {
            now: self.now,
            case: archive::asked_case(self.host).unwrap_or_default(),
            ..ScanOptions::default()
        };
        let scanner = Scanner::resume(image, &usual, self.reporter);
        let mut scanner = scanner.read_ahead(self.workers);
        let mut added = added.iter();
        for change in changes {
            match change {
                Change::Add { target, .. } => {
                    let Some(source) = added.next() else {
                        continue;
                    };
                    scanner.set_options(&source.options);
                    scanner.add(&*source.opened.source, target.as_bytes())?;
                    self.reporter.end_line();
                }
                Change::Delete {
                    path,
                    recursive,
                    force,
                } => {
                    let depth = if *recursive { Depth::Tree } else { Depth::File };
                    let missing = if *force {
                        Missing::Ignore
                    } else {
                        Missing::Refuse
                    };
                    scanner.delete(path.as_bytes(), depth, missing)?;
                    self.reporter.line(&format!("Deleted WIM path \"/{path}\""));
                }
                Change::Rename { from, to } => {
                    scanner.rename(from.as_bytes(), to.as_bytes())?;
                    self.reporter
                        .line(&format!("Renamed WIM path \"/{from}\" => \"/{to}\""));
                }
            }
        }
        scanner.make_root()?;
        Ok(scanner.finish()?)
    }
}
