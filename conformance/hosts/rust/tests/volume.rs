//! NTFS volumes through the components.

use std::path::PathBuf;
use std::sync::Arc;

use wimforge::file::{Access, FileStorage};
use wimforge_conformance::imaging::{Compression, Imager, Options};
use wimforge_conformance::locate;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::tool::Call;
use wimforge_conformance::tree::fixed;
use wimforge_core::port::memory::MemoryStorage;
use wimforge_host_example::bindings::exports::wimforge::imaging::writer::VolumeOptions;
use wimforge_host_example::bindings::wimforge::imaging::types::ErrorCode;
use wimforge_host_example::library::{self, What};

use crate::support::*;

/// A volume that wimlib filled.
pub fn volume(scratch: &Scratch) -> Option<PathBuf> {
    let mkntfs = locate::require("mkntfs", "MKNTFS_BIN", &["mkntfs"], "ntfs-3g")?;
    let wimlib = Imager::wimlib()?;
    let volume = scratch.join("volume");
    std::fs::File::create(&volume)
        .unwrap()
        .set_len(64 << 20)
        .unwrap();
    let format = Call::new(mkntfs)
        .args(["--fast", "--force", "--quiet"])
        .arg(&volume);
    let _formatted = format.run().ok();
    let tree = scratch.join("tree");
    fixed::everything().build(&tree);
    let wim = scratch.join("tree.wim");
    wimlib
        .capture(&tree, &wim, &Options::with(Compression::None))
        .run()
        .ok();
    wimlib.apply(&wim, 1, &volume).run().ok();
    Some(volume)
}

#[test]
fn a_volume_gives_the_same_bytes() {
    let scratch = Scratch::new();
    let Some(volume) = volume(&scratch) else {
        return;
    };
    let expected = by_program(&volume, &scratch.join("native.wim"), Compression::Lzx, &[]);
    let device = Arc::new(FileStorage::open(&volume, Access::Read).unwrap());
    let how = VolumeOptions {
        decode_system_compression: true,
        partition: None,
    };
    let wim = scratch.join("library.wim");
    let got = by_library(
        &mut instance(),
        What::Volume(device, how),
        &wim,
        compression(Compression::Lzx),
        &image("volume"),
    );
    assert_same_bytes("a volume", &expected, &got);
    assert_verified_by_wimlib(&wim);
}

#[test]
fn what_is_no_volume_is_refused() {
    let how = VolumeOptions {
        decode_system_compression: true,
        partition: None,
    };
    let mut instance = instance();
    let options = library::options(compression(Compression::Lzx), now());
    let medium = Arc::new(MemoryStorage::default());
    let mut writing = instance.create(medium, &options).unwrap().unwrap();
    let device = Arc::new(MemoryStorage::new(vec![0; 1 << 20]));
    let end = writing
        .add(What::Volume(device, how), &image("x"), None)
        .unwrap();
    assert!(matches!(end, Err(ErrorCode::NotRecognised(_))), "{end:?}");
}
