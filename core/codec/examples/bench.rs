//! Compresses files chunk by chunk, as a WIM would, and prints sizes and CPU time.
//!
//! ```text
//! bench FORMAT[:CHUNK] LEVEL,LEVEL,… [--limit=BYTES] [--no-check] PATH…
//! ```
//!
//! Directories are walked in sorted order; symbolic links are not followed. Files are held in memory,
//! so the time is that of the codec alone.

use std::path::{Path, PathBuf};
use std::time::Instant;

use wimforge_codec::{Compressor, Decompressor, Format, Level};

fn main() {
    let mut words = Vec::new();
    let (mut limit, mut check, mut rounds) = (u64::MAX, true, 1);
    for arg in std::env::args().skip(1) {
        if let Some(value) = arg.strip_prefix("--limit=") {
            limit = value.parse().expect("a number");
        } else if let Some(value) = arg.strip_prefix("--rounds=") {
            rounds = value.parse().expect("a number");
        } else if arg == "--no-check" {
            check = false;
        } else {
            words.push(arg);
        }
    }
    let [format, levels, paths @ ..] = words.as_slice() else {
        eprintln!("usage: bench FORMAT[:CHUNK] LEVELS PATH...");
        std::process::exit(2);
    };
    let (format, chunk) = match format.split_once(':') {
        Some((name, chunk)) => (name, Some(chunk.parse().expect("a chunk size"))),
        None => (format.as_str(), None),
    };
    let (format, chunk) = match format {
        "xpress" => (Format::Xpress, chunk.unwrap_or(1 << 15)),
        "lzx" => (Format::Lzx, chunk.unwrap_or(1 << 15)),
        "lzms" => (Format::Lzms, chunk.unwrap_or(1 << 17)),
        _ => panic!("formats: xpress, lzx, lzms"),
    };
    let mut files = Vec::new();
    for path in paths {
        walk(Path::new(path), &mut files);
    }
    let (mut data, mut total) = (Vec::new(), 0u64);
    for path in files {
        if total >= limit {
            break;
        }
        let Ok(mut bytes) = std::fs::read(&path) else {
            continue;
        };
        bytes.truncate((limit - total).min(usize::MAX as u64) as usize);
        if !bytes.is_empty() {
            total += bytes.len() as u64;
            data.push(bytes);
        }
    }
    println!("{} files, {total} bytes", data.len());
    for level in levels.split(',') {
        let level = Level(level.parse().expect("a level"));
        for _ in 0..rounds {
            run(format, chunk, level, &data, total, check);
        }
    }
}

fn run(format: Format, chunk: u32, level: Level, data: &[Vec<u8>], total: u64, check: bool) {
    let mut compressor = Compressor::new(format, chunk, level).expect("parameters");
    let mut decompressor = Decompressor::new(format, chunk).expect("parameters");
    let mut out = vec![0u8; chunk as usize];
    let mut plain = vec![0u8; chunk as usize];
    let mut size = 0u64;
    let mut packed: Vec<(usize, Vec<u8>)> = Vec::new();
    let (clock, cpu) = (Instant::now(), cpu_time());
    for file in data {
        for piece in file.chunks(chunk as usize) {
            match compressor.compress(piece, &mut out[..piece.len() - 1]) {
                Some(n) => {
                    size += n as u64;
                    if check {
                        packed.push((piece.len(), out[..n].to_vec()));
                    }
                }
                None => {
                    size += piece.len() as u64;
                    if check {
                        packed.push((piece.len(), piece.to_vec()));
                    }
                }
            }
        }
    }
    let spent =
        cpu_time().map_or_else(|| clock.elapsed().as_secs_f64(), |t| t - cpu.unwrap_or(0.0));
    print!(
        "level {:3}: {size:11} bytes, {spent:7.3} s, {:6.2} ns/byte",
        level.0,
        spent * 1e9 / total as f64
    );
    if check {
        let cpu = cpu_time();
        let mut spent = 0.0;
        for round in 0..2 {
            let clock = Instant::now();
            let mut pieces = data.iter().flat_map(|file| file.chunks(chunk as usize));
            for (n, bytes) in &packed {
                let piece = pieces.next().expect("as many pieces");
                if bytes.len() < *n {
                    decompressor
                        .decompress(bytes, &mut plain[..*n])
                        .expect("valid");
                    if round == 0 {
                        assert!(plain[..*n] == *piece, "round trip");
                    }
                }
            }
            spent = clock.elapsed().as_secs_f64();
        }
        let _ = cpu;
        print!("; back {:5.2} ns/byte", spent * 1e9 / total as f64);
    }
    println!();
}

fn walk(path: &Path, files: &mut Vec<PathBuf>) {
    let Ok(meta) = std::fs::symlink_metadata(path) else {
        return;
    };
    if meta.is_dir() {
        let mut names: Vec<_> = std::fs::read_dir(path)
            .map(|dir| dir.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        names.sort();
        for name in names {
            walk(&name, files);
        }
    } else if meta.is_file() {
        files.push(path.to_owned());
    }
}

/// User CPU seconds of this thread, where the system tells (in hundredths).
fn cpu_time() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = stat.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}
