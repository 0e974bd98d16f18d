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
                has_avx2: !cfg!(miri) && has_avx2(),
            }
        }

        /// What every processor has.
        #[cfg(test)]
        pub(crate) fn common() -> Self {
            Processor { has_avx2: false }
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
