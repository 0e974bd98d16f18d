//! NTFS volumes.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, LazyLock};

use wimforge_ntfs::ReadAt;

use crate::exercise::exercise;
use crate::maker::sample;

/// A volume that is in order, and the places of its metadata, in bytes.
struct Sample {
    bytes: Vec<u8>,
    metadata: Vec<usize>,
}

static SAMPLES: LazyLock<[Arc<Sample>; 2]> = LazyLock::new(|| {
    [512, 4096].map(|cluster| {
        let bytes = sample::volume(cluster);
        let metadata = sample::metadata(&bytes)
            .into_iter()
            .flat_map(|(start, length)| start..start + length)
            .collect();
        Arc::new(Sample { bytes, metadata })
    })
});

/// A device with a few bytes changed.
struct Damaged {
    sample: Arc<Sample>,
    changes: BTreeMap<usize, u8>,
}

impl ReadAt for Damaged {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.sample.bytes.read_at(offset, buf)?;
        let start = offset as usize;
        for (at, byte) in self.changes.range(start..start + count) {
            buf[at - start] = *byte;
        }
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.sample.bytes.len() as u64
    }
}

/// A volume with damaged metadata. Byte 0 chooses the volume; then each four bytes are a change: the
/// place among the bytes of its metadata (16 bits), how many bytes further on in the volume (8 bits),
/// the new value (8 bits).
pub fn damaged(data: &[u8]) {
    let Some((&which, changes)) = data.split_first() else {
        return;
    };
    let sample = Arc::clone(&SAMPLES[usize::from(which) % 2]);
    let changes = changes
        .chunks_exact(4)
        .map(|change| {
            let place = usize::from(u16::from_le_bytes([change[0], change[1]]));
            let at = sample.metadata[place % sample.metadata.len()] + usize::from(change[2]);
            (at.min(sample.bytes.len() - 1), change[3])
        })
        .collect();
    let _ = exercise(Arc::new(Damaged { sample, changes }));
}
