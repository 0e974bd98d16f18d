//! Which instructions the processor has, and code compiled for them.
//!
//! Compilers may use only what every processor of the target has. A [`Work`] is compiled twice, the second
//! time for processors with AVX2 and the bit instructions that came with it, and [`Processor::run`] takes
//! the one that the processor at hand has. Both give the same result.

use crate::matchfinder::tables::TABLES;

/// What to compile more than once.
pub(crate) trait Work {
    /// What comes out.
    type Output;
    /// Does it. Everything that is to be compiled again must be inlined here.
    fn run<I: Instructions>(self) -> Self::Output;
}

/// A set of instructions, which has implementations of its own.
pub(crate) trait Instructions {
    /// Offsets of 16 bits.
    type Narrow: crate::matchfinder::lanes::Nearest<Offset = u16, Bucket = u64>;
    /// Offsets of 21 bits.
    type Wide: crate::matchfinder::lanes::Nearest<Offset = u32, Bucket = u128>;

    /// The upper bits, without the lowest `shift`, of the sums of products of the two halves of `word`
    /// and of `next` with the factors.
    fn hash(word: u64, next: u32, factors: &[[u32; TABLES]; 3], shift: u32) -> [u32; TABLES];
}

/// What every processor of the target has.
pub(crate) struct Common;

/// What this processor has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processor {
    avx2: Option<avx2::Detected>,
}

impl Processor {
    /// Asks the processor.
    pub(crate) fn detect() -> Self {
        Processor {
            avx2: if is_common_only() {
                None
            } else {
                avx2::Detected::ask()
            },
        }
    }

    /// Does some work.
    #[inline(always)]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        match self.avx2 {
            Some(avx2) => avx2.run(work),
            None => without(work),
        }
    }
}

#[inline(never)]
fn without<W: Work>(work: W) -> W::Output {
    work.run::<Common>()
}

#[cfg(target_arch = "x86_64")]
mod avx2;

#[cfg(not(target_arch = "x86_64"))]
mod avx2 {
    use super::Work;

    /// Never.
    #[derive(Clone, Copy, Debug)]
    pub(super) enum Detected {}

    impl Detected {
        pub(super) fn ask() -> Option<Self> {
            None
        }

        pub(super) fn run<W: Work>(self, _: W) -> W::Output {
            match self {}
        }
    }
}

/// Whether to pretend that the processor has no more than all have.
#[cfg(not(test))]
const fn is_common_only() -> bool {
    false
}

#[cfg(test)]
use tests::is_common_only;

#[cfg(test)]
mod tests {
    use crate::{Compressor, Decompressor, Format, Level};
    use alloc::vec::Vec;
    use core::cell::Cell;

    extern crate std;

    std::thread_local! {
        // Other tests run at the same time.
        static COMMON_ONLY: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn is_common_only() -> bool {
        COMMON_ONLY.get()
    }

    /// Words from a small dictionary, some changed, and calls.
    fn sample(size: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = |limit: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((u64::from(state) * u64::from(limit)) >> 32) as u32
        };
        let words: Vec<Vec<u8>> = (0..400)
            .map(|_| (0..2 + next(9)).map(|_| next(60) as u8 + b'@').collect())
            .collect();
        let mut data = Vec::new();
        while data.len() < size {
            data.extend(&words[(next(20) * next(20)) as usize]);
            match next(10) {
                0 => data.extend((next(1 << 20) << 8 | 0xe8).to_le_bytes()),
                1 => data.push(next(256) as u8),
                2 if data.len() > 1000 => {
                    let at = next(data.len() as u32 - 300) as usize;
                    data.extend_from_within(at..at + next(300) as usize);
                }
                _ => data.push(b' '),
            }
        }
        data.truncate(size);
        data
    }

    #[test]
    fn all_processors_give_the_same() {
        let (size, levels): (usize, &[u32]) = if cfg!(miri) {
            (1000, &[60])
        } else {
            (150_000, &[10, 20, 25, 35, 50, 60, 100])
        };
        let data = sample(size);
        for (format, chunk) in [
            (Format::Lzx, 1 << 15),
            (Format::Lzx, 1 << 17),
            (Format::Xpress, 1 << 15),
            (Format::Lzms, 1 << 15),
        ] {
            let mut decompressor = Decompressor::new(format, chunk).unwrap();
            for &level in levels {
                let mut some = Compressor::new(format, chunk, Level(level)).unwrap();
                COMMON_ONLY.set(true);
                let mut other = Compressor::new(format, chunk, Level(level)).unwrap();
                COMMON_ONLY.set(false);
                for data in data.chunks(chunk as usize) {
                    let [mut a, mut b] = [(); 2].map(|()| alloc::vec![0; data.len() - 1]);
                    let size = some.compress(data, &mut a);
                    assert_eq!(size, other.compress(data, &mut b));
                    let size = size.expect("this shrinks");
                    assert!(a[..size] == b[..size], "{format:?} {level}");
                    let mut back = alloc::vec![0; data.len()];
                    decompressor.decompress(&a[..size], &mut back).unwrap();
                    assert!(back == data, "{format:?} {level}");
                }
            }
        }
    }
}
