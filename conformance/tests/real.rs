//! Trees that nobody made for a test.

use crate::support::both;
use std::fs;
use std::path::Path;
use wimforge_conformance::compare::{Links, Rules, assert_same_tree};
use wimforge_conformance::imaging::{COMPRESSIONS, Compression, Fixing, Options};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::snapshot::Snapshot;
use wimforge_conformance::view::{assert_no_semantic_difference, assert_same_eyes};

/// Others read these trees too, and restoring them somewhere must not change them.
const RULES: Rules = Rules {
    links: Links::Same,
    access_times: false,
    unix_data: false,
};

#[track_caller]
fn real_tree(path: &str, compressions: &[Compression]) {
    let root = Path::new(path);
    if !root.is_dir() {
        locate::skip(&format!("{path} is not there"));
        return;
    }
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let original = Snapshot::of(root);
    for compression in compressions {
        let options = Options {
            fixing: Fixing::Off,
            ..Options::with(*compression)
        };
        let scratch = Scratch::new();
        let ours = scratch.join("wimforge.wim");
        wimforge.capture(root, &ours, &options).run().ok();
        wimforge.verify(&ours).ok();

        let restored = scratch.join("restored");
        wimlib.apply(&ours, 1, &restored).run().ok();
        let what = format!("{path} as {compression:?}, restored by wimlib");
        assert_same_tree(&what, &original, &Snapshot::of(&restored), RULES);
        fs::remove_dir_all(&restored).expect("remove what was restored");

        // The restored tree is ours alone, so times can be compared to the last digit: capture it
        // with both programs.
        if *compression == Compression::Xpress {
            let theirs = scratch.join("wimlib.wim");
            wimlib.capture(root, &theirs, &options).run().ok();
            wimforge.apply(&theirs, 1, &restored).run().ok();
            let what = format!("{path} as {compression:?}, restored by wimforge");
            assert_same_tree(&what, &original, &Snapshot::of(&restored), RULES);

            let mut before = Snapshot::of(&restored);
            before.settle_links();
            let (one, two) = (scratch.join("one.wim"), scratch.join("two.wim"));
            for (imager, wim) in [(&wimforge, &one), (&wimlib, &two)] {
                before.restore_times();
                imager.capture(&restored, wim, &options).run().ok();
            }
            assert_no_semantic_difference(&wimlib, &one, &two);
            assert_same_eyes(&wimforge, &wimlib, &two);
        } else {
            wimlib.verify(&ours).ok();
        }
    }
}

#[test]
fn usr_share_doc() {
    real_tree("/usr/share/doc", &COMPRESSIONS);
}

#[test]
fn usr_lib_python3() {
    real_tree("/usr/lib/python3", &COMPRESSIONS);
}

#[test]
fn usr_include() {
    real_tree("/usr/include", &COMPRESSIONS);
}

#[test]
#[ignore = "needs many minutes and 2 GB"]
fn usr_share() {
    real_tree("/usr/share", &COMPRESSIONS);
}

#[test]
#[ignore = "needs an hour, 8 GB and WIMFORGE_PATIENCE=3600"]
fn usr_lib() {
    real_tree("/usr/lib", &COMPRESSIONS);
}
