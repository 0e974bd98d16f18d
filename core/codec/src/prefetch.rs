//! Asking for memory ahead of its use.
//!
//! Tables of positions are larger than the first-level cache, those for far matches in large chunks much
//! larger than any, and every look-up waits for memory unless it was announced some positions before. A
//! prefetch has no effect but on time, so the twin without one that is used on other machines is
//! trivially equivalent.

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod leaf {
    #![allow(unsafe_code)]

    /// Announces that `slice[index]` will be used soon. An index past the end is ignored.
    #[inline(always)]
    pub(crate) fn prefetch<T>(slice: &[T], index: usize) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        if let Some(place) = slice.get(index) {
            // SAFETY: the instruction is part of every x86-64 processor (SSE) and reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(place).cast()) };
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod leaf {
    /// Does nothing here.
    #[inline(always)]
    pub(crate) fn prefetch<T>(_: &[T], _: usize) {}
}

pub(crate) use leaf::prefetch;
