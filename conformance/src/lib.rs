//! Proof that wimforge does what it says.
//!
//! The harness has one verb: *do it with wimforge, do it with wimlib, compare*. Its parts are
//!
//! * [`tool`]: running a program with a time limit and looking at everything it did;
//! * [`locate`]: where the programs are, and what a test does when one is missing;
//! * [`tree`]: directory trees, generated or fixed, described as data and then built;
//! * [`snapshot`] and [`compare`]: what a directory holds, and every way in which two differ;
//! * [`imaging`]: capture, append, apply and the rest, with either program;
//! * [`view`]: what a program says about an archive, with the noise taken out;
//! * [`known`]: the one list of what Debian's wimlib writes differently, with reasons;
//! * [`bench`]: the benchmark beside wimlib.
//!
//! wimlib is an oracle that is run, never read.

pub mod bench;
pub mod compare;
pub mod content;
pub mod hive;
pub mod imaging;
pub mod known;
pub mod locate;
pub mod rng;
pub mod scratch;
pub mod snapshot;
pub mod tool;
pub mod tree;
pub mod view;
