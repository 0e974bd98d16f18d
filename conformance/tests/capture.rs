//! Capture, and restoring what was captured: every fixed tree and generated ones.

use crate::support::{Source, agree, both, generated, rules_for};
use proptest::prelude::*;
use proptest::sample::select;
use wimforge_conformance::imaging::{COMPRESSIONS, Compression, Fixing, Imager, Options};
use wimforge_conformance::tree::{Content, Node, Tree, fixed, strategy};
use wimforge_conformance::view::{assert_no_semantic_difference, assert_same_eyes};

#[test]
fn one_of_everything_in_every_compression() {
    for compression in COMPRESSIONS {
        agree(&fixed::everything(), &Options::with(compression));
    }
}

#[test]
fn integrity_table_and_boot_mark() {
    let options = Options {
        check: true,
        boot: true,
        ..Options::default()
    };
    agree(&fixed::everything(), &options);
}

#[test]
fn an_empty_directory() {
    for compression in COMPRESSIONS {
        agree(&Tree::default(), &Options::with(compression));
    }
}

#[test]
fn every_unit_in_names() {
    // 60 units of three bytes each are what a name can hold.
    agree(&fixed::every_unit(60), &Options::with(Compression::None));
}

#[test]
fn every_unit_alone_in_a_name() {
    // The order of 65,000 names; too many to restore them all four times.
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::every_unit(1));
    let options = Options::with(Compression::None);
    let ours = source.captured(&wimforge, "wimforge.wim", &options);
    let theirs = source.captured(&wimlib, "wimlib.wim", &options);
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
    assert_same_eyes(&wimforge, &wimlib, &theirs);
}

#[test]
fn backslashes_in_names() {
    let nodes = vec![
        Node::file(0, "a\\b", Content::text(1, 10)),
        Node::dir(0, "c\\"),
        Node::file(1, "\\", Content::text(2, 10)),
    ];
    let tree = Tree {
        nodes,
        ..Tree::default()
    };
    agree(&tree, &Options::default());
}

#[test]
fn sizes_around_the_borders_of_chunks() {
    for compression in COMPRESSIONS {
        agree(&fixed::borders(), &Options::with(compression));
    }
}

#[test]
fn a_deep_tree() {
    agree(&fixed::deep(1000), &Options::default());
}

#[test]
fn a_wide_tree() {
    agree(&fixed::wide(5000), &Options::with(Compression::Xpress));
}

#[test]
fn by_its_own_name() {
    let source = Source::new(&fixed::absolute_links());
    for options in [
        Options::default(),
        Options {
            fixing: Fixing::Off,
            ..Options::default()
        },
    ] {
        let wimforge = Imager::own();
        let name = format!("{:?}.wim", options.fixing);
        let wim = source.captured(&wimforge, &name, &options);
        source.assert_restored(&wimforge, &wim, 1, rules_for(&options));
        if let Some(wimlib) = Imager::wimlib() {
            source.assert_restored(&wimlib, &wim, 1, rules_for(&options));
        }
    }
}

#[test]
#[ignore = "needs minutes, and 5 GB of space where the file system has no holes"]
fn a_file_of_more_than_4_gib() {
    let islands = vec![0, 1 << 31, 1 << 32, (1 << 32) + 40_000];
    let nodes = vec![
        Node::file(
            0,
            "large",
            Content::Sparse {
                len: (1 << 32) + 50_001,
                islands,
            },
        ),
        Node::file(0, "small", Content::text(1, 1000)),
    ];
    let tree = Tree {
        nodes,
        ..Tree::default()
    };
    // Uncompressed, the small file lies behind 4 GiB of the archive.
    for compression in [Compression::Xpress, Compression::None] {
        agree(&tree, &Options::with(compression));
    }
}

fn any_options() -> impl Strategy<Value = Options> {
    (
        select(&COMPRESSIONS[..]),
        any::<bool>(),
        any::<bool>(),
        select(&[Fixing::Default, Fixing::On, Fixing::Off][..]),
        select(&[None, Some(1), Some(2), Some(5)][..]),
    )
        .prop_map(|(compression, check, boot, fixing, threads)| Options {
            compression,
            check,
            boot,
            fixing,
            rebuild: false,
            threads,
            further: &[],
        })
}

proptest! {
    #![proptest_config(generated(24))]
    #[test]
    fn generated_trees(tree in strategy::trees(40), options in any_options()) {
        agree(&tree, &options);
    }
}

proptest! {
    #![proptest_config(generated(8))]
    #[test]
    fn generated_large_trees(tree in strategy::trees(400), options in any_options()) {
        agree(&tree, &options);
    }
}
