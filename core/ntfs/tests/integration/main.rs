//! Tests of the reader on whole volumes: made in memory, made by other programs, and damaged.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests may use files, programs and clocks, and stop at once"
)]

mod capture;
#[cfg(target_os = "linux")]
mod disk_images;
mod exercise;
mod made;
mod maker;
mod mutated;
mod other_reader;
#[cfg(target_os = "linux")]
mod programs;
mod random;
mod support;
#[cfg(target_os = "linux")]
mod tools;
mod unsound;
