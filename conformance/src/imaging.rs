//! Capture, append, apply and the rest, with either program.

use crate::locate;
use crate::tool::{Call, Run};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// One of the two programs.
#[derive(Clone, Debug)]
pub struct Imager {
    /// For messages.
    pub name: &'static str,
    program: PathBuf,
    // Arguments that every capture and append of this program gets.
    capture_args: &'static [&'static str],
}

impl Imager {
    /// wimforge as a drop-in: called by wimlib's name, so that the two agree about everything.
    #[must_use]
    pub fn drop_in() -> Self {
        Self {
            name: "wimforge",
            program: locate::wimforge_as("wimlib-imagex"),
            capture_args: &[],
        }
    }

    /// wimforge by its own name, told to do what wimlib does where the two disagree.
    #[must_use]
    pub fn own() -> Self {
        Self {
            name: "wimforge",
            program: locate::wimforge().to_owned(),
            capture_args: &["--compat=wimlib"],
        }
    }

    /// wimforge by its own name, as it comes.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            capture_args: &[],
            ..Self::own()
        }
    }

    /// wimlib, if it is installed.
    #[must_use]
    pub fn wimlib() -> Option<Self> {
        Some(Self {
            name: "wimlib",
            program: locate::wimlib()?,
            capture_args: &[],
        })
    }

    /// A call of this program.
    #[must_use]
    pub fn call<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> Call {
        Call::new(&self.program).args(args.into_iter().map(Into::into))
    }

    /// The call that makes a new archive.
    #[must_use]
    pub fn capture(&self, source: &Path, wim: &Path, options: &Options) -> Call {
        self.call(["capture"])
            .arg(source)
            .arg(wim)
            .args(options.args(true))
            .args(self.capture_args)
    }

    /// The call that adds an image.
    #[must_use]
    pub fn append(&self, source: &Path, wim: &Path, name: &str, options: &Options) -> Call {
        self.call(["append"])
            .arg(source)
            .arg(wim)
            .arg(name)
            .args(options.args(false))
            .args(self.capture_args)
    }

    /// The call that restores an image.
    #[must_use]
    pub fn apply(&self, wim: &Path, image: usize, dir: &Path) -> Call {
        self.call(["apply"])
            .arg(wim)
            .arg(image.to_string())
            .arg(dir)
    }

    /// Verifies an archive.
    #[must_use]
    pub fn verify(&self, wim: &Path) -> Run {
        self.call(["verify"]).arg(wim).run()
    }

    /// Runs `info` or `dir` with these further arguments.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn show(&self, verb: &str, wim: &Path, args: &[&str]) -> Run {
        self.call([verb]).arg(wim).args(args).run().ok()
    }
}

impl fmt::Display for Imager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// How data is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// XPRESS Huffman.
    Xpress,
    /// LZX.
    Lzx,
    /// LZMS.
    Lzms,
}

/// Those that every tool has had from the start.
pub const COMPRESSIONS: [Compression; 3] =
    [Compression::None, Compression::Xpress, Compression::Lzx];

impl Compression {
    /// As the option's value.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Xpress => "xpress",
            Self::Lzx => "lzx",
            Self::Lzms => "lzms",
        }
    }
}

/// Whether absolute links into the source are made relative to the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixing {
    /// As the program decides.
    Default,
    /// `--rpfix`
    On,
    /// `--norpfix`
    Off,
}

/// Options of capture and append.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only given to capture.
    pub compression: Compression,
    /// Whether there is an integrity table.
    pub check: bool,
    /// Whether the image becomes the boot image.
    pub boot: bool,
    /// What happens to absolute links.
    pub fixing: Fixing,
    /// Append by writing a whole new file.
    pub rebuild: bool,
    /// Number of threads; `None` leaves it to the program.
    pub threads: Option<usize>,
    /// Further options as they are typed.
    pub further: &'static [&'static str],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            compression: Compression::Lzx,
            check: false,
            boot: false,
            fixing: Fixing::Default,
            rebuild: false,
            threads: None,
            further: &[],
        }
    }
}

impl Options {
    /// The defaults with this compression.
    #[must_use]
    pub fn with(compression: Compression) -> Self {
        Self {
            compression,
            ..Self::default()
        }
    }

    /// The defaults with an integrity table.
    #[must_use]
    pub fn checked() -> Self {
        Self {
            check: true,
            ..Self::default()
        }
    }

    fn args(&self, capture: bool) -> Vec<String> {
        let mut args = Vec::new();
        if capture {
            args.push(format!("--compress={}", self.compression.word()));
        }
        if self.check {
            args.push("--check".into());
        }
        if self.boot {
            args.push("--boot".into());
        }
        match self.fixing {
            Fixing::Default => {}
            Fixing::On => args.push("--rpfix".into()),
            Fixing::Off => args.push("--norpfix".into()),
        }
        if self.rebuild && !capture {
            args.push("--rebuild".into());
        }
        if let Some(threads) = self.threads {
            args.push(format!("--threads={threads}"));
        }
        args.extend(self.further.iter().map(ToString::to_string));
        args
    }
}
