//! A small document tree.

use crate::{Error, ErrorKind, Result};

/// An element with everything in it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes, in order.
    pub attributes: Vec<(String, String)>,
    /// What is in it, in order.
    pub nodes: Vec<Node>,
}

/// Something in an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Another element.
    Element(Element),
    /// Text, without escapes.
    Text(String),
}

/// One step of a path: an element name and which of those of that name, from 1.
struct Step<'a> {
    name: &'a str,
    number: usize,
}

impl Element {
    /// An empty element.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// An element that holds text.
    #[must_use]
    pub fn with_text(name: &str, text: &str) -> Self {
        let mut element = Self::new(name);
        element.set_text(text);
        element
    }

    /// An attribute's value.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|attribute| attribute.0 == name);
        found.map(|attribute| attribute.1.as_str())
    }

    /// All text directly in it.
    #[must_use]
    pub fn text(&self) -> String {
        self.nodes
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect()
    }

    /// Replaces everything in it by text.
    pub fn set_text(&mut self, text: &str) {
        self.nodes.clear();
        if !text.is_empty() {
            self.nodes.push(Node::Text(text.into()));
        }
    }

    /// The elements directly in it.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The elements directly in it, to be changed.
    pub fn elements_mut(&mut self) -> impl Iterator<Item = &mut Element> {
        self.nodes.iter_mut().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first element of this name directly in it.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.elements().find(|element| element.name == name)
    }

    /// The first element of this name directly in it, appended if there is none.
    pub fn child_or_new(&mut self, name: &str) -> &mut Element {
        let is_it = |node: &Node| matches!(node, Node::Element(element) if element.name == name);
        let index = self.nodes.iter().position(is_it).unwrap_or_else(|| {
            self.nodes.push(Node::Element(Element::new(name)));
            self.nodes.len() - 1
        });
        match &mut self.nodes[index] {
            Node::Element(element) => element,
            Node::Text(_) => unreachable!("the position is that of an element"),
        }
    }

    /// The text of the element at a path such as `WINDOWS/VERSION/BUILD` or `A/B[2]`.
    #[must_use]
    pub fn property(&self, path: &str) -> Option<String> {
        let mut at = self;
        for step in path.split('/') {
            let step = Step::parse(step)?;
            let mut named = at.elements().filter(|element| element.name == step.name);
            at = named.nth(step.number - 1)?;
        }
        Some(at.text())
    }

    /// Sets the text of the element at a path, making elements as needed; an empty value removes the
    /// element.
    ///
    /// # Errors
    /// [`ErrorKind::Parameter`] for a path that is malformed or skips a number (`B[2]` without `B`).
    pub fn set_property(&mut self, path: &str, value: &str) -> Result<()> {
        let bad =
            |what: &str| Error::new(ErrorKind::Parameter, format!("property {path:?}: {what}"));
        let (first, rest) = match path.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path, None),
        };
        let step = Step::parse(first).ok_or_else(|| bad("not a valid name"))?;
        let named = |node: &Node| matches!(node, Node::Element(e) if e.name == step.name);
        let positions = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| named(node));
        let positions: Vec<usize> = positions.map(|(index, _)| index).collect();
        let index = match positions.get(step.number - 1) {
            Some(&index) => index,
            None if value.is_empty() => return Ok(()),
            None if positions.len() + 1 < step.number => {
                return Err(bad("elements with smaller numbers are missing"));
            }
            None => {
                self.nodes.push(Node::Element(Element::new(step.name)));
                self.nodes.len() - 1
            }
        };
        match (&mut self.nodes[index], rest) {
            (Node::Element(element), Some(rest)) => element.set_property(rest, value),
            (Node::Element(_), None) if value.is_empty() => {
                self.nodes.remove(index);
                Ok(())
            }
            (Node::Element(element), None) => {
                element.set_text(value);
                Ok(())
            }
            (Node::Text(_), _) => Err(bad("not an element")),
        }
    }
}

impl<'a> Step<'a> {
    fn parse(step: &'a str) -> Option<Self> {
        let (name, number) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((name, number)) => (name, number.parse().ok().filter(|&number| number > 0)?),
            None => (step, 1),
        };
        let starts = |c: char| c.is_alphabetic() || c == '_';
        let continues = |c: char| c.is_alphanumeric() || "_-.".contains(c);
        let valid = name.starts_with(starts) && name.chars().all(continues);
        valid.then_some(Self { name, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties() {
        let mut element = Element::new("IMAGE");
        element.set_property("A/B", "1").unwrap();
        element.set_property("A/B[2]", "2").unwrap();
        element.set_property("A/B[1]", "one").unwrap();
        assert_eq!(element.property("A/B").as_deref(), Some("one"));
        assert_eq!(element.property("A/B[2]").as_deref(), Some("2"));
        assert!(element.set_property("A/B[4]", "x").is_err());
        assert!(element.set_property("A/<", "x").is_err());
        assert!(element.set_property("", "x").is_err());
        element.set_property("A/B", "").unwrap();
        assert_eq!(element.property("A/B").as_deref(), Some("2"));
        assert_eq!(element.property("C"), None);
    }
}
