//! Which instructions the processor has, and code compiled for them.
//!
//! Compilers may use only what every processor of the target has. A [`Work`] is compiled twice, the second
//! time for processors with AVX2 and the bit instructions that came with it, and [`run`] takes the
//! one that the processor at hand has. Both give the same result.

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

#[cfg(not(target_arch = "x86_64"))]
mod leaf {
    use super::{Common, Work};

    /// What this processor has.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Processor;

    impl Processor {
        pub(crate) fn detect() -> Self {
            Processor
        }

        /// Does some work.
        #[inline(always)]
        pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
            work.run::<Common>()
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod leaf {
    #![allow(unsafe_code)]

    use super::{Common, Work};
    use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

    /// AVX2, BMI, BMI2, LZCNT, POPCNT.
    pub(crate) struct Avx2;

    /// What this processor has.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Processor {
        has_avx2: bool,
    }

    impl Processor {
        /// Asks the processor.
        pub(crate) fn detect() -> Self {
            Processor {
                has_avx2: !cfg!(miri) && !super::is_common_only() && has_avx2(),
            }
        }

        /// Does some work.
        #[inline(always)]
        pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
            if self.has_avx2 {
                // SAFETY: the processor said that it has these.
                unsafe { with_avx2(work) }
            } else {
                without(work)
            }
        }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn with_avx2<W: Work>(work: W) -> W::Output {
        work.run::<Avx2>()
    }

    #[inline(never)]
    fn without<W: Work>(work: W) -> W::Output {
        work.run::<Common>()
    }

    /// Whether the processor has the instructions and the system saves the registers.
    fn has_avx2() -> bool {
        let has = |word: u32, bits: &[u32]| bits.iter().all(|bit| word >> bit & 1 == 1);
        if __cpuid(0).eax < 7 || __cpuid(0x8000_0000).eax < 0x8000_0001 {
            return false;
        }
        let (first, seventh, extended) = (__cpuid(1), __cpuid_count(7, 0), __cpuid(0x8000_0001));
        // XSAVE used by the system, AVX, POPCNT.
        has(first.ecx, &[27, 28, 23])
            // SAFETY: the instruction is there if the system uses XSAVE, which was asked before.
            && unsafe { xcr0() } & 6 == 6
            // BMI, AVX2, BMI2.
            && has(seventh.ebx, &[3, 5, 8])
            // LZCNT.
            && has(extended.ecx, &[5])
    }

    /// Which registers the system saves.
    #[target_feature(enable = "xsave")]
    fn xcr0() -> u64 {
        // SAFETY: register 0 exists wherever the instruction does.
        unsafe { _xgetbv(0) }
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use leaf::Avx2;
pub(crate) use leaf::Processor;

/// Whether to pretend that the processor has no more than all have.
#[cfg(all(not(test), target_arch = "x86_64"))]
fn is_common_only() -> bool {
    false
}

#[cfg(all(test, target_arch = "x86_64"))]
use tests::is_common_only;

#[cfg(test)]
mod tests {
    use crate::{Compressor, Format, Level};
    use alloc::vec::Vec;
    use core::sync::atomic::{AtomicBool, Ordering};

    static COMMON_ONLY: AtomicBool = AtomicBool::new(false);

    pub(super) fn is_common_only() -> bool {
        COMMON_ONLY.load(Ordering::Relaxed)
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
        let data = sample(if cfg!(miri) { 3000 } else { 150_000 });
        for (format, chunk) in [
            (Format::Lzx, 1 << 15),
            (Format::Lzx, 1 << 17),
            (Format::Xpress, 1 << 15),
        ] {
            for level in [10, 20, 25, 35, 50, 60, 100] {
                let mut some = Compressor::new(format, chunk, Level(level)).unwrap();
                COMMON_ONLY.store(true, Ordering::Relaxed);
                let mut other = Compressor::new(format, chunk, Level(level)).unwrap();
                COMMON_ONLY.store(false, Ordering::Relaxed);
                for data in data.chunks(chunk as usize) {
                    let [mut a, mut b] = [(); 2].map(|()| alloc::vec![0; data.len() - 1]);
                    let size = some.compress(data, &mut a);
                    assert_eq!(size, other.compress(data, &mut b));
                    let size = size.expect("this shrinks");
                    assert!(a[..size] == b[..size], "{format:?} {level}");
                }
            }
        }
    }
}
