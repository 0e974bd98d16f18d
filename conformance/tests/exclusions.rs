//! What a capture leaves out, as the manual page of 2013 has it.

use crate::page::Place;
use crate::support::for_everyone;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use wimforge_conformance::locate;
use wimforge_conformance::tool::Call;

#[test]
fn default_exclusions() {
    let files = [
        "$ntfs.log",
        "hiberfil.sys",
        "pagefile.sys",
        "System Volume Information/x",
        "RECYCLER/x",
        "Windows/CSC/x",
        "swapfile.sys",
        "$RECYCLE.BIN/x",
        "$Recycle.Bin/x",
        "sub/pagefile.sys",
        "Pagefile.sys",
    ];
    let place = Place::with(
        &files
            .map(|file| format!("source/{file}"))
            .each_ref()
            .map(String::as_str),
    );
    let listing = |program: &Path, more: &[&str]| {
        let call = Call::new(program).args(["capture", "source", "a.wim"]);
        call.args(more).in_dir(place.0.path()).run().ok();
        place.says("wimforge dir a.wim")
    };
    let (own, drop_in) = (
        locate::wimforge_as("wimforge"),
        locate::wimforge_as("wimlib-imagex"),
    );
    // The six of the page, absolute, and as they are written.
    let kept = "/\n/$Recycle.Bin\n/$Recycle.Bin/x\n/$RECYCLE.BIN\n/$RECYCLE.BIN/x\n/Pagefile.sys\n/sub\n\
                /sub/pagefile.sys\n/swapfile.sys\n/Windows\n";
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&listing(&own, &[])), sorted(kept));
    if let Some(wimlib) = locate::wimlib() {
        assert_eq!(listing(&drop_in, &[]), listing(&wimlib, &[]));
    }
    // With a configuration they do not apply at all.
    fs::write(place.path("config"), "[ExclusionList]\nsub\n").expect("write");
    let listed = listing(&own, &["--config=config"]);
    assert!(
        listed.contains("/RECYCLER/x\n") && !listed.contains("/sub"),
        "{listed}"
    );
}

#[test]
fn excluded_directories_are_not_entered() {
    let Some(setpriv) = locate::setpriv() else {
        return;
    };
    let place = Place::with(&[
        "source/closed/x",
        "source/dir/file",
        "source/file",
        "source/dir/sub/file",
    ]);
    let program = for_everyone(&place.0);
    let mode = |bits| {
        let closed = place.path("source/closed");
        fs::set_permissions(closed, Permissions::from_mode(bits)).expect("set mode");
    };
    mode(0o700);
    // Relative with several components; with no effect, but known; from the root.
    let config = "[CompressionExclusionList]\n*\n[AlignmentList]\n*\n[ExclusionList]\nclosed\ndir/file\nsub/file\n";
    fs::write(place.path("config"), config).expect("write");
    let call = Call::new(&program).args(["capture", "source", "-", "--config=config", "--quiet"]);
    let run = call.in_dir(place.0.path()).as_nobody(&setpriv).run().ok();
    let warnings: Vec<String> = run.err().lines().map(str::to_owned).collect();
    assert!(
        warnings
            .iter()
            .all(|line| line.contains("pipable") || line.contains("Microsoft")),
        "{run}"
    );
    fs::write(place.path("a.wim"), run.stdout()).expect("write");
    assert_eq!(
        place.says("wimforge dir a.wim"),
        "/\n/dir\n/dir/sub\n/dir/sub/file\n/file\n"
    );
    // Without the pattern it is an error.
    let call = Call::new(&program).args(["capture", "source", "-", "--quiet"]);
    let run = call.in_dir(place.0.path()).as_nobody(&setpriv).run();
    run.refused_with(48, &["source/closed"]);
}

/// "… unless --dereference is specified and there is another path into that directory through a
/// symbolic link."
#[test]
fn what_is_excluded_may_be_reached_through_a_link() {
    let place = Place::with(&["source/hidden/file", "source/other"]);
    symlink("hidden", place.path("source/shown")).expect("link");
    fs::write(place.path("config"), "[ExclusionList]\n/hidden\n").expect("write");
    for program in [Some(locate::wimforge_as("wimlib-imagex")), locate::wimlib()] {
        let Some(program) = program else { continue };
        let call = Call::new(program).args(["capture", "source", "a.wim", "--config=config"]);
        call.arg("--dereference").in_dir(place.0.path()).run().ok();
        assert_eq!(
            place.says("wimforge dir a.wim"),
            "/\n/other\n/shown\n/shown/file\n"
        );
    }
    // A link that leads nowhere cannot be followed.
    symlink("nowhere", place.path("source/dangling")).expect("link");
    for program in [Some(locate::wimforge_as("wimlib-imagex")), locate::wimlib()] {
        let Some(program) = program else { continue };
        let call = Call::new(program).args(["capture", "source", "b.wim", "--dereference"]);
        call.in_dir(place.0.path())
            .run()
            .refused_with(63, &["dangling"]);
    }
}
