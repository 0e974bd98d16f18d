//! What happens, as JSON lines: one object a line, for programs that watch.
//!
//! Every object has a member `event`, which says what the others mean:
//!
//! | event | members |
//! |---|---|
//! | `progress` | `phase`, `unit` (`bytes`, `items`), `done`, `total` |
//! | `finished` | `phase` |
//! | `scan` | `source`, `target` (empty for the root of the image) |
//! | `scanned` | `bytes`, `files`, `directories` |
//! | `visit`, `excluded`, `link-adjusted`, `replaced` | `path` |
//! | `unsupported` | `path`, `what` |
//! | `link-outside` | `path`, `target` |
//! | `compressing` | `format`, `threads` |
//! | `skipped` | `path`, `code`, `error` |
//! | `warning`, `message` | `text` |
//! | `error` | `code` (the exit code), `error` |
//! | `result` | `command`, and what the command has to say |
//!
//! Paths that are not Unicode are shown with U+FFFD. Members may be added; those that are there keep
//! their meaning.

use serde_json::{Value, json};
use wimforge_core::Error;
use wimforge_core::port::{Event, Phase, Unit};
use wimforge_core::text::Show;

/// The object of an event; `None` for one that has no meaning outside.
#[must_use]
pub fn event(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::Progress {
            phase: at,
            unit,
            done,
            total,
        } => json!({
            "event": "progress",
            "phase": phase(*at),
            "unit": match unit { Unit::Bytes => "bytes", Unit::Items => "items" },
            "done": done,
            "total": total,
        }),
        Event::Finished { phase: at } => json!({ "event": "finished", "phase": phase(*at) }),
        Event::ScanBegin { source, target } => {
            json!({ "event": "scan", "source": source, "target": path(target) })
        }
        Event::Scanned {
            bytes,
            files,
            directories,
        } => json!({
            "event": "scanned",
            "bytes": bytes,
            "files": files,
            "directories": directories,
        }),
        Event::Visit { path: at } => json!({ "event": "visit", "path": path(at) }),
        Event::Excluded { path: at } => json!({ "event": "excluded", "path": path(at) }),
        Event::Unsupported { path: at, what } => {
            json!({ "event": "unsupported", "path": path(at), "what": what })
        }
        Event::LinkAdjusted { path: at } => json!({ "event": "link-adjusted", "path": path(at) }),
        Event::LinkOutside { path: at, target } => {
            json!({ "event": "link-outside", "path": path(at), "target": path(target) })
        }
        Event::Replaced { path: at } => json!({ "event": "replaced", "path": path(at) }),
        Event::Compressing { format, threads } => {
            json!({ "event": "compressing", "format": format, "threads": threads })
        }
        Event::Skipped { path: at, error } => json!({
            "event": "skipped",
            "path": path(at),
            "code": error.kind().code(),
            "error": error.to_string(),
        }),
        Event::Warning(text) => warning(text),
        _ => return None,
    })
}

/// A warning.
#[must_use]
pub fn warning(text: &str) -> Value {
    json!({ "event": "warning", "text": text })
}

/// Information that has no form of its own.
#[must_use]
pub fn message(text: &str) -> Value {
    json!({ "event": "message", "text": text })
}

/// The failure that a command ends with.
#[must_use]
pub fn failure(error: &Error) -> Value {
    json!({ "event": "error", "code": error.kind().code(), "error": error.to_string() })
}

/// What a command has done: `members` and the command's name.
#[must_use]
pub fn result(command: &str, mut members: Value) -> Value {
    if let Value::Object(members) = &mut members {
        members.insert("event".into(), "result".into());
        members.insert("command".into(), command.into());
    }
    members
}

fn path(path: &[u8]) -> String {
    Show(path).to_string()
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Scan => "scan",
        Phase::Hash => "hash",
        Phase::Write => "write",
        Phase::Integrity => "integrity",
        Phase::VerifyIntegrity => "verify-integrity",
        Phase::VerifyMetadata => "verify-metadata",
        Phase::VerifyData => "verify-data",
        Phase::CreateFiles => "create-files",
        Phase::ExtractData => "extract-data",
        Phase::ApplyMetadata => "apply-metadata",
    }
}

#[cfg(test)]
mod tests {
    use wimforge_core::ErrorKind;

    use super::*;

    #[test]
    fn events_are_objects_with_a_name() {
        let progress = Event::Progress {
            phase: Phase::Write,
            unit: Unit::Bytes,
            done: 1,
            total: 2,
        };
        assert_eq!(
            event(&progress).unwrap().to_string(),
            r#"{"done":1,"event":"progress","phase":"write","total":2,"unit":"bytes"}"#
        );
        let error = Error::new(ErrorKind::Open, "cannot open \"x\"\n");
        assert_eq!(
            failure(&error).to_string(),
            r#"{"code":47,"error":"cannot open \"x\"\n","event":"error"}"#
        );
        assert_eq!(
            result("capture", json!({ "image": 1 })).to_string(),
            r#"{"command":"capture","event":"result","image":1}"#
        );
    }
}
