//! The ports: everything the core asks of its host.
//!
//! Each is a small trait; a host implements it over its operating system, a component over its
//! imports, tests in memory ([`memory`]). They are synchronous, the core drives every loop, and only
//! owned data crosses.

pub mod memory;
pub mod memory_source;
pub mod memory_target;
mod observer;
pub(crate) mod one_shot;
mod sink;
mod source;
mod storage;
mod target;
mod workers;

pub use observer::{Event, Observer, OnUnreadable, Phase, Silent, Unit};
pub use sink::{Feed, Sink};
pub use source::{
    Entry, EntryBatch, EntryProblem, EntryWarning, Extra, FileIdentity, Kind, Link, Node,
    OpenStream, Source, Stamp, StreamInfo, Wanted, WindowsMetadata,
};
pub(crate) use storage::bring_forward;
pub use storage::{Storage, read_exact_at, read_vec_at};
pub use target::{FileMetadata, LinkTarget, Missed, Target, TargetFile};
pub use workers::{
    Drive, Inline, InlineWithRemote, Ordered, Pool, RemoteCompressor, RemoteJob, Task, WorkerState,
    Workers,
};
