//! What Debian's wimlib (1.13.6, which calls itself 1.13.5) writes differently, with reasons.
//!
//! wimforge writes what wimlib 1.14.5 writes, since newer versions of DISM need it. Readers accept
//! both forms. Everything the comparison passes over is in this file; each item names the form that
//! is compared.

use crate::view::Block;

/// Brings a block of `dir --detailed` to the common form.
pub fn normalise(block: &mut Block) {
    drop_empty_unnamed_stream_of_directories(block);
}

/// 1.13.6 writes an additional unnamed stream entry with a zero hash for every directory that has
/// named streams and for every link to a directory. wimlib stopped that in 1.14.2: DISM refuses to
/// apply such entries. The entry says nothing: directories have no unnamed data.
fn drop_empty_unnamed_stream_of_directories(block: &mut Block) {
    let directory = block
        .facts
        .iter()
        .any(|line| line.trim() == "FILE_ATTRIBUTE_DIRECTORY is set");
    if directory {
        block.streams.retain(|stream| {
            let empty = stream
                .facts
                .iter()
                .all(|fact| fact.ends_with("0x0000000000000000000000000000000000000000"));
            !(stream.title == "Unnamed data stream:" && empty)
        });
    }
}
