//! Other programs, and files as devices.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use wimforge_ntfs::ReadAt;

/// A file as a device.
pub struct Disk(pub fs::File);

impl ReadAt for Disk {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn size(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }
}

/// Whether all these programs are there.
pub fn have(tools: &[&str]) -> bool {
    tools.iter().all(|tool| installed(tool) || missing(tool))
}

pub fn installed(tool: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"]
        .iter()
        .any(|directory| Path::new(directory).join(tool).exists())
}

pub fn missing(what: &str) -> bool {
    assert!(
        std::env::var_os("WIMFORGE_REQUIRE_TOOLS").is_none(),
        "{what} is required"
    );
    eprintln!("SKIPPED: {what} is not available");
    false
}

pub fn run(program: &str, arguments: &[&str]) -> bool {
    let path = "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin";
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .output();
    match output {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            eprintln!(
                "{program} {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            false
        }
        Err(error) => {
            eprintln!("{program}: {error}");
            false
        }
    }
}
