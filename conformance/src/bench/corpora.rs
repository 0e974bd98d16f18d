//! The corpora: what machines hold, put together the same way on every machine of one kind.

use crate::content::{self, Flavour};
use crate::rng::Rng;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A thing to capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Corpus {
    /// Python, C headers and Perl: text in files of all sizes.
    Text,
    /// Executables and shared objects.
    Machine,
    /// 50,000 small source files.
    Small,
    /// What cannot be compressed, in files as large as pictures and films.
    Media,
    /// A gigabyte of text and machine code in 50,000 files.
    Large,
    /// A million tiny files.
    Many,
    /// A directory of the user's.
    Path(PathBuf),
}

const TEXT: [&str; 3] = ["/usr/lib/python3", "/usr/include", "/usr/share/perl"];
const MACHINE: [&str; 2] = ["/usr/lib", "/usr/bin"];
const MACHINE_BYTES: u64 = 320_000_000;
const SMALL_FILES: usize = 50_000;
const MANY_FILES: usize = 1_000_000;
const MEDIA_BYTES: u64 = 300_000_000;

/// A corpus on disk.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Where it is.
    pub path: PathBuf,
    /// How many files.
    pub files: usize,
    /// How many bytes in them.
    pub bytes: u64,
}

impl Corpus {
    /// The one of this letter, or a directory.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "A" => Self::Text,
            "B" => Self::Machine,
            "C" => Self::Small,
            "D" => Self::Media,
            "E" => Self::Large,
            "F" => Self::Many,
            path => Self::Path(path.into()),
        }
    }

    /// Its letter, or the last component of the path.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Text => "A",
            Self::Machine => "B",
            Self::Small => "C",
            Self::Media => "D",
            Self::Large => "E",
            Self::Many => "F",
            Self::Path(path) => path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("directory"),
        }
    }

    /// What it is, for the report.
    #[must_use]
    pub fn description(&self) -> String {
        match self {
            Self::Text => TEXT.join(" + "),
            Self::Machine => format!("ELF files of {}", MACHINE.join(" and ")),
            Self::Small => "source text cut into small files".to_owned(),
            Self::Media => "generated, incompressible".to_owned(),
            Self::Large => "source text and shared objects cut into files".to_owned(),
            Self::Many => "numbers, each in a file of its own".to_owned(),
            Self::Path(path) => path.display().to_string(),
        }
    }

    /// Makes it below `dir` if it is not there yet.
    ///
    /// # Errors
    /// If something cannot be read or written.
    pub fn prepare(&self, dir: &Path) -> io::Result<Prepared> {
        let path = match self {
            Self::Path(path) => path.canonicalize()?,
            _ => {
                let path = dir.join(format!("corpus-{}", self.name()));
                let complete = dir.join(format!("corpus-{}.complete", self.name()));
                if !complete.exists() {
                    eprintln!("making corpus {}: {}", self.name(), self.description());
                    if path.exists() {
                        fs::remove_dir_all(&path)?;
                    }
                    fs::create_dir_all(&path)?;
                    self.fill(&path)?;
                    File::create(&complete)?;
                }
                path
            }
        };
        let mut prepared = Prepared {
            files: 0,
            bytes: 0,
            path,
        };
        walk(&prepared.path.clone(), &mut |_, size| {
            prepared.files += 1;
            prepared.bytes += size;
            Ok(true)
        })?;
        Ok(prepared)
    }

    fn fill(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Text => {
                for source in TEXT.iter().filter(|source| Path::new(source).exists()) {
                    copy_tree(Path::new(source), path)?;
                }
                Ok(())
            }
            Self::Machine => copy_machine_code(path),
            Self::Small => cut(path, &TEXT, is_source, 640),
            Self::Media => make_media(path),
            Self::Large => {
                let roots = [TEXT[0], TEXT[1], TEXT[2], MACHINE[0]];
                // Small files have nothing to be cut into large ones.
                let is_large =
                    |file: &Path| file.metadata().is_ok_and(|found| found.len() > 48 << 10);
                let is_wanted =
                    |file: &Path| (is_source(file) || is_shared_object(file)) && is_large(file);
                cut(path, &roots, is_wanted, 935)
            }
            Self::Many => make_numbers(path),
            Self::Path(_) => Ok(()),
        }
    }
}

impl Prepared {
    /// Reads everything once, so that no run has to wait for the disk.
    ///
    /// # Errors
    /// If something cannot be read.
    pub fn warm(&self) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        walk(&self.path, &mut |path, _| {
            let mut file = File::open(path)?;
            while file.read(&mut buffer)? > 0 {}
            Ok(true)
        })
        .map(drop)
    }
}

/// Visits all regular files in the order of their names; stops when told `false`.
fn walk(dir: &Path, visit: &mut impl FnMut(&Path, u64) -> io::Result<bool>) -> io::Result<bool> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        let go_on = if kind.is_dir() {
            walk(&entry.path(), visit)?
        } else if kind.is_file() {
            visit(&entry.path(), entry.metadata()?.len())?
        } else {
            true
        };
        if !go_on {
            return Ok(false);
        }
    }
    Ok(true)
}

fn copy_tree(from: &Path, into: &Path) -> io::Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(into).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("cannot copy {}", from.display())))
    }
}

fn copy_machine_code(path: &Path) -> io::Result<()> {
    let mut bytes = 0;
    for root in MACHINE {
        let place = path.join(root.rsplit('/').next().unwrap_or(root));
        fs::create_dir_all(&place)?;
        let limit = if root == MACHINE[0] {
            MACHINE_BYTES * 3 / 4
        } else {
            MACHINE_BYTES
        };
        let mut number = 0;
        walk(Path::new(root), &mut |file, size| {
            let mut magic = [0; 4];
            // A few very large libraries would be all there is.
            let fits = (4096..40_000_000).contains(&size);
            if fits && File::open(file)?.read_exact(&mut magic).is_ok() && &magic == b"\x7fELF" {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                fs::copy(file, place.join(format!("{number:05}-{name}")))?;
                number += 1;
                bytes += size;
            }
            Ok(bytes < limit)
        })?;
    }
    Ok(())
}

fn extension(file: &Path) -> &str {
    file.extension()
        .and_then(|text| text.to_str())
        .unwrap_or_default()
}

fn is_source(file: &Path) -> bool {
    let extensions = ["h", "hpp", "py", "pl", "pm", "pod", "c", "tcc"];
    extensions.contains(&extension(file))
}

fn is_shared_object(file: &Path) -> bool {
    extension(file) == "so"
}

/// Cuts files of the machine into 50,000 of 200 bytes to 200 · 2^(`hundredths` / 100), log-uniform.
fn cut(
    path: &Path,
    roots: &[&str],
    is_wanted: impl Fn(&Path) -> bool,
    hundredths: u64,
) -> io::Result<()> {
    let mut rng = Rng::new(4);
    let mut made = 0;
    while made < SMALL_FILES {
        let before = made;
        for root in roots.iter().filter(|root| Path::new(root).exists()) {
            walk(Path::new(root), &mut |file, _| {
                if !is_wanted(file) {
                    return Ok(true);
                }
                let extension = extension(file);
                let mut reader = BufReader::with_capacity(1 << 14, File::open(file)?);
                while made < SMALL_FILES {
                    let scale = rng.below(hundredths) as f64 / 100.0;
                    let size = (200.0 * scale.exp2()) as u64;
                    let dir = path.join(format!("{:02}/{:03}", made / 2500, made / 50 % 50));
                    fs::create_dir_all(&dir)?;
                    let name = dir.join(format!("source{made:05}.{extension}"));
                    let mut target = File::create(&name)?;
                    let copied = io::copy(&mut reader.by_ref().take(size), &mut target)?;
                    if copied == 0 {
                        fs::remove_file(&name)?;
                        break;
                    }
                    made += 1;
                }
                Ok(made < SMALL_FILES)
            })?;
        }
        if made == before {
            return Err(io::Error::other(
                "there are no source texts on this machine",
            ));
        }
    }
    Ok(())
}

fn make_numbers(path: &Path) -> io::Result<()> {
    for number in 0..MANY_FILES {
        let dir = path.join(format!("{:03}/{:02}", number / 5000, number / 100 % 50));
        if number % 100 == 0 {
            fs::create_dir_all(&dir)?;
        }
        fs::write(
            dir.join(format!("number-{number:06}.txt")),
            format!("{number}\n"),
        )?;
    }
    Ok(())
}

fn make_media(path: &Path) -> io::Result<()> {
    let mut rng = Rng::new(5);
    let mut bytes = 0;
    let mut number = 0;
    while bytes < MEDIA_BYTES {
        // Pictures of a few megabytes, now and then a film.
        let size = if number % 40 == 39 {
            30_000_000 + rng.below(30_000_000)
        } else {
            400_000 + rng.below(6_000_000)
        };
        let mut file = BufWriter::new(File::create(path.join(format!("media{number:04}.bin")))?);
        // A header like that of a picture: tags, then a table.
        content::write_to(&mut file, Flavour::Periodic, number % 7, 600)?;
        content::write_to(&mut file, Flavour::Random, number, size)?;
        file.flush()?;
        bytes += size;
        number += 1;
    }
    Ok(())
}
