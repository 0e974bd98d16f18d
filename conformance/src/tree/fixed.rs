//! Trees that are always the same.

use super::{Content, Node, Target, Times, Tree, name};
use crate::content::{FLAVOURS, Flavour};

/// A small tree with one of everything.
#[must_use]
pub fn everything() -> Tree {
    let mut nodes = vec![
        Node::dir(0, "sub"),
        Node::dir(1, "deeper"),
        Node::dir(0, "empty directory"),
        Node::file(0, "empty", Content::Bytes(Vec::new())),
        Node::file(0, "hello", Content::Bytes(b"hello\n".to_vec())),
        Node::file(1, "again", Content::Bytes(b"hello\n".to_vec())),
        Node::file(1, "text", Content::text(1, 100_000)),
        Node::file(2, "same text", Content::text(1, 100_000)),
        Node::file(
            2,
            "random",
            Content::Made {
                flavour: Flavour::Random,
                seed: 2,
                len: 70_000,
            },
        ),
        Node::file(
            0,
            "sparse",
            Content::Sparse {
                len: 1_000_000,
                islands: vec![500_000],
            },
        ),
        Node::hard_link(1, "another name of hello", 1),
        Node::hard_link(0, "yet another", 1),
        Node::hard_link(0, "another name of empty", 0),
        Node::symlink(0, "to file", Target::Text(b"hello".to_vec())),
        Node::symlink(0, "to directory", Target::Text(b"sub/deeper".to_vec())),
        Node::symlink(1, "up", Target::Text(b"../hello".to_vec())),
        Node::symlink(0, "dangling", Target::Text(b"nowhere".to_vec())),
        Node::file(0, "Upper", Content::text(3, 10)),
        Node::file(0, "upper", Content::text(4, 10)),
        Node::file(0, "grüße 😀", Content::text(5, 10)),
    ];
    nodes.push(Node::file(0, "old", Content::text(6, 10)).at(Times {
        mtime: (-1, 999_999_999),
        atime: (-1_000_000_000, 50),
    }));
    Tree {
        times: Times::default(),
        nodes,
    }
}

/// The tree of [`everything`] and links with absolute targets inside and outside.
#[must_use]
pub fn absolute_links() -> Tree {
    let mut tree = everything();
    let inside = |node, tail: &[u8]| Target::Inside(node, tail.to_vec());
    tree.nodes.extend([
        Node::symlink(0, "abs file", inside(5, b"")),
        Node::symlink(0, "abs slashes", inside(5, b"///")),
        Node::symlink(1, "abs dir", inside(1, b"")),
        Node::symlink(1, "abs root", inside(0, b"")),
        Node::symlink(0, "abs root slashes", inside(0, b"////")),
        Node::symlink(0, "abs dangling", inside(0, b"/not/there")),
        Node::symlink(0, "outside", Target::Text(b"/usr/bin/env".to_vec())),
        Node::symlink(0, "outside dangling", Target::Text(b"/not/there".to_vec())),
        Node::symlink(0, "slash", Target::Text(b"/".to_vec())),
    ]);
    tree
}

/// Every unit of UTF-16 that a POSIX name can hold, in names of `per_name` units.
#[must_use]
pub fn every_unit(per_name: usize) -> Tree {
    let units: Vec<u16> = (1..=u16::MAX)
        .filter(|unit| name::allowed(*unit) && *unit != u16::from(b'\\'))
        .collect();
    let nodes = units
        .chunks(per_name)
        .enumerate()
        .map(|(index, units)| {
            // The prefix keeps `.` from being a name of its own.
            let mut full: Vec<u16> = "u".encode_utf16().collect();
            full.extend_from_slice(units);
            let parent = 0;
            Node::file(
                parent,
                name::legal(&full),
                Content::Bytes((index % 7).to_string().into_bytes()),
            )
        })
        .collect();
    Tree {
        times: Times::default(),
        nodes,
    }
}

/// Sizes around the borders of chunks, in every flavour.
#[must_use]
pub fn borders() -> Tree {
    let mut nodes = Vec::new();
    let sizes = [
        0u64, 1, 2, 3, 4095, 4096, 4097, 32767, 32768, 32769, 65535, 65536, 65537, 98303, 98304,
        98305, 131_072, 1_048_577,
    ];
    for (number, flavour) in FLAVOURS.iter().enumerate() {
        for size in sizes {
            nodes.push(Node::file(
                0,
                format!("{flavour:?} {size}"),
                Content::Made {
                    flavour: *flavour,
                    seed: size + number as u64,
                    len: size,
                },
            ));
        }
    }
    Tree {
        times: Times::default(),
        nodes,
    }
}

/// A chain of directories with a file in each.
#[must_use]
pub fn deep(depth: usize) -> Tree {
    let mut nodes = Vec::new();
    for level in 0..depth {
        nodes.push(Node::dir(level, "d"));
        nodes.push(Node::file(
            level + 1,
            "f",
            Content::Bytes(level.to_string().into_bytes()),
        ));
    }
    Tree {
        times: Times::default(),
        nodes,
    }
}

/// One directory with very many small files.
#[must_use]
pub fn wide(files: usize) -> Tree {
    let nodes = (0..files)
        .map(|number| {
            Node::file(
                0,
                format!("file {number}"),
                Content::text(number as u64 % 1000, 1 + number as u64 % 300),
            )
        })
        .collect();
    Tree {
        times: Times::default(),
        nodes,
    }
}

/// Enough data that a capture takes a while: `mebibytes` of text and noise in files of 1 MiB.
#[must_use]
pub fn bulky(mebibytes: usize, seed: u64) -> Tree {
    let nodes = (0..mebibytes)
        .map(|number| {
            Node::file(
                0,
                format!("part {number:04}"),
                Content::Made {
                    flavour: if number % 4 == 3 {
                        Flavour::Random
                    } else {
                        Flavour::Text
                    },
                    seed: seed * 10_000 + number as u64,
                    len: 1 << 20,
                },
            )
        })
        .collect();
    Tree {
        times: Times::default(),
        nodes,
    }
}
