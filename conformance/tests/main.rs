//! The conformance tests. One binary: it links once, and its parts share the harness.
//!
//! * `WIMFORGE_BIN`: the program under test, if not the one in the target directory
//! * `WIMFORGE_REQUIRE_TOOLS=1`: a missing tool fails a test instead of skipping it
//! * `WIMFORGE_CASES=N`: number of generated trees for each property
//! * `WIMFORGE_SEED=N` or `random`: other generated trees than the usual ones
//! * `WIMFORGE_FLIPS=N`: number of damaged archives
//!
//! Tests that need much time or space are ignored by default: `cargo test -p wimforge-conformance --
//! --ignored`.

mod append;
mod capture;
mod changes;
mod changing;
mod command_line;
mod corrupt;
mod crash;
mod damage;
mod destinations;
mod edges;
mod escapes;
mod exclusions;
mod failures;
mod full_disk;
mod harness;
mod incremental;
mod life;
mod links;
mod locks;
mod looking;
mod ntfs;
mod options;
mod page;
mod parts;
mod pipable;
mod piped;
mod real;
mod reproducible;
mod round_trip;
mod seven_zip;
mod solid;
mod source_list;
mod support;
mod unix_data;
mod windows;
