//! Tests of the reader on whole volumes: made in memory, made by other programs, and damaged.

mod made;
mod maker;
mod mutated;
mod support;
mod tools;
