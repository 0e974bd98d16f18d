//! Commands that read archives.

use clap::builder::PathBufValueParser;
use clap::{Command, value_parser};

use super::modify::{image_property, integrity, threads};
use super::{flag, image, json, on_archive, operand, option, path};
use crate::invocation::OWN_OPTIONS;
use crate::values::parse_size;

/// `info`.
pub fn info() -> Command {
    let command = on_archive(
        "info",
        "Describe or change a WIM and its images; describe an NTFS volume",
    )
    .arg(json())
    .arg(operand(
        "IMAGE",
        "Index or name of an image: describe only that one",
    ))
    .arg(operand("NEW_NAME", "New name of the image"))
    .arg(operand("NEW_DESC", "New description of the image"))
    .arg(flag(
        "boot",
        "Make the image the boot image; image 0 for none",
    ))
    .arg(image_property())
    .arg(threads().hide(true))
    .arg(flag("header", "Show the fields of the header"))
    .arg(flag("blobs", "Show the blob table").alias("lookup-table"))
    .arg(flag(
        "xml",
        "Write the XML data as it is (UTF-16) to standard output",
    ))
    .arg(
        option(
            "extract-xml",
            "FILE",
            "Write the XML data as it is to a file",
        )
        .value_parser(PathBufValueParser::new()),
    )
    .arg(
        option(
            "partition",
            "N",
            "Number of a partition: describe its NTFS volume",
        )
        .value_parser(value_parser!(u32))
        .help_heading(OWN_OPTIONS),
    );
    integrity(command).after_help(
        "Examples:\n  \
         wimforge info data.wim\n  \
         wimforge info data.wim 2 \"New name\" \"New description\" --boot",
    )
}

/// `dir`.
pub fn dir() -> Command {
    on_archive("dir", "List the files of an image")
        .arg(json())
        .arg(references())
        .arg(image())
        .arg(option("path", "PATH", "List only this file or directory tree").default_value("/"))
        .arg(flag(
            "detailed",
            "Show everything that is known of each file",
        ))
        .arg(flag(
            "one-file-only",
            "List only the file or directory itself",
        ))
}

/// `diff`.
pub fn diff() -> Command {
    Command::new("diff")
        .about("Compare two images, or an image and a directory")
        .arg(path("A", "An archive, or ARCHIVE:IMAGE").required(true))
        .arg(path("B", "Another, or a directory: what a restoration would change").required(true))
        .arg(flag("no-times", "Do not compare times"))
        .arg(flag(
            "unix-data",
            "With a directory: compare owner, group, mode and extended attributes too",
        ))
        .arg(threads())
        .arg(json())
        .after_help(
            "Lines begin with + for what only B has, - for what only A has, ~ for what differs. The exit \
             code is 0 if nothing does, 1 otherwise.\n\n\
             Examples:\n  \
             wimforge diff data.wim:1 data.wim:2\n  \
             wimforge diff data.wim:\"Data, Monday\" /srv/data",
        )
}

/// `verify`.
pub fn verify() -> Command {
    on_archive(
        "verify",
        "Check everything in a WIM: structure, metadata and the hash of every blob",
    )
    .arg(references())
    .arg(
        flag(
            "nocheck",
            "Do not compare the file with its integrity table",
        )
        .alias("no-check"),
    )
    .arg(threads().help_heading(OWN_OPTIONS))
    .arg(json())
}

/// `apply`.
pub fn apply() -> Command {
    let command = on_archive("apply", "Restore an image to a directory")
        .arg(
            operand(
                "IMAGE_OR_TARGET",
                "Index or name of the image, or `all`; needed if there are several",
            )
            .required(true),
        )
        .arg(path("TARGET", "The directory, made if it is missing"));
    restoring(command).after_help(
        "Examples:\n  \
         wimforge apply data.wim /srv/data\n  \
         wimforge apply data.wim \"Data, Tuesday\" /srv/data --unix-data\n  \
         wimforge apply data.swm 1 /srv/data --ref='data*.swm'\n\n\
         No file is ever written outside of the directory, whatever names and links the image has.",
    )
}

/// `extract`.
pub fn extract() -> Command {
    let command = on_archive("extract", "Restore single files or directories of an image")
        .arg(operand("IMAGE", "Index or name of the image").required(true))
        .arg(
            operand(
                "PATH",
                "Paths in the image, which may have the wildcards * and ?; @FILE for a list of them, \
                 @- for a list on standard input; without any the whole image",
            )
            .num_args(0..),
        )
        .arg(
            option("dest-dir", "DIR", "Where to put them instead of the current directory")
                .value_parser(PathBufValueParser::new()),
        )
        .arg(flag(
            "to-stdout",
            "Write the data of files to standard output instead",
        ))
        .arg(
            flag("no-wildcards", "Let * and ? stand for themselves").alias("no-globs"),
        )
        .arg(flag("nullglob", "Paths that match nothing are no error"))
        .arg(flag(
            "preserve-dir-structure",
            "Put files where they are in the image, not all in one directory (lists do so anyway)",
        ));
    restoring(command).after_help(
        "Examples:\n  \
         wimforge extract data.wim 1 /etc/fstab\n  \
         wimforge extract data.wim 1 '/home/*/notes.txt' --preserve-dir-structure --dest-dir=out\n  \
         wimforge extract data.wim 1 /etc/fstab --to-stdout | less\n  \
         ssh host wimforge capture /srv/data - | wimforge extract - 1 /notes.txt\n\n\
         A WIMFILE of '-' is a pipable WIM on standard input.",
    )
}

/// What commands that restore files have in common.
fn restoring(command: Command) -> Command {
    command
        .arg(references())
        .arg(flag("check", "Verify the integrity table first"))
        .arg(flag(
            "verbose",
            "Accepted for compatibility; it changes nothing",
        ))
        .arg(flag(
            "unix-data",
            "Restore owner, group, mode, device nodes and extended attributes",
        ))
        .arg(flag("no-acls", "Restore no security descriptors").alias("noacls"))
        .arg(flag(
            "strict-acls",
            "Fail if a security descriptor cannot be restored in full",
        ))
        .arg(flag("no-attributes", "Restore no DOS attributes (POSIX directories have none anyway)"))
        .arg(flag(
            "rpfix",
            "Make links that were made relative to the image's root absolute again",
        ))
        .arg(flag("norpfix", "Restore links as they are stored"))
        .arg(flag(
            "include-invalid-names",
            "Restore files whose names are not allowed here under other names",
        ))
        .arg(flag(
            "recover-data",
            "Restore what can be restored of damaged files",
        ))
        .arg(
            flag(
                "escape-names",
                "Give names that capture kept with this option their bytes back that are not UTF-8",
            )
            .help_heading(OWN_OPTIONS),
        )
        .arg(
            option(
                "max-size",
                "SIZE",
                "Refuse to write more than so many bytes of file data (or K, M, G): a small archive of \
                 a stranger can hold a very large image",
            )
            .value_parser(parse_size)
            .help_heading(OWN_OPTIONS),
        )
        .arg(threads().help_heading(OWN_OPTIONS))
        .arg(flag(
            "wimboot",
            "Files that point into the WIM; possible on Windows only",
        ))
        .arg(
            option(
                "compact",
                "FORMAT",
                "Files that Windows keeps compressed; possible on Windows only",
            )
            .value_parser(["xpress4k", "xpress8k", "xpress16k", "lzx"]),
        )
}

/// The other files of a set.
pub(super) fn references() -> clap::Arg {
    option(
        "ref",
        "GLOB",
        "Other parts of a split WIM, or bases of a delta, such as 'data*.swm'; may be repeated",
    )
    .value_parser(PathBufValueParser::new())
    .action(clap::ArgAction::Append)
}
