//! The same volumes, read by the crate `ntfs`.
//!
//! It is right about names, attributes, times and plain data. It hands out compressed data as it is
//! stored, does not find all streams and pieces of a file with an attribute list, and does not find its
//! way in the indexes of volumes with clusters above 4 KiB; so those are left out.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use ntfs::structured_values::NtfsFileNamespace;
use ntfs::{
    KnownNtfsFileRecordNumber, Ntfs, NtfsAttributeFlags, NtfsAttributeType, NtfsFile, NtfsReadSeek,
};

use crate::support::{Node, Tree};

/// Compares what we read with what the other reader reads. Returns the number of streams compared.
pub fn compare(device: &mut (impl Read + Seek), ours: &Tree) -> usize {
    let mut other = Ntfs::new(device).unwrap();
    other.read_upcase_table(device).unwrap();
    let mut walk = Walk {
        ours,
        streams: 0,
        seen: BTreeMap::new(),
    };
    let root = other.root_directory(device).unwrap();
    walk.node("/", &root, device);
    walk.directory("", &root, &other, device);
    let missing: Vec<_> = ours
        .paths()
        .into_iter()
        .filter(|path| !walk.seen.contains_key(*path))
        .collect();
    assert!(missing.is_empty(), "only we see {missing:?}");
    walk.streams
}

struct Walk<'a> {
    ours: &'a Tree,
    streams: usize,
    seen: BTreeMap<String, u64>,
}

impl Walk<'_> {
    fn directory(
        &mut self,
        path: &str,
        directory: &NtfsFile<'_>,
        other: &Ntfs,
        device: &mut (impl Read + Seek),
    ) {
        let index = directory.directory_index(device).unwrap();
        let mut entries = index.entries();
        let mut short_names = BTreeMap::new();
        while let Some(entry) = entries.next(device) {
            let entry = entry.unwrap();
            let key = entry.key().unwrap().unwrap();
            let reference = entry.file_reference();
            // The files of the file system itself.
            let number = reference.file_record_number();
            if number <= KnownNtfsFileRecordNumber::Extend as u64 {
                continue;
            }
            let name = key.name().to_string_lossy();
            if key.namespace() == NtfsFileNamespace::Dos {
                short_names.insert(number, name);
                continue;
            }
            let path = format!("{path}/{name}");
            let file = entry.to_file(other, device).unwrap();
            self.node(&path, &file, device);
            if file.is_directory() {
                self.directory(&path, &file, other, device);
            }
        }
        for (path, number) in &self.seen {
            if let Some(name) = short_names.get(number) {
                assert_eq!(self.ours.get(path).short_name, *name, "{path}");
            }
        }
    }

    fn node(&mut self, path: &str, file: &NtfsFile<'_>, device: &mut (impl Read + Seek)) {
        let ours = self.ours.get(path);
        assert_eq!(ours.record, file.file_record_number(), "{path}");
        let info = file.info().unwrap();
        let both = [
            (ours.times.creation, info.creation_time()),
            (ours.times.write, info.modification_time()),
            (ours.times.access, info.access_time()),
            (ours.times.change, info.mft_record_modification_time()),
        ];
        for (ours, theirs) in both {
            assert_eq!(ours, theirs.nt_timestamp(), "{path}");
        }
        let theirs = info.file_attributes().bits();
        assert_eq!(ours.attributes & theirs, theirs, "{path}");
        self.streams(path, ours, file, device);
        self.seen.insert(path.to_owned(), ours.record);
    }

    fn streams(
        &mut self,
        path: &str,
        ours: &Node,
        file: &NtfsFile<'_>,
        device: &mut (impl Read + Seek),
    ) {
        let mut names = Vec::new();
        let has_list = file
            .attributes_raw()
            .any(|attribute| attribute.unwrap().ty().unwrap() == NtfsAttributeType::AttributeList);
        let mut attributes = file.attributes();
        while let Some(item) = attributes.next(device) {
            let item = item.unwrap();
            let attribute = item.to_attribute().unwrap();
            if attribute.ty().unwrap() != NtfsAttributeType::Data {
                continue;
            }
            let name = attribute.name().unwrap().to_string_lossy();
            let data = &ours.streams[&name];
            names.push(name.clone());
            let compressed = attribute.flags().contains(NtfsAttributeFlags::COMPRESSED);
            if compressed || has_list {
                continue;
            }
            assert_eq!(data.len() as u64, attribute.value_length(), "{path}:{name}");
            let mut value = attribute.value(device).unwrap();
            let mut theirs = vec![0x55; data.len()];
            value.read_exact(device, &mut theirs).unwrap();
            assert!(theirs == *data, "{path}:{name}");
            self.streams += 1;
        }
        let all = names.len() == ours.streams.len();
        assert!(all || has_list, "{path}: {names:?}");
    }
}
