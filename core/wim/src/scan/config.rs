//! The capture configuration: which paths are left out.
//!
//! Sections of patterns, one a line:
//!
//! ```text
//! [ExclusionList]
//! \pagefile.sys
//! *.tmp
//! "\System Volume Information"
//! [ExclusionException]
//! \keep\this.tmp
//! ```
//!
//! A pattern with a separator is a path from the root of capture; one without matches the last
//! component of any path. Both kinds of separators may be used. Lines that are empty or begin with
//! `#` or `;` are ignored.

use super::glob::{Case, Component};
use crate::{Error, ErrorKind, Result};

/// What to leave out.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CaptureConfig {
    exclusions: Vec<Pattern>,
    exceptions: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// From the root of capture, component by component.
    Path(Vec<Component>),
    /// The last component of any path.
    Name(Component),
}

/// Sections whose patterns have no effect on a capture.
const KNOWN_SECTIONS: [&str; 4] = [
    "PrepopulateList",
    "CompressionExclusionList",
    "CompressionFolderList",
    "AlignmentList",
];

/// The default list of the capture manual page of 2013.
pub const DEFAULT_EXCLUSIONS: [&str; 6] = [
    "\\$ntfs.log",
    "\\hiberfil.sys",
    "\\pagefile.sys",
    "\\System Volume Information",
    "\\RECYCLER",
    "\\Windows\\CSC",
];

/// What today's wimlib leaves out besides.
pub const NEWER_EXCLUSIONS: [&str; 3] = ["\\swapfile.sys", "\\$RECYCLE.BIN", "\\$Recycle.Bin"];

impl CaptureConfig {
    /// Leaves nothing out.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// From a list of exclusions.
    ///
    /// # Errors
    /// As [`CaptureConfig::parse`].
    pub fn excluding(patterns: &[&str], case: Case) -> Result<Self> {
        let mut config = Self::default();
        for text in patterns {
            let pattern = Pattern::parse(text, case, &mut |_| {}).map_err(bad_pattern)?;
            config.exclusions.push(pattern);
        }
        Ok(config)
    }

    /// Parses the text of a configuration file. `name` is used in messages; `warn` gets what is
    /// strange but harmless.
    ///
    /// # Errors
    /// [`ErrorKind::CaptureConfig`], naming file and line.
    pub fn parse(text: &[u8], name: &str, case: Case, warn: &mut dyn FnMut(&str)) -> Result<Self> {
        let text = decode_text(text)
            .ok_or_else(|| bad_pattern(format!("{name}: neither valid UTF-8 nor UTF-16LE")))?;
        let mut config = Self::default();
        let mut section: Option<&str> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(title) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                let used = ["ExclusionList", "ExclusionException"].contains(&title);
                if !used && !KNOWN_SECTIONS.contains(&title) {
                    warn(&format!(
                        "{name}:{number}: Unrecognized section \"[{title}]\""
                    ));
                }
                section = Some(title);
                continue;
            }
            let list = match section {
                Some("ExclusionList") => &mut config.exclusions,
                Some("ExclusionException") => &mut config.exceptions,
                Some(_) => continue,
                None => {
                    warn(&format!("{name}:{number}: Not in a bracketed section!"));
                    continue;
                }
            };
            let mut warn_line = |what: &str| warn(&format!("{name}:{number}: {what}"));
            let pattern = Pattern::parse(unquote(line), case, &mut warn_line)
                .map_err(|what| bad_pattern(format!("{name}:{number}: {what}")))?;
            list.push(pattern);
        }
        Ok(config)
    }

    /// Whether the entry at this path from the root of capture (WTF-8, `/` in front of every
    /// component; empty for the root) is left out.
    #[must_use]
    pub fn excludes(&self, path: &[u8]) -> bool {
        if self.exclusions.is_empty() {
            return false;
        }
        let names: Vec<&[u8]> = path.split(|&byte| byte == b'/').skip(1).collect();
        let excluded = self
            .exclusions
            .iter()
            .any(|pattern| pattern.excludes(&names));
        excluded
            && !self
                .exceptions
                .iter()
                .any(|pattern| pattern.excepts(&names))
    }
}

fn bad_pattern(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::CaptureConfig, what.into())
}

/// A pair of equal quotes around the whole line is taken off.
#[must_use]
pub fn unquote(line: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| line.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(line)
}

/// UTF-8 with or without byte order mark, or UTF-16LE with one or with a first character that
/// betrays it.
pub fn decode_text(bytes: &[u8]) -> Option<String> {
    if let Some(rest) = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]) {
        return String::from_utf8(rest.to_vec()).ok();
    }
    let utf16 = match bytes {
        [0xFF, 0xFE, rest @ ..] => rest,
        [0..=0x7F, 0, ..] => bytes,
        _ => return String::from_utf8(bytes.to_vec()).ok(),
    };
    if !utf16.len().is_multiple_of(2) {
        return None;
    }
    let units = utf16
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).collect::<Result<_, _>>().ok()
}

impl Pattern {
    fn parse(text: &str, case: Case, warn: &mut dyn FnMut(&str)) -> Result<Self, String> {
        let slashed = text.replace('\\', "/");
        let mut rest = &slashed[..];
        if let [drive, b':', after @ ..] = slashed.as_bytes()
            && drive.is_ascii_alphabetic()
        {
            if after.first() != Some(&b'/') {
                return Err(format!(
                    "pattern \"{text}\" has a drive letter but is not absolute"
                ));
            }
            warn(&format!(
                "Pattern \"{text}\" starts with a drive letter, which is being removed."
            ));
            rest = &slashed[2..];
        }
        let components: Vec<_> = rest
            .split('/')
            .filter(|name| !name.is_empty())
            .map(|name| Component::new(name.as_bytes(), case))
            .collect();
        let absolute = rest.starts_with('/');
        Ok(match <[Component; 1]>::try_from(components) {
            Ok([name]) if !absolute => Pattern::Name(name),
            Ok(single) => Pattern::Path(single.into()),
            Err(several) => Pattern::Path(several),
        })
    }

    /// Whether an exclusion matches: the path or a directory above it, or the last component.
    fn excludes(&self, names: &[&[u8]]) -> bool {
        match self {
            Pattern::Name(component) => names.last().is_some_and(|name| component.matches(name)),
            Pattern::Path(components) => {
                names.len() >= components.len() && agree(components, names)
            }
        }
    }

    /// Whether an exception matches: also a directory above a possible match, which must be entered.
    fn excepts(&self, names: &[&[u8]]) -> bool {
        match self {
            Pattern::Name(_) => self.excludes(names),
            Pattern::Path(components) => agree(components, names),
        }
    }
}

/// Whether all components match as far as both go.
fn agree(components: &[Component], names: &[&[u8]]) -> bool {
    components
        .iter()
        .zip(names)
        .all(|(component, name)| component.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> CaptureConfig {
        CaptureConfig::parse(text.as_bytes(), "cfg", Case::Sensitive, &mut |w| {
            panic!("{w}")
        })
        .unwrap()
    }

    fn kept(text: &str, paths: &[&str]) -> Vec<String> {
        let config = config(text);
        let excluded = |path: &str| config.excludes(path.as_bytes());
        // A directory that is excluded is not entered.
        let above = |path: &str| {
            path.match_indices('/')
                .skip(1)
                .any(|(at, _)| excluded(&path[..at]))
        };
        let kept = paths.iter().filter(|path| !excluded(path) && !above(path));
        kept.map(|path| (*path).to_string()).collect()
    }

    const TREE: [&str; 8] = [
        "",
        "/dir",
        "/dir/a.mp3",
        "/dir/sub",
        "/dir/sub/x",
        "/dir/sub/y",
        "/keep",
        "/keep/deep",
    ];

    #[test]
    fn exclusions_and_exceptions() {
        assert_eq!(kept("[ExclusionList]\n*.mp3", &TREE).len(), 7);
        assert_eq!(
            kept(
                "[ExclusionList]\r\n/dir\r\n[ExclusionException]\r\n/dir/sub/x",
                &TREE
            ),
            ["", "/dir", "/dir/sub", "/dir/sub/x", "/keep", "/keep/deep"]
        );
        assert_eq!(
            kept(
                "[ExclusionList]\n\\*\n[ExclusionException]\n\\keep\\deep",
                &TREE
            ),
            ["", "/keep", "/keep/deep"]
        );
        assert_eq!(
            kept("[ExclusionList]\n*\n[ExclusionException]\nkeep", &TREE),
            ["", "/keep"]
        );
        assert_eq!(kept("[ExclusionList]\n/*/sub", &TREE).len(), 5);
        assert_eq!(kept("[ExclusionList]\ndir/sub", &TREE).len(), 5);
        assert!(kept("[ExclusionList]\n/", &TREE).is_empty());
        assert_eq!(kept("# x\n; y\n[AlignmentList]\n*\n", &TREE).len(), 8);
    }

    #[test]
    fn quotes_encodings_and_errors() {
        let quoted = config("[ExclusionList]\n  \"\\System Volume Information\"  \n'\"a'\n");
        assert!(quoted.excludes(b"/System Volume Information"));
        assert!(quoted.excludes(b"/x/\"a"));
        let utf16: Vec<u8> = "[ExclusionList]\n\\é"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let parsed = CaptureConfig::parse(&utf16, "cfg", Case::Sensitive, &mut |_| {}).unwrap();
        assert!(parsed.excludes("/é".as_bytes()));
        let error = CaptureConfig::parse(
            b"\n[ExclusionList]\nc:x",
            "cfg",
            Case::Sensitive,
            &mut |_| {},
        );
        assert!(error.unwrap_err().to_string().starts_with("cfg:3: "));
        let mut warnings = Vec::new();
        let text = b"x\n[Odd]\n[ExclusionList]\nc:\\y";
        let config = CaptureConfig::parse(text, "cfg", Case::Sensitive, &mut |w| {
            warnings.push(w.to_string());
        })
        .unwrap();
        assert!(config.excludes(b"/y"));
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(CaptureConfig::parse(b"[\xFF]", "cfg", Case::Sensitive, &mut |_| {}).is_err());
    }
}
