//! What differs between two trees.

use std::cmp::Ordering;

use super::items::{UNIX_DATA, XATTRS};
use super::{DentryId, Image, Inode, SecurityId, Stream, StreamKind, collation};
use crate::hash::Sha1;

bitflags::bitflags! {
    /// Sides of a file that can differ.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Aspects: u16 {
        /// It is a file in one tree, a directory or a link in the other.
        const KIND = 1;
        /// Its unnamed data.
        const DATA = 2;
        /// The target of a link, or other reparse data.
        const TARGET = 4;
        /// Its named streams.
        const STREAMS = 8;
        /// DOS attributes.
        const ATTRIBUTES = 0x10;
        /// The time of the last write.
        const WRITE_TIME = 0x20;
        /// The creation time.
        const CREATION_TIME = 0x40;
        /// The security descriptor.
        const SECURITY = 0x80;
        /// Owner, group, mode and device.
        const UNIX = 0x100;
        /// Extended attributes.
        const XATTRS = 0x200;
        /// The short name.
        const SHORT_NAME = 0x400;
        /// The number of names.
        const LINKS = 0x800;
    }
}

impl Aspects {
    /// What of them is the name of one, for people and programs.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (Aspects::KIND, "kind"),
            (Aspects::DATA, "data"),
            (Aspects::TARGET, "target"),
            (Aspects::STREAMS, "streams"),
            (Aspects::ATTRIBUTES, "attributes"),
            (Aspects::WRITE_TIME, "write-time"),
            (Aspects::CREATION_TIME, "creation-time"),
            (Aspects::SECURITY, "security"),
            (Aspects::UNIX, "unix"),
            (Aspects::XATTRS, "xattrs"),
            (Aspects::SHORT_NAME, "short-name"),
            (Aspects::LINKS, "links"),
        ]
        .into_iter()
        .filter(move |(aspect, _)| self.contains(*aspect))
        .map(|(_, name)| name)
    }
}

/// A difference at one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Only the first tree has it, with all below it.
    Removed(DentryId),
    /// Only the second tree has it, with all below it.
    Added(DentryId),
    /// Both have it, and these aspects differ.
    Changed(DentryId, DentryId, Aspects),
}

/// Compares two trees name by name. Differences come in the order of the trees; what is below a file or
/// directory that only one of them has is not reported by itself. Names are compared exactly.
#[must_use]
pub fn diff(a: &Image, b: &Image, aspects: Aspects) -> Vec<Difference> {
    let mut found = Vec::new();
    let (Some(root_a), Some(root_b)) = (a.root(), b.root()) else {
        found.extend(a.root().map(Difference::Removed));
        found.extend(b.root().map(Difference::Added));
        return found;
    };
    // What is still to be compared, the next at the end.
    let mut todo = vec![Step::Both(root_a, root_b)];
    while let Some(step) = todo.pop() {
        let (x, y) = match step {
            Step::Both(x, y) => (x, y),
            Step::Found(difference) => {
                found.push(difference);
                continue;
            }
        };
        let (inode_x, inode_y) = (a.inode_of(x), b.inode_of(y));
        let mut differing = compare(a, x, b, y) & aspects;
        if kind(inode_x) != kind(inode_y) {
            differing = Aspects::KIND;
        }
        if !differing.is_empty() {
            found.push(Difference::Changed(x, y, differing));
        }
        if inode_x.attributes.is_directory() && inode_y.attributes.is_directory() {
            let first = todo.len();
            merge(a, x, b, y, &mut todo);
            todo[first..].reverse();
        }
    }
    found
}

enum Step {
    Both(DentryId, DentryId),
    Found(Difference),
}

/// Children of both directories, in order.
fn merge(a: &Image, x: DentryId, b: &Image, y: DentryId, todo: &mut Vec<Step>) {
    let (mut xs, mut ys) = (a.children(x), b.children(y));
    loop {
        let order = match (xs.first(), ys.first()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(&x), Some(&y)) => collation::compare(a.name(x), b.name(y)),
        };
        todo.push(match order {
            Ordering::Less => Step::Found(Difference::Removed(xs[0])),
            Ordering::Greater => Step::Found(Difference::Added(ys[0])),
            Ordering::Equal => Step::Both(xs[0], ys[0]),
        });
        xs = &xs[usize::from(order != Ordering::Greater)..];
        ys = &ys[usize::from(order != Ordering::Less)..];
    }
}

/// What a file is.
#[derive(PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    /// A reparse point with this tag.
    Reparse(u32),
}

fn kind(inode: &Inode) -> Kind {
    if inode.attributes.is_reparse_point() {
        Kind::Reparse(inode.reparse_tag)
    } else if inode.attributes.is_directory() {
        Kind::Directory
    } else {
        Kind::File
    }
}

fn compare(a: &Image, x: DentryId, b: &Image, y: DentryId) -> Aspects {
    let (p, q) = (a.inode_of(x), b.inode_of(y));
    let unnamed = |image: &Image, inode: &Inode, kind| {
        let stream = image.unnamed_stream(inode, kind);
        stream.map_or(Sha1::ZERO, |stream: &Stream| {
            image.content(stream.content).hash
        })
    };
    let same_data = |kind| unnamed(a, p, kind) == unnamed(b, q, kind);
    let item = |tag| a.item(p, tag) == b.item(q, tag);
    let descriptor = |image: &Image, id: SecurityId| image.security.get(id).map(<[u8]>::to_vec);
    let differing = [
        (
            Aspects::DATA,
            !(same_data(StreamKind::Data) && same_data(StreamKind::Encrypted)),
        ),
        (Aspects::TARGET, !same_data(StreamKind::Reparse)),
        (Aspects::STREAMS, named(a, p) != named(b, q)),
        (Aspects::ATTRIBUTES, p.attributes != q.attributes),
        (Aspects::WRITE_TIME, p.write_time != q.write_time),
        (Aspects::CREATION_TIME, p.creation_time != q.creation_time),
        (
            Aspects::SECURITY,
            descriptor(a, p.security) != descriptor(b, q.security),
        ),
        (Aspects::UNIX, !item(UNIX_DATA)),
        (Aspects::XATTRS, !item(XATTRS)),
        (Aspects::SHORT_NAME, a.short_name(x) != b.short_name(y)),
        (Aspects::LINKS, p.names != q.names),
    ];
    differing
        .into_iter()
        .filter(|entry| entry.1)
        .fold(Aspects::empty(), |all, (aspect, _)| all | aspect)
}

/// Named streams, sorted.
fn named<'i>(image: &'i Image, inode: &Inode) -> Vec<(&'i [u8], Sha1)> {
    let streams = image.streams(inode).iter();
    let named = streams.filter(|stream| stream.kind == StreamKind::Named);
    let mut named: Vec<_> = named
        .map(|stream| (image.text(stream.name), image.content(stream.content).hash))
        .collect();
    named.sort_unstable();
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Compression;
    use crate::testing::{Tree, open};

    fn image(files: &[(&str, &str)]) -> Image {
        let mut tree = Tree::new();
        for (path, data) in files {
            tree.file(path, data.as_bytes());
        }
        let archive = open(tree.archive(Compression::None)).unwrap();
        archive.read_image(1, &mut |_| {}).unwrap()
    }

    #[test]
    fn trees_are_compared_name_by_name() {
        let a = image(&[
            ("a", "1"),
            ("d/x", "2"),
            ("d/y", "3"),
            ("gone/z", "4"),
            ("k", "5"),
        ]);
        let b = image(&[
            ("a", "1"),
            ("b", "6"),
            ("d/x", "7"),
            ("d/y", "3"),
            ("k/l", "8"),
        ]);
        let shown: Vec<String> = diff(&a, &b, Aspects::all())
            .into_iter()
            .map(|difference| {
                let (sign, image, dentry, aspects) = match difference {
                    Difference::Removed(dentry) => ('-', &a, dentry, Aspects::empty()),
                    Difference::Added(dentry) => ('+', &b, dentry, Aspects::empty()),
                    Difference::Changed(dentry, _, aspects) => ('~', &a, dentry, aspects),
                };
                let path = String::from_utf8(image.path(dentry)).unwrap();
                let names: Vec<_> = aspects.names().collect();
                format!("{sign}{path} {}", names.join(","))
            })
            .collect();
        assert_eq!(shown, ["+/b ", "~/d/x data", "-/gone ", "~/k kind"]);
        assert_eq!(diff(&a, &a, Aspects::all()), []);
        assert_eq!(diff(&a, &Image::new(), Aspects::all()).len(), 1);
    }
}
