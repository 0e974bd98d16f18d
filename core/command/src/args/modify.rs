//! Commands that write archives from archives.

use clap::builder::PathBufValueParser;
use clap::{Arg, ArgAction, Command, value_parser};

use super::read::references;
use super::solid::with_solid;
use super::{flag, image, on_archive, operand, option, path};
use crate::values::{CompressionChoice, parse_mebibytes, parse_property, parse_size};

/// `export`.
pub fn export() -> Command {
    let command = Command::new("export")
        .about("Copy an image, or all, to another WIM")
        .arg(path("SRC_WIMFILE", "The archive that has the image").required(true))
        .arg(operand("SRC_IMAGE", "Index or name of the image, or `all`").required(true))
        .arg(
            path(
                "DEST_WIMFILE",
                "The archive to add it to, made if it is missing",
            )
            .required(true),
        )
        .arg(operand("DEST_IMAGE_NAME", "New name of the image"))
        .arg(operand(
            "DEST_IMAGE_DESCRIPTION",
            "New description of the image",
        ))
        .arg(flag(
            "boot",
            "Make the image the boot image of the destination",
        ))
        .arg(references())
        .arg(flag(
            "rebuild",
            "Write the whole destination anew, without holes",
        ))
        .arg(flag("wimboot", "Mark the image as one for WIMBoot"));
    compressing(integrity(command)).after_help(
        "Examples:\n  \
         wimforge export all.wim \"Data, Tuesday\" one.wim\n  \
         wimforge export old.wim all new.wim --compress=lzx:100 --recompress\n  \
         wimforge export data.swm 1 whole.wim --ref='data*.swm'\n\n\
         Data is copied as it is stored where the compression of the destination allows that.",
    )
}

/// `optimize`.
pub fn optimize() -> Command {
    let command = on_archive(
        "optimize",
        "Write a WIM anew without holes, with other compression if wanted",
    );
    compressing(integrity(command)).after_help(
        "Examples:\n  \
         wimforge optimize data.wim\n  \
         wimforge optimize data.wim --compress=lzms\n\n\
         The old archive stays in place until the new one is complete.",
    )
}

/// `delete`.
pub fn delete() -> Command {
    let command = on_archive("delete", "Take an image out of a WIM")
        .arg(operand("IMAGE", "Index or name of the image, or `all`").required(true))
        .arg(flag(
            "soft",
            "Leave the data where it is; only the image disappears",
        ))
        .arg(unsafe_compact())
        .arg(threads());
    integrity(command).after_help(
        "Examples:\n  \
         wimforge delete data.wim 2\n  \
         wimforge delete data.wim \"Data, Monday\" --soft",
    )
}

/// `update`.
pub fn update() -> Command {
    let command = on_archive("update", "Add, delete and rename files of an image")
        .arg(image())
        .arg(option(
            "command",
            "COMMAND",
            "A single command, instead of a list of them on standard input",
        ))
        .arg(
            option(
                "wimboot-config",
                "FILE",
                "Add FILE as the WIMBoot configuration",
            )
            .value_parser(PathBufValueParser::new()),
        )
        .arg(
            option("config", "FILE", "add: patterns of paths to leave out")
                .value_parser(PathBufValueParser::new()),
        )
        .arg(flag("force", "delete: what is not there is no error"))
        .arg(flag(
            "recursive",
            "delete: directories too, with all below them",
        ))
        .arg(flag("dereference", "add: follow symbolic links"))
        .arg(flag(
            "unix-data",
            "add: store owner, group, mode, devices and extended attributes",
        ))
        .arg(flag("no-acls", "add: store no security descriptors").alias("noacls"))
        .arg(flag(
            "strict-acls",
            "add: fail if a security descriptor cannot be read in full",
        ))
        .arg(flag("no-replace", "add: do not replace files of the image"))
        .arg(flag(
            "rpfix",
            "add: make absolute links relative to the root, if that is replaced",
        ))
        .arg(flag("norpfix", "add: keep absolute links as they are"))
        .arg(flag(
            "verbose",
            "Print the names of everything that is added",
        ))
        .arg(flag("rebuild", "Write the whole WIM anew, without holes"))
        .arg(references())
        .arg(unsafe_compact())
        .arg(threads());
    integrity(command).after_help(
        "Commands, one a line:\n  \
         add [OPTION]... SOURCE DESTINATION\n  \
         delete [--force] [--recursive] PATH\n  \
         rename FROM TO\n\n\
         Quote paths that contain spaces; lines that begin with # are comments. Either all changes are \
         made or none.\n\n\
         Examples:\n  \
         wimforge update data.wim 1 --command='delete /tmp --recursive'\n  \
         wimforge update data.wim 1 < changes.txt",
    )
}

/// `split`.
pub fn split() -> Command {
    let command = on_archive("split", "Cut a WIM into parts, for media of limited size")
        .arg(
            path(
                "FIRST_PART",
                "The first part, such as data.swm; the others are data2.swm and so on",
            )
            .required(true),
        )
        .arg(
            operand(
                "PART_SIZE",
                "Most MiB of data in a part; may have a fraction",
            )
            .required(true)
            .value_parser(parse_mebibytes),
        )
        .arg(threads());
    integrity(command).after_help(
        "Example:\n  \
         wimforge split data.wim data.swm 4000\n\n\
         A file that is larger than a part makes a larger part. Read them again with --ref='data*.swm', \
         or join them.",
    )
}

/// `join`.
pub fn join() -> Command {
    let command = Command::new("join")
        .about("Put the parts of a split WIM together")
        .arg(path("OUT_WIMFILE", "The archive to be made").required(true))
        .arg(
            path("PART", "All parts, in any order")
                .required(true)
                .num_args(1..),
        )
        .arg(threads());
    integrity(command).after_help("Example:\n  wimforge join data.wim data*.swm")
}

/// `--image-property`.
pub(super) fn image_property() -> Arg {
    option(
        "image-property",
        "NAME=VALUE",
        "Set a property of the image in the XML data; may be repeated",
    )
    .value_parser(parse_property)
    .action(ArgAction::Append)
}

/// Whether there is to be an integrity table.
pub(super) fn integrity(command: Command) -> Command {
    command
        .arg(flag(
            "check",
            "Verify the integrity table first, and include one",
        ))
        .arg(
            flag("nocheck", "Include no integrity table")
                .alias("no-check")
                .overrides_with("nocheck"),
        )
        .arg(flag(
            "include-integrity",
            "Include an integrity table without verifying first",
        ))
}

/// How data is compressed.
fn compressing(command: Command) -> Command {
    with_solid(command)
        .arg(
            option(
                "compress",
                "TYPE[:LEVEL]",
                "none, xpress (fast), lzx (maximum) or lzms (recovery), with a level such as 20, 50 or 100 [default: as it is]",
            )
            .value_parser(CompressionChoice::parse),
        )
        .arg(
            option("chunk-size", "SIZE", "Bytes that are compressed together, such as 64K")
                .value_parser(parse_size),
        )
        .arg(flag("recompress", "Compress all data again, even where it could be copied"))
        .arg(flag("pipable", "Write a WIM that can be read from a pipe"))
        .arg(flag("not-pipable", "Write an ordinary WIM"))
        .arg(unsafe_compact())
        .arg(threads())
}

pub(super) fn unsafe_compact() -> Arg {
    flag(
        "unsafe-compact",
        "Pack the WIM together where it is, without room for a second copy. Only when the change is safe in \
         the file does that begin, but a crash in the middle of it damages the WIM",
    )
}

pub(super) fn threads() -> Arg {
    option("threads", "N", "Number of threads; 0 for one per processor")
        .value_parser(value_parser!(usize))
        .default_value("0")
        .hide_default_value(true)
}
