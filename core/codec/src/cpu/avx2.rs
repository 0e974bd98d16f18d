//! Work for processors with AVX2 and the bit instructions that came with it.
//!
//! [`Avx2`] and its [`lanes`] can be named here only, and here is nothing that uses them but
//! [`Detected::run`]. So nobody gets to these instructions without having asked for them.

#![allow(
    unsafe_code,
    reason = "instructions that a processor has that gets here"
)]

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};

use super::{Instructions, Work};
use crate::matchfinder::tables::TABLES;

mod lanes;

/// The processor said that it has the instructions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detected(());

impl Detected {
    /// Asks the processor.
    pub(super) fn ask() -> Option<Self> {
        let has = if cfg!(miri) {
            // This one is told what it has when the test is compiled.
            cfg!(all(
                target_feature = "avx2",
                target_feature = "bmi1",
                target_feature = "bmi2",
                target_feature = "lzcnt",
                target_feature = "popcnt",
            ))
        } else {
            has_avx2()
        };
        has.then_some(Detected(()))
    }

    /// Does some work.
    #[inline(always)]
    pub(super) fn run<W: Work>(self, work: W) -> W::Output {
        // SAFETY: the processor said that it has these.
        unsafe { with_avx2(work) }
    }
}

/// AVX2, BMI, BMI2, LZCNT, POPCNT.
struct Avx2;

impl Instructions for Avx2 {
    type Narrow = lanes::Narrow;
    type Wide = lanes::Wide;

    #[inline(always)]
    fn hash(word: u64, next: u32, factors: &[[u32; TABLES]; 3], shift: u32) -> [u32; TABLES] {
        lanes::hash(word, next, factors, shift)
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn with_avx2<W: Work>(work: W) -> W::Output {
    work.run::<Avx2>()
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
