//! What was asked for with `--solid` and the options that go with it.

use clap::ArgMatches;
use wimforge_codec::{Format, Level};
use wimforge_core::archive::{Archive, Solid};
use wimforge_core::write::{SolidOptions, SolidOrder};
use wimforge_core::{Error, ErrorKind, Result};

use crate::values::CompressionChoice;

/// The options of `args::solid` as they were typed.
#[derive(Clone, Copy, Debug, Default)]
pub struct SolidChoice {
    wanted: bool,
    compression: Option<CompressionChoice>,
    chunk_size: Option<u32>,
    order: SolidOrder,
}

impl SolidChoice {
    /// Reads the options.
    #[must_use]
    pub fn of(matches: &ArgMatches) -> Self {
        let chunk_size = matches.get_one::<u64>("solid-chunk-size").copied();
        Self {
            wanted: matches.get_flag("solid"),
            compression: matches
                .get_one::<CompressionChoice>("solid-compress")
                .copied(),
            chunk_size: chunk_size.map(|size| u32::try_from(size).unwrap_or(u32::MAX)),
            order: match matches.get_flag("no-solid-sort") {
                true => SolidOrder::Tree,
                false => SolidOrder::Similarity,
            },
        }
    }

    /// Whether `--solid` was given.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// The first of the other options, if one was given without `--solid`.
    #[must_use]
    pub fn without_effect(&self) -> Option<&'static str> {
        match (self.wanted, self.compression, self.chunk_size, self.order) {
            (true, ..) => None,
            (_, Some(_), ..) => Some("--solid-compress"),
            (_, _, Some(_), _) => Some("--solid-chunk-size"),
            (_, _, _, SolidOrder::Tree) => Some("--no-solid-sort"),
            _ => None,
        }
    }

    /// How a new archive is to be written.
    ///
    /// # Errors
    /// [`ErrorKind::CompressionType`], [`ErrorKind::ChunkSize`].
    pub fn for_new(&self) -> Result<Option<SolidOptions>> {
        match self.wanted {
            true => self.options((Format::Lzms, None)).map(Some),
            false => Ok(None),
        }
    }

    /// How data is to be added to an archive: solid too if it has solid resources, and then in the
    /// same way as the last of them unless the options say otherwise.
    ///
    /// # Errors
    /// As [`SolidChoice::for_new`].
    pub fn for_archive(&self, archive: &Archive) -> Result<Option<SolidOptions>> {
        let in_file = |solid: &&Solid| solid.file == 0;
        let last = archive.blobs.solids.iter().rfind(in_file);
        match last.and_then(|solid| solid.chunks.format()) {
            Some((format, chunk_size)) if !self.wanted => {
                self.options((format, Some(chunk_size))).map(Some)
            }
            _ => self.for_new(),
        }
    }

    fn options(&self, (format, chunk_size): (Format, Option<u32>)) -> Result<SolidOptions> {
        let (format, level, chunk_size) = match self.compression {
            None => (format, None, chunk_size),
            Some(CompressionChoice { format: None, .. }) => {
                return Err(Error::new(
                    ErrorKind::CompressionType,
                    "solid resources cannot be without compression; leave out --solid",
                ));
            }
            Some(CompressionChoice {
                format: Some(format),
                level,
            }) => (format, level, None),
        };
        let chunk_size = self.chunk_size.or(chunk_size);
        let chunk_size = chunk_size.unwrap_or(SolidOptions::default_chunk_size(format));
        format.check_chunk_size(chunk_size)?;
        Ok(SolidOptions {
            format,
            chunk_size,
            level: level.unwrap_or(Level::default()),
            order: self.order,
        })
    }
}
