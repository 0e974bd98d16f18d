use std::collections::BTreeMap;
use std::sync::Mutex;

use wimforge_codec::Format;

use super::*;
use crate::format::Compression;
use crate::hash::Sha1;
use crate::port::{Inline, Silent};
use crate::testing::{Tree, noise, open, solidify};

/// Puts together what it is given.
#[derive(Default)]
struct Keep(Mutex<BTreeMap<usize, Vec<u8>>>);

impl Receiver for Keep {
    fn takes_damaged(&self) -> bool {
        true
    }

    fn whole(&self, index: usize, data: &[u8], _damage: Option<&Error>) -> Result<()> {
        assert!(
            self.0
                .lock()
                .unwrap()
                .insert(index, data.to_vec())
                .is_none()
        );
        Ok(())
    }

    fn begin(&self, index: usize, _size: u64) -> Result<()> {
        assert!(self.0.lock().unwrap().insert(index, Vec::new()).is_none());
        Ok(())
    }

    fn part(&self, index: usize, offset: u64, data: &[u8]) -> Result<()> {
        let mut kept = self.0.lock().unwrap();
        let kept = kept.get_mut(&index).unwrap();
        assert_eq!(kept.len() as u64, offset, "inline workers keep the order");
        kept.extend_from_slice(data);
        Ok(())
    }

    fn end(&self, _index: usize, damage: Option<&Error>) -> Result<()> {
        assert!(damage.is_none());
        Ok(())
    }
}

fn swept(archive: &Archive, wanted: &[BlobId]) -> BTreeMap<usize, Vec<u8>> {
    let keep = Keep::default();
    let mut order = Vec::new();
    sweep(
        archive,
        wanted,
        &keep,
        Phase::VerifyData,
        &Inline,
        &Silent,
        &mut |index, damage| {
            assert!(damage.is_none(), "{damage:?}");
            order.push(index);
            Ok(())
        },
    )
    .unwrap();
    assert_eq!(order.len(), wanted.len());
    keep.0.into_inner().unwrap()
}

#[test]
fn every_blob_comes_once() {
    let mut tree = Tree::new();
    let sizes = [
        1,
        5,
        4096,
        32768,
        32769,
        300_000,
        1 << 20,
        5_000_000,
        70_000,
        3,
    ];
    for (seed, size) in sizes.into_iter().enumerate() {
        tree.file(&format!("{seed}"), &noise(seed as u64, size));
    }
    let plain = tree.archive(Compression::Chunked(Format::Xpress, 32768));
    for bytes in [
        plain.clone(),
        solidify(&plain, Format::Xpress, 4096),
        solidify(&plain, Format::Lzx, 2 << 20),
    ] {
        let archive = open(bytes).unwrap();
        let all: Vec<_> = archive.blobs.iter().map(|(id, _)| id).collect();
        for wanted in [&all[..], &all[3..4], &all[5..9], &[]] {
            let found = swept(&archive, wanted);
            for (index, &id) in wanted.iter().enumerate() {
                assert_eq!(Sha1::of(&found[&index]), archive.blobs.get(id).hash);
            }
        }
    }
}
