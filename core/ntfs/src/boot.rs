//! The boot sector: the sizes of everything, and where `$MFT` begins.

use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::error::{At as _, Error, Fault, Place, Result};
use crate::recognise::{FileSystem, recognise};

/// The first 512 bytes of a volume, whatever its sector size. The fields that FAT keeps in between
/// are zero and of no interest.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct BootSector {
    jump: [u8; 3],
    /// `NTFS` and four spaces.
    name: [u8; 8],
    bytes_per_sector: U16,
    /// Up to 128 the number of sectors, a power of two; above, 2^(256 − code) sectors.
    sectors_per_cluster: u8,
    fat: [u8; 26],
    sectors: U64,
    mft: U64,
    mft_mirror: U64,
    /// Up to 127 a number of clusters; above, 2^(256 − code) bytes.
    record_size: u8,
    unused1: [u8; 3],
    /// Coded like `record_size`.
    index_size: u8,
    unused2: [u8; 3],
    serial: U64,
}

/// The sizes and places that the boot sector tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of a sector: 256 to 4096.
    pub sector_size: u32,
    /// Bytes of a cluster: 512 bytes to 2 MiB.
    pub cluster_size: u32,
    /// Bytes of a file record: 512 to 4096.
    pub record_size: u32,
    /// Bytes of an index block: 512 to 65536.
    pub index_size: u32,
    /// Sectors of the volume, without the copy of the boot sector behind it.
    pub sectors: u64,
    /// Whole clusters of the volume that the device has.
    pub clusters: u64,
    /// Cluster in which `$MFT` begins.
    pub mft_cluster: u64,
    /// Cluster in which the copy of the first records of `$MFT` begins.
    pub mirror_cluster: u64,
    /// Serial number of the volume.
    pub serial: u64,
}

impl Geometry {
    /// Reads a boot sector. `head` should have [`HEAD`](crate::recognise::HEAD) bytes, so that
    /// something else than NTFS can be named; `size` is the size of the device.
    ///
    /// # Errors
    /// [`Error::NotNtfs`], or damage if a field has no possible value.
    pub fn parse(head: &[u8], size: u64) -> Result<Self> {
        let kind = recognise(head);
        if kind != FileSystem::Ntfs {
            return Err(Error::NotNtfs(kind));
        }
        Self::parse_fields(head, size).at(Place::Boot)
    }

    fn parse_fields(head: &[u8], size: u64) -> Result<Self, Fault> {
        let head = head.get(..512).ok_or(Fault::TooShort)?;
        let (boot, _) = BootSector::ref_from_prefix(head).map_err(|_| Fault::TooShort)?;
        let bytes = boot.bytes_per_sector.get();
        if !matches!(bytes, 256 | 512 | 1024 | 2048 | 4096) {
            return Err(Fault::SectorSize(bytes));
        }
        let sector_size = u32::from(bytes);
        let code = boot.sectors_per_cluster;
        let cluster_sectors = match code {
            1..=128 if code.is_power_of_two() => u32::from(code),
            0xF4..=0xFF => 1 << (256 - u32::from(code)),
            _ => return Err(Fault::ClusterSize(code)),
        };
        let cluster_size = sector_size * cluster_sectors;
        if !(512..=2 << 20).contains(&cluster_size) {
            return Err(Fault::ClusterSize(code));
        }
        let record_size =
            block_size(boot.record_size, cluster_size).filter(|size| (512..=4096).contains(size));
        let index_size =
            block_size(boot.index_size, cluster_size).filter(|size| (512..=65536).contains(size));
        let sectors = boot.sectors.get();
        let clusters = sectors / u64::from(cluster_sectors);
        if clusters == 0 || clusters >= 1 << 43 {
            return Err(Fault::VolumeSize(sectors));
        }
        let clusters = clusters.min(size / u64::from(cluster_size));
        if boot.mft.get() >= clusters {
            return Err(Fault::MftBeyondVolume);
        }
        Ok(Self {
            sector_size,
            cluster_size,
            record_size: record_size.ok_or(Fault::RecordSize(boot.record_size))?,
            index_size: index_size.ok_or(Fault::IndexSize(boot.index_size))?,
            sectors,
            clusters,
            mft_cluster: boot.mft.get(),
            mirror_cluster: boot.mft_mirror.get(),
            serial: boot.serial.get(),
        })
    }

    /// Offset on the device of a cluster of the volume.
    pub(crate) fn offset(&self, cluster: u64) -> u64 {
        cluster * u64::from(self.cluster_size)
    }
}

/// The size of records and index blocks: clusters, or an exponent.
fn block_size(code: u8, cluster_size: u32) -> Option<u32> {
    let size = match code {
        0 => return None,
        1..=127 => u32::from(code).checked_mul(cluster_size)?,
        128.. => 1u32.checked_shl(256 - u32::from(code))?,
    };
    size.is_power_of_two().then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(bytes: u16, cluster: u8, record: u8, index: u8) -> Vec<u8> {
        let mut head = vec![0; 512];
        head[3..11].copy_from_slice(b"NTFS    ");
        head[11..13].copy_from_slice(&bytes.to_le_bytes());
        head[13] = cluster;
        head[40..48].copy_from_slice(&(1u64 << 20).to_le_bytes());
        head[48..56].copy_from_slice(&4u64.to_le_bytes());
        head[64] = record;
        head[68] = index;
        head[510..].copy_from_slice(&[0x55, 0xAA]);
        head
    }

    fn sizes(bytes: u16, cluster: u8, record: u8, index: u8) -> Option<(u32, u32, u32)> {
        let geometry = Geometry::parse(&sector(bytes, cluster, record, index), 1 << 40).ok()?;
        Some((
            geometry.cluster_size,
            geometry.record_size,
            geometry.index_size,
        ))
    }

    #[test]
    fn all_codes_of_sizes() {
        assert_eq!(sizes(512, 8, 0xF6, 1), Some((4096, 1024, 4096)));
        assert_eq!(sizes(512, 1, 2, 8), Some((512, 1024, 4096)));
        assert_eq!(sizes(512, 0x80, 0xF6, 0xF4), Some((65536, 1024, 4096)));
        assert_eq!(sizes(512, 0xF4, 0xF6, 0xF4), Some((2 << 20, 1024, 4096)));
        assert_eq!(sizes(4096, 1, 1, 1), Some((4096, 4096, 4096)));
        assert_eq!(sizes(4096, 0xF4, 1, 1), None);
        assert_eq!(sizes(512, 3, 0xF6, 1), None);
        assert_eq!(sizes(512, 0, 0xF6, 1), None);
        assert_eq!(sizes(512, 0xF3, 0xF6, 1), None);
        assert_eq!(sizes(500, 8, 0xF6, 1), None);
        assert_eq!(sizes(256, 1, 0xF6, 1), None);
        assert_eq!(sizes(512, 8, 0xF3, 1), None);
        assert_eq!(sizes(512, 8, 0, 1), None);
        assert_eq!(sizes(512, 8, 0x80, 1), None);
        assert_eq!(sizes(512, 8, 0xF6, 3), None);
    }

    #[test]
    fn a_cut_off_device_has_fewer_clusters() {
        let geometry = Geometry::parse(&sector(512, 8, 0xF6, 1), 40_000).unwrap();
        assert_eq!(geometry.clusters, 9);
        assert!(Geometry::parse(&sector(512, 8, 0xF6, 1), 16_384).is_err());
    }
}
