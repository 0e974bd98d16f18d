//! 7-Zip, a second independent reader.

use crate::support::{Source, both};
use std::path::Path;
use wimforge_conformance::imaging::{COMPRESSIONS, Imager, Options};
use wimforge_conformance::known;
use wimforge_conformance::locate;
use wimforge_conformance::tool::Call;
use wimforge_conformance::tree::{Tree, fixed};

#[track_caller]
pub fn assert_readable(seven_zip: &Path, wim: &Path) {
    let run = Call::new(seven_zip).args(["t"]).arg(wim).run().ok();
    assert!(run.out().contains("Everything is Ok"), "{run}");
}

#[test]
fn tests_what_we_write() {
    let Some(seven_zip) = locate::seven_zip() else {
        return;
    };
    let wimforge = Imager::own();
    for tree in [fixed::everything(), fixed::borders(), fixed::wide(500)] {
        let source = Source::new(&tree);
        for compression in COMPRESSIONS {
            for check in [false, true] {
                let options = Options {
                    check,
                    ..Options::with(compression)
                };
                let wim = source.captured(&wimforge, "a.wim", &options);
                assert_readable(&seven_zip, &wim);
                for (name, rebuild) in [("in place", false), ("rebuilt", true)] {
                    let options = Options {
                        rebuild,
                        ..options.clone()
                    };
                    wimforge
                        .append(&source.path, &wim, name, &options)
                        .run()
                        .ok();
                    assert_readable(&seven_zip, &wim);
                }
            }
        }
    }
}

#[test]
fn finds_the_same_as_in_wimlibs_archive() {
    let (Some(seven_zip), Some((wimforge, wimlib))) = (locate::seven_zip(), both()) else {
        return;
    };
    for tree in [Tree::default(), fixed::everything(), fixed::every_unit(50)] {
        let source = Source::new(&tree);
        let listing = |imager: &Imager| {
            let wim = source.captured(imager, "a.wim", &Options::default());
            let run = Call::new(&seven_zip)
                .args(["l", "-slt", "-ba"])
                .arg(&wim)
                .run()
                .ok();
            let mut lines: Vec<String> = run
                .out()
                .lines()
                .filter(|line| {
                    known::is_comparable_listing_line(line)
                        && !["Packed Size", "Method", "Index", "Offset", "iNode"]
                            .iter()
                            .any(|start| line.starts_with(start))
                })
                .map(str::to_owned)
                .collect();
            lines.sort();
            lines
        };
        let (ours, theirs) = (listing(&wimforge), listing(&wimlib));
        for line in &theirs {
            assert!(ours.contains(line), "7-Zip does not see {line:?} in ours");
        }
        assert_eq!(ours.len(), theirs.len());
    }
}
