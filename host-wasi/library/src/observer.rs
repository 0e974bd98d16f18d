//! Observers of the host.

use wimforge_core::port::{Event, Observer, Phase, Unit};

use crate::bindings::wimforge::imaging::observer as wit;
use crate::convert::wide;
use crate::failure::from_core;

/// The observer of a call, if there is one.
pub struct HostObserver<'a>(pub Option<&'a wit::Watcher>);

impl Observer for HostObserver<'_> {
    fn event(&self, event: &Event<'_>) {
        if let Some(watcher) = self.0
            && let Some(event) = convert(event)
        {
            watcher.event(&event);
        }
    }

    fn cancelled(&self) -> bool {
        self.0.is_some_and(wit::Watcher::cancelled)
    }
}

/// `None` for what whoever called knows already.
fn convert(event: &Event<'_>) -> Option<wit::Event> {
    Some(match event {
        Event::Progress {
            phase,
            unit,
            done,
            total,
        } => wit::Event::Progress(wit::Progress {
            phase: convert_phase(*phase),
            unit: match unit {
                Unit::Bytes => wit::Unit::Bytes,
                Unit::Items => wit::Unit::Items,
            },
            done: *done,
            total: *total,
        }),
        Event::Finished { phase } => wit::Event::Finished(convert_phase(*phase)),
        Event::Scanned {
            bytes,
            files,
            directories,
        } => wit::Event::Scanned(wit::Counters {
            bytes: *bytes,
            files: *files,
            directories: *directories,
        }),
        Event::Visit { path } => wit::Event::Visit(wide(path)),
        Event::Excluded { path } => wit::Event::Excluded(wide(path)),
        Event::Unsupported { path, what } => wit::Event::Unsupported(wit::Unsupported {
            path: wide(path),
            what: (*what).to_owned(),
        }),
        Event::LinkAdjusted { path } => wit::Event::LinkAdjusted(wide(path)),
        Event::LinkOutside { path, target } => wit::Event::LinkOutside(wit::Outside {
            path: wide(path),
            target: wide(target),
        }),
        Event::Skipped { path, error } => wit::Event::Skipped(wit::Skipped {
            path: wide(path),
            why: from_core(error),
        }),
        Event::Warning(text) => wit::Event::Warning((*text).to_owned()),
        _ => return None,
    })
}

fn convert_phase(phase: Phase) -> wit::Phase {
    match phase {
        Phase::Scan => wit::Phase::Scan,
        Phase::Hash => wit::Phase::Hash,
        Phase::Write => wit::Phase::Write,
        Phase::Integrity => wit::Phase::Integrity,
        Phase::VerifyIntegrity => wit::Phase::VerifyIntegrity,
        Phase::VerifyMetadata => wit::Phase::VerifyMetadata,
        Phase::VerifyData => wit::Phase::VerifyData,
        Phase::CreateFiles => wit::Phase::CreateFiles,
        Phase::ExtractData => wit::Phase::ExtractData,
        Phase::ApplyMetadata => wit::Phase::ApplyMetadata,
    }
}
