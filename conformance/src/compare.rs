//! Comparing two trees: every difference, with its path.

use crate::snapshot::{Kind, Node, Snapshot, join, open_quietly};
use crate::tree::Times;
use std::fmt::Write;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What is expected of the second tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How targets of absolute links relate.
    pub links: Links,
    /// Whether last access times are compared: not for trees that others read as well.
    pub access_times: bool,
    /// Whether owners, modes, device numbers and extended attributes are compared: for trees restored
    /// with `--unix-data`.
    pub unix_data: bool,
}

/// How targets of absolute links relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// They are the same.
    Same,
    /// Those that pointed into the first tree point into the second.
    Moved,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            links: Links::Same,
            access_times: true,
            unix_data: false,
        }
    }
}

/// Asserts that a restored tree is what was captured.
///
/// # Panics
/// If they differ; the message has every difference, up to forty.
#[track_caller]
pub fn assert_same_tree(what: &str, original: &Snapshot, restored: &Snapshot, rules: Rules) {
    let differences = differences(original, restored, rules);
    if differences.is_empty() {
        return;
    }
    let mut text = format!("{what}: {} differences\n", differences.len());
    for difference in differences.iter().take(40) {
        let _ = writeln!(text, "  {difference}");
    }
    panic!("{text}");
}

/// All differences, each as a line that begins with the path.
#[must_use]
pub fn differences(original: &Snapshot, restored: &Snapshot, rules: Rules) -> Vec<String> {
    let mut found = Vec::new();
    for (path, one) in &original.nodes {
        match restored.nodes.get(path) {
            None => found.push(format!("{}: missing", show(path))),
            Some(two) => {
                let pair = Pair {
                    original,
                    restored,
                    path,
                    rules,
                };
                pair.compare(one, two, &mut found);
            }
        }
    }
    for path in restored.nodes.keys() {
        if !original.nodes.contains_key(path) {
            found.push(format!("{}: not in the original", show(path)));
        }
    }
    found
}

struct Pair<'a> {
    original: &'a Snapshot,
    restored: &'a Snapshot,
    path: &'a [u8],
    rules: Rules,
}

impl Pair<'_> {
    fn compare(&self, one: &Node, two: &Node, found: &mut Vec<String>) {
        let mut differ = |text: String| found.push(format!("{}: {text}", show(self.path)));
        match (&one.kind, &two.kind) {
            (Kind::Symlink(from), Kind::Symlink(to)) => {
                let expected = self.expected_target(from);
                if *to != expected {
                    differ(format!(
                        "link to {}, expected {}",
                        show(to),
                        show(&expected)
                    ));
                }
            }
            (Kind::File { len: a, digest: d }, Kind::File { len: b, digest: e }) => {
                if a != b {
                    differ(format!("size {b}, expected {a}"));
                } else if d != e {
                    differ(self.first_difference());
                }
            }
            (a, b) if a != b => differ(format!("{b:?}, expected {a:?}")),
            _ => {}
        }
        if self.rules.unix_data && one.unix != two.unix {
            differ(format!("{:?}, expected {:?}", two.unix, one.unix));
        }
        // Links to symbolic links are not kept by the format.
        if matches!(one.kind, Kind::File { .. }) && one.group != two.group {
            let name = |group: &Option<Vec<u8>>| match group {
                None => "alone".to_owned(),
                Some(first) => format!("linked with {}", show(first)),
            };
            differ(format!(
                "{}, expected {}",
                name(&two.group),
                name(&one.group)
            ));
        }
        let times = [
            ("last write time", one.times.mtime, two.times.mtime, true),
            (
                "last access time",
                one.times.atime,
                two.times.atime,
                self.rules.access_times,
            ),
        ];
        for (what, a, b, compared) in times {
            if compared && ticks(a) != ticks(b) {
                differ(format!("{what} {b:?}, expected {a:?}"));
            }
        }
    }

    fn expected_target(&self, target: &[u8]) -> Vec<u8> {
        match self.rules.links {
            Links::Same => target.to_vec(),
            Links::Moved => moved(target, &self.original.root, &self.restored.root),
        }
    }

    fn first_difference(&self) -> String {
        let read = |snapshot: &Snapshot| {
            let mut bytes = Vec::new();
            open_quietly(&join(&snapshot.root, self.path))
                .and_then(|mut file| file.read_to_end(&mut bytes))
                .map(|_| bytes)
        };
        match (read(self.original), read(self.restored)) {
            (Ok(a), Ok(b)) => match a.iter().zip(&b).position(|(x, y)| x != y) {
                Some(at) => format!(
                    "contents differ first at byte {at}: {:02x}, expected {:02x}",
                    b[at], a[at]
                ),
                None => "contents differed when they were read".to_owned(),
            },
            _ => "contents differ".to_owned(),
        }
    }
}

/// Where a link into one tree should point after the tree was restored elsewhere.
#[must_use]
pub fn moved(target: &[u8], from: &Path, to: &Path) -> Vec<u8> {
    let from = from.as_os_str().as_bytes();
    match target.strip_prefix(from) {
        Some(rest) if rest.is_empty() || rest[0] == b'/' => {
            [to.as_os_str().as_bytes(), rest].concat()
        }
        _ => target.to_vec(),
    }
}

/// A moment in the format's unit of 100 ns, rounded down.
#[must_use]
pub fn ticks((seconds, nanoseconds): (i64, u32)) -> i64 {
    seconds * 10_000_000 + i64::from(nanoseconds / 100)
}

/// The same times in the format's unit.
#[must_use]
pub fn same_times(one: Times, two: Times) -> bool {
    ticks(one.mtime) == ticks(two.mtime) && ticks(one.atime) == ticks(two.atime)
}

/// A path for people.
#[must_use]
pub fn show(path: &[u8]) -> String {
    if path.is_empty() {
        "(root)".to_owned()
    } else {
        format!("{:?}", String::from_utf8_lossy(path))
    }
}
