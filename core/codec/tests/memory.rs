//! A compressor takes the memory that [`Compressor::memory`] says, which callers compare with limits; and
//! neither it nor a decompressor takes any more for the chunks after the first.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use wimforge_codec::{Compressor, Decompressor, Format, Level};

/// The system's allocator, which counts what each thread takes: that of the test harness does, too.
struct Counting;

/// How often memory was taken, and how many bytes are, now and at most.
#[derive(Clone, Copy)]
struct Taken {
    times: usize,
    now: isize,
    most: isize,
}

thread_local! {
    static TAKEN: Cell<Taken> = const {
        Cell::new(Taken { times: 0, now: 0, most: 0 })
    };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(change: impl FnOnce(&mut Taken)) {
    let mut taken = TAKEN.get();
    change(&mut taken);
    TAKEN.set(taken);
}

fn take(size: usize) {
    count(|taken| {
        taken.times += 1;
        taken.now += size.cast_signed();
        taken.most = taken.most.max(taken.now);
    });
}

// SAFETY: the system's allocator does all that is asked for, and counting takes no memory. The method not
// named here uses the others.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller keeps the promises that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // What another thread took may be given back here.
        count(|taken| taken.now -= layout.size().cast_signed());
        // SAFETY: as above, and all places come from the system's allocator.
        unsafe { System.dealloc(place, layout) }
    }
}

/// What is taken while something is done.
fn taken(work: impl FnOnce()) -> Taken {
    TAKEN.set(Taken {
        times: 0,
        now: 0,
        most: 0,
    });
    work();
    TAKEN.get()
}

/// Lines of numbers, a table of more, and calls: something for every kind of match.
fn data(size: usize) -> Vec<u8> {
    let piece = |i: u32| match i % 64 {
        0..50 => format!("{} {}\n", i, i.wrapping_mul(0x9e37_79b1)).into_bytes(),
        50..63 => [i * 3, i << 8 | 7].map(u32::to_le_bytes).concat(),
        _ => [&[0xe8][..], &0x1000u32.wrapping_sub(17 * i).to_le_bytes()].concat(),
    };
    (0..).flat_map(piece).take(size).collect()
}

fn check(format: Format, chunk_size: u32, level: u32) {
    let what = format!("{format:?}, chunks of {chunk_size}, level {level}");
    let data = data(chunk_size as usize);
    // For small chunks, as the last one may be, there may be other means.
    let parts = [&data[1000..3000], &data[..data.len() / 2], &data];
    let mut packed = parts.map(|part| vec![0; part.len()]);
    let mut sizes = parts.map(<[u8]>::len);

    let mut made = None;
    let mut compress = || {
        let compressor =
            made.get_or_insert_with(|| Compressor::new(format, chunk_size, Level(level)).unwrap());
        for ((part, packed), size) in parts.iter().zip(&mut packed).zip(&mut sizes) {
            *size = compressor.compress(part, packed).expect("this shrinks");
        }
    };
    let announced = Compressor::memory(format, chunk_size, Level(level));
    assert_eq!(
        taken(&mut compress).most.cast_unsigned() as u64,
        announced,
        "{what}"
    );
    assert_eq!(taken(&mut compress).times, 0, "{what}, again");

    let mut back = vec![0; data.len()];
    let mut decompressor = Decompressor::new(format, chunk_size).unwrap();
    let mut decompress = || {
        for ((part, packed), &size) in parts.iter().zip(&packed).zip(&sizes) {
            let back = &mut back[..part.len()];
            decompressor.decompress(&packed[..size], back).unwrap();
            assert!(back == *part, "{what}");
        }
    };
    decompress();
    assert_eq!(taken(decompress).times, 0, "{what}, decompressed");
}

#[test]
fn what_is_announced_is_taken_once() {
    for chunk_size in [1 << 12, 1 << 16] {
        for level in [20, 60, 100] {
            check(Format::Xpress, chunk_size, level);
        }
    }
    for chunk_size in [1 << 15, 1 << 17] {
        for level in [20, 35, 100] {
            check(Format::Lzx, chunk_size, level);
        }
    }
    for (chunk_size, level) in [(1 << 15, 20), (1 << 15, 100), (1 << 20, 1)] {
        check(Format::Lzms, chunk_size, level);
    }
}
