//! Several instances together.

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

/// CPU time of this process in seconds, its own and that of its threads.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

/// `WIMFORGE_TREE` names what is captured.
#[test]
#[ignore = "a measurement, for a quiet machine"]
fn speed() {
    let path = std::env::var_os("WIMFORGE_TREE").unwrap_or("/usr/include".into());
    let path = std::path::PathBuf::from(path);
    let scratch = Scratch::new();
    library();
    for instances in [0, 1, 2, 0, 1, 2] {
        let mut instance = instance();
        let options = library::options(compression(Compression::Lzx), now());
        let (began, used) = (Instant::now(), cpu());
        let wim = scratch.join("x.wim");
        let mut writing = instance.create(new_file(&wim), &options).unwrap().unwrap();
        if instances > 0 {
            writing
                .use_workers(Pool::new(library(), instances).unwrap())
                .unwrap();
        }
        writing
            .add(directory(&path), &image("tree"), None)
            .unwrap()
            .unwrap();
        writing.finish(None).unwrap().unwrap();
        eprintln!(
            "{instances} instances beside the writer: {:.2} s, {:.2} s of CPU, {} MiB of memory",
            began.elapsed().as_secs_f64(),
            cpu() - used,
            instance.store.data().peak >> 20
        );
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
