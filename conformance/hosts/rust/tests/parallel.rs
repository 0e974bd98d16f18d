//! Several instances together.

use std::path::{Path, PathBuf};
use std::time::Instant;

use wimforge_conformance::imaging::Compression;
use wimforge_conformance::scratch::Scratch;
use wimforge_conformance::tree::fixed;
use wimforge_host_example::library;
use wimforge_host_example::pool::Pool;

use crate::support::*;

#[test]
fn more_instances_write_the_same_bytes() {
    let scratch = Scratch::new();
    let path = scratch.join("tree");
    let mut tree = fixed::bulky(9, 5);
    tree.nodes.extend(fixed::wide(400).nodes);
    tree.build(&path);
    let expected = by_program(&path, &scratch.join("native.wim"), Compression::Lzx, &[]);
    for instances in [1, 2, 3] {
        let wim = scratch.join(format!("{instances}.wim"));
        let mut instance = instance();
        let options = library::options(compression(Compression::Lzx), now());
        let mut writing = instance.create(new_file(&wim), &options).unwrap().unwrap();
        writing
            .use_workers(Pool::new(library(), instances).unwrap())
            .unwrap();
        writing
            .add(directory(&path), &image("tree"), None)
            .unwrap()
            .unwrap();
        writing.finish(None).unwrap().unwrap();
        let got = std::fs::read(&wim).unwrap();
        assert_same_bytes(&format!("{instances} instances"), &expected, &got);
    }
}

/// CPU time in seconds of this process with its threads, and of the programs it has waited for.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks: f64 = fields
        .skip(11)
        .take(4)
        .map(|field| field.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

/// Captures through the component, with so many instances beside the writer; the memory that the
/// writer took at most, in bytes.
fn capture_with(instances: usize, path: &Path, wim: &Path) -> usize {
    let mut instance = instance();
    let options = library::options(compression(Compression::Lzx), now());
    let mut writing = instance.create(new_file(wim), &options).unwrap().unwrap();
    if instances > 0 {
        writing
            .use_workers(Pool::new(library(), instances).unwrap())
            .unwrap();
    }
    writing
        .add(directory(path), &image("tree"), None)
        .unwrap()
        .unwrap();
    writing.finish(None).unwrap().unwrap();
    instance.store.data().peak
}

/// LZX by the program on one thread, by the component alone, and with one and two instances beside
/// it, by turns. `WIMFORGE_TREE` names what is captured, `WIMFORGE_BIN` the program: one that was
/// built with `--release`.
#[test]
#[ignore = "a measurement, for a quiet machine"]
fn speed() {
    const ROUNDS: usize = 5;
    let path = std::env::var_os("WIMFORGE_TREE").unwrap_or("/usr/include".into());
    let path = PathBuf::from(path);
    let scratch = Scratch::new();
    let wim = scratch.join("x.wim");
    library();
    let mut taken = [const { Vec::new() }; 4];
    for way in (0..4).cycle().take(4 * ROUNDS) {
        let (began, used) = (Instant::now(), cpu());
        match way {
            0 => drop(by_program(&path, &wim, Compression::Lzx, &["--threads=1"])),
            more => drop(capture_with(more - 1, &path, &wim)),
        }
        taken[way].push((began.elapsed().as_secs_f64(), cpu() - used));
        std::fs::remove_file(&wim).unwrap();
    }
    for (way, taken) in taken.iter_mut().enumerate() {
        let median = |values: Vec<f64>| {
            let mut values = values;
            values.sort_by(f64::total_cmp);
            values[ROUNDS / 2]
        };
        let wall = median(taken.iter().map(|taken| taken.0).collect());
        let cpu = median(taken.iter().map(|taken| taken.1).collect());
        let who = ["program", "component", "component + 1", "component + 2"][way];
        eprintln!("{who:14} {wall:6.2} s, CPU {cpu:6.2} s: {taken:.2?}");
    }
}

/// Two gigabytes of files through at most 256 MiB.
#[test]
#[ignore = "needs 2 GB and a minute"]
fn memory_of_a_large_capture() {
    let scratch = Scratch::new();
    let path = scratch.join("tree");
    std::fs::create_dir(&path).unwrap();
    for number in 0..8u64 {
        let file = std::fs::File::create(path.join(number.to_string())).unwrap();
        let mut file = std::io::BufWriter::new(file);
        let flavour = wimforge_conformance::content::Flavour::Text;
        wimforge_conformance::content::write_to(&mut file, flavour, number, 256 << 20).unwrap();
    }
    for how in [Compression::None, Compression::Xpress] {
        let mut instance = instance();
        let wim = scratch.join("x.wim");
        let options = library::options(compression(how), now());
        let mut writing = instance.create(new_file(&wim), &options).unwrap().unwrap();
        writing
            .add(directory(&path), &image("tree"), None)
            .unwrap()
            .unwrap();
        writing.finish(None).unwrap().unwrap();
        let peak = instance.store.data().peak;
        eprintln!("{how:?}: {} MiB", peak >> 20);
        assert!(peak < 256 << 20);
    }
}
