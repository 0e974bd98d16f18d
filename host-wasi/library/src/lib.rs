//! The core as a component of world `imaging`: see `wit/` at the top of the repository, whose comments
//! are the specification.
//!
//! | module | what |
//! |---|---|
//! | `storage`, `source`, `volume`, `sink`, `feed`, `target`, `observer`, `workers` | a port of the core over the import of the same name |
//! | `writer`, `archive`, `image`, `piped`, `codec` | what the component exports |
//! | `failure` | errors of the core as `error-code`, and back |
//!
//! `host-wasi/build` makes the component.

#![cfg_attr(
    not(target_family = "wasm"),
    allow(
        dead_code,
        reason = "it is reached through the exports of the component only"
    )
)]

mod archive;
mod codec;
mod convert;
mod failure;
mod feed;
mod image;
mod observer;
mod piped;
mod sink;
mod source;
mod storage;
mod target;
mod volume;
mod workers;
mod writer;

/// What `wit/` says, in Rust.
#[allow(missing_docs, reason = "the comments of wit/ are the documentation")]
#[allow(clippy::all, unused_qualifications, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "imaging",
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

/// The component.
struct Component;

#[cfg(target_family = "wasm")]
#[allow(clippy::all, reason = "generated")]
mod exports {
    use super::{Component, bindings};

    bindings::export!(Component with_types_in bindings);
}
