//! Generators of trees for proptest.

use super::{Content, Node, Target, Times, Tree, What, name};
use crate::content::{FLAVOURS, Flavour};
use proptest::prelude::*;
use proptest::sample::select;

/// Trees with up to this many nodes.
pub fn trees(max_nodes: usize) -> impl Strategy<Value = Tree> {
    (times(), prop::collection::vec(nodes(), 0..=max_nodes))
        .prop_map(|(times, nodes)| Tree { times, nodes })
}

fn nodes() -> impl Strategy<Value = Node> {
    // Mostly small numbers of directories, so that some become full and some deep.
    (0usize..64, names(), whats(), times()).prop_map(|(parent, name, what, times)| Node {
        parent,
        name,
        what,
        times,
    })
}

fn whats() -> impl Strategy<Value = What> {
    prop_oneof![
        3 => Just(What::Dir),
        8 => contents().prop_map(What::File),
        2 => (0usize..64).prop_map(What::HardLink),
        3 => targets().prop_map(What::Symlink),
    ]
}

/// Names: short plain ones that collide in all but case, ones that Windows cannot have, and any
/// sequence of units.
pub fn names() -> impl Strategy<Value = Vec<u8>> {
    const HOSTILE: &[&str] = &[
        "CON",
        "nul.txt",
        "a.",
        "a ",
        " a",
        "...",
        "a:b",
        "a*?",
        "<a>",
        "\"",
        "|",
        "PROGRA~1",
        "\n",
        "\t",
        "-rf",
        "~",
        "#",
        "\u{feff}",
        "\u{202e}txt",
        "e\u{301}",
        "\u{e9}",
        "ß",
        "ẞ",
        "ı",
        "İ",
        "K",
        "ſ",
        "\u{ffff}",
        "\u{10ffff}",
        "𝒜",
    ];
    prop_oneof![
        4 => "[abAB]{1,2}",
        4 => "[a-z]{1,12}(\\.[a-z]{1,3})?",
        1 => select(HOSTILE).prop_map(str::to_owned),
    ]
    .prop_map(String::into_bytes)
    .boxed()
    .prop_union(any_names().boxed())
}

/// Names of any legal units, lone surrogates among them.
pub fn any_names() -> impl Strategy<Value = Vec<u8>> {
    let unit = prop_oneof![
        4 => 1u16..0x80,
        2 => 0x80u16..0x800,
        2 => any::<u16>(),
        1 => 0xd800u16..0xe000,
    ];
    prop::collection::vec(unit, 1..90).prop_map(|units| name::legal(&units))
}

fn contents() -> impl Strategy<Value = Content> {
    prop_oneof![
        2 => Just(Content::Bytes(Vec::new())),
        4 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Content::Bytes),
        // Few seeds: duplicates are wanted.
        8 => (select(&FLAVOURS[..]), 0u64..3, lengths())
            .prop_map(|(flavour, seed, len)| Content::Made { flavour, seed, len }),
        1 => (1u64..2_000_000, prop::collection::vec(0u64..2_000_000, 0..3))
            .prop_map(|(len, islands)| Content::Sparse { len, islands }),
        1 => (select(&[Flavour::Mixed, Flavour::Text][..]), 0u64..2, 1_000_000u64..3_000_000)
            .prop_map(|(flavour, seed, len)| Content::Made { flavour, seed, len }),
    ]
}

/// Sizes of files, many at the borders of chunks.
pub fn lengths() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 1u64..5000,
        4 => (select(&[4096u64, 32768, 65536, 98304, 131_072][..]), 0u64..3)
            .prop_map(|(border, off)| border + off - 1),
        2 => 5000u64..200_000,
    ]
}

fn targets() -> impl Strategy<Value = Target> {
    const TEXTS: &[&[u8]] = &[
        b"dangling",
        b"../dangling/deeper",
        b"/nonexistent",
        b"/usr/bin/env",
        b"..",
        b".",
        b"a//b/./c/",
        b"back\\slash",
        b"C:",
        "\u{e4}\u{1f600}".as_bytes(),
    ];
    prop_oneof![
        4 => (0usize..64).prop_map(Target::Relative),
        3 => (0usize..64).prop_map(|node| Target::Inside(node, Vec::new())),
        1 => (0usize..64).prop_map(|node| Target::Inside(node, b"/beyond".to_vec())),
        3 => select(TEXTS).prop_map(|text| Target::Text(text.to_vec())),
    ]
}

fn times() -> impl Strategy<Value = Times> {
    (time(), time()).prop_map(|(mtime, atime)| Times { mtime, atime })
}

/// Moments that file systems can hold: before 1970, after 2038, and between two ticks of 100 ns.
fn time() -> impl Strategy<Value = (i64, u32)> {
    let seconds = prop_oneof![
        4 => 1_000_000_000i64..1_800_000_000,
        1 => -2_000_000_000i64..0,
        1 => -2i64..2,
        1 => 4_000_000_000i64..8_000_000_000,
    ];
    let nanoseconds = prop_oneof![
        select(&[0u32, 1, 99, 100, 101, 999_999_900, 999_999_999][..]),
        0u32..1_000_000_000,
    ];
    (seconds, nanoseconds)
}
