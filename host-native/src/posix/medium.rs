//! What files lie on: whether it takes time to go from one to another.

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{major, minor};
use rustix::io::{ReadWriteFlags, preadv2};

/// Where Linux describes block devices, each in a directory named by its number.
pub(super) const DEVICES: &str = "/sys/dev/block";

/// Whether the block device with this number is a disk that rotates, as far as Linux knows: virtual disks are
/// often said to. What has no device of its own, such as a file system in memory or on a network, does not.
pub(super) fn rotates(devices: &Path, device: u64) -> bool {
    let device = devices.join(format!("{}:{}", major(device), minor(device)));
    // A partition is in the directory of its disk.
    let of = ["queue/rotational", "../queue/rotational"];
    of.iter()
        .any(|of| std::fs::read(device.join(of)).is_ok_and(|flag| flag.starts_with(b"1")))
}

/// Whether the beginning of a file is in memory already, by which one tells that all of it is.
#[allow(clippy::needless_pass_by_value, reason = "it is closed")]
pub(super) fn is_cached(file: OwnedFd) -> bool {
    let mut byte = [0];
    let buffer = &mut [IoSliceMut::new(&mut byte)];
    preadv2(&file, buffer, 0, ReadWriteFlags::NOWAIT).is_ok_and(|size| size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn disks_and_their_partitions_rotate() {
        let devices = tempfile::tempdir().unwrap();
        let devices = devices.path();
        for (path, flag) in [
            ("sda/queue/rotational", Some("1\n")),
            ("sda/sda1/size", None),
            ("nvme/queue/rotational", Some("0\n")),
        ] {
            let path = devices.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, flag.unwrap_or("2048")).unwrap();
        }
        for (number, directory) in [("8:0", "sda"), ("8:1", "sda/sda1"), ("259:0", "nvme")] {
            std::os::unix::fs::symlink(directory, devices.join(number)).unwrap();
        }
        let rotates = |major, minor| rotates(devices, rustix::fs::makedev(major, minor));
        assert!(rotates(8, 0) && rotates(8, 1));
        assert!(!rotates(259, 0) && !rotates(0, 25));
    }
}
