//! Archives in several files: split and joined ones, deltas with their bases.

use crate::life::{assert_sound, two_images};
use crate::support::{Source, both, rules_for};
use std::fs;
use std::path::PathBuf;
use wimforge_conformance::compare::assert_same_tree;
use wimforge_conformance::imaging::{Compression, Options};
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::tree::fixed;

#[test]
fn split_and_joined_again() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let (first, second, wim) = two_images(&wimlib, Compression::None);
    for (splitter, reader) in [(&wimforge, &wimlib), (&wimlib, &wimforge)] {
        let dir = Scratch::new();
        let part = dir.join("part.swm");
        let call = splitter.call(["split"]).arg(&wim).arg(&part).arg("0.02");
        let _run = call.run().ok();
        assert!(dir.names().len() > 2, "{:?}", dir.names());
        let glob = dir.join("part*.swm").display().to_string();
        assert_sound(&[reader], &part, Some(&glob));
        let target = dir.join("restored");
        let apply = || reader.call(["apply"]).arg(&part).arg("1").arg(&target);
        let _alone = apply().run().refused_with(55, &[]);
        // wimforge finds that out before it makes anything.
        let _ = fs::remove_dir_all(&target);
        let _run = apply().arg(format!("--ref={glob}")).run().ok();
        let after = Snapshot::of(&target);
        let rules = rules_for(&Options::default());
        assert_same_tree("split", &first.before, &after, rules);
        let joined = dir.join("joined.wim");
        let mut parts: Vec<PathBuf> = dir.names().iter().map(|name| dir.join(name)).collect();
        parts.retain(|path| path.extension().is_some_and(|extension| extension == "swm"));
        parts.reverse();
        let join = |parts: &[PathBuf]| reader.call(["join"]).arg(&joined).args(parts).run();
        let _missing = join(&parts[1..]).refused_with(62, &[]);
        let _run = join(&parts).ok();
        assert_sound(&[&wimforge, &wimlib], &joined, None);
        second.assert_restored(splitter, &joined, 2, rules);
    }
}

#[test]
fn solid_archives_are_split_too() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let options = Options::default();
    let wim = source.scratch.join("solid.wim");
    let call = wimlib.capture(&source.path, &wim, &options).arg("--solid");
    let _run = call.run().ok();
    source.before.restore_times();
    let part = source.scratch.join("part.swm");
    let call = wimforge.call(["split"]).arg(&wim).arg(&part).arg("0.01");
    let _run = call.run().ok();
    let glob = source.scratch.join("part*.swm").display().to_string();
    assert_sound(&[&wimforge, &wimlib], &part, Some(&glob));
}

#[test]
fn a_delta_is_read_with_its_base() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let source = Source::new(&fixed::everything());
    let options = Options::default();
    let base = source.captured(&wimforge, "base.wim", &options);
    let delta = source.scratch.join("delta.wim");
    let call = wimlib.capture(&source.path, &delta, &options);
    let _run = call
        .arg(format!("--delta-from={}", base.display()))
        .run()
        .ok();
    source.before.restore_times();
    let reference = format!("--ref={}", base.display());
    for verb in ["apply", "extract"] {
        let dir = Scratch::new();
        let target = dir.join("restored");
        let restore = || match verb {
            "apply" => wimforge.call(["apply"]).arg(&delta).arg(&target),
            _ => {
                let call = wimforge.call(["extract"]).arg(&delta).arg("1");
                call.arg(format!("--dest-dir={}", target.display()))
            }
        };
        let _alone = restore().run().refused_with(55, &["delta.wim", "base"]);
        let _run = restore().arg(&reference).run().ok();
        let after = Snapshot::of(&target);
        let rules = rules_for(&options);
        assert_same_tree(verb, &source.before, &after, rules);
    }
    let verify = || wimforge.call(["verify"]).arg(&delta);
    let _alone = verify().run().refused_with(55, &["/"]);
    let _run = verify().arg(&reference).run().ok();
    let whole = source.scratch.join("whole.wim");
    let export = wimforge.call(["export"]).arg(&delta).arg("1").arg(&whole);
    let _run = export.arg(&reference).run().ok();
    assert_sound(&[&wimlib], &whole, None);
}
