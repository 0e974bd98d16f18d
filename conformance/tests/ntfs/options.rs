//! The options of capture and append on a volume: as for directories, and as wimlib has them.

use super::volume::*;
use super::*;
use crate::windows::{Installation, properties};

/// Both programs capture `volume` with these options, and the archives say the same.
fn agree(scratch: &Scratch, volume: &Volume, options: &Options) {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
        let wim = scratch.join(format!("{imager}.wim"));
        let _captured = imager.capture(&volume.path, &wim, options).run().ok();
        wim
    });
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
}

/// A volume with everything.
fn full(scratch: &Scratch) -> Option<Volume> {
    let volume = Volume::format(scratch, "volume", 4096)?;
    volume.fill(scratch, everything).then_some(volume)
}

#[test]
fn options_mean_the_same_on_volumes() {
    let scratch = Scratch::new();
    let Some(volume) = full(&scratch) else {
        return;
    };
    let plain = Options::with(Compression::None);
    let further: [&'static [&'static str]; 3] =
        [&["--no-acls"], &["--strict-acls"], &["--pipable"]];
    for further in further {
        agree(
            &scratch,
            &volume,
            &Options {
                further,
                ..plain.clone()
            },
        );
    }
    let (boot, check) = (true, true);
    agree(
        &scratch,
        &volume,
        &Options {
            boot,
            check,
            ..plain
        },
    );
}

#[test]
fn a_configuration_applies_to_volumes() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let scratch = Scratch::new();
    let Some(volume) = full(&scratch) else {
        return;
    };
    let config = scratch.join("config");
    fs::write(
        &config,
        "[ExclusionList]\n\\many\n*.text\n[ExclusionException]\n\\many\n",
    )
    .expect("write a configuration");
    let options = Options::with(Compression::None);
    let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
        let wim = scratch.join(format!("{imager}.wim"));
        let capture = imager.capture(&volume.path, &wim, &options);
        let _captured = capture.arg("--config").arg(&config).run().ok();
        wim
    });
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
    let listed = wimforge.show("dir", &ours, &[]).out();
    // What the default list leaves out is there, and the exception holds.
    assert!(listed.contains("pagefile.sys") && listed.contains("/many/file 7\n"));
    assert!(!listed.contains("A long name.text"), "{listed}");
}

#[test]
fn volumes_are_updated_and_captured_as_deltas() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let scratch = Scratch::new();
    let Some(volume) = full(&scratch) else {
        return;
    };
    let options = Options::with(Compression::None);
    let imagers = [&wimforge, &wimlib];
    let wims = imagers.map(|imager| {
        let wim = scratch.join(format!("{imager}.wim"));
        let _captured = imager.capture(&volume.path, &wim, &options).run().ok();
        wim
    });
    let _changed = volume.fill(&scratch, |root| {
        fs::write(root.join("many/file 7"), b"changed").expect("change a file");
        fs::write(root.join("many/new"), b"new").expect("write a file");
        fs::remove_file(root.join("many/file 8")).expect("remove a file");
        set(&root.join("first"), "user.stream", b"renamed");
    });
    let mut deltas = Vec::new();
    for (imager, wim) in imagers.iter().zip(&wims) {
        let delta = scratch.join(format!("{imager}-delta.wim"));
        let capture = imager.capture(&volume.path, &delta, &options);
        let from = format!("--delta-from={}", wim.display());
        let _captured = capture.arg(&from).arg("--update-of=1").run().ok();
        deltas.push(delta);
        let append = imager.append(&volume.path, wim, "later", &options);
        let _appended = append.arg("--update-of=1").run().ok();
    }
    assert_no_semantic_difference(&wimlib, &wims[0], &wims[1]);
    let whole = [0, 1].map(|which| {
        let whole = scratch.join(format!("whole-{which}.wim"));
        let export = wimlib
            .call(["export"])
            .arg(&deltas[which])
            .arg("1")
            .arg(&whole);
        let base = format!("--ref={}", wims[which].display());
        let _exported = export.arg(base).run().ok();
        whole
    });
    assert_no_semantic_difference(&wimlib, &whole[0], &whole[1]);
    // What is new: two small files, a named stream, and metadata.
    let size = fs::metadata(&deltas[0]).expect("a delta").len();
    assert!(size < 400_000, "{size}");
}

/// A file as a block device, for as long as this lives.
struct Loop(std::path::PathBuf);

impl Loop {
    fn attach(file: &Path) -> Option<Self> {
        let losetup = locate::require("losetup", "LOSETUP_BIN", &["losetup"], "mount")?;
        let run = Call::new(losetup)
            .args(["--find", "--show", "--read-only"])
            .arg(file)
            .run();
        if !run.succeeded() {
            locate::skip("cannot attach a block device: not root, or forbidden here");
            return None;
        }
        Some(Self(run.out().trim().into()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        drop(Call::new("losetup").arg("--detach").arg(&self.0).run());
    }
}

/// A block device is captured as the volume that it holds, the directory where a volume is mounted as
/// any directory.
#[test]
fn block_devices_and_mounted_volumes() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let scratch = Scratch::new();
    let Some(volume) = full(&scratch) else {
        return;
    };
    let wim = scratch.join("mounted.wim");
    let plain = Options::with(Compression::None);
    let _captured = volume.fill(&scratch, |root| {
        let _run = wimforge.capture(root, &wim, &plain).run().ok();
    });
    let listed = wimforge.show("dir", &wim, &["1", "--detailed"]).out();
    assert!(listed.contains("\"/first\"") && !listed.contains("Security Descriptor"));
    let Some(device) = Loop::attach(&volume.path) else {
        return;
    };
    let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
        let wim = scratch.join(format!("{imager}.wim"));
        let _captured = imager.capture(&device.0, &wim, &plain).run().ok();
        wim
    });
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
}

/// What Windows says of itself is read from its hives on the volume, as from those in a directory, and
/// stays when the image is changed.
#[test]
fn windows_on_a_volume() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let scratch = Scratch::new();
    let Some(volume) = Volume::format(&scratch, "volume", 4096) else {
        return;
    };
    let windows = Installation::new("Windows");
    if !volume.fill(&scratch, |root| windows.build(root)) {
        return;
    }
    let options = Options::with(Compression::None);
    let [ours, theirs] = [&wimforge, &wimlib].map(|imager| {
        let wim = scratch.join(format!("{imager}.wim"));
        let _captured = imager.capture(&volume.path, &wim, &options).run().ok();
        let append = imager.append(&volume.path, &wim, "second", &options);
        let _appended = append.arg("--flags=Pro").run().ok();
        wim
    });
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
    let said = properties(&wimlib, &ours, 1);
    for element in [
        "<SYSTEMROOT>WINDOWS</SYSTEMROOT>",
        "<ARCH>9</ARCH>",
        "<FLAGS>Professional</FLAGS>",
        "<BUILD>19045</BUILD>",
        "<LANGUAGE>de-DE</LANGUAGE>",
    ] {
        assert!(said.contains(element), "{element}: {said}");
    }
    assert_eq!(said, properties(&wimlib, &theirs, 1));
    for (imager, wim) in [(&wimforge, &ours), (&wimlib, &theirs)] {
        let update = imager.call(["update"]).arg(wim).arg("1");
        let change = "--command=delete '/Windows/System32/Kernel32.DLL'";
        let _updated = update.arg(change).run().ok();
    }
    assert_no_semantic_difference(&wimlib, &ours, &theirs);
    assert_eq!(properties(&wimlib, &ours, 1), said);
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_thousand_files_in_one_directory() {
    let Some((wimforge, wimlib)) = both() else {
        return;
    };
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    fs::create_dir_all(tree.join("all")).expect("make a directory");
    for number in 0..100_000_u32 {
        let path = tree.join(format!("all/number {number}.text"));
        fs::write(path, number.to_le_bytes()).expect("write a file");
    }
    let wim = scratch.join("tree.wim");
    let options = Options::with(Compression::None);
    let _captured = wimforge.capture(&tree, &wim, &options).run().ok();
    let Some(volume) = Volume::format_sized(&scratch, "volume", 4096, 512 << 20) else {
        return;
    };
    let _applied = wimlib.apply(&wim, 1, &volume.path).run().ok();
    agree(&scratch, &volume, &options);
}
