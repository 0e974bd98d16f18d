//! Patterns of names, in capture configurations and where paths of an image are given.
//!
//! `*` stands for any characters of one path component, `?` for exactly one, everything else for
//! itself. Patterns are untrusted, so matching must not take exponential time: with a single
//! backtracking point (the last `*`) it takes at most pattern length × name length steps.

use crate::image::collation::upcase;
use crate::text::utf16;

/// How names are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Case {
    /// Exactly.
    #[default]
    Sensitive,
    /// Without case.
    Insensitive,
}

/// One component of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    units: Vec<u16>,
    case: Case,
    has_wildcards: bool,
}

const STAR: u16 = b'*' as u16;
const QUESTION: u16 = b'?' as u16;

impl Component {
    /// From WTF-8 without slashes.
    #[must_use]
    pub fn new(pattern: &[u8], case: Case) -> Self {
        let units: Vec<u16> = utf16(pattern).map(|unit| fold(unit, case)).collect();
        let has_wildcards = units.contains(&STAR) || units.contains(&QUESTION);
        Self {
            units,
            case,
            has_wildcards,
        }
    }

    /// A name in which `*` and `?` stand for themselves.
    #[must_use]
    pub fn literal(name: &[u8], case: Case) -> Self {
        Self {
            has_wildcards: false,
            ..Self::new(name, case)
        }
    }

    /// Whether it has `*` or `?` that stand for something else.
    #[must_use]
    pub fn has_wildcards(&self) -> bool {
        self.has_wildcards
    }

    /// Whether a name (WTF-8) matches.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        let name: Vec<u16> = utf16(name).map(|unit| fold(unit, self.case)).collect();
        let pattern = &self.units[..];
        if !self.has_wildcards {
            return pattern == name;
        }
        let (mut p, mut n) = (0, 0);
        // Where to go on if what follows the last star does not match: the star eats one more.
        let mut retry: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(&STAR) => {
                    retry = Some((p + 1, n));
                    p += 1;
                }
                Some(&QUESTION) => {
                    p += 1;
                    n += character_len(&name[n..]);
                }
                Some(&unit) if unit == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => match &mut retry {
                    Some((after_star, eaten)) => {
                        *eaten += 1;
                        (p, n) = (*after_star, *eaten);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|&unit| unit == STAR)
    }
}

/// Units of the character at the start.
fn character_len(units: &[u16]) -> usize {
    match units {
        [0xD800..=0xDBFF, 0xDC00..=0xDFFF, ..] => 2,
        _ => 1,
    }
}

fn fold(unit: u16, case: Case) -> u16 {
    match case {
        Case::Sensitive => unit,
        Case::Insensitive => upcase(unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Component::new(pattern.as_bytes(), Case::Sensitive).matches(name.as_bytes())
    }

    #[test]
    fn stars_and_question_marks() {
        assert!(matches("*.mp3", "a.mp3") && matches("*.mp3", ".mp3"));
        assert!(!matches("*.mp3", "a.MP3") && !matches("*.mp3", "a.mp3x"));
        assert!(matches("tmp?", "tmp1") && !matches("tmp?", "tmp22") && !matches("tmp?", "tmp"));
        assert!(matches("?", "😀") && matches("*", "") && matches("a*b*c", "axxbxbxc"));
        assert!(matches("[a]", "[a]") && !matches("[a]", "a"));
        assert!(Component::new(b"A*", Case::Insensitive).matches("aÄ".as_bytes()));
        let literal = Component::literal(b"a*", Case::Insensitive);
        assert!(literal.matches(b"A*") && !literal.matches(b"ab"));
    }

    #[test]
    fn hostile_patterns_end() {
        let pattern = "a*".repeat(300) + "b";
        assert!(!matches(&pattern, &"a".repeat(20_000)));
    }
}
