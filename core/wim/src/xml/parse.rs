//! Bytes to document.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{Element, Node};
use crate::{Error, ErrorKind, Limits, Result};

fn malformed(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Xml, format!("XML data: {what}"))
}

/// Parses UTF-16LE XML, with or without byte order mark.
///
/// # Errors
/// [`ErrorKind::Xml`].
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Element> {
    if !bytes.len().is_multiple_of(2) {
        return Err(malformed("odd number of bytes"));
    }
    let units = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units)
        .collect::<Result<_, _>>()
        .map_err(|_| malformed("not valid UTF-16"))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    // Some writers count a terminator in.
    Parser::run(text.trim_end_matches('\0'), limits)
}

struct Parser {
    /// Elements that are open, outermost first.
    open: Vec<Element>,
    root: Option<Element>,
    depth: usize,
}

impl Parser {
    fn run(text: &str, limits: &Limits) -> Result<Element> {
        let mut reader = Reader::from_str(text);
        let mut parser = Self {
            open: Vec::new(),
            root: None,
            depth: limits.xml_depth,
        };
        loop {
            let event = reader.read_event().map_err(malformed)?;
            if matches!(event, Event::Eof) {
                break;
            }
            parser.event(event)?;
        }
        match parser.root {
            Some(root) if parser.open.is_empty() => Ok(root),
            _ => Err(malformed("the document ends too early")),
        }
    }

    fn event(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Start(start) => {
                if self.open.len() >= self.depth {
                    return Err(malformed("elements are nested too deeply"));
                }
                self.open.push(element(&start)?);
                Ok(())
            }
            Event::Empty(start) => self.close(element(&start)?),
            // The reader has checked that the names agree.
            Event::End(_) => match self.open.pop() {
                Some(element) => self.close(element),
                None => Err(malformed("an end tag without start")),
            },
            Event::Text(text) => self.text(&text),
            Event::CData(text) => self.text(&text),
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(malformed)? {
                    Some(c) => c.to_string(),
                    None => {
                        let name: &str = &reference;
                        quick_xml::escape::resolve_xml_entity(name)
                            .ok_or_else(|| malformed(format_args!("unknown entity &{name};")))?
                            .to_string()
                    }
                };
                self.text(&resolved)
            }
            Event::DocType(_) => Err(malformed("a DOCTYPE is not supported")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn close(&mut self, element: Element) -> Result<()> {
        match self.open.last_mut() {
            Some(parent) => parent.nodes.push(Node::Element(element)),
            None if self.root.is_some() => return Err(malformed("more than one root element")),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<()> {
        let Some(parent) = self.open.last_mut() else {
            return if text.trim().is_empty() {
                Ok(())
            } else {
                Err(malformed("text outside of the root element"))
            };
        };
        match parent.nodes.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ => parent.nodes.push(Node::Text(text.into())),
        }
        Ok(())
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element> {
    let mut element = Element::new(checked_name(start.name().as_ref())?);
    for attribute in start.attributes() {
        let attribute = attribute.map_err(malformed)?;
        let value = quick_xml::escape::unescape(&attribute.value).map_err(malformed)?;
        let name = checked_name(attribute.key.as_ref())?;
        element
            .attributes
            .push((name.to_owned(), value.into_owned()));
    }
    Ok(element)
}

/// The name, if XML allows it: the reader takes anything, and what is written has to be readable again.
/// (Extensible Markup Language 1.0, fifth edition, productions 4 and 4a.)
fn checked_name(name: &str) -> Result<&str> {
    let starts = |c: char| {
        matches!(c, ':' | 'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}'
            | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}'
            | '\u{200C}' | '\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}'
            | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
            | '\u{10000}'..='\u{EFFFF}')
    };
    let goes_on = |c: char| {
        matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
            || starts(c)
    };
    match name.starts_with(starts) && name.chars().all(goes_on) {
        true => Ok(name),
        false => Err(malformed(format_args!("{name:?} is no name"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Element> {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        parse(&bytes, &Limits::default())
    }

    #[test]
    fn names_are_names() {
        for good in ["<WIM/>", "<a:b-c.1 \u{e9}=''/>", "<_/>"] {
            assert!(parsed(good).is_ok(), "{good}");
        }
        for bad in ["<X//>", "<1/>", "<a b/='1'/>", "<a\u{1}/>", "<-a/>"] {
            let error = parsed(bad).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::Xml, "{bad}");
        }
    }
}
