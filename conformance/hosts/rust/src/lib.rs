//! A host of the library component: captures real directories through it, with all that the native
//! program knows of files.
//!
//! | module | what |
//! |---|---|
//! | [`library`] | the component, compiled, and instances of it |
//! | [`ports`] | its imports, over ports of the core: whatever implements those can be given to it |
//! | [`pool`] | further instances that compress chunks on threads |
//! | `convert` | values of the core as the interfaces have them, and back |

pub mod library;
pub mod pool;
pub mod ports;

mod convert;

/// What `wit/` says, in Rust.
#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod bindings {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "imaging",
        imports: { default: trappable },
        with: {
            "wimforge:imaging/source.tree": crate::ports::Tree,
            "wimforge:imaging/source.reader": crate::ports::Reader,
            "wimforge:imaging/volume.device": crate::ports::Device,
            "wimforge:imaging/storage.file": crate::ports::File,
            "wimforge:imaging/sink.output": crate::ports::Output,
            "wimforge:imaging/feed.input": crate::ports::Input,
            "wimforge:imaging/target.directory": crate::ports::Directory,
            "wimforge:imaging/target.output-file": crate::ports::OutputFile,
            "wimforge:imaging/observer.watcher": crate::ports::Watcher,
            "wimforge:imaging/workers.pool": crate::pool::Pool,
            "wimforge:imaging/workers.job": crate::pool::Job,
        },
    });
}
