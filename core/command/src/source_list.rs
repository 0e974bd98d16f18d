//! Lists of sources: which files and directories an image is made of, and where each goes.
//!
//! Each line has a path and, after white space, a place in the image; words that contain white space
//! are quoted. Empty lines and lines that begin with `#` or `;` mean nothing.

use std::path::PathBuf;

use wimforge_core::image::path::components;
use wimforge_core::scan::config::decode_text;
use wimforge_core::{Error, ErrorKind};

use crate::failure::Failure;

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSource {
    /// The file or directory.
    pub path: PathBuf,
    /// Its place in the image, without slashes at its ends; empty for the root.
    pub target: String,
}

impl ListedSource {
    /// Whether it is to become the root of the image.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.target.is_empty()
    }
}

/// Parses a list; `name` is its name for messages.
///
/// # Errors
/// Usage failures with the number of the line; [`ErrorKind::Utf8`].
pub fn parse(text: &[u8], name: &str) -> Result<Vec<ListedSource>, Failure> {
    let text = decode_text(text).ok_or_else(|| {
        let what = format!("{name}: the list of sources is neither UTF-8 nor UTF-16LE");
        Failure::Core(Error::new(ErrorKind::Utf8, what))
    })?;
    let mut sources = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let source = words(line)
            .and_then(|words| source(&words))
            .map_err(|what| Failure::usage(format!("{name}:{number}: {what}")))?;
        sources.push(source);
    }
    Ok(sources)
}

/// Splits a line at white space outside of quotes.
///
/// # Errors
/// A sentence for the user.
pub fn words(mut line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    while let Some(first) = line.chars().next() {
        let (word, rest) = match first {
            '"' | '\'' => line[1..]
                .split_once(first)
                .ok_or_else(|| format!("Missing closing quote: {line}"))?,
            _ => line.split_at(line.find(char::is_whitespace).unwrap_or(line.len())),
        };
        words.push(word.to_owned());
        line = rest.trim_start();
    }
    Ok(words)
}

fn source(words: &[String]) -> Result<ListedSource, String> {
    let (path, target) = match words {
        [path] => (path, path.clone()),
        [path, target] => (path, target.replace('\\', "/")),
        _ => return Err("a line has one or two paths; quote those that contain spaces".into()),
    };
    if path.is_empty() {
        return Err("the path of the source is empty".into());
    }
    let names = components(target.as_bytes()).filter(|name| *name != b".");
    let names: Vec<_> = names.map(String::from_utf8_lossy).collect();
    if names.iter().any(|name| name == "..") {
        return Err(format!(
            "the place in the image, \"{target}\", contains \"..\"; give one without as the second path"
        ));
    }
    Ok(ListedSource {
        path: PathBuf::from(path),
        target: names.join("/"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        let sources = parse(text.as_bytes(), "list").unwrap();
        let shown = |source: ListedSource| (source.path.display().to_string(), source.target);
        sources.into_iter().map(shown).collect()
    }

    #[test]
    fn lines_words_and_quotes() {
        let text = "# comment\n\n ; other\r\n winpe /\r\n'a b' \"/c d/\"\n./e\n/f//g h\\i\\ \n";
        let expected = [
            ("winpe", ""),
            ("a b", "c d"),
            ("./e", "e"),
            ("/f//g", "h/i"),
        ];
        let expected = expected.map(|(path, target)| (path.to_owned(), target.to_owned()));
        assert_eq!(parsed(text), expected);
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, what) in [
            ("a\nb \"c", "list:2: Missing closing quote: \"c"),
            ("a b c", "list:1: a line has one or two paths"),
            ("../a", "list:1: the place in the image"),
            ("\"\" a", "list:1: the path of the source is empty"),
        ] {
            let Err(Failure::Usage(message)) = parse(text.as_bytes(), "list") else {
                panic!("{text}");
            };
            assert!(message.contains(what), "{message}");
        }
        assert!(matches!(parse(b"\xFF\xFF", "list"), Err(Failure::Core(_))));
    }
}
