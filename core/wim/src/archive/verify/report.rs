//! What a verification found.

use crate::archive::open::Archive;
use crate::{Error, ErrorKind, text};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Not as the format says, but it can be read.
    Deviation,
    /// Data is lost or wrong.
    Damage,
}

/// A file that a problem concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedFile {
    /// The image, from 1.
    pub image: u32,
    /// Its path there, WTF-8.
    pub path: Vec<u8>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of failure it is, for the exit code.
    pub kind: ErrorKind,
    /// The object concerned and what is wrong with it.
    pub what: String,
    /// Files whose data is lost or wrong.
    pub files: Vec<AffectedFile>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::fmt::Display for AffectedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "image {}: {}", self.image, text::Show(&self.path))
    }
}

/// What was verified, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// Files of the set.
    pub files: u64,
    /// Integrity tables.
    pub integrity_tables: u64,
    /// Images whose tree was read.
    pub images: u64,
    /// Names in them.
    pub entries: u64,
    /// Blobs whose data was read.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl VerifyReport {
    /// Whether all data is there and right.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.damage().next().is_none()
    }

    /// Whether nothing at all was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// What is lost or wrong.
    pub fn damage(&self) -> impl Iterator<Item = &Problem> {
        let problems = self.problems.iter();
        problems.filter(|problem| problem.severity == Severity::Damage)
    }

    /// The kind of failure that stands for all damage: that of the first, but a part of the file that
    /// differs from the integrity table only if nothing says more precisely what is lost.
    #[must_use]
    pub fn failure(&self) -> Option<ErrorKind> {
        let kinds = || self.damage().map(|problem| problem.kind);
        kinds()
            .find(|&kind| kind != ErrorKind::Integrity)
            .or_else(|| kinds().next())
    }
}

/// Deviations of one archive that are listed; more are counted only.
const LISTED_DEVIATIONS: u64 = 1000;

/// A part of a file.
pub(super) struct Span {
    pub start: u64,
    pub end: u64,
    pub what: &'static str,
}

/// Takes what the checks find.
pub(super) struct Collector {
    pub report: VerifyReport,
    names: Vec<String>,
    spans: Vec<Span>,
    deviations: u64,
}

impl Collector {
    pub fn new(archive: &Archive) -> Self {
        let names = archive.files.iter().map(|file| file.storage.name());
        Self {
            report: VerifyReport {
                files: archive.files.len() as u64,
                ..VerifyReport::default()
            },
            names: names.collect(),
            spans: Vec::new(),
            deviations: 0,
        }
    }

    /// The file's name in front of a message, where there are several files.
    fn in_file(&self, file: usize, what: String) -> String {
        match self.names.get(file) {
            Some(name) if self.names.len() > 1 => format!("{name}: {what}"),
            _ => what,
        }
    }

    pub fn deviation(&mut self, file: usize, kind: ErrorKind, what: impl Into<String>) {
        self.deviations += 1;
        if self.deviations <= LISTED_DEVIATIONS {
            let what = self.in_file(file, what.into());
            self.add(Severity::Deviation, kind, what, Vec::new());
        }
    }

    pub fn damage(&mut self, file: usize, kind: ErrorKind, what: impl Into<String>) {
        let what = self.in_file(file, what.into());
        self.add(Severity::Damage, kind, what, Vec::new());
    }

    pub fn error(&mut self, file: usize, error: &Error) {
        self.damage(file, error.kind(), error.to_string());
    }

    pub fn add(
        &mut self,
        severity: Severity,
        kind: ErrorKind,
        what: String,
        files: Vec<AffectedFile>,
    ) {
        self.report.problems.push(Problem {
            severity,
            kind,
            what,
            files,
        });
    }

    /// Notes where a part of a file lies.
    pub fn span(&mut self, start: u64, end: Option<u64>, what: &'static str) {
        let end = end.unwrap_or(u64::MAX);
        if start < end {
            self.spans.push(Span { start, end, what });
        }
    }

    /// No two parts of a file may lie in the same place.
    pub fn check_overlaps(&mut self, file: usize) {
        let mut spans = std::mem::take(&mut self.spans);
        spans.sort_unstable_by_key(|span| (span.start, span.end));
        let mut last: Option<&Span> = None;
        for span in &spans {
            if let Some(before) = last.filter(|before| span.start < before.end) {
                self.deviation(
                    file,
                    ErrorKind::Header,
                    format!(
                        "{} at byte {} overlaps {} at byte {}",
                        span.what, span.start, before.what, before.start
                    ),
                );
            }
            if last.is_none_or(|before| before.end < span.end) {
                last = Some(span);
            }
        }
    }

    pub fn finish(mut self) -> VerifyReport {
        if self.deviations > LISTED_DEVIATIONS {
            let more = self.deviations - LISTED_DEVIATIONS;
            self.add(
                Severity::Deviation,
                ErrorKind::Parameter,
                format!("and {more} more deviations from the format"),
                Vec::new(),
            );
        }
        self.report
    }
}
