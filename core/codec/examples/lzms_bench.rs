//! Compresses files as a WIM would and tells what it cost.
//!
//! `lzms_bench [--solid] [--level N] [--chunk BYTES] [--no-verify] PATH...`
//!
//! Every file (equal ones once) is cut into chunks of 128 KiB; with `--solid` all files are joined in the
//! order of extension and name and cut into chunks of 64 MiB. Prints the sizes, the CPU time of
//! compressing and of decompressing, and the memory that was needed beyond the input.

use std::{
    collections::HashSet,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use wimforge_codec::{
    Level,
    lzms::{Compressor, Decompressor},
};

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        entries.sort();
        for entry in entries {
            collect(&entry, files);
        }
    } else if path.is_file() && !path.is_symlink() {
        files.push(path.to_owned());
    }
}

/// CPU nanoseconds of this thread.
fn cpu() -> u64 {
    fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .unwrap_or(0)
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut solid, mut verify, mut level, mut chunk) = (false, true, 50, None);
    let mut files = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--solid" => solid = true,
            "--no-verify" => verify = false,
            "--level" => level = arguments.next().ok_or("level missing")?.parse()?,
            "--chunk" => chunk = Some(arguments.next().ok_or("size missing")?.parse()?),
            path => collect(Path::new(path), &mut files),
        }
    }
    if solid {
        files.sort_by_key(|path| {
            let extension = path.extension().map(ToOwned::to_owned);
            (extension, path.file_name().map(ToOwned::to_owned))
        });
    }
    let mut contents = Vec::new();
    let mut known = HashSet::new();
    for file in &files {
        let content = fs::read(file)?;
        if !content.is_empty() && known.insert(content.clone()) {
            contents.push(content);
        }
    }
    drop(known);
    let count = contents.len();
    if solid {
        contents = vec![contents.concat()];
    }
    let chunk: u32 = chunk.unwrap_or(if solid { 64 << 20 } else { 128 << 10 });

    let mut compressor = Compressor::new(chunk, Level(level));
    let mut decompressor = Decompressor::new(chunk);
    let mut output = vec![0; chunk as usize];
    let mut plain = vec![0; chunk as usize];
    let before = peak_kib();
    let (mut input_size, mut stored, mut packing, mut unpacking) = (0u64, 0u64, 0, 0);
    for piece in contents
        .iter()
        .flat_map(|content| content.chunks(chunk as usize))
    {
        input_size += piece.len() as u64;
        let start = cpu();
        let size = compressor.compress(piece, &mut output[..piece.len() - 1]);
        packing += cpu() - start;
        stored += size.unwrap_or(piece.len()) as u64;
        let Some(size) = size.filter(|_| verify) else {
            continue;
        };
        let start = cpu();
        decompressor.decompress(&output[..size], &mut plain[..piece.len()])?;
        unpacking += cpu() - start;
        if plain[..piece.len()] != *piece {
            return Err("decompressed differently".into());
        }
    }
    println!(
        "{count} files {input_size} -> {stored} ({:.5}); pack {:.2} s {:.1} ns/B, unpack {:.2} s {:.1} ns/B, memory {} KiB",
        stored as f64 / input_size as f64,
        packing as f64 / 1e9,
        packing as f64 / input_size as f64,
        unpacking as f64 / 1e9,
        unpacking as f64 / input_size as f64,
        peak_kib() - before,
    );
    Ok(())
}
