//! Values of options.

use std::ffi::OsString;
use std::path::PathBuf;

use wimforge_codec::{Format, Level};

/// `TYPE[:LEVEL]` of `--compress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionChoice {
    /// The format; `None` for no compression.
    pub format: Option<Format>,
    /// The level, if one was given.
    pub level: Option<Level>,
}

impl CompressionChoice {
    /// Parses names in every spelling.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let format = match name.to_ascii_lowercase().as_str() {
            "none" => None,
            "xpress" | "fast" => Some(Format::Xpress),
            "lzx" | "maximum" | "max" => Some(Format::Lzx),
            "lzms" | "recovery" => Some(Format::Lzms),
            _ => {
                return Err(format!(
                    "Invalid compression type \"{name}\"! The types are: none, xpress (or fast), \
                     lzx (or maximum, max), lzms (or recovery)"
                ));
            }
        };
        let level = match level {
            None => None,
            Some(level) => Some(
                level
                    .parse()
                    .ok()
                    .filter(|&level| level > 0)
                    .map(Level)
                    .ok_or(
                        "Compression level must be a positive integer! e.g. --compress=lzx:80",
                    )?,
            ),
        };
        Ok(Self { format, level })
    }
}

/// `[WIMFILE:]IMAGE` of `--update-of`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateOf {
    /// The archive; `None` for the one that goes without saying.
    pub wimfile: Option<PathBuf>,
    /// Index, negative index, or name.
    pub image: String,
}

impl UpdateOf {
    /// Parses; the last colon divides.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (wimfile, image) = match text.rsplit_once(':') {
            Some((wimfile, image)) => (wimfile, image),
            None => ("", text),
        };
        if image.is_empty() {
            return Err("there is no image behind the colon; give an index or a name".into());
        }
        Ok(Self {
            wimfile: (!wimfile.is_empty()).then(|| PathBuf::from(wimfile)),
            image: image.to_owned(),
        })
    }
}

/// A number of bytes, with suffix K, M or G (any case, also KiB and so on).
///
/// # Errors
/// A sentence for the user.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let bad = || format!("\"{text}\" is not a size; give bytes, or a number with K, M or G");
    let lower = text.to_ascii_lowercase();
    let digits_end = lower
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(lower.len());
    let (digits, suffix) = lower.split_at(digits_end);
    let shift = match suffix {
        "" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err(bad()),
    };
    let number: u64 = digits.parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).ok_or_else(bad)
}

/// A number of MiB, which may have a fraction, in bytes.
///
/// # Errors
/// A sentence for the user.
pub fn parse_mebibytes(text: &str) -> Result<u64, String> {
    let size: Option<f64> = text.trim().parse().ok();
    let size = size.filter(|size| size.is_finite() && *size >= 0.0);
    // A cast of a float that is too large gives the largest number.
    size.map(|size| (size * 1_048_576.0) as u64).ok_or_else(|| {
        format!("Invalid part size \"{text}\": give a number of MiB such as 650 or 0.5")
    })
}

/// `NAME=VALUE` of `--image-property`.
///
/// # Errors
/// A sentence for the user.
pub fn parse_property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("'--image-property' argument must be in the form NAME=VALUE".into()),
    }
}

/// A yes-or-no variable of the environment.
#[must_use]
pub fn parse_switch(value: &OsString) -> Option<bool> {
    match value.to_str()? {
        "1" | "yes" => Some(true),
        "0" | "no" => Some(false),
        _ => None,
    }
}

/// A number of things, with the right form of the word: `1 file`, `2 files`.
#[must_use]
pub fn count(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

/// An amount of bytes in the unit that its total calls for.
#[must_use]
pub fn amount(bytes: u64, total: u64) -> String {
    let (shift, unit) = match total {
        0..10_000 => (0, "bytes"),
        10_000..10_000_000 => (10, "KiB"),
        10_000_000..10_000_000_000 => (20, "MiB"),
        _ => (30, "GiB"),
    };
    format!("{} {unit}", bytes >> shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_types() {
        let parse = CompressionChoice::parse;
        assert_eq!(parse("FAST").unwrap().format, Some(Format::Xpress));
        assert_eq!(parse("Max:80").unwrap().level, Some(Level(80)));
        assert_eq!(parse("none").unwrap().format, None);
        for bad in ["foo", "lzx:", "lzx:0", "lzx:-1", "lzx:x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn images_that_are_updated() {
        let parsed = |text| {
            let UpdateOf { wimfile, image } = UpdateOf::parse(text).unwrap();
            (wimfile.map(|path| path.display().to_string()), image)
        };
        let some = |path: &str| Some(path.to_owned());
        assert_eq!(parsed("1"), (None, "1".into()));
        assert_eq!(parsed(":-1"), (None, "-1".into()));
        assert_eq!(parsed("a.wim:-1"), (some("a.wim"), "-1".into()));
        assert_eq!(
            parsed("C:\\a.wim:My Name"),
            (some("C:\\a.wim"), "My Name".into())
        );
        assert!(UpdateOf::parse("a.wim:").is_err());
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("32768"), Ok(32768));
        assert_eq!(parse_size("64k"), Ok(65536));
        assert_eq!(parse_size("2MiB"), Ok(2 << 20));
        for bad in ["64KB", "0x8000", "", "K", "99999999999G"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
