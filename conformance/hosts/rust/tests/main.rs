//! Both components in real hosts. One binary: the component is compiled once for all of its tests.
//!
//! * `WIMFORGE_COMPONENTS`: the directory with both components, if `host-wasi/build` is not to be run
//! * `WIMFORGE_HOSTS`: where `conformance/hosts/install` put the other hosts
//! * what `conformance/tests/main.rs` says besides

mod bad_hosts;
mod command;
mod identity;
mod options;
mod others;
mod parallel;
mod piped;
mod reading;
mod size;
mod stages;
mod support;
mod verbs;
mod volume;
