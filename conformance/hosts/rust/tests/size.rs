//! What a host has to carry along.

use std::fs;

use crate::support::components;

/// Most bytes of the library component.
const MOST: u64 = 1 << 20;

#[test]
fn the_library_is_small() {
    let library = components().join("wimforge-library.wasm");
    let size = fs::metadata(library).unwrap().len();
    assert!(size <= MOST, "the library component has {size} bytes");
}
