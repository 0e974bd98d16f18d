//! What the XML data means.

use super::{Element, Node, parse, write};
use crate::image::ImageNumbers;
use crate::order::sort_by;
use crate::time::FileTime;
use crate::{Error, ErrorKind, Limits, Result};

/// The XML data of a file: a `WIM` element with an `IMAGE` for every image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WimXml {
    root: Element,
    /// Where the `IMAGE` elements stand in the root, in image order.
    images: Vec<usize>,
}

impl Default for WimXml {
    fn default() -> Self {
        Self {
            root: Element::new("WIM"),
            images: Vec::new(),
        }
    }
}

/// Checks that text can stand in XML.
///
/// # Errors
/// [`ErrorKind::Parameter`].
pub fn check_text(what: &str, text: &str) -> Result<()> {
    // XML 1.0, production 2 (Char).
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
    if text.chars().all(legal) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Parameter,
        format!("{what} contains a character that XML does not allow"),
    ))
}

impl WimXml {
    /// Parses the XML data.
    ///
    /// # Errors
    /// [`ErrorKind::Xml`]; [`ErrorKind::Encrypted`] if it says that the file is encrypted.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let malformed = |what: String| Error::new(ErrorKind::Xml, format!("XML data: {what}"));
        let root = parse::parse(bytes, limits)?;
        if root.name != "WIM" {
            return Err(malformed(format!(
                "the root element is {:?}, not WIM",
                root.name
            )));
        }
        if root
            .child("ESD")
            .is_some_and(|esd| esd.child("ENCRYPTED").is_some())
        {
            return Err(Error::new(ErrorKind::Encrypted, "the WIM is encrypted"));
        }
        let mut found = Vec::new();
        for (position, node) in root.nodes.iter().enumerate() {
            if let Node::Element(element) = node
                && element.name == "IMAGE"
            {
                let index = element
                    .attribute("INDEX")
                    .and_then(|text| text.trim().parse().ok());
                let index: usize =
                    index.ok_or_else(|| malformed("an IMAGE without INDEX".into()))?;
                found.push((index, position));
            }
        }
        sort_by(&mut found, Ord::cmp);
        if !found.iter().map(|image| image.0).eq(1..=found.len()) {
            return Err(malformed(
                "the INDEX attributes are not 1 to the number of images".into(),
            ));
        }
        let images = found.into_iter().map(|image| image.1).collect();
        Ok(Self { root, images })
    }

    /// The bytes of the XML data.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        write::write(&self.root)
    }

    /// The root element.
    #[must_use]
    pub fn root(&self) -> &Element {
        &self.root
    }

    /// Number of images.
    #[must_use]
    pub fn image_count(&self) -> usize {
        self.images.len()
    }

    /// The element of an image, from 1.
    #[must_use]
    pub fn image(&self, index: u32) -> Option<&Element> {
        let &position = self.images.get((index as usize).checked_sub(1)?)?;
        match &self.root.nodes[position] {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        }
    }

    /// The element of an image, to be changed.
    pub fn image_mut(&mut self, index: u32) -> Option<&mut Element> {
        let &position = self.images.get((index as usize).checked_sub(1)?)?;
        match &mut self.root.nodes[position] {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        }
    }

    /// Name of an image; empty if it has none.
    #[must_use]
    pub fn name(&self, index: u32) -> String {
        let image = self.image(index);
        image
            .and_then(|image| image.property("NAME"))
            .unwrap_or_default()
    }

    /// The index of the image of this name; the empty name is nobody's.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<u32> {
        if name.is_empty() {
            return None;
        }
        (1..=self.images.len() as u32).find(|&index| self.name(index) == name)
    }

    /// Adds an image behind the others and returns its index.
    ///
    /// # Errors
    /// [`ErrorKind::ImageNameInUse`]; [`ErrorKind::Parameter`] for a name that XML cannot hold.
    pub fn add_image(&mut self, name: &str) -> Result<u32> {
        check_text("the name of the image", name)?;
        if self.find(name).is_some() {
            return Err(Error::new(
                ErrorKind::ImageNameInUse,
                format!("there is already an image named {name:?} in the WIM"),
            ));
        }
        let mut image = Element::new("IMAGE");
        if !name.is_empty() {
            image
                .nodes
                .push(Node::Element(Element::with_text("NAME", name)));
        }
        Ok(self.push_image(image))
    }

    /// Adds an `IMAGE` element behind the others, under the next index.
    pub fn push_image(&mut self, mut image: Element) -> u32 {
        let index = self.images.len() + 1;
        image.attributes.retain(|attribute| attribute.0 != "INDEX");
        image
            .attributes
            .insert(0, ("INDEX".into(), index.to_string()));
        let position = self.images.iter().max().map_or(0, |&last| last + 1);
        self.root.nodes.insert(position, Node::Element(image));
        for at in &mut self.images {
            if *at >= position {
                *at += 1;
            }
        }
        self.images.push(position);
        index as u32
    }

    /// Removes an image; those behind it move up.
    pub fn remove_image(&mut self, index: u32) {
        let Some(slot) = (index as usize)
            .checked_sub(1)
            .filter(|&slot| slot < self.images.len())
        else {
            return;
        };
        let position = self.images.remove(slot);
        self.root.nodes.remove(position);
        for at in &mut self.images {
            if *at > position {
                *at -= 1;
            }
        }
        for index in 1..=self.images.len() as u32 {
            if let Some(image) = self.image_mut(index)
                && let Some(attribute) = image.attributes.iter_mut().find(|a| a.0 == "INDEX")
            {
                attribute.1 = index.to_string();
            }
        }
    }

    /// Sets the counts of an image and its times.
    pub fn set_numbers(
        &mut self,
        index: u32,
        numbers: &ImageNumbers,
        created: Option<FileTime>,
        modified: FileTime,
    ) {
        let Some(image) = self.image_mut(index) else {
            return;
        };
        let fields = [
            ("DIRCOUNT", numbers.directories),
            ("FILECOUNT", numbers.files),
            ("TOTALBYTES", numbers.total_bytes),
            ("HARDLINKBYTES", numbers.hard_link_bytes),
        ];
        for (name, number) in fields {
            image.child_or_new(name).set_text(&number.to_string());
        }
        if let Some(created) = created {
            set_time(image.child_or_new("CREATIONTIME"), created);
        }
        set_time(image.child_or_new("LASTMODIFICATIONTIME"), modified);
    }

    /// A time of an image, such as `CREATIONTIME`.
    #[must_use]
    pub fn time(&self, index: u32, name: &str) -> Option<FileTime> {
        let element = self.image(index)?.child(name)?;
        let part = |name| {
            let text = element.child(name)?.text();
            let digits = text.trim();
            let digits = digits.strip_prefix("0x").or(digits.strip_prefix("0X"))?;
            u32::from_str_radix(digits, 16).ok()
        };
        Some(FileTime(
            u64::from(part("HIGHPART")?) << 32 | u64::from(part("LOWPART")?),
        ))
    }

    /// A number of an image, such as `DIRCOUNT`.
    #[must_use]
    pub fn number(&self, index: u32, name: &str) -> Option<u64> {
        self.image(index)?.child(name)?.text().trim().parse().ok()
    }

    /// The `TOTALBYTES` of the file: how many bytes stand before its XML data.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        self.root.child("TOTALBYTES")?.text().trim().parse().ok()
    }

    /// Sets or removes the `TOTALBYTES` of the file, which stands last.
    pub fn set_total_bytes(&mut self, total: Option<u64>) {
        let is_it = |node: &Node| matches!(node, Node::Element(e) if e.name == "TOTALBYTES");
        if let Some(position) = self.root.nodes.iter().position(is_it) {
            self.root.nodes.remove(position);
            for at in &mut self.images {
                if *at > position {
                    *at -= 1;
                }
            }
        }
        if let Some(total) = total {
            let element = Element::with_text("TOTALBYTES", &total.to_string());
            self.root.nodes.push(Node::Element(element));
        }
    }
}

fn set_time(element: &mut Element, time: FileTime) {
    let parts = [
        ("HIGHPART", (time.0 >> 32) as u32),
        ("LOWPART", time.0 as u32),
    ];
    for (name, part) in parts {
        element
            .child_or_new(name)
            .set_text(&format!("0x{part:08X}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn parse(text: &str) -> Result<WimXml> {
        WimXml::parse(&utf16(text), &Limits::default())
    }

    #[test]
    fn a_new_image_is_written_in_order() {
        let mut xml = WimXml::default();
        let index = xml.add_image("N & M").unwrap();
        xml.set_numbers(
            index,
            &ImageNumbers {
                directories: 2,
                files: 5,
                total_bytes: 38,
                hard_link_bytes: 6,
            },
            Some(FileTime(0x01DD_7A80_083C_0EB0)),
            FileTime(0x01DD_7A80_083C_1234),
        );
        xml.image_mut(1)
            .unwrap()
            .set_property("FLAGS", "Pro")
            .unwrap();
        xml.set_total_bytes(Some(2070));
        let expected = "\u{FEFF}<WIM><IMAGE INDEX=\"1\"><NAME>N &amp; M</NAME><DIRCOUNT>2</DIRCOUNT>\
            <FILECOUNT>5</FILECOUNT><TOTALBYTES>38</TOTALBYTES><HARDLINKBYTES>6</HARDLINKBYTES>\
            <CREATIONTIME><HIGHPART>0x01DD7A80</HIGHPART><LOWPART>0x083C0EB0</LOWPART></CREATIONTIME>\
            <LASTMODIFICATIONTIME><HIGHPART>0x01DD7A80</HIGHPART><LOWPART>0x083C1234</LOWPART>\
            </LASTMODIFICATIONTIME><FLAGS>Pro</FLAGS></IMAGE><TOTALBYTES>2070</TOTALBYTES></WIM>";
        assert_eq!(xml.encode(), utf16(expected));
        assert_eq!(
            WimXml::parse(&xml.encode(), &Limits::default()).unwrap(),
            xml
        );
        assert_eq!(
            xml.time(1, "CREATIONTIME"),
            Some(FileTime(0x01DD_7A80_083C_0EB0))
        );
        assert_eq!(xml.find("N & M"), Some(1));
        assert_eq!(
            xml.add_image("N & M").unwrap_err().kind(),
            ErrorKind::ImageNameInUse
        );
        assert_eq!(
            xml.add_image("\u{1}").unwrap_err().kind(),
            ErrorKind::Parameter
        );
    }

    #[test]
    fn foreign_elements_stay_in_place() {
        let text = "<WIM A=\"1\"><X>y &lt;</X><IMAGE INDEX=\"2\"><Q/></IMAGE>\
            <IMAGE INDEX=\"1\"><NAME>a</NAME></IMAGE><TOTALBYTES>1</TOTALBYTES><Z>&#65;</Z></WIM>";
        let mut xml = parse(text).unwrap();
        xml.add_image("c").unwrap();
        xml.set_total_bytes(Some(9));
        xml.remove_image(1);
        let expected = "\u{FEFF}<WIM A=\"1\"><X>y &lt;</X><IMAGE INDEX=\"1\"><Q></Q></IMAGE>\
            <IMAGE INDEX=\"2\"><NAME>c</NAME></IMAGE><Z>A</Z><TOTALBYTES>9</TOTALBYTES></WIM>";
        assert_eq!(
            String::from_utf16(
                &xml.encode()
                    .chunks(2)
                    .map(|c| u16::from_le_bytes([c[0], c[1]]))
                    .collect::<Vec<_>>()
            )
            .unwrap(),
            expected
        );
    }

    #[test]
    fn bad_documents_are_refused() {
        for text in [
            "",
            "<WIM>",
            "<A></A>",
            "<WIM></WIM><WIM></WIM>",
            "<WIM>&x;</WIM>",
            "<WIM><IMAGE></IMAGE></WIM>",
            "<WIM><IMAGE INDEX=\"2\"></IMAGE></WIM>",
            "<WIM><IMAGE INDEX=\"1\"/><IMAGE INDEX=\"1\"/></WIM>",
            "<!DOCTYPE a><WIM></WIM>",
            "<WIM></X>",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Xml, "{text}");
        }
        let deep = format!("{}{}", "<WIM>".repeat(60), "</WIM>".repeat(60));
        assert_eq!(parse(&deep).unwrap_err().kind(), ErrorKind::Xml);
        let encrypted = parse("<WIM><ESD><ENCRYPTED/></ESD></WIM>").unwrap_err();
        assert_eq!(encrypted.kind(), ErrorKind::Encrypted);
    }
}
