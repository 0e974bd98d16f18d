//! Document to bytes.

use super::{Element, Node};

/// UTF-16LE with byte order mark, without anything between elements that is not in the document.
#[must_use]
pub fn write(root: &Element) -> Vec<u8> {
    let mut text = String::from("\u{FEFF}");
    push_element(&mut text, root);
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn push_element(out: &mut String, element: &Element) {
    out.push('<');
    out.push_str(&element.name);
    for (name, value) in &element.attributes {
        out.push(' ');
        out.push_str(name);
        out.push_str("=\"");
        push_escaped(out, value);
        out.push('"');
    }
    out.push('>');
    for node in &element.nodes {
        match node {
            Node::Element(element) => push_element(out, element),
            Node::Text(text) => push_escaped(out, text),
        }
    }
    out.push_str("</");
    out.push_str(&element.name);
    out.push('>');
}

fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}
