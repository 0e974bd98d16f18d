//! What Debian's wimlib (1.13.6, which calls itself 1.13.5) writes differently, with reasons.
//!
//! wimforge writes what wimlib 1.14.5 writes, since newer versions of DISM need it. Readers accept
//! both forms. Everything the comparison passes over is in this file; each item names the form that
//! is compared.

use crate::view::Block;

/// Brings the XML data to the common form. 1.13.6 writes a line feed behind the last element; 1.14.5
/// does not.
#[must_use]
pub fn normalise_xml(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

/// The element of the XML data in which wimlib counts the names of a hard-linked symbolic link as names
/// of one file, although it stores them as separate files, as the format demands. wimforge counts what
/// is stored, which is what a reader of the archive finds. Only trees with such links are concerned.
pub const ELEMENT_THAT_COUNTS_LINKED_LINKS: &str = "HARDLINKBYTES";

/// Whether a line of `info --header` can be compared. The size of the boot image's metadata cannot: it
/// has the additional stream entries of [`normalise`] in it.
#[must_use]
pub fn is_comparable_header_line(line: &str) -> bool {
    !line.starts_with("Boot Metadata Original Size")
}

/// Whether a line of `7zz l -slt` can be compared. The additional stream entries of [`normalise`] count
/// as alternate streams.
#[must_use]
pub fn is_comparable_listing_line(line: &str) -> bool {
    !line.starts_with("Alternate Streams")
}

/// Brings a block of `dir --detailed` to the common form.
pub fn normalise(block: &mut Block) {
    drop_empty_unnamed_streams(block);
}

/// 1.13.6 writes an additional unnamed stream entry with a zero hash for every directory that has
/// named streams and for every link to a directory. wimlib stopped that in 1.14.2: DISM refuses to
/// apply such entries. It also lists an empty unnamed stream for all other directories, written by
/// whomever, and none for links to files, which do have one. Such an entry says nothing.
fn drop_empty_unnamed_streams(block: &mut Block) {
    let directory_or_link = block.facts.iter().any(|line| {
        [
            "FILE_ATTRIBUTE_DIRECTORY is set",
            "FILE_ATTRIBUTE_REPARSE_POINT is set",
        ]
        .contains(&line.trim())
    });
    if directory_or_link {
        block.streams.retain(|stream| {
            let empty = stream.facts.iter().any(|fact| {
                fact.starts_with("Hash ")
                    && fact.ends_with("= 0x0000000000000000000000000000000000000000")
            });
            !(stream.title == "Unnamed data stream:" && empty)
        });
    }
}
