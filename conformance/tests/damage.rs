//! Damaged archives: an error or the right data, never a crash, never wrong data.

use crate::support::{Source, number};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use wimforge_conformance::compare::{Rules, differences};
use wimforge_conformance::content::Flavour;
use wimforge_conformance::imaging::{COMPRESSIONS, Imager, Options};
use wimforge_conformance::rng::Rng;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tree::{Content, Node, Target, Tree};
use wimforge_conformance::view::{Block, blocks};

/// Small, so that damage hits the structures and not only the data; no absolute links, since an
/// unprotected bit of the header decides what they mean.
fn small() -> Tree {
    let random = Content::Made {
        flavour: Flavour::Random,
        seed: 1,
        len: 300,
    };
    let nodes = vec![
        Node::dir(0, "directory"),
        Node::dir(1, "deeper"),
        Node::file(0, "text", Content::text(1, 40_000)),
        Node::file(1, "more text", Content::text(2, 2_000)),
        Node::file(2, "random", random),
        Node::file(2, "empty", Content::Bytes(Vec::new())),
        Node::hard_link(1, "link", 0),
        Node::symlink(0, "symlink", Target::Text(b"directory/deeper".to_vec())),
    ];
    Tree {
        nodes,
        ..Tree::default()
    }
}

/// What a program made of an archive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// Something is odd, but no data is lost: a count of references, a number in the XML data.
    Warned,
    Refused,
}

struct Patient {
    source: Source,
    imager: Imager,
    wim: PathBuf,
    bytes: Vec<u8>,
    listing: Vec<Block>,
}

impl Patient {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for compression in COMPRESSIONS {
            for check in [false, true] {
                let source = Source::new(&small());
                let imager = Imager::plain();
                let options = Options {
                    check,
                    ..Options::with(compression)
                };
                let wim = source.captured(&imager, "whole.wim", &options);
                let bytes = fs::read(&wim).expect("read");
                let listing = blocks(&imager.show("dir", &wim, &["--detailed"]).out());
                let wim = source.scratch.join("damaged.wim");
                all.push(Self {
                    source,
                    imager,
                    wim,
                    bytes,
                    listing,
                });
            }
        }
        all
    }

    fn runs(&self, args: &[&str]) -> Verdict {
        let run = self
            .imager
            .call(args.iter().copied())
            .within(Duration::from_secs(60))
            .in_dir(self.source.scratch.path())
            .run();
        if !run.succeeded() {
            let _said_why = run.refused();
            Verdict::Refused
        } else if run.err().is_empty() {
            Verdict::Fine
        } else {
            Verdict::Warned
        }
    }

    /// Writes a damaged archive and asserts that nothing wrong comes out of it. Returns whether it
    /// passes for sound.
    #[track_caller]
    fn examine(&self, what: &str, damaged: &[u8], restore_anyway: bool) -> bool {
        fs::write(&self.wim, damaged).expect("write");
        let verdict = self.runs(&["verify", "damaged.wim"]);
        let sound = verdict != Verdict::Refused;
        if verdict == Verdict::Fine {
            assert!(
                self.runs(&["dir", "damaged.wim", "--detailed"]) != Verdict::Refused,
                "{what}: verify succeeds, dir does not"
            );
            let text = self.imager.show("dir", &self.wim, &["--detailed"]).out();
            let listing = blocks(&text);
            let changed = self.listing.iter().zip(&listing).find(|(a, b)| a != b);
            assert!(
                listing == self.listing,
                "{what}: verify succeeds, but dir shows something else: {changed:#?}"
            );
        }
        if sound || restore_anyway {
            let target = self.source.scratch.join("restored");
            let apply = ["apply", "damaged.wim", "1", "restored"];
            let restored = self.runs(&apply) != Verdict::Refused;
            assert!(
                restored || !sound,
                "{what}: verify succeeds, apply does not"
            );
            if restored {
                let found = differences(
                    &self.source.before,
                    &Snapshot::of(&target),
                    Rules::default(),
                );
                assert!(
                    found.is_empty(),
                    "{what}: apply succeeds with another tree:\n{}",
                    found.join("\n")
                );
            }
            drop(fs::remove_dir_all(&target));
        }
        sound
    }
}

#[test]
fn truncated_at_many_points() {
    for patient in Patient::all() {
        let size = patient.bytes.len();
        let mut points: Vec<usize> = [0, 1, 7, 8, 100, 207, 208, 209].to_vec();
        points.extend((1..40).map(|part| size * part / 40));
        points.extend([33, 32, 13, 12, 2, 1].map(|short| size - short));
        for point in points {
            let what = format!("cut to {point} of {size} bytes");
            let sound = patient.examine(&what, &patient.bytes[..point], true);
            assert!(!sound, "{what}: verify does not notice");
        }
    }
}

#[test]
fn flipped_bytes() {
    let patients = Patient::all();
    let flips = number("WIMFORGE_FLIPS", 1000);
    let mut rng = Rng::new(number("WIMFORGE_SEED", 1));
    let mut unnoticed = 0;
    for flip in 0..flips {
        let patient = &patients[(flip % patients.len() as u64) as usize];
        let mut damaged = patient.bytes.clone();
        // Half of them in the header and the tables at the end.
        let size = damaged.len() as u64;
        let at = match rng.below(8) {
            0 => rng.below(208),
            1..4 => size - 1 - rng.below(size.min(2500)),
            _ => rng.below(size),
        } as usize;
        let mask = 1 + rng.below(255) as u8;
        damaged[at] ^= mask;
        let what = format!(
            "byte {at} of {size}: {:02x} for {:02x} (archive {})",
            damaged[at],
            patient.bytes[at],
            flip % patients.len() as u64
        );
        unnoticed += u64::from(patient.examine(&what, &damaged, flip % 10 == 0));
    }
    // The GUID, unused bytes of the header and the texts of the XML data are a small part.
    assert!(
        unnoticed < flips.div_ceil(3),
        "{unnoticed} of {flips} changes went unnoticed"
    );
}

#[test]
fn bytes_behind_the_end_do_not_matter() {
    for patient in Patient::all() {
        let longer = [patient.bytes.as_slice(), &[0xaa; 1000]].concat();
        assert!(patient.examine("1000 bytes more", &longer, true));
    }
}
