//! What a program says about an archive, with the noise taken out.
//!
//! Two archives of the same tree differ in where things lie and how small they are, in their GUID and
//! in the moment they were made. All else has to agree.

use crate::imaging::Imager;
use crate::known;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

/// A program's view of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The XML data without times and the size of the file.
    pub xml: String,
    /// The header's flags, chunk size, numbers and boot index.
    pub header: Vec<String>,
    /// `dir --detailed`, one list of blocks for each image.
    pub images: Vec<Vec<Block>>,
}

/// One file in `dir --detailed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Full path in the image.
    pub path: String,
    /// The lines that say what the file is.
    pub facts: Vec<String>,
    /// Its streams.
    pub streams: Vec<Stream>,
}

/// One stream in `dir --detailed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Such as `Unnamed data stream:`.
    pub title: String,
    /// The lines that do not depend on where and how it is stored.
    pub facts: Vec<String>,
}

impl View {
    /// Asks the program. Asserts that it finds the archive in order.
    ///
    /// # Panics
    /// If any of its commands fails.
    #[must_use]
    pub fn of(imager: &Imager, wim: &Path) -> Self {
        let _verified = imager.verify(wim).ok();
        let xml = xml_text(imager.show("info", wim, &["--xml"]).stdout());
        let count = xml.matches("<IMAGE ").count();
        let images = (1..=count)
            .map(|image| {
                let image = image.to_string();
                let text = imager
                    .show("dir", wim, &[image.as_str(), "--detailed"])
                    .out();
                blocks(&text)
            })
            .collect();
        Self {
            xml: without_noise(&xml),
            header: header_facts(&imager.show("info", wim, &["--header"]).out()),
            images,
        }
    }
}

impl View {
    /// The view without the contents of this element of the XML data.
    #[must_use]
    pub fn without(mut self, element: &str) -> Self {
        self.xml = replace_elements(&self.xml, element);
        self
    }
}

/// Asserts that two archives hold the same, in the eyes of one program.
///
/// # Panics
/// If they do not; the message has the differences.
#[track_caller]
pub fn assert_no_semantic_difference(eyes: &Imager, one: &Path, two: &Path) {
    let a = View::of(eyes, one);
    let b = View::of(eyes, two);
    let differences = differences(&a, &b);
    assert!(
        differences.is_empty(),
        "{eyes} sees differences between {} and {}:\n{}",
        one.display(),
        two.display(),
        differences.join("\n")
    );
}

/// Asserts that both programs print the same about one archive.
///
/// # Panics
/// If they do not.
#[track_caller]
pub fn assert_same_eyes(one: &Imager, two: &Imager, wim: &Path) {
    let mut requests: Vec<(&str, Vec<String>)> = vec![
        ("info", vec![]),
        ("info", vec!["--header".into()]),
        ("info", vec!["--xml".into()]),
    ];
    let count = xml_text(one.show("info", wim, &["--xml"]).stdout())
        .matches("<IMAGE ")
        .count();
    for image in 1..=count {
        requests.push(("dir", vec![image.to_string()]));
        requests.push(("dir", vec![image.to_string(), "--detailed".into()]));
    }
    for (verb, args) in requests {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let [a, b] = [one, two].map(|imager| {
            let text = imager.show(verb, wim, &words).out();
            if words.contains(&"--detailed") {
                // Link groups may be numbered as one likes; their facts and order may not differ.
                as_text(&blocks(&text))
            } else {
                text
            }
        });
        if a != b {
            let text = first_differing_lines(&a, &b);
            panic!(
                "{one} and {two} print different things for `{verb} {}` of {}:\n{text}",
                args.join(" "),
                wim.display()
            );
        }
    }
}

/// All differences between two views, for people.
#[must_use]
pub fn differences(a: &View, b: &View) -> Vec<String> {
    let mut found = Vec::new();
    if a.xml != b.xml {
        let lines = |xml: &str| xml.replace("><", ">\n<");
        let text = first_differing_lines(&lines(&a.xml), &lines(&b.xml));
        found.push(format!("  XML data:\n{text}"));
    }
    if a.header != b.header {
        let text = first_differing_lines(&a.header.join("\n"), &b.header.join("\n"));
        found.push(format!("  header:\n{text}"));
    }
    if a.images.len() != b.images.len() {
        found.push(format!(
            "  {} and {} images",
            a.images.len(),
            b.images.len()
        ));
    }
    for (number, (x, y)) in a.images.iter().zip(&b.images).enumerate() {
        let image = number + 1;
        let paths = |blocks: &[Block]| blocks.iter().map(|b| b.path.clone()).collect::<Vec<_>>();
        if paths(x) != paths(y) {
            let at = x.iter().zip(y).position(|(p, q)| p.path != q.path);
            let name = |blocks: &[Block]| {
                at.and_then(|at| blocks.get(at))
                    .map_or("(end)".into(), |block| format!("{:?}", block.path))
            };
            found.push(format!(
                "  image {image}: paths differ ({} and {}), first {} and {}",
                x.len(),
                y.len(),
                name(x),
                name(y)
            ));
            continue;
        }
        for (p, q) in x.iter().zip(y).filter(|(p, q)| p != q).take(10) {
            let mut text = format!("  image {image}: {:?}", p.path);
            let (left, right) = (p.lines(), q.lines());
            for line in left.iter().filter(|line| !right.contains(line)) {
                let _ = write!(text, "\n    - {line}");
            }
            for line in right.iter().filter(|line| !left.contains(line)) {
                let _ = write!(text, "\n    + {line}");
            }
            found.push(text);
        }
    }
    found
}

impl Block {
    fn lines(&self) -> Vec<String> {
        let mut lines = self.facts.clone();
        for stream in &self.streams {
            lines.push(stream.title.clone());
            lines.extend(stream.facts.iter().map(|f| format!("{} {f}", stream.title)));
        }
        lines
    }
}

fn as_text(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        let _ = writeln!(text, "{:?}\n{}", block.path, block.lines().join("\n"));
    }
    text
}

fn first_differing_lines(a: &str, b: &str) -> String {
    let (a, b): (Vec<_>, Vec<_>) = (a.lines().collect(), b.lines().collect());
    let at = a
        .iter()
        .zip(&b)
        .position(|(x, y)| x != y)
        .unwrap_or(a.len().min(b.len()));
    let show = |lines: &[&str]| {
        let from = at.saturating_sub(2);
        let to = (at + 3).min(lines.len());
        lines[from.min(to)..to].join("\n    ")
    };
    format!(
        "  line {}\n    {}\n  and\n    {}",
        at + 1,
        show(&a),
        show(&b)
    )
}

/// The XML data as text.
///
/// # Panics
/// If it is not UTF-16LE with a byte order mark.
#[must_use]
pub fn xml_text(bytes: &[u8]) -> String {
    assert!(
        bytes.starts_with(&[0xff, 0xfe]) && bytes.len().is_multiple_of(2),
        "XML data must be UTF-16LE: {:02x?}…",
        &bytes[..bytes.len().min(16)]
    );
    let units: Vec<u16> = bytes[2..]
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    String::from_utf16(&units).expect("XML data must be valid UTF-16")
}

fn without_noise(xml: &str) -> String {
    let mut text = known::normalise_xml(xml).to_owned();
    for element in ["CREATIONTIME", "LASTMODIFICATIONTIME"] {
        text = replace_elements(&text, element);
    }
    // The size of the whole file is the element behind the last image.
    match text.rfind("</IMAGE>") {
        Some(at) => {
            let (images, rest) = text.split_at(at);
            format!("{images}{}", replace_elements(rest, "TOTALBYTES"))
        }
        None => replace_elements(&text, "TOTALBYTES"),
    }
}

fn replace_elements(text: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(&open) {
        let after = start + open.len();
        let Some(len) = rest[after..].find(&close) else {
            break;
        };
        out += &rest[..after];
        out += "…";
        rest = &rest[after + len..];
    }
    out + rest
}

fn header_facts(text: &str) -> Vec<String> {
    let kept = [
        "Magic Characters",
        "Header Size",
        "Version",
        "Flags",
        "    ",
        "Chunk Size",
        "Part Number",
        "Total Parts",
        "Image Count",
        "Blob Table Flags",
        "XML Data Flags",
        "Boot Index",
        "Boot Metadata Original Size",
        "Blob Table Original_size",
    ];
    text.lines()
        .filter(|line| known::is_comparable_header_line(line))
        .filter(|line| kept.iter().any(|start| line.starts_with(start)))
        .map(str::to_owned)
        .collect()
}

/// Takes `dir --detailed` apart.
///
/// # Panics
/// If it does not look as it should.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block> {
    const RULE: &str =
        "----------------------------------------------------------------------------\n";
    let mut groups: HashMap<String, usize> = HashMap::new();
    let mut blocks = Vec::new();
    for block in text.split(RULE).skip(1) {
        let rest = block
            .strip_prefix("Full Path           = \"")
            .unwrap_or_else(|| panic!("a block without a path: {block:?}"));
        // Names may contain quotes and line feeds.
        let end = ["\"\nShort Name  ", "\"\nAttributes  "]
            .iter()
            .filter_map(|next| rest.find(next))
            .min()
            .unwrap_or_else(|| panic!("a block without attributes: {block:?}"));
        let mut parsed = Block {
            path: rest[..end].to_owned(),
            facts: Vec::new(),
            streams: Vec::new(),
        };
        for line in rest[end + 2..].lines().filter(|line| !line.is_empty()) {
            if let Some(title) = line.strip_prefix('\t') {
                parsed.streams.push(Stream {
                    title: title.to_owned(),
                    facts: Vec::new(),
                });
            } else if let Some(stream) = parsed.streams.last_mut() {
                if !is_noise(line) {
                    stream.facts.push(line.to_owned());
                }
            } else if let Some(id) = line.strip_prefix("Link Group ID       = ") {
                // Groups are numbered as each program likes.
                let number = if id == "0x0000000000000000" {
                    0
                } else {
                    let next = groups.len() + 1;
                    *groups.entry(id.to_owned()).or_insert(next)
                };
                parsed.facts.push(format!("link group {number}"));
            } else {
                parsed.facts.push(line.to_owned());
            }
        }
        known::normalise(&mut parsed);
        blocks.push(parsed);
    }
    blocks
}

// Where and how a stream is stored depends on the compressor.
fn is_noise(line: &str) -> bool {
    [
        "Compressed size",
        "Offset in WIM",
        "Flags ",
        "Solid resource",
        "Solid offset",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}
