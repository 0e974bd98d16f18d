//! Several files as one archive: the parts of a split WIM, or a delta with its bases.
//!
//! The first file has the images and the XML data. Of the others only the blobs count: all blobs form
//! one pool known by hash, and where two files have the same blob the one that was given first is used.

use std::sync::Arc;

use super::open::{Archive, ArchiveFile, check_header, read_header};
use crate::hash::Sha1;
use crate::port::Storage;
use crate::{Error, ErrorKind, Result};

impl Archive {
    /// Adds a further file whose blobs may be used. Returns what is unusual about it but does not
    /// prevent reading.
    ///
    /// # Errors
    /// Those of [`Archive::open`], [`ErrorKind::Memory`] for more than 65,536 files. The archive must
    /// not be used any more then.
    pub fn add_file(&mut self, storage: Arc<dyn Storage + Send>) -> Result<Vec<String>> {
        let name = storage.name();
        self.add_unnamed(storage).map_err(|error| error.at(name))
    }

    fn add_unnamed(&mut self, storage: Arc<dyn Storage + Send>) -> Result<Vec<String>> {
        let number = self.files.len();
        if u16::try_from(number).is_err() {
            let what = "more files than one archive can consist of";
            return Err(Error::new(ErrorKind::Memory, what));
        }
        let size = storage.len()?;
        let mut header = read_header(&*storage, size)?;
        let mut warnings = check_header(&mut header, size)?;
        self.files.push(ArchiveFile { storage, header });
        let known = self.warnings.len();
        self.read_blob_table(number, size)?;
        warnings.extend(self.warnings.drain(known..));
        Ok(warnings)
    }

    /// Parts of a split WIM that were not given, from 1.
    #[must_use]
    pub fn missing_parts(&self) -> Vec<u16> {
        let main = self.header();
        let is_there = |part: u16| {
            let mut headers = self.files.iter().map(|file| &file.header);
            headers.any(|header| header.guid == main.guid && header.part == part)
        };
        (1..=main.parts).filter(|&part| !is_there(part)).collect()
    }

    /// All parts of a split WIM are there, once each, and no other file.
    ///
    /// # Errors
    /// [`ErrorKind::SplitInvalid`].
    pub fn check_complete(&self) -> Result<()> {
        let main = self.header();
        let wrong = |what: String| Err(Error::new(ErrorKind::SplitInvalid, what));
        for file in &self.files {
            let other = &file.header;
            if (other.guid, other.parts) != (main.guid, main.parts) {
                let (name, first) = (file.storage.name(), self.storage().name());
                return wrong(format!(
                    "\"{name}\" and \"{first}\" belong to different split WIMs"
                ));
            }
        }
        match &self.missing_parts()[..] {
            [] if self.files.len() == usize::from(main.parts) => Ok(()),
            [] => wrong("some part of the split WIM was given twice".into()),
            parts => wrong(format!(
                "{} of {} of the split WIM missing",
                list_parts(parts),
                main.parts
            )),
        }
    }

    /// The failure that this data is in none of the files: says which file of the set may have it.
    #[must_use]
    pub fn missing(&self, hash: &Sha1) -> Error {
        let where_it_is = match &self.missing_parts()[..] {
            [] => match self.files.len() {
                1 => "the WIM may be a delta, whose base has it".to_owned(),
                _ => "nor is it in the other files given".to_owned(),
            },
            parts => format!(
                "{} of {} parts of this split WIM {} not given",
                list_parts(parts),
                self.header().parts,
                if parts.len() == 1 { "was" } else { "were" }
            ),
        };
        Error::new(
            ErrorKind::MissingBlob,
            format!(
                "the data with SHA-1 {hash} is not in \"{}\": {where_it_is}",
                self.storage().name()
            ),
        )
    }
}

/// Numbers of parts in words: `part 2`, `parts 2, 3`.
fn list_parts(parts: &[u16]) -> String {
    const SHOWN: usize = 20;
    let numbers: Vec<String> = parts.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = match parts.len() > SHOWN {
        true => " and more",
        false => "",
    };
    let plural = if parts.len() == 1 { "" } else { "s" };
    format!("part{plural} {}{more}", numbers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::verify::{VerifyOptions, verify};
    use crate::format::Compression;
    use crate::port::memory::MemoryStorage;
    use crate::port::{Inline, Silent, WorkerState};
    use crate::testing::{Tree, noise, open, without_data};

    /// A delta and its base: both images have the same files, the delta has no data.
    fn delta_and_base() -> (Vec<u8>, Vec<u8>) {
        let mut tree = Tree::new();
        tree.file("a", &noise(1, 3000));
        tree.file("b", &noise(2, 70_000));
        let base = tree.archive(Compression::None);
        (without_data(&base), base)
    }

    fn storage(bytes: Vec<u8>) -> Arc<dyn Storage + Send> {
        Arc::new(MemoryStorage::new(bytes))
    }

    fn read_all(archive: &Archive) -> Result<()> {
        let image = archive.read_image(1, &mut |_| {})?;
        for (_, inode) in image.inodes() {
            for stream in image.streams(inode) {
                let hash = image.content(stream.content).hash;
                let id = archive.blobs.find(&hash);
                let blob = id.map(|id| archive.blobs.get(id));
                let reader = archive.reader(blob.ok_or_else(|| archive.missing(&hash))?)?;
                reader.read_all(&mut WorkerState::default(), &mut |_| Ok(()))?;
            }
        }
        Ok(())
    }

    #[test]
    fn a_delta_is_read_with_its_base_only() {
        let (delta, base) = delta_and_base();
        let mut archive = open(delta).unwrap();
        let error = read_all(&archive).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingBlob);
        assert!(error.to_string().contains("may be a delta"), "{error}");
        assert_eq!(archive.add_file(storage(base)).unwrap(), [""; 0]);
        read_all(&archive).unwrap();
        let report = verify(&archive, &VerifyOptions::default(), &Inline, &Silent).unwrap();
        assert_eq!(report.problems, []);
        assert_eq!((report.files, report.blobs), (2, 2));
    }

    #[test]
    fn what_is_no_archive_is_refused_by_name() {
        let (delta, _) = delta_and_base();
        let mut archive = open(delta).unwrap();
        let error = archive.add_file(storage(vec![7; 4000])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotWim);
        assert!(error.to_string().starts_with("memory"), "{error}");
    }

    #[test]
    fn parts_in_words() {
        assert_eq!(list_parts(&[2]), "part 2");
        assert_eq!(list_parts(&[2, 3]), "parts 2, 3");
    }
}
