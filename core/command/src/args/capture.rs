//! `capture` and `append`.

use clap::builder::PathBufValueParser;
use clap::{Arg, ArgAction, Command, value_parser};

use super::modify::unsafe_compact;
use super::solid::with_solid;
use super::{flag, json, operand, option, path};
use crate::invocation::OWN_OPTIONS;
use crate::values::{CompressionChoice, UpdateOf, parse_property, parse_size};

/// `capture`.
pub fn capture() -> Command {
    with_solid(common(Command::new("capture")))
        // A new WIM has no holes; wimlib takes the option all the same.
        .arg(flag("rebuild", "Accepted for compatibility; it changes nothing").hide(true))
        .about("Create a WIM with an image of a directory or NTFS volume")
        .after_help(
            "Examples:\n  \
             wimforge capture /srv/data data.wim\n  \
             wimforge capture /srv/data data.wim \"Data\" \"Nightly backup\" --check --compress=fast\n  \
             wimforge capture . ../all.wim --config=exclude.ini --threads=4\n  \
             wimforge capture /srv/data - | ssh host wimforge apply - /srv/data\n  \
             wimforge capture /srv/data tue.wim --delta-from=mon.wim --update-of=mon.wim:-1\n\n\
             The archive appears under its name only when it is complete; an interrupted capture \
             leaves what was there before.",
        )
}

/// `append`.
pub fn append() -> Command {
    with_solid(common(Command::new("append")))
        .arg(flag("rebuild", "Write the whole WIM anew, without the holes that appending leaves"))
        .arg(flag("create", "Make the WIM if it does not exist"))
        .arg(unsafe_compact())
        .about("Add an image of a directory or NTFS volume to a WIM")
        .after_help(
            "Examples:\n  \
             wimforge append /srv/data data.wim \"Data, Tuesday\"\n  \
             wimforge append /srv/data data.wim --update-of=-1\n  \
             wimforge append /srv/data data.wim --rebuild --boot\n\n\
             Data that the WIM has already is not stored again. Until the new image is complete the \
             WIM stays valid with its old images, also if the power fails.",
        )
}

fn common(command: Command) -> Command {
    command
        .arg(path("SOURCE", "The directory to capture, or a file or block device with an NTFS volume").required(true))
        .arg(path("WIMFILE", "The archive; '-' writes a pipable one to standard output").required(true))
        .arg(operand("IMAGE_NAME", "Name of the image; by default the last component of SOURCE"))
        .arg(operand("IMAGE_DESCRIPTION", "Description of the image"))
        .arg(flag("boot", "Make the image the boot image of the WIM"))
        .arg(flag(
            "check",
            "Include an integrity table; append: verify the existing one first",
        ))
        .arg(
            flag("nocheck", "Include no integrity table")
                .alias("no-check")
                .overrides_with("nocheck"),
        )
        .arg(flag("include-integrity", "Include an integrity table without verifying first"))
        .arg(
            option("compress", "TYPE[:LEVEL]", "none, xpress (fast), lzx (maximum) or lzms (recovery), with a level such as 20, 50 or 100 [default: lzx:50]")
                .value_parser(CompressionChoice::parse),
        )
        .arg(
            option("chunk-size", "SIZE", "Bytes that are compressed together, such as 64K")
                .value_parser(parse_size),
        )
        .arg(
            option("threads", "N", "Number of threads; 0 for one per processor")
                .value_parser(value_parser!(usize))
                .default_value("0")
                .hide_default_value(true),
        )
        .arg(
            option("config", "FILE", "Capture configuration: patterns of paths to leave out")
                .value_parser(PathBufValueParser::new()),
        )
        .arg(option("flags", "EDITIONID", "FLAGS property of the image"))
        .arg(
            option("image-property", "NAME=VALUE", "A property of the image in the XML data; may be repeated")
                .value_parser(parse_property)
                .action(ArgAction::Append),
        )
        .arg(flag("source-list", "SOURCE is a list of files and directories ('-': on standard input): each line a path and, optionally, its place in the image"))
        .arg(flag("wimboot", "Make an image for WIMBoot: XPRESS with chunks of 4K, and the configuration from Windows/System32/WimBootCompress.ini"))
        .arg(flag("snapshot", "Capture from a snapshot of the volume; possible on Windows only"))
        .arg(flag("pipable", "Write a WIM that can be applied in one pass, from a pipe; assumed if WIMFILE is '-'. Microsoft's software cannot read it"))
        .arg(flag("not-pipable", "Write an ordinary WIM, also when appending to a pipable one"))
        .arg(
            option("update-of", "[WIMFILE:]IMAGE", "The image is an update of this one (index, negative index from the end, or name): files that are as they were are not read")
                .allow_hyphen_values(true)
                .value_parser(UpdateOf::parse),
        )
        .arg(
            option("delta-from", "WIMFILE", "Store only data that this WIM does not have; it is needed again (--ref) to read the image. May be repeated")
                .value_parser(PathBufValueParser::new())
                .action(ArgAction::Append),
        )
        .arg(flag("verbose", "Print the name of everything that is captured"))
        .arg(flag("dereference", "Follow symbolic links and capture what they lead to"))
        .arg(
            Arg::new("unix-data")
                .long("unix-data")
                .value_name("FORM")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("item")
                .value_parser(["item", "stream"])
                .help("Store owner, group, mode, device nodes and extended attributes; =stream in the form of early wimlib versions"),
        )
        .arg(flag("rpfix", "Make absolute links into SOURCE relative to the root of the image (the default for capture)"))
        // The manual page of 2013 has an example with the other spelling.
        .arg(flag("norpfix", "Capture absolute links as they are").alias("norfix"))
        .arg(flag("no-acls", "Store no security descriptors").alias("noacls"))
        .arg(flag("strict-acls", "Fail if a security descriptor cannot be read in full"))
        .arg(
            option("compat", "PROFILE", "Where the 2013 manual and today's wimlib disagree, follow: seed or wimlib")
                .value_parser(["seed", "wimlib"])
                .help_heading(OWN_OPTIONS),
        )
        .arg(
            option("outside-links", "WHAT", "Absolute links that lead out of SOURCE: omit or keep")
                .value_parser(["omit", "keep"])
                .help_heading(OWN_OPTIONS),
        )
        .arg(
            option("wof", "WHAT", "Files that Windows compressed by itself (CompactOS) on an NTFS volume: decode, or keep as reparse points")
                .value_parser(["decode", "keep"])
                .help_heading(OWN_OPTIONS),
        )
        .arg(
            option("partition", "N", "Number of the partition, if SOURCE is a whole disk with several NTFS volumes")
                .value_parser(value_parser!(u32))
                .help_heading(OWN_OPTIONS),
        )
        .arg(
            option("on-error", "WHAT", "A file that cannot be read: fail, or skip (exit code 3)")
                .value_parser(["fail", "skip"])
                .default_value("fail")
                .help_heading(OWN_OPTIONS),
        )
        .arg(
            flag("escape-names", "Keep file names that are not UTF-8, with their bytes escaped")
                .help_heading(OWN_OPTIONS),
        )
        .arg(
            flag("dry-run", "Only say what would be captured and how much that is; write nothing")
                .help_heading(OWN_OPTIONS),
        )
        .arg(json())
}
