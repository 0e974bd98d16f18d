//! Prints how fast streams are hashed, by how many at once.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::time::Instant;

use wimforge_sha1::{Hasher, LANES, update_together};

fn main() {
    let data = vec![0x5A; 256 << 10];
    for count in 1..=LANES + 1 {
        let mut hashers = vec![Hasher::new(); count];
        let times = 2000 / count;
        let started = Instant::now();
        for _ in 0..times {
            update_together(hashers.iter_mut().map(|hasher| (hasher, &data[..])));
        }
        let bytes = (times * count * data.len()) as f64;
        let speed = bytes / started.elapsed().as_secs_f64() / 1e9;
        println!("{count} at once: {speed:.2} GB/s");
    }
}
